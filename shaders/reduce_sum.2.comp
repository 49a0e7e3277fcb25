// reduce_sum, pass 2: joins the chunks, scales.
//
// scratch [chunk][2]; y {1,1,1,1}. One workgroup: each invocation adds the chunks a workgroup's
// size apart, those sums are joined by a fixed tree.
#version 450
#define REP_PARAMS rep_reduce_params
#include "common/args.glsl"
#include "common/sum_tree.glsl"

layout(std430, binding = 1) readonly buffer input_1 { float step_block[]; };
layout(std430, binding = 2) writeonly buffer output_0 { float y[]; };
layout(std430, binding = 3) readonly buffer scratch_0 { float scratch[]; };

void main() {
    vec2 sum = vec2(0.0);
    for (uint k = gl_LocalInvocationID.x; k < args.chunks; k += gl_WorkGroupSize.x) {
        sum = sum_join(sum, vec2(scratch[k * 2u], scratch[k * 2u + 1u]));
    }
    float total = sum_value(sum_tree(sum, 1u)) * args.p.scale;
    if (args.p.by_valid != 0u && has_input(1u)) {
        const float valid = step_block[STEP_VALID];
        if (valid > 0.0) { total /= valid; }
    }
    if (gl_GlobalInvocationID.x == 0u) { y[0] = total; }
}
