/* max_pool - y = the largest x of each window, and index = the flat h*w position of its first
 * maximum. Padding counts as minus infinity; a NaN wins. x {n,c,h,w} to y, index {n,c,oh,ow}.
 * Output pixels are divided among workers. */
#include "kernels/window.h"

/* One vector of channels of one output pixel. */
static inline void pool(const real *x, rep_shape shape, window_span ys, window_span xs,
                        size_t lanes, real *y, int32_t *index) {
    vec best = vset((real)-INFINITY);
    ivec where = {0};
    where += ys.begin * shape.w + xs.begin;
    for (int32_t i = ys.begin; i < ys.end; i++) {
        for (int32_t j = xs.begin; j < xs.end; j++) {
            const int32_t at = i * shape.w + j;
            const vec v = vload_count(x + (size_t)at * (size_t)shape.c, lanes);
            const ivec better = (ivec)(v > best) | ((ivec)(v != v) & (ivec)(best == best));
            const ivec here = (ivec){0} + at;
            best = vselect(better, v, best);
            where = (here & better) | (where & ~better);
        }
    }
    vstore_count(y, best, lanes);
    for (size_t k = 0; k < lanes; k++) { index[k] = (int32_t)where[k]; }
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_pool_params *params = call->params;
    const rep_shape in = call->in[0].shape, out = call->out[0].shape;
    const size_t columns = (size_t)out.c;
    size_t row, end;
    rep_worker_range(worker, shape_rows(out), 1, &row, &end);
    for (; row < end; row++) {
        const pixel at = pixel_of(row, out);
        const window_span ys = window_taps(at.y, params, in.h);
        const window_span xs = window_taps(at.x, params, in.w);
        const real *x = (const real *)call->in[0].data + pixel_at(in, at.n, 0, 0);
        real *y = (real *)call->out[0].data + row * columns;
        int32_t *index = (int32_t *)call->out[1].data + row * columns;
        for (size_t i = 0; i < columns; i += REP_LANES) {
            const size_t lanes = columns - i < REP_LANES ? columns - i : REP_LANES;
            pool(x + i, in, ys, xs, lanes, y + i, index + i);
        }
    }
}

REP_KERNEL(max_pool, run, NULL);
