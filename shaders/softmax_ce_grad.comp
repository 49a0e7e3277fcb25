// softmax_ce_grad - gradient of softmax_ce: dx_i = drow (p_i - e / c - (1 - e) [i == label]).
//
// 0 for a row without label, NaN for one whose label is no class. logits, dx {n,c,h,w}; labels i32,
// drow {n,1,h,w}. A workgroup takes one row.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#include "common/reduce.glsl"
#include "common/softmax.glsl"

layout(std430, binding = 2) readonly buffer input_2 { float drow[]; };
layout(std430, binding = 3) writeonly buffer output_0 { float dx[]; };

void fill_row(uint begin, uint columns, float v) {
    for (uint i = gl_LocalInvocationID.x; i < columns; i += gl_WorkGroupSize.x) {
        dx[begin + i] = v;
    }
}

// All invocations of the workgroup call, with the same arguments.
void row_grad(uint begin, uint columns, uint label, float upstream) {
    const float smoothing = args.p.smoothing;
    const softmax_row row = softmax_of(begin, columns);
    const float factor = upstream / row.sum, offset = upstream * smoothing / float(columns);
    for (uint i = gl_LocalInvocationID.x; i < columns; i += gl_WorkGroupSize.x) {
        float v = rep_exp(x[begin + i] - row.largest) * factor - offset;
        if (i == label) { v -= upstream * (1.0 - smoothing); }
        dx[begin + i] = v;
    }
}

void main() {
    const uint columns = uint(args.x_shape.y);
    for (uint row = gl_WorkGroupID.x; row < shape_rows(args.x_shape); row += gl_NumWorkGroups.x) {
        const uint begin = row * columns;
        const int label = labels[row];
        if (label < 0) {
            fill_row(begin, columns, 0.0);
        } else if (label >= int(columns)) {
            fill_row(begin, columns, REP_NAN);
        } else {
            row_grad(begin, columns, uint(label), drow[row]);
        }
    }
}
