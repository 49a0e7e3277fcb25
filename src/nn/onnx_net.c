/* onnx_net.c - an evaluation graph as nodes of an ONNX file, one for one.
 *
 * Both are lists in the order of work, with the same layout of a picture {n,c,h,w}; here
 * activations are fused, there they are nodes of their own. What follows from parameters alone is
 * computed now: converters for small devices want a convolution's kernel as an initializer.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

typedef char value_name[REP_ONNX_NAME_BYTES];
enum { PART_NAME_BYTES = REP_ONNX_NAME_BYTES + 16 };

typedef struct walk {
    rep_onnx *net;
    const rep_graph *graph;
    bool *is_used, *is_constant;
    value_name *names;       /* by tensor */
    bool *has_value;         /* by tensor: parameters in whole numbers that have been dequantised */
    bool has_clip_bounds;    /* of relu6, once for all */
    rep_tensor_type weights; /* in whole numbers: REP_TENSOR_I8 or _U8 */
} walk;

/* ---- constants ---------------------------------------------------------------------------------
 */

/* Running statistics go into the file as they are. */
static bool is_constant_node(const rep_node *node, const bool *is_constant) {
    bool is_constant_so_far = node->op != REP_OP_BATCHNORM_FROZEN;
    for (uint32_t i = 0; i < node->in_count; i++) {
        if (node->in[i] && !is_constant[node->in[i]]) { is_constant_so_far = false; }
    }
    return is_constant_so_far;
}

/* is_constant[tensor_count]: state, and what nodes make of nothing else; NULL without memory. */
static bool *find_constants(const rep_graph *graph) {
    bool *is_constant = calloc(graph->tensor_count, sizeof *is_constant);
    if (!is_constant) { return NULL; }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        is_constant[id] = graph->tensors[id].region == REP_STATE;
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const rep_node *node = &graph->nodes[i];
        if (!is_constant_node(node, is_constant)) { continue; }
        for (uint32_t o = 0; o < node->out_count; o++) { is_constant[node->out[o]] = true; }
    }
    return is_constant;
}

rep_status rep_nn_onnx_keep(rep_graph *graph) {
    bool *is_constant = find_constants(graph);
    if (!is_constant) { return rep_fail(REP_ERR_MEMORY, "ONNX: no memory"); }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (is_constant[id] && graph->tensors[id].region == REP_WORK) { rep_graph_keep(graph, id); }
    }
    free(is_constant);
    return REP_OK;
}

/* ---- names -------------------------------------------------------------------------------------
 */

void rep_nn_onnx_name(char out[REP_ONNX_NAME_BYTES], const rep_graph *graph, rep_id id) {
    const rep_tensor *tensor = &graph->tensors[id];
    const char *form = tensor->producer != REP_NO_NODE ? "%s_%u" : "%s";
    snprintf(out, REP_ONNX_NAME_BYTES, form, tensor->name, (unsigned)id);
}

/* Whether a node brings a sum of whole numbers to its value, which it has here already. */
static bool is_of_sum(const rep_graph *graph, const rep_node *node) {
    if (node->op != REP_OP_SCALE) { return false; }
    const rep_int8_range *range = rep_int8_range_of(graph, graph->tensors[node->in[1]].name);
    return range && !range->is_whole; /* a layer's own scale */
}

static void name_values(walk *w, const rep_model *model, const char *image) {
    rep_output outputs[REP_OUTPUT_MOST];
    const size_t count = rep_nn_outputs(outputs, model);
    for (rep_id id = 1; id < w->graph->tensor_count; id++) {
        rep_nn_onnx_name(w->names[id], w->graph, id);
    }
    snprintf(w->names[model->io.image], sizeof(value_name), "%s", image);
    for (size_t i = 0; i < count; i++) {
        memcpy(w->names[outputs[i].id], outputs[i].name, sizeof outputs[i].name);
    }
    for (uint32_t n = w->graph->node_count; n-- > 0;) {
        const rep_node *node = &w->graph->nodes[n];
        if (!is_of_sum(w->graph, node)) { continue; }
        memcpy(w->names[node->in[0]], w->names[node->out[0]], sizeof(value_name));
    }
}

static const char *input(walk *w, rep_id id) {
    w->is_used[id] = w->is_used[id] || w->is_constant[id];
    return w->names[id];
}

static const char *output(const walk *w, const rep_node *node) { return w->names[node->out[0]]; }

/* "<name>.<part>", which always fits: names are of REP_NAME_BYTES. */
static const char *part_of(char out[PART_NAME_BYTES], const char *name, const char *part) {
    const int length = snprintf(out, PART_NAME_BYTES, "%.107s.%.15s", name, part);
    return length < PART_NAME_BYTES ? out : "";
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

static void simple(walk *w, const char *op, const char *to, const char *from) {
    REP_ONNX_NODE(w->net, op, to, from);
    rep_onnx_node_end(w->net);
}

/* What follows a node that an activation is fused with; the node's own output is `linear`. */
static void activate(walk *w, uint32_t act, const char *to, const char *from) {
    static const char *const ops[] = {
        [REP_ACT_RELU] = "Relu", [REP_ACT_SIGMOID] = "Sigmoid", [REP_ACT_EXP] = "Exp"};
    if (act != REP_ACT_RELU6) {
        simple(w, ops[act], to, from);
        return;
    }
    if (!w->has_clip_bounds) {
        rep_onnx_floats(w->net, "relu6.min", &(float){0}, NULL, 0);
        rep_onnx_floats(w->net, "relu6.max", &(float){6}, NULL, 0);
        w->has_clip_bounds = true;
    }
    REP_ONNX_NODE(w->net, "Clip", to, from, "relu6.min", "relu6.max");
    rep_onnx_node_end(w->net);
}

/* The name of a node's output in front of its fused activation. */
static const char *linear_name(const walk *w, const rep_node *node, uint32_t act,
                               char buffer[PART_NAME_BYTES]) {
    if (act == REP_ACT_NONE) { return output(w, node); }
    return part_of(buffer, output(w, node), "linear");
}

/* Parameters of a convolution: their own names, or those of what whole numbers are worth. */
typedef struct weights {
    const char *weight, *bias; /* bias "": none */
    char weight_name[PART_NAME_BYTES], bias_name[PART_NAME_BYTES];
} weights;

/* Values of whole numbers by a scale per channel; once where nodes share them. A zero point of 0
 * could be left out, but some readers want it. */
static void dequantise(walk *w, const char *to, rep_id from, const char *scale,
                       rep_tensor_type type) {
    char zero[PART_NAME_BYTES];
    if (w->has_value[from]) { return; }
    w->has_value[from] = true;
    const rep_shape shape = rep_graph_shape(w->graph, from);
    (void)part_of(zero, w->names[from], "zero_point");
    rep_nn_onnx_zero_points(w->net, zero, type, type == REP_TENSOR_I32 ? shape.c : shape.n);
    REP_ONNX_NODE(w->net, "DequantizeLinear", to, w->names[from], scale, zero);
    rep_onnx_node_int(w->net, "axis", 0);
    rep_onnx_node_end(w->net);
}

static void find_weights(walk *w, weights *out, const rep_node *node) {
    char layer[REP_NAME_BYTES], name[REP_NAME_BYTES];
    const rep_id bias = node->in_count > 2 ? node->in[2] : 0;
    out->weight = input(w, node->in[1]);
    out->bias = bias ? input(w, bias) : "";
    if (!rep_int8_is_whole(layer, w->graph, node->in[1])) { return; }
    (void)rep_nn_name(name, layer, "weight_scale");
    dequantise(w, part_of(out->weight_name, out->weight, "value"), node->in[1],
               input(w, rep_graph_find(w->graph, name)), w->weights);
    out->weight = out->weight_name;
    if (!bias) { return; }
    /* s_x * s_w, which is an initializer of its own: rep_nn_onnx_bias_scales. */
    (void)rep_nn_name(name, layer, "bias_scale");
    dequantise(w, part_of(out->bias_name, out->bias, "value"), bias, name, REP_TENSOR_I32);
    out->bias = out->bias_name;
}

/* A weight that is a matrix in files: {n,c,1,1} -> {n,c} -> {n,c_out}. */
static void append_linear(walk *w, const rep_node *node, const weights *p, const char *to) {
    char flat[PART_NAME_BYTES];
    (void)part_of(flat, to, "flat");
    simple(w, "Flatten", flat, input(w, node->in[0]));
    REP_ONNX_NODE(w->net, "Gemm", to, flat, p->weight, p->bias);
    rep_onnx_node_int(w->net, "transB", 1);
    rep_onnx_node_end(w->net);
}

static void append_conv(walk *w, const rep_node *node) {
    const rep_conv2d_params *p = node->params;
    const rep_shape shape = rep_graph_shape(w->graph, node->in[1]);
    char buffer[PART_NAME_BYTES];
    const char *to = linear_name(w, node, p->act, buffer);
    weights own;
    find_weights(w, &own, node);
    if (w->graph->tensors[node->in[1]].rank == 2) {
        append_linear(w, node, &own, to);
    } else {
        const char *const in[] = {input(w, node->in[0]), own.weight, own.bias};
        const int64_t pads[] = {p->pad, p->pad, p->pad, p->pad};
        rep_onnx_node(w->net, "Conv", to, in, *own.bias ? 3 : 2);
        rep_onnx_node_ints(w->net, "kernel_shape", (const int64_t[]){shape.h, shape.w}, 2);
        rep_onnx_node_ints(w->net, "strides", (const int64_t[]){p->stride, p->stride}, 2);
        rep_onnx_node_ints(w->net, "pads", pads, 4);
        rep_onnx_node_ints(w->net, "dilations", (const int64_t[]){1, 1}, 2);
        rep_onnx_node_int(w->net, "group", p->groups);
        rep_onnx_node_end(w->net);
    }
    if (p->act != REP_ACT_NONE) { activate(w, p->act, output(w, node), to); }
}

/* The node in front of it has made mean and 1/sqrt(var + eps) of running statistics. */
static void append_batchnorm(walk *w, const rep_node *node) {
    const rep_norm_params *p = node->params;
    const rep_node *frozen = &w->graph->nodes[w->graph->tensors[node->in[1]].producer];
    char buffer[PART_NAME_BYTES];
    const char *to = linear_name(w, node, p->act, buffer);
    REP_ONNX_NODE(w->net, "BatchNormalization", to, input(w, node->in[0]), input(w, node->in[3]),
                  input(w, node->in[4]), input(w, frozen->in[0]), input(w, frozen->in[1]));
    rep_onnx_node_float(w->net, "epsilon", ((const rep_norm_params *)frozen->params)->eps);
    rep_onnx_node_end(w->net);
    if (p->act != REP_ACT_NONE) { activate(w, p->act, output(w, node), to); }
}

static void append_act(walk *w, const rep_node *node) {
    const rep_act_params *p = node->params;
    activate(w, p->act, output(w, node), input(w, node->in[0]));
}

static void append_pair(walk *w, const rep_node *node) {
    const char *op = node->op == REP_OP_ADD ? "Add" : "Mul";
    REP_ONNX_NODE(w->net, op, output(w, node), input(w, node->in[0]), input(w, node->in[1]));
    rep_onnx_node_end(w->net);
}

static void append_scale(walk *w, const rep_node *node) {
    if (!is_of_sum(w->graph, node)) { append_pair(w, node); }
}

/* Whole numbers, and at once what they are worth: readers join such pairs with what is between. */
static void append_quantize(walk *w, const rep_node *node) {
    char whole[PART_NAME_BYTES];
    const char *scale = input(w, node->in[1]), *zero = input(w, node->in[2]);
    (void)part_of(whole, output(w, node), "uint8");
    REP_ONNX_NODE(w->net, "QuantizeLinear", whole, input(w, node->in[0]), scale, zero);
    rep_onnx_node_end(w->net);
    REP_ONNX_NODE(w->net, "DequantizeLinear", output(w, node), whole, scale, zero);
    rep_onnx_node_end(w->net);
}

static void append_global_pool(walk *w, const rep_node *node) {
    simple(w, "GlobalAveragePool", output(w, node), input(w, node->in[0]));
}

static void append_slice(walk *w, const rep_node *node) {
    static const char *const parts[] = {"begin", "end", "axis"};
    const rep_slice_params *p = node->params;
    const int64_t values[] = {p->begin, (int64_t)p->begin + p->count, 1}, one = 1;
    char names[3][PART_NAME_BYTES];
    for (int i = 0; i < 3; i++) {
        (void)part_of(names[i], output(w, node), parts[i]);
        rep_onnx_whole(w->net, names[i], &values[i], &one, 1);
    }
    REP_ONNX_NODE(w->net, "Slice", output(w, node), input(w, node->in[0]), names[0], names[1],
                  names[2]);
    rep_onnx_node_end(w->net);
}

/* The least float factor that makes `from` pixels `to` of them: a reader takes
 * floor(from * factor), and pixel i of floor(i / factor). Both are then what they should be: i / to
 * is no whole multiple of 1 / from but where it is exact, i = 0 or to = 2 * from. */
static float factor_of(int32_t from, int32_t to) {
    float factor = (float)to / (float)from;
    while ((int32_t)floorf((float)from * factor) < to) { factor = nextafterf(factor, INFINITY); }
    return factor;
}

static void append_upsample(walk *w, const rep_node *node) {
    const rep_pool_params *p = node->params;
    const rep_shape from = rep_graph_shape(w->graph, node->in[0]);
    const float factors[] = {1, 1, factor_of(from.h, (int32_t)p->h),
                             factor_of(from.w, (int32_t)p->w)};
    char scales[PART_NAME_BYTES];
    (void)part_of(scales, output(w, node), "scales");
    rep_onnx_floats(w->net, scales, factors, &(int64_t){4}, 1);
    REP_ONNX_NODE(w->net, "Resize", output(w, node), input(w, node->in[0]), "", scales);
    rep_onnx_node_text(w->net, "mode", "nearest");
    rep_onnx_node_text(w->net, "coordinate_transformation_mode", "asymmetric");
    rep_onnx_node_text(w->net, "nearest_mode", "floor");
    rep_onnx_node_end(w->net);
}

/* ---- the walk ----------------------------------------------------------------------------------
 */

static const struct {
    rep_op op;
    void (*append)(walk *w, const rep_node *node); /* NULL: part of what follows it */
} rows[] = {
    {REP_OP_CONV2D, append_conv},
    {REP_OP_BATCHNORM_FROZEN, NULL},
    {REP_OP_BATCHNORM, append_batchnorm},
    {REP_OP_ACT, append_act},
    {REP_OP_ADD, append_pair},
    {REP_OP_SCALE, append_scale},
    {REP_OP_QUANTIZE, append_quantize},
    {REP_OP_GATE, append_pair},
    {REP_OP_GLOBAL_POOL, append_global_pool},
    {REP_OP_SLICE, append_slice},
    {REP_OP_UPSAMPLE, append_upsample},
};

static rep_status append_node(walk *w, const rep_node *node) {
    if (w->is_constant[node->out[0]]) { return REP_OK; }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].op != node->op) { continue; }
        if (rows[i].append) { rows[i].append(w, node); }
        return REP_OK;
    }
    return rep_fail(REP_ERR_ARGUMENT, "ONNX: %s: there is no node for op %s", node->name,
                    rep_op_info_get(node->op)->name);
}

rep_status rep_nn_onnx_append(rep_onnx *net, bool *is_used, const rep_graph *graph,
                              const rep_model *model, const char *image, rep_tensor_type whole) {
    walk w = {.net = net, .graph = graph, .is_used = is_used, .weights = whole};
    w.is_constant = find_constants(graph);
    w.names = calloc(graph->tensor_count, sizeof *w.names);
    w.has_value = calloc(graph->tensor_count, sizeof *w.has_value);
    rep_status status = w.is_constant && w.names && w.has_value
                            ? REP_OK
                            : rep_fail(REP_ERR_MEMORY, "ONNX: no memory");
    if (status == REP_OK) { name_values(&w, model, image); }
    for (uint32_t i = 0; i < graph->node_count && status == REP_OK; i++) {
        status = append_node(&w, &graph->nodes[i]);
    }
    free(w.has_value);
    free(w.names);
    free(w.is_constant);
    return status;
}
