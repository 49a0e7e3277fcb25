// act.glsl - the activations and their derivatives, by the numbers of ops.def.
//
// relu and relu6 keep a NaN and have gradient 0 at their kinks, as PyTorch's have.
#ifndef REP_ACT_GLSL
#define REP_ACT_GLSL

#include "common/math.glsl"

#define ACT_NONE 0u
#define ACT_RELU 1u
#define ACT_RELU6 2u
#define ACT_SILU 3u
#define ACT_HARDSWISH 4u
#define ACT_SIGMOID 5u
#define ACT_EXP 6u

float act_of(uint kind, float x) {
    switch (kind) {
    case ACT_RELU:
        return x <= 0.0 ? 0.0 : x;
    case ACT_RELU6:
        return x <= 0.0 ? 0.0 : x >= 6.0 ? 6.0 : x;
    case ACT_SILU:
        return x * rep_sigmoid(x);
    case ACT_HARDSWISH: {
        const float inside = x + 3.0 <= 0.0 ? 0.0 : x + 3.0 >= 6.0 ? 6.0 : x + 3.0;
        return x * inside / 6.0;
    }
    case ACT_SIGMOID:
        return rep_sigmoid(x);
    case ACT_EXP:
        return rep_exp(x);
    default:
        return x;
    }
}

// dy * act'(x)
float act_grad_of(uint kind, float x, float dy) {
    switch (kind) {
    case ACT_RELU:
        return x <= 0.0 ? 0.0 : dy;
    case ACT_RELU6:
        return x <= 0.0 || x >= 6.0 ? 0.0 : dy;
    case ACT_SILU: {
        const float s = rep_sigmoid(x);
        return dy * s * (1.0 + x * (1.0 - s));
    }
    case ACT_HARDSWISH:
        return dy * (x <= -3.0 ? 0.0 : x >= 3.0 ? 1.0 : x / 3.0 + 0.5);
    case ACT_SIGMOID: {
        const float s = rep_sigmoid(x);
        return dy * s * (1.0 - s);
    }
    case ACT_EXP:
        return dy * rep_exp(x);
    default:
        return dy;
    }
}

#endif
