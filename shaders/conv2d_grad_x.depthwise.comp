// conv2d_grad_x.depthwise - the gradient with respect to the input, one channel per group.
//
// dy {n,c,oh,ow}, w {c,1,kh,kw} -> dx {n,c,h,w}, groups = c:
// dx[n,c,y,x] = sum over r, s with y + pad - r = i*stride, x + pad - s = j*stride of
//               dy[n,c,i,j] w[c,0,r,s]
//
// Grid `element`: an invocation per element, or per four channels where c is a multiple of 4. Of
// the taps only every stride-th is visited: the others touch no pixel of dy.
#version 450
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/conv.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 0) readonly buffer input_0_by_4 { act4_t dy4[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t w[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t dx[]; };
layout(std430, binding = 2) writeonly buffer output_0_by_4 { act4_t dx4[]; };

uint taps() { return uint(args.w_shape.z * args.w_shape.w); }

vec4 kernels_at(uint c, uint tap) {
    const uint at = c * taps() + tap;
    return vec4(w[at], w[at + taps()], w[at + 2u * taps()], w[at + 3u * taps()]);
}

// The pixel of dy that reaches input pixel (n, y, x) by tap (r, s), -1 for none.
int pixel_over(uvec3 pixel, uint r, uint s) {
    const ivec2 at = (ivec2(pixel.yz) + int(pad) - ivec2(r, s)) / int(stride);
    const bool is_before = pixel.y + pad < r || pixel.z + pad < s;
    const int line = int(pixel.x) * args.x_shape.z + at.x;
    return !is_before && is_inside(at, args.x_shape) ? line * args.x_shape.w + at.y : -1;
}

vec4 sum_4(uvec3 pixel, uint c) {
    const uint kh = uint(args.w_shape.z), kw = uint(args.w_shape.w), pitch = uint(args.x_shape.y);
    vec4 sum = vec4(0.0);
    for (uint r = (pixel.y + pad) % stride; r < kh; r += stride) {
        for (uint s = (pixel.z + pad) % stride; s < kw; s += stride) {
            const int at = pixel_over(pixel, r, s);
            const vec4 v = vec4(dy4[(uint(max(at, 0)) * pitch + c) / 4u]);
            sum = fma(at < 0 ? vec4(0.0) : v, kernels_at(c, r * kw + s), sum);
        }
    }
    return sum;
}

float sum_1(uvec3 pixel, uint c) {
    const uint kh = uint(args.w_shape.z), kw = uint(args.w_shape.w), pitch = uint(args.x_shape.y);
    float sum = 0.0;
    for (uint r = (pixel.y + pad) % stride; r < kh; r += stride) {
        for (uint s = (pixel.z + pad) % stride; s < kw; s += stride) {
            const int at = pixel_over(pixel, r, s);
            const float v = float(dy[uint(max(at, 0)) * pitch + c]);
            sum = fma(at < 0 ? 0.0 : v, float(w[c * taps() + r * kw + s]), sum);
        }
    }
    return sum;
}

void main() {
    const uint pitch = uint(args.y_shape.y), unit = pitch % 4u == 0u ? 4u : 1u;
    REP_EACH(i, shape_count(args.y_shape) / unit) {
        const uint p = i / (pitch / unit), c = (i - p * (pitch / unit)) * unit;
        const uvec3 pixel = pixel_of(p, uvec2(args.y_shape.zw));
        if (unit == 4u) {
            dx4[i] = act4_t(sum_4(pixel, c));
        } else {
            dx[i] = act_t(sum_1(pixel, c));
        }
    }
}
