/* bce_grad - gradient of bce: dx = drow w (sigmoid(x) - t), from (x, t, drow, [w]). Rows are
 * divided among workers. */
#include "kernels/loss.h"

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const loss_pair *c = ctx;
    const size_t at = row * c->columns + column;
    const vec x = vload_count(c->x + at, lanes), t = vload_count(c->target + at, lanes);
    return loss_weigh(c, (vsigmoid(x) - t) * c->drow[row], row, column, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    loss_pair c = loss_pair_of(call, 3);
    c.drow = call->in[2].data;
    map_all_rows(apply, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(bce_grad, run, NULL);
