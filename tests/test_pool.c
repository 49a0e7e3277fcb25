/* test_pool.c - every worker runs every job once, and the barrier holds them together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "kernels/kernel.h"

enum { JOBS = 2000, MAX_THREADS = 5, ROUNDS = 50 };

struct job {
    rep_pool *pool;
    int runs[MAX_THREADS];
    int round[MAX_THREADS];
    int faults[MAX_THREADS];
};

static void count_run(void *context, int index, int count) {
    struct job *job = context;
    (void)count;
    job->runs[index]++;
}

/* After each barrier all workers must stand in the same round. */
static void walk_rounds(void *context, int index, int count) {
    struct job *job = context;
    for (int r = 0; r < ROUNDS; r++) {
        job->round[index] = r;
        rep_pool_sync(job->pool);
        for (int i = 0; i < count; i++) { job->faults[index] += job->round[i] != r; }
        rep_pool_sync(job->pool);
    }
}

static void test_jobs_and_barriers(void **state) {
    (void)state;
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        struct job job = {0};
        assert_int_equal(rep_pool_create(&job.pool, threads), REP_OK);
        assert_int_equal(rep_pool_threads(job.pool), threads);
        for (int i = 0; i < JOBS; i++) { rep_pool_run(job.pool, count_run, &job); }
        rep_pool_run(job.pool, walk_rounds, &job);
        for (int i = 0; i < threads; i++) {
            assert_int_equal(job.runs[i], JOBS);
            assert_int_equal(job.faults[i], 0);
        }
        rep_pool_destroy(job.pool);
    }
}

static void test_limits(void **state) {
    (void)state;
    rep_pool *pool = NULL;
    assert_int_equal(rep_pool_create(&pool, 100000), REP_ERR_ARGUMENT);
    assert_null(pool);
    assert_int_equal(rep_pool_create(&pool, 0), REP_OK);
    assert_true(rep_pool_threads(pool) >= 1);
    rep_pool_destroy(pool);
    rep_pool_destroy(NULL);
}

/* The parts of any partition are disjoint, ordered, whole, and cut at multiples of the grain. */
static void test_partition(void **state) {
    (void)state;
    static const size_t totals[] = {0, 1, 7, 16, 17, 1000};
    for (size_t t = 0; t < sizeof totals / sizeof totals[0]; t++) {
        for (int count = 1; count < 9; count++) {
            for (size_t grain = 1; grain <= 16; grain *= 4) {
                size_t at = 0;
                for (int i = 0; i < count; i++) {
                    const rep_worker worker = {.index = i, .count = count, .pool = NULL};
                    size_t begin = 0, end = 0;
                    rep_worker_range(&worker, totals[t], grain, &begin, &end);
                    assert_int_equal(begin, at);
                    assert_true(end >= begin && (end % grain == 0 || end == totals[t]));
                    at = end;
                }
                assert_int_equal(at, totals[t]);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs_and_barriers),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_partition),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
