/* avg_pool_grad - dx[p] = sum over the windows that cover p of dy / their divisor (avg_pool), from
 * dy {n,c,oh,ow} to dx {n,c,h,w}. Input pixels are divided among workers. */
#include "kernels/window.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_pool_params *params = call->params;
    const rep_shape in = call->in[0].shape, out = call->out[0].shape;
    const real *dy = call->in[0].data;
    const size_t columns = (size_t)out.c;
    size_t row, end;
    rep_worker_range(worker, shape_rows(out), 1, &row, &end);
    for (; row < end; row++) {
        const pixel at = pixel_of(row, out);
        const window_span ys = window_covers(at.y, params, in.h);
        const window_span xs = window_covers(at.x, params, in.w);
        real *dx = (real *)call->out[0].data + row * columns;
        for (size_t c = 0; c < columns; c += REP_LANES) {
            const size_t lanes = columns - c < REP_LANES ? columns - c : REP_LANES;
            vec sum = vset(0);
            for (int32_t i = ys.begin; i < ys.end; i++) {
                const window_span rows = window_taps(i, params, out.h);
                for (int32_t j = xs.begin; j < xs.end; j++) {
                    const window_span taps = window_taps(j, params, out.w);
                    const real factor = 1 / (real)window_divisor(rows, taps, params);
                    sum += vload_count(dy + pixel_at(in, at.n, i, j) + c, lanes) * factor;
                }
            }
            vstore_count(dx + c, sum, lanes);
        }
    }
}

REP_KERNEL(avg_pool_grad, run, NULL);
