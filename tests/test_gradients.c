/* test_gradients.c - every gradient rule and kernel against central differences, in float64.
 *
 * With a fixed upstream gradient r, L = sum r y. A step of 1e-5 gives (L(x + h) - L(x - h)) / 2h
 * with an error near 1e-10 from h^2 and from rounding; accepted is 1e-6 of the largest gradient of
 * the tensor, plus 1e-9. First the rows of op_cases.def, op by op, then chains as models have them.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/check.h"
#include "repopt/device.h"

enum { SAMPLES = 24, MAX_ELEMENTS = 20000, MAX_LEAVES = 12 };

static rep_device *device;

/* Tensors to be differentiated by, and the output. */
typedef struct sum {
    rep_graph *graph;
    rep_program *program;
    rep_id leaf[MAX_LEAVES];
    bool is_watched[MAX_LEAVES];
    uint32_t leaves;
    rep_id y, seed;
    double *r; /* the seed's values */
} sum;

static rep_id add_leaf(sum *s, rep_shape shape, bool is_watched) {
    char name[16];
    snprintf(name, sizeof name, "leaf%u", s->leaves);
    const rep_id id = rep_graph_tensor(s->graph, name, REP_F32, shape, REP_STATE);
    if (is_watched) { rep_graph_want_gradient(s->graph, id); }
    s->leaf[s->leaves] = id;
    s->is_watched[s->leaves++] = is_watched;
    return id;
}

static double *draw(const rep_case_input *kind, uint64_t stream, size_t count) {
    float *values = calloc(count, sizeof *values);
    double *wide = calloc(count, sizeof *wide);
    assert_non_null(values);
    assert_non_null(wide);
    rep_case_draw(kind, stream, count, values);
    for (size_t i = 0; i < count; i++) { wide[i] = (double)values[i]; }
    free(values);
    return wide;
}

static void write_leaf(const sum *s, rep_id id, const rep_case_input *kind, uint64_t stream) {
    const size_t count = rep_shape_count(rep_graph_shape(s->graph, id));
    double *values = draw(kind, stream, count);
    CHECK_OK(rep_program_write_f64(s->program, id, values, count));
    free(values);
}

static const rep_case_input normal = {REP_INPUT_NORMAL, {0, 0, 0, 0}, 0};

/* Appends the backward pass from s->y and makes the program. */
static void finish(sum *s) {
    rep_graph_keep(s->graph, s->y);
    s->seed = rep_graph_tensor(s->graph, "seed", REP_F32, rep_graph_shape(s->graph, s->y), REP_IO);
    CHECK_OK(rep_graph_backward(s->graph, s->y, s->seed));
    for (uint32_t i = 0; i < s->leaves; i++) {
        const rep_id gradient = rep_graph_gradient(s->graph, s->leaf[i]);
        if (gradient) { rep_graph_keep(s->graph, gradient); }
    }
    CHECK_OK(rep_program_create(&s->program, device, s->graph, NULL, NULL));
    const size_t count = rep_shape_count(rep_graph_shape(s->graph, s->y));
    s->r = draw(&normal, 777, count);
    CHECK_OK(rep_program_write_f64(s->program, s->seed, s->r, count));
}

static void close_sum(sum *s) {
    rep_program_destroy(s->program);
    rep_graph_destroy(s->graph);
    free(s->r);
}

static double value_of(const sum *s) {
    const size_t count = rep_shape_count(rep_graph_shape(s->graph, s->y));
    double *y = calloc(count, sizeof *y), total = 0;
    assert_non_null(y);
    CHECK_OK(rep_program_run(s->program, REP_FORWARD, REP_FORWARD));
    CHECK_OK(rep_program_read_f64(s->program, s->y, y, count));
    for (size_t i = 0; i < count; i++) { total += s->r[i] * y[i]; }
    free(y);
    return total;
}

static void check_leaf(const sum *s, rep_id leaf, const char *what) {
    const size_t count = rep_shape_count(rep_graph_shape(s->graph, leaf));
    const rep_id gradient = rep_graph_gradient(s->graph, leaf);
    if (!gradient) { fail_msg("%s: %s has no gradient", what, rep_graph_name(s->graph, leaf)); }
    double *x = calloc(count, sizeof *x), *dx = calloc(count, sizeof *dx), largest = 0;
    assert_non_null(x);
    assert_non_null(dx);
    CHECK_OK(rep_program_run(s->program, REP_FORWARD, REP_BACKWARD));
    CHECK_OK(rep_program_read_f64(s->program, leaf, x, count));
    CHECK_OK(rep_program_read_f64(s->program, gradient, dx, count));
    for (size_t i = 0; i < count; i++) { largest = fmax(largest, fabs(dx[i])); }
    const size_t stride = count <= SAMPLES ? 1 : count / SAMPLES;
    for (size_t i = 0; i < count; i += stride) {
        const double x_i = x[i], h = 1e-5 * fmax(1, fabs(x_i));
        x[i] = x_i + h;
        CHECK_OK(rep_program_write_f64(s->program, leaf, x, count));
        const double above = value_of(s);
        x[i] = x_i - h;
        CHECK_OK(rep_program_write_f64(s->program, leaf, x, count));
        const double slope = (above - value_of(s)) / (2 * h);
        x[i] = x_i;
        if (!(fabs(slope - dx[i]) <= 1e-6 * largest + 1e-9)) {
            fail_msg("%s: %s[%zu]: gradient %.10g, central difference %.10g", what,
                     rep_graph_name(s->graph, leaf), i, dx[i], slope);
        }
    }
    CHECK_OK(rep_program_write_f64(s->program, leaf, x, count));
    free(x);
    free(dx);
}

static void check_leaves(const sum *s, const char *what) {
    for (uint32_t i = 0; i < s->leaves; i++) {
        if (s->is_watched[i]) { check_leaf(s, s->leaf[i], what); }
    }
}

/* ---- op by op -------------------------------------------------------------------------------- */

/* Inputs an op can be differentiated by, as bits; targets, weights and statistics are constants. */
static uint32_t watched_inputs(rep_op op) {
    switch (op) {
    case REP_OP_ADD:
    case REP_OP_SCALE:
    case REP_OP_BIAS:
    case REP_OP_GATE:
        return 3;
    case REP_OP_CONV2D:
    case REP_OP_GROUPNORM:
        return 7;
    case REP_OP_BATCHNORM:
        return 1 | 8 | 16;
    case REP_OP_MERGE:
        return 31;
    case REP_OP_CONCAT:
        return 255;
    default:
        return 1;
    }
}

/* A fused activation is for inference; batchnorm's own rows have constant statistics when they are
 * not training, and the training case needs the statistics node: that is a chain below. */
static bool is_differentiable(const rep_case *row) {
    if (!rep_op_info_get(row->op)->grad) { return false; }
    if (row->op == REP_OP_CONV2D) { return ((const rep_conv2d_params *)row->params)->act == 0; }
    if (row->op == REP_OP_BATCHNORM) { return !((const rep_norm_params *)row->params)->training; }
    return rep_shape_count(rep_case_input_shape(&row->in[0])) <= MAX_ELEMENTS;
}

static void test_row(void **state) {
    const rep_case *row = *state;
    const uint64_t stream = (uint64_t)(row - rep_cases) * 16 + 5000;
    const uint32_t count = rep_case_inputs(row);
    sum s = {0};
    rep_id in[REP_MAX_INPUTS] = {0}, integers[REP_MAX_INPUTS] = {0};
    CHECK_OK(rep_graph_create(&s.graph));
    for (uint32_t i = 0; i < count; i++) {
        const rep_shape shape = rep_case_input_shape(&row->in[i]);
        if (rep_case_input_is_integer(&row->in[i])) {
            in[i] = integers[i] = rep_graph_tensor(s.graph, "labels", REP_I32, shape, REP_STATE);
        } else {
            in[i] = add_leaf(&s, shape, watched_inputs(row->op) >> i & 1u);
        }
    }
    s.y = rep_graph_append(s.graph, row->op, row->params, in, count, NULL);
    finish(&s);
    for (uint32_t i = 0; i < count; i++) {
        if (!integers[i]) {
            write_leaf(&s, in[i], &row->in[i], stream + i);
            continue;
        }
        const size_t labels = rep_shape_count(row->in[i].shape);
        int32_t *values = calloc(labels, sizeof *values);
        assert_non_null(values);
        rep_case_draw_integers(&row->in[i], stream + i, labels, values);
        CHECK_OK(rep_program_write(s.program, in[i], values, labels));
        free(values);
    }
    check_leaves(&s, rep_op_info_get(row->op)->name);
    close_sum(&s);
}

static void test_every_rule_has_rows(void **state) {
    (void)state;
    for (int op = REP_OP_NONE + 1; op < REP_OP_COUNT; op++) {
        if (!rep_op_info_get((rep_op)op)->grad) { continue; }
        int rows = 0;
        for (size_t i = 0; i < rep_case_count; i++) {
            rows += (int)rep_cases[i].op == op && is_differentiable(&rep_cases[i]);
        }
        if (rows == 0) {
            fail_msg("%s has a gradient and no row that checks it",
                     rep_op_info_get((rep_op)op)->name);
        }
    }
}

/* ---- chains ---------------------------------------------------------------------------------- */

static rep_id vector(sum *s, int32_t c) { return add_leaf(s, (rep_shape){1, c, 1, 1}, true); }

/* Normalisation in training: mean and variance are functions of x. */
static rep_id norm(sum *s, rep_id x, rep_uint act) {
    const rep_norm_params p = {.act = act, .training = 1, .eps = 1e-3f, .momentum = 0.1f};
    const int32_t c = rep_graph_shape(s->graph, x).c;
    const rep_id mean = REP_APPEND(s->graph, BATCHNORM_STATS, &p, x);
    return REP_APPEND(s->graph, BATCHNORM, &p, x, mean, mean + 1, vector(s, c), vector(s, c));
}

static rep_id conv(sum *s, rep_id x, rep_id w, rep_uint stride) {
    const rep_shape shape = rep_graph_shape(s->graph, w);
    const rep_conv2d_params p = {.stride = stride, .pad = (rep_uint)shape.h / 2, .groups = 1};
    return REP_APPEND(s->graph, CONV2D, &p, x, w);
}

static rep_id kernel(sum *s, int32_t c_out, int32_t c_in, int32_t k) {
    return add_leaf(s, (rep_shape){c_out, c_in, k, k}, true);
}

static rep_id chain_plain(sum *s) {
    rep_id x = add_leaf(s, (rep_shape){3, 5, 7, 6}, true);
    x = norm(s, conv(s, x, kernel(s, 9, 5, 3), 2), REP_ACT_RELU);
    return norm(s, conv(s, x, kernel(s, 4, 9, 1), 1), REP_ACT_NONE);
}

/* A searched block: x reaches y through the fold, the fold's five parameters through one kernel. */
static rep_id chain_searched(sum *s) {
    rep_id x = add_leaf(s, (rep_shape){2, 6, 5, 5}, true);
    const rep_id w = REP_APPEND(s->graph, MERGE, NULL, kernel(s, 6, 6, 3), kernel(s, 6, 6, 1),
                                vector(s, 6), vector(s, 6), vector(s, 6));
    return norm(s, conv(s, x, w, 1), REP_ACT_RELU6);
}

/* Squeeze and excitation: x is used twice, its gradients are added. */
static rep_id chain_squeeze(sum *s) {
    const rep_id x = add_leaf(s, (rep_shape){2, 8, 4, 5}, true);
    rep_id g = REP_APPEND(s->graph, GLOBAL_POOL, NULL, x);
    g = REP_APPEND(s->graph, BIAS, NULL, conv(s, g, kernel(s, 3, 8, 1), 1), vector(s, 3));
    g = REP_APPEND(s->graph, ACT, (&(rep_act_params){REP_ACT_RELU}), g);
    g = REP_APPEND(s->graph, BIAS, NULL, conv(s, g, kernel(s, 8, 3, 1), 1), vector(s, 8));
    g = REP_APPEND(s->graph, ACT, (&(rep_act_params){REP_ACT_SIGMOID}), g);
    return REP_APPEND(s->graph, GATE, NULL, x, g);
}

/* Lateral, upsampled and added, as a feature pyramid does; the parts side by side again. */
static rep_id chain_pyramid(sum *s) {
    const rep_id fine = add_leaf(s, (rep_shape){1, 4, 7, 5}, true);
    const rep_id coarse = add_leaf(s, (rep_shape){1, 4, 4, 3}, true);
    const rep_pool_params up = {.h = 7, .w = 5}, pool = {.kernel = 3, .stride = 2, .pad = 1};
    const rep_id sum_ =
        REP_APPEND(s->graph, ADD, NULL, fine, REP_APPEND(s->graph, UPSAMPLE, &up, coarse));
    const rep_id both = REP_APPEND(s->graph, CONCAT, NULL, sum_, fine);
    return REP_APPEND(s->graph, MAX_POOL, &pool, both);
}

static const struct {
    const char *name;
    rep_id (*build)(sum *s);
} chains[] = {{"plain", chain_plain},
              {"searched", chain_searched},
              {"squeeze", chain_squeeze},
              {"pyramid", chain_pyramid}};
enum { CHAIN_COUNT = sizeof chains / sizeof chains[0] };

static void test_chain(void **state) {
    const size_t index = (size_t)(uintptr_t)*state;
    sum s = {0};
    CHECK_OK(rep_graph_create(&s.graph));
    s.y = chains[index].build(&s);
    finish(&s);
    for (uint32_t i = 0; i < s.leaves; i++) {
        write_leaf(&s, s.leaf[i], &normal, 9000 + index * 64 + i);
    }
    check_leaves(&s, chains[index].name);
    close_sum(&s);
}

int main(void) {
    struct CMUnitTest *tests = calloc(rep_case_count + CHAIN_COUNT + 1, sizeof *tests);
    char(*names)[48] = calloc(rep_case_count, sizeof *names);
    if (!tests || !names) { return 1; }
    if (rep_device_open(&device, "cpu:float64", 1) != REP_OK) {
        fprintf(stderr, "%s\n", rep_last_error());
        return 1;
    }
    size_t count = 0;
    for (size_t i = 0; i < rep_case_count; i++) {
        const rep_case *row = &rep_cases[i];
        if (!is_differentiable(row)) { continue; }
        snprintf(names[i], sizeof names[i], "%s %d", rep_op_info_get(row->op)->name,
                 rep_case_number(row));
        tests[count++] =
            (struct CMUnitTest){names[i], test_row, NULL, NULL, (void *)(uintptr_t)row};
    }
    for (uintptr_t i = 0; i < CHAIN_COUNT; i++) {
        tests[count++] = (struct CMUnitTest){chains[i].name, test_chain, NULL, NULL, (void *)i};
    }
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_every_rule_has_rows);
    const int failed = _cmocka_run_group_tests("gradients", tests, count, NULL, NULL);
    rep_device_close(device);
    free(tests);
    free(names);
    return failed;
}
