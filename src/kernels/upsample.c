/* upsample - nearest neighbour: y[i, j] = x[floor(i h / oh), floor(j w / ow)], x {n,c,h,w} to
 * y {n,c,oh,ow}. Output pixels are divided among workers. */
#include "kernels/window.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape in = call->in[0].shape, out = call->out[0].shape;
    const real *x = call->in[0].data;
    real *y = call->out[0].data;
    const size_t columns = (size_t)out.c;
    size_t row, end;
    rep_worker_range(worker, shape_rows(out), 1, &row, &end);
    for (; row < end; row++) {
        const pixel at = pixel_of(row, out);
        const int32_t i = (int32_t)((int64_t)at.y * in.h / out.h);
        const int32_t j = (int32_t)((int64_t)at.x * in.w / out.w);
        memcpy(y + row * columns, x + pixel_at(in, at.n, i, j), columns * sizeof *y);
    }
}

REP_KERNEL(upsample, run, NULL);
