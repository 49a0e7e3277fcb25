/* reduce_sum_grad - dx = dy * scale, divided by the valid count when by_valid is 1: one value for
 * all of x; from (dy {1,1,1,1}, x, [step]). Elements are divided among workers. */
#include "kernels/map.h"

REP_INLINE vec apply(const void *ctx, size_t index, size_t lanes) {
    (void)index, (void)lanes;
    return vset(*(const real *)ctx);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_reduce_params *params = call->params;
    const real *dy = call->in[0].data, *step = call->in[2].data;
    real slope = dy[0] * (real)params->scale;
    if (params->by_valid && step && step[REP_STEP_VALID] > 0) { slope /= step[REP_STEP_VALID]; }
    map_flat(apply, &slope, call->out[0].data, rep_shape_count(call->out[0].shape), worker);
}

REP_KERNEL(reduce_sum_grad, run, NULL);
