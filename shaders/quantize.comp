// quantize - the whole numbers of an int8 net, less their zero point, element by element.
//
// x, y {n,c,h,w}; scale, zero {1,1,1,1}; [from_x {1,1,1,1}, from_w {1,c,1,1}]. The formula is in
// src/kernels/quantize.c. y may lie in x's memory.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float scale[]; };
layout(std430, binding = 2) readonly buffer input_2 { float zero[]; };
layout(std430, binding = 3) readonly buffer input_3 { float from_x[]; };
layout(std430, binding = 4) readonly buffer input_4 { float from_w[]; };
layout(std430, binding = 5) writeonly buffer output_0 { act_t y[]; };

void main() {
    const uint columns = uint(args.y_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) {
        precise float v = float(x[i]);
        if (has_input(3u)) {
            precise const float factor = from_x[0] * from_w[i % columns] / scale[0];
            v = v * factor;
        } else {
            v = v / scale[0];
        }
        v = v <= -zero[0] ? -zero[0] : v;
        v = v >= 255.0 - zero[0] ? 255.0 - zero[0] : v;
        y[i] = act_t(roundEven(v));
    }
}
