/* tensor.c - elements of a safetensors file as floats, doubles or whole numbers. The file's bytes
 * may lie at any address, so each element is copied out before it is converted. */
#include <string.h>

#include "format/format.h"

static float float_from_bfloat(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#define CONVERT(source_type, convert)                                                              \
    for (size_t i = 0; i < info->count; i++) {                                                     \
        source_type element;                                                                       \
        memcpy(&element, bytes + i * sizeof element, sizeof element);                              \
        out[i] = convert(element);                                                                 \
    }                                                                                              \
    return

void rep_tensor_read_f32(const rep_tensor_info *info, float *out) {
    const unsigned char *bytes = info->bytes;
    switch (info->type) {
    case REP_TENSOR_F32:
        if (info->count > 0) { memcpy(out, bytes, info->count * sizeof *out); }
        return;
    case REP_TENSOR_F16:
        CONVERT(uint16_t, rep_half_to_float);
    case REP_TENSOR_BF16:
        CONVERT(uint16_t, float_from_bfloat);
    case REP_TENSOR_F64:
        CONVERT(double, (float));
    case REP_TENSOR_I32:
        CONVERT(int32_t, (float));
    case REP_TENSOR_I64:
        CONVERT(int64_t, (float));
    }
}

void rep_tensor_read_f64(const rep_tensor_info *info, double *out) {
    const unsigned char *bytes = info->bytes;
    switch (info->type) {
    case REP_TENSOR_F32:
        CONVERT(float, (double));
    case REP_TENSOR_F16:
        CONVERT(uint16_t, (double)rep_half_to_float);
    case REP_TENSOR_BF16:
        CONVERT(uint16_t, (double)float_from_bfloat);
    case REP_TENSOR_F64:
        if (info->count > 0) { memcpy(out, bytes, info->count * sizeof *out); }
        return;
    case REP_TENSOR_I32:
        CONVERT(int32_t, (double));
    case REP_TENSOR_I64:
        CONVERT(int64_t, (double));
    }
}

static rep_status read_whole(const rep_tensor_info *info, int64_t *out) {
    const unsigned char *bytes = info->bytes;
    if (info->type == REP_TENSOR_I64) {
        if (info->count > 0) { memcpy(out, bytes, info->count * sizeof *out); }
        return REP_OK;
    }
    CONVERT(int32_t, (int64_t)) REP_OK;
}

rep_status rep_tensor_read_i64(const rep_tensor_info *info, int64_t *out) {
    if (info->type != REP_TENSOR_I32 && info->type != REP_TENSOR_I64) {
        return rep_fail(REP_ERR_DATA, "tensor \"%.80s\": holds fractions, wanted whole numbers",
                        info->name);
    }
    return read_whole(info, out);
}
