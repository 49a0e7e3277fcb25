/* groupnorm_grad_x - dx = invstd (g - mean(g) - x^ mean(g x^)), g = dy weight, means over a
 * picture's group; from (dy, x, mean, invstd, weight). Pictures are divided among workers. */
#include "kernels/groupnorm.h"

REP_INLINE vec_pair term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const group_context *c = ctx;
    const vec g = vload_count(c->dy + row * c->columns + column, lanes) *
                  vload_count(c->weight + column, lanes);
    return (vec_pair){g, g * group_unit(c, row, column, lanes)};
}

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const group_context *c = ctx;
    const vec g = vload_count(c->dy + row * c->columns + column, lanes) *
                  vload_count(c->weight + column, lanes);
    const vec mean_part = vload_count(c->offset + column, lanes) +
                          group_unit(c, row, column, lanes) * vload_count(c->slope + column, lanes);
    return vload_count(c->invstd + column, lanes) * (g - mean_part);
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    return (size_t)threads * group_scratch_bytes((size_t)call->in[0].shape.c, 4);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const size_t groups = params->groups, size = columns / groups;
    const double count = (double)(pixels * size);
    char *own = (char *)call->scratch + (size_t)worker->index * group_scratch_bytes(columns, 4);
    real *mean = (real *)(void *)(own + reduce_own_bytes(columns));
    real *invstd = mean + reduce_columns_padded(columns);
    real *offset = invstd + reduce_columns_padded(columns);
    real *slope = offset + reduce_columns_padded(columns);
    const group_context c = {.dy = call->in[0].data,
                             .x = call->in[1].data,
                             .columns = columns,
                             .mean = mean,
                             .invstd = invstd,
                             .weight = call->in[4].data,
                             .offset = offset,
                             .slope = slope};
    size_t n, end;
    rep_worker_range(worker, (size_t)shape.n, 1, &n, &end);
    for (; n < end; n++) {
        const size_t top = n * pixels, bottom = top + pixels;
        group_spread(mean, (const real *)call->in[2].data + n * groups, columns, groups);
        group_spread(invstd, (const real *)call->in[3].data + n * groups, columns, groups);
        const double *sums = reduce_own(term, &c, top, bottom, columns, own);
        for (size_t g = 0; g < groups; g++) {
            double sum = 0, product = 0;
            for (size_t i = g * size; i < (g + 1) * size; i++) {
                sum += sums[i];
                product += sums[columns + i];
            }
            for (size_t i = g * size; i < (g + 1) * size; i++) {
                offset[i] = (real)(sum / count);
                slope[i] = (real)(product / count);
            }
        }
        map_rows(apply, &c, call->out[0].data, top, bottom, columns);
    }
}

REP_KERNEL(groupnorm_grad_x, run, scratch_bytes);
