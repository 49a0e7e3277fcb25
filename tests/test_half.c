/* test_half.c - half precision on every Vulkan device that has it: ops against the float64
 * reference fed the same rounded inputs, and training with a loss scale.
 *
 * Software drivers run every op twice over: as they are used, and with the tiled convolutions of
 * GPUs. Each line says which shader served.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "device/device.h"
#include "train_case.h"

enum { GUARD = 128 };

static rep_vulkan_options options;
static rep_device_info devices[TEST_MAX_DEVICES];
static size_t device_count;
static rep_device *reference;

/* ---- cases -----------------------------------------------------------------------------------
 *
 * Bound per element, with y* the exact result of the rounded inputs:
 *
 *     |y - y*| <= 2^-11 |y*| + 2^-14 + depth 2^-23 size     (f16 outputs)
 *     |y - y*| <=                      depth 2^-23 size     (f32 outputs)
 *
 * 2^-11 is half a unit in the last place of a half; below 2^-14 a half has fewer digits and a
 * driver may make it zero. Products of halves are exact in f32 (22 digits). `depth` additions
 * follow, each off by 2^-23 of a partial sum at most: 2^-24 where sums are rounded to nearest,
 * twice that where matrix units cut off. No partial sum exceeds `size`, the same op on absolute
 * values, whatever the order. Ops other than sums count their roundings as `depth`.
 */
typedef struct half_case {
    rep_op op;
    const void *params;
    const void *size_params; /* of `size`: without activation; NULL: params */
    rep_shape in[REP_MAX_INPUTS];
    uint32_t halves; /* bit i: input i is f16 */
    int negated; /* the input that `size` takes negative (a mean that is subtracted); -1: none */
    uint32_t depth;
} half_case;

#define CONV(stride, pad, groups, act) (&(const rep_conv2d_params){stride, pad, groups, 0, act})
#define GRAD(stride, pad, groups, h, w)                                                            \
    (&(const rep_conv2d_grad_params){stride, pad, groups, 0, h, w})
/* x n c h w, then channels out, kernel, stride, pad, groups. */
#define CONV_ROWS(n, c, h, w, o, k, s, p, g)                                                       \
    {REP_OP_CONV2D,        CONV(s, p, g, 0), NULL, {{n, c, h, w}, {o, (c) / (g), k, k}}, 3, -1,    \
     (c) / (g) * (k) * (k)},                                                                       \
        {REP_OP_CONV2D,                                                                            \
         CONV(s, p, g, REP_ACT_RELU),                                                              \
         CONV(s, p, g, 0),                                                                         \
         {{n, c, h, w}, {o, (c) / (g), k, k}, {1, o, 1, 1}},                                       \
         3,                                                                                        \
         -1,                                                                                       \
         (c) / (g) * (k) * (k) + 1},                                                               \
        {REP_OP_CONV2D_GRAD_X,                                                                     \
         GRAD(s, p, g, h, w),                                                                      \
         NULL,                                                                                     \
         {{n, o, OUT(h, k, s, p), OUT(w, k, s, p)}, {o, (c) / (g), k, k}},                         \
         3,                                                                                        \
         -1,                                                                                       \
         (o) / (g) * (k) * (k)},                                                                   \
    {                                                                                              \
        REP_OP_CONV2D_GRAD_W, GRAD(s, p, g, k, k), NULL,                                           \
            {{n, c, h, w}, {n, o, OUT(h, k, s, p), OUT(w, k, s, p)}}, 3, -1,                       \
            (n)*OUT(h, k, s, p) * OUT(w, k, s, p)                                                  \
    }
#define OUT(size, k, s, p) (((size) + 2 * (p) - (k)) / (s) + 1)
#define NORM(act) (&(const rep_norm_params){act, 1, 1, 1e-5f, 0.1f})
#define ACT(act) (&(const rep_act_params){act})

static const half_case cases[] = {
    CONV_ROWS(1, 1, 1, 1, 1, 1, 1, 0, 1),
    CONV_ROWS(1, 8, 4, 4, 8, 1, 1, 0, 1),
    CONV_ROWS(2, 3, 9, 7, 16, 3, 1, 1, 1),
    CONV_ROWS(2, 3, 9, 7, 24, 3, 2, 1, 1),
    CONV_ROWS(1, 17, 5, 6, 33, 3, 1, 1, 1),
    CONV_ROWS(3, 24, 7, 5, 40, 1, 2, 0, 1),
    CONV_ROWS(1, 16, 11, 9, 20, 5, 3, 2, 1),
    CONV_ROWS(2, 32, 8, 8, 32, 3, 1, 1, 4),
    CONV_ROWS(1, 64, 20, 20, 64, 3, 1, 1, 1),
    CONV_ROWS(1, 64, 20, 20, 64, 3, 2, 1, 1),
    /* Roundings: x - mean, times invstd, times weight, plus bias; a sum rounds its own once. */
    {REP_OP_BATCHNORM,
     NORM(0),
     NULL,
     {{2, 17, 5, 3}, {1, 17, 1, 1}, {1, 17, 1, 1}, {1, 17, 1, 1}, {1, 17, 1, 1}},
     1,
     1,
     4},
    {REP_OP_BATCHNORM,
     NORM(REP_ACT_RELU),
     NORM(0),
     {{4, 64, 8, 8}, {1, 64, 1, 1}, {1, 64, 1, 1}, {1, 64, 1, 1}, {1, 64, 1, 1}},
     1,
     1,
     4},
    /* Inputs dy, x, mean, invstd, weight, bias. */
    {REP_OP_BATCHNORM_GRAD_W,
     NORM(0),
     NULL,
     {{2, 17, 5, 3}, {2, 17, 5, 3}, {1, 17, 1, 1}, {1, 17, 1, 1}, {1, 17, 1, 1}, {1, 17, 1, 1}},
     3,
     2,
     2 * 5 * 3 + 4},
    {REP_OP_ACT, ACT(REP_ACT_RELU), ACT(0), {{2, 17, 5, 3}}, 1, -1, 0},
    /* e^x, a quotient and a product: a dozen roundings, |silu(x)| <= |x|. */
    {REP_OP_ACT, ACT(REP_ACT_SILU), ACT(0), {{2, 17, 5, 3}}, 1, -1, 12},
    {REP_OP_ADD, &(const rep_no_params){0}, NULL, {{2, 17, 5, 3}, {2, 17, 5, 3}}, 3, -1, 1},
};
enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

/* ---- a case as a program of one node --------------------------------------------------------- */

typedef struct rig {
    const half_case *row;
    rep_graph *graph;
    rep_program *program;
    uint32_t in_count, out_count;
    rep_id in_block[REP_MAX_INPUTS], out_block[REP_MAX_OUTPUTS];
    rep_dtype out_type[REP_MAX_OUTPUTS];
} rig;

/* A tensor in the middle of a block of its own. */
static rep_id declare(rig *r, const char *role, uint32_t i, rep_dtype type, rep_shape shape,
                      rep_id *block) {
    char name[32];
    const rep_shape whole = {1, (int32_t)rep_shape_count(shape) + 2 * GUARD, 1, 1};
    snprintf(name, sizeof name, "%s%u.block", role, i);
    *block = rep_graph_tensor(r->graph, name, type, whole, REP_IO);
    snprintf(name, sizeof name, "%s%u", role, i);
    const rep_id id = rep_graph_tensor(r->graph, name, type, shape, REP_IO);
    rep_graph_place(r->graph, id, *block, GUARD);
    return id;
}

static void rig_open(rig *r, const half_case *row, const void *params, rep_device *device,
                     bool is_half) {
    const rep_op_info *info = rep_op_info_get(row->op);
    rep_shape_call call = {.name = info->name, .params = params};
    rep_id in[REP_MAX_INPUTS] = {0}, out[REP_MAX_OUTPUTS] = {0};
    *r = (rig){.row = row, .out_count = info->out_count};
    CHECK_OK(rep_graph_create(&r->graph));
    while (r->in_count < REP_MAX_INPUTS && row->in[r->in_count].n) {
        const uint32_t i = r->in_count++;
        call.has_in[i] = true;
        call.in[i] = row->in[i];
        call.in_dtype[i] = is_half && row->halves >> i & 1u ? REP_F16 : REP_F32;
        in[i] = declare(r, "in", i, call.in_dtype[i], row->in[i], &r->in_block[i]);
    }
    call.in_count = r->in_count;
    CHECK_OK(info->shape(&call));
    for (uint32_t o = 0; o < r->out_count; o++) {
        r->out_type[o] = call.dtype[o];
        out[o] = declare(r, "out", o, call.dtype[o], call.out[o], &r->out_block[o]);
    }
    rep_graph_append(r->graph, row->op, params, in, r->in_count, out);
    CHECK_OK(rep_program_create(&r->program, device, r->graph, NULL, NULL));
}

static void rig_close(rig *r) {
    rep_program_destroy(r->program);
    rep_graph_destroy(r->graph);
}

/* What a half holds of it; those below the normal ones, which drivers may make zero, are zero. */
static float rounded(float value) {
    const float half = rep_half_to_float(rep_half_from_float(value));
    return fabsf(half) < 0x1p-14f ? 0 : half;
}

/* Draws the inputs, the same for every device; `is_size` takes absolute values. */
static void rig_write(const rig *r, bool is_size) {
    for (uint32_t b = 0; b < r->in_count + r->out_count; b++) {
        const bool is_in = b < r->in_count;
        const rep_id block = is_in ? r->in_block[b] : r->out_block[b - r->in_count];
        const size_t whole = rep_shape_count(rep_graph_shape(r->graph, block));
        float *values = calloc(whole, sizeof *values);
        assert_non_null(values);
        rep_rng rng;
        rep_rng_init(&rng, 5, (uint64_t)(r->row - cases) * REP_MAX_INPUTS + b);
        for (size_t i = 0; i < whole; i++) {
            const bool is_guard = i < GUARD || i >= whole - GUARD;
            float value = rounded(rep_rng_normal(&rng));
            if (is_size) { value = (int)b == r->row->negated ? -fabsf(value) : fabsf(value); }
            values[i] = is_guard || !is_in ? is_in ? NAN : 77.0f : value;
        }
        CHECK_OK(rep_program_write(r->program, block, values, whole));
        free(values);
    }
}

/* The outputs one after another; their guards are whole. Free it. */
static double *rig_run(const rig *r, bool is_size, size_t *total) {
    double *all = NULL;
    *total = 0;
    rig_write(r, is_size);
    CHECK_OK(rep_program_run(r->program, REP_FORWARD, REP_UPDATE));
    for (uint32_t o = 0; o < r->out_count; o++) {
        const size_t whole = rep_shape_count(rep_graph_shape(r->graph, r->out_block[o]));
        all = realloc(all, (*total + whole) * sizeof *all);
        assert_non_null(all);
        double *values = all + *total;
        CHECK_OK(rep_program_read_f64(r->program, r->out_block[o], values, whole));
        for (size_t i = 0; i < GUARD; i++) {
            if (values[i] != 77 || values[whole - 1 - i] != 77) {
                fail_msg("output %u: wrote outside itself", o);
            }
        }
        *total += whole;
    }
    return all;
}

static double *run_reference(const half_case *row, bool is_size, size_t *total) {
    rig r;
    const void *params = is_size && row->size_params ? row->size_params : row->params;
    rig_open(&r, row, params, reference, false);
    double *all = rig_run(&r, is_size, total);
    rig_close(&r);
    return all;
}

static void check_case(const half_case *row, const char *device_name, rep_device *device) {
    rig r;
    size_t total = 0, count = 0, at = 0;
    double *truth = run_reference(row, false, &total), *size = run_reference(row, true, &total);
    rig_open(&r, row, row->params, device, true);
    double *got = rig_run(&r, false, &count), *again = rig_run(&r, false, &count);
    assert_int_equal(total, count);
    if (memcmp(got, again, count * sizeof *got) != 0) { fail_msg("a second run differs"); }
    double worst = 0;
    for (uint32_t o = 0; o < r.out_count; o++) {
        const size_t whole = rep_shape_count(rep_graph_shape(r.graph, r.out_block[o]));
        const bool is_half = r.out_type[o] == REP_F16;
        for (size_t i = at + GUARD; i < at + whole - GUARD; i++) {
            const double bound = (is_half ? 0x1p-11 * fabs(truth[i]) + 0x1p-14 : 0) +
                                 (double)row->depth * 0x1p-23 * size[i];
            const double error = fabs(got[i] - truth[i]);
            if (!(error <= bound)) {
                fail_msg("%s, %s: element %zu is %.9g, wanted %.9g within %.3g",
                         rep_op_info_get(row->op)->name, device_name, i - GUARD, got[i], truth[i],
                         bound);
            }
            worst = bound > 0 && error / bound > worst ? error / bound : worst;
        }
        at += whole;
    }
    rep_node_info node;
    rep_program_node(r.program, 0, &node);
    printf("%-16s %d.%d.%d.%d  %-10s %-22s %.2f of the bound\n", rep_op_info_get(row->op)->name,
           row->in[0].n, row->in[0].c, row->in[0].h, row->in[0].w, device_name,
           node.dispatches[0].shader, worst);
    rig_close(&r);
    free(truth);
    free(size);
    free(got);
    free(again);
}

static void check_all(bool is_like_gpu) {
    options.is_like_gpu = is_like_gpu;
    rep_vulkan_configure(&options);
    for (size_t d = 0; d < device_count; d++) {
        rep_device *device = NULL;
        if (is_like_gpu && !devices[d].is_software) { continue; }
        CHECK_OK(rep_device_open(&device, devices[d].name, 1));
        for (int i = 0; i < CASE_COUNT; i++) { check_case(&cases[i], devices[d].name, device); }
        rep_device_close(device);
    }
    options.is_like_gpu = false;
    rep_vulkan_configure(&options);
}

static void test_ops(void **state) {
    (void)state;
    check_all(false);
}

static void test_ops_as_on_a_gpu(void **state) {
    (void)state;
    check_all(true);
}

/* ---- training -------------------------------------------------------------------------------- */

static void init_case(train_case *c, const char *root, const char *name, const char *device) {
    train_case_init(c, root, name);
    train_case_set(c, "DTYPE", "float16");
    c->options.device = device;
}

static void check_learning(bool is_like_gpu) {
    options.is_like_gpu = is_like_gpu;
    rep_vulkan_configure(&options);
    for (size_t d = 0; d < device_count; d++) {
        char root[64];
        if (is_like_gpu && !devices[d].is_software) { continue; }
        train_case_root(root);
        train_case c;
        init_case(&c, root, "falls", devices[d].name);
        /* The same thirty-two pictures again and again, as in test_train.c. */
        train_case_set(&c, "DATASETS.DRAWN_COUNT_TRAIN", "32");
        train_case_set(&c, "INPUT.PAD", "0");
        (void)train_case_run(&c);
        if (!(c.last_loss < 0.85 * c.first_loss)) {
            fail_msg("%s: loss %g at first, %g at last", devices[d].name, c.first_loss,
                     c.last_loss);
        }
        train_case_clear(&c);
        train_case_remove(root);
    }
    options.is_like_gpu = false;
    rep_vulkan_configure(&options);
}

static void test_loss_falls(void **state) {
    (void)state;
    check_learning(false);
}

static void test_loss_falls_as_on_a_gpu(void **state) {
    (void)state;
    check_learning(true);
}

static void expect_same_word(const rep_safetensors *a, const rep_safetensors *b, const char *key) {
    const char *x = rep_safetensors_metadata(a, key), *y = rep_safetensors_metadata(b, key);
    assert_non_null(x);
    assert_non_null(y);
    assert_string_equal(x, y);
}

/* Steps skipped in the run of that final checkpoint, after comparing it with another's. */
static long compare_finals(const train_case *one, const train_case *other) {
    char path[2][256];
    rep_safetensors *a = NULL, *b = NULL;
    snprintf(path[0], sizeof path[0], "%s/model_final.safetensors", one->folder);
    snprintf(path[1], sizeof path[1], "%s/model_final.safetensors", other->folder);
    train_case_expect_equal(path[0], path[1]);
    CHECK_OK(rep_safetensors_open(&a, path[0]));
    CHECK_OK(rep_safetensors_open(&b, path[1]));
    static const char *const keys[] = {"iteration",     "loss_scale", "loss_scale_good_steps",
                                       "skipped_steps", "tracked",    "epoch_loss_sum"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) { expect_same_word(a, b, keys[i]); }
    const long skipped = strtol(rep_safetensors_metadata(a, "skipped_steps"), NULL, 10);
    /* Twenty steps, each good or skipped; each skipped one halved the scale. */
    assert_int_equal(strtol(rep_safetensors_metadata(a, "loss_scale"), NULL, 10), 65536 >> skipped);
    rep_safetensors_close(a);
    rep_safetensors_close(b);
    return skipped;
}

/* Gradients that overflow at first: steps are skipped until the loss scale fits, and a run that is
 * stopped among them and goes on ends with the same bits and counters. */
static void test_resume_keeps_the_loss_scale(void **state) {
    (void)state;
    for (size_t d = 0; d < device_count; d++) {
        char root[64];
        train_case_root(root);
        train_case whole, halted;
        train_case *const both[] = {&whole, &halted};
        init_case(&whole, root, "whole", devices[d].name);
        init_case(&halted, root, "halted", devices[d].name);
        /* Pictures so faint that the first normalisation divides by about 0.003, the root of its
         * epsilon, and so multiplies the gradient. */
        for (int i = 0; i < 2; i++) { train_case_set(both[i], "INPUT.PIXEL_STD", "1000"); }
        (void)train_case_run(&whole);
        rep_train_result result;
        halted.stop_at = 2;
        CHECK_FAILS(rep_train(&result, &halted.options), REP_ERR_INTERRUPTED, "");
        halted.stop_at = 0;
        halted.stop = 0;
        (void)train_case_run(&halted);
        if (compare_finals(&whole, &halted) < 3) { fail_msg("too few steps were skipped"); }
        train_case_clear(&whole);
        train_case_clear(&halted);
        train_case_remove(root);
    }
}

/* ---- devices --------------------------------------------------------------------------------- */

static void find_devices(void) {
    rep_device_info info[TEST_MAX_DEVICES];
    const size_t count = rep_device_list(info, TEST_MAX_DEVICES);
    for (size_t i = 0; i < count && i < TEST_MAX_DEVICES; i++) {
        if (!info[i].is_vulkan || !info[i].is_usable) { continue; }
        if (!info[i].has_f16) {
            printf("%s: %s has no 16-bit storage\n", info[i].name, info[i].description);
            continue;
        }
        printf("%s: %s, matrix units: %s\n", info[i].name, info[i].description,
               info[i].has_matrix ? "yes" : "no");
        devices[device_count++] = info[i];
    }
}

int main(void) {
    int result = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!test_devices_start(&result)) { return result; }
    options = test_vulkan_options();
    rep_vulkan_configure(&options);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops),
        cmocka_unit_test(test_ops_as_on_a_gpu),
        cmocka_unit_test(test_loss_falls),
        cmocka_unit_test(test_loss_falls_as_on_a_gpu),
        cmocka_unit_test(test_resume_keeps_the_loss_scale),
    };
    find_devices();
    if (device_count == 0) { return TEST_SKIPPED; }
    if (rep_device_open(&reference, "cpu:float64", 1) != REP_OK) {
        fprintf(stderr, "%s\n", rep_last_error());
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rep_device_close(reference);
    return failed;
}
