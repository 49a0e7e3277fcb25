/* gate_grad_g - gradient of the gate: dg[n,c] = sum over h, w of x * dy, from (x, dy). Pictures are
 * divided among workers. */
#include "kernels/reduce.h"

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    return reduce_own_bytes((size_t)call->in[0].shape.c) * (size_t)threads;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const size_t pixels = (size_t)shape.h * (size_t)shape.w, columns = (size_t)shape.c;
    const reduce_product c = {call->in[0].data, call->in[1].data, columns};
    real *dg = call->out[0].data;
    void *own = (char *)call->scratch + (size_t)worker->index * reduce_own_bytes(columns);
    size_t n, end;
    rep_worker_range(worker, (size_t)shape.n, 1, &n, &end);
    for (; n < end; n++) {
        const double *sums =
            reduce_own(reduce_product_term, &c, n * pixels, (n + 1) * pixels, columns, own);
        for (size_t i = 0; i < columns; i++) { dg[n * columns + i] = (real)sums[i]; }
    }
}

REP_KERNEL(gate_grad_g, run, scratch_bytes);
