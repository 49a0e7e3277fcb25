// act - y = act(x), element by element.
//
// x, y: any shape, equal. y may lie in x's memory.
#version 450
#define REP_PARAMS rep_act_params
#include "common/args.glsl"
#include "common/act.glsl"

layout(constant_id = 1) const uint act = 0;

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };

void main() {
    REP_EACH(i, shape_count(args.y_shape)) { y[i] = act_t(act_of(act, float(x[i]))); }
}
