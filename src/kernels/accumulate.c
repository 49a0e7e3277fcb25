/* accumulate - gradient accumulation over batches: sum = keep sum + grads, keep from the step
 * block; from (grads, step). Keep 0 starts anew whatever sum held. Elements are divided among
 * workers. */
#include "kernels/map.h"

typedef struct context {
    const real *grads, *sum;
    real keep;
} context;

REP_INLINE vec start(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->grads + index, lanes);
}

REP_INLINE vec add(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->sum + index, lanes) * c->keep + vload_count(c->grads + index, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const real *step = call->in[1].data;
    real *sum = call->out[0].data;
    const size_t total = rep_shape_count(call->out[0].shape);
    const context c = {call->in[0].data, sum, step[REP_STEP_KEEP]};
    if (c.keep == 0) {
        map_flat(start, &c, sum, total, worker);
    } else {
        map_flat(add, &c, sum, total, worker);
    }
}

REP_KERNEL(accumulate, run, NULL);
