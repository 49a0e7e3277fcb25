// cast - y = x in another precision, element by element.
//
// x, y: any shape, equal. Each binding is seen both as float and as act_t; in the plain variant
// both are float and the op is a copy. half 1: float to act_t, 0: act_t to float.
#version 450
#define REP_PARAMS rep_cast_params
#include "common/args.glsl"

layout(constant_id = 1) const uint to_half = 0;

layout(std430, binding = 0) readonly buffer input_0 { act_t x_half[]; };
layout(std430, binding = 0) readonly buffer input_0_float { float x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y_half[]; };
layout(std430, binding = 1) writeonly buffer output_0_float { float y[]; };

void main() {
    REP_EACH(i, shape_count(args.y_shape)) {
        if (to_half == 1u) {
            y_half[i] = act_t(x[i]);
        } else {
            y[i] = float(x_half[i]);
        }
    }
}
