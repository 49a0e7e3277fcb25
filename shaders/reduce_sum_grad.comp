// reduce_sum_grad - gradient of reduce_sum: one value for all of x, element by element.
//
// dx = dy scale, divided by the step block's valid count when by_valid is 1. dy {1,1,1,1}; x gives
// the shape alone and is not read; dx: any shape; step optional.
#version 450
#define REP_PARAMS rep_reduce_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float dy[]; };
layout(std430, binding = 2) readonly buffer input_2 { float words[]; };
layout(std430, binding = 3) writeonly buffer output_0 { float dx[]; };

void main() {
    float slope = dy[0] * args.p.scale;
    if (args.p.by_valid != 0u && has_input(2u)) {
        const float valid = words[STEP_VALID];
        if (valid > 0.0) { slope /= valid; }
    }
    REP_EACH(i, shape_count(args.y_shape)) { dx[i] = slope; }
}
