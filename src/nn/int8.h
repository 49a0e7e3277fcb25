/* int8.h - folded nets in whole numbers; part of the nn room's face.
 *
 * A convolution's weights are w = s_w[c] * q, q in -127 .. 127, a scale per output channel, and no
 * zero point; its input x = s_x * (q - z), q in 0 .. 255, one scale and zero point per tensor; its
 * bias is a whole number of s_x * s_w[c]. Its sum is then a whole number too, and
 * y = s_x * s_w[c] * sum. That is what an ONNX file says with QuantizeLinear and DequantizeLinear
 * around a Conv, and what ONNX Runtime computes of it in 32 bits.
 *
 * Tensors of a layer "stage0.conv": stage0.conv.weight and .bias hold q, beside .weight_scale {c}
 * and the scalars .input_scale and .input_zero_point. All are REP_F32 in a graph; files have I8,
 * I32, F32, U8.
 */
#ifndef REP_NN_INT8_H
#define REP_NN_INT8_H

#include "format/format.h"
#include "graph/graph.h"
#include "repopt/device.h"
#include "repopt/model.h"

enum { REP_INT8_WEIGHT_MOST = 127, REP_INT8_INPUT_MOST = 255 };
/* The last float of 32 bits. */
#define REP_INT8_BIAS_MOST 2147483520.0

/* Every partial sum of a convolution stays below this, or float32 may round it. */
#define REP_INT8_SUM_MOST 16777216.0

/* A convolution with its weights in state, of which nodes of one graph may share one. */
typedef struct rep_int8_layer {
    char name[REP_NAME_BYTES]; /* "stage0.conv" */
    rep_id weight, bias;       /* bias 0: none */
    rep_shape shape;           /* of the weight: c_out, c_in / groups, kh, kw */
} rep_int8_layer;

/* The layers of a folded net in order of work. *out is malloc'd. REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_int8_layers(rep_int8_layer **out, size_t *count,
                                         const rep_graph *graph);
/* Which layer a node is of, an index of `layers`; `count` for other nodes. */
size_t rep_int8_layer_of(const rep_int8_layer *layers, size_t count, const rep_node *node);

/* Makes the layers of an evaluation graph, or the one named `only`, work in whole numbers; before
 * its program is made. Ids of tensors stay; those that only such layers read are no longer written.
 * Convolutions go the direct way: Winograd's transforms are of fractions. REP_ERR_MEMORY, and the
 * graph's own faults. */
REP_NODISCARD rep_status rep_int8_rewrite(rep_graph *graph, const char *only);

/* The type that a tensor has in a file: whole numbers in graphs that were rewritten. */
rep_tensor_type rep_int8_type(const rep_graph *graph, const char *name);
/* What a value of such a graph may be: low .. high, and a whole number. */
typedef struct rep_int8_range {
    double low, high;
    bool is_whole;
} rep_int8_range;
/* Of a tensor of a layer in whole numbers, its scales included; NULL for others. */
const rep_int8_range *rep_int8_range_of(const rep_graph *graph, const char *name);
/* Whether a weight is of such a layer, of which `layer` gets the name. */
bool rep_int8_is_whole(char layer[REP_NAME_BYTES], const rep_graph *graph, rep_id weight);

/* The same layer's values; arrays in storage order. */
typedef struct rep_int8_values {
    float *weight, *bias, *weight_scale; /* of which weight and bias hold whole numbers */
    float input_scale, input_zero;
} rep_int8_values;
/* Quantises weight[n * row] and bias[n] (NULL: none) for inputs low .. high, which are widened to
 * hold 0. `out`'s arrays are the caller's. A channel without weights, or with
 * none that a normal float could be the scale of, gets the scale 1. */
void rep_int8_quantize(rep_int8_values *out, const float *weight, const float *bias, size_t n,
                       size_t row, double low, double high);
/* The largest partial sum that any input and any order of work may give; NaN where a value is. */
double rep_int8_sum_bound(const float *weight, const float *bias, size_t n, size_t row, float zero);
/* Whether a program with a rewritten graph computes exact sums on its device: always in double
 * precision. REP_ERR_NUMERIC names the layer and says what to do. */
REP_NODISCARD rep_status rep_int8_check_sums(const rep_graph *graph, rep_program *program,
                                             bool is_double);

#endif
