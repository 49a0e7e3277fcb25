/* fill - y = value everywhere; x {n,c,h,w} only gives the shape. Elements are divided. */
#include "kernels/kernel.h"
#include "kernels/simd.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_fill_params *p = call->params;
    real *y = call->out[0].data;
    size_t begin, end;
    rep_worker_range(worker, rep_shape_count(call->out[0].shape), REP_LANES, &begin, &end);
    for (size_t i = begin; i < end; i++) { y[i] = (real)p->value; }
}

REP_KERNEL(fill, run, NULL);
