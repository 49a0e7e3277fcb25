// batchnorm_stats - mean and 1/sqrt(var + eps) per channel of x over n, h, w; moves the running
// mean and variance. Pass 1: mean and squares about it of each chunk of rows.
//
// x {n,c,h,w}; scratch [chunk][2][c]: mean, squares. A mean far from 0 must not eat the variance's
// digits, so everything is a difference from the channel's value in row 0, which the output `mean`
// carries to pass 2. An invocation takes four rows at a time; sets are joined as moments.glsl says.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/columns.glsl"
#include "common/moments.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { float mean[]; };
layout(std430, binding = 5) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const columns_part part = columns_of();
    const float shift = part.is_inside ? float(x[part.column]) : 0.0;
    moments own = moments(0.0, 0.0, 0.0);
    uint row = part.row;
    for (; row + 3u * part.step < part.end; row += 4u * part.step) {
        const uint at = row * part.columns + part.column, next = part.step * part.columns;
        const vec4 rows = vec4(float(x[at]), float(x[at + next]), float(x[at + 2u * next]),
                               float(x[at + 3u * next]));
        own = moments_add4(own, rows - shift);
    }
    for (; row < part.end; row += part.step) {
        own = moments_add(own, float(x[row * part.columns + part.column]) - shift);
    }
    own = moments_tree(own, columns_wide());
    if (part.is_writer) {
        scratch[part.at] = own.mean;
        scratch[part.at + part.columns] = own.squares;
        if (gl_WorkGroupID.y == 0u) { mean[part.column] = shift; }
    }
}
