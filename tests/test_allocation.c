/* test_allocation.c - a training step allocates nothing, the background loader and the metrics
 * included.
 *
 * malloc and its family are replaced by counting ones, which only glibc without sanitizers allows;
 * elsewhere the test is skipped.
 */
#include <stdatomic.h>

#include "train_case.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif

#if defined(__GLIBC__) && !defined(IS_SANITIZED)
#define CAN_COUNT 1
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static atomic_ulong allocation_count;

void *malloc(size_t bytes) {
    atomic_fetch_add(&allocation_count, 1);
    return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
    atomic_fetch_add(&allocation_count, 1);
    return __libc_calloc(count, bytes);
}
void *realloc(void *memory, size_t bytes) {
    atomic_fetch_add(&allocation_count, 1);
    return __libc_realloc(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
    atomic_fetch_add(&allocation_count, 1);
    return __libc_memalign(alignment, bytes);
}
#else
#define CAN_COUNT 0
static atomic_ulong allocation_count;
#endif

/* Counts at two iterations of one run; the first steps may still warm buffers up. */
static unsigned long counts[2];

static void note_count(void *context, const rep_progress *now) {
    (void)context;
    if (now->iteration == 5) { counts[0] = atomic_load(&allocation_count); }
    if (now->iteration == 19) { counts[1] = atomic_load(&allocation_count); }
}

/* Iterations 6 to 19 lie across two ends of an epoch; evaluations, which may allocate, come later.
 */
static void expect_no_allocation(const char *mode, const char *optimizer, const char *accumulate) {
    char root[64];
    train_case_root(root);
    train_case c;
    train_case_init(&c, root, "count");
    train_case_set(&c, "TRAINING_MODE", mode);
    train_case_set(&c, "SOLVER.OPTIMIZER", optimizer);
    train_case_set(&c, "SOLVER.ACCUMULATE_STEPS", accumulate);
    train_case_set(&c, "SOLVER.EMA_DECAY", "0.9");
    train_case_set(&c, "SOLVER.EVAL_PERIOD", "1000");
    c.options.threads = 2;
    c.options.on_progress = note_count;
    (void)train_case_run(&c);
    assert_true(counts[0] > 0);
    assert_int_equal(counts[1], counts[0]);
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_step_allocates_nothing(void **state) {
    (void)state;
    if (!CAN_COUNT) { skip(); }
    expect_no_allocation("hyper_search", "sgd", "1");
    expect_no_allocation("normal", "adamw", "2");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_step_allocates_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
