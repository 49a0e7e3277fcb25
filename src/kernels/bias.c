/* bias - y = x + b, b one value per channel {1,c,1,1}. Pixels are divided among workers. */
#include "kernels/map.h"

typedef struct context {
    const real *x, *b;
    size_t columns;
} context;

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->x + row * c->columns + column, lanes) + vload_count(c->b + column, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const context c = {call->in[0].data, call->in[1].data, (size_t)shape.c};
    map_all_rows(apply, &c, call->out[0].data, shape_rows(shape), c.columns, worker);
}

REP_KERNEL(bias, run, NULL);
