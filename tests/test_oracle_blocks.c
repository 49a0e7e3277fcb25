/* test_oracle_blocks.c - the training-time blocks against PyTorch: a training step with running
 * statistics, evaluation, and the deployed kernel and bias. */
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"
#include "oracle_net.h"

enum { MAX_INNER_BLOCKS = 8 };

struct kind {
    const char *name;
    rep_block_kind kind;
};
static const struct kind kinds[] = {
    {"LinearAddBlock", REP_BLOCK_LINEAR_ADD}, {"CSLABlock", REP_BLOCK_CSLA},
    {"RealVGGBlock", REP_BLOCK_REAL_VGG},     {"RepVGGBlock", REP_BLOCK_REP_VGG},
    {"QARepVGGBlock", REP_BLOCK_QAREP_VGG},
};

static bool is_rep_block(const oracle_case *c) {
    return strcmp(oracle_text(c, "block"), "RepBlock") == 0;
}

static const struct kind *kind_of(const oracle_case *c) {
    const char *name = oracle_text(c, is_rep_block(c) ? "inner" : "block");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) { return &kinds[i]; }
    }
    return NULL;
}

static rep_block_spec spec_of(const oracle_case *c, bool is_training) {
    return (rep_block_spec){.name = "",
                            .kind = kind_of(c)->kind,
                            .c_out = (int32_t)oracle_number(c, "out_channels", 0),
                            .kernel = (int32_t)oracle_number(c, "kernel_size", 3),
                            .stride = (int32_t)oracle_number(c, "stride", 1),
                            .groups = (int32_t)oracle_number(c, "groups", 1),
                            .act = strcmp(oracle_text(c, "act"), "relu6") == 0 ? REP_ACT_RELU6
                                                                               : REP_ACT_RELU,
                            .has_se = oracle_flag(c, "post_se", false),
                            .is_training = is_training,
                            .has_rbr_names = true,
                            .bn_eps = (float)oracle_number(c, "bn_eps", 1e-5),
                            .bn_momentum = (float)oracle_number(c, "bn_momentum", 0.1),
                            .scale_init = 1};
}

static rep_id append_block(oracle_net *net, bool is_training, rep_id x, rep_block *out) {
    const rep_block_spec spec = spec_of(net->c, is_training);
    const int32_t n = (int32_t)oracle_number(net->c, "n", 1);
    if (n > MAX_INNER_BLOCKS) {
        oracle_fail(net->c, "%d blocks in a row are too many", n);
        return 0;
    }
    return is_rep_block(net->c) ? rep_nn_rep_block(net->graph, &spec, n, x, out)
                                : rep_nn_block(net->graph, &spec, x, out);
}

/* Evaluation shares the training program's state, as the trainer's does. */
static void check_eval(oracle_net *trained) {
    oracle_case *c = trained->c;
    oracle_net net;
    oracle_net_open(&net, c, trained->target);
    const oracle_tensor *x = oracle_need(c, "in.x");
    const rep_id in = rep_graph_tensor(net.graph, x->name, REP_F32, oracle_shape(x), REP_IO);
    const rep_id y = append_block(&net, false, in, NULL);
    oracle_ok(c, rep_graph_check(net.graph));
    rep_graph_keep(net.graph, y);
    oracle_ok(
        c, rep_program_create(&net.program, net.target->device, net.graph, trained->program, NULL));
    oracle_write(c, net.program, in, x);
    oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_FORWARD));
    oracle_check(c, net.graph, net.program, y, "out.y_eval");
    oracle_net_close(&net);
}

static void compare_stored(oracle_case *c, const char *name, const double *stored) {
    const oracle_tensor *expected = oracle_get(c, "%s", name);
    if (!expected) { return; }
    double *got = calloc(expected->count, sizeof *got);
    oracle_from_storage(got, stored, oracle_shape(expected));
    oracle_compare(c, name, got);
    free(got);
}

/* The deployed block: one convolution with bias and activation. */
static void check_deployed(oracle_net *trained, const rep_block_spec *spec, const double *weight,
                           const double *bias, rep_shape kernel) {
    oracle_case *c = trained->c;
    if (!oracle_get(c, "out.y_fused")) { return; }
    oracle_net net;
    oracle_net_open(&net, c, trained->target);
    const oracle_tensor *x = oracle_need(c, "in.x");
    const rep_id in = rep_graph_tensor(net.graph, x->name, REP_F32, oracle_shape(x), REP_IO);
    const rep_id w = rep_graph_tensor(net.graph, "weight", REP_F32, kernel, REP_STATE);
    const rep_id b =
        rep_graph_tensor(net.graph, "bias", REP_F32, (rep_shape){1, kernel.n, 1, 1}, REP_STATE);
    const rep_conv2d_params params = {.stride = (rep_uint)spec->stride,
                                      .pad = (rep_uint)spec->kernel / 2,
                                      .groups = (rep_uint)spec->groups,
                                      .act = (rep_uint)spec->act};
    const rep_id y = REP_APPEND(net.graph, CONV2D, &params, in, w, b);
    oracle_ok(c, rep_graph_check(net.graph));
    rep_graph_keep(net.graph, y);
    oracle_ok(c, rep_program_create(&net.program, net.target->device, net.graph, NULL, NULL));
    oracle_write(c, net.program, in, x);
    oracle_ok(c, rep_program_write_f64(net.program, w, weight, rep_shape_count(kernel)));
    oracle_ok(c, rep_program_write_f64(net.program, b, bias, (size_t)kernel.n));
    oracle_ok(c, rep_program_run(net.program, REP_FORWARD, REP_FORWARD));
    oracle_check(c, net.graph, net.program, y, "out.y_fused");
    oracle_net_close(&net);
}

static void check_fused(oracle_net *net, const rep_block *block) {
    oracle_case *c = net->c;
    rep_block_spec spec = spec_of(c, true);
    spec.has_se = false; /* squeeze-excite stays behind the deployed convolution */
    const rep_shape kernel = {block->c_out, block->c_in / block->groups, block->kernel,
                              block->kernel};
    const size_t count = rep_shape_count(kernel), rows = (size_t)kernel.n;
    double *values = calloc(2 * (count + rows), sizeof *values);
    double *weight = values, *inner = values + count, *bias = inner + count;
    double *inner_bias = bias + rows;
    oracle_ok(c, rep_nn_fuse_block(weight, bias, inner, inner_bias, net->graph, net->program, &spec,
                                   block));
    compare_stored(c, "fused.kernel_before_bn", inner);
    compare_stored(c, "fused.inner_weight", inner);
    compare_stored(c, "fused.inner_bias", inner_bias);
    compare_stored(c, "fused.weight", weight);
    compare_stored(c, "fused.bias", bias);
    check_deployed(net, &spec, weight, bias, kernel);
    free(values);
}

/* A parameter the vectors do not know would start as zeros and hide in the comparison. */
static void check_all_fed(oracle_net *net, size_t declared_before) {
    size_t state = 0;
    for (rep_id id = 1; id < rep_graph_tensor_count(net->graph); id++) {
        state += net->graph->tensors[id].region == REP_STATE;
    }
    if (state != net->feed_count - declared_before) {
        oracle_fail(net->c, "the block has %zu parameters and statistics, the vectors %zu", state,
                    net->feed_count - declared_before);
    }
}

static void run_block(oracle_case *c, const oracle_target *target) {
    oracle_net net;
    oracle_net_open(&net, c, target);
    rep_block blocks[MAX_INNER_BLOCKS];
    const rep_id x = oracle_input(&net, "in.x");
    const rep_id y = append_block(&net, true, x, blocks);
    const size_t inputs = net.feed_count;
    for (size_t i = 0; i < c->count; i++) {
        const oracle_tensor *tensor = &c->tensors[i];
        const bool is_buffer = strncmp(tensor->name, "buf.", 4) == 0;
        if (!is_buffer && strncmp(tensor->name, "param.", 6) != 0) { continue; }
        oracle_feed(&net, rep_graph_find(net.graph, strchr(tensor->name, '.') + 1), tensor);
    }
    check_all_fed(&net, inputs);
    oracle_expect(&net, y, "out.y");
    for (size_t i = inputs; i < net.feed_count; i++) {
        const char *name = strchr(net.feeds[i].tensor->name, '.') + 1;
        const oracle_tensor *after = oracle_get(c, "buf_after.%s", name);
        if (after) { oracle_expect(&net, net.feeds[i].id, after->name); }
    }
    oracle_backward(&net, y, "gout.y");
    oracle_net_run(&net);
    check_eval(&net);
    if (!is_rep_block(c)) { check_fused(&net, &blocks[0]); }
    oracle_net_close(&net);
}

static oracle_handler find(const oracle_case *c) { return kind_of(c) ? run_block : NULL; }

int main(void) {
    static const char *const groups[] = {"blocks/", NULL};
    return oracle_main("blocks", &(oracle_share){.groups = groups}, find);
}
