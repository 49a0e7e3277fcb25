/* merge_grad - gradient of the fold: dWk = s dW, dW1 = t dW[centre], ds = sum Wk dW,
 * dt = sum W1 dW[centre], du[i] = dW[i, i mod c_in, centre], from (dW, Wk, W1, s, t, [u]); du is
 * zero without u. Output channels are divided among workers. */
#include "kernels/kernel.h"
#include "kernels/math.h"

/* Sum of a * b over a row, and out = factor * b. */
static real row_grad(const real *a, const real *b, size_t count, real factor, real *out) {
    vec sum = vset(0);
    size_t k = 0;
    for (; k + REP_LANES <= count; k += REP_LANES) {
        const vec d = vload(b + k);
        sum += vload(a + k) * d;
        vstore(out + k, d * factor);
    }
    if (k < count) {
        const vec d = vload_part(b + k, count - k);
        sum += vload_part(a + k, count - k) * d;
        vstore_part(out + k, d * factor, count - k);
    }
    return vsum(sum);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[1].shape;
    const size_t columns = (size_t)shape.c, taps = (size_t)shape.h * (size_t)shape.w;
    const size_t row = taps * columns;
    const size_t centre =
        ((size_t)(shape.h / 2) * (size_t)shape.w + (size_t)(shape.w / 2)) * columns;
    const real *s = call->in[3].data, *t = call->in[4].data;
    real *ds = call->out[2].data, *dt = call->out[3].data, *du = call->out[4].data;
    const bool has_u = call->in[5].data != NULL;
    size_t i, end;
    rep_worker_range(worker, (size_t)shape.n, 1, &i, &end);
    for (; i < end; i++) {
        const real *dw = (const real *)call->in[0].data + i * row;
        const real *wk = (const real *)call->in[1].data + i * row;
        const real *w1 = (const real *)call->in[2].data + i * columns;
        ds[i] = row_grad(wk, dw, row, s[i], (real *)call->out[0].data + i * row);
        dt[i] = row_grad(w1, dw + centre, columns, t[i], (real *)call->out[1].data + i * columns);
        if (du) { du[i] = has_u ? dw[centre + i % columns] : 0; }
    }
}

REP_KERNEL(merge_grad, run, NULL);
