// global_pool - y[n,c] = mean over h, w of x.
//
// x {n,c,h,w}; y {n,c,1,1}. An invocation sums one picture's channel.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    const uint pixels = uint(args.x_shape.z) * uint(args.x_shape.w);
    REP_EACH(i, shape_count(args.y_shape)) {
        uint at = i / columns * pixels * columns + i % columns;
        vec2 sum = vec2(0.0);
        for (uint k = 0u; k < pixels; k++) {
            sum = sum_add(sum, float(x[at]));
            at += columns;
        }
        y[i] = act_t(sum_value(sum) / float(pixels));
    }
}
