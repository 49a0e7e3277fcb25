/* adamw_step - one AdamW step of the whole parameter block under the RepOptimizer mask; from
 * (grads, segments, scales, step, [factor]) to (params, first moments, second moments). Decay
 * first: w = w (1 - lr decay); moments m, v of g; m^ = m / bias1, v^ = v / bias2; then by `mask`
 *
 *     exact    g = grad;    w -= lr (s^2 m^ / (|s| sqrt v^ + eps) [+ t^2 m^ / (|t| sqrt v^ + eps)
 * at the centre] [+ m^ / (sqrt v^ + eps) on its diagonal]): what the branches' own steps add up to
 *     signed   g = grad M;  w -= lr M m^ / (sqrt v^ + eps),  M = s + t + 1 (the published form)
 *     abs      the same with M = |s| + |t| + 1
 *
 * A parameter without mask takes s = 1 alone in each. One pass over memory; elements are divided
 * among workers. Loshchilov and Hutter, ICLR 2019; Ding et al., ICLR 2023. */
#include "kernels/segment.h"

enum { MASK_EXACT, MASK_SIGNED, MASK_ABS };
enum { GRAIN = 4096 };

typedef struct context {
    const real *grads;
    real *params, *first, *second;
    real factor, eps;
    real keep1, take1, keep2, take2; /* m = keep1 m + take1 g, v = keep2 v + take2 g^2 */
    real rate, unbias;               /* lr / bias1, 1 / sqrt(bias2) */
    real keep_weight;                /* 1 - lr decay */
    real mask;                       /* signed, abs */
    bool has_one;                    /* exact: the identity is in this run */
    real s, t, abs_s, abs_t;         /* exact */
} context;

/* Decays the weight, moves the moments by g, returns (m, sqrt v^) in *m and *root. */
static inline vec advance(const context *c, vec g, size_t at, size_t lanes, vec *m, vec *root) {
    *m = vload_count(c->first + at, lanes) * c->keep1 + g * c->take1;
    const vec v = vload_count(c->second + at, lanes) * c->keep2 + g * g * c->take2;
    vstore_count(c->first + at, *m, lanes);
    vstore_count(c->second + at, v, lanes);
    *root = vsqrt(v) * c->unbias;
    return vload_count(c->params + at, lanes) * c->keep_weight;
}

REP_INLINE void factored(const void *ctx, size_t at, size_t lanes, vec one) {
    const context *c = ctx;
    const vec mask = one + c->mask;
    vec m, root;
    const vec g = vload_count(c->grads + at, lanes) * c->factor * mask;
    const vec w = advance(c, g, at, lanes, &m, &root);
    vstore_count(c->params + at, w - m * mask / (root + c->eps) * c->rate, lanes);
}

REP_INLINE void exact(const void *ctx, size_t at, size_t lanes, vec one) {
    const context *c = ctx;
    vec m, root;
    const vec g = vload_count(c->grads + at, lanes) * c->factor;
    const vec w = advance(c, g, at, lanes, &m, &root);
    vec share = c->s * c->s / (root * c->abs_s + c->eps);
    if (c->has_one) { share += one / (root + c->eps); }
    if (c->t != 0) { share += c->t * c->t / (root * c->abs_t + c->eps); }
    vstore_count(c->params + at, w - m * share * c->rate, lanes);
}

/* The decimal a beta was written as: 1 - beta of the float next to 0.999 is off in its fifth digit.
 */
static double written(float beta) { return rint((double)beta * 1e7) / 1e7; }

static real absolute(real x) { return x < 0 ? -x : x; }

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_adamw_params *params = call->params;
    const real *step = call->in[3].data;
    if (step[REP_STEP_APPLY] == 0) { return; }
    context c = {
        .grads = call->in[0].data,
        .params = call->out[0].data,
        .first = call->out[1].data,
        .second = call->out[2].data,
        .factor = segment_grad_factor(step, call->in[4].data),
        .keep1 = (real)written(params->beta1),
        .take1 = (real)(1 - written(params->beta1)),
        .keep2 = (real)written(params->beta2),
        .take2 = (real)(1 - written(params->beta2)),
        .eps = (real)params->eps,
        .unbias = 1 / rsqrt_exact(step[REP_STEP_BIAS2]),
    };
    size_t begin, end;
    rep_worker_range(worker, rep_shape_count(call->out[0].shape), GRAIN, &begin, &end);
    segment_walk walk = segment_walk_of(call, begin, end);
    segment_run of;
    while (segment_next(&walk, &of)) {
        const real lr = step[REP_STEP_LR] * (real)of.segment->lr_factor;
        c.keep_weight = 1 - lr * (real)of.segment->weight_decay;
        c.rate = lr / step[REP_STEP_BIAS1];
        c.has_one = of.one != SIZE_MAX;
        c.s = of.s;
        c.t = of.t;
        c.abs_s = absolute(of.s);
        c.abs_t = absolute(of.t);
        c.mask = params->mask == MASK_ABS ? c.abs_s + c.abs_t : c.s + c.t;
        if (params->mask == MASK_EXACT) {
            segment_each(exact, &c, &of);
        } else {
            segment_each(factored, &c, &of);
        }
    }
}

REP_KERNEL(adamw_step, run, NULL);
