/* onnx_net.h - nets as ONNX; part of the nn room's face. */
#ifndef REP_NN_ONNX_NET_H
#define REP_NN_ONNX_NET_H

#include "graph/graph.h"
#include "nn/fcos_decode.h"
#include "repopt/device.h"
#include "repopt/model.h"
#include "repopt/onnx.h"

enum { REP_ONNX_NAME_BYTES = REP_NAME_BYTES + 12, REP_ONNX_UINT8_ZERO = 128 };

/* Keeps what an evaluation graph computes from parameters alone, merged kernels for one, so that it
 * can be read and written as an initializer. Before its program is made. */
REP_NODISCARD rep_status rep_nn_onnx_keep(rep_graph *graph);
/* What a tensor is called: a parameter's own name; that of anything else is made unique. */
void rep_nn_onnx_name(char out[REP_ONNX_NAME_BYTES], const rep_graph *graph, rep_id id);
/* Appends the nodes of an evaluation graph, from a value `image` to values named as rep_nn_outputs
 * does. is_used[tensor_count] tells which tensors must become initializers, weights in whole
 * numbers as REP_TENSOR_I8, or as REP_TENSOR_U8 with REP_ONNX_UINT8_ZERO added. REP_ERR_ARGUMENT
 * names an op that has no place there; REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_nn_onnx_append(rep_onnx *net, bool *is_used, const rep_graph *graph,
                                            const rep_model *model, const char *image,
                                            rep_tensor_type whole);
/* onnx_int8.c: `count` zero points of whole numbers of a type (REP_TENSOR_U8: REP_ONNX_UINT8_ZERO,
 * else 0) as an initializer. */
void rep_nn_onnx_zero_points(rep_onnx *net, const char *name, rep_tensor_type type, int32_t count);
/* Of a net in whole numbers, the scales of its biases as initializers. REP_ERR_DATA names a layer
 * without its scales; REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_nn_onnx_bias_scales(rep_onnx *net, const rep_graph *graph,
                                                 rep_program *program);
/* Appends decoding and suppression, as rep_fcos_decode does them, of a detector's values; pictures
 * fill the net's input of width x height. Values "boxes" {n, most, 4}, "scores" and "classes"
 * {n, most}, "keypoints" {n, most, K, 2}, declared as outputs. REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_nn_onnx_decode(rep_onnx *net, const rep_fcos_decoder *decoder,
                                            int32_t width, int32_t height);

#endif
