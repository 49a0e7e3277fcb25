// adamw_step - one AdamW step of the whole parameter block under the RepOptimizer mask; from
// (grads, segments, scales, step, [factor]) to (params, first moments, second moments). Decay
// first: w = w (1 - lr decay); moments m, v of g; m^ = m / bias1, v^ = v / bias2; then by `mask`
//
//     exact    g = grad;    w -= lr (s^2 m^ / (|s| sqrt v^ + eps) [+ t^2 m^ / (|t| sqrt v^ + eps)
// at the centre] [+ m^ / (sqrt v^ + eps) on its diagonal]): what the branches' own steps add up to
//     signed   g = grad M;  w -= lr M m^ / (sqrt v^ + eps),  M = s + t + 1 (the published form)
//     abs      the same with M = |s| + |t| + 1
//
// A parameter without mask takes s = 1 alone in each. All blocks {1,count,1,1}. An invocation per
// element; it looks its parameter up itself. Padding stays as it is, and so does everything on a
// step that is not applied. Loshchilov and Hutter, ICLR 2019; Ding et al., ICLR 2023.
#version 450
#define REP_PARAMS rep_adamw_params
#include "common/args.glsl"
#include "common/segment.glsl"

#define MASK_EXACT 0u
#define MASK_ABS 2u

layout(std430, binding = 0) readonly buffer input_0 { float grads[]; };
layout(std430, binding = 3) readonly buffer input_3 { float step_block[]; };
layout(std430, binding = 4) readonly buffer input_4 { float clip[]; };
layout(std430, binding = 5) buffer output_0 { float params[]; };
layout(std430, binding = 6) buffer output_1 { float first[]; };
layout(std430, binding = 7) buffer output_2 { float second[]; };

// 1 - beta for the decimal of up to seven places that beta was written as: that of the float next
// to 0.999 is off in its fifth digit. The difference is exact where it is small, and so is 1e7.
float take_of(float beta) {
    precise const float rest = 1.0 - beta;
    precise const float take = roundEven(rest * 1e7) / 1e7;
    return take;
}

// Each branch's own step for m^ = 1: s^2 / (|s| root + eps) and so on.
float exact_share(segment_mask m, float root) {
    float share = m.s * m.s / (root * abs(m.s) + args.p.eps);
    if (m.one != 0.0) { share += 1.0 / (root + args.p.eps); }
    if (m.t != 0.0) { share += m.t * m.t / (root * abs(m.t) + args.p.eps); }
    return share;
}

void main() {
    if (step_block[STEP_APPLY] == 0.0) { return; }
    const float factor = step_block[STEP_GRAD_SCALE] * (has_input(4u) ? clip[0] : 1.0);
    const float take1 = take_of(args.p.beta1), take2 = take_of(args.p.beta2);
    const float unbias = 1.0 / sqrt(step_block[STEP_BIAS2]);
    const bool is_exact = args.p.mask == MASK_EXACT;
    segment of = segment_none();
    REP_EACH(i, shape_count(args.y_shape)) {
        of = segment_at(of, i);
        if (!segment_has(of, i)) { continue; }
        const segment_mask m = segment_mask_of(of, i);
        const float sum = args.p.mask == MASK_ABS ? abs(m.s) + abs(m.t) : m.s + m.t;
        const float mask = m.one + sum, lr = step_block[STEP_LR] * of.lr_factor;
        const float g = is_exact ? grads[i] * factor : grads[i] * factor * mask;
        const float mean = first[i] * (1.0 - take1) + g * take1;
        const float square = second[i] * (1.0 - take2) + g * g * take2;
        first[i] = mean;
        second[i] = square;
        const float root = sqrt(square) * unbias;
        const float share = is_exact ? exact_share(m, root) : mask / (root + args.p.eps);
        const float kept = params[i] * (1.0 - lr * of.weight_decay);
        params[i] = kept - mean * share * (lr / step_block[STEP_BIAS1]);
    }
}
