/* grad_rules.c - the derivative of each op, written as nodes of other ops.
 *
 * A rule receives the gradients dy of a node's outputs and appends the nodes that compute the
 * gradients dx of those inputs that need one. It computes nothing itself.
 */
#include "graph/rules.h"

/* The block of the node under differentiation. */
#define PARAMS(type) (*(const type *)node->params)

static rep_shape shape_of(const rep_graph *graph, rep_id tensor) {
    return graph->tensors[tensor].shape;
}

void rep_grad_act(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                  rep_id *dx) {
    if (need[0]) { dx[0] = REP_APPEND(graph, ACT_GRAD, node->params, node->in[0], dy[0]); }
}

/* A parameter's gradient is f32 already when it comes from conv2d_grad_w. */
void rep_grad_cast(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                   rep_id *dx) {
    (void)need;
    const bool wants_half = graph->tensors[node->in[0]].dtype == REP_F16;
    const bool is_half = graph->tensors[dy[0]].dtype == REP_F16;
    const rep_cast_params p = {.to_half = wants_half};
    dx[0] = wants_half == is_half ? dy[0] : REP_APPEND(graph, CAST, &p, dy[0]);
}

void rep_grad_add(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                  rep_id *dx) {
    (void)graph, (void)node, (void)need;
    dx[0] = dy[0];
    dx[1] = dy[0];
}

void rep_grad_scale(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                    rep_id *dx) {
    if (need[0]) { dx[0] = REP_APPEND(graph, SCALE, NULL, dy[0], node->in[1]); }
    if (need[1]) { dx[1] = REP_APPEND(graph, SCALE_GRAD_S, NULL, node->in[0], dy[0], node->in[1]); }
}

void rep_grad_bias(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                   rep_id *dx) {
    (void)node;
    dx[0] = dy[0];
    if (need[1]) { dx[1] = REP_APPEND(graph, CHANNEL_SUM, NULL, dy[0]); }
}

void rep_grad_gate(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                   rep_id *dx) {
    if (need[0]) { dx[0] = REP_APPEND(graph, GATE, NULL, dy[0], node->in[1]); }
    if (need[1]) { dx[1] = REP_APPEND(graph, GATE_GRAD_G, NULL, node->in[0], dy[0]); }
}

void rep_grad_conv2d(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                     rep_id *dx) {
    const rep_conv2d_params p = PARAMS(rep_conv2d_params);
    const rep_shape x = shape_of(graph, node->in[0]), w = shape_of(graph, node->in[1]);
    if (p.act != REP_ACT_NONE) {
        rep_graph_fault(graph, REP_ERR_ARGUMENT,
                        "%s: a convolution with a fused activation is for inference only",
                        node->name);
        return;
    }
    rep_conv2d_grad_params grad = {.stride = p.stride,
                                   .pad = p.pad,
                                   .groups = p.groups,
                                   .algo = p.algo,
                                   .h = (uint32_t)x.h,
                                   .w = (uint32_t)x.w};
    if (need[0]) { dx[0] = REP_APPEND(graph, CONV2D_GRAD_X, &grad, dy[0], node->in[1]); }
    grad.h = (uint32_t)w.h;
    grad.w = (uint32_t)w.w;
    if (need[1]) { dx[1] = REP_APPEND(graph, CONV2D_GRAD_W, &grad, node->in[0], dy[0]); }
    if (need[2]) { dx[2] = REP_APPEND(graph, CHANNEL_SUM, NULL, dy[0]); }
}

/* Ioffe and Szegedy, 2015, section 3. In training, mean and invstd are functions of x and their
 * part of the gradient is in batchnorm_grad_x; the statistics node itself passes nothing on. */
void rep_grad_batchnorm(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                        rep_id *dx) {
    const rep_id *in = node->in; /* x, mean, invstd, weight, bias */
    const rep_id dw =
        REP_APPEND(graph, BATCHNORM_GRAD_W, node->params, dy[0], in[0], in[1], in[2], in[3], in[4]);
    if (need[3]) { dx[3] = dw; }
    if (need[4]) { dx[4] = dw + 1; }
    if (need[0]) {
        dx[0] = REP_APPEND(graph, BATCHNORM_GRAD_X, node->params, dy[0], in[0], in[1], in[2], in[3],
                           in[4], dw, dw + 1);
    }
}

void rep_grad_groupnorm(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                        rep_id *dx) {
    const rep_id x = node->in[0], mean = node->out[1], invstd = node->out[2];
    if (need[0]) {
        dx[0] =
            REP_APPEND(graph, GROUPNORM_GRAD_X, node->params, dy[0], x, mean, invstd, node->in[1]);
    }
    if (need[1] || need[2]) {
        const rep_id dw = REP_APPEND(graph, GROUPNORM_GRAD_W, node->params, dy[0], x, mean, invstd);
        dx[1] = dw;
        dx[2] = dw + 1;
    }
}

void rep_grad_merge(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                    rep_id *dx) {
    (void)need;
    const rep_id *in = node->in; /* Wk, W1, s, t, [u] */
    const bool has_u = node->in_count > 4 && in[4];
    const rep_id first =
        has_u ? REP_APPEND(graph, MERGE_GRAD, NULL, dy[0], in[0], in[1], in[2], in[3], in[4])
              : REP_APPEND(graph, MERGE_GRAD, NULL, dy[0], in[0], in[1], in[2], in[3]);
    for (uint32_t i = 0; i < (has_u ? 5u : 4u); i++) { dx[i] = first + i; }
}

/* The window gradients need the input's height and width, which dy does not tell. */
static rep_pool_params with_size(const rep_graph *graph, const rep_node *node, rep_pool_params p) {
    const rep_shape x = shape_of(graph, node->in[0]);
    p.h = (uint32_t)x.h;
    p.w = (uint32_t)x.w;
    return p;
}

void rep_grad_max_pool(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                       rep_id *dx) {
    (void)need;
    const rep_pool_params p = with_size(graph, node, PARAMS(rep_pool_params));
    dx[0] = REP_APPEND(graph, MAX_POOL_GRAD, &p, dy[0], node->out[1]);
}

void rep_grad_avg_pool(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                       rep_id *dx) {
    (void)need;
    const rep_pool_params p = with_size(graph, node, PARAMS(rep_pool_params));
    dx[0] = REP_APPEND(graph, AVG_POOL_GRAD, &p, dy[0]);
}

void rep_grad_global_pool(rep_graph *graph, const rep_node *node, const rep_id *dy,
                          const bool *need, rep_id *dx) {
    (void)need;
    const rep_pool_params p = with_size(graph, node, (rep_pool_params){0});
    dx[0] = REP_APPEND(graph, GLOBAL_POOL_GRAD, &p, dy[0]);
}

void rep_grad_upsample(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                       rep_id *dx) {
    (void)need;
    const rep_pool_params p = with_size(graph, node, (rep_pool_params){0});
    dx[0] = REP_APPEND(graph, UPSAMPLE_GRAD, &p, dy[0]);
}

void rep_grad_concat(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                     rep_id *dx) {
    rep_slice_params p = {.total = (uint32_t)shape_of(graph, dy[0]).c};
    for (uint32_t i = 0; i < node->in_count; i++) {
        p.count = (uint32_t)shape_of(graph, node->in[i]).c;
        if (need[i]) { dx[i] = REP_APPEND(graph, SLICE, &p, dy[0]); }
        p.begin += p.count;
    }
}

void rep_grad_slice(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                    rep_id *dx) {
    (void)need;
    rep_slice_params p = PARAMS(rep_slice_params);
    p.total = (uint32_t)shape_of(graph, node->in[0]).c;
    dx[0] = REP_APPEND(graph, SLICE_GRAD, &p, dy[0]);
}

void rep_grad_softmax_ce(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                         rep_id *dx) {
    (void)need;
    dx[0] = REP_APPEND(graph, SOFTMAX_CE_GRAD, node->params, node->in[0], node->in[1], dy[0]);
}

void rep_grad_focal(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                    rep_id *dx) {
    (void)need;
    dx[0] = REP_APPEND(graph, FOCAL_GRAD, node->params, node->in[0], node->in[1], dy[0]);
}

/* The losses with an optional weight: gradient inputs are (x, target, drow, [weight]). */
#define WEIGHTED_LOSS_RULE(name, GRAD)                                                             \
    void rep_grad_##name(rep_graph *graph, const rep_node *node, const rep_id *dy,                 \
                         const bool *need, rep_id *dx) {                                           \
        const rep_id weight = node->in_count > 2 ? node->in[2] : 0;                                \
        if (need[0]) {                                                                             \
            dx[0] =                                                                                \
                REP_APPEND(graph, GRAD, node->params, node->in[0], node->in[1], dy[0], weight);    \
        }                                                                                          \
    }
WEIGHTED_LOSS_RULE(iou_loss, IOU_LOSS_GRAD)
WEIGHTED_LOSS_RULE(bce, BCE_GRAD)
WEIGHTED_LOSS_RULE(smooth_l1, SMOOTH_L1_GRAD)
WEIGHTED_LOSS_RULE(oks, OKS_GRAD)

void rep_grad_reduce_sum(rep_graph *graph, const rep_node *node, const rep_id *dy, const bool *need,
                         rep_id *dx) {
    (void)need;
    const rep_id step = node->in_count > 1 ? node->in[1] : 0;
    dx[0] = REP_APPEND(graph, REDUCE_SUM_GRAD, node->params, dy[0], node->in[0], step);
}
