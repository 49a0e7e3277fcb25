// oks_grad - gradient of oks, element by element.
//
// dx = 2 drow w d exp(-w (dx^2 + dy^2)), d = pred - target; pred, target, weight, dx {n,2K,h,w};
// drow {n,1,h,w}. Rows are even, so the other coordinate of element i is element i ^ 1.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/math.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float pred[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 2) readonly buffer input_2 { float drow[]; };
layout(std430, binding = 3) readonly buffer input_3 { float weight[]; };
layout(std430, binding = 4) writeonly buffer output_0 { float dx[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) {
        const float d = pred[i] - target[i], other = pred[i ^ 1u] - target[i ^ 1u];
        const float w = weight[i & ~1u];
        dx[i] = 2.0 * drow[i / columns] * w * d * rep_exp(-w * (d * d + other * other));
    }
}
