/* pool.c - a fixed set of threads that run one function together.
 *
 * Workers spin for a while before they sleep: a training step is hundreds of short kernels, and a
 * sleep and wake at each would cost more than the kernels. The partition is static, so results do
 * not depend on timing.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"

enum { SPINS = 4000 }; /* about a tenth of a millisecond of pauses */

struct rep_pool {
    int count; /* workers, the caller included */
    int spins; /* 0 when there are more workers than cores: spinning would hold the others up */
    pthread_t *threads;
    rep_pool_fn fn;
    void *context;
    atomic_uint job;     /* raised to start a job */
    atomic_int arrived;  /* workers at the barrier */
    atomic_uint barrier; /* raised when all have arrived */
    atomic_bool is_closing;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

struct worker_start {
    rep_pool *pool;
    int index;
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

void rep_pool_sync(rep_pool *pool) {
    if (pool->count == 1) { return; }
    const unsigned round = atomic_load_explicit(&pool->barrier, memory_order_relaxed);
    if (atomic_fetch_add(&pool->arrived, 1) == pool->count - 1) {
        atomic_store(&pool->arrived, 0);
        atomic_fetch_add(&pool->barrier, 1);
        return;
    }
    for (int spins = 0; atomic_load(&pool->barrier) == round; spins++) {
        if (spins < pool->spins) {
            relax();
        } else {
            sched_yield();
        }
    }
}

/* Waits for a job other than `seen`; false when the pool closes. */
static bool wait_job(rep_pool *pool, unsigned seen) {
    for (int spins = 0; spins < pool->spins; spins++) {
        if (atomic_load(&pool->job) != seen) { return !atomic_load(&pool->is_closing); }
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->job) == seen) { pthread_cond_wait(&pool->wake, &pool->mutex); }
    pthread_mutex_unlock(&pool->mutex);
    return !atomic_load(&pool->is_closing);
}

static void *worker_main(void *argument) {
    struct worker_start *start = argument;
    rep_pool *pool = start->pool;
    const int index = start->index;
    free(start);
    for (unsigned seen = 0; wait_job(pool, seen); seen++) {
        pool->fn(pool->context, index, pool->count);
        rep_pool_sync(pool);
    }
    return NULL;
}

static void post_job(rep_pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->job, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

void rep_pool_run(rep_pool *pool, rep_pool_fn fn, void *context) {
    if (pool->count == 1) {
        fn(context, 0, 1);
        return;
    }
    pool->fn = fn;
    pool->context = context;
    post_job(pool);
    fn(context, 0, pool->count);
    rep_pool_sync(pool);
}

static int core_count(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) { return CPU_COUNT(&set); }
#endif
    const long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
}

rep_status rep_pool_create(rep_pool **out, int threads) {
    const int cores = core_count();
    const int count = threads > 0 ? threads : cores;
    if (count > 1024) {
        return rep_fail(REP_ERR_ARGUMENT, "%d threads asked for, at most 1024 can be used", count);
    }
    rep_pool *pool = calloc(1, sizeof *pool);
    if (!pool) { return rep_fail(REP_ERR_MEMORY, "thread pool: out of memory"); }
    pool->count = 1;
    pool->spins = count <= cores ? SPINS : 0;
    pool->threads = calloc((size_t)count, sizeof *pool->threads);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    if (!pool->threads) {
        rep_pool_destroy(pool);
        return rep_fail(REP_ERR_MEMORY, "thread pool: out of memory");
    }
    for (int i = 1; i < count; i++) {
        struct worker_start *start = malloc(sizeof *start);
        if (start) { *start = (struct worker_start){pool, i}; }
        if (!start || pthread_create(&pool->threads[i], NULL, worker_main, start) != 0) {
            free(start);
            rep_pool_destroy(pool);
            return rep_fail(REP_ERR_MEMORY, "thread %d of %d cannot be started", i + 1, count);
        }
        pool->count = i + 1;
    }
    *out = pool;
    return REP_OK;
}

void rep_pool_destroy(rep_pool *pool) {
    if (!pool) { return; }
    atomic_store(&pool->is_closing, true);
    if (pool->count > 1) { post_job(pool); }
    for (int i = 1; i < pool->count; i++) { pthread_join(pool->threads[i], NULL); }
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->threads);
    free(pool);
}

int rep_pool_threads(const rep_pool *pool) { return pool->count; }
