/* avg_pool - y = mean of each window: over kernel^2 taps, padding counted as 0, when count_pad is
 * 1; over the taps inside the picture otherwise. x {n,c,h,w} to y {n,c,oh,ow}. Output pixels are
 * divided among workers. */
#include "kernels/window.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_pool_params *params = call->params;
    const rep_shape in = call->in[0].shape, out = call->out[0].shape;
    const real *x = call->in[0].data;
    const size_t columns = (size_t)out.c;
    size_t row, end;
    rep_worker_range(worker, shape_rows(out), 1, &row, &end);
    for (; row < end; row++) {
        const pixel at = pixel_of(row, out);
        const window_span ys = window_taps(at.y, params, in.h);
        const window_span xs = window_taps(at.x, params, in.w);
        const real factor = 1 / (real)window_divisor(ys, xs, params);
        real *y = (real *)call->out[0].data + row * columns;
        for (size_t c = 0; c < columns; c += REP_LANES) {
            const size_t lanes = columns - c < REP_LANES ? columns - c : REP_LANES;
            vec sum = vset(0);
            for (int32_t i = ys.begin; i < ys.end; i++) {
                for (int32_t j = xs.begin; j < xs.end; j++) {
                    sum += vload_count(x + pixel_at(in, at.n, i, j) + c, lanes);
                }
            }
            vstore_count(y + c, sum * factor, lanes);
        }
    }
}

REP_KERNEL(avg_pool, run, NULL);
