/* gate - y = x * g, g {n,c,1,1}: one factor per picture and channel. Pixels are divided among
 * workers. */
#include "kernels/map.h"

typedef struct context {
    const real *x, *g; /* g: of one picture */
    size_t columns;
} context;

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    return vload_count(c->x + row * c->columns + column, lanes) * vload_count(c->g + column, lanes);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const real *g = call->in[1].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(shape), 1, &row, &end);
    while (row < end) {
        const size_t n = row / pixels, next = (n + 1) * pixels < end ? (n + 1) * pixels : end;
        const context c = {call->in[0].data, g + n * columns, columns};
        map_rows(apply, &c, call->out[0].data, row, next, columns);
        row = next;
    }
}

REP_KERNEL(gate, run, NULL);
