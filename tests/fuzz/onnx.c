/* onnx.c - an ONNX file; everything it says of itself is looked at. */
#include "repopt/onnx.h"
#include "fuzz.h"

static size_t look_at(const rep_onnx_value *values, size_t count) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        length += strlen(values[i].name) + strlen(values[i].type);
        if (values[i].rank > REP_TENSOR_MAX_RANK) { abort(); }
        for (int32_t d = 0; d < values[i].rank; d++) {
            const rep_onnx_dim *dim = &values[i].dims[d];
            length += dim->name ? strlen(dim->name) : 0;
            if (!dim->name && dim->size < 0) { abort(); }
        }
    }
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    rep_onnx_file *file = NULL;
    if (rep_onnx_parse(&file, "x", bytes, count) != REP_OK) {
        if (strchr(rep_last_error(), '\n')) { abort(); }
        return 0;
    }
    const rep_onnx_facts *f = rep_onnx_facts_get(file);
    size_t length = strlen(f->producer) + look_at(f->inputs, f->input_count) +
                    look_at(f->outputs, f->output_count) +
                    look_at(f->initializers, f->initializer_count);
    size_t nodes = 0;
    for (size_t i = 0; i < f->op_count; i++) { nodes += f->ops[i].count; }
    for (size_t i = 0; i < f->metadata_count; i++) {
        length += strlen(f->metadata[i].key) + strlen(f->metadata[i].value);
    }
    if (nodes != f->node_count || length > 8 * count + 64) { abort(); }
    rep_onnx_close(file);
    return 0;
}
