/* focal - sigmoid focal loss summed over a row, p = sigmoid(x): -alpha (1-p)^gamma ln p for the
 * row's class, -(1-alpha) p^gamma ln(1-p) for the others; from (logits {n,c,h,w}, labels i32
 * {n,1,h,w}). Logarithms and powers come from ln(1 + e^x), so any logit is fine. Rows are divided
 * among workers. */
#include "kernels/focal.h"

/* With z = -x for the class and x for the others: the loss is a sigmoid(z)^gamma ln(1 + e^z), and
 * ln sigmoid(z) = -ln(1 + e^-z) = z - ln(1 + e^z). */
REP_INLINE vec term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const focal_context *c = ctx;
    const vec x = vload_count(c->x + row * c->columns + column, lanes);
    const ivec positive = focal_positive(c, row, column);
    const vec z = vselect(positive, -x, x);
    const vec weight = vselect(positive, vset(c->alpha), vset(1 - c->alpha));
    const vec power = vexp(-c->gamma * vsoftplus(-z));
    const real factor = focal_row_factor(c, row);
    if (factor == 0) { return vset(0); }
    return weight * power * vsoftplus(z) * factor;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const focal_context c = focal_context_of(call);
    map_row_sums(term, &c, call->out[0].data, shape_rows(call->in[0].shape), c.columns, worker);
}

REP_KERNEL(focal, run, NULL);
