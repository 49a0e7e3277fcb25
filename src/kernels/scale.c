/* scale - y = x * s, s one value per channel {1,c,1,1} or one in all. Pixels are divided among
 * workers. */
#include "kernels/map.h"

typedef struct context {
    const real *x, *s;
    size_t columns;
} context;

REP_INLINE vec by_channel(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->x + row * c->columns + column, lanes) * vload_count(c->s + column, lanes);
}

REP_INLINE vec by_one(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->x + index, lanes) * c->s[0];
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const context c = {call->in[0].data, call->in[1].data, (size_t)shape.c};
    if (rep_shape_count(call->in[1].shape) == 1) {
        map_flat(by_one, &c, call->out[0].data, rep_shape_count(shape), worker);
    } else {
        map_all_rows(by_channel, &c, call->out[0].data, shape_rows(shape), c.columns, worker);
    }
}

REP_KERNEL(scale, run, NULL);
