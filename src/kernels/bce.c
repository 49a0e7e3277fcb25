/* bce - binary cross-entropy with logits, summed over a row: w (max(x, 0) - x t + ln(1 + e^-|x|)),
 * from (x {n,c,h,w}, t, [w]) to {n,1,h,w}. Rows are divided among workers. */
#include "kernels/loss.h"

REP_INLINE vec term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const loss_pair *c = ctx;
    const size_t at = row * c->columns + column;
    const vec x = vload_count(c->x + at, lanes), t = vload_count(c->target + at, lanes);
    return loss_weigh(c, vsoftplus(x) - x * t, row, column, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const loss_pair c = loss_pair_of(call, 2);
    map_row_sums(term, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(bce, run, NULL);
