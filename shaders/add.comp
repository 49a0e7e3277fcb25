// add - y = a + b, element by element.
//
// a, b, y: any shape, equal. y may lie in a's memory.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t a[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t b[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t y[]; };

void main() {
    REP_EACH(i, shape_count(args.y_shape)) { y[i] = act_t(float(a[i]) + float(b[i])); }
}
