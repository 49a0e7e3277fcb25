/* smooth_l1 - summed over a row: w d^2 / (2 beta) where d = |x - t| < beta, w (d - beta / 2)
 * elsewhere; from (x {n,c,h,w}, t, [w]) to {n,1,h,w}. Rows are divided among workers. */
#include "kernels/loss.h"

REP_INLINE vec term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const loss_pair *c = ctx;
    const size_t at = row * c->columns + column;
    const vec d = vabs(vload_count(c->x + at, lanes) - vload_count(c->target + at, lanes));
    const vec beta = vset(c->beta), half = vset((real)0.5);
    const vec near = half * d * d / beta, far = d - half * beta;
    return loss_weigh(c, vselect((ivec)(d < beta), near, far), row, column, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_loss_params *params = call->params;
    loss_pair c = loss_pair_of(call, 2);
    c.beta = (real)params->beta;
    map_row_sums(term, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(smooth_l1, run, NULL);
