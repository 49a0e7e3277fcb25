/* oks_grad - gradient of oks: dx = 2 drow w d exp(-w (dx^2 + dy^2)), d = pred - target; from (pred
 * {n,2K,h,w}, target, drow, weight). Rows are divided among workers. */
#include "kernels/oks.h"

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const loss_pair *c = ctx;
    vec step, weight;
    const vec similarity = oks_similarity(c, row * c->columns + column, lanes, &step, &weight);
    return vset(2 * c->drow[row]) * weight * step * similarity;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    loss_pair c = loss_pair_of(call, 3);
    c.drow = call->in[2].data;
    map_all_rows(apply, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(oks_grad, run, NULL);
