/* loader.c - batches made in the background.
 *
 * Batch number n goes into slot n % slot_count of a ring that is allocated once. Workers claim
 * numbers in order under the lock; filling a claimed slot needs no lock. The consumer holds one
 * slot, from one call of rep_loader_next to the next.
 *
 *     consumed      made or being made         claimed next
 *        |  n - 1  |  n   n + 1   n + 2  | ...    never further than consumed + slot_count
 *
 * Which pictures batch n holds follows from (seed, epoch) and n alone: claims come in order, so one
 * permutation is kept and redone when a claim enters a new epoch. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

enum { MAX_THREADS = 256, SPARE_SLOTS = 2, MESSAGE_BYTES = 1024 };

typedef struct loader_slot {
    rep_batch batch;
    float *images;
    int32_t *labels;
    uint32_t *ids;
    bool is_made;
    rep_status status; /* of making it */
    char message[MESSAGE_BYTES];
} loader_slot;

typedef struct loader_worker {
    rep_loader *loader;
    pthread_t thread;
    uint8_t *pixels; /* one picture */
    float *scratch;
} loader_worker;

struct rep_loader {
    const rep_dataset *set;
    rep_loader_options options;
    rep_augmenter augmenter;
    size_t picture_count, value_count; /* of the set; of one picture */
    uint64_t epoch_batches, end;       /* end: first batch number that does not come */
    loader_slot *slots;
    uint32_t slot_count;
    loader_worker *workers;
    int started;
    pthread_mutex_t lock;
    pthread_cond_t has_room, has_batch;
    atomic_bool is_stopping;
    /* under the lock */
    uint64_t claimed, consumed; /* next to make; next to hand out */
    uint64_t order_epoch;
    uint32_t *order; /* permutation of the set in order_epoch; training only */
};

/* ---- order ------------------------------------------------------------------------------------
 */

/* Fisher and Yates, from the identity, so that an epoch does not depend on the one before. */
static void shuffle(rep_loader *l, uint64_t epoch) {
    rep_rng rng;
    rep_rng_init(&rng, l->options.seed ^ rep_hash_text("loader order"), epoch);
    const uint32_t count = (uint32_t)l->picture_count;
    for (uint32_t i = 0; i < count; i++) { l->order[i] = i; }
    for (uint32_t i = count - 1; i > 0; i--) {
        const uint32_t k = rep_rng_below(&rng, i + 1);
        const uint32_t kept = l->order[i];
        l->order[i] = l->order[k];
        l->order[k] = kept;
    }
    l->order_epoch = epoch;
}

/* Writes down which pictures batch `number` holds. Called under the lock. */
static void assign(rep_loader *l, loader_slot *slot, uint64_t number) {
    const size_t batch = (size_t)l->options.batch;
    const uint64_t epoch = number / l->epoch_batches;
    const size_t first = (size_t)(number % l->epoch_batches) * batch;
    const size_t left = l->picture_count - first, valid = left < batch ? left : batch;
    if (l->order && epoch != l->order_epoch) { shuffle(l, epoch); }
    for (size_t i = 0; i < batch; i++) {
        slot->ids[i] = i >= valid ? 0 : l->order ? l->order[first + i] : (uint32_t)(first + i);
    }
    slot->batch.valid = (int32_t)valid;
    slot->batch.epoch = epoch;
    slot->batch.index = number;
}

/* ---- workers ----------------------------------------------------------------------------------
 */

static rep_status fill_row(const loader_worker *w, loader_slot *slot, size_t row) {
    const rep_loader *l = w->loader;
    const uint32_t id = slot->ids[row];
    float *out = slot->images + row * l->value_count;
    REP_TRY(rep_dataset_read(l->set, id, w->pixels, &slot->labels[row]));
    if (l->options.is_train) {
        rep_rng rng;
        rep_rng_init(&rng, l->options.seed ^ rep_hash_text("augmentation"),
                     slot->batch.epoch << 32 | id);
        rep_augment_random(&l->augmenter, &rng, w->pixels, w->scratch, out);
    } else {
        rep_augment_plain(&l->augmenter, w->pixels, out);
    }
    return REP_OK;
}

static void fill(const loader_worker *w, loader_slot *slot) {
    const rep_loader *l = w->loader;
    const size_t batch = (size_t)l->options.batch, valid = (size_t)slot->batch.valid;
    slot->status = REP_OK;
    for (size_t row = 0; row < valid && slot->status == REP_OK; row++) {
        if (atomic_load_explicit(&w->loader->is_stopping, memory_order_relaxed)) { return; }
        slot->status = fill_row(w, slot, row);
    }
    if (slot->status != REP_OK) {
        /* The sentence is kept per thread; the consumer repeats it on its own. */
        (void)snprintf(slot->message, sizeof slot->message, "%s", rep_last_error());
    }
    for (size_t row = valid; row < batch; row++) {
        slot->labels[row] = -1;
        memset(slot->images + row * l->value_count, 0, l->value_count * sizeof(float));
    }
}

static void *work(void *argument) {
    loader_worker *w = argument;
    rep_loader *l = w->loader;
    (void)pthread_mutex_lock(&l->lock);
    for (;;) {
        /* The slot of batch consumed - 1 is still in the consumer's hands. */
        while (!atomic_load(&l->is_stopping) && l->claimed < l->end &&
               l->claimed + 1 >= l->consumed + l->slot_count) {
            (void)pthread_cond_wait(&l->has_room, &l->lock);
        }
        if (atomic_load(&l->is_stopping) || l->claimed >= l->end) { break; }
        loader_slot *slot = &l->slots[l->claimed % l->slot_count];
        assign(l, slot, l->claimed++);
        (void)pthread_mutex_unlock(&l->lock);
        fill(w, slot);
        (void)pthread_mutex_lock(&l->lock);
        slot->is_made = true;
        (void)pthread_cond_signal(&l->has_batch);
    }
    (void)pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- making and unmaking ----------------------------------------------------------------------
 */

static rep_status check_options(const rep_dataset_info *info, const rep_loader_options *o) {
    if (o->batch < 1) {
        return rep_fail(REP_ERR_ARGUMENT, "loader: a batch of %" PRId32 ", wanted at least 1",
                        o->batch);
    }
    if (o->is_train && (size_t)o->batch > info->count) {
        return rep_fail(REP_ERR_DATA,
                        "data set %s: a batch of %" PRId32
                        " is larger than its %zu pictures; lower "
                        "SOLVER.IMS_PER_BATCH or add data",
                        info->kind, o->batch, info->count);
    }
    return REP_OK;
}

static rep_status allocate(rep_loader *l) {
    const size_t batch = (size_t)l->options.batch;
    bool is_complete = true;
    for (uint32_t i = 0; i < l->slot_count && is_complete; i++) {
        loader_slot *slot = &l->slots[i];
        slot->images = rep_aligned_alloc(batch * l->value_count * sizeof(float));
        slot->labels = calloc(batch, sizeof *slot->labels);
        slot->ids = calloc(batch, sizeof *slot->ids);
        slot->batch.images = slot->images;
        slot->batch.labels = slot->labels;
        slot->batch.ids = slot->ids;
        is_complete = slot->images && slot->labels && slot->ids;
    }
    for (int i = 0; i < l->options.threads && is_complete; i++) {
        l->workers[i].loader = l;
        l->workers[i].pixels = malloc(l->value_count);
        l->workers[i].scratch = malloc(l->value_count * sizeof(float));
        is_complete = l->workers[i].pixels && l->workers[i].scratch;
    }
    if (is_complete && l->options.is_train) {
        l->order = malloc(l->picture_count * sizeof *l->order);
        is_complete = l->order != NULL;
    }
    if (!is_complete) {
        return rep_fail(REP_ERR_MEMORY, "loader: no memory for %" PRIu32 " batches of %zu pictures",
                        l->slot_count, batch);
    }
    return REP_OK;
}

static rep_status start_workers(rep_loader *l) {
    /* Signals belong to the program's own threads. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = 0;
    while (l->started < l->options.threads && failed == 0) {
        loader_worker *w = &l->workers[l->started];
        failed = pthread_create(&w->thread, NULL, work, w);
        l->started += failed == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        return rep_fail(REP_ERR_MEMORY,
                        "loader: worker %d cannot be started (%s); lower "
                        "DATALOADER.NUM_WORKERS",
                        l->started, strerror(failed));
    }
    return REP_OK;
}

rep_status rep_loader_create(rep_loader **out, const rep_dataset *dataset,
                             const rep_loader_options *options) {
    const rep_dataset_info *info = rep_dataset_info_get(dataset);
    REP_TRY(check_options(info, options));
    rep_augmenter augmenter;
    REP_TRY(rep_augmenter_init(&augmenter, &options->augment, info));
    rep_loader *l = calloc(1, sizeof *l);
    if (!l) { return rep_fail(REP_ERR_MEMORY, "loader: no memory"); }
    l->set = dataset;
    l->options = *options;
    l->augmenter = augmenter;
    if (l->options.threads < 1) { l->options.threads = 1; }
    if (l->options.threads > MAX_THREADS) { l->options.threads = MAX_THREADS; }
    l->picture_count = info->count;
    l->value_count = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    const size_t batch = (size_t)options->batch;
    l->epoch_batches = options->is_train ? info->count / batch : (info->count - 1) / batch + 1;
    l->end = options->is_train ? UINT64_MAX : l->epoch_batches;
    l->claimed = l->consumed = options->first_batch;
    l->order_epoch = UINT64_MAX;
    l->slot_count = (uint32_t)l->options.threads + SPARE_SLOTS;
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->has_room, NULL);
    (void)pthread_cond_init(&l->has_batch, NULL);
    l->slots = calloc(l->slot_count, sizeof *l->slots);
    l->workers = calloc((size_t)l->options.threads, sizeof *l->workers);
    rep_status status =
        l->slots && l->workers ? allocate(l) : rep_fail(REP_ERR_MEMORY, "loader: no memory");
    if (status == REP_OK) { status = start_workers(l); }
    if (status != REP_OK) {
        rep_loader_destroy(l);
        return status;
    }
    *out = l;
    return REP_OK;
}

void rep_loader_destroy(rep_loader *l) {
    if (!l) { return; }
    (void)pthread_mutex_lock(&l->lock);
    atomic_store(&l->is_stopping, true);
    (void)pthread_cond_broadcast(&l->has_room);
    (void)pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++) { (void)pthread_join(l->workers[i].thread, NULL); }
    for (int i = 0; l->workers && i < l->options.threads; i++) {
        free(l->workers[i].pixels);
        free(l->workers[i].scratch);
    }
    for (uint32_t i = 0; l->slots && i < l->slot_count; i++) {
        rep_aligned_free(l->slots[i].images);
        free(l->slots[i].labels);
        free(l->slots[i].ids);
    }
    free(l->workers);
    free(l->slots);
    free(l->order);
    (void)pthread_cond_destroy(&l->has_batch);
    (void)pthread_cond_destroy(&l->has_room);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- use --------------------------------------------------------------------------------------
 */

rep_status rep_loader_next(rep_loader *l, const rep_batch **out) {
    (void)pthread_mutex_lock(&l->lock);
    const uint64_t number = l->consumed;
    if (number >= l->end) {
        (void)pthread_mutex_unlock(&l->lock);
        *out = NULL;
        return REP_OK;
    }
    loader_slot *slot = &l->slots[number % l->slot_count];
    while (!slot->is_made) { (void)pthread_cond_wait(&l->has_batch, &l->lock); }
    const rep_status status = slot->status;
    if (status == REP_OK) {
        l->consumed++;
        slot->is_made = false;
        (void)pthread_cond_signal(&l->has_room);
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (status != REP_OK) { return rep_fail(status, "%s", slot->message); }
    *out = &slot->batch;
    return REP_OK;
}

const rep_batch *rep_loader_peek(rep_loader *l) {
    (void)pthread_mutex_lock(&l->lock);
    const loader_slot *slot = &l->slots[l->consumed % l->slot_count];
    const bool is_there = l->consumed < l->end && slot->is_made && slot->status == REP_OK;
    (void)pthread_mutex_unlock(&l->lock);
    return is_there ? &slot->batch : NULL;
}

size_t rep_loader_epoch_batches(const rep_loader *l) { return (size_t)l->epoch_batches; }
