/* test_oracle_ops.c - every operator, forward and backward, against PyTorch's values. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_net.h"

static rep_uint word(const oracle_case *c, const char *key, double otherwise) {
    return (rep_uint)oracle_number(c, key, otherwise);
}

/* Compares y with out.y and the gradients behind gout.y, and ends the case. */
static void finish(oracle_net *net, rep_id y) {
    oracle_expect(net, y, "out.y");
    oracle_backward(net, y, "gout.y");
    oracle_net_run(net);
    oracle_net_close(net);
}

static void convolve(oracle_case *c, const oracle_target *target, rep_uint algo) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_conv2d_params params = {.stride = word(c, "stride", 1),
                                      .pad = word(c, "padding", 0),
                                      .groups = word(c, "groups", 1),
                                      .algo = algo};
    const rep_id x = oracle_input(&net, "in.x");
    const rep_id w = oracle_param(&net, "param.weight", REP_KIND_WEIGHT);
    const rep_id b = oracle_param(&net, "param.bias", REP_KIND_BIAS);
    finish(&net, REP_APPEND(net.graph, CONV2D, &params, x, w, b));
}

/* Whatever the rule chooses for such small pictures, every algorithm must meet the bounds. */
static void run_conv2d(oracle_case *c, const oracle_target *target) {
    enum { BY_RULE, DIRECT, WINOGRAD };
    if (word(c, "dilation", 1) != 1) { oracle_fail(c, "a dilated convolution is not supported"); }
    convolve(c, target, BY_RULE);
    convolve(c, target, DIRECT);
    convolve(c, target, WINOGRAD);
}

/* A linear layer is a 1x1 convolution of 1x1 pictures. */
static void run_linear(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_conv2d_params params = {.stride = 1, .groups = 1};
    const rep_id x = oracle_input(&net, "in.x");
    const rep_id w = oracle_param(&net, "param.weight", REP_KIND_WEIGHT);
    const rep_id b = oracle_param(&net, "param.bias", REP_KIND_BIAS);
    finish(&net, REP_APPEND(net.graph, CONV2D, &params, x, w, b));
}

static void run_batchnorm(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const bool is_training = oracle_flag(c, "training", true);
    const rep_norm_params params = {.training = is_training,
                                    .eps = (float)oracle_number(c, "eps", 1e-5),
                                    .momentum = (float)oracle_number(c, "momentum", 0.1)};
    const rep_id x = oracle_input(&net, "in.x");
    const rep_id w = oracle_param(&net, "param.weight", REP_KIND_NORM);
    const rep_id b = oracle_param(&net, "param.bias", REP_KIND_BIAS);
    const rep_id mean = oracle_param(&net, "buf.running_mean", REP_KIND_BUFFER);
    const rep_id var = oracle_param(&net, "buf.running_var", REP_KIND_BUFFER);
    const rep_id running[] = {0, 0, mean, var}, batch[] = {x}, frozen[] = {mean, var};
    const rep_id used =
        is_training
            ? rep_graph_append(net.graph, REP_OP_BATCHNORM_STATS, &params, batch, 1, running)
            : rep_graph_append(net.graph, REP_OP_BATCHNORM_FROZEN, &params, frozen, 2, NULL);
    if (is_training) {
        oracle_expect(&net, mean, "buf_after.running_mean");
        oracle_expect(&net, var, "buf_after.running_var");
    }
    finish(&net, REP_APPEND(net.graph, BATCHNORM, &params, x, used, used + 1, w, b));
}

static void run_act(oracle_case *c, const oracle_target *target) {
    static const char *const names[] = {"", "relu", "relu6", "silu", "hardswish", "sigmoid"};
    rep_act_params params = {REP_ACT_RELU};
    while (params.act < REP_ACT_SIGMOID && strcmp(names[params.act], oracle_text(c, "op")) != 0) {
        params.act++;
    }
    oracle_net net;
    oracle_net_open(&net, c, target);
    finish(&net, REP_APPEND(net.graph, ACT, &params, oracle_input(&net, "in.x")));
}

static void run_add(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_id a = oracle_input(&net, "in.a"), b = oracle_input(&net, "in.b");
    finish(&net, REP_APPEND(net.graph, ADD, NULL, a, b));
}

static void run_add_self(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_id x = oracle_input(&net, "in.x");
    finish(&net, REP_APPEND(net.graph, ADD, NULL, x, x));
}

static void run_scale(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_id x = oracle_input(&net, "in.x");
    const bool is_scalar = oracle_get(c, "param.scale") != NULL;
    const rep_id s = oracle_param(&net, is_scalar ? "param.scale" : "param.weight", REP_KIND_SCALE);
    const rep_id b = oracle_param(&net, "param.bias", REP_KIND_BIAS);
    rep_id y = REP_APPEND(net.graph, SCALE, NULL, x, s);
    if (b) { y = REP_APPEND(net.graph, BIAS, NULL, y, b); }
    finish(&net, y);
}

static void run_pool(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_pool_params params = {.kernel = word(c, "kernel_size", 2),
                                    .stride = word(c, "stride", 2),
                                    .pad = word(c, "padding", 0),
                                    .count_pad = oracle_flag(c, "count_include_pad", true)};
    if (oracle_flag(c, "ceil_mode", false)) { oracle_fail(c, "ceil_mode is not supported"); }
    const rep_id x = oracle_input(&net, "in.x");
    const bool is_max = strcmp(oracle_text(c, "op"), "maxpool2d") == 0;
    finish(&net, is_max ? REP_APPEND(net.graph, MAX_POOL, &params, x)
                        : REP_APPEND(net.graph, AVG_POOL, &params, x));
}

static void run_global_pool(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    finish(&net, REP_APPEND(net.graph, GLOBAL_POOL, NULL, oracle_input(&net, "in.x")));
}

static void run_upsample(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_pool_params params = {.h = word(c, "out_h", 0), .w = word(c, "out_w", 0)};
    finish(&net, REP_APPEND(net.graph, UPSAMPLE, &params, oracle_input(&net, "in.x")));
}

static void run_concat(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    rep_id parts[REP_MAX_INPUTS];
    uint32_t count = 0;
    while (count < REP_MAX_INPUTS && oracle_get(c, "in.x%u", count)) {
        const oracle_tensor *part = oracle_get(c, "in.x%u", count);
        parts[count++] = oracle_input(&net, part->name);
    }
    finish(&net, rep_graph_append(net.graph, REP_OP_CONCAT, NULL, parts, count, NULL));
}

static void run_groupnorm(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_norm_params params = {.groups = word(c, "num_groups", 1),
                                    .eps = (float)oracle_number(c, "eps", 1e-5)};
    const rep_id x = oracle_input(&net, "in.x");
    const rep_id w = oracle_param(&net, "param.weight", REP_KIND_NORM);
    const rep_id b = oracle_param(&net, "param.bias", REP_KIND_BIAS);
    finish(&net, REP_APPEND(net.graph, GROUPNORM, &params, x, w, b));
}

/* Squeeze and excite: the pictures' means pass two 1x1 convolutions and gate the channels. */
static void run_se(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_conv2d_params point = {.stride = 1, .groups = 1};
    const rep_act_params relu = {REP_ACT_RELU}, sigmoid = {REP_ACT_SIGMOID};
    const rep_id x = oracle_input(&net, "in.x");
    const rep_id down = oracle_param(&net, "param.down.weight", REP_KIND_WEIGHT);
    const rep_id down_bias = oracle_param(&net, "param.down.bias", REP_KIND_BIAS);
    const rep_id up = oracle_param(&net, "param.up.weight", REP_KIND_WEIGHT);
    const rep_id up_bias = oracle_param(&net, "param.up.bias", REP_KIND_BIAS);
    rep_id g = REP_APPEND(net.graph, GLOBAL_POOL, NULL, x);
    g = REP_APPEND(net.graph, CONV2D, &point, g, down, down_bias);
    g = REP_APPEND(net.graph, ACT, &relu, g);
    g = REP_APPEND(net.graph, CONV2D, &point, g, up, up_bias);
    g = REP_APPEND(net.graph, ACT, &sigmoid, g);
    finish(&net, REP_APPEND(net.graph, GATE, NULL, x, g));
}

/* Rows of losses are summed or averaged over all elements that went in. */
static void finish_loss(oracle_net *net, rep_id rows, size_t elements) {
    const bool is_mean = strcmp(oracle_text(net->c, "reduction"), "mean") == 0;
    const rep_reduce_params params = {.scale = is_mean ? 1.0f / (float)elements : 1.0f};
    const rep_id loss = REP_APPEND(net->graph, REDUCE_SUM, &params, rows);
    oracle_expect(net, loss, "out.loss");
    oracle_backward(net, loss, "gout.loss");
    oracle_net_run(net);
    oracle_net_close(net);
}

static void run_softmax_ce(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_loss_params params = {.smoothing = (float)oracle_number(c, "label_smoothing", 0)};
    const rep_id x = oracle_rows(&net, "in.logits"), labels = oracle_labels(&net, "in.target");
    finish_loss(&net, REP_APPEND(net.graph, SOFTMAX_CE, &params, x, labels),
                oracle_need(c, "in.target")->count);
}

static void run_focal(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_loss_params params = {.alpha = (float)oracle_number(c, "alpha", 0.25),
                                    .gamma = (float)oracle_number(c, "gamma", 2)};
    const rep_id x = oracle_rows(&net, "in.logits"), labels = oracle_labels(&net, "in.labels");
    finish_loss(&net, REP_APPEND(net.graph, FOCAL, &params, x, labels),
                oracle_need(c, "in.logits")->count);
}

static void run_iou(oracle_case *c, const oracle_target *target) {
    static const char *const names[] = {"iou_loss", "linear_iou_loss", "giou_loss"};
    rep_loss_params params = {.kind = 0};
    while (params.kind < 2 && strcmp(names[params.kind], oracle_text(c, "op")) != 0) {
        params.kind++;
    }
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_id x = oracle_rows(&net, "in.pred"), wanted = oracle_rows(&net, "in.target");
    const rep_id weight = oracle_get(c, "in.weight") ? oracle_rows(&net, "in.weight") : 0;
    finish_loss(&net, REP_APPEND(net.graph, IOU_LOSS, &params, x, wanted, weight),
                oracle_need(c, "in.pred")->count);
}

static void run_bce(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_id x = oracle_rows(&net, "in.logits"), wanted = oracle_rows(&net, "in.target");
    const rep_id weight = oracle_get(c, "in.weight") ? oracle_rows(&net, "in.weight") : 0;
    finish_loss(&net, REP_APPEND(net.graph, BCE, NULL, x, wanted, weight),
                oracle_need(c, "in.logits")->count);
}

static void run_smooth_l1(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    const rep_loss_params params = {.beta = (float)oracle_number(c, "beta", 1)};
    const rep_id x = oracle_rows(&net, "in.pred"), wanted = oracle_rows(&net, "in.target");
    const rep_id weight = oracle_get(c, "in.weight") ? oracle_rows(&net, "in.weight") : 0;
    finish_loss(&net, REP_APPEND(net.graph, SMOOTH_L1, &params, x, wanted, weight),
                oracle_need(c, "in.pred")->count);
}

static oracle_handler find(const oracle_case *c) {
    static const struct {
        const char *op;
        oracle_handler run;
    } handlers[] = {
        {"conv2d", run_conv2d},
        {"linear", run_linear},
        {"batchnorm2d", run_batchnorm},
        {"relu", run_act},
        {"relu6", run_act},
        {"silu", run_act},
        {"hardswish", run_act},
        {"sigmoid", run_act},
        {"add", run_add},
        {"add_self", run_add_self},
        {"scale", run_scale},
        {"scalar_scale", run_scale},
        {"maxpool2d", run_pool},
        {"avgpool2d", run_pool},
        {"global_avgpool", run_global_pool},
        {"upsample_nearest", run_upsample},
        {"concat", run_concat},
        {"groupnorm", run_groupnorm},
        {"se_block", run_se},
        {"softmax_cross_entropy", run_softmax_ce},
        {"sigmoid_focal", run_focal},
        {"iou_loss", run_iou},
        {"linear_iou_loss", run_iou},
        {"giou_loss", run_iou},
        {"bce_with_logits", run_bce},
        {"smooth_l1", run_smooth_l1},
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (strcmp(handlers[i].op, oracle_text(c, "op")) == 0) { return handlers[i].run; }
    }
    return NULL;
}

int main(void) {
    static const char *const groups[] = {"ops/", NULL};
    return oracle_main("ops", &(oracle_share){.groups = groups}, find);
}
