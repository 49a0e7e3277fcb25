// scale - y = x * s, one factor per channel or one in all, element by element.
//
// x, y {n,c,h,w}; s {1,c,1,1} or {1,1,1,1}. y may lie in x's memory.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float s[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t y[]; };

void main() {
    const uint factors = uint(args.w_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) { y[i] = act_t(float(x[i]) * s[i % factors]); }
}
