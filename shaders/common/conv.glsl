// conv.glsl - what the convolution shaders share: their constants, four channels at once, division.
#ifndef REP_CONV_GLSL
#define REP_CONV_GLSL

#ifdef REP_F16
#define act4_t f16vec4
#else
#define act4_t vec4
#endif

layout(constant_id = 1) const uint stride = 1;
layout(constant_id = 2) const uint pad = 0;
layout(constant_id = 3) const uint groups = 1;

// A divisor met in every step: the quotient comes from its reciprocal, off by one at most while it
// is below 2^22, and is put right.
struct divisor {
    uint by;
    float inverse;
};

divisor divisor_of(uint by) { return divisor(by, 1.0 / float(by)); }

uint divide(uint a, divisor d) {
    const uint q = uint(float(a) * d.inverse);
    const int rest = int(a - q * d.by);
    return rest < 0 ? q - 1u : uint(rest) >= d.by ? q + 1u : q;
}

// Is pixel `at` (y, x) inside a picture of that shape?
bool is_inside(ivec2 at, ivec4 shape) {
    return uint(at.x) < uint(shape.z) && uint(at.y) < uint(shape.w);
}

// Pixel p of pictures of that size (height, width): picture, y, x.
uvec3 pixel_of(uint p, uvec2 size) {
    const uint line = p / size.y, n = line / size.x;
    return uvec3(n, line - n * size.x, p - line * size.y);
}

#endif
