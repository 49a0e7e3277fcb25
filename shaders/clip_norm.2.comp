// clip_norm, pass 2: joins the chunks; the norm and the factor.
//
// scratch [chunk][2]; out {1,2,1,1}: factor, norm. One workgroup: each invocation adds the chunks a
// workgroup's size apart, those sums are joined by a fixed tree.
#version 450
#define REP_PARAMS rep_clip_params
#include "common/args.glsl"
#include "common/reduce.glsl"
#include "common/sum.glsl"

layout(std430, binding = 4) writeonly buffer output_0 { float clip[]; };
layout(std430, binding = 5) readonly buffer scratch_0 { float scratch[]; };

void main() {
    vec2 sum = vec2(0.0);
    for (uint k = gl_LocalInvocationID.x; k < args.chunks; k += gl_WorkGroupSize.x) {
        sum = sum_add(sum, scratch[k * 2u]);
    }
    const float norm = sqrt(workgroup_sum(sum_value(sum)));
    const float share = args.p.max_norm / (norm + 1e-6);
    if (gl_GlobalInvocationID.x == 0u) {
        clip[0] = args.p.max_norm > 0.0 && share < 1.0 ? share : 1.0;
        clip[1] = norm;
    }
}
