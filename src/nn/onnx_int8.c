/* onnx_int8.c - what a net in whole numbers has beside its nodes in an ONNX file: zero points and
 * the scales of biases.
 */
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

/* ---- zero points -------------------------------------------------------------------------------
 */

/* By type of the numbers: the byte that fills it, and how many there are in one. */
typedef struct zero_point {
    int byte;
    size_t bytes;
} zero_point;

static rep_status fill_bytes(void *context, void *elements, size_t count) {
    const zero_point *zero = context;
    memset(elements, zero->byte, count * zero->bytes);
    return REP_OK;
}

void rep_nn_onnx_zero_points(rep_onnx *net, const char *name, rep_tensor_type type, int32_t count) {
    static const zero_point signed_8 = {0, 1}, unsigned_8 = {REP_ONNX_UINT8_ZERO, 1},
                            signed_32 = {0, 4};
    const zero_point *zero = type == REP_TENSOR_U8    ? &unsigned_8
                             : type == REP_TENSOR_I32 ? &signed_32
                                                      : &signed_8;
    const rep_tensor_source zeros = {.name = name,
                                     .type = type,
                                     .shape = {count},
                                     .rank = 1,
                                     .fill = fill_bytes,
                                     .context = (void *)zero};
    rep_onnx_initializer(net, &zeros);
}

/* ---- biases ------------------------------------------------------------------------------------
 */

static rep_status read_named(float *out, const rep_graph *graph, rep_program *program,
                             const char *layer, const char *part, size_t count) {
    char name[REP_NAME_BYTES];
    const rep_id id = rep_nn_name(name, layer, part) ? rep_graph_find(graph, name) : 0;
    if (!id) { return rep_fail(REP_ERR_DATA, "ONNX: %s has no %s", layer, part); }
    return rep_program_read(program, id, out, count);
}

static rep_status append_bias_scale(rep_onnx *net, const rep_graph *graph, rep_program *program,
                                    const rep_int8_layer *layer) {
    const size_t count = (size_t)layer->shape.n;
    char name[REP_NAME_BYTES];
    float *scales = calloc(count + 1, sizeof *scales);
    if (!scales) { return rep_fail(REP_ERR_MEMORY, "ONNX: no memory"); }
    rep_status status = read_named(scales, graph, program, layer->name, "weight_scale", count);
    if (status == REP_OK) {
        status = read_named(scales + count, graph, program, layer->name, "input_scale", 1);
    }
    for (size_t i = 0; i < count; i++) { scales[i] *= scales[count]; }
    if (status == REP_OK) {
        (void)rep_nn_name(name, layer->name, "bias_scale"); /* shorter than weight_scale's */
        rep_onnx_floats(net, name, scales, &(int64_t){(int64_t)count}, 1);
    }
    free(scales);
    return status;
}

rep_status rep_nn_onnx_bias_scales(rep_onnx *net, const rep_graph *graph, rep_program *program) {
    rep_int8_layer *layers = NULL;
    size_t count = 0;
    REP_TRY(rep_int8_layers(&layers, &count, graph));
    rep_status status = REP_OK;
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        char name[REP_NAME_BYTES];
        const bool is_whole = rep_int8_is_whole(name, graph, layers[i].weight);
        if (is_whole && layers[i].bias) {
            status = append_bias_scale(net, graph, program, &layers[i]);
        }
    }
    free(layers);
    return status;
}
