/* ring.c - numbered things made in the background, or, where no thread can be started, when they
 * are asked for.
 *
 * Number n goes into slot n % slot_count. Workers claim numbers in order under the lock; filling a
 * claimed slot needs no lock. The consumer holds one slot, from one call of rep_ring_next to the
 * next.
 *
 *     consumed      made or being made         claimed next
 *        |  n - 1  |  n   n + 1   n + 2  | ...    never further than consumed + slot_count */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/ring.h"

enum { MOST_THREADS = 256, SPARE_SLOTS = 2, MESSAGE_BYTES = 1024 };

typedef struct ring_slot {
    bool is_made;
    rep_status status; /* of making it */
    char message[MESSAGE_BYTES];
} ring_slot;

typedef struct ring_worker {
    rep_ring *ring;
    int number;
    pthread_t thread;
} ring_worker;

struct rep_ring {
    rep_ring_options options;
    ring_slot *slots;
    uint32_t slot_count;
    ring_worker *workers;
    int started;
    pthread_mutex_t lock;
    pthread_cond_t has_room, has_next;
    atomic_bool is_stopping;
    uint64_t claimed, consumed; /* under the lock: next to make; next to hand out */
};

/* ---- workers ----------------------------------------------------------------------------------
 */

static void make(const ring_worker *w, uint32_t place) {
    rep_ring *r = w->ring;
    ring_slot *slot = &r->slots[place];
    slot->status = r->options.make(r->options.owner, place, w->number);
    if (slot->status != REP_OK) {
        /* The sentence is kept per thread; the consumer repeats it on its own. */
        (void)snprintf(slot->message, sizeof slot->message, "%s", rep_last_error());
    }
}

static void *work(void *argument) {
    const ring_worker *w = argument;
    rep_ring *r = w->ring;
    (void)pthread_mutex_lock(&r->lock);
    for (;;) {
        /* The slot of consumed - 1 is still in the consumer's hands. */
        while (!atomic_load(&r->is_stopping) && r->claimed < r->options.end &&
               r->claimed + 1 >= r->consumed + r->slot_count) {
            (void)pthread_cond_wait(&r->has_room, &r->lock);
        }
        if (atomic_load(&r->is_stopping) || r->claimed >= r->options.end) { break; }
        const uint32_t place = (uint32_t)(r->claimed % r->slot_count);
        r->options.assign(r->options.owner, place, r->claimed++);
        (void)pthread_mutex_unlock(&r->lock);
        make(w, place);
        (void)pthread_mutex_lock(&r->lock);
        r->slots[place].is_made = true;
        (void)pthread_cond_signal(&r->has_next);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- making and unmaking ----------------------------------------------------------------------
 */

rep_status rep_ring_create(rep_ring **out, const rep_ring_options *options) {
    rep_ring *r = calloc(1, sizeof *r);
    if (!r) { return rep_fail(REP_ERR_MEMORY, "loader: no memory"); }
    r->options = *options;
    if (r->options.threads < 1) { r->options.threads = 1; }
    if (r->options.threads > MOST_THREADS) { r->options.threads = MOST_THREADS; }
    r->claimed = r->consumed = options->first;
    r->slot_count = (uint32_t)r->options.threads + SPARE_SLOTS;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->has_room, NULL);
    (void)pthread_cond_init(&r->has_next, NULL);
    r->slots = calloc(r->slot_count, sizeof *r->slots);
    r->workers = calloc((size_t)r->options.threads, sizeof *r->workers);
    if (!r->slots || !r->workers) {
        rep_ring_destroy(r);
        return rep_fail(REP_ERR_MEMORY, "loader: no memory");
    }
    *out = r;
    return REP_OK;
}

uint32_t rep_ring_slot_count(const rep_ring *r) { return r->slot_count; }

int rep_ring_threads(const rep_ring *r) { return r->options.threads; }

bool rep_ring_is_stopping(rep_ring *r) {
    return atomic_load_explicit(&r->is_stopping, memory_order_relaxed);
}

rep_status rep_ring_start(rep_ring *r) {
    /* Signals belong to the program's own threads. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (r->started < r->options.threads && failed == 0) {
        ring_worker *w = &r->workers[r->started];
        w->ring = r;
        w->number = r->started;
        failed = pthread_create(&w->thread, NULL, work, w);
        r->started += failed == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed && r->started > 0) {
        return rep_fail(REP_ERR_MEMORY,
                        "loader: worker %d cannot be started (%s); lower "
                        "DATALOADER.NUM_WORKERS",
                        r->started, strerror(failed));
    }
    return REP_OK; /* without any worker rep_ring_next does their work */
}

void rep_ring_destroy(rep_ring *r) {
    if (!r) { return; }
    (void)pthread_mutex_lock(&r->lock);
    atomic_store(&r->is_stopping, true);
    (void)pthread_cond_broadcast(&r->has_room);
    (void)pthread_mutex_unlock(&r->lock);
    for (int i = 0; i < r->started; i++) { (void)pthread_join(r->workers[i].thread, NULL); }
    free(r->workers);
    free(r->slots);
    (void)pthread_cond_destroy(&r->has_next);
    (void)pthread_cond_destroy(&r->has_room);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

/* ---- use --------------------------------------------------------------------------------------
 */

/* The caller's own thread makes the next number. */
static void make_now(rep_ring *r, uint32_t place) {
    r->workers[0].ring = r;
    r->options.assign(r->options.owner, place, r->claimed++);
    make(&r->workers[0], place);
    r->slots[place].is_made = true;
}

rep_status rep_ring_next(rep_ring *r, uint32_t *out) {
    (void)pthread_mutex_lock(&r->lock);
    if (r->consumed >= r->options.end) {
        (void)pthread_mutex_unlock(&r->lock);
        *out = REP_RING_NONE;
        return REP_OK;
    }
    const uint32_t place = (uint32_t)(r->consumed % r->slot_count);
    ring_slot *slot = &r->slots[place];
    if (r->started == 0 && !slot->is_made) { make_now(r, place); }
    while (!slot->is_made) { (void)pthread_cond_wait(&r->has_next, &r->lock); }
    const rep_status status = slot->status;
    if (status == REP_OK) {
        r->consumed++;
        slot->is_made = false;
        (void)pthread_cond_signal(&r->has_room);
    }
    (void)pthread_mutex_unlock(&r->lock);
    if (status != REP_OK) { return rep_fail(status, "%s", slot->message); }
    *out = place;
    return REP_OK;
}

uint32_t rep_ring_peek(rep_ring *r) {
    (void)pthread_mutex_lock(&r->lock);
    const uint32_t place = (uint32_t)(r->consumed % r->slot_count);
    const ring_slot *slot = &r->slots[place];
    const bool is_there = r->consumed < r->options.end && slot->is_made && slot->status == REP_OK;
    (void)pthread_mutex_unlock(&r->lock);
    return is_there ? place : REP_RING_NONE;
}
