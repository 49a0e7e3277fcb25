/* concat - channels of up to 8 tensors of one n, h, w side by side. Pixels are divided among
 * workers. */
#include "kernels/map.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const size_t total = (size_t)call->out[0].shape.c;
    real *y = call->out[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(call->out[0].shape), 1, &row, &end);
    for (; row < end; row++) {
        size_t at = row * total;
        for (int k = 0; k < REP_MAX_INPUTS && call->in[k].data; k++) {
            const size_t count = (size_t)call->in[k].shape.c;
            memcpy(y + at, (const real *)call->in[k].data + row * count, count * sizeof *y);
            at += count;
        }
    }
}

REP_KERNEL(concat, run, NULL);
