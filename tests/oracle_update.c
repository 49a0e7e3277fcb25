/* oracle_update.c - parameter block, segment table and step block for the update ops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above. */
#include <cmocka.h>

#include "graph/graph.h"
#include "oracle_update.h"

enum { PARAM_ALIGN = 64 /* floats: no device wants more than 256 bytes */ };

void oracle_update_spec_read(oracle_update_spec *out, const oracle_case *c, const char *optimizer) {
    memset(out, 0, sizeof *out);
    out->is_adamw = strstr(optimizer, "adamw") != NULL;
    out->sgd = (rep_sgd_params){.momentum = (float)oracle_number(c, "momentum", 0),
                                .dampening = (float)oracle_number(c, "dampening", 0),
                                .nesterov = oracle_flag(c, "nesterov", false)};
    /* The published form, which the vectors hold unless they say otherwise. */
    out->adamw = (rep_adamw_params){.beta1 = (float)oracle_number(c, "beta1", 0.9),
                                    .beta2 = (float)oracle_number(c, "beta2", 0.999),
                                    .eps = (float)oracle_number(c, "eps", 1e-8),
                                    .mask = 1};
}

static rep_id vector(rep_graph *graph, const char *name, rep_dtype dtype, size_t count,
                     rep_region region) {
    const rep_shape shape = {1, count ? (int32_t)count : 1, 1, 1};
    return rep_graph_tensor(graph, name, dtype, shape, region);
}

static void lay_out(oracle_update *u) {
    rep_graph *graph = u->net->graph;
    for (size_t i = 0; i < u->count; i++) {
        u->offsets[i] = u->total;
        const size_t count = rep_shape_count(rep_graph_shape(graph, u->rows[i].param));
        u->total += (count + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
    }
}

/* Gradients that the graph computes are placed side by side in one work block. */
static rep_id place_gradients(oracle_update *u) {
    rep_graph *graph = u->net->graph;
    if (!rep_graph_gradient(graph, u->rows[0].param)) {
        return vector(graph, "grads", REP_F32, u->total, REP_IO);
    }
    const rep_id block = vector(graph, "grads", REP_F32, u->total, REP_WORK);
    for (size_t i = 0; i < u->count; i++) {
        rep_graph_place(graph, rep_graph_gradient(graph, u->rows[i].param), block, u->offsets[i]);
    }
    rep_graph_keep(graph, block);
    return block;
}

void oracle_update_append(oracle_update *out, oracle_net *net, const oracle_update_spec *spec,
                          const oracle_update_row *rows, size_t count) {
    memset(out, 0, sizeof *out);
    out->net = net;
    out->spec = *spec;
    out->count = count;
    out->beta1_power = out->beta2_power = 1;
    assert_true(count <= ORACLE_MAX_PARAMS);
    memcpy(out->rows, rows, count * sizeof *rows);
    lay_out(out);
    rep_graph *graph = net->graph;
    const rep_id params = vector(graph, "params", REP_F32, out->total, REP_STATE);
    size_t scale_count = 0;
    for (size_t i = 0; i < count; i++) {
        rep_graph_place(graph, rows[i].param, params, out->offsets[i]);
        const size_t channels = (size_t)rep_graph_shape(graph, rows[i].param).n;
        scale_count += channels * ((rows[i].s != NULL) + (rows[i].t != NULL));
    }
    out->grads = place_gradients(out);
    out->moments = vector(graph, "moments", REP_F32, out->total, REP_STATE);
    out->segments = vector(graph, "segments", REP_I32, count * REP_SEGMENT_WORDS, REP_STATE);
    out->scales = vector(graph, "scales", REP_F32, scale_count, REP_STATE);
    out->step = vector(graph, "step", REP_F32, REP_STEP_WORDS, REP_IO);
    rep_graph_set_phase(graph, REP_UPDATE);
    if (spec->has_clip) {
        out->clip = REP_APPEND(graph, CLIP_NORM, &spec->clip, out->grads, out->segments,
                               out->scales, out->step);
        rep_graph_keep(graph, out->clip);
    }
    const rep_id in[] = {out->grads, out->segments, out->scales, out->step, out->clip};
    if (spec->is_adamw) {
        const rep_id squares = vector(graph, "squares", REP_F32, out->total, REP_STATE);
        const rep_id state[] = {params, out->moments, squares};
        rep_graph_append(graph, REP_OP_ADAMW_STEP, &spec->adamw, in, 5, state);
    } else {
        const rep_id state[] = {params, out->moments};
        rep_graph_append(graph, REP_OP_SGD_STEP, &spec->sgd, in, 5, state);
    }
    oracle_ok(net->c, rep_graph_check(graph));
}

static rep_segment segment_of(const oracle_update *u, size_t i, uint32_t *scales) {
    const oracle_update_row *row = &u->rows[i];
    const rep_shape shape = rep_graph_shape(u->net->graph, row->param);
    const uint32_t taps = (uint32_t)(shape.h * shape.w), c_in = (uint32_t)shape.c;
    const uint32_t centre = (uint32_t)(shape.h / 2 * shape.w + shape.w / 2);
    rep_segment segment = {.offset = (uint32_t)u->offsets[i],
                           .count = (uint32_t)rep_shape_count(shape),
                           .row = taps * c_in,
                           .centre = centre * c_in,
                           .centre_count = c_in,
                           .scales = REP_NO_SCALES,
                           .point = REP_NO_SCALES,
                           .weight_decay = (float)row->weight_decay,
                           .lr_factor = (float)row->lr_factor};
    if (row->s) {
        segment.flags = REP_SEGMENT_MASKED | (row->has_identity ? REP_SEGMENT_IDENTITY : 0u);
        segment.scales = *scales;
        *scales += (uint32_t)shape.n;
    }
    if (row->t) {
        segment.point = *scales;
        *scales += (uint32_t)shape.n;
    }
    return segment;
}

void oracle_update_upload(oracle_update *u) {
    rep_program *program = u->net->program;
    const oracle_case *c = u->net->c;
    const size_t scale_count = rep_shape_count(rep_graph_shape(u->net->graph, u->scales));
    double *scales = calloc(scale_count, sizeof *scales);
    rep_segment segments[ORACLE_MAX_PARAMS];
    uint32_t used = 0;
    for (size_t i = 0; i < u->count; i++) {
        segments[i] = segment_of(u, i, &used);
        const size_t channels = (size_t)rep_graph_shape(u->net->graph, u->rows[i].param).n;
        const oracle_update_row *row = &u->rows[i];
        if (row->s) { memcpy(scales + segments[i].scales, row->s, channels * sizeof *scales); }
        if (row->t) { memcpy(scales + segments[i].point, row->t, channels * sizeof *scales); }
    }
    oracle_ok(c, rep_program_write_f64(program, u->scales, scales, scale_count));
    oracle_ok(c, rep_program_write(program, u->segments, segments, u->count * REP_SEGMENT_WORDS));
    free(scales);
}

void oracle_update_step(oracle_update *u, double lr) {
    u->beta1_power *= (double)u->spec.adamw.beta1;
    u->beta2_power *= (double)u->spec.adamw.beta2;
    double step[REP_STEP_WORDS] = {0};
    step[REP_STEP_LR] = lr;
    step[REP_STEP_APPLY] = 1;
    step[REP_STEP_FIRST] = u->steps == 0;
    step[REP_STEP_GRAD_SCALE] = 1;
    step[REP_STEP_BIAS1] = 1 - u->beta1_power;
    step[REP_STEP_BIAS2] = 1 - u->beta2_power;
    u->steps++;
    oracle_ok(u->net->c, rep_program_write_f64(u->net->program, u->step, step, REP_STEP_WORDS));
}

double *oracle_update_read(oracle_update *u, rep_id block, size_t row) {
    const rep_shape shape = rep_graph_shape(u->net->graph, u->rows[row].param);
    double *stored = calloc(u->total, sizeof *stored);
    double *values = calloc(rep_shape_count(shape), sizeof *values);
    assert_true(stored && values);
    oracle_ok(u->net->c, rep_program_read_f64(u->net->program, block, stored, u->total));
    oracle_from_storage(values, stored + u->offsets[row], shape);
    free(stored);
    return values;
}
