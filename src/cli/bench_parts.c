/* bench_parts.c - single parts of a step for `repopt bench`: one convolution, the update alone.
 *
 * conv-<c>x<side>: forward, grad_x and grad_w of a 3x3 convolution, each timed alone.
 * optim-*: the update op over the parameters of a detector-like net of 8.1 million values.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

/* ---- one convolution ----------------------------------------------------------------------------
 */
typedef struct conv_detail {
    int32_t batch, channels, side;
} conv_detail;

typedef struct conv_setup {
    rep_device *device;
    rep_graph *graph;
    rep_program *program;
    rep_phase phase; /* the pass that is being timed */
} conv_setup;

/* One pass per phase, so that each can be run alone. */
static void append_passes(rep_graph *g, const conv_detail *d, rep_id in[3]) {
    const rep_shape picture = {d->batch, d->channels, d->side, d->side};
    const rep_shape kernel = {d->channels, d->channels, 3, 3};
    const rep_conv2d_params forward = {.stride = 1, .pad = 1, .groups = 1};
    const rep_conv2d_grad_params to_x = {
        .stride = 1, .pad = 1, .groups = 1, .h = (uint32_t)d->side, .w = (uint32_t)d->side};
    const rep_conv2d_grad_params to_w = {.stride = 1, .pad = 1, .groups = 1, .h = 3, .w = 3};
    in[0] = rep_graph_tensor(g, "x", REP_F32, picture, REP_IO);
    in[1] = rep_graph_tensor(g, "w", REP_F32, kernel, REP_IO);
    in[2] = rep_graph_tensor(g, "dy", REP_F32, picture, REP_IO);
    rep_graph_keep(g, REP_APPEND(g, CONV2D, &forward, in[0], in[1]));
    rep_graph_set_phase(g, REP_BACKWARD);
    rep_graph_keep(g, REP_APPEND(g, CONV2D_GRAD_X, &to_x, in[2], in[1]));
    rep_graph_set_phase(g, REP_UPDATE);
    rep_graph_keep(g, REP_APPEND(g, CONV2D_GRAD_W, &to_w, in[0], in[2]));
}

static rep_status write_noise(rep_program *program, const rep_graph *graph, rep_id tensor) {
    const size_t count = rep_shape_count(rep_graph_shape(graph, tensor));
    float *values = malloc(count * sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    bench_noise(values, count, tensor);
    const rep_status status = rep_program_write(program, tensor, values, count);
    free(values);
    return status;
}

static rep_status run_pass(void *context, double *ms) {
    conv_setup *s = context;
    const double begin = bench_clock_ms();
    REP_TRY(rep_program_run(s->program, s->phase, s->phase));
    ms[0] = bench_clock_ms() - begin;
    return REP_OK;
}

static rep_status measure_conv(conv_setup *s, const conv_detail *d, const bench_options *options,
                               bench_samples *samples, cJSON *out) {
    rep_id in[3];
    REP_TRY(rep_device_open(&s->device, options->device, options->threads));
    REP_TRY(rep_graph_create(&s->graph));
    append_passes(s->graph, d, in);
    REP_TRY(rep_program_create(&s->program, s->device, s->graph, NULL, NULL));
    for (int i = 0; i < 3; i++) { REP_TRY(write_noise(s->program, s->graph, in[i])); }
    static const char *const names[] = {"fwd_ms", "bwd_data_ms", "bwd_weight_ms"};
    static const char *const rates[] = {"fwd_gflop_s", "bwd_data_gflop_s", "bwd_weight_gflop_s"};
    const double gflop =
        18.0 * d->batch * d->channels * d->channels * d->side * d->side / 1e9; /* one pass */
    double ms[3];
    cJSON_AddNumberToObject(out, "batch", d->batch);
    for (int p = 0; p < 3; p++) {
        s->phase = (rep_phase)p;
        REP_TRY(bench_measure(samples, options, run_pass, s));
        ms[p] = bench_median(samples->ms[0], samples->count);
        bench_add_summary(out, names[p], samples->ms[0], samples->count);
        bench_add(out, rates[p], gflop / ms[p] * 1e3, 1);
    }
    const double all = ms[0] + ms[1] + ms[2];
    bench_add(out, "ms", all, 4);
    bench_add(out, "bwd_ms", ms[1] + ms[2], 4);
    bench_add(out, "all_gflop_s", 3 * gflop / all * 1e3, 1);
    bench_add_rates(out, 3 * gflop, all, options->peak_gflop_s);
    bench_add_plan(out, s->program);
    return REP_OK;
}

static rep_status run_conv(const bench_workload *workload, const bench_options *options,
                           cJSON *out) {
    conv_setup s = {0};
    bench_samples *samples = calloc(1, sizeof *samples);
    if (!samples) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    const rep_status status = measure_conv(&s, workload->detail, options, samples, out);
    free(samples);
    rep_program_destroy(s.program);
    rep_graph_destroy(s.graph);
    rep_device_close(s.device);
    return status;
}

/* ---- the update alone ---------------------------------------------------------------------------
 */
/* Kernels of the detector-like net: `count` of c_out x c_in x kernel^2, with two vectors of c_out
 * (normalisation) or one (bias) beside each. */
typedef struct kernel_row {
    uint32_t c_out, c_in, kernel, count;
    bool is_block, has_identity; /* a re-parameterised block: masked, normalised */
} kernel_row;

static const kernel_row detector[] = {
    {32, 3, 3, 1, true, false},    {64, 32, 3, 1, true, false},   {64, 64, 3, 3, true, true},
    {128, 64, 3, 1, true, false},  {128, 128, 3, 3, true, true},  {192, 128, 3, 1, true, false},
    {192, 192, 3, 4, true, true},  {384, 192, 3, 1, true, false}, {384, 384, 3, 3, true, true},
    {96, 96, 3, 9, true, true},    {96, 128, 1, 1, false, false}, {96, 192, 1, 1, false, false},
    {96, 384, 1, 1, false, false}, {96, 96, 3, 5, false, false},  {16, 96, 3, 1, false, false},
    {4, 96, 3, 1, false, false},   {10, 96, 3, 1, false, false},
};
enum { DETECTOR_ROWS = sizeof detector / sizeof *detector, ALIGNMENT = 16 };

typedef struct layout {
    rep_segment segments[256];
    uint32_t segment_count, offset, scale_count;
    size_t param_count, masked_count;
} layout;

static void add_segment(layout *l, rep_segment segment) {
    segment.offset = l->offset;
    segment.lr_factor = 1.0f;
    l->param_count += segment.count;
    l->offset += (segment.count + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    l->segments[l->segment_count++] = segment;
}

static void add_vector(layout *l, uint32_t count) {
    add_segment(l, (rep_segment){.count = count, .row = 1, .centre_count = 1});
}

static void lay_out(layout *l, bool is_masked) {
    for (int r = 0; r < DETECTOR_ROWS; r++) {
        const kernel_row *row = &detector[r];
        const uint32_t taps = row->kernel * row->kernel;
        for (uint32_t i = 0; i < row->count; i++) {
            rep_segment segment = {.count = row->c_out * row->c_in * taps,
                                   .row = row->c_in * taps,
                                   .centre = taps / 2 * row->c_in,
                                   .centre_count = row->c_in,
                                   .point = REP_NO_SCALES,
                                   .weight_decay = 4e-5f};
            if (row->is_block && is_masked) {
                segment.flags =
                    REP_SEGMENT_MASKED | (row->has_identity ? REP_SEGMENT_IDENTITY : 0u);
                segment.scales = l->scale_count;
                segment.point = l->scale_count + row->c_out;
                l->scale_count += 2 * row->c_out;
                l->masked_count += segment.count;
            }
            add_segment(l, segment);
            add_vector(l, row->c_out);
            if (row->is_block) { add_vector(l, row->c_out); }
        }
    }
}

typedef struct optim_setup {
    rep_device *device;
    rep_graph *graph;
    rep_program *program;
    rep_id params, gradients, segments, scales, step;
    float step_values[REP_STEP_WORDS];
} optim_setup;

static void append_update(optim_setup *s, const layout *l) {
    rep_graph *g = s->graph;
    const rep_shape all = {1, (int32_t)l->offset, 1, 1};
    const rep_shape table = {1, (int32_t)(l->segment_count * REP_SEGMENT_WORDS), 1, 1};
    const rep_shape scales = {1, (int32_t)(l->scale_count ? l->scale_count : 1), 1, 1};
    s->params = rep_graph_tensor(g, "model", REP_F32, all, REP_STATE);
    s->gradients = rep_graph_tensor(g, "gradients", REP_F32, all, REP_STATE);
    const rep_id momentum = rep_graph_tensor(g, "momentum", REP_F32, all, REP_STATE);
    s->segments = rep_graph_tensor(g, "segments", REP_I32, table, REP_STATE);
    s->scales = rep_graph_tensor(g, "scales", REP_F32, scales, REP_STATE);
    s->step = rep_graph_tensor(g, "step", REP_F32, (rep_shape){1, REP_STEP_WORDS, 1, 1}, REP_IO);
    const rep_sgd_params sgd = {.momentum = 0.9f, .nesterov = 1};
    rep_graph_set_phase(g, REP_UPDATE);
    rep_graph_append(g, REP_OP_SGD_STEP, &sgd,
                     (const rep_id[]){s->gradients, s->segments, s->scales, s->step}, 4,
                     (const rep_id[]){s->params, momentum});
}

/* Scales of sqrt(1/2): a mask of ones away from the diagonal, so that nothing grows. */
static rep_status write_scales(const optim_setup *s) {
    const size_t count = rep_shape_count(rep_graph_shape(s->graph, s->scales));
    float *values = malloc(count * sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    for (size_t i = 0; i < count; i++) { values[i] = 0.70710678f; }
    const rep_status status = rep_program_write(s->program, s->scales, values, count);
    free(values);
    return status;
}

static rep_status run_update(void *context, double *ms) {
    optim_setup *s = context;
    const double begin = bench_clock_ms();
    REP_TRY(rep_program_write(s->program, s->step, s->step_values, REP_STEP_WORDS));
    REP_TRY(rep_program_run(s->program, REP_UPDATE, REP_UPDATE));
    ms[0] = bench_clock_ms() - begin;
    s->step_values[REP_STEP_FIRST] = 0;
    return REP_OK;
}

static rep_status measure_update(optim_setup *s, const layout *l, const bench_options *options,
                                 bench_samples *samples, cJSON *out) {
    REP_TRY(rep_device_open(&s->device, options->device, options->threads));
    REP_TRY(rep_graph_create(&s->graph));
    append_update(s, l);
    REP_TRY(rep_program_create(&s->program, s->device, s->graph, NULL, NULL));
    REP_TRY(write_noise(s->program, s->graph, s->params));
    REP_TRY(write_noise(s->program, s->graph, s->gradients));
    REP_TRY(write_scales(s));
    REP_TRY(rep_program_write(s->program, s->segments, l->segments,
                              l->segment_count * (size_t)REP_SEGMENT_WORDS));
    s->step_values[REP_STEP_LR] = 1e-3f;
    s->step_values[REP_STEP_APPLY] = 1;
    s->step_values[REP_STEP_FIRST] = 1;
    s->step_values[REP_STEP_GRAD_SCALE] = 1e-3f;
    REP_TRY(bench_measure(samples, options, run_update, s));
    const double ms = bench_median(samples->ms[0], samples->count);
    bench_add_summary(out, "ms", samples->ms[0], samples->count);
    bench_add(out, "opt_ms", ms, 4);
    cJSON_AddNumberToObject(out, "params", (double)l->param_count);
    cJSON_AddNumberToObject(out, "masked_params", (double)l->masked_count);
    /* Least traffic: read weight, gradient and momentum, write weight and momentum; no mask. */
    const double moved = 20.0 * (double)l->param_count;
    bench_add(out, "min_mib_moved", moved / 1048576.0, 1);
    bench_add(out, "gb_s", moved / ms / 1e6, 1);
    bench_add_plan(out, s->program);
    return REP_OK;
}

static rep_status run_optim(const bench_workload *workload, const bench_options *options,
                            cJSON *out) {
    const bool *is_masked = workload->detail;
    optim_setup s = {0};
    bench_samples *samples = calloc(1, sizeof *samples);
    layout *l = calloc(1, sizeof *l);
    rep_status status = REP_OK;
    if (!samples || !l) {
        status = rep_fail(REP_ERR_MEMORY, "bench: out of memory");
    } else {
        lay_out(l, *is_masked);
        status = measure_update(&s, l, options, samples, out);
    }
    free(samples);
    free(l);
    rep_program_destroy(s.program);
    rep_graph_destroy(s.graph);
    rep_device_close(s.device);
    return status;
}

static const conv_detail convs[] = {
    {4, 64, 80}, {4, 128, 40}, {4, 192, 20}, {4, 384, 10}, {4, 96, 40}};
static const bool masked = true, unmasked = false;

const bench_workload bench_part_workloads[] = {
    {"conv-64x80", "3x3 convolution, batch 4, 64 channels, 80x80", run_conv, &convs[0], 0},
    {"conv-128x40", "3x3 convolution, batch 4, 128 channels, 40x40", run_conv, &convs[1], 0},
    {"conv-192x20", "3x3 convolution, batch 4, 192 channels, 20x20", run_conv, &convs[2], 0},
    {"conv-384x10", "3x3 convolution, batch 4, 384 channels, 10x10", run_conv, &convs[3], 0},
    {"conv-96x40", "3x3 convolution, batch 4, 96 channels, 40x40", run_conv, &convs[4], 0},
    {"optim-repsgd", "RepOptimizer's update alone, 8.1 million parameters", run_optim, &masked, 0},
    {"optim-sgd", "the ordinary update alone, the same parameters", run_optim, &unmasked, 0},
    {NULL, NULL, NULL, NULL, 0},
};
