/* ema_step - moving average of state: a = d a + (1 - d) x, d from the step block; from (x, step) to
 * a in place. Elements are divided among workers. */
#include "kernels/map.h"

typedef struct context {
    const real *x, *average;
    real keep;
} context;

REP_INLINE vec apply(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->average + index, lanes) * c->keep +
           vload_count(c->x + index, lanes) * (1 - c->keep);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const real *step = call->in[1].data;
    if (step[REP_STEP_APPLY] == 0) { return; }
    real *average = call->out[0].data;
    const context c = {call->in[0].data, average, step[REP_STEP_EMA]};
    map_flat(apply, &c, average, rep_shape_count(call->out[0].shape), worker);
}

REP_KERNEL(ema_step, run, NULL);
