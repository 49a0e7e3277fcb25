/* rules.h - the catalogues of shape rules and gradient rules that ops.def names. */
#ifndef REP_GRAPH_RULES_H
#define REP_GRAPH_RULES_H

#include "graph/graph.h"

/* Shape rules (shape_rules.c): check the inputs, give the outputs. */
#define REP_SHAPE_RULES(X)                                                                         \
    X(like_x)                                                                                      \
    X(cast)                                                                                        \
    X(scaled)                                                                                      \
    X(scale_grad_s)                                                                                \
    X(biased)                                                                                      \
    X(quantized)                                                                                   \
    X(channel)                                                                                     \
    X(gated)                                                                                       \
    X(global)                                                                                      \
    X(conv)                                                                                        \
    X(conv_grad_x)                                                                                 \
    X(conv_grad_w)                                                                                 \
    X(norm_stats)                                                                                  \
    X(norm_frozen)                                                                                 \
    X(norm)                                                                                        \
    X(norm_grad_x)                                                                                 \
    X(norm_grad_w)                                                                                 \
    X(groupnorm)                                                                                   \
    X(groupnorm_grad_x)                                                                            \
    X(groupnorm_grad_w)                                                                            \
    X(merge)                                                                                       \
    X(merge_grad)                                                                                  \
    X(max_pool)                                                                                    \
    X(pool)                                                                                        \
    X(resize)                                                                                      \
    X(concat)                                                                                      \
    X(slice)                                                                                       \
    X(slice_grad)                                                                                  \
    X(label_rows)                                                                                  \
    X(label_rows_grad)                                                                             \
    X(box_rows)                                                                                    \
    X(box_rows_grad)                                                                               \
    X(rows)                                                                                        \
    X(rows_grad)                                                                                   \
    X(pair_rows)                                                                                   \
    X(pair_rows_grad)                                                                              \
    X(scalar)                                                                                      \
    X(reduce_grad)                                                                                 \
    X(pair)                                                                                        \
    X(update)
#define X(name) rep_status rep_shape_##name(rep_shape_call *call);
REP_SHAPE_RULES(X)
#undef X

/* Gradient rules (grad_rules.c): append the nodes that compute an op's input gradients. */
#define REP_GRAD_RULES(X)                                                                          \
    X(act)                                                                                         \
    X(cast)                                                                                        \
    X(add)                                                                                         \
    X(scale)                                                                                       \
    X(bias)                                                                                        \
    X(gate)                                                                                        \
    X(conv2d)                                                                                      \
    X(batchnorm)                                                                                   \
    X(groupnorm)                                                                                   \
    X(merge)                                                                                       \
    X(max_pool)                                                                                    \
    X(avg_pool)                                                                                    \
    X(global_pool)                                                                                 \
    X(upsample)                                                                                    \
    X(concat)                                                                                      \
    X(slice)                                                                                       \
    X(softmax_ce)                                                                                  \
    X(focal)                                                                                       \
    X(iou_loss)                                                                                    \
    X(bce)                                                                                         \
    X(smooth_l1)                                                                                   \
    X(oks)                                                                                         \
    X(reduce_sum)
#define X(name)                                                                                    \
    void rep_grad_##name(rep_graph *graph, const rep_node *node, const rep_id *dy,                 \
                         const bool *need, rep_id *dx);
REP_GRAD_RULES(X)
#undef X

#endif
