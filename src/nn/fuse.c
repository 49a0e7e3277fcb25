/* fuse.c - a trained block as one convolution with bias.
 *
 *   g = gamma / sqrt(var + eps),  W <- g*W,  b <- beta + (b0 - mean)*g        per output channel
 *
 * 1x1 and identity kernels are added at the centre tap. In double precision on the host: this
 * happens once per export, and its error should be the rounding of the result.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

struct fuse {
    const rep_graph *graph;
    rep_program *program;
    const rep_block_spec *spec;
    const rep_block *block;
    rep_shape shape; /* of the kernel */
    size_t count;    /* its elements */
};

/* Reads "<block>.<suffix>" into malloc'd doubles. */
static rep_status read_tensor(const struct fuse *f, const char *suffix, size_t count,
                              double **out) {
    char name[REP_NAME_BYTES];
    const rep_id id =
        rep_nn_name(name, f->block->name, suffix) ? rep_graph_find(f->graph, name) : 0;
    double *values = malloc((count ? count : 1) * sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "fusing %s: out of memory", f->block->name); }
    const rep_status status =
        id ? rep_program_read_f64(f->program, id, values, count)
           : rep_fail(REP_ERR_ARGUMENT, "fusing %s: it has no %s", f->block->name, suffix);
    if (status != REP_OK) {
        free(values);
        return status;
    }
    *out = values;
    return REP_OK;
}

/* Scales the kernel and the bias by the BN "<block>.<bn>". */
static rep_status fold_bn(const struct fuse *f, const char *bn, double *weight, double *bias) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    const size_t channels = (size_t)f->shape.n, row = f->count / channels;
    double *values[4] = {NULL};
    rep_status status = REP_OK;
    for (int i = 0; i < 4 && status == REP_OK; i++) {
        char name[REP_NAME_BYTES], level[REP_NAME_BYTES];
        snprintf(level, sizeof level, f->spec->has_level_norms ? "%s.%d" : "%s", bn,
                 f->spec->level);
        rep_nn_name(name, level, parts[i]);
        status = read_tensor(f, name, channels, &values[i]);
    }
    for (size_t o = 0; status == REP_OK && o < channels; o++) {
        const double g = values[0][o] / sqrt(values[3][o] + (double)f->spec->bn_eps);
        for (size_t i = 0; i < row; i++) { weight[o * row + i] *= g; }
        bias[o] = values[1][o] + (bias[o] - values[2][o]) * g;
    }
    for (int i = 0; i < 4; i++) { free(values[i]); }
    return status;
}

static void add_identity(const struct fuse *f, double *weight) {
    const size_t channels = (size_t)f->shape.n, row = f->count / channels;
    for (size_t o = 0; o < channels; o++) {
        weight[o * row + rep_nn_centre(f->shape) + o % (size_t)f->shape.c] += 1.0;
    }
}

/* Adds a 1x1 kernel at the centre tap. */
static void add_point(const struct fuse *f, double *weight, const double *point) {
    const size_t c_in = (size_t)f->shape.c, row = f->count / (size_t)f->shape.n;
    for (size_t o = 0; o < (size_t)f->shape.n; o++) {
        for (size_t c = 0; c < c_in; c++) {
            weight[o * row + rep_nn_centre(f->shape) + c] += point[o * c_in + c];
        }
    }
}

static rep_status read_scales(const struct fuse *f, rep_id tensor, float *out) {
    return tensor ? rep_program_read(f->program, tensor, out, (size_t)f->shape.n) : REP_OK;
}

/* The merge of linear_add and csla with the program's scales. */
static rep_status merge_branches(const struct fuse *f, double *weight) {
    const size_t channels = (size_t)f->shape.n, points = channels * (size_t)f->shape.c;
    float *scales = malloc(2 * channels * sizeof *scales);
    double *w1 = malloc((points + channels) * sizeof *w1), *u = w1 ? w1 + points : NULL;
    rep_status status = scales && w1
                            ? REP_OK
                            : rep_fail(REP_ERR_MEMORY, "fusing %s: out of memory", f->block->name);
    if (status == REP_OK) { status = read_scales(f, f->block->s, scales); }
    if (status == REP_OK) { status = read_scales(f, f->block->t, scales + channels); }
    if (status == REP_OK) {
        status = rep_program_read_f64(f->program, f->block->weight_1x1, w1, points);
    }
    if (status == REP_OK && f->block->u) {
        status = rep_program_read_f64(f->program, f->block->u, u, channels);
    }
    if (status == REP_OK) {
        rep_nn_merge_kernel(weight, f->shape, w1, scales, scales + channels,
                            f->block->u ? u : NULL);
    }
    free(scales);
    free(w1);
    return status;
}

/* rep_vgg: each branch is folded with its own BN, then they add up. */
static rep_status fuse_rep_vgg(const struct fuse *f, double *weight, double *bias) {
    const bool is_rbr = f->spec->has_rbr_names;
    const size_t channels = (size_t)f->shape.n, points = channels * (size_t)f->shape.c;
    const char digits[] = {
        'b', 'n', '_', (char)('0' + f->spec->kernel), 'x', (char)('0' + f->spec->kernel), '\0'};
    double *branch = calloc(f->count + points + channels, sizeof *branch);
    if (!branch) { return rep_fail(REP_ERR_MEMORY, "fusing %s: out of memory", f->block->name); }
    double *point = branch + f->count, *branch_bias = point + points;
    rep_status status = fold_bn(f, is_rbr ? "rbr_dense.bn" : digits, weight, bias);
    if (status == REP_OK) {
        status = rep_program_read_f64(f->program, f->block->weight_1x1, point, points);
    }
    if (status == REP_OK) {
        add_point(f, branch, point);
        status = fold_bn(f, is_rbr ? "rbr_1x1.bn" : "bn_1x1", branch, branch_bias);
    }
    for (int part = 0; status == REP_OK && part < 2; part++) {
        for (size_t i = 0; i < f->count; i++) { weight[i] += branch[i]; }
        for (size_t i = 0; i < channels; i++) { bias[i] += branch_bias[i]; }
        if (part == 1 || !f->block->has_identity) { break; }
        memset(branch, 0, (f->count + points + channels) * sizeof *branch);
        add_identity(f, branch);
        status = fold_bn(f, is_rbr ? "rbr_identity" : "bn_identity", branch, branch_bias);
    }
    free(branch);
    return status;
}

/* qarep_vgg in front of its outer BN: the dense branch's BN, then 1x1 and identity as they are. */
static rep_status fuse_qarep_inner(const struct fuse *f, double *weight, double *bias) {
    const size_t points = (size_t)f->shape.n * (size_t)f->shape.c;
    double *point = NULL;
    REP_TRY(fold_bn(f, "rbr_dense.bn", weight, bias));
    REP_TRY(read_tensor(f, "rbr_1x1.weight", points, &point));
    add_point(f, weight, point);
    free(point);
    if (f->block->has_identity) { add_identity(f, weight); }
    return REP_OK;
}

rep_status rep_nn_fuse_block(double *weight, double *bias, double *inner_weight, double *inner_bias,
                             const rep_graph *graph, rep_program *program,
                             const rep_block_spec *spec, const rep_block *block) {
    struct fuse f = {.graph = graph, .program = program, .spec = spec, .block = block};
    if (spec->has_se) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "block %s: squeeze and excite is not linear and cannot be fused",
                        block->name);
    }
    f.shape = rep_graph_shape(graph, block->weight);
    f.count = rep_shape_count(f.shape);
    REP_TRY(rep_program_read_f64(program, block->weight, weight, f.count));
    memset(bias, 0, (size_t)f.shape.n * sizeof *bias);
    if (spec->kind == REP_BLOCK_REP_VGG) { return fuse_rep_vgg(&f, weight, bias); }
    if (spec->kind == REP_BLOCK_QAREP_VGG) {
        REP_TRY(fuse_qarep_inner(&f, weight, bias));
    } else if (block->s) {
        REP_TRY(merge_branches(&f, weight));
    }
    if (inner_weight) { memcpy(inner_weight, weight, f.count * sizeof *weight); }
    if (inner_bias) { memcpy(inner_bias, bias, (size_t)f.shape.n * sizeof *bias); }
    return fold_bn(&f, "bn", weight, bias);
}
