/* slice_grad - puts dy back as channels [begin, begin + count) of dx, among zeros. Pixels are
 * divided among workers. */
#include "kernels/map.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_slice_params *params = call->params;
    const size_t total = (size_t)call->out[0].shape.c, count = params->count;
    const real *dy = call->in[0].data;
    real *dx = call->out[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(call->out[0].shape), 1, &row, &end);
    for (; row < end; row++) {
        real *to = dx + row * total;
        memset(to, 0, total * sizeof *to);
        memcpy(to + params->begin, dy + row * count, count * sizeof *to);
    }
}

REP_KERNEL(slice_grad, run, NULL);
