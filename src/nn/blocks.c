/* blocks.c - the five training-time blocks and the deployed one: x {n,c_in,h,w} -> {n,c_out,h',w'}.
 *
 *   real_vgg    act(BN(conv_k(x)))
 *   linear_add  act(BN(s*conv_k(x) + t*conv_1(x) [+ u*x]))      csla: s, t constant
 *   rep_vgg     act(BN(conv_k(x)) + BN(conv_1(x)) [+ BN(x)])    (Ding et al., CVPR 2021)
 *   qarep_vgg   act(BN(BN(conv_k(x)) + conv_1(x) [+ x]))        (Chu et al., AAAI 2024)
 *   deployed    act(conv_k(x) + b)                              what each of them comes to
 *
 * linear_add and csla (Ding et al., ICLR 2023, section 3) are linear in front of their BN, so they
 * are ONE convolution with the merged kernel s*W_k + pad(t*W_1) [+ pad(diag(u))]. The bracketed
 * terms exist when c_in == c_out and stride is 1.
 */
#include <stdio.h>

#include "nn/nn.h"

/* What the parts of one block share while it is built. */
struct build {
    rep_graph *graph;
    const rep_block_spec *spec;
    rep_block block;
    rep_id x;
    rep_id merged; /* linear_add: the kernel in front of the BN, once for all inputs */
    int32_t level; /* which input x is */
};

/* "<block>.<suffix>"; a name that does not fit becomes the graph's fault. */
static const char *sub_name(struct build *b, char out[REP_NAME_BYTES], const char *suffix) {
    if (!rep_nn_name(out, b->spec->name, suffix)) {
        rep_graph_fault(b->graph, REP_ERR_ARGUMENT, "%s.%s: the name is too long", b->spec->name,
                        suffix);
    }
    return out;
}

static rep_id declare(struct build *b, const char *suffix, rep_shape shape, int rank,
                      rep_kind kind) {
    char name[REP_NAME_BYTES];
    return rep_graph_param(b->graph, sub_name(b, name, suffix), shape, rank, kind);
}

/* "<block>.<suffix>", or "<block>.<suffix>.<level>" where every input has tensors of its own. */
static const char *level_name(struct build *b, char out[REP_NAME_BYTES], const char *suffix) {
    char level[REP_NAME_BYTES];
    snprintf(level, sizeof level, b->spec->has_level_norms ? "%s.%d" : "%s", suffix, b->level);
    return sub_name(b, out, level);
}

static rep_id norm(struct build *b, const char *suffix, rep_act act, rep_id x) {
    char name[REP_NAME_BYTES];
    const rep_norm_spec spec = {.is_training = b->spec->is_training,
                                .eps = b->spec->bn_eps,
                                .momentum = b->spec->bn_momentum,
                                .act = act};
    return rep_nn_batchnorm(b->graph, level_name(b, name, suffix), &spec, x);
}

static rep_conv_spec conv_spec(const struct build *b, int32_t kernel) {
    return (rep_conv_spec){.c_out = b->spec->c_out,
                           .kernel = kernel,
                           .stride = b->spec->stride,
                           .groups = b->spec->groups,
                           .algo = b->spec->conv_algo};
}

/* A bias-free kernel k x k named <block>.<suffix>. */
static rep_id kernel_of(struct build *b, const char *suffix, int32_t k) {
    const rep_shape shape = {b->spec->c_out, b->block.c_in / b->spec->groups, k, k};
    return declare(b, suffix, shape, 4, REP_KIND_WEIGHT);
}

static rep_id convolve(struct build *b, rep_id kernel, int32_t k) {
    const rep_conv_spec spec = conv_spec(b, k);
    return rep_nn_conv_with(b->graph, &spec, b->x, kernel);
}

static rep_id real_vgg(struct build *b) {
    b->block.weight = kernel_of(b, "conv.weight", b->spec->kernel);
    return norm(b, "bn", b->spec->act, convolve(b, b->block.weight, b->spec->kernel));
}

static rep_id linear_add(struct build *b, bool is_csla) {
    const rep_shape c = {1, b->spec->c_out, 1, 1};
    rep_block *block = &b->block;
    block->weight = kernel_of(b, "conv.weight", b->spec->kernel);
    block->s = declare(b, "scale_conv.weight", c, 1, REP_KIND_SCALE);
    block->weight_1x1 = kernel_of(b, "conv_1x1.weight", 1);
    block->t = declare(b, "scale_1x1.weight", c, 1, REP_KIND_SCALE);
    if (block->has_identity) {
        block->u = declare(b, "scale_identity.weight", c, 1, REP_KIND_IDENTITY);
    }
    if (is_csla) {
        rep_graph_freeze(b->graph, block->s);
        rep_graph_freeze(b->graph, block->t);
    }
    if (!b->merged) {
        b->merged = block->u ? REP_APPEND(b->graph, MERGE, NULL, block->weight, block->weight_1x1,
                                          block->s, block->t, block->u)
                             : REP_APPEND(b->graph, MERGE, NULL, block->weight, block->weight_1x1,
                                          block->s, block->t);
    }
    return norm(b, "bn", b->spec->act, convolve(b, b->merged, b->spec->kernel));
}

/* Tensors are named after the kernel's size; detectors' files use rbr_* names instead. */
static rep_id rep_vgg(struct build *b) {
    const bool is_rbr = b->spec->has_rbr_names;
    const int32_t k = b->spec->kernel;
    char conv[REP_NAME_BYTES], bn[REP_NAME_BYTES];
    if (is_rbr) {
        snprintf(conv, sizeof conv, "rbr_dense.conv.weight");
        snprintf(bn, sizeof bn, "rbr_dense.bn");
    } else {
        if (k == 1) {
            return rep_graph_fault(b->graph, REP_ERR_CONFIG,
                                   "%s: a RepVGG block with a 1x1 kernel would have two conv_1x1; "
                                   "use KERNEL_SIZE 3, 5 or 7",
                                   b->spec->name);
        }
        snprintf(conv, sizeof conv, "conv_%dx%d.weight", k, k);
        snprintf(bn, sizeof bn, "bn_%dx%d", k, k);
    }
    b->block.weight = kernel_of(b, conv, k);
    rep_id y = norm(b, bn, REP_ACT_NONE, convolve(b, b->block.weight, k));
    b->block.weight_1x1 = kernel_of(b, is_rbr ? "rbr_1x1.conv.weight" : "conv_1x1.weight", 1);
    const rep_id point = norm(b, is_rbr ? "rbr_1x1.bn" : "bn_1x1", REP_ACT_NONE,
                              convolve(b, b->block.weight_1x1, 1));
    y = REP_APPEND(b->graph, ADD, NULL, y, point);
    if (b->block.has_identity) {
        /* The published groups decay every tensor named "...identity.weight", this one too. */
        const rep_shape c = {1, b->spec->c_out, 1, 1};
        declare(b, is_rbr ? "rbr_identity.weight" : "bn_identity.weight", c, 1, REP_KIND_IDENTITY);
        const rep_id same = norm(b, is_rbr ? "rbr_identity" : "bn_identity", REP_ACT_NONE, b->x);
        y = REP_APPEND(b->graph, ADD, NULL, y, same);
    }
    return REP_APPEND(b->graph, ACT, &(rep_act_params){.act = (rep_uint)b->spec->act}, y);
}

static rep_id qarep_vgg(struct build *b) {
    const int32_t k = b->spec->kernel;
    b->block.weight = kernel_of(b, "rbr_dense.conv.weight", k);
    rep_id y = norm(b, "rbr_dense.bn", REP_ACT_NONE, convolve(b, b->block.weight, k));
    b->block.weight_1x1 = kernel_of(b, "rbr_1x1.weight", 1);
    y = REP_APPEND(b->graph, ADD, NULL, y, convolve(b, b->block.weight_1x1, 1));
    if (b->block.has_identity) { y = REP_APPEND(b->graph, ADD, NULL, y, b->x); }
    return norm(b, "bn", b->spec->act, y);
}

/* The fused activation has no gradient: an evaluation graph's block. */
static rep_id deployed(struct build *b) {
    char name[REP_NAME_BYTES];
    rep_conv_spec spec = conv_spec(b, b->spec->kernel);
    spec.has_bias = true;
    spec.act = b->spec->act;
    return rep_nn_conv(b->graph, level_name(b, name, "conv"), &spec, b->x);
}

/* The BN weight whose mean tells whether the net is from scratch. */
static rep_id first_bn(struct build *b) {
    static const char *const names[] = {"bn.weight", "bn_3x3.weight", "rbr_dense.bn.weight",
                                        "bn.0.weight", "rbr_dense.bn.0.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[REP_NAME_BYTES];
        const rep_id found = rep_graph_find(b->graph, sub_name(b, name, names[i]));
        if (found) { return found; }
    }
    return 0;
}

rep_block_kind rep_nn_block_kind(rep_mode mode) {
    switch (mode) {
    case REP_MODE_HYPER_SEARCH:
        return REP_BLOCK_LINEAR_ADD;
    case REP_MODE_CSLA:
        return REP_BLOCK_CSLA;
    case REP_MODE_REPVGG_BLOCK:
        return REP_BLOCK_REP_VGG;
    case REP_MODE_QAREPVGG_BLOCK:
        return REP_BLOCK_QAREP_VGG;
    case REP_MODE_NORMAL:
    case REP_MODE_TARGET:
        break;
    }
    return REP_BLOCK_REAL_VGG;
}

/* The block on input b->x. */
static rep_id build_one(struct build *b) {
    switch (b->spec->kind) {
    case REP_BLOCK_REAL_VGG:
        return real_vgg(b);
    case REP_BLOCK_LINEAR_ADD:
        return linear_add(b, false);
    case REP_BLOCK_CSLA:
        return linear_add(b, true);
    case REP_BLOCK_REP_VGG:
        return rep_vgg(b);
    case REP_BLOCK_QAREP_VGG:
        return qarep_vgg(b);
    case REP_BLOCK_DEPLOYED:
        return deployed(b);
    }
    return 0;
}

rep_id rep_nn_block(rep_graph *graph, const rep_block_spec *spec, rep_id x, rep_block *out) {
    rep_nn_block_levels(graph, spec, &x, 1, out);
    return graph->fault == REP_OK ? x : 0;
}

void rep_nn_block_levels(rep_graph *graph, const rep_block_spec *spec, rep_id *x, int32_t count,
                         rep_block *out) {
    const int32_t c_in = rep_graph_shape(graph, x[0]).c;
    struct build b = {.graph = graph, .spec = spec};
    if (spec->kernel < 1 || spec->kernel > 7 || spec->kernel % 2 == 0 || spec->stride < 1 ||
        spec->groups < 1 || c_in % spec->groups) {
        rep_graph_fault(graph, REP_ERR_CONFIG,
                        "%s: kernel %d, stride %d, groups %d on %d channels; wanted an odd kernel "
                        "up to 7 and groups that divide the channels",
                        spec->name, spec->kernel, spec->stride, spec->groups, c_in);
        return;
    }
    b.block = (rep_block){.c_in = c_in,
                          .c_out = spec->c_out,
                          .kernel = spec->kernel,
                          .stride = spec->stride,
                          .groups = spec->groups,
                          .has_identity = c_in == spec->c_out && spec->stride == 1,
                          .scale_init = spec->scale_init,
                          .norm_count = spec->has_level_norms ? count : 1};
    snprintf(b.block.name, sizeof b.block.name, "%s", spec->name);
    rep_graph_set_scope(graph, *spec->name ? spec->name : NULL);
    for (; b.level < count; b.level++) {
        b.x = x[b.level];
        rep_id y = build_one(&b);
        if (spec->has_se) {
            char name[REP_NAME_BYTES];
            y = rep_nn_squeeze_excite(graph, sub_name(&b, name, "post_se"), y);
        }
        x[b.level] = y;
    }
    b.block.bn_weight = first_bn(&b);
    rep_graph_set_scope(graph, NULL);
    if (out) { *out = b.block; }
}

rep_id rep_nn_rep_block(rep_graph *graph, const rep_block_spec *spec, int32_t n, rep_id x,
                        rep_block *out) {
    rep_nn_rep_block_levels(graph, spec, n, &x, 1, out);
    return graph->fault == REP_OK ? x : 0;
}

void rep_nn_rep_block_levels(rep_graph *graph, const rep_block_spec *spec, int32_t n, rep_id *x,
                             int32_t count, rep_block *out) {
    for (int32_t i = 0; i < n; i++) {
        char suffix[32], name[REP_NAME_BYTES];
        rep_block_spec one = *spec;
        if (i == 0) {
            snprintf(suffix, sizeof suffix, "conv1");
        } else {
            snprintf(suffix, sizeof suffix, "block.%d", i - 1);
            one.stride = 1;
        }
        if (!rep_nn_name(name, spec->name, suffix)) {
            rep_graph_fault(graph, REP_ERR_ARGUMENT, "%s: the name is too long", spec->name);
            return;
        }
        one.name = name;
        rep_nn_block_levels(graph, &one, x, count, out ? &out[i] : NULL);
    }
}
