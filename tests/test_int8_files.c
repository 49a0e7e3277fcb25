/* test_int8_files - int8 nets beside their data: pictures of two shapes, and what files say. */
#include <math.h>

#include "detect_case.h"
#include "repopt/export.h"
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

/* ---- what a file may hold ----------------------------------------------------------------------
 */

/* A tensor of a file in float32, one value of it another. */
typedef struct copied {
    const rep_tensors *file;
    const rep_tensor_info *info;
    const float *value; /* of the first element; NULL: as it is */
} copied;

static rep_status copy(void *context, void *elements, size_t count) {
    const copied *c = context;
    (void)count;
    REP_TRY(rep_tensors_read_f32(c->file, c->info, elements));
    if (c->value != NULL) { *(float *)elements = *c->value; }
    return REP_OK;
}

/* `from` with all tensors in float32 and the first value of `tensor` another. */
static void spoil(const char *path, const char *from, const char *tensor, float value) {
    enum { MOST = 96 };
    rep_tensors *file = NULL;
    rep_tensor_source sources[MOST];
    copied contexts[MOST];
    CHECK_OK(rep_tensors_open(&file, from));
    const size_t count = rep_tensors_count(file);
    assert_true(count <= MOST && rep_tensors_find(file, tensor) != NULL);
    for (size_t i = 0; i < count; i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        contexts[i] = (copied){file, info, strcmp(info->name, tensor) == 0 ? &value : NULL};
        sources[i] = (rep_tensor_source){.name = info->name,
                                         .type = REP_TENSOR_F32,
                                         .rank = info->rank,
                                         .fill = copy,
                                         .context = &contexts[i]};
        memcpy(sources[i].shape, info->shape, sizeof info->shape);
    }
    const rep_metadata_pair pairs[] = {{"folded", "copy"}, {"int8", "copy"}};
    CHECK_OK(rep_safetensors_write(path, sources, count, pairs, 2));
    rep_tensors_close(file);
}

/* A trained classifier, and its int8 net root/<name>.safetensors. */
static void make_int8(train_case *c, const char *name, char path[256]) {
    char file[64];
    rep_export_result told;
    train_case_init(c, root, name);
    const rep_train_result trained = train_case_run(c);
    train_case_set(c, "MODEL.WEIGHT", trained.checkpoint);
    snprintf(file, sizeof file, "%s.safetensors", name);
    detect_join(path, root, file);
    const rep_export_options options = {
        .config = c->config, .path = path, .is_int8 = true, .picture_count = 16, .threads = 1};
    CHECK_OK(rep_export(&told, &options));
}

static void test_values(void **state) {
    (void)state;
    static const char whole[] = "whole numbers", scale[] = "finite scales above 0";
    const struct {
        const char *tensor;
        float value;
        const char *said;
    } cases[] = {{"stage0.conv.weight", 1e9f, whole},
                 {"stage0.conv.weight", -128, whole},
                 {"stage0.conv.weight", 0.5f, whole},
                 {"stage0.conv.weight", NAN, whole},
                 {"stage0.conv.bias", 300.5f, whole},
                 {"stage0.conv.bias", 2147483648.0f, whole},
                 {"stage0.conv.bias", -INFINITY, whole},
                 {"stage0.conv.input_zero_point", -7.5f, whole},
                 {"stage0.conv.input_zero_point", -1, whole},
                 {"stage0.conv.input_zero_point", 300, whole},
                 {"stage0.conv.input_scale", 0, scale},
                 {"stage0.conv.input_scale", -1, scale},
                 {"stage0.conv.input_scale", INFINITY, scale},
                 {"stage0.conv.weight_scale", NAN, scale}};
    train_case c;
    rep_eval_result tested;
    rep_export_result told;
    char path[256], bad[256], target[256];
    make_int8(&c, "values", path);
    detect_join(bad, root, "bad.safetensors");
    detect_join(target, root, "bad.onnx");
    train_case_set(&c, "MODEL.WEIGHT", bad);
    const rep_export_options options = {.config = c.config, .path = target, .threads = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spoil(bad, path, cases[i].tensor, cases[i].value);
        CHECK_FAILS(rep_evaluate(&tested, &c.options), REP_ERR_DATA, cases[i].said);
        assert_non_null(strstr(rep_last_error(), cases[i].tensor));
        CHECK_FAILS(rep_export(&told, &options), REP_ERR_DATA, cases[i].said);
        assert_non_null(strstr(rep_last_error(), bad));
    }
    assert_int_equal(access(target, F_OK), -1);
    /* The ends of the ranges are fine, in whatever type. */
    spoil(bad, path, "stage0.conv.weight", -127);
    CHECK_OK(rep_evaluate(&tested, &c.options));
    spoil(bad, path, "stage0.conv.input_zero_point", 255);
    CHECK_OK(rep_export(&told, &options));
    train_case_clear(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_shapes),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
