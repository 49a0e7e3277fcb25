// accumulate - gradient accumulation over batches: sum = keep sum + grads.
//
// grads, sum: any shape, equal; keep from the step block. Keep 0 starts anew whatever sum held.
// Element by element, in place.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float grads[]; };
layout(std430, binding = 1) readonly buffer input_1 { float words[]; };
layout(std430, binding = 2) buffer output_0 { float sum[]; };

void main() {
    const float keep = words[STEP_KEEP];
    REP_EACH(i, shape_count(args.y_shape)) {
        float v = grads[i];
        if (keep != 0.0) { v += sum[i] * keep; }
        sum[i] = v;
    }
}
