/* int8.c - a folded net's convolutions in whole numbers.
 *
 * Whole numbers are carried in floating point, and the ordinary convolution sums their products. A
 * product is at most 255 * 127, and a sum of whole numbers that stays below 2^24 in every part of
 * it is exact in float32, in any order and with any fused multiplication: it equals the int32 sum.
 * What the parts may come to follows from the weights (rep_int8_sum_bound) and is checked before a
 * net is run, so no kernel of its own is needed on any device. 3x3 layers of 384 channels stay
 * below 2^24 by a third; wider ones may need double precision, where the bound is 2^53.
 */
#include "nn/int8.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

/* ---- layers ------------------------------------------------------------------------------------
 */

/* "stage0.conv" of "stage0.conv.weight"; false for a kernel that is no state by that name. */
static bool weight_layer(char out[REP_NAME_BYTES], const rep_graph *graph, rep_id weight) {
    static const char tail[] = ".weight";
    if (graph->tensors[weight].region != REP_STATE) { return false; }
    const char *name = graph->tensors[weight].name;
    const size_t length = strlen(name), end = sizeof tail - 1;
    if (length <= end || length >= REP_NAME_BYTES || strcmp(name + length - end, tail) != 0) {
        return false;
    }
    snprintf(out, REP_NAME_BYTES, "%.*s", (int)(length - end), name);
    return true;
}

static bool layer_name(char out[REP_NAME_BYTES], const rep_graph *graph, const rep_node *node) {
    return node->op == REP_OP_CONV2D && weight_layer(out, graph, node->in[1]);
}

size_t rep_int8_layer_of(const rep_int8_layer *layers, size_t count, const rep_node *node) {
    size_t i = 0;
    if (node->op != REP_OP_CONV2D) { return count; }
    while (i < count && layers[i].weight != node->in[1]) { i++; }
    return i;
}

rep_status rep_int8_layers(rep_int8_layer **out, size_t *count, const rep_graph *graph) {
    rep_int8_layer *layers = calloc(graph->node_count + 1, sizeof *layers);
    size_t used = 0;
    if (!layers) { return rep_fail(REP_ERR_MEMORY, "int8: no memory"); }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const rep_node *node = &graph->nodes[i];
        rep_int8_layer *layer = &layers[used];
        if (rep_int8_layer_of(layers, used, node) < used) { continue; }
        if (!layer_name(layer->name, graph, node)) { continue; }
        layer->weight = node->in[1];
        layer->bias = node->in_count > 2 ? node->in[2] : 0;
        layer->shape = rep_graph_shape(graph, layer->weight);
        used++;
    }
    *out = layers;
    *count = used;
    return REP_OK;
}

bool rep_int8_is_whole(char layer[REP_NAME_BYTES], const rep_graph *graph, rep_id weight) {
    char name[REP_NAME_BYTES];
    return weight_layer(layer, graph, weight) && rep_nn_name(name, layer, "weight_scale") &&
           rep_graph_find(graph, name) != 0;
}

/* What stands behind a layer's name, and what its values may be. */
static const struct {
    const char *part;
    rep_tensor_type type;
    rep_int8_range range;
} parts[] = {
    {".weight", REP_TENSOR_I8, {-REP_INT8_WEIGHT_MOST, REP_INT8_WEIGHT_MOST, true}},
    {".bias", REP_TENSOR_I32, {-REP_INT8_BIAS_MOST, REP_INT8_BIAS_MOST, true}},
    {".input_zero_point", REP_TENSOR_U8, {0, REP_INT8_INPUT_MOST, true}},
    {".weight_scale", REP_TENSOR_F32, {FLT_TRUE_MIN, FLT_MAX, false}},
    {".input_scale", REP_TENSOR_F32, {FLT_TRUE_MIN, FLT_MAX, false}},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* The index of a tensor's part; PARTS for what is no layer's in whole numbers. */
static size_t part_of(const rep_graph *graph, const char *name) {
    const char *tail = strrchr(name, '.');
    char scale[REP_NAME_BYTES + 16];
    size_t i = 0;
    while (tail && i < PARTS && strcmp(tail, parts[i].part) != 0) { i++; }
    if (!tail || i == PARTS) { return PARTS; }
    snprintf(scale, sizeof scale, "%.*s.weight_scale", (int)(tail - name), name);
    return rep_graph_find(graph, scale) ? i : PARTS;
}

rep_tensor_type rep_int8_type(const rep_graph *graph, const char *name) {
    const size_t part = part_of(graph, name);
    return part < PARTS ? parts[part].type : REP_TENSOR_F32;
}

const rep_int8_range *rep_int8_range_of(const rep_graph *graph, const char *name) {
    const size_t part = part_of(graph, name);
    return part < PARTS ? &parts[part].range : NULL;
}

/* ---- the graph ---------------------------------------------------------------------------------
 */

/* A layer's scales in the graph. */
typedef struct scales {
    rep_id weight, input, zero;
} scales;

/* A convolution's sum, in place of the output that has its values. */
typedef struct sum {
    rep_id id; /* 0: there is none */
    uint32_t act;
    scales of;
} sum;

/* A tensor on the grid of a layer's input. */
typedef struct quantized {
    rep_id from, input, id;
} quantized;

typedef struct rewrite {
    rep_graph *graph;
    const char *only;
    rep_node *nodes; /* as they were */
    uint32_t node_count;
    sum *sums;        /* by tensor */
    bool *is_wanted;  /* by tensor: somebody reads its values */
    quantized *grids; /* what has been quantised so far */
    size_t grid_count;
} rewrite;

static bool is_int8(const rewrite *w, const rep_node *node, char name[REP_NAME_BYTES]) {
    return layer_name(name, w->graph, node) && (!w->only || strcmp(w->only, name) == 0);
}

/* Activations that saturation at the bounds of an output's range already is: calibrated ranges
 * begin at 0 behind a relu and end at most at 6 behind a relu6. */
static bool is_clamp(uint32_t act) {
    return act == REP_ACT_NONE || act == REP_ACT_RELU || act == REP_ACT_RELU6;
}

static rep_id scale_of(rewrite *w, const char *layer, const char *part, int32_t count, int rank) {
    char name[REP_NAME_BYTES];
    if (!rep_nn_name(name, layer, part)) {
        return rep_graph_fault(w->graph, REP_ERR_ARGUMENT, "%s.%s: the name is too long", layer,
                               part);
    }
    return rep_graph_param(w->graph, name, (rep_shape){1, count, 1, 1}, rank, REP_KIND_BUFFER);
}

/* x as whole numbers, from the sum behind it where there is one. */
static rep_id on_grid(rewrite *w, rep_id x, scales of) {
    const sum *s = &w->sums[x];
    for (size_t i = 0; i < w->grid_count; i++) {
        if (w->grids[i].from == x && w->grids[i].input == of.input) { return w->grids[i].id; }
    }
    const bool has_sum = s->id && is_clamp(s->act);
    const rep_id id = has_sum ? REP_APPEND(w->graph, QUANTIZE, NULL, s->id, of.input, of.zero,
                                           s->of.input, s->of.weight)
                              : REP_APPEND(w->graph, QUANTIZE, NULL, x, of.input, of.zero);
    w->grids[w->grid_count++] = (quantized){x, of.input, id};
    return id;
}

/* The node's output again writes the tensor that it wrote. */
static void write_into(rewrite *w, rep_op op, const void *params, const rep_id *in, uint32_t count,
                       const rep_id *out, uint32_t out_count) {
    (void)rep_graph_append(w->graph, op, params, in, count, out);
    if (w->graph->fault != REP_OK) { return; }
    for (uint32_t o = 0; o < out_count; o++) {
        if (out[o]) { w->graph->tensors[out[o]].producer = w->graph->node_count - 1; }
    }
}

/* y = act(sum * s_x * s_w), for whoever reads values. */
static void append_values(rewrite *w, rep_id y, const sum *s) {
    const rep_act_params params = {.act = s->act};
    const rep_id half = REP_APPEND(w->graph, SCALE, NULL, s->id, s->of.input);
    if (s->act == REP_ACT_NONE) {
        write_into(w, REP_OP_SCALE, NULL, (const rep_id[]){half, s->of.weight}, 2, &y, 1);
        return;
    }
    const rep_id linear = REP_APPEND(w->graph, SCALE, NULL, half, s->of.weight);
    write_into(w, REP_OP_ACT, &params, &linear, 1, &y, 1);
}

static void append_layer(rewrite *w, const rep_node *node, const char *name) {
    rep_conv2d_params p = *(const rep_conv2d_params *)node->params;
    const rep_id bias = node->in_count > 2 ? node->in[2] : 0;
    const rep_id y = node->out[0];
    sum *s = &w->sums[y];
    rep_graph_set_scope(w->graph, name);
    s->act = p.act;
    s->of = (scales){scale_of(w, name, "weight_scale", rep_graph_shape(w->graph, y).c, 1),
                     scale_of(w, name, "input_scale", 1, 0),
                     scale_of(w, name, "input_zero_point", 1, 0)};
    p.act = REP_ACT_NONE;
    p.algo = 1;
    const rep_id in[] = {on_grid(w, node->in[0], s->of), node->in[1], bias};
    s->id = rep_graph_append(w->graph, REP_OP_CONV2D, &p, in, bias ? 3 : 2, NULL);
    if (w->is_wanted[y]) { append_values(w, y, s); }
    rep_graph_set_scope(w->graph, NULL);
}

/* Values are wanted of what the host reads and what other nodes take. */
static void find_wanted(rewrite *w) {
    char name[REP_NAME_BYTES];
    for (rep_id id = 1; id < w->graph->tensor_count; id++) {
        w->is_wanted[id] = w->graph->tensors[id].is_kept;
    }
    for (uint32_t n = 0; n < w->node_count; n++) {
        const rep_node *node = &w->nodes[n];
        const bool takes_grid = is_int8(w, node, name);
        for (uint32_t i = 0; i < node->in_count; i++) {
            if (!takes_grid) { w->is_wanted[node->in[i]] = true; }
        }
        if (takes_grid && !is_clamp(((const rep_conv2d_params *)node->params)->act)) {
            w->is_wanted[node->out[0]] = true;
        }
    }
}

static void append_all(rewrite *w) {
    char name[REP_NAME_BYTES];
    find_wanted(w);
    w->graph->node_count = 0;
    for (uint32_t n = 0; n < w->node_count && w->graph->fault == REP_OK; n++) {
        const rep_node *node = &w->nodes[n];
        if (is_int8(w, node, name)) {
            append_layer(w, node, name);
            continue;
        }
        write_into(w, node->op, node->params, node->in, node->in_count, node->out, node->out_count);
        if (w->graph->fault != REP_OK) { return; }
        w->graph->nodes[w->graph->node_count - 1].name = node->name;
    }
}

rep_status rep_int8_rewrite(rep_graph *graph, const char *only) {
    REP_TRY(rep_graph_check(graph));
    rewrite w = {.graph = graph, .only = only, .node_count = graph->node_count};
    const size_t nodes = graph->node_count, tensors = graph->tensor_count;
    w.nodes = malloc((nodes + 1) * sizeof *w.nodes);
    w.grids = calloc(nodes + 1, sizeof *w.grids);
    w.sums = calloc(tensors, sizeof *w.sums);
    w.is_wanted = calloc(tensors, sizeof *w.is_wanted);
    rep_status status = REP_OK;
    if (w.nodes && w.grids && w.sums && w.is_wanted) {
        memcpy(w.nodes, graph->nodes, nodes * sizeof *w.nodes);
        append_all(&w);
        status = rep_graph_check(graph);
    } else {
        status = rep_fail(REP_ERR_MEMORY, "int8: no memory");
    }
    free(w.nodes);
    free(w.grids);
    free(w.sums);
    free(w.is_wanted);
    return status;
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* Range and zero point as ONNX's QuantizeLinear takes them; 0 is a whole number of the scale. The
 * zero point is rounded first and the scale then holds both ends: with the scale of the whole range
 * a symmetric one would have 127.5 in front of 0, and every pixel would lie between two numbers. */
static void set_input(rep_int8_values *out, double low, double high) {
    low = fmin(low, 0);
    high = fmax(high, 0);
    const double most = REP_INT8_INPUT_MOST;
    const double zero = high > low ? nearbyint(-low / (high - low) * most) : 0;
    double scale = 0;
    if (zero > 0) { scale = -low / zero; }
    if (zero < most) { scale = fmax(scale, high / (most - zero)); }
    out->input_scale = scale >= (double)FLT_MIN ? (float)scale : 1;
    out->input_zero = (float)zero;
}

void rep_int8_quantize(rep_int8_values *out, const float *weight, const float *bias, size_t n,
                       size_t row, double low, double high) {
    set_input(out, low, high);
    for (size_t c = 0; c < n; c++) {
        const float *w = weight + c * row;
        double largest = 0;
        for (size_t i = 0; i < row; i++) { largest = fmax(largest, fabs((double)w[i])); }
        const double step = largest / REP_INT8_WEIGHT_MOST;
        const float scale = step >= (double)FLT_MIN ? (float)step : 1;
        out->weight_scale[c] = scale;
        for (size_t i = 0; i < row; i++) {
            const double q = nearbyint((double)w[i] / (double)scale);
            out->weight[c * row + i] =
                (float)fmin(fmax(q, -REP_INT8_WEIGHT_MOST), REP_INT8_WEIGHT_MOST);
        }
        if (!bias) { continue; }
        /* Beyond 2^24 the nearest float is taken, which is a whole number as well. */
        const double unit = (double)(out->input_scale * scale);
        const double q = nearbyint((double)bias[c] / unit);
        out->bias[c] = (float)fmin(fmax(q, -REP_INT8_BIAS_MOST), REP_INT8_BIAS_MOST);
    }
}

double rep_int8_sum_bound(const float *weight, const float *bias, size_t n, size_t row,
                          float zero) {
    const double low = -(double)zero, high = REP_INT8_INPUT_MOST - (double)zero;
    double bound = 0;
    for (size_t c = 0; c < n; c++) {
        double up = 0, down = 0;
        for (size_t i = 0; i < row; i++) {
            const double w = (double)weight[c * row + i];
            up += fmax(w * low, w * high);
            down += fmax(-w * low, -w * high);
        }
        const double own = fmax(up, down) + (bias ? fabs((double)bias[c]) : 0);
        if (isnan(own)) { return own; } /* fmax would leave it out */
        bound = fmax(bound, own);
    }
    return bound;
}

static rep_status layer_bound(double *out, rep_program *program, const rep_int8_layer *layer,
                              rep_id zero) {
    const size_t n = (size_t)layer->shape.n, count = rep_shape_count(layer->shape);
    float *weight = calloc(count + n, sizeof *weight), point = 0;
    if (!weight) { return rep_fail(REP_ERR_MEMORY, "int8: no memory"); }
    rep_status status = rep_program_read(program, layer->weight, weight, count);
    if (status == REP_OK && layer->bias) {
        status = rep_program_read(program, layer->bias, weight + count, n);
    }
    if (status == REP_OK) { status = rep_program_read(program, zero, &point, 1); }
    *out = rep_int8_sum_bound(weight, weight + count, n, count / n, point);
    free(weight);
    return status;
}

rep_status rep_int8_check_sums(const rep_graph *graph, rep_program *program, bool is_double) {
    rep_int8_layer *layers = NULL;
    size_t count = 0;
    if (is_double) { return REP_OK; }
    REP_TRY(rep_int8_layers(&layers, &count, graph));
    rep_status status = REP_OK;
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        char name[REP_NAME_BYTES];
        double bound = 0;
        if (!rep_nn_name(name, layers[i].name, "input_zero_point")) { continue; }
        const rep_id zero = rep_graph_find(graph, name);
        if (!zero) { continue; } /* a layer that works in values */
        status = layer_bound(&bound, program, &layers[i], zero);
        if (status == REP_OK && !(bound <= REP_INT8_SUM_MOST)) {
            status =
                rep_fail(REP_ERR_NUMERIC,
                         "%s: its sums may come to %.0f, and float32 holds whole numbers up to "
                         "%.0f; use --device cpu:float64",
                         layers[i].name, bound, REP_INT8_SUM_MOST);
        }
    }
    free(layers);
    return status;
}
