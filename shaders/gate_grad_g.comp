// gate_grad_g - gradient of the gate: dg[n,c] = sum over h, w of x * dy.
//
// x, dy {n,c,h,w}; dg {n,c,1,1}. An invocation sums one picture's channel.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t dy[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t dg[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    const uint pixels = uint(args.x_shape.z) * uint(args.x_shape.w);
    REP_EACH(i, shape_count(args.y_shape)) {
        uint at = i / columns * pixels * columns + i % columns;
        vec2 sum = vec2(0.0);
        for (uint k = 0u; k < pixels; k++) {
            sum = sum_add(sum, float(x[at]) * float(dy[at]));
            at += columns;
        }
        dg[i] = act_t(sum_value(sum));
    }
}
