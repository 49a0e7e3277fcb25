/* test_stepping.c - repopt/trainer.h and twin.h: a run in steps is rep_train's, bit for bit, and
 * the pair of nets says what it does. */
#include <math.h>

#include "repopt/repopt.h"
#include "train_case.h"

static rep_trainer *open_trainer(train_case *c) {
    rep_trainer *trainer = NULL;
    CHECK_OK(rep_trainer_create(&trainer, &c->options));
    return trainer;
}

/* Without a folder a run leaves nothing, and ends with the tensors of one that has one. */
static void test_steps_are_a_run(void **state) {
    (void)state;
    char root[64], final[256], stepped[128], loose[200];
    train_case_root(root);
    train_case whole, steps;
    train_case_init(&whole, root, "whole");
    train_case_init(&steps, root, "none");
    train_case_set(&steps, "OUTPUT_DIR", "");
    (void)train_case_run(&whole);
    snprintf(final, sizeof final, "%s/model_final.safetensors", whole.folder);
    snprintf(stepped, sizeof stepped, "%s/stepped.safetensors", root);

    rep_trainer *trainer = open_trainer(&steps);
    rep_trainer_report report;
    CHECK_OK(rep_trainer_advance(&report, trainer, 7));
    assert_int_equal(report.iteration, 7);
    assert_int_equal(report.epoch, 1);
    rep_eval_result result;
    CHECK_OK(rep_trainer_evaluate(&result, trainer)); /* it changes nothing */
    assert_int_equal(result.count, 40);
    CHECK_OK(rep_trainer_advance(&report, trainer, 100));
    assert_int_equal(report.iteration, 20);
    assert_int_equal(rep_trainer_advance(&report, trainer, 1), REP_ERR_ARGUMENT);
    CHECK_OK(rep_trainer_save(trainer, stepped));
    rep_trainer_destroy(trainer);
    train_case_expect_equal(final, stepped);
    snprintf(loose, sizeof loose, "%s/last_checkpoint", root);
    assert_int_equal(access(loose, F_OK), -1);
    assert_int_equal(access(steps.folder, F_OK), -1);

    rep_train_result none;
    assert_int_equal(rep_train(&none, &steps.options), REP_ERR_CONFIG);
    assert_non_null(strstr(rep_last_error(), "OUTPUT_DIR: empty"));
    train_case_clear(&whole);
    train_case_clear(&steps);
    train_case_remove(root);
}

/* With a folder it goes on where rep_train stopped. */
static void test_steps_resume(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    train_case_init(&c, root, "run");
    c.stop_at = 5;
    rep_train_result result;
    assert_int_equal(rep_train(&result, &c.options), REP_ERR_INTERRUPTED);
    rep_trainer *trainer = open_trainer(&c);
    rep_trainer_info info;
    rep_trainer_info_get(&info, trainer);
    assert_int_equal(info.iteration, 5);
    assert_int_equal(info.max_iteration, 20);
    assert_int_equal(info.class_count, 10);
    rep_trainer_destroy(trainer);
    train_case_clear(&c);
    train_case_remove(root);
}

typedef struct seen {
    size_t count;
    bool has_identity;
    double sum;
} seen;

static void note_scales(void *context, const rep_scale_row *row) {
    seen *s = context;
    s->count++;
    s->has_identity = s->has_identity || row->u != NULL;
    for (int32_t i = 0; i < row->channels; i++) { s->sum += (double)row->s[i]; }
}

/* What can be looked at between steps. */
static void test_looking(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    train_case_init(&c, root, "none");
    train_case_set(&c, "OUTPUT_DIR", "");
    train_case_set(&c, "TRAINING_MODE", "hyper_search");
    rep_trainer *trainer = open_trainer(&c);
    seen scales = {0};
    CHECK_OK(rep_trainer_visit_scales(trainer, note_scales, &scales));
    assert_int_equal(scales.count, 6);
    assert_true(scales.has_identity && scales.sum != 0);

    const rep_shape shape = rep_trainer_kernel_shape(trainer, 1);
    assert_int_equal(shape.n, 8);
    assert_int_equal(rep_trainer_kernel_shape(trainer, 6).n, 0);
    double kernel[8 * 8 * 9];
    CHECK_OK(rep_trainer_kernel(kernel, 8 * 8 * 9, trainer, 1));
    assert_int_equal(rep_trainer_kernel(kernel, 8, trainer, 1), REP_ERR_SHAPE);
    assert_int_equal(rep_trainer_kernel(kernel, 8, trainer, 6), REP_ERR_ARGUMENT);

    enum { COUNT = 34, BYTES = 32 * 32 * 3, CLASSES = 10 }; /* more than an evaluation batch */
    uint8_t *pixels = malloc(COUNT * BYTES);
    int32_t labels[COUNT];
    float probabilities[COUNT][CLASSES], first[CLASSES];
    assert_non_null(pixels);
    CHECK_OK(rep_trainer_samples(pixels, labels, trainer, 30, COUNT));
    assert_int_equal(labels[10], 0); /* round and round: 40 is 0 again */
    CHECK_OK(rep_trainer_predict(probabilities[0], trainer, pixels, COUNT));
    CHECK_OK(rep_trainer_predict(first, trainer, pixels + (COUNT - 1) * BYTES, 1));
    assert_memory_equal(first, probabilities[COUNT - 1], sizeof first);
    for (int i = 0; i < COUNT; i++) {
        double sum = 0;
        for (int j = 0; j < CLASSES; j++) { sum += (double)probabilities[i][j]; }
        assert_true(fabs(sum - 1) < 1e-6);
    }
    free(pixels);
    rep_trainer_destroy(trainer);
    train_case_clear(&c);
    train_case_remove(root);
}

/* One step of plain SGD: kernel - lr * mask * gradient, the gradient being the graph's own. */
static void test_twin_shows_its_step(void **state) {
    (void)state;
    const rep_twin_options options = {.net = {.in_channels = 4,
                                              .num_classes = 3,
                                              .stage0_width = 4,
                                              .widths = {4, 4, 4, 4},
                                              .strides = {1, 1, 1, 1, 1},
                                              .kernel_size = 3,
                                              .act = REP_ACT_RELU,
                                              .bn_eps = 1e-5f,
                                              .bn_momentum = 0.1f},
                                      .batch = 4,
                                      .height = 6,
                                      .width = 6,
                                      .optimizer = {.lr_factor_bias = 1},
                                      .is_masked = true,
                                      .lr = 0.5f,
                                      .seed = 4};
    enum { COUNT = 4 * 4 * 9 };
    rep_device *device = NULL;
    rep_twin *twin = NULL;
    double before[COUNT], after[COUNT], folded[COUNT], gradient[COUNT], difference, loss, other;
    float mask[COUNT];
    CHECK_OK(rep_device_open(&device, "cpu:float64", 1));
    CHECK_OK(rep_twin_create(&twin, device, &options));
    CHECK_OK(rep_twin_read(before, NULL, NULL, twin, 0));
    CHECK_OK(rep_twin_step(twin, &loss, &other));
    CHECK_OK(rep_twin_read(after, folded, gradient, twin, 0));
    CHECK_OK(rep_twin_differences(&difference, twin));
    assert_true(fabs(loss - other) < 1e-12 && difference < 1e-12);
    assert_int_equal(rep_twin_steps(twin), 1);
    rep_scales_mask(mask, rep_twin_row(twin, 0), rep_twin_shape(twin, 0), REP_MASK_SQUARE, false);
    double largest = 0;
    for (int i = 0; i < COUNT; i++) {
        const double wanted = before[i] - 0.5 * (double)mask[i] * gradient[i];
        assert_true(fabs(after[i] - wanted) < 1e-6 * (1 + fabs(wanted))); /* the mask is float */
        assert_true(fabs(after[i] - folded[i]) < 1e-12);
        largest = fmax(largest, fabs(gradient[i]));
    }
    assert_true(largest > 1e-3);
    rep_twin_destroy(twin);
    rep_device_close(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_are_a_run),
        cmocka_unit_test(test_steps_resume),
        cmocka_unit_test(test_looking),
        cmocka_unit_test(test_twin_shows_its_step),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
