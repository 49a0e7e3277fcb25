// smooth_l1_grad - gradient of smooth_l1, element by element.
//
// dx = drow w d / beta where |d| < beta, drow w sign(d) elsewhere, d = x - t; x, t, dx {n,c,h,w};
// drow {n,1,h,w}; [w] {n,c,h,w} or {n,1,h,w}.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#define REP_WEIGHT 3
#include "common/loss.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 2) readonly buffer input_2 { float drow[]; };
layout(std430, binding = 4) writeonly buffer output_0 { float dx[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    const float beta = args.p.beta;
    REP_EACH(i, shape_count(args.y_shape)) {
        const uint row = i / columns;
        const float d = x[i] - target[i];
        const float slope = abs(d) < beta ? d / beta : d < 0.0 ? -1.0 : 1.0;
        dx[i] = loss_weigh(slope * drow[row], row, i);
    }
}
