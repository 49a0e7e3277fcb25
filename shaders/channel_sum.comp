// channel_sum - y[c] = sum over n, h, w of x. Pass 1: the sum of each chunk of rows.
//
// x {n,c,h,w}; scratch [chunk][2][c], the first of the two.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/columns.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 2) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const columns_part part = columns_of();
    float sum = 0.0;
    for (uint row = part.row; row < part.end; row += part.step) {
        if (part.is_inside) { sum += float(x[row * part.columns + part.column]); }
    }
    sum = columns_sum(sum);
    if (part.is_writer) { scratch[part.at] = sum; }
}
