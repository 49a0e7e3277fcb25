/* layers.c - convolution, batch normalisation, linear and squeeze-excite as graph nodes.
 *
 * x {n,c,h,w} throughout; a layer adds its parameters under <name>.<tensor>.
 */
#include <stdio.h>

#include "nn/nn.h"

bool rep_nn_name(char out[REP_NAME_BYTES], const char *prefix, const char *suffix) {
    const int length = snprintf(out, REP_NAME_BYTES, "%s%s%s", prefix, *prefix ? "." : "", suffix);
    return length > 0 && length < REP_NAME_BYTES;
}

/* A parameter "<layer>.<tensor>". */
static rep_id param(rep_graph *graph, const char *layer, const char *tensor, rep_shape shape,
                    int rank, rep_kind kind) {
    char name[REP_NAME_BYTES];
    if (!rep_nn_name(name, layer, tensor)) {
        return rep_graph_fault(graph, REP_ERR_ARGUMENT,
                               "%s.%s: a tensor's name may have at most %d bytes", layer, tensor,
                               REP_NAME_BYTES - 1);
    }
    return rep_graph_param(graph, name, shape, rank, kind);
}

/* The channel vector {1,c,1,1}. */
static rep_shape vector_of(int32_t c) { return (rep_shape){1, c, 1, 1}; }

rep_id rep_nn_batchnorm(rep_graph *graph, const char *name, const rep_norm_spec *spec, rep_id x) {
    const rep_shape c = vector_of(rep_graph_shape(graph, x).c);
    const rep_id weight = param(graph, name, "weight", c, 1, REP_KIND_NORM);
    const rep_id bias = param(graph, name, "bias", c, 1, REP_KIND_BIAS);
    const rep_id mean = param(graph, name, "running_mean", c, 1, REP_KIND_BUFFER);
    const rep_id var = param(graph, name, "running_var", c, 1, REP_KIND_BUFFER);
    const rep_norm_params params = {.act = (rep_uint)spec->act,
                                    .training = spec->is_training,
                                    .eps = spec->eps,
                                    .momentum = spec->momentum};
    /* Either node gives mean and 1/sqrt(var + eps) in consecutive ids. */
    const rep_id used = spec->is_training ? rep_graph_append(graph, REP_OP_BATCHNORM_STATS, &params,
                                                             (const rep_id[]){x}, 1,
                                                             (const rep_id[]){0, 0, mean, var})
                                          : REP_APPEND(graph, BATCHNORM_FROZEN, &params, mean, var);
    return REP_APPEND(graph, BATCHNORM, &params, x, used, used + 1, weight, bias);
}

/* A kernel in the precision of the activations it meets. */
static rep_id like_activation(rep_graph *graph, rep_id x, rep_id kernel) {
    if (!x || !kernel || graph->tensors[x].dtype == graph->tensors[kernel].dtype) { return kernel; }
    return REP_APPEND(graph, CAST, &(rep_cast_params){.to_half = 1}, kernel);
}

static rep_conv2d_params conv_params(const rep_conv_spec *spec) {
    return (rep_conv2d_params){.stride = (rep_uint)spec->stride,
                               .pad = (rep_uint)spec->kernel / 2,
                               .groups = (rep_uint)spec->groups,
                               .act = (rep_uint)spec->act,
                               .algo = spec->algo};
}

rep_id rep_nn_conv_with(rep_graph *graph, const rep_conv_spec *spec, rep_id x, rep_id kernel) {
    const rep_conv2d_params params = conv_params(spec);
    return REP_APPEND(graph, CONV2D, &params, x, like_activation(graph, x, kernel));
}

rep_id rep_nn_conv(rep_graph *graph, const char *name, const rep_conv_spec *spec, rep_id x) {
    const int32_t c_in = rep_graph_shape(graph, x).c;
    const rep_shape shape = {spec->c_out, c_in / spec->groups, spec->kernel, spec->kernel};
    const rep_id kernel = param(graph, name, "weight", shape, 4, REP_KIND_WEIGHT);
    if (!spec->has_bias) { return rep_nn_conv_with(graph, spec, x, kernel); }
    const rep_conv2d_params params = conv_params(spec);
    const rep_id bias = param(graph, name, "bias", vector_of(spec->c_out), 1, REP_KIND_BIAS);
    return REP_APPEND(graph, CONV2D, &params, x, like_activation(graph, x, kernel), bias);
}

rep_id rep_nn_linear(rep_graph *graph, const char *name, int32_t c_out, rep_id x) {
    const rep_shape shape = {c_out, rep_graph_shape(graph, x).c, 1, 1};
    const rep_id weight = param(graph, name, "weight", shape, 2, REP_KIND_WEIGHT);
    const rep_id bias = param(graph, name, "bias", vector_of(c_out), 1, REP_KIND_BIAS);
    const rep_conv2d_params params = {.stride = 1, .groups = 1};
    return REP_APPEND(graph, CONV2D, &params, x, like_activation(graph, x, weight), bias);
}

rep_id rep_nn_squeeze_excite(rep_graph *graph, const char *name, rep_id x) {
    char down[REP_NAME_BYTES], up[REP_NAME_BYTES];
    if (!rep_nn_name(down, name, "down") || !rep_nn_name(up, name, "up")) {
        return rep_graph_fault(graph, REP_ERR_ARGUMENT, "%s: the name is too long", name);
    }
    const int32_t c = rep_graph_shape(graph, x).c;
    rep_conv_spec spec = {
        .c_out = c < 4 ? 1 : c / 4, .kernel = 1, .stride = 1, .groups = 1, .has_bias = true};
    rep_id gate = REP_APPEND(graph, GLOBAL_POOL, NULL, x);
    gate = rep_nn_conv(graph, down, &spec, gate);
    gate = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_RELU}, gate);
    spec.c_out = c;
    gate = rep_nn_conv(graph, up, &spec, gate);
    gate = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_SIGMOID}, gate);
    return REP_APPEND(graph, GATE, NULL, x, gate);
}
