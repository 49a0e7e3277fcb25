// sgd_step - one SGD step of the whole parameter block with the RepOptimizer mask, as
// torch.optim.SGD orders it; from (grads, segments, scales, step, [factor]) to (params, momenta):
//
//     g = grad M,  M = s^2 [+ t^2 at the centre tap] [+ 1 on its diagonal],  M = 1 if not masked
//     g = g + decay w;  buf = first step ? g : momentum buf + (1 - dampening) g
//     w = w - lr (nesterov ? g + momentum buf : momentum ? buf : g)
//
// All blocks {1,count,1,1}. An invocation per element; it looks its parameter up itself. Padding
// stays as it is, and so does everything on a step that is not applied. Ding et al., ICLR 2023.
#version 450
#define REP_PARAMS rep_sgd_params
#include "common/args.glsl"
#include "common/segment.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float grads[]; };
layout(std430, binding = 3) readonly buffer input_3 { float step_block[]; };
layout(std430, binding = 4) readonly buffer input_4 { float clip[]; };
layout(std430, binding = 5) buffer output_0 { float params[]; };
layout(std430, binding = 6) buffer output_1 { float momenta[]; };

void main() {
    if (step_block[STEP_APPLY] == 0.0) { return; }
    const float momentum = args.p.momentum;
    const bool is_first = step_block[STEP_FIRST] != 0.0;
    const float factor = step_block[STEP_GRAD_SCALE] * (has_input(4u) ? clip[0] : 1.0);
    segment of = segment_none();
    REP_EACH(i, shape_count(args.y_shape)) {
        of = segment_at(of, i);
        if (!segment_has(of, i)) { continue; }
        const segment_mask m = segment_mask_of(of, i);
        const float w = params[i], lr = step_block[STEP_LR] * of.lr_factor;
        const float mask = m.one + (m.s * m.s + m.t * m.t);
        const float g = grads[i] * factor * mask + w * of.weight_decay;
        float d = g;
        if (momentum != 0.0) { // 0 leaves the buffer alone
            float buf = g;
            if (!is_first) { buf = momenta[i] * momentum + g * (1.0 - args.p.dampening); }
            momenta[i] = buf;
            d = args.p.nesterov != 0u ? g + buf * momentum : buf;
        }
        params[i] = w - d * lr;
    }
}
