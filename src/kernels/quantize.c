/* quantize - y = min(max(round(v), -zero), 255 - zero): what ONNX's QuantizeLinear makes of v as
 * uint8, less the zero point, in floating point.
 *
 * x, y {n,c,h,w}; scale, zero {1,1,1,1}; a value: v = x / scale. With from_x {1,1,1,1} and from_w
 * {1,c,1,1}, the scales of a convolution's inputs, x holds its sum of whole products:
 * v = x * (from_x * from_w[c] / scale), in this order, as ONNX Runtime requantises. Halves go to
 * even. The bounds are whole where zero is, so that they may come first: what is left to round is
 * small. A NaN stays one. Elements or pixels are divided among workers.
 */
#include "kernels/map.h"

/* 1.5 * 2^23 (2^52 in double precision): behind it a sum has no place for fractions. */
#if defined(REP_ISA_FLOAT64)
#define WHOLE 6755399441055744.0
#else
#define WHOLE 12582912.0f
#endif

typedef struct context {
    const real *x, *from_w;
    real scale, zero, from_x;
    size_t columns;
} context;

REP_INLINE vec to_grid(const context *c, vec v) {
    const vec low = vset(-c->zero), high = vset(255 - c->zero);
    v = vselect((ivec)(v <= low), low, v);
    v = vselect((ivec)(v >= high), high, v);
    return (v + vset(WHOLE)) - vset(WHOLE);
}

REP_INLINE vec of_value(const void *ctx, size_t index, size_t lanes) {
    const context *c = ctx;
    return to_grid(c, vload_count(c->x + index, lanes) / vset(c->scale));
}

REP_INLINE vec of_sum(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    const vec factor = vset(c->from_x) * vload_count(c->from_w + column, lanes) / vset(c->scale);
    return to_grid(c, vload_count(c->x + row * c->columns + column, lanes) * factor);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const real *scale = call->in[1].data, *zero = call->in[2].data, *from_x = call->in[3].data;
    context c = {.x = call->in[0].data,
                 .from_w = call->in[4].data,
                 .scale = scale[0],
                 .zero = zero[0],
                 .columns = (size_t)shape.c};
    if (from_x == NULL) {
        map_flat(of_value, &c, call->out[0].data, rep_shape_count(shape), worker);
        return;
    }
    c.from_x = from_x[0];
    map_all_rows(of_sum, &c, call->out[0].data, shape_rows(shape), c.columns, worker);
}

REP_KERNEL(quantize, run, NULL);
