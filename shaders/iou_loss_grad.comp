// iou_loss_grad - gradient of iou_loss by the predicted distances.
//
// pred, target, dx {n,4,h,w}: distances l, t, r, b; drow, [weight] {n,1,h,w}. Where pred and target
// are equal, min and max share the slope half and half, as PyTorch's do. An invocation takes one
// row, its four sides side by side.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#include "common/box.glsl"

layout(constant_id = 1) const uint kind = 0;

layout(std430, binding = 0) readonly buffer input_0 { float pred[]; };
layout(std430, binding = 1) readonly buffer input_1 { float target[]; };
layout(std430, binding = 2) readonly buffer input_2 { float drow[]; };
layout(std430, binding = 3) readonly buffer input_3 { float weight[]; };
layout(std430, binding = 4) writeonly buffer output_0 { float dx[]; };

vec4 pred_of(uint row) {
    return vec4(pred[row * 4u], pred[row * 4u + 1u], pred[row * 4u + 2u], pred[row * 4u + 3u]);
}
vec4 target_of(uint row) {
    return vec4(target[row * 4u], target[row * 4u + 1u], target[row * 4u + 2u],
                target[row * 4u + 3u]);
}

// d min(p, t) / dp; that of max is what is left to 1.
vec4 slope_of_min(vec4 p, vec4 t) {
    return mix(mix(vec4(0.5), vec4(0.0), greaterThan(p, t)), vec4(1.0), lessThan(p, t));
}

// dloss / dp. A side's length is that across it: height for left and right, width for the others.
vec4 slope_of(vec4 p, vec4 t) {
    const box_pair box = box_pair_of(p, t);
    const vec4 down = slope_of_min(p, t);
    const vec4 d_intersection = down * box.inner.yxyx;
    const vec4 d_joint = box_size(p).yxyx - d_intersection;
    const vec4 d_around = (1.0 - down) * box.outer.yxyx;
    const vec4 d_ratio = (d_intersection - box.ratio * d_joint) / (box.joint + 1.0);
    if (kind == IOU_LOG) { return -d_ratio / box.ratio; }
    if (kind == IOU_LINEAR) { return -d_ratio; }
    return -d_ratio - (d_joint - box.joint / box.around * d_around) / box.around;
}

void main() {
    REP_EACH(row, shape_rows(args.x_shape)) {
        float upstream = drow[row];
        if (has_input(3u)) { upstream *= weight[row]; }
        const bool is_out = has_input(3u) && weight[row] == 0.0;
        const vec4 slope =
            is_out ? vec4(0.0) : slope_of(pred_of(row), target_of(row)) * upstream;
        for (uint side = 0u; side < 4u; side++) { dx[row * 4u + side] = slope[side]; }
    }
}
