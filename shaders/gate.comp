// gate - y = x * g, one factor per picture and channel, element by element.
//
// x, y {n,c,h,w}; g {n,c,1,1}. y may lie in x's memory.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t g[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t y[]; };

void main() {
    const uint columns = uint(args.y_shape.y);
    const uint picture = uint(args.y_shape.z) * uint(args.y_shape.w) * columns;
    REP_EACH(i, shape_count(args.y_shape)) {
        y[i] = act_t(float(x[i]) * float(g[i / picture * columns + i % columns]));
    }
}
