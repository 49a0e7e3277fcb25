/* smooth_l1_grad - gradient of smooth_l1: dx = drow w d / beta where |d| < beta, drow w sign(d)
 * elsewhere, d = x - t; from (x, t, drow, [w]). Rows are divided among workers. */
#include "kernels/loss.h"

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const loss_pair *c = ctx;
    const size_t at = row * c->columns + column;
    const vec d = vload_count(c->x + at, lanes) - vload_count(c->target + at, lanes);
    const vec beta = vset(c->beta);
    const vec far = vselect((ivec)(d < vset(0)), vset(-1), vset(1));
    const vec slope = vselect((ivec)(vabs(d) < beta), d / beta, far);
    return loss_weigh(c, slope * c->drow[row], row, column, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_loss_params *params = call->params;
    loss_pair c = loss_pair_of(call, 3);
    c.drow = call->in[2].data;
    c.beta = (real)params->beta;
    map_all_rows(apply, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(smooth_l1_grad, run, NULL);
