// clip_norm - the global norm of the gradients and the factor that clips it; from (grads, segments,
// scales, step): factor = min(1, max_norm / (norm + 1e-6)), or 1 where max_norm <= 0, and
// norm = sqrt(sum (scale g)^2), scale from the step block. Pass 1: the squares of each chunk.
//
// With masked = 1 masked parameters' squares are weighed by M (sgd_step.comp): that is the norm of
// the branches' own gradients, so that clipping by it keeps the target equal to them.
// grads {1,count,1,1}; scratch [chunk][2], the first of the two. A workgroup per chunk.
#version 450
#define REP_PARAMS rep_clip_params
#include "common/args.glsl"
#include "common/reduce.glsl"
#include "common/segment.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float grads[]; };
layout(std430, binding = 3) readonly buffer input_3 { float step_block[]; };
layout(std430, binding = 5) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const uint begin = gl_WorkGroupID.x * args.chunk;
    const uint end = min(begin + args.chunk, shape_count(args.x_shape));
    const float factor = step_block[STEP_GRAD_SCALE];
    segment of = segment_none();
    vec2 sum = vec2(0.0);
    for (uint i = begin + gl_LocalInvocationID.x; i < end; i += gl_WorkGroupSize.x) {
        of = segment_at(of, i);
        if (segment_has(of, i)) {
            const float g = grads[i] * factor;
            float weight = 1.0;
            if (args.p.masked != 0u) {
                const segment_mask m = segment_mask_of(of, i);
                weight = m.one + (m.s * m.s + m.t * m.t);
            }
            sum = sum_add(sum, g * g * weight);
        }
    }
    const float total = workgroup_sum(sum_value(sum));
    if (gl_LocalInvocationID.x == 0u) { scratch[gl_WorkGroupID.x * 2u] = total; }
}
