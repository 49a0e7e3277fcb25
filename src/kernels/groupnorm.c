/* groupnorm - normalises each picture over groups of channels: y = (x - mean) invstd weight + bias,
 * from (x, weight, bias) to (y, mean {n,groups,1,1}, invstd {n,groups,1,1}). Two passes for the
 * statistics (mean, then squares about it), one for y. Pictures are divided among workers.
 * Wu and He, ECCV 2018. */
#include "kernels/groupnorm.h"

REP_INLINE vec_pair sum_term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const group_context *c = ctx;
    return (vec_pair){vload_count(c->x + row * c->columns + column, lanes), vset(0)};
}

REP_INLINE vec_pair square_term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const group_context *c = ctx;
    const vec d =
        vload_count(c->x + row * c->columns + column, lanes) - vload_count(c->mean + column, lanes);
    return (vec_pair){d * d, d};
}

REP_INLINE vec apply(const void *ctx, size_t row, size_t column, size_t lanes) {
    const group_context *c = ctx;
    return group_unit(c, row, column, lanes) * vload_count(c->weight + column, lanes) +
           vload_count(c->bias + column, lanes);
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    return (size_t)threads * group_scratch_bytes((size_t)call->in[0].shape.c, 2);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const size_t groups = params->groups, size = columns / groups;
    const double count = (double)(pixels * size);
    char *own = (char *)call->scratch + (size_t)worker->index * group_scratch_bytes(columns, 2);
    real *spread = (real *)(void *)(own + reduce_own_bytes(columns));
    real *spread_invstd = spread + reduce_columns_padded(columns);
    size_t n, end;
    rep_worker_range(worker, (size_t)shape.n, 1, &n, &end);
    for (; n < end; n++) {
        const size_t top = n * pixels, bottom = top + pixels;
        real *mean = (real *)call->out[1].data + n * groups;
        real *invstd = (real *)call->out[2].data + n * groups;
        const group_context c = {.x = call->in[0].data,
                                 .columns = columns,
                                 .mean = spread,
                                 .invstd = spread_invstd,
                                 .weight = call->in[1].data,
                                 .bias = call->in[2].data};
        const double *sums = reduce_own(sum_term, &c, top, bottom, columns, own);
        for (size_t g = 0; g < groups; g++) {
            double sum = 0;
            for (size_t i = g * size; i < (g + 1) * size; i++) { sum += sums[i]; }
            mean[g] = (real)(sum / count);
        }
        group_spread(spread, mean, columns, groups);
        sums = reduce_own(square_term, &c, top, bottom, columns, own);
        for (size_t g = 0; g < groups; g++) {
            double squares = 0, rest = 0;
            for (size_t i = g * size; i < (g + 1) * size; i++) {
                squares += sums[i];
                rest += sums[columns + i];
            }
            const double variance = (squares - rest * rest / count) / count;
            invstd[g] = (real)(1 / sqrt((variance < 0 ? 0 : variance) + (double)params->eps));
        }
        group_spread(spread_invstd, invstd, columns, groups);
        map_rows(apply, &c, call->out[0].data, top, bottom, columns);
    }
}

REP_KERNEL(groupnorm, run, scratch_bytes);
