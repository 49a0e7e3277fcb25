/* focal_grad - gradient of the sigmoid focal loss, from (logits, labels, drow). With z = -x for the
 * row's class and x for the others, q = sigmoid(z) and L = a q^gamma ln(1 + e^z):
 * dL/dz = a q^gamma (q + gamma (1 - q) ln(1 + e^z)). Rows are divided among workers. */
#include "kernels/focal.h"

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const focal_context *c = ctx;
    const vec x = vload_count(c->x + row * c->columns + column, lanes);
    const ivec positive = focal_positive(c, row, column);
    const vec z = vselect(positive, -x, x);
    const vec weight = vselect(positive, vset(-c->alpha), vset(1 - c->alpha)); /* with dz/dx */
    const vec power = vexp(-c->gamma * vsoftplus(-z));
    const vec slope = vsigmoid(z) + c->gamma * vsigmoid(-z) * vsoftplus(z);
    const real factor = focal_row_factor(c, row);
    if (factor == 0) { return vset(0); }
    return weight * power * slope * (factor * c->drow[row]);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const focal_context c = focal_context_of(call);
    map_all_rows(apply, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(focal_grad, run, NULL);
