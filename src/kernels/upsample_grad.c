/* upsample_grad - dx[p] = sum of dy over the output pixels that copied p, dy {n,c,oh,ow} to
 * dx {n,c,h,w}. Input pixels are divided among workers. */
#include "kernels/window.h"

/* Output positions i with floor(i size / count) == at. */
static inline window_span copies_of(int32_t at, int32_t size, int32_t count) {
    const int64_t begin = ((int64_t)at * count + size - 1) / size;
    const int64_t end = ((int64_t)(at + 1) * count + size - 1) / size;
    return (window_span){(int32_t)begin, (int32_t)end};
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape in = call->in[0].shape, out = call->out[0].shape;
    const real *dy = call->in[0].data;
    const size_t columns = (size_t)out.c;
    size_t row, end;
    rep_worker_range(worker, shape_rows(out), 1, &row, &end);
    for (; row < end; row++) {
        const pixel at = pixel_of(row, out);
        const window_span ys = copies_of(at.y, out.h, in.h), xs = copies_of(at.x, out.w, in.w);
        real *dx = (real *)call->out[0].data + row * columns;
        for (size_t c = 0; c < columns; c += REP_LANES) {
            const size_t lanes = columns - c < REP_LANES ? columns - c : REP_LANES;
            vec sum = vset(0);
            for (int32_t i = ys.begin; i < ys.end; i++) {
                for (int32_t j = xs.begin; j < xs.end; j++) {
                    sum += vload_count(dy + pixel_at(in, at.n, i, j) + c, lanes);
                }
            }
            vstore_count(dx + c, sum, lanes);
        }
    }
}

REP_KERNEL(upsample_grad, run, NULL);
