/* onnx.h - ONNX files: nets as other programs run them. A builder that writes one, and a reader
 * that says what one holds.
 *
 * An ONNX file is one protobuf message: a graph of nodes that name the values they take and give,
 * inputs, outputs, and initializers, the weights. https://github.com/onnx/onnx, onnx.proto.
 *
 *     rep_onnx *net = NULL;
 *     REP_TRY(rep_onnx_create(&net));
 *     rep_onnx_input(net, "x", (const rep_onnx_dim[]){{.name = "batch"}, {.size = 3}}, 2);
 *     REP_ONNX_NODE(net, "Relu", "y", "x");
 *     rep_onnx_node_end(net);
 *     rep_onnx_output(net, "y", REP_TENSOR_F32, dims, 2);
 *     REP_TRY(rep_onnx_write(net, "relu.onnx"));
 */
#ifndef REPOPT_ONNX_H
#define REPOPT_ONNX_H

#include "repopt/tensors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A dimension of a value: a number, or a name where it is only known when the net runs ("" and 0:
 * it says neither). */
typedef struct rep_onnx_dim {
    int64_t size;
    const char *name; /* NULL: `size` counts */
} rep_onnx_dim;

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct rep_onnx rep_onnx;

enum { REP_ONNX_OPSET = 17, REP_ONNX_IR = 8 };

/* An empty net of opset 17. Everything that is added is copied, but for the elements of
 * initializers; running out of memory is told by rep_onnx_write. */
REP_NODISCARD rep_status rep_onnx_create(rep_onnx **out);
/* NULL is fine. */
void rep_onnx_destroy(rep_onnx *net);

/* Inputs and outputs in the order of the file; rank at most REP_TENSOR_MAX_RANK. */
void rep_onnx_input(rep_onnx *net, const char *name, rep_tensor_type type, const rep_onnx_dim *dims,
                    int32_t rank);
void rep_onnx_output(rep_onnx *net, const char *name, rep_tensor_type type,
                     const rep_onnx_dim *dims, int32_t rank);
/* A text beside the net (metadata_props). What is no UTF-8 becomes '?'. */
void rep_onnx_metadata(rep_onnx *net, const char *key, const char *value);

/* Begins a node that makes `output` from inputs; "" leaves an optional one out. Nodes stand in the
 * order in which they run. More outputs and attributes follow, then rep_onnx_node_end. */
void rep_onnx_node(rep_onnx *net, const char *op, const char *output, const char *const *inputs,
                   size_t input_count);
#define REP_ONNX_NODE(net, op, output, ...)                                                        \
    rep_onnx_node(net, op, output, (const char *const[]){__VA_ARGS__},                             \
                  sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
void rep_onnx_node_output(rep_onnx *net, const char *output);
void rep_onnx_node_int(rep_onnx *net, const char *attribute, int64_t value);
void rep_onnx_node_ints(rep_onnx *net, const char *attribute, const int64_t *values, size_t count);
void rep_onnx_node_float(rep_onnx *net, const char *attribute, float value);
void rep_onnx_node_text(rep_onnx *net, const char *attribute, const char *value);
void rep_onnx_node_end(rep_onnx *net);

/* Weights: `source` as in rep_safetensors_write, in ONNX's own order (kernels c_out, c_in, kh, kw);
 * its context is borrowed until the net is written. */
void rep_onnx_initializer(rep_onnx *net, const rep_tensor_source *source);
/* Constants of any rank, copied. */
void rep_onnx_floats(rep_onnx *net, const char *name, const float *values, const int64_t *shape,
                     int32_t rank);
void rep_onnx_whole(rep_onnx *net, const char *name, const int64_t *values, const int64_t *shape,
                    int32_t rank);

/* Writes the file, whole or not at all, an initializer at a time. Errors: REP_ERR_MEMORY;
 * REP_ERR_ARGUMENT for two initializers of one name, or a file of 2 GiB and more, where protobuf
 * messages end; REP_ERR_IO; what a `fill` returns. */
REP_NODISCARD rep_status rep_onnx_write(rep_onnx *net, const char *path);

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct rep_onnx_file rep_onnx_file;

/* An input, output or initializer. */
typedef struct rep_onnx_value {
    const char *name;
    const char *type; /* "F32", "I64" ..; "?" where the file does not say, or says something new */
    int32_t rank;     /* -1: the file does not say */
    rep_onnx_dim dims[REP_TENSOR_MAX_RANK];
    bool is_external; /* an initializer whose elements lie in another file */
} rep_onnx_value;

typedef struct rep_onnx_op {
    const char *name;
    size_t count; /* nodes */
} rep_onnx_op;

typedef struct rep_onnx_facts {
    int64_t ir_version, opset; /* of the standard ops; 0: not said */
    const char *producer;      /* "" where the file does not say */
    size_t node_count, byte_count;
    /* All borrowed from the file, in its order; ops in the order of their first node. */
    const rep_onnx_value *inputs, *outputs, *initializers;
    size_t input_count, output_count, initializer_count;
    const rep_onnx_op *ops;
    size_t op_count;
    const rep_metadata_pair *metadata;
    size_t metadata_count;
} rep_onnx_facts;

/* Whether bytes begin as an ONNX file does: with the version of its format. */
bool rep_onnx_is_like(const void *bytes, size_t count);
bool rep_onnx_file_is_like(const char *path);

/* Reads what a file says of itself; elements stay where they are, unread. Errors: REP_ERR_IO;
 * REP_ERR_DATA for another file or a damaged one, with the place and the fault; REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_onnx_open(rep_onnx_file **out, const char *path);
/* The same for bytes at hand, which are needed for the call alone; `name` is used in messages. */
REP_NODISCARD rep_status rep_onnx_parse(rep_onnx_file **out, const char *name, const void *bytes,
                                        size_t count);
/* Frees it; NULL is fine. */
void rep_onnx_close(rep_onnx_file *file);
const rep_onnx_facts *rep_onnx_facts_get(const rep_onnx_file *file);

#ifdef __cplusplus
}
#endif
#endif
