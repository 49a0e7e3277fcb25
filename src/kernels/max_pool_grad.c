/* max_pool_grad - dx[p] = sum of dy over the windows whose maximum lay at p, from (dy, index). Each
 * input pixel gathers from the windows that cover it, so nothing is added concurrently. dx
 * {n,c,h,w}. Input pixels are divided among workers. */
#include "kernels/window.h"

static inline ivec load_index(const int32_t *p, size_t lanes) {
    ivec v = {0};
    for (size_t i = 0; i < lanes; i++) { v[i] = p[i]; }
    return v;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_pool_params *params = call->params;
    const rep_shape in = call->in[0].shape, out = call->out[0].shape;
    const real *dy = call->in[0].data;
    const int32_t *index = call->in[1].data;
    const size_t columns = (size_t)out.c;
    size_t row, end;
    rep_worker_range(worker, shape_rows(out), 1, &row, &end);
    for (; row < end; row++) {
        const pixel at = pixel_of(row, out);
        const window_span ys = window_covers(at.y, params, in.h);
        const window_span xs = window_covers(at.x, params, in.w);
        const ivec here = (ivec){0} + (at.y * out.w + at.x);
        real *dx = (real *)call->out[0].data + row * columns;
        for (size_t c = 0; c < columns; c += REP_LANES) {
            const size_t lanes = columns - c < REP_LANES ? columns - c : REP_LANES;
            vec sum = vset(0);
            for (int32_t i = ys.begin; i < ys.end; i++) {
                for (int32_t j = xs.begin; j < xs.end; j++) {
                    const size_t from = pixel_at(in, at.n, i, j) + c;
                    const ivec chosen = (ivec)(load_index(index + from, lanes) == here);
                    sum += vselect(chosen, vload_count(dy + from, lanes), vset(0));
                }
            }
            vstore_count(dx + c, sum, lanes);
        }
    }
}

REP_KERNEL(max_pool_grad, run, NULL);
