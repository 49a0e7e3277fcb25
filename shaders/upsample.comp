// upsample - nearest neighbour: y[i, j] = x[floor(i h / oh), floor(j w / ow)].
//
// x {n,c,h,w}; y {n,c,oh,ow}. Element by element.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"
#include "common/pixel.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };

void main() {
    const ivec4 from = args.x_shape, to = args.y_shape;
    REP_EACH(i, shape_count(to)) {
        const pixel at = pixel_of(i, to);
        y[i] = x[pixel_at(from, at.n, at.y * from.z / to.z, at.x * from.w / to.w, at.c)];
    }
}
