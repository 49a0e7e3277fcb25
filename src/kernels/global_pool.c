/* global_pool - y[n,c] = mean over h, w of x. Pictures are divided among workers. */
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
    return reduce_own_bytes((size_t)call->in[0].shape.c) * (size_t)threads;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const context c = {call->in[0].data, columns};
    real *y = call->out[0].data;
    void *own = (char *)call->scratch + (size_t)worker->index * reduce_own_bytes(columns);
    size_t n, end;
    rep_worker_range(worker, (size_t)shape.n, 1, &n, &end);
    for (; n < end; n++) {
        const double *sums = reduce_own(term, &c, n * pixels, (n + 1) * pixels, columns, own);
        for (size_t i = 0; i < columns; i++) {
            y[n * columns + i] = (real)(sums[i] / (double)pixels);
        }
    }
}

REP_KERNEL(global_pool, run, scratch_bytes);
