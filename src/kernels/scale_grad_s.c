/* scale_grad_s - gradient of a scale: ds = sum of x * dy per channel, or over everything when s is
 * one value; from (x, dy, s). Pixels are cut into fixed chunks. */
#include "kernels/reduce.h"

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_shape shape = call->in[0].shape;
    return reduce_scratch_bytes(shape_rows(shape), (size_t)shape.c, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const reduce_product c = {call->in[0].data, call->in[1].data, (size_t)shape.c};
    real *ds = call->out[0].data;
    size_t begin, end;
    const double *sums = reduce_columns(reduce_product_term, &c, shape_rows(shape), c.columns,
                                        call->scratch, worker, &begin, &end);
    if (rep_shape_count(call->out[0].shape) > 1) {
        for (size_t i = begin; i < end; i++) { ds[i] = (real)sums[i]; }
        return;
    }
    rep_worker_sync(worker); /* all columns are ready from here on */
    if (worker->index != 0) { return; }
    double total = 0;
    for (size_t i = 0; i < c.columns; i++) { total += sums[i]; }
    ds[0] = (real)total;
}

REP_KERNEL(scale_grad_s, run, scratch_bytes);
