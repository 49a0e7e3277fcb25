/* rig.c - one row of op_cases.def as a program of one node, with guards around every tensor. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"

/* On a CPU the guard is odd, so that a tensor does not lie where a vector would; a Vulkan device
 * binds buffers at multiples of up to 256 bytes. */
enum { CPU_GUARD = 65, BOUND_GUARD_BYTES = REP_PLAN_ALIGN };

/* What stands in a guard: NaN around inputs, so that a stray read shows, a number around outputs
 * (one that half precision holds). */
static const float output_guard = 12344.0f;
static const int32_t integer_guard = 77;

/* ---- building -------------------------------------------------------------------------------- */

static bool is_half(const rep_rig *rig, uint32_t input) { return rig->options.half >> input & 1u; }

static bool is_stored_half(const rep_rig *rig, uint32_t input) {
    return is_half(rig, input) && !rig->options.is_rounded;
}

/* Draws the block's values; is_rounded: those that half precision holds. */
static rep_status draw(rep_rig_tensor *t, const rep_case_input *kind, uint64_t stream, float guard,
                       bool is_rounded) {
    const size_t whole = t->count + 2 * t->guard;
    t->written = calloc(whole, sizeof(float));
    if (!t->written) { return rep_fail(REP_ERR_MEMORY, "check: no memory for a tensor"); }
    float *values = t->written;
    int32_t *integers = t->written;
    for (size_t i = 0; i < whole; i++) {
        if (t->dtype == REP_I32) {
            integers[i] = integer_guard;
        } else {
            values[i] = guard;
        }
    }
    if (t->dtype == REP_I32) {
        rep_case_draw_integers(kind, stream, t->count, integers + t->guard);
        return REP_OK;
    }
    rep_case_draw(kind, stream, t->count, values + t->guard);
    for (size_t i = t->guard; is_rounded && i < t->guard + t->count; i++) {
        values[i] = rep_half_to_float(rep_half_from_float(values[i]));
    }
    return REP_OK;
}

static void declare(rep_rig *rig, rep_rig_tensor *t, const char *role, uint32_t index,
                    rep_shape shape) {
    char name[32];
    rep_device_info info;
    rep_device_describe(rig->device, &info);
    t->count = rep_shape_count(shape);
    t->guard =
        info.is_vulkan ? BOUND_GUARD_BYTES / rep_dtype_bytes(t->dtype, info.real_bytes) : CPU_GUARD;
    const int32_t whole = (int32_t)(t->count + 2 * t->guard);
    snprintf(name, sizeof name, "%s%u.block", role, index);
    t->block = rep_graph_tensor(rig->graph, name, t->dtype, (rep_shape){1, whole, 1, 1}, REP_IO);
    snprintf(name, sizeof name, "%s%u", role, index);
    t->id = rep_graph_tensor(rig->graph, name, t->dtype, shape, REP_IO);
    rep_graph_place(rig->graph, t->id, t->block, t->guard);
}

/* What the shape rule says about the outputs; an update op's are like its first input. */
static rep_status measure_outputs(const rep_rig *rig, rep_shape_call *call) {
    const rep_case *row = rig->row;
    const rep_op_info *info = rep_op_info_get(row->op);
    *call = (rep_shape_call){.name = info->name, .params = row->params, .in_count = rig->in_count};
    for (uint32_t i = 0; i < rig->in_count; i++) {
        call->has_in[i] = row->in[i].kind != REP_INPUT_ABSENT;
        call->in[i] = rep_case_input_shape(&row->in[i]);
        call->in_dtype[i] = rep_case_input_is_integer(&row->in[i]) ? REP_I32
                            : is_stored_half(rig, i)               ? REP_F16
                                                                   : REP_F32;
    }
    REP_TRY(info->shape(call));
    for (uint32_t o = 0; o < info->out_count; o++) {
        if (!call->out[o].n) { call->out[o] = call->in[0]; }
    }
    return REP_OK;
}

static rep_status add_tensors(rep_rig *rig, const rep_shape_call *call) {
    const uint64_t stream = (uint64_t)(rig->row - rep_cases) * 16;
    for (uint32_t i = 0; i < rig->in_count; i++) {
        if (!call->has_in[i]) { continue; }
        rig->in[i].dtype = call->in_dtype[i];
        declare(rig, &rig->in[i], "in", i, call->in[i]);
        REP_TRY(draw(&rig->in[i], &rig->row->in[i], stream + i, NAN, is_half(rig, i)));
    }
    for (uint32_t o = 0; o < rig->out_count; o++) {
        /* Second moments and running variances are positive. */
        const rep_case_input kind = {
            o >= 2 ? REP_INPUT_POSITIVE : REP_INPUT_NORMAL, {0, 0, 0, 0}, 0};
        rig->out[o].dtype = call->dtype[o];
        declare(rig, &rig->out[o], "out", o, call->out[o]);
        REP_TRY(
            draw(&rig->out[o], &kind, stream + 8 + o, output_guard, rig->out[o].dtype == REP_F16));
    }
    return REP_OK;
}

rep_status rep_rig_build(rep_rig *rig, const rep_case *row, rep_device *device,
                         const rep_rig_options *options) {
    *rig = (rep_rig){.row = row,
                     .device = device,
                     .in_count = rep_case_inputs(row),
                     .out_count = rep_op_info_get(row->op)->out_count};
    if (options) { rig->options = *options; }
    rep_shape_call call;
    REP_TRY(measure_outputs(rig, &call));
    REP_TRY(rep_graph_create(&rig->graph));
    REP_TRY(add_tensors(rig, &call));
    rep_id in[REP_MAX_INPUTS] = {0}, out[REP_MAX_OUTPUTS] = {0};
    for (uint32_t i = 0; i < rig->in_count; i++) { in[i] = rig->in[i].id; }
    for (uint32_t o = 0; o < rig->out_count; o++) { out[o] = rig->out[o].id; }
    if (rig->options.is_in_place) { out[0] = in[0]; }
    rep_graph_append(rig->graph, row->op, row->params, in, rig->in_count, out);
    return rep_graph_check(rig->graph);
}

rep_status rep_rig_start(rep_rig *rig) {
    return rep_program_create(&rig->program, rig->device, rig->graph, NULL, NULL);
}

rep_status rep_rig_open(rep_rig *rig, const rep_case *row, rep_device *device, bool is_in_place) {
    REP_TRY(rep_rig_build(rig, row, device, &(rep_rig_options){.is_in_place = is_in_place}));
    return rep_rig_start(rig);
}

void rep_rig_close(rep_rig *rig) {
    rep_program_destroy(rig->program);
    rep_graph_destroy(rig->graph);
    for (uint32_t i = 0; i < rig->in_count; i++) { free(rig->in[i].written); }
    for (uint32_t o = 0; o < rig->out_count; o++) { free(rig->out[o].written); }
    *rig = (rep_rig){0};
}

/* ---- values in and out ----------------------------------------------------------------------- */

static rep_status write_block(const rep_rig *rig, const rep_rig_tensor *t) {
    if (!t->id) { return REP_OK; }
    return rep_program_write(rig->program, t->block, t->written, t->count + 2 * t->guard);
}

rep_status rep_rig_write(const rep_rig *rig) {
    for (uint32_t o = 0; o < rig->out_count; o++) { REP_TRY(write_block(rig, &rig->out[o])); }
    for (uint32_t i = 0; i < rig->in_count; i++) { REP_TRY(write_block(rig, &rig->in[i])); }
    return REP_OK;
}

/* The tensor that holds output o's values. */
static const rep_rig_tensor *holder_of(const rep_rig *rig, uint32_t o) {
    return o == 0 && rig->options.is_in_place ? &rig->in[0] : &rig->out[o];
}

static rep_status read_output(const rep_rig *rig, const rep_rig_tensor *t, double *values) {
    if (t->dtype != REP_I32) { return rep_program_read_f64(rig->program, t->id, values, t->count); }
    int32_t *integers = malloc(t->count * sizeof *integers);
    if (!integers) { return rep_fail(REP_ERR_MEMORY, "check: no memory for an output"); }
    const rep_status status = rep_program_read(rig->program, t->id, integers, t->count);
    for (size_t i = 0; i < t->count && status == REP_OK; i++) { values[i] = (double)integers[i]; }
    free(integers);
    return status;
}

rep_status rep_rig_read(const rep_rig *rig, double **values, size_t *count) {
    size_t total = 0, at = 0;
    for (uint32_t o = 0; o < rig->out_count; o++) { total += rig->out[o].count; }
    double *all = malloc((total + 1) * sizeof *all);
    if (!all) { return rep_fail(REP_ERR_MEMORY, "check: no memory for the outputs"); }
    for (uint32_t o = 0; o < rig->out_count; o++) {
        const rep_status status = read_output(rig, holder_of(rig, o), all + at);
        if (status != REP_OK) {
            free(all);
            return status;
        }
        at += rig->out[o].count;
    }
    *values = all;
    *count = total;
    return REP_OK;
}

/* Where a block differs from what was written; `whole` when nowhere. is_inside: the values too. */
static size_t first_change(const rep_rig_tensor *t, const uint32_t *now, bool is_inside) {
    const size_t whole = t->count + 2 * t->guard;
    const uint32_t *before = t->written;
    for (size_t i = 0; i < whole; i++) {
        const bool is_guard = i < t->guard || i >= t->guard + t->count;
        if ((is_guard || is_inside) && now[i] != before[i]) { return i; }
    }
    return whole;
}

static rep_status check_block(const rep_rig *rig, const rep_rig_tensor *t, const char *role,
                              uint32_t index, bool is_inside) {
    if (!t->id) { return REP_OK; }
    const size_t whole = t->count + 2 * t->guard;
    uint32_t *now = malloc(whole * sizeof *now);
    if (!now) { return rep_fail(REP_ERR_MEMORY, "check: no memory for a tensor"); }
    rep_status status = rep_program_read(rig->program, t->block, now, whole);
    if (status == REP_OK) {
        const size_t at = first_change(t, now, is_inside);
        if (at < t->guard) {
            status = rep_fail(REP_ERR_NUMERIC, "%s %u: wrote %zu elements in front of it", role,
                              index, t->guard - at);
        } else if (at >= t->guard + t->count && at < whole) {
            status = rep_fail(REP_ERR_NUMERIC, "%s %u: wrote %zu elements behind its end", role,
                              index, at - t->guard - t->count + 1);
        } else if (at < whole) {
            status = rep_fail(REP_ERR_NUMERIC, "%s %u: wrote into it, at element %zu", role, index,
                              at - t->guard);
        }
    }
    free(now);
    return status;
}

rep_status rep_rig_check_guards(const rep_rig *rig) {
    const bool is_in_place = rig->options.is_in_place;
    for (uint32_t o = 0; o < rig->out_count; o++) {
        REP_TRY(check_block(rig, &rig->out[o], "output", o, o == 0 && is_in_place));
    }
    for (uint32_t i = 0; i < rig->in_count; i++) {
        REP_TRY(check_block(rig, &rig->in[i], "input", i, i > 0 || !is_in_place));
    }
    return REP_OK;
}
