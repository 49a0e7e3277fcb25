/* groupnorm_grad_w - dweight = sum dy x^ and dbias = sum dy per channel over n, h, w, from (dy, x,
 * mean, invstd). Pictures are divided among workers, their sums joined in order. */
#include "kernels/groupnorm.h"

REP_INLINE vec_pair term(const void *ctx, size_t row, size_t column, size_t lanes) {
    const group_context *c = ctx;
    const vec dy = vload_count(c->dy + row * c->columns + column, lanes);
    return (vec_pair){dy * group_unit(c, row, column, lanes), dy};
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_shape shape = call->in[0].shape;
    const size_t columns = (size_t)shape.c;
    return (size_t)shape.n * 2 * reduce_columns_padded(columns) * sizeof(double) +
           (size_t)threads * group_scratch_bytes(columns, 2);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_norm_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const size_t groups = params->groups, stride = 2 * reduce_columns_padded(columns);
    double *sums = call->scratch;
    char *own = (char *)(sums + (size_t)shape.n * stride) +
                (size_t)worker->index * group_scratch_bytes(columns, 2);
    real *mean = (real *)(void *)(own + reduce_own_bytes(columns));
    real *invstd = mean + reduce_columns_padded(columns);
    const group_context c = {.dy = call->in[0].data,
                             .x = call->in[1].data,
                             .columns = columns,
                             .mean = mean,
                             .invstd = invstd};
    size_t n, last;
    rep_worker_range(worker, (size_t)shape.n, 1, &n, &last);
    for (; n < last; n++) {
        group_spread(mean, (const real *)call->in[2].data + n * groups, columns, groups);
        group_spread(invstd, (const real *)call->in[3].data + n * groups, columns, groups);
        const double *one = reduce_own(term, &c, n * pixels, (n + 1) * pixels, columns, own);
        memcpy(sums + n * stride, one, 2 * columns * sizeof *sums);
    }
    rep_worker_sync(worker);
    real *dweight = call->out[0].data, *dbias = call->out[1].data;
    size_t begin, end;
    rep_worker_range(worker, columns, 16, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        double a = 0, b = 0;
        for (size_t k = 0; k < (size_t)shape.n; k++) {
            a += sums[k * stride + i];
            b += sums[k * stride + columns + i];
        }
        dweight[i] = (real)a;
        dbias[i] = (real)b;
    }
}

REP_KERNEL(groupnorm_grad_w, run, scratch_bytes);
