/* op_rig.h - one row of op_cases.def as a program of one node, with guards around every tensor. */
#ifndef REP_TESTS_OP_RIG_H
#define REP_TESTS_OP_RIG_H

#include "check.h"

#include <stdio.h>

#include "op_case.h"
#include "repopt/device.h"

enum { GUARD = 65 }; /* elements; odd, so that no tensor lies where a vector would */

/* A row made into a program. Each tensor lies in the middle of a block of its own. */
typedef struct rig {
    const op_case *row;
    rep_graph *graph;
    rep_program *program;
    uint32_t in_count, out_count;
    rep_id in[REP_MAX_INPUTS], in_block[REP_MAX_INPUTS];
    rep_id out[REP_MAX_OUTPUTS], out_block[REP_MAX_OUTPUTS];
    rep_dtype out_type[REP_MAX_OUTPUTS];
} rig;

static inline rep_id declare(rep_graph *graph, const char *role, uint32_t index, rep_dtype type,
                             rep_shape shape, rep_id *block) {
    char name[32];
    const int32_t count = (int32_t)rep_shape_count(shape);
    snprintf(name, sizeof name, "%s%u.block", role, index);
    *block = rep_graph_tensor(graph, name, type, (rep_shape){1, count + 2 * GUARD, 1, 1}, REP_IO);
    snprintf(name, sizeof name, "%s%u", role, index);
    const rep_id id = rep_graph_tensor(graph, name, type, shape, REP_IO);
    rep_graph_place(graph, id, *block, GUARD);
    return id;
}

/* What the shape rule says about the outputs; an update op's are like its first input. */
static inline void measure_outputs(const op_case *row, uint32_t in_count, rep_shape_call *call) {
    const rep_op_info *info = rep_op_info_get(row->op);
    *call = (rep_shape_call){.name = info->name, .params = row->params, .in_count = in_count};
    for (uint32_t i = 0; i < in_count; i++) {
        call->has_in[i] = row->in[i].kind != KIND_ABSENT;
        call->in[i] = op_input_shape(&row->in[i]);
        call->in_dtype[i] = op_input_is_integer(&row->in[i]) ? REP_I32 : REP_F32;
    }
    CHECK_OK(info->shape(call));
    for (uint32_t o = 0; o < info->out_count; o++) {
        if (!call->out[o].n) { call->out[o] = call->in[0]; }
    }
}

static inline void rig_open(rig *r, const op_case *row, rep_device *device, bool is_in_place) {
    *r = (rig){.row = row,
               .in_count = op_case_inputs(row),
               .out_count = rep_op_info_get(row->op)->out_count};
    rep_shape_call call;
    measure_outputs(row, r->in_count, &call);
    CHECK_OK(rep_graph_create(&r->graph));
    for (uint32_t i = 0; i < r->in_count; i++) {
        if (!call.has_in[i]) { continue; }
        const rep_dtype type = op_input_is_integer(&row->in[i]) ? REP_I32 : REP_F32;
        r->in[i] = declare(r->graph, "in", i, type, call.in[i], &r->in_block[i]);
    }
    for (uint32_t o = 0; o < r->out_count; o++) {
        r->out_type[o] = call.dtype[o];
        r->out[o] = declare(r->graph, "out", o, call.dtype[o], call.out[o], &r->out_block[o]);
    }
    if (is_in_place) {
        r->out[0] = r->in[0];
        r->out_block[0] = r->in_block[0];
    }
    rep_graph_append(r->graph, row->op, row->params, r->in, r->in_count, r->out);
    CHECK_OK(rep_program_create(&r->program, device, r->graph, NULL, NULL));
}

static inline void rig_close(rig *r) {
    rep_program_destroy(r->program);
    rep_graph_destroy(r->graph);
}

/* A guard's value: NaN around inputs, so that a stray read shows, a number around outputs. */
static inline void write_block(const rig *r, rep_id block, const op_input *kind, uint64_t stream,
                               float guard) {
    const size_t whole = rep_shape_count(rep_graph_shape(r->graph, block));
    int32_t *integers = calloc(whole, sizeof *integers);
    float *values = calloc(whole, sizeof *values);
    assert_non_null(integers);
    assert_non_null(values);
    const size_t count = whole - 2 * GUARD;
    for (size_t i = 0; i < GUARD; i++) {
        values[i] = values[GUARD + count + i] = guard;
        integers[i] = integers[GUARD + count + i] = 77;
    }
    const bool is_integer = r->graph->tensors[block].dtype == REP_I32;
    if (is_integer) {
        op_draw_integers(kind, stream, count, integers + GUARD);
    } else {
        op_draw(kind, stream, count, values + GUARD);
    }
    const void *data = is_integer ? (const void *)integers : (const void *)values;
    CHECK_OK(rep_program_write(r->program, block, data, whole));
    free(integers);
    free(values);
}

static inline void rig_write(const rig *r) {
    const uint64_t stream = (uint64_t)(r->row - op_cases) * 16;
    for (uint32_t o = 0; o < r->out_count; o++) {
        /* Second moments and running variances are positive. */
        const op_input kind = {o >= 2 ? KIND_POSITIVE : KIND_NORMAL, {0, 0, 0, 0}, 0};
        write_block(r, r->out_block[o], &kind, stream + 8 + o, 12345.0f);
    }
    for (uint32_t i = 0; i < r->in_count; i++) {
        if (!r->in[i]) { continue; }
        write_block(r, r->in_block[i], &r->row->in[i], stream + i, NAN);
    }
}

/* The outputs one after another, guards checked and left out. Free it. */
static inline double *rig_read(const rig *r, size_t *total) {
    *total = 0;
    double *all = NULL;
    for (uint32_t o = 0; o < r->out_count; o++) {
        const size_t whole = rep_shape_count(rep_graph_shape(r->graph, r->out_block[o]));
        const size_t count = whole - 2 * GUARD;
        double *values = calloc(whole, sizeof *values);
        assert_non_null(values);
        if (r->out_type[o] == REP_I32) {
            int32_t *integers = calloc(whole, sizeof *integers);
            assert_non_null(integers);
            CHECK_OK(rep_program_read(r->program, r->out_block[o], integers, whole));
            for (size_t i = 0; i < whole; i++) { values[i] = (double)integers[i]; }
            free(integers);
        } else {
            CHECK_OK(rep_program_read_f64(r->program, r->out_block[o], values, whole));
        }
        const double guard = r->out_type[o] == REP_I32 ? 77 : 12345;
        for (size_t i = 0; i < GUARD && r->out_block[o] != r->in_block[0]; i++) {
            if (values[i] != guard || values[GUARD + count + i] != guard) {
                fail_msg("output %u: wrote outside itself", o);
            }
        }
        all = realloc(all, (*total + count) * sizeof *all);
        assert_non_null(all);
        memcpy(all + *total, values + GUARD, count * sizeof *all);
        *total += count;
        free(values);
    }
    return all;
}

#endif
