// softmax_ce - cross-entropy of a softmax with label smoothing e over c classes, per row.
//
// (1 - e) (-ln p_t) + e / c sum (-ln p_i), with d = x - largest: -ln p_i = ln(sum) - d_i. logits
// {n,c,h,w}, labels i32 {n,1,h,w}; y {n,1,h,w}. A label below 0 gives 0; one that is no class gives
// NaN, so that the run stops. A workgroup takes one row. Szegedy et al., CVPR 2016, section 7.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#include "common/reduce.glsl"
#include "common/softmax.glsl"

layout(std430, binding = 2) writeonly buffer output_0 { float y[]; };

// All invocations of the workgroup call, with the same arguments.
float row_loss(uint begin, uint columns, int label) {
    const float smoothing = args.p.smoothing;
    const softmax_row row = softmax_of(begin, columns);
    float away = 0.0;
    if (smoothing > 0.0) {
        vec2 sum = vec2(0.0);
        for (uint i = gl_LocalInvocationID.x; i < columns; i += gl_WorkGroupSize.x) {
            sum = sum_add(sum, x[begin + i] - row.largest);
        }
        away = workgroup_sum(sum_value(sum));
    }
    return rep_log(row.sum) - (1.0 - smoothing) * (x[begin + uint(label)] - row.largest) -
           smoothing / float(columns) * away;
}

void main() {
    const uint columns = uint(args.x_shape.y);
    for (uint row = gl_WorkGroupID.x; row < shape_rows(args.x_shape); row += gl_NumWorkGroups.x) {
        const int label = labels[row];
        float loss = 0.0;
        if (label >= int(columns)) {
            loss = REP_NAN;
        } else if (label >= 0) {
            loss = row_loss(row * columns, columns, label);
        }
        if (gl_LocalInvocationID.x == 0u) { y[row] = loss; }
    }
}
