/* slice - channels [begin, begin + count) of x. Pixels are divided among workers. */
#include "kernels/map.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_slice_params *params = call->params;
    const size_t total = (size_t)call->in[0].shape.c, count = params->count;
    const real *x = (const real *)call->in[0].data + params->begin;
    real *y = call->out[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(call->out[0].shape), 1, &row, &end);
    for (; row < end; row++) { memcpy(y + row * count, x + row * total, count * sizeof *y); }
}

REP_KERNEL(slice, run, NULL);
