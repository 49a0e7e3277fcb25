// iou_loss - IoU, linear IoU or GIoU loss of each row (box.glsl), times its weight.
//
// A weight of 0 takes the row out, were its boxes infinite.
// pred, target {n,4,h,w}: distances l, t, r, b; [weight], y {n,1,h,w}. An invocation takes one row.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#include "common/box.glsl"
#include "common/math.glsl"

layout(constant_id = 1) const uint kind = 0;

layout(std430, binding = 0) readonly buffer input_0 { float pred[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 2) readonly buffer input_2 { float weight[]; };
layout(std430, binding = 3) writeonly buffer output_0 { float y[]; };

vec4 pred_of(uint row) {
    return vec4(pred[row * 4u], pred[row * 4u + 1u], pred[row * 4u + 2u], pred[row * 4u + 3u]);
}
vec4 target_of(uint row) {
    return vec4(target[row * 4u], target[row * 4u + 1u], target[row * 4u + 2u],
                target[row * 4u + 3u]);
}

void main() {
    REP_EACH(row, shape_rows(args.x_shape)) {
        const box_pair box = box_pair_of(pred_of(row), target_of(row));
        float loss = 1.0 - box.ratio;
        if (kind == IOU_LOG) { loss = -rep_log(box.ratio); }
        if (kind == IOU_GENERAL) { loss += (box.around - box.joint) / box.around; }
        if (has_input(2u)) { loss = weight[row] == 0.0 ? 0.0 : loss * weight[row]; }
        y[row] = loss;
    }
}
