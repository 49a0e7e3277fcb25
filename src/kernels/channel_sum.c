/* channel_sum - y[c] = sum over n, h, w of x. Pixels are cut into fixed chunks. */
#include "kernels/reduce.h"

typedef struct context {
    const real *x;
    size_t columns;
} context;

REP_INLINE vec_pair term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    return (vec_pair){vload_count(c->x + row * c->columns + column, lanes), vset(0)};
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_shape shape = call->in[0].shape;
    return reduce_scratch_bytes(shape_rows(shape), (size_t)shape.c, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const context c = {call->in[0].data, (size_t)shape.c};
    real *y = call->out[0].data;
    size_t i, end;
    const double *sums =
        reduce_columns(term, &c, shape_rows(shape), c.columns, call->scratch, worker, &i, &end);
    for (; i < end; i++) { y[i] = (real)sums[i]; }
}

REP_KERNEL(channel_sum, run, scratch_bytes);
