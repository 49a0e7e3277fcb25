/* onnx_type.c - what tells an ONNX file, and its element types. */
#include <string.h>

#include "format/onnx.h"
#include "repopt/onnx.h"

static const struct {
    uint64_t number;
    const char *name;
    size_t bytes;
} types[] = {
#define REP_ONNX_TYPE_ROW(number, name, bytes) {number, name, bytes},
    REP_ONNX_TYPES(REP_ONNX_TYPE_ROW)
#undef REP_ONNX_TYPE_ROW
};

int64_t rep_onnx_type_number(rep_tensor_type type) {
    const char *name = rep_tensor_type_name(type);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) == 0) { return (int64_t)types[i].number; }
    }
    return 0;
}

const char *rep_onnx_type_name(uint64_t number, size_t *bytes) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].number != number) { continue; }
        if (bytes != NULL) { *bytes = types[i].bytes; }
        return types[i].name;
    }
    if (bytes != NULL) { *bytes = 0; }
    return "?";
}

/* Field 1, ir_version, a small number, and a further field: writers of protobuf go by number. A
 * safetensors file may begin with an 8, the length of its header, whose next bytes but one are 0.
 */
bool rep_onnx_is_like(const void *bytes, size_t count) {
    const uint8_t *b = bytes;
    return count >= 4 && b[0] == (REP_ONNX_MODEL_IR << 3 | REP_WIRE_VARINT) && b[1] > 0 &&
           b[1] < 64 && b[2] != 0;
}

bool rep_onnx_file_is_like(const char *path) {
    rep_file_view view;
    if (rep_file_open(&view, path) != REP_OK) { return false; }
    const bool is_like = rep_onnx_is_like(view.bytes, view.count);
    rep_file_close(&view);
    return is_like;
}
