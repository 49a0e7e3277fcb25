// oks - 1 - exp(-w (dx^2 + dy^2)), summed over the points of a row, d = pred - target.
//
// pred, target, weight {n,2K,h,w}: x and y of a point side by side; y {n,1,h,w}. An invocation
// takes one row.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float pred[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 2) readonly buffer input_2 { float weight[]; };
layout(std430, binding = 3) writeonly buffer output_0 { float y[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(row, shape_rows(args.x_shape)) {
        vec2 sum = vec2(0.0);
        for (uint at = row * columns; at < (row + 1u) * columns; at += 2u) {
            const vec2 d = vec2(pred[at] - target[at], pred[at + 1u] - target[at + 1u]);
            sum = sum_add(sum, 1.0 - rep_exp(-weight[at] * dot(d, d)));
        }
        y[row] = sum_value(sum);
    }
}
