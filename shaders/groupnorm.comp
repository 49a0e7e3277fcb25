// groupnorm - normalises each picture over groups of channels: y = (x - mean) invstd weight + bias,
// from (x, weight, bias) to (y, mean, invstd). Wu and He, ECCV 2018.
//
// x, y {n,c,h,w}, weight, bias {1,c,1,1}, mean, invstd {n,groups,1,1}. A workgroup per group and
// picture, as many rounds as there are more of those; each invocation takes four elements at a time
// for the statistics (moments.glsl: differences from the group's first value), then writes y.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/group.glsl"
#include "common/moments.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float weight[]; };
layout(std430, binding = 2) readonly buffer input_2 { float bias[]; };
layout(std430, binding = 3) restrict writeonly buffer output_0 { act_t y[]; };
layout(std430, binding = 4) restrict writeonly buffer output_1 { float mean[]; };
layout(std430, binding = 5) restrict writeonly buffer output_2 { float invstd[]; };

moments statistics(group_part part, float shift) {
    const uint step = gl_WorkGroupSize.x;
    moments own = moments(0.0, 0.0, 0.0);
    uint i = gl_LocalInvocationID.x;
    for (; i + 3u * step < part.count; i += 4u * step) {
        const vec4 values = vec4(float(x[group_at(part, i)]), float(x[group_at(part, i + step)]),
                                 float(x[group_at(part, i + 2u * step)]),
                                 float(x[group_at(part, i + 3u * step)]));
        own = moments_add4(own, values - shift);
    }
    for (; i < part.count; i += step) {
        own = moments_add(own, float(x[group_at(part, i)]) - shift);
    }
    return moments_tree(own, 1u);
}

void main() {
    for (uint g = gl_WorkGroupID.x; g < group_total(); g += gl_NumWorkGroups.x) {
        const group_part part = group_of(g);
        const float shift = float(x[part.first]);
        const moments all = statistics(part, shift);
        const float spread = 1.0 / sqrt(all.squares / all.count + args.p.eps);
        if (gl_LocalInvocationID.x == 0u) {
            mean[g] = shift + all.mean;
            invstd[g] = spread;
        }
        for (uint i = gl_LocalInvocationID.x; i < part.count; i += gl_WorkGroupSize.x) {
            const uint at = group_at(part, i), c = group_channel(part, i);
            precise const float unit = ((float(x[at]) - shift) - all.mean) * spread;
            y[at] = act_t(unit * weight[c] + bias[c]);
        }
    }
}
