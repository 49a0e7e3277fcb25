/* scale_grad_s - gradient of a scale: ds = sum of x * dy per channel, or over everything when s is
 * one value; from (x, dy, s). Pixels are cut into fixed chunks. */
#include "kernels/reduce.h"

typedef struct context {
    const real *x, *dy;
    size_t columns;
} context;

REP_INLINE vec_pair term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    const size_t at = row * c->columns + column;
    return (vec_pair){vload_count(c->x + at, lanes) * vload_count(c->dy + at, lanes), vset(0)};
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_shape shape = call->in[0].shape;
    return reduce_scratch_bytes(shape_rows(shape), (size_t)shape.c, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const context c = {call->in[0].data, call->in[1].data, (size_t)shape.c};
    real *ds = call->out[0].data;
    size_t begin, end;
    const double *sums =
        reduce_columns(term, &c, shape_rows(shape), c.columns, call->scratch, worker, &begin, &end);
    if (rep_shape_count(call->out[0].shape) > 1) {
        for (size_t i = begin; i < end; i++) { ds[i] = (real)sums[i]; }
        return;
    }
    rep_worker_sync(worker); /* all columns are ready from here on */
    if (worker->index != 0) { return; }
    double total = 0;
    for (size_t i = 0; i < c.columns; i++) { total += sums[i]; }
    ds[0] = (real)total;
}

REP_KERNEL(scale_grad_s, run, scratch_bytes);
