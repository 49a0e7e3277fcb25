/* repopt.c - RepOptimizer on the host: the fold, re-initialisation, masks (Ding et al., ICLR 2023).
 *
 *   W = s*W_k + pad(t*W_1) [+ pad(diag(u or 1))]      the 1x1 terms at the centre tap k/2
 *   M = s^2, + t^2 at the centre tap, + 1 where the centre tap's input is the output (SGD)
 *
 * Kernels are stored c_out, kh, kw, c_in. The training step never holds M: its update ops form it
 * from s and t; the expansion here serves pictures and tests.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

size_t rep_nn_centre(rep_shape shape) {
    return ((size_t)(shape.h / 2) * (size_t)shape.w + (size_t)(shape.w / 2)) * (size_t)shape.c;
}

void rep_nn_merge_kernel(double *w, rep_shape shape, const double *w1, const float *s,
                         const float *t, const double *u) {
    const size_t c_in = (size_t)shape.c, row = c_in * (size_t)shape.h * (size_t)shape.w;
    for (size_t o = 0; o < (size_t)shape.n; o++) {
        double *kernel = w + o * row, *centre = kernel + rep_nn_centre(shape);
        for (size_t i = 0; i < row; i++) { kernel[i] *= (double)s[o]; }
        for (size_t c = 0; w1 && c < c_in; c++) { centre[c] += (double)t[o] * w1[o * c_in + c]; }
        if (u) { centre[o % c_in] += u[o]; }
    }
}

/* What the branches of a block are multiplied by. */
static rep_status read_scales(float *s, float *t, double *u, const rep_block *block,
                              rep_program *program) {
    const size_t count = (size_t)block->c_out;
    REP_TRY(rep_program_read(program, block->s, s, count));
    REP_TRY(rep_program_read(program, block->t, t, count));
    return block->u ? rep_program_read_f64(program, block->u, u, count) : REP_OK;
}

rep_status rep_model_read_kernel(double *out, size_t count, const rep_model *model,
                                 const rep_graph *graph, rep_program *program, size_t index) {
    const rep_block *block = index < model->block_count ? &model->blocks[index] : NULL;
    if (!block || !block->weight || (block->weight_1x1 && !block->s)) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "block %zu of %zu: there is no such block with one kernel of its own",
                        index, model->block_count);
    }
    const rep_shape shape = rep_graph_shape(graph, block->weight);
    REP_TRY(rep_program_read_f64(program, block->weight, out, count));
    if (!block->s) { return REP_OK; }
    const size_t channels = (size_t)shape.n, points = channels * (size_t)shape.c;
    double *w1 = malloc((points + channels) * sizeof *w1);
    float *scales = malloc(2 * channels * sizeof *scales);
    rep_status status = REP_OK;
    if (!w1 || !scales) {
        status = rep_fail(REP_ERR_MEMORY, "block %s: no memory for its kernel", block->name);
    }
    if (status == REP_OK) { status = rep_program_read_f64(program, block->weight_1x1, w1, points); }
    if (status == REP_OK) {
        status = read_scales(scales, scales + channels, w1 + points, block, program);
    }
    if (status == REP_OK) {
        rep_nn_merge_kernel(out, shape, w1, scales, scales + channels,
                            block->u ? w1 + points : NULL);
    }
    free(w1);
    free(scales);
    return status;
}

static double mask_term(float scale, rep_mask_kind kind) {
    const double x = (double)scale;
    return kind == REP_MASK_SQUARE ? x * x : kind == REP_MASK_ABS ? fabs(x) : x;
}

void rep_scales_mask(float *out, const rep_scale_row *row, rep_shape shape, rep_mask_kind kind,
                     bool is_identity_constant) {
    const size_t c_in = (size_t)shape.c, length = c_in * (size_t)shape.h * (size_t)shape.w;
    const bool has_one = row->is_triple && !is_identity_constant;
    for (size_t o = 0; o < (size_t)shape.n; o++) {
        const double s = mask_term(row->s[o], kind);
        const double t = row->t ? mask_term(row->t[o], kind) : 0.0;
        float *mask = out + o * length, *centre = mask + rep_nn_centre(shape);
        for (size_t i = 0; i < length; i++) { mask[i] = (float)s; }
        for (size_t c = 0; c < c_in; c++) {
            centre[c] = (float)(s + t + (has_one && c == o % c_in ? 1.0 : 0.0));
        }
    }
}

/* A net that was trained, or loaded, has BN weights that no longer average to exactly one. */
static rep_status check_scratch(const rep_graph *graph, rep_program *program) {
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->kind != REP_KIND_NORM) { continue; }
        const size_t count = rep_shape_count(tensor->shape);
        double *values = malloc(count * sizeof *values), sum = 0.0;
        if (!values) { return rep_fail(REP_ERR_MEMORY, "re-initialisation: out of memory"); }
        const rep_status status = rep_program_read_f64(program, id, values, count);
        for (size_t i = 0; status == REP_OK && i < count; i++) { sum += values[i]; }
        free(values);
        REP_TRY(status);
        if (sum / (double)count != 1.0) {
            return rep_fail(REP_ERR_CONFIG,
                            "re-initialisation refused: %s has mean %g, wanted 1, so this net is "
                            "not from scratch; start without MODEL.WEIGHT or give --force-reinit",
                            tensor->name, sum / (double)count);
        }
    }
    return REP_OK;
}

/* Whether the row can serve this block. */
static rep_status check_row(const rep_block *block, const rep_scale_row *row) {
    if (!block->weight || row->channels != block->c_out || row->is_triple != block->has_identity) {
        return rep_fail(REP_ERR_DATA,
                        "block %s: scales %s (%d channels, %s) do not fit; wanted %d, %s",
                        block->name, row->name, row->channels, row->is_triple ? "triple" : "pair",
                        block->c_out, block->has_identity ? "triple" : "pair");
    }
    return REP_OK;
}

static rep_status reinit_block(const rep_graph *graph, rep_program *program, const rep_block *block,
                               const rep_scale_row *row, bool use_identity_scales, uint64_t seed) {
    const rep_shape shape = graph->tensors[block->weight].shape;
    const rep_shape point = {shape.n, shape.c, 1, 1};
    const size_t count = rep_shape_count(shape), point_count = rep_shape_count(point);
    char name[REP_NAME_BYTES];
    if (!rep_nn_name(name, block->name, "conv_1x1.weight")) {
        return rep_fail(REP_ERR_ARGUMENT, "block %s: the name is too long", block->name);
    }
    double *w = malloc((count + point_count + (size_t)shape.n) * sizeof *w);
    float *drawn = malloc(point_count * sizeof *drawn);
    rep_status status = REP_OK;
    if (!w || !drawn) {
        status = rep_fail(REP_ERR_MEMORY, "re-initialisation: out of memory");
        goto done;
    }
    status = rep_program_read_f64(program, block->weight, w, count);
    if (status != REP_OK) { goto done; }
    /* Keyed like the 1x1 kernel of the CSLA net, so that both start as the same function. */
    rep_nn_draw_kernel(drawn, point, 1.0 / sqrt((double)shape.c), seed, name);
    double *w1 = w + count, *u = w1 + point_count;
    for (size_t i = 0; i < point_count; i++) { w1[i] = (double)drawn[i]; }
    for (size_t c = 0; row->is_triple && c < (size_t)shape.n; c++) {
        u[c] = use_identity_scales ? (double)row->u[c] : 1.0;
    }
    rep_nn_merge_kernel(w, shape, w1, row->s, row->t, row->is_triple ? u : NULL);
    status = rep_program_write_f64(program, block->weight, w, count);
done:
    free(w);
    free(drawn);
    return status;
}

rep_status rep_model_reinit(const rep_model *model, const rep_graph *graph, rep_program *program,
                            const rep_scale_row *const *rows, bool use_identity_scales,
                            bool is_forced, uint64_t seed) {
    for (size_t i = 0; i < model->block_count; i++) {
        REP_TRY(check_row(&model->blocks[i], rows[i]));
    }
    if (!is_forced) { REP_TRY(check_scratch(graph, program)); }
    for (size_t i = 0; i < model->block_count; i++) {
        REP_TRY(
            reinit_block(graph, program, &model->blocks[i], rows[i], use_identity_scales, seed));
    }
    return REP_OK;
}

rep_status rep_model_set_scales(const rep_model *model, rep_program *program,
                                const rep_scale_row *const *rows) {
    for (size_t i = 0; i < model->block_count; i++) {
        const rep_block *block = &model->blocks[i];
        const size_t count = (size_t)block->c_out;
        if (!block->s) {
            return rep_fail(REP_ERR_ARGUMENT, "block %s has no scaled branches", block->name);
        }
        REP_TRY(check_row(block, rows[i]));
        REP_TRY(rep_program_write(program, block->s, rows[i]->s, count));
        REP_TRY(rep_program_write(program, block->t, rows[i]->t, count));
        if (block->u) { REP_TRY(rep_program_write(program, block->u, rows[i]->u, count)); }
    }
    return REP_OK;
}
