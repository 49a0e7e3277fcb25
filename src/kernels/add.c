/* add - y = a + b of one shape. Elements are divided among workers. */
#include "kernels/map.h"

typedef struct context {
    const real *a, *b;
} context;

REP_INLINE vec apply(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->a + index, lanes) + vload_count(c->b + index, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const context c = {call->in[0].data, call->in[1].data};
    map_flat(apply, &c, call->out[0].data, rep_shape_count(call->out[0].shape), worker);
}

REP_KERNEL(add, run, NULL);
