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

/* `from` with all tensors in float32 and the first value of `tensor` another; what its metadata say
 * it is. */
static void spoil(const char *path, const char *from, const char *tensor, float value,
                  bool is_int8) {
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
    CHECK_OK(rep_safetensors_write(path, sources, count, pairs, is_int8 ? 2 : 1));
    rep_tensors_close(file);
}

/* A trained classifier, and its net, int8 or folded alone, as root/<name>.safetensors. */
static void make_net(train_case *c, const char *name, bool is_int8, char path[256]) {
    char file[64];
    rep_export_result told;
    train_case_init(c, root, name);
    const rep_train_result trained = train_case_run(c);
    train_case_set(c, "MODEL.WEIGHT", trained.checkpoint);
    snprintf(file, sizeof file, "%s.safetensors", name);
    detect_join(path, root, file);
    const rep_export_options options = {.config = c->config,
                                        .path = path,
                                        .is_folded = true,
                                        .is_int8 = is_int8,
                                        .picture_count = 16,
                                        .threads = 1};
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
    make_net(&c, "values", true, path);
    detect_join(bad, root, "bad.safetensors");
    detect_join(target, root, "bad.onnx");
    train_case_set(&c, "MODEL.WEIGHT", bad);
    const rep_export_options options = {.config = c.config, .path = target, .threads = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spoil(bad, path, cases[i].tensor, cases[i].value, true);
        CHECK_FAILS(rep_evaluate(&tested, &c.options), REP_ERR_DATA, cases[i].said);
        assert_non_null(strstr(rep_last_error(), cases[i].tensor));
        CHECK_FAILS(rep_export(&told, &options), REP_ERR_DATA, cases[i].said);
        assert_non_null(strstr(rep_last_error(), bad));
    }
    assert_int_equal(access(target, F_OK), -1);
    /* The ends of the ranges are fine, in whatever type. */
    spoil(bad, path, "stage0.conv.weight", -127, true);
    CHECK_OK(rep_evaluate(&tested, &c.options));
    spoil(bad, path, "stage0.conv.input_zero_point", 255, true);
    CHECK_OK(rep_export(&told, &options));
    train_case_clear(&c);
}

/* Whether the file has the text somewhere. */
static bool holds(const char *path, const char *text) {
    static char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t count = fread(bytes, 1, sizeof bytes, file), length = strlen(text);
    assert_true(feof(file) && fclose(file) == 0);
    for (size_t i = 0; i + length <= count; i++) {
        if (memcmp(bytes + i, text, length) == 0) { return true; }
    }
    return false;
}

/* What weights are, in the same words wherever the net comes from, and numbers as they were given.
 */
static void test_metadata(void **state) {
    (void)state;
    train_case c;
    rep_export_result told;
    char path[256], target[256];
    make_net(&c, "metadata", true, path);
    assert_true(holds(path, "weights I8 per output channel, inputs U8 per tensor, biases I32"));
    assert_true(holds(path, "\"int8.percentile\":\"99.99\""));
    detect_join(target, root, "metadata.onnx");
    rep_export_options options = {.config = c.config,
                                  .path = target,
                                  .has_uint8_weights = true,
                                  .is_int8 = true,
                                  .picture_count = 16,
                                  .threads = 1};
    for (int i = 0; i < 2; i++) { /* in one step, and of the int8 file */
        CHECK_OK(rep_export(&told, &options));
        assert_true(holds(target, "weights U8 around 128 per output channel"));
        assert_false(holds(target, "weights I8"));
        options.is_int8 = false;
        train_case_set(&c, "MODEL.WEIGHT", path);
    }
    options.has_uint8_weights = false;
    CHECK_OK(rep_export(&told, &options));
    assert_true(holds(target, "weights I8 per output channel"));
    /* An int8 net in another format, with and without what its maker is told. */
    detect_join(target, root, "other.safetensors");
    for (int i = 0; i < 2; i++) {
        CHECK_FAILS(rep_export(&told, &options), REP_ERR_DATA, "`repopt convert` changes");
        options.is_folded = true;
    }
    train_case_clear(&c);
}

/* Sums that float32 cannot hold are told, and those that 32 bits cannot are refused. */
static void test_wide_sums(void **state) {
    (void)state;
    train_case c;
    rep_export_result told;
    char path[256], wide[256], target[256];
    make_net(&c, "sums", false, path);
    detect_join(wide, root, "wide.safetensors");
    detect_join(target, root, "wide.onnx");
    train_case_set(&c, "MODEL.WEIGHT", wide);
    const rep_export_options options = {
        .config = c.config, .path = target, .is_int8 = true, .picture_count = 16, .threads = 1};
    spoil(wide, path, "linear.bias", 0, false);
    detect_log_start();
    CHECK_OK(rep_export(&told, &options));
    assert_null(strstr(detect_log, "sums may come to"));
    spoil(wide, path, "linear.bias", 10000, false);
    detect_log_start();
    CHECK_OK(rep_export(&told, &options));
    const char *line = strstr(detect_log, "linear: its sums may come to");
    assert_non_null(line);
    assert_null(strstr(strchr(line, '\n'), "its sums may come to"));
    assert_int_equal(unlink(target), 0);
    spoil(wide, path, "linear.bias", 1e8f, false);
    CHECK_FAILS(rep_export(&told, &options), REP_ERR_NUMERIC, "linear: its sums may come to 2");
    assert_int_equal(access(target, F_OK), -1);
    rep_log_set(NULL, NULL);
    train_case_clear(&c);
}

/* ---- data --------------------------------------------------------------------------------------
 */

/* An export never tests, and needs no test split. */
static void test_without_test_split(void **state) {
    (void)state;
    train_case c;
    rep_export_result told;
    volatile int stop = 1;
    char target[256];
    detect_set_write_both(root);
    detect_case_init_coco(&c, root, "untested");
    const rep_train_result trained = train_case_run(&c);
    train_case_set(&c, "MODEL.WEIGHT", trained.checkpoint);
    train_case_set(&c, "DATASETS.ANNOTATIONS_TEST", "nowhere.json");
    detect_join(target, root, "untested.onnx");
    rep_export_options options = {
        .config = c.config, .path = target, .is_int8 = true, .picture_count = 4, .threads = 1};
    CHECK_OK(rep_export(&told, &options));
    assert_int_equal(unlink(target), 0);
    options.stop = &stop;
    CHECK_FAILS(rep_export(&told, &options), REP_ERR_INTERRUPTED,
                "stopped by a signal; this net's file is not written");
    assert_null(strstr(rep_last_error(), "quantize"));
    assert_int_equal(access(target, F_OK), -1);
    train_case_clear(&c);
}

/* Pictures that cannot be read are none: counts leave them out, and so do ranges and errors, which
 * are those of a set without them. */
static void test_bad_pictures(void **state) {
    (void)state;
    char bad[256], path[256];
    train_case c;
    rep_quantize_result with, without;
    detect_join(bad, root, "bad");
    CHECK_OK(rep_folder_make(bad));
    detect_set_write(bad, "train.json", &(detect_set){.count = 8});
    detect_set_write(bad, "test.json", &(detect_set){.first = 2, .count = 3});
    detect_case_init_coco(&c, bad, "run");
    train_case_set(&c, "DATALOADER.SKIP_BAD", "true");
    train_case_set(&c, "TEST.IMS_PER_BATCH", "8");
    const rep_train_result trained = train_case_run(&c);
    train_case_set(&c, "MODEL.WEIGHT", trained.checkpoint);
    const rep_quantize_options options = {.config = c.config, .device = "cpu", .threads = 1};
    for (int i = 0; i < 8; i++) { /* 2, 3 and 4 are left */
        char name[32];
        if (i >= 2 && i <= 4) { continue; }
        snprintf(name, sizeof name, "images/%d.png", i);
        detect_join(path, bad, name);
        FILE *file = fopen(path, "w");
        assert_true(file != NULL && fputs("no picture", file) >= 0 && fclose(file) == 0);
    }
    CHECK_OK(rep_quantize(&with, &options));
    assert_int_equal(with.picture_count, 3);
    assert_int_equal(with.error_picture_count, 3);
    train_case_set(&c, "DATASETS.ANNOTATIONS_TRAIN", "test.json");
    CHECK_OK(rep_quantize(&without, &options));
    assert_int_equal(without.picture_count, 3);
    assert_int_equal(with.layer_count, without.layer_count);
    for (size_t i = 0; i < with.layer_count; i++) {
        const rep_quantize_layer *a = &with.layers[i], *b = &without.layers[i];
        assert_true(a->low == b->low && a->high == b->high);
        assert_true(fabs(a->map_error - b->map_error) <= 1e-9 * b->map_error);
    }
    rep_quantize_result_clear(&with);
    rep_quantize_result_clear(&without);
    train_case_clear(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_shapes),         cmocka_unit_test(test_values),
        cmocka_unit_test(test_metadata),           cmocka_unit_test(test_wide_sums),
        cmocka_unit_test(test_without_test_split), cmocka_unit_test(test_bad_pictures),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
