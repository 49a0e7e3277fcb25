/* sgd_step - one SGD step of the whole parameter block with the RepOptimizer mask, as
 * torch.optim.SGD orders it; from (grads, segments, scales, step, [factor]) to (params, momenta):
 *
 *     g = grad M,  M = s^2 [+ t^2 at the centre tap] [+ 1 on its diagonal],  M = 1 if not masked
 *     g = g + decay w;  buf = first step ? g : momentum buf + (1 - dampening) g
 *     w = w - lr (nesterov ? g + momentum buf : momentum ? buf : g)
 *
 * One pass over memory; elements are divided among workers. Ding et al., ICLR 2023. */
#include "kernels/segment.h"

/* Elements one worker takes at least. */
enum { GRAIN = 4096 };

typedef struct context {
    const real *grads;
    real *params, *momenta;
    real factor, mask, decay, lr; /* of the run */
    real momentum, keep, take;    /* buf = keep buf + take g */
    bool is_first, is_nesterov;
} context;

REP_INLINE void update(const context *c, size_t at, size_t lanes, vec one, bool is_first,
                       bool is_nesterov) {
    const vec w = vload_count(c->params + at, lanes);
    vec g = vload_count(c->grads + at, lanes) * c->factor * (one + c->mask);
    g += w * c->decay;
    vec buf = g;
    if (!is_first) { buf = vload_count(c->momenta + at, lanes) * c->keep + g * c->take; }
    vstore_count(c->momenta + at, buf, lanes);
    const vec d = is_nesterov ? g + buf * c->momentum : buf;
    vstore_count(c->params + at, w - d * c->lr, lanes);
}

/* The loops of the usual steps have no branch inside. */
REP_INLINE void usual(const void *ctx, size_t at, size_t lanes, vec one) {
    update(ctx, at, lanes, one, false, false);
}
REP_INLINE void nesterov(const void *ctx, size_t at, size_t lanes, vec one) {
    update(ctx, at, lanes, one, false, true);
}
REP_INLINE void first(const void *ctx, size_t at, size_t lanes, vec one) {
    update(ctx, at, lanes, one, true, ((const context *)ctx)->is_nesterov);
}
/* Momentum 0 leaves the buffer alone. */
REP_INLINE void plain(const void *ctx, size_t at, size_t lanes, vec one) {
    const context *c = ctx;
    const vec w = vload_count(c->params + at, lanes);
    const vec g = vload_count(c->grads + at, lanes) * c->factor * (one + c->mask) + w * c->decay;
    vstore_count(c->params + at, w - g * c->lr, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_sgd_params *params = call->params;
    const real *step = call->in[3].data;
    if (step[REP_STEP_APPLY] == 0) { return; }
    context c = {
        .grads = call->in[0].data,
        .params = call->out[0].data,
        .momenta = call->out[1].data,
        .factor = segment_grad_factor(step, call->in[4].data),
        .momentum = (real)params->momentum,
        .keep = (real)params->momentum,
        .take = 1 - (real)params->dampening,
        .is_first = step[REP_STEP_FIRST] != 0,
        .is_nesterov = params->nesterov != 0,
    };
    size_t begin, end;
    rep_worker_range(worker, rep_shape_count(call->out[0].shape), GRAIN, &begin, &end);
    segment_walk walk = segment_walk_of(call, begin, end);
    segment_run of;
    while (segment_next(&walk, &of)) {
        c.mask = of.is_masked ? of.s * of.s + of.t * of.t : 1;
        c.decay = (real)of.segment->weight_decay;
        c.lr = step[REP_STEP_LR] * (real)of.segment->lr_factor;
        if (c.momentum == 0) {
            segment_each(plain, &c, &of);
        } else if (c.is_first) {
            segment_each(first, &c, &of);
        } else if (c.is_nesterov) {
            segment_each(nesterov, &c, &of);
        } else {
            segment_each(usual, &c, &of);
        }
    }
}

REP_KERNEL(sgd_step, run, NULL);
