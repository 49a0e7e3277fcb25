/* onnx.h - the numbers of the ONNX format that are written or read: fields of onnx.proto's
 * messages, element types. Private to the format room. */
#ifndef REP_FORMAT_ONNX_H
#define REP_FORMAT_ONNX_H

#include "format/format.h"

/* How a protobuf field is laid out; the low bits of its tag. */
enum { REP_WIRE_VARINT = 0, REP_WIRE_EIGHT = 1, REP_WIRE_BYTES = 2, REP_WIRE_FOUR = 5 };

enum {
    /* ModelProto */
    REP_ONNX_MODEL_IR = 1,
    REP_ONNX_MODEL_PRODUCER = 2,
    REP_ONNX_MODEL_PRODUCER_VERSION = 3,
    REP_ONNX_MODEL_GRAPH = 7,
    REP_ONNX_MODEL_OPSET = 8,
    REP_ONNX_MODEL_METADATA = 14,
    /* OperatorSetIdProto, StringStringEntryProto */
    REP_ONNX_OPSET_DOMAIN = 1,
    REP_ONNX_OPSET_VERSION = 2,
    REP_ONNX_ENTRY_KEY = 1,
    REP_ONNX_ENTRY_VALUE = 2,
    /* GraphProto */
    REP_ONNX_GRAPH_NODE = 1,
    REP_ONNX_GRAPH_NAME = 2,
    REP_ONNX_GRAPH_INITIALIZER = 5,
    REP_ONNX_GRAPH_INPUT = 11,
    REP_ONNX_GRAPH_OUTPUT = 12,
    /* NodeProto */
    REP_ONNX_NODE_INPUT = 1,
    REP_ONNX_NODE_OUTPUT = 2,
    REP_ONNX_NODE_NAME = 3,
    REP_ONNX_NODE_OP = 4,
    REP_ONNX_NODE_ATTRIBUTE = 5,
    /* AttributeProto, and its types */
    REP_ONNX_ATTRIBUTE_NAME = 1,
    REP_ONNX_ATTRIBUTE_FLOAT = 2,
    REP_ONNX_ATTRIBUTE_INT = 3,
    REP_ONNX_ATTRIBUTE_TEXT = 4,
    REP_ONNX_ATTRIBUTE_INTS = 8,
    REP_ONNX_ATTRIBUTE_TYPE = 20,
    REP_ONNX_FLOAT = 1,
    REP_ONNX_INT = 2,
    REP_ONNX_TEXT = 3,
    REP_ONNX_INTS = 7,
    /* ValueInfoProto, TypeProto, TypeProto.Tensor, TensorShapeProto and its Dimension */
    REP_ONNX_VALUE_NAME = 1,
    REP_ONNX_VALUE_TYPE = 2,
    REP_ONNX_TYPE_TENSOR = 1,
    REP_ONNX_TYPE_ELEMENT = 1,
    REP_ONNX_TYPE_SHAPE = 2,
    REP_ONNX_SHAPE_DIM = 1,
    REP_ONNX_DIM_VALUE = 1,
    REP_ONNX_DIM_PARAM = 2,
    /* TensorProto; data_location 1 is another file */
    REP_ONNX_TENSOR_DIMS = 1,
    REP_ONNX_TENSOR_TYPE = 2,
    REP_ONNX_TENSOR_NAME = 8,
    REP_ONNX_TENSOR_RAW = 9,
    REP_ONNX_TENSOR_LOCATION = 14
};

/* TensorProto.DataType: number, name here, bytes of an element (0: no fixed number). */
#define REP_ONNX_TYPES(X)                                                                          \
    X(1, "F32", 4)                                                                                 \
    X(2, "U8", 1)                                                                                  \
    X(3, "I8", 1)                                                                                  \
    X(4, "U16", 2)                                                                                 \
    X(5, "I16", 2)                                                                                 \
    X(6, "I32", 4)                                                                                 \
    X(7, "I64", 8)                                                                                 \
    X(8, "STRING", 0)                                                                              \
    X(9, "BOOL", 1)                                                                                \
    X(10, "F16", 2)                                                                                \
    X(11, "F64", 8)                                                                                \
    X(12, "U32", 4)                                                                                \
    X(13, "U64", 8)                                                                                \
    X(14, "C64", 8)                                                                                \
    X(15, "C128", 16)                                                                              \
    X(16, "BF16", 2)

/* The number of one of our types; all of them have one. */
int64_t rep_onnx_type_number(rep_tensor_type type);
/* Name and bytes of a number: "?" and 0 of an unknown one. */
const char *rep_onnx_type_name(uint64_t number, size_t *bytes);

#endif
