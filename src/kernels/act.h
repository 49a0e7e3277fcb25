/* act.h - the activations and their derivatives, as act, act_grad and fused kernels apply them.
 *
 * relu and relu6 keep a NaN and have gradient 0 at their kinks, as PyTorch's have.
 */
#ifndef REP_KERNELS_ACT_H
#define REP_KERNELS_ACT_H

#include "kernels/math.h"
#include "repopt/graph.h"

static inline vec vact(rep_uint act, vec x) {
    const vec zero = vset(0);
    switch (act) {
    case REP_ACT_RELU:
        return vselect((ivec)(x <= zero), zero, x);
    case REP_ACT_RELU6:
        x = vselect((ivec)(x <= zero), zero, x);
        return vselect((ivec)(x >= vset(6)), vset(6), x);
    case REP_ACT_SILU:
        return x * vsigmoid(x);
    case REP_ACT_HARDSWISH:
        return x * vmin(vmax(x + vset(3), zero), vset(6)) / vset(6);
    case REP_ACT_SIGMOID:
        return vsigmoid(x);
    case REP_ACT_EXP:
        return vexp(x);
    default:
        return x;
    }
}

/* dy * act'(x) */
static inline vec vact_grad(rep_uint act, vec x, vec dy) {
    const vec zero = vset(0), one = vset(1);
    switch (act) {
    case REP_ACT_RELU:
        return vselect((ivec)(x <= zero), zero, dy);
    case REP_ACT_RELU6:
        return vselect((ivec)(x <= zero) | (ivec)(x >= vset(6)), zero, dy);
    case REP_ACT_SILU: {
        const vec p = vsigmoid(x);
        return dy * p * (one + x * (one - p));
    }
    case REP_ACT_HARDSWISH: {
        const vec slope = x / vset(3) + (real)0.5;
        const vec inside = vselect((ivec)(x >= vset(3)), one, slope);
        return dy * vselect((ivec)(x <= vset(-3)), zero, inside);
    }
    case REP_ACT_SIGMOID: {
        const vec p = vsigmoid(x);
        return dy * p * (one - p);
    }
    case REP_ACT_EXP:
        return dy * vexp(x);
    default:
        return dy;
    }
}

/* none, relu and relu6 as a pair of bounds: one code path for the fused kernels. */
typedef struct act_bounds {
    vec low, high;
} act_bounds;

static inline act_bounds act_bounds_of(rep_uint act) {
    const real infinity = (real)INFINITY;
    return (act_bounds){vset(act == REP_ACT_NONE ? -infinity : 0),
                        vset(act == REP_ACT_RELU6 ? 6 : infinity)};
}
static inline vec vclamp(act_bounds bounds, vec x) {
    x = vselect((ivec)(x <= bounds.low), bounds.low, x);
    return vselect((ivec)(x >= bounds.high), bounds.high, x);
}
static inline vec vclamp_grad(act_bounds bounds, vec x, vec dy) {
    return vselect((ivec)(x <= bounds.low) | (ivec)(x >= bounds.high), vset(0), dy);
}

#endif
