// focal_grad - gradient of the sigmoid focal loss, element by element (focal.glsl).
//
// With L = a q^gamma ln(1 + e^z), q = sigmoid(z): dL/dz = a q^gamma (q + gamma (1 - q) ln(1 +
// e^z)), and dz/dx is -1 for the row's class. logits, dx {n,c,h,w}; labels i32, drow {n,1,h,w}.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#include "common/focal.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { int labels[]; };
layout(std430, binding = 2) readonly buffer input_2 { float drow[]; };
layout(std430, binding = 3) writeonly buffer output_0 { float dx[]; };

float element_grad(float logit, uint column, uint columns, int label, float upstream) {
    if (label < 0) { return 0.0; }
    if (label > int(columns)) { return REP_NAN; }
    const focal_part part = focal_part_of(logit, column, label);
    const float z = part.z;
    const float slope = rep_sigmoid(z) + args.p.gamma * rep_sigmoid(-z) * rep_softplus(z);
    return (part.is_positive ? -part.scale : part.scale) * slope * upstream;
}

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) {
        const uint row = i / columns;
        dx[i] = element_grad(x[i], i % columns, columns, labels[row], drow[row]);
    }
}
