/* global_pool_grad - dx[n,c,i,j] = dy[n,c] / (h w), dx {n,c,h,w}. Pixels are divided among
 * workers. */
#include "kernels/map.h"

typedef struct context {
    const real *dy;
    real factor;
} context;

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    (void)row;
    return vload_count(c->dy + column, lanes) * c->factor;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->out[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const real *dy = call->in[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(shape), 1, &row, &end);
    while (row < end) {
        const size_t n = row / pixels, next = (n + 1) * pixels < end ? (n + 1) * pixels : end;
        const context c = {dy + n * columns, 1 / (real)pixels};
        map_rows(apply, &c, call->out[0].data, row, next, columns);
        row = next;
    }
}

REP_KERNEL(global_pool_grad, run, NULL);
