// groupnorm_grad_x - dx = invstd (g - mean(g) - x^ mean(g x^)), g = dy weight,
// x^ = (x - mean) invstd, means over a picture's group; from (dy, x, mean, invstd, weight).
//
// dy, x, dx {n,c,h,w}, mean, invstd {n,groups,1,1}, weight {1,c,1,1}. A workgroup per group and
// picture, as many rounds as there are more of those; elements are read twice.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/group.glsl"
#include "common/norm.glsl"
#include "common/reduce.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t x[]; };
layout(std430, binding = 2) readonly buffer input_2 { float mean[]; };
layout(std430, binding = 3) readonly buffer input_3 { float invstd[]; };
layout(std430, binding = 4) readonly buffer input_4 { float weight[]; };
layout(std430, binding = 5) restrict writeonly buffer output_0 { act_t dx[]; };

void main() {
    for (uint g = gl_WorkGroupID.x; g < group_total(); g += gl_NumWorkGroups.x) {
        const group_part part = group_of(g);
        const float centre = mean[g], spread = invstd[g];
        vec2 plain = vec2(0.0), products = vec2(0.0);
        for (uint i = gl_LocalInvocationID.x; i < part.count; i += gl_WorkGroupSize.x) {
            const uint at = group_at(part, i);
            const float v = float(dy[at]) * weight[group_channel(part, i)];
            plain = sum_add(plain, v);
            products = sum_add(products, v * norm_unit(float(x[at]), centre, spread));
        }
        const float count = float(part.count);
        const float offset = workgroup_sum(sum_value(plain)) / count;
        const float slope = workgroup_sum(sum_value(products)) / count;
        for (uint i = gl_LocalInvocationID.x; i < part.count; i += gl_WorkGroupSize.x) {
            const uint at = group_at(part, i);
            const float v = float(dy[at]) * weight[group_channel(part, i)];
            const float unit = norm_unit(float(x[at]), centre, spread);
            dx[at] = act_t(spread * (v - (offset + unit * slope)));
        }
    }
}
