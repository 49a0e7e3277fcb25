// conv2d_grad_w.depthwise - the gradient with respect to the weight, one channel per group. Pass 1:
// one chunk of pixels.
//
// x {n,c,h,w}, dy {n,c,oh,ow} -> dw {c,1,kh,kw}, groups = c:
// dw[c,0,r,s] = sum over n, i, j of dy[n,c,i,j] x[n, c, i*stride + r - pad, j*stride + s - pad]
// scratch [chunk][c][kh][kw]: the sum over the chunk's (n, i, j).
//
// Grid: x an invocation per weight, neighbours at neighbouring channels; y chunks, args.chunk
// pixels of dy each.
#version 450
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/conv.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t dy[]; };
layout(std430, binding = 3) writeonly buffer scratch_0 { float scratch[]; };

// The sum over pixels [first, end) of dy, of channel c and tap (r, s).
float sum_pixels(uint first, uint end, uint c, uvec2 tap) {
    const ivec4 xs = args.x_shape;
    const uint pitch = uint(xs.y);
    uvec3 pixel = pixel_of(first, uvec2(args.w_shape.zw));
    float sum = 0.0;
    for (uint p = first; p < end; p++) {
        const ivec2 at = ivec2(pixel.yz * stride + tap) - int(pad);
        const bool exists = is_inside(at, xs);
        const uint line = pixel.x * uint(xs.z) + uint(at.x);
        const float v = float(x[exists ? (line * uint(xs.w) + uint(at.y)) * pitch + c : c]);
        sum = fma(exists ? v : 0.0, float(dy[p * pitch + c]), sum);
        pixel.z++;
        if (pixel.z == uint(args.w_shape.w)) { pixel.yz = uvec2(pixel.y + 1u, 0u); }
        if (pixel.y == uint(args.w_shape.z)) { pixel.xy = uvec2(pixel.x + 1u, 0u); }
    }
    return sum;
}

void main() {
    const uint channels = uint(args.y_shape.x), kw = uint(args.y_shape.w);
    const uint weights = shape_count(args.y_shape), pixels = shape_rows(args.w_shape);
    for (uint chunk = gl_WorkGroupID.y; chunk < args.chunks; chunk += gl_NumWorkGroups.y) {
        const uint first = chunk * args.chunk, end = min(first + args.chunk, pixels);
        REP_EACH(i, weights) {
            const uint tap = i / channels, c = i - tap * channels;
            const float sum = sum_pixels(first, end, c, uvec2(tap / kw, tap % kw));
            scratch[chunk * weights + c * (weights / channels) + tap] = sum;
        }
    }
}
