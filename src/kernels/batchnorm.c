/* batchnorm - normalises, with the activation behind it: y = act((x - mean) invstd weight + bias)
 * from (x, mean, invstd, weight, bias), act none, relu or relu6. Pixels are divided among workers.
 * Ioffe and Szegedy, ICML 2015. */
#include "kernels/map.h"
#include "kernels/norm.h"

typedef struct context {
    const real *x;
    size_t columns;
    norm_channels of;
    act_bounds bounds;
} context;

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const context *c = ctx;
    const vec x = vload_count(c->x + row * c->columns + column, lanes);
    return vclamp(c->bounds, norm_apply(&c->of, x, column, lanes).y);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const context c = {
        call->in[0].data,
        (size_t)shape.c,
        {call->in[1].data, call->in[2].data, call->in[3].data, call->in[4].data},
        act_bounds_of(params->act),
    };
    map_all_rows(apply, &c, call->out[0].data, shape_rows(shape), c.columns, worker);
}

REP_KERNEL(batchnorm, run, NULL);
