/* oks - 1 - exp(-w (dx^2 + dy^2)), summed over the points of a row, d = pred - target; from (pred
 * {n,2K,h,w}, target, weight) to {n,1,h,w}. Either lane of a point computes it and gives a half:
 * exact, and no lanes need to be gathered. Rows are divided among workers. */
#include "kernels/oks.h"

REP_INLINE vec term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const loss_pair *c = ctx;
    vec step, weight;
    const vec similarity = oks_similarity(c, row * c->columns + column, lanes, &step, &weight);
    return vset((real)0.5) * (vset(1) - similarity);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const loss_pair c = loss_pair_of(call, 2);
    map_row_sums(term, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(oks, run, NULL);
