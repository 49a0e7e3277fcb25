// bce - binary cross-entropy with logits, summed over a row.
//
// w (max(x, 0) - x t + ln(1 + e^-|x|)); x, t {n,c,h,w}; [w] {n,c,h,w} or {n,1,h,w}; y {n,1,h,w}. An
// invocation takes one row.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/math.glsl"
#include "common/sum.glsl"
#define REP_WEIGHT 2
#include "common/loss.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 3) writeonly buffer output_0 { float y[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(row, shape_rows(args.x_shape)) {
        vec2 sum = vec2(0.0);
        for (uint at = row * columns; at < (row + 1u) * columns; at++) {
            const float loss = rep_softplus(x[at]) - x[at] * target[at];
            sum = sum_add(sum, loss_weigh(loss, row, at));
        }
        y[row] = sum_value(sum);
    }
}
