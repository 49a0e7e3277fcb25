// scale_grad_s, pass 2: joins the chunks in order, and the channels too when s is one value.
//
// scratch [chunk][2][c]; ds {1,c,1,1}, an invocation per channel, or {1,1,1,1}: one workgroup adds
// up everything, each invocation the values a workgroup's size apart, those by a fixed tree.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/sum_tree.glsl"

layout(std430, binding = 3) writeonly buffer output_0 { float ds[]; };
layout(std430, binding = 4) readonly buffer scratch_0 { float scratch[]; };

#include "common/chunks.glsl"

void one_per_channel(uint columns) {
    REP_EACH(c, columns) {
        vec2 sum = vec2(0.0);
        for (uint k = 0u; k < args.chunks; k++) { sum = sum_join(sum, chunks_pair(k, c)); }
        ds[c] = sum_value(sum);
    }
}

void one_in_all(uint columns) {
    vec2 sum = vec2(0.0);
    for (uint i = gl_LocalInvocationID.x; i < args.chunks * columns; i += gl_WorkGroupSize.x) {
        sum = sum_join(sum, chunks_pair(i / columns, i % columns));
    }
    sum = sum_tree(sum, 1u);
    if (gl_LocalInvocationID.x == 0u) { ds[0] = sum_value(sum); }
}

void main() {
    const uint columns = uint(args.x_shape.y);
    if (shape_count(args.y_shape) > 1u) {
        one_per_channel(columns);
    } else if (gl_WorkGroupID.x == 0u) {
        one_in_all(columns);
    }
}
