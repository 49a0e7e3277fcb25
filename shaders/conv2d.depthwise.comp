// conv2d.depthwise - y = act(b + x convolved with w), one channel per group.
//
// x {n,c,h,w}, w {c,1,kh,kw}, optional b {1,c,1,1}, y {n,c,oh,ow}, groups = c:
// y[n,c,i,j] = act(b[c] + sum w[c,0,r,s] x[n, c, i*stride + r - pad, j*stride + s - pad])
//
// Grid `element`: an invocation per element, or per four channels where c is a multiple of 4.
#version 450
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/act.glsl"
#include "common/conv.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 0) readonly buffer input_0_by_4 { act4_t x4[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t w[]; };
layout(std430, binding = 2) readonly buffer input_2 { float b[]; };
layout(std430, binding = 3) writeonly buffer output_0 { act_t y[]; };
layout(std430, binding = 3) writeonly buffer output_0_by_4 { act4_t y4[]; };

uint taps() { return uint(args.w_shape.z * args.w_shape.w); }

vec4 kernels_at(uint c, uint tap) {
    const uint at = c * taps() + tap;
    return vec4(w[at], w[at + taps()], w[at + 2u * taps()], w[at + 3u * taps()]);
}

// The pixel of x under tap (r, s) of output pixel (n, i, j), -1 outside.
int pixel_under(uvec3 pixel, uint r, uint s) {
    const ivec2 at = ivec2(pixel.yz * stride + uvec2(r, s)) - int(pad);
    const int line = int(pixel.x) * args.x_shape.z + at.x;
    return is_inside(at, args.x_shape) ? line * args.x_shape.w + at.y : -1;
}

vec4 sum_4(uvec3 pixel, uint c) {
    const uint kh = uint(args.w_shape.z), kw = uint(args.w_shape.w), pitch = uint(args.x_shape.y);
    vec4 sum = vec4(0.0);
    for (uint r = 0u; r < kh; r++) {
        for (uint s = 0u; s < kw; s++) {
            const int at = pixel_under(pixel, r, s);
            const vec4 v = vec4(x4[(uint(max(at, 0)) * pitch + c) / 4u]);
            sum = fma(at < 0 ? vec4(0.0) : v, kernels_at(c, r * kw + s), sum);
        }
    }
    return sum;
}

float sum_1(uvec3 pixel, uint c) {
    const uint kh = uint(args.w_shape.z), kw = uint(args.w_shape.w), pitch = uint(args.x_shape.y);
    float sum = 0.0;
    for (uint r = 0u; r < kh; r++) {
        for (uint s = 0u; s < kw; s++) {
            const int at = pixel_under(pixel, r, s);
            const float v = float(x[uint(max(at, 0)) * pitch + c]);
            sum = fma(at < 0 ? 0.0 : v, float(w[c * taps() + r * kw + s]), sum);
        }
    }
    return sum;
}

float finish(float sum, uint c) {
    return act_of(args.p.act, has_input(2u) ? sum + b[c] : sum);
}

void main() {
    const uint pitch = uint(args.y_shape.y), unit = pitch % 4u == 0u ? 4u : 1u;
    REP_EACH(i, shape_count(args.y_shape) / unit) {
        const uint p = i / (pitch / unit), c = (i - p * (pitch / unit)) * unit;
        const uvec3 pixel = pixel_of(p, uvec2(args.y_shape.zw));
        if (unit == 4u) {
            vec4 sum = sum_4(pixel, c);
            for (uint d = 0u; d < 4u; d++) { sum[d] = finish(sum[d], c + d); }
            y4[i] = act4_t(sum);
        } else {
            y[i] = act_t(finish(sum_1(pixel, c), c));
        }
    }
}
