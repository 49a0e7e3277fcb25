/* test_repopt.c - scales and what is made of them: files, matching, re-initialisation, masks. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "format/format.h"
#include "nn/nn.h"

/* ---- a small net and scales for it
 * ---------------------------------------------------------------- */

enum { BLOCKS = 4, MOST = 16 };
static const int32_t block_channels[BLOCKS] = {8, 8, 12, 12};
static const char *const block_names[BLOCKS] = {"stage0", "stage1.0", "stage2.0", "stage2.1"};

struct run {
    rep_device *device;
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
};

/* 6 -> 8 (pair), 8 -> 8 (triple), 8 -> 12 stride 2 (pair), 12 -> 12 (triple). */
static rep_vgg_spec small_spec(void) {
    return (rep_vgg_spec){.in_channels = 6,
                          .num_classes = 5,
                          .stage0_width = 8,
                          .widths = {8, 12, 12, 12},
                          .num_blocks = {1, 2, 0, 0},
                          .strides = {1, 1, 2, 1, 1},
                          .kernel_size = 3,
                          .act = REP_ACT_RELU,
                          .scale_init_stage = true,
                          .bn_eps = 1e-5f,
                          .bn_momentum = 0.1f};
}

/* A training program; spec NULL: without an optimizer. */
static struct run start(rep_mode mode, const rep_optimizer_spec *spec,
                        const rep_scale_row *const *rows) {
    struct run run = {0};
    const rep_vgg_spec vgg = small_spec();
    CHECK_OK(rep_device_open(&run.device, "cpu:float64", 1));
    CHECK_OK(rep_graph_create(&run.graph));
    CHECK_OK(rep_model_build(&run.model, run.graph, &vgg, mode, true, 2, 8, 8, 0.0f));
    if (spec) {
        CHECK_OK(rep_graph_backward(run.graph, rep_model_io_get(run.model)->loss, 0));
        CHECK_OK(rep_optimizer_append(&run.optimizer, run.graph, run.model, spec, rows));
    }
    CHECK_OK(rep_program_create(&run.program, run.device, run.graph, NULL, NULL));
    if (spec) { CHECK_OK(rep_optimizer_upload(run.optimizer, run.program)); }
    CHECK_OK(rep_model_init(run.model, run.graph, run.program, 5));
    return run;
}

static void finish(struct run *run) {
    rep_program_destroy(run->program);
    rep_optimizer_destroy(run->optimizer);
    rep_model_destroy(run->model);
    rep_graph_destroy(run->graph);
    rep_device_close(run->device);
}

struct scales {
    float values[BLOCKS][3][MOST];
    rep_scale_row rows[BLOCKS];
    const rep_scale_row *list[BLOCKS];
};

static void draw(struct scales *scales) {
    rep_rng rng;
    rep_rng_init(&rng, 9, 9);
    for (int b = 0; b < BLOCKS; b++) {
        for (int i = 0; i < 3 * MOST; i++) {
            scales->values[b][i / MOST][i % MOST] = rep_rng_normal(&rng);
        }
        scales->rows[b] = (rep_scale_row){.channels = block_channels[b],
                                          .is_triple = b % 2 == 1,
                                          .s = scales->values[b][0],
                                          .t = scales->values[b][1],
                                          .u = b % 2 == 1 ? scales->values[b][2] : NULL};
        snprintf(scales->rows[b].name, sizeof scales->rows[b].name, "%s", block_names[b]);
        scales->list[b] = &scales->rows[b];
    }
}

static double *read_all(struct run *run, const char *name, size_t *count) {
    const rep_id id = rep_graph_find(run->graph, name);
    if (!id) { fail_msg("no tensor %s", name); }
    *count = rep_shape_count(rep_graph_shape(run->graph, id));
    double *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    CHECK_OK(rep_program_read_f64(run->program, id, values, *count));
    return values;
}

/* ---- re-initialisation
 * ----------------------------------------------------------------------------- */

/* W = s*W_k + centre(t*W_1) + centre(diag(u or 1)), term by term; W_1 is that of the twin net,
 * whose scaled branches start from the same seed. */
static void check_reinit(bool use_identity_scales) {
    struct scales scales;
    draw(&scales);
    struct run target = start(REP_MODE_TARGET, NULL, NULL), csla = start(REP_MODE_CSLA, NULL, NULL);
    CHECK_OK(rep_model_reinit(target.model, target.graph, target.program, scales.list,
                              use_identity_scales, false, 5));
    for (int b = 0; b < BLOCKS; b++) {
        char name[64];
        size_t count = 0;
        snprintf(name, sizeof name, "%s.conv.weight", block_names[b]);
        double *w = read_all(&target, name, &count), *wk = read_all(&csla, name, &count);
        const size_t c_out = (size_t)block_channels[b], c_in = count / c_out / 9;
        snprintf(name, sizeof name, "%s.conv_1x1.weight", block_names[b]);
        double *w1 = read_all(&csla, name, &count);
        const rep_scale_row *row = &scales.rows[b];
        for (size_t i = 0; i < 9 * c_out * c_in; i++) {
            const size_t o = i / (9 * c_in), tap = i / c_in % 9, c = i % c_in;
            double wanted = (double)row->s[o] * wk[i];
            if (tap == 4) { wanted += (double)row->t[o] * w1[o * c_in + c]; }
            if (tap == 4 && row->is_triple && c == o) {
                wanted += use_identity_scales ? (double)row->u[o] : 1.0;
            }
            assert_true(fabs(w[i] - wanted) <= 1e-15 * (1.0 + fabs(wanted)));
        }
        free(w);
        free(wk);
        free(w1);
    }
    finish(&target);
    finish(&csla);
}

static void test_reinit(void **state) {
    (void)state;
    check_reinit(true);
    check_reinit(false);
}

static void test_reinit_refused(void **state) {
    (void)state;
    struct scales scales;
    draw(&scales);
    struct run run = start(REP_MODE_TARGET, NULL, NULL);
    const rep_id bn = rep_graph_find(run.graph, "stage2.0.bn.weight");
    float weight[12];
    for (int i = 0; i < 12; i++) { weight[i] = i == 3 ? 1.5f : 1.0f; }
    CHECK_OK(rep_program_write(run.program, bn, weight, 12));
    size_t count = 0;
    double *before = read_all(&run, "stage0.conv.weight", &count);
    CHECK_FAILS(rep_model_reinit(run.model, run.graph, run.program, scales.list, true, false, 5),
                REP_ERR_CONFIG, "stage2.0.bn.weight");
    double *after = read_all(&run, "stage0.conv.weight", &count);
    assert_memory_equal(before, after,
                        count * sizeof *before); /* refused before anything changed */
    free(after);
    CHECK_OK(rep_model_reinit(run.model, run.graph, run.program, scales.list, true, true, 5));
    after = read_all(&run, "stage0.conv.weight", &count);
    assert_memory_not_equal(before, after, count * sizeof *before);
    free(before);
    free(after);
    /* Rows that were not matched are refused, not read beyond their end. */
    scales.list[0] = &scales.rows[2];
    CHECK_FAILS(rep_model_reinit(run.model, run.graph, run.program, scales.list, true, true, 5),
                REP_ERR_DATA, "stage0");
    finish(&run);
}

static void test_set_scales(void **state) {
    (void)state;
    struct scales scales;
    draw(&scales);
    struct run csla = start(REP_MODE_CSLA, NULL, NULL), target = start(REP_MODE_TARGET, NULL, NULL);
    CHECK_OK(rep_model_set_scales(csla.model, csla.program, scales.list));
    rep_scales *read = NULL;
    CHECK_OK(rep_scales_read(&read, csla.model, csla.program));
    assert_int_equal(rep_scales_count(read), BLOCKS);
    for (size_t b = 0; b < BLOCKS; b++) {
        const rep_scale_row *row = rep_scales_row(read, b);
        const size_t bytes = (size_t)row->channels * sizeof(float);
        assert_string_equal(row->name, block_names[b]);
        assert_memory_equal(row->s, scales.rows[b].s, bytes);
        assert_memory_equal(row->t, scales.rows[b].t, bytes);
        if (row->is_triple) { assert_memory_equal(row->u, scales.rows[b].u, bytes); }
    }
    rep_scales_destroy(read);
    CHECK_FAILS(rep_model_set_scales(target.model, target.program, scales.list), REP_ERR_ARGUMENT,
                "no scaled branches");
    CHECK_FAILS(rep_scales_read(&read, target.model, target.program), REP_ERR_ARGUMENT,
                "no scales");
    finish(&csla);
    finish(&target);
}

/* ---- masks
 * ----------------------------------------------------------------------------------------- */

static void test_mask(void **state) {
    (void)state;
    const float s[6] = {2, -3, 1, 0.5f, -1, 4}, t[6] = {1, 2, -2, 0, 3, -1}, u[6] = {0};
    const rep_scale_row triple = {.channels = 6, .is_triple = true, .s = s, .t = t, .u = u};
    const rep_shape shape = {6, 3, 5, 5}; /* two groups of three */
    for (int kind = REP_MASK_SQUARE; kind <= REP_MASK_ABS; kind++) {
        for (int is_constant = 0; is_constant < 2; is_constant++) {
            float mask[6 * 3 * 25];
            rep_scales_mask(mask, &triple, shape, (rep_mask_kind)kind, is_constant);
            for (int i = 0; i < 6 * 3 * 25; i++) {
                const int o = i / 75, tap = i / 3 % 25, c = i % 3;
                const float term[2] = {s[o], t[o]};
                float wanted = 0;
                for (int j = 0; j < (tap == 12 ? 2 : 1); j++) {
                    wanted += kind == REP_MASK_SQUARE ? term[j] * term[j]
                              : kind == REP_MASK_ABS  ? fabsf(term[j])
                                                      : term[j];
                }
                if (tap == 12 && c == o % 3 && !is_constant) { wanted += 1; }
                assert_true(mask[i] == wanted);
            }
        }
    }
}

/* The update forms the mask from two vectors; it must be the dense one. A step at rate 1 without
 * momentum moves the kernel by -M*g. */
static void test_update_uses_mask(void **state) {
    (void)state;
    struct scales scales;
    draw(&scales);
    for (int is_constant = 0; is_constant < 2; is_constant++) {
        const rep_optimizer_spec spec = {.lr_factor_bias = 1.0f,
                                         .is_identity_constant = is_constant};
        struct run run = start(REP_MODE_TARGET, &spec, scales.list);
        const rep_model_io *io = rep_model_io_get(run.model);
        float image[2 * 6 * 8 * 8], step[REP_STEP_WORDS] = {0};
        const int32_t labels[2] = {1, 4};
        rep_rng rng;
        rep_rng_init(&rng, 1, 1);
        for (size_t i = 0; i < sizeof image / sizeof *image; i++) {
            image[i] = rep_rng_normal(&rng);
        }
        step[REP_STEP_LR] = step[REP_STEP_APPLY] = step[REP_STEP_GRAD_SCALE] = 1.0f;
        step[REP_STEP_FIRST] = 1.0f;
        step[REP_STEP_VALID] = 2.0f;
        CHECK_OK(rep_program_write(run.program, io->image, image, sizeof image / sizeof *image));
        CHECK_OK(rep_program_write(run.program, io->labels, labels, 2));
        CHECK_OK(rep_program_write(run.program, io->step, step, REP_STEP_WORDS));
        size_t count = 0;
        double *before = read_all(&run, "stage2.1.conv.weight", &count);
        CHECK_OK(rep_program_run(run.program, REP_FORWARD, REP_UPDATE));
        double *after = read_all(&run, "stage2.1.conv.weight", &count);
        const rep_id weight = rep_model_block(run.model, 3)->weight;
        double *gradient = malloc(count * sizeof *gradient);
        float *mask = malloc(count * sizeof *mask);
        CHECK_OK(rep_program_read_f64(run.program, rep_graph_gradient(run.graph, weight), gradient,
                                      count));
        rep_scales_mask(mask, &scales.rows[3], (rep_shape){12, 12, 3, 3}, REP_MASK_SQUARE,
                        is_constant);
        double largest = 0.0;
        for (size_t i = 0; i < count; i++) {
            /* The dense mask is rounded to float. */
            const double moved = after[i] - before[i], wanted = -(double)mask[i] * gradient[i];
            assert_true(fabs(moved - wanted) <= 1e-7 * (fabs(wanted) + 1e-6));
            largest = fmax(largest, fabs(wanted));
        }
        assert_true(largest > 1e-3);
        free(before);
        free(after);
        free(gradient);
        free(mask);
        finish(&run);
    }
}

/* ---- matching
 * -------------------------------------------------------------------------------------- */

static char warning[1024];
static void keep_warning(void *context, rep_log_level level, const char *text) {
    (void)context;
    if (level == REP_LOG_WARNING) { snprintf(warning, sizeof warning, "%s", text); }
}

static char *path_of(const char *name) {
    static char path[512];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/repopt-test-%d-%s", folder ? folder : "/tmp", (int)getpid(),
             name);
    return path;
}

/* One tensor of the files below: count values from `values`. */
static rep_tensor_source vector_of(char *name, size_t bytes, const char *block, const char *tensor,
                                   const float *values, int64_t count) {
    snprintf(name, bytes, "%s%s%s", block, *block ? "." : "", tensor);
    return (rep_tensor_source){.name = name,
                               .type = REP_TENSOR_F32,
                               .rank = 1,
                               .shape = {count},
                               .fill = rep_tensor_fill_f32,
                               .context = (void *)(uintptr_t)values};
}

/* Writes the scales of `names` in reverse order, below `prefix`, with moments beside them. */
static const char *write_file(const char *file, const struct scales *scales, int blocks,
                              const char *const *names, const char *prefix) {
    static char tensor_names[BLOCKS * 4][160];
    rep_tensor_source tensors[BLOCKS * 4];
    size_t count = 0;
    for (int b = blocks - 1; b >= 0; b--) {
        const rep_scale_row *row = &scales->rows[b];
        char block[96], moment[128];
        snprintf(block, sizeof block, "%s%s", prefix, names[b]);
        snprintf(moment, sizeof moment, "optimizer.momentum.%s", names[b]);
        const struct {
            const char *block, *tensor;
            const float *values;
        } parts[] = {{moment, "scale_conv.weight", row->s},
                     {block, "scale_conv.weight", row->s},
                     {block, "scale_1x1.weight", row->t},
                     {block, "scale_identity.weight", row->u}};
        for (int i = 0; i < 4; i++) {
            if (!parts[i].values) { continue; }
            tensors[count] = vector_of(tensor_names[count], sizeof *tensor_names, parts[i].block,
                                       parts[i].tensor, parts[i].values, row->channels);
            count++;
        }
    }
    char *path = path_of(file);
    CHECK_OK(rep_safetensors_write(path, tensors, count, NULL, 0));
    return path;
}

static void test_load_by_name(void **state) {
    (void)state;
    struct scales scales;
    draw(&scales);
    struct run run = start(REP_MODE_TARGET, NULL, NULL);
    static const char *const prefixes[] = {"", "scales."};
    for (int i = 0; i < 2; i++) {
        const char *path = write_file("names", &scales, BLOCKS, block_names, prefixes[i]);
        rep_scales *loaded = NULL;
        const rep_scale_row *rows[BLOCKS];
        warning[0] = '\0';
        rep_log_set(keep_warning, NULL);
        CHECK_OK(rep_scales_load(&loaded, path));
        assert_int_equal(rep_scales_count(loaded), BLOCKS);
        CHECK_OK(rep_scales_match(loaded, run.model, rows));
        rep_log_set(NULL, NULL);
        assert_string_equal(warning, "");
        for (int b = 0; b < BLOCKS; b++) {
            const size_t bytes = (size_t)block_channels[b] * sizeof(float);
            assert_string_equal(rows[b]->name, block_names[b]);
            assert_memory_equal(rows[b]->s, scales.rows[b].s, bytes);
            assert_memory_equal(rows[b]->t, scales.rows[b].t, bytes);
            assert_int_equal(rows[b]->is_triple, b % 2 == 1);
            if (rows[b]->u) { assert_memory_equal(rows[b]->u, scales.rows[b].u, bytes); }
        }
        rep_scales_destroy(loaded);
        remove(path);
    }
    finish(&run);
}

/* Other names in natural order: 9 before 10. */
static void test_match_by_order(void **state) {
    (void)state;
    static const char *const names[BLOCKS] = {"net.8", "net.9", "net.10", "net.11"};
    struct scales scales;
    draw(&scales);
    struct run run = start(REP_MODE_TARGET, NULL, NULL);
    rep_scales *loaded = NULL;
    const rep_scale_row *rows[BLOCKS];
    const char *path = write_file("order", &scales, BLOCKS, names, "");
    CHECK_OK(rep_scales_load(&loaded, path));
    warning[0] = '\0';
    rep_log_set(keep_warning, NULL);
    CHECK_OK(rep_scales_match(loaded, run.model, rows));
    rep_log_set(NULL, NULL);
    assert_non_null(strstr(warning, "by order"));
    for (int b = 0; b < BLOCKS; b++) { assert_string_equal(rows[b]->name, names[b]); }
    rep_scales_destroy(loaded);
    remove(path);
    finish(&run);
}

static void test_other_model(void **state) {
    (void)state;
    struct scales scales;
    struct run run = start(REP_MODE_TARGET, NULL, NULL);
    const rep_scale_row *rows[BLOCKS];
    for (int i = 0; i < 3; i++) {
        draw(&scales);
        if (i == 0) { scales.rows[2].channels = 11; }
        if (i == 1) { scales.rows[2].u = scales.rows[2].s; }
        rep_scales *loaded = NULL;
        const char *path = write_file("other", &scales, i == 2 ? 3 : BLOCKS, block_names, "");
        CHECK_OK(rep_scales_load(&loaded, path));
        CHECK_FAILS(rep_scales_match(loaded, run.model, rows), REP_ERR_DATA,
                    "scales of another model");
        assert_non_null(strstr(rep_last_error(), i == 2 ? "stage2.1" : "stage2.0"));
        rep_scales_destroy(loaded);
        remove(path);
    }
    finish(&run);
}

static void test_bad_files(void **state) {
    (void)state;
    rep_scales *loaded = NULL;
    CHECK_FAILS(rep_scales_load(&loaded, "/no/such/file"), REP_ERR_IO, "/no/such/file");
    const float values[4] = {1, 2, 3, 4}, wild[4] = {1, NAN, 3, 4};
    char names[5][64];
    const rep_tensor_source conv = vector_of(names[0], 64, "x", "scale_conv.weight", values, 4);
    const struct {
        rep_tensor_source tensors[2];
        size_t count;
        const char *part;
    } cases[] = {
        {{vector_of(names[1], 64, "x", "bn.weight", values, 4)}, 1, "no scales in it"},
        {{conv}, 1, "no such tensor"},
        {{conv, vector_of(names[2], 64, "x", "scale_1x1.weight", values, 3)}, 2, "another shape"},
        {{conv, vector_of(names[3], 64, "x", "scale_1x1.weight", wild, 4)}, 2, "not finite"},
        {{vector_of(names[4], 64, "x", "scale_conv.weight", values, 1)}, 1, "no such tensor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = path_of("bad");
        CHECK_OK(rep_safetensors_write(path, cases[i].tensors, cases[i].count, NULL, 0));
        CHECK_FAILS(rep_scales_load(&loaded, path), REP_ERR_DATA, cases[i].part);
        assert_null(loaded);
        remove(path);
    }
}

/* Every prefix of a good file is an error in one line, whatever is cut. */
static void test_truncated_files(void **state) {
    (void)state;
    struct scales scales;
    draw(&scales);
    char whole[512];
    snprintf(whole, sizeof whole, "%s", write_file("whole", &scales, BLOCKS, block_names, ""));
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, whole));
    const char *path = path_of("cut");
    for (size_t count = 0; count < view.count; count += count < 64 ? 1 : 97) {
        rep_scales *loaded = NULL;
        CHECK_OK(rep_file_write(path, view.bytes, count));
        CHECK_FAILS(rep_scales_load(&loaded, path), REP_ERR_DATA, path);
        assert_null(loaded);
    }
    rep_file_close(&view);
    remove(path);
    remove(whole);
}

/* ---- statistics
 * ------------------------------------------------------------------------------------ */

static void test_statistics(void **state) {
    (void)state;
    const float values[4] = {-1, 0, 1, 4};
    rep_scale_stats stats;
    rep_scale_stats_get(&stats, values, 4);
    assert_true(stats.mean == 1.0 && stats.min == -1.0 && stats.max == 4.0);
    assert_int_equal(stats.negative_count, 1);
    assert_true(fabs(stats.std - sqrt(14.0 / 4.0)) < 1e-15);
}

static void test_moved(void **state) {
    (void)state;
    struct run run = start(REP_MODE_HYPER_SEARCH, NULL, NULL);
    rep_scales *scales = NULL;
    const rep_scale_row *rows[BLOCKS];
    CHECK_OK(rep_scales_read(&scales, run.model, run.program));
    CHECK_OK(rep_scales_match(scales, run.model, rows));
    assert_true(rep_scales_moved(run.model, rows) == 0.0); /* sqrt(2/i) is where they start */
    rep_scales_destroy(scales);
    float u[12];
    for (int i = 0; i < 12; i++) { u[i] = i == 7 ? 0.75f : 1.0f; }
    CHECK_OK(rep_program_write(run.program, rep_model_block(run.model, 3)->u, u, 12));
    CHECK_OK(rep_scales_read(&scales, run.model, run.program));
    CHECK_OK(rep_scales_match(scales, run.model, rows));
    assert_true(rep_scales_moved(run.model, rows) == 0.25);
    rep_scales_destroy(scales);
    finish(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reinit),           cmocka_unit_test(test_reinit_refused),
        cmocka_unit_test(test_set_scales),       cmocka_unit_test(test_mask),
        cmocka_unit_test(test_update_uses_mask), cmocka_unit_test(test_load_by_name),
        cmocka_unit_test(test_match_by_order),   cmocka_unit_test(test_other_model),
        cmocka_unit_test(test_bad_files),        cmocka_unit_test(test_truncated_files),
        cmocka_unit_test(test_statistics),       cmocka_unit_test(test_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
