/* tensor.c - element types, and elements of a file as floats, doubles or whole numbers. The file's
 * bytes may lie at any address, so each element is copied out before it is converted. */
#include <string.h>

#include "format/format.h"

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
#define TYPE_ROW(name, bytes) {#name, bytes},
    REP_TENSOR_TYPES(TYPE_ROW)
#undef TYPE_ROW
};

const char *rep_tensor_type_name(rep_tensor_type type) { return types[type].name; }

size_t rep_tensor_type_bytes(rep_tensor_type type) { return types[type].bytes; }

size_t rep_tensor_prefix(const char *name) {
    static const char *const whole[] = {"ema.", "scales."};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        if (strncmp(name, whole[i], strlen(whole[i])) == 0) { return strlen(whole[i]); }
    }
    static const char optimizer[] = "optimizer.";
    if (strncmp(name, optimizer, sizeof optimizer - 1) != 0) { return 0; }
    const char *dot = strchr(name + sizeof optimizer - 1, '.');
    return dot ? (size_t)(dot - name) + 1 : strlen(name);
}

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
    break
#define COPY                                                                                       \
    if (info->count > 0) { memcpy(out, bytes, info->count * sizeof *out); }                        \
    break
#define IS_TRUE 0 !=

void rep_tensor_read_f32(const rep_tensor_info *info, float *out) {
    const unsigned char *bytes = info->bytes;
    switch (info->type) {
    case REP_TENSOR_F32:
        COPY;
    case REP_TENSOR_F16:
        CONVERT(uint16_t, rep_half_to_float);
    case REP_TENSOR_BF16:
        CONVERT(uint16_t, float_from_bfloat);
    case REP_TENSOR_F64:
        CONVERT(double, (float));
    case REP_TENSOR_I64:
        CONVERT(int64_t, (float));
    case REP_TENSOR_I32:
        CONVERT(int32_t, (float));
    case REP_TENSOR_I16:
        CONVERT(int16_t, (float));
    case REP_TENSOR_I8:
        CONVERT(int8_t, (float));
    case REP_TENSOR_U8:
        CONVERT(uint8_t, (float));
    case REP_TENSOR_BOOL:
        CONVERT(uint8_t, IS_TRUE);
    case REP_TENSOR_TYPE_COUNT:
        break;
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
        COPY;
    case REP_TENSOR_I64:
        CONVERT(int64_t, (double));
    case REP_TENSOR_I32:
        CONVERT(int32_t, (double));
    case REP_TENSOR_I16:
        CONVERT(int16_t, (double));
    case REP_TENSOR_I8:
        CONVERT(int8_t, (double));
    case REP_TENSOR_U8:
        CONVERT(uint8_t, (double));
    case REP_TENSOR_BOOL:
        CONVERT(uint8_t, IS_TRUE);
    case REP_TENSOR_TYPE_COUNT:
        break;
    }
}

rep_status rep_tensor_read_i64(const rep_tensor_info *info, int64_t *out) {
    const unsigned char *bytes = info->bytes;
    switch (info->type) {
    case REP_TENSOR_I64:
        COPY;
    case REP_TENSOR_I32:
        CONVERT(int32_t, (int64_t));
    case REP_TENSOR_I16:
        CONVERT(int16_t, (int64_t));
    case REP_TENSOR_I8:
        CONVERT(int8_t, (int64_t));
    case REP_TENSOR_U8:
        CONVERT(uint8_t, (int64_t));
    case REP_TENSOR_BOOL:
        CONVERT(uint8_t, IS_TRUE);
    default:
        return rep_fail(REP_ERR_DATA, "tensor \"%.80s\": holds fractions, wanted whole numbers",
                        info->name);
    }
    return REP_OK;
}
