/* half.c - IEEE 754 binary16 to and from float, rounding to nearest, ties to even. */
#include <string.h>

#include "base/base.h"

float rep_half_to_float(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t exponent = half >> 10 & 0x1Fu, fraction = half & 0x3FFu;
    float value;
    if (exponent == 0) {
        /* Zero or subnormal: fraction * 2^-24. */
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    const uint32_t bits =
        sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t rep_half_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    bits &= 0x7FFFFFFFu;
    if (bits >= 0x7F800000u) { /* infinity, or a NaN that stays one */
        return (uint16_t)(sign | 0x7C00u | (bits > 0x7F800000u ? 0x200u : 0u));
    }
    if (bits >= 0x477FF000u) { return (uint16_t)(sign | 0x7C00u); } /* 65520 and above */
    if (bits < 0x38800000u) {
        /* Below the smallest normal half: adding 1/2 leaves round(x * 2^24) in the low bits. */
        float shifted;
        memcpy(&shifted, &bits, sizeof shifted);
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3F000000u));
    }
    const uint32_t odd = bits >> 13 & 1u;
    return (uint16_t)(sign | ((bits - 0x38000000u + 0xFFFu + odd) >> 13));
}
