// act_grad - gradient of an activation: dx = dy * act'(x), element by element.
//
// x, dy, dx: any shape, equal.
#version 450
#define REP_PARAMS rep_act_params
#include "common/args.glsl"
#include "common/act.glsl"

layout(constant_id = 1) const uint act = 0;

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t dy[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t dx[]; };

void main() {
    REP_EACH(i, shape_count(args.y_shape)) {
        dx[i] = act_t(act_grad_of(act, float(x[i]), float(dy[i])));
    }
}
