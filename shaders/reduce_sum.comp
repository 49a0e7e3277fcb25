// reduce_sum - y = scale * sum of x, divided by the step block's valid count when by_valid is 1;
// from (x, [step]). Pass 1: the sum of each chunk of elements.
//
// x: any shape; scratch [chunk][2]: the sum as two floats. A workgroup per chunk.
#version 450
#define REP_PARAMS rep_reduce_params
#include "common/args.glsl"
#include "common/sum_tree.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 3) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const uint begin = gl_WorkGroupID.x * args.chunk;
    const uint end = min(begin + args.chunk, shape_count(args.x_shape));
    vec2 sum = vec2(0.0);
    for (uint i = begin + gl_LocalInvocationID.x; i < end; i += gl_WorkGroupSize.x) {
        sum = sum_add(sum, x[i]);
    }
    sum = sum_tree(sum, 1u);
    if (gl_LocalInvocationID.x == 0u) {
        scratch[gl_WorkGroupID.x * 2u] = sum.x;
        scratch[gl_WorkGroupID.x * 2u + 1u] = sum.y;
    }
}
