// ema_step - moving average of state: a = d a + (1 - d) x, d from the step block.
//
// x, a: any shape, equal. A held step changes nothing. Element by element, in place.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float words[]; };
layout(std430, binding = 2) buffer output_0 { float average[]; };

void main() {
    if (words[STEP_APPLY] == 0.0) { return; }
    const float keep = words[STEP_EMA];
    REP_EACH(i, shape_count(args.y_shape)) {
        average[i] = average[i] * keep + x[i] * (1.0 - keep);
    }
}
