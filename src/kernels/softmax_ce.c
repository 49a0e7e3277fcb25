/* softmax_ce - cross-entropy of a softmax with label smoothing e over c classes, per row:
 * (1 - e) (-ln p_t) + e / c sum (-ln p_i), from (logits {n,c,h,w}, labels i32 {n,1,h,w}). A label
 * below 0 gives 0; one that is no class gives NaN, so that the run stops. Rows are divided among
 * workers. Szegedy et al., CVPR 2016, section 7. */
#include "kernels/softmax.h"

/* With d = x - largest: -ln p_i = ln(sum) - d_i. */
static real row_loss(const real *x, size_t columns, size_t label, real smoothing) {
    const softmax_row row = softmax_of(x, columns);
    real away = 0;
    if (smoothing > 0) {
        for (size_t i = 0; i < columns; i++) { away += x[i] - row.largest; }
    }
    return rlog(row.sum) - (1 - smoothing) * (x[label] - row.largest) -
           smoothing / (real)columns * away;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_loss_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const real *x = call->in[0].data;
    const int32_t *labels = call->in[1].data;
    real *y = call->out[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(shape), 1, &row, &end);
    for (; row < end; row++) {
        const size_t columns = (size_t)shape.c;
        if (labels[row] < 0) {
            y[row] = 0;
        } else if (labels[row] >= shape.c) {
            y[row] = (real)NAN;
        } else {
            y[row] =
                row_loss(x + row * columns, columns, (size_t)labels[row], (real)params->smoothing);
        }
    }
}

REP_KERNEL(softmax_ce, run, NULL);
