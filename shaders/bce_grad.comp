// bce_grad - gradient of bce: dx = drow w (sigmoid(x) - t), element by element.
//
// x, t, dx {n,c,h,w}; drow {n,1,h,w}; [w] {n,c,h,w} or {n,1,h,w}.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/math.glsl"
#define REP_WEIGHT 3
#include "common/loss.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 2) readonly buffer input_2 { float drow[]; };
layout(std430, binding = 4) writeonly buffer output_0 { float dx[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) {
        const uint row = i / columns;
        dx[i] = loss_weigh((rep_sigmoid(x[i]) - target[i]) * drow[row], row, i);
    }
}
