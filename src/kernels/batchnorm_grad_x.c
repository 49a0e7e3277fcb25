/* batchnorm_grad_x - dx = weight invstd (g - (dbias + x^ dweight) / N), N = n h w, where mean and
 * variance are functions of x (training); dx = weight invstd g where they are constants. g and x^
 * as in batchnorm_grad_w. From (dy, x, mean, invstd, weight, bias, dweight, dbias); dx may lie in
 * dy's memory. One pass; pixels are divided among workers. */
#include "kernels/map.h"
#include "kernels/norm.h"

typedef struct context {
    const real *dy, *x;
    size_t columns;
    norm_channels of;
    act_bounds bounds;
    const real *dweight, *dbias;
    real per_row; /* 1 / N, or 0 */
} context;

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    const size_t at = row * c->columns + column;
    const norm_value value = norm_apply(&c->of, vload_count(c->x + at, lanes), column, lanes);
    const vec g = vclamp_grad(c->bounds, value.y, vload_count(c->dy + at, lanes));
    const vec mean_part = (vload_count(c->dbias + column, lanes) +
                           value.unit * vload_count(c->dweight + column, lanes)) *
                          c->per_row;
    const vec slope =
        vload_count(c->of.weight + column, lanes) * vload_count(c->of.invstd + column, lanes);
    return slope * (g - mean_part);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const size_t rows = shape_rows(shape);
    const context c = {
        call->in[0].data,
        call->in[1].data,
        (size_t)shape.c,
        {call->in[2].data, call->in[3].data, call->in[4].data, call->in[5].data},
        act_bounds_of(params->act),
        call->in[6].data,
        call->in[7].data,
        params->training ? 1 / (real)rows : 0,
    };
    map_all_rows(apply, &c, call->out[0].data, rows, c.columns, worker);
}

REP_KERNEL(batchnorm_grad_x, run, NULL);
