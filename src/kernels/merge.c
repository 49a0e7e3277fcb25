/* merge - folds scaled branches into one kernel: W = s Wk + pad(t W1) [+ pad(diag(u))] from
 * (Wk {c_out,c_in,k,k}, W1 {c_out,c_in,1,1}, s, t, [u] {1,c_out,1,1}). The 1x1 kernel and the
 * diagonal lie at the centre tap; with groups the diagonal is at input i mod c_in. Output channels
 * are divided among workers. */
#include "kernels/kernel.h"
#include "kernels/math.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const size_t columns = (size_t)shape.c, taps = (size_t)shape.h * (size_t)shape.w;
    const size_t row = taps * columns;
    const size_t centre =
        ((size_t)(shape.h / 2) * (size_t)shape.w + (size_t)(shape.w / 2)) * columns;
    const real *s = call->in[2].data, *t = call->in[3].data, *u = call->in[4].data;
    size_t i, end;
    rep_worker_range(worker, (size_t)shape.n, 1, &i, &end);
    for (; i < end; i++) {
        const real *wk = (const real *)call->in[0].data + i * row;
        const real *w1 = (const real *)call->in[1].data + i * columns;
        real *w = (real *)call->out[0].data + i * row;
        for (size_t k = 0; k < row; k++) { w[k] = s[i] * wk[k]; }
        for (size_t k = 0; k < columns; k++) { w[centre + k] += t[i] * w1[k]; }
        if (u) { w[centre + i % columns] += u[i]; }
    }
}

REP_KERNEL(merge, run, NULL);
