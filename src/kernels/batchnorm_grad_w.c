/* batchnorm_grad_w - dweight = sum g x^ and dbias = sum g per channel, with x^ = (x - mean) invstd
 * and g = dy where the fused activation let the value pass, 0 elsewhere: the value is formed again
 * from x instead of being kept. From (dy, x, mean, invstd, weight, bias). One pass over dy and x;
 * pixels are cut into fixed chunks. */
#include "kernels/norm.h"
#include "kernels/reduce.h"

typedef struct context {
    const real *dy, *x;
    size_t columns;
    norm_channels of;
    act_bounds bounds;
} context;

REP_INLINE vec_pair term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    const size_t at = row * c->columns + column;
    const norm_value value = norm_apply(&c->of, vload_count(c->x + at, lanes), column, lanes);
    const vec g = vclamp_grad(c->bounds, value.y, vload_count(c->dy + at, lanes));
    return (vec_pair){g * value.unit, g};
}

REP_INLINE vec_pair plain_term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    const size_t at = row * c->columns + column;
    const vec x = vload_count(c->x + at, lanes), dy = vload_count(c->dy + at, lanes);
    const vec unit =
        (x - vload_count(c->of.mean + column, lanes)) * vload_count(c->of.invstd + column, lanes);
    return (vec_pair){dy * unit, dy};
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_shape shape = call->in[0].shape;
    return reduce_scratch_bytes(shape_rows(shape), (size_t)shape.c, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const context c = {
        call->in[0].data,
        call->in[1].data,
        (size_t)shape.c,
        {call->in[2].data, call->in[3].data, call->in[4].data, call->in[5].data},
        act_bounds_of(params->act),
    };
    real *dweight = call->out[0].data, *dbias = call->out[1].data;
    const size_t rows = shape_rows(shape);
    size_t i, end;
    const double *sums =
        params->act == REP_ACT_NONE
            ? reduce_columns(plain_term, &c, rows, c.columns, call->scratch, worker, &i, &end)
            : reduce_columns(term, &c, rows, c.columns, call->scratch, worker, &i, &end);
    for (; i < end; i++) {
        dweight[i] = (real)sums[i];
        dbias[i] = (real)sums[c.columns + i];
    }
}

REP_KERNEL(batchnorm_grad_w, run, scratch_bytes);
