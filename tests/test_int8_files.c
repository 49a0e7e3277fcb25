/* test_int8_files - int8 nets beside their data: pictures of two shapes. */
#include <math.h>

#include "detect_case.h"
#include "repopt/quantize.h"

static char root[64];

static int make_root(void **state) {
    (void)state;
    train_case_root(root);
    return 0;
}

static int remove_root(void **state) {
    (void)state;
    train_case_remove(root);
    return 0;
}

/* ---- pictures of two shapes --------------------------------------------------------------------
 */

/* What was told to be done last of "errors by layer". */
typedef struct told {
    uint64_t done, calls;
    bool has_fallen;
} told;

static void note(void *context, const char *what, uint64_t done, uint64_t total) {
    told *t = context;
    if (strcmp(what, "errors by layer") != 0) { return; }
    assert_true(done <= total);
    /* The pictures' own steps are told in the same words, of another total. */
    if (t->calls++ > 0 && total > 100 && done < t->done) { t->has_fallen = true; }
    if (total > 100) { t->done = done; }
}

/* Four pictures of either shape: errors are of all eight, not of the last batch. */
static void test_two_shapes(void **state) {
    (void)state;
    train_case c;
    told t = {0};
    rep_quantize_result both, one;
    detect_set_write_both(root);
    detect_case_init_coco(&c, root, "shapes");
    const rep_train_result trained = train_case_run(&c);
    train_case_set(&c, "MODEL.WEIGHT", trained.checkpoint);
    train_case_set(&c, "TEST.IMS_PER_BATCH", "8");
    const rep_quantize_options options = {.config = c.config,
                                          .picture_count = 8,
                                          .device = "cpu",
                                          .threads = 1,
                                          .on_progress = note,
                                          .context = &t};
    CHECK_OK(rep_quantize(&both, &options));
    assert_int_equal(both.error_picture_count, 8);
    assert_false(t.has_fallen);
    /* Of one shape's four there is another error; the sums of both lie between. */
    train_case_set(&c, "TEST.IMS_PER_BATCH", "4");
    CHECK_OK(rep_quantize(&one, &options));
    assert_int_equal(one.error_picture_count, 4);
    assert_int_equal(one.layer_count, both.layer_count);
    for (size_t i = 0; i < both.layer_count; i++) {
        const double a = both.layers[i].map_error, b = one.layers[i].map_error;
        assert_true(isfinite(a) && a > 0 && a < 0.5);
        assert_true(a != b && a > b / 8 && a < b * 8);
        assert_true(both.layers[i].output_error > 0);
    }
    assert_true(both.output_error > 0 && both.output_error < 0.5);
    rep_quantize_result_clear(&both);
    rep_quantize_result_clear(&one);
    train_case_clear(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_shapes),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
