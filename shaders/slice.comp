// slice - channels [begin, begin + count) of x, element by element.
//
// x {n,total,h,w}; y {n,count,h,w}.
#version 450
#define REP_PARAMS rep_slice_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };

void main() {
    const uint total = uint(args.x_shape.y), count = uint(args.y_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) {
        y[i] = x[i / count * total + args.p.begin + i % count];
    }
}
