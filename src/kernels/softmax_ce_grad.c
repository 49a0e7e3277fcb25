/* softmax_ce_grad - gradient of softmax_ce: dx_i = drow (p_i - e / c - (1 - e) [i == label]), 0 for
 * a row without label, from (logits, labels, drow). Rows are divided among workers. */
#include "kernels/softmax.h"

static void row_grad(const real *x, size_t columns, size_t label, real smoothing, real drow,
                     real *dx) {
    const softmax_row row = softmax_of(x, columns);
    const real factor = drow / row.sum, offset = drow * smoothing / (real)columns;
    for (size_t i = 0; i < columns; i += REP_LANES) {
        const size_t lanes = columns - i < REP_LANES ? columns - i : REP_LANES;
        const vec p = vexp(vload_count(x + i, lanes) - row.largest) * factor;
        vstore_count(dx + i, p - offset, lanes);
    }
    dx[label] -= drow * (1 - smoothing);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_loss_params *params = call->params;
    const rep_shape shape = call->in[0].shape;
    const size_t columns = (size_t)shape.c;
    const real *x = call->in[0].data, *drow = call->in[2].data;
    const int32_t *labels = call->in[1].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(shape), 1, &row, &end);
    for (; row < end; row++) {
        real *dx = (real *)call->out[0].data + row * columns;
        if (labels[row] < 0) {
            memset(dx, 0, columns * sizeof *dx);
        } else if (labels[row] >= shape.c) {
            for (size_t i = 0; i < columns; i++) { dx[i] = (real)NAN; }
        } else {
            row_grad(x + row * columns, columns, (size_t)labels[row], (real)params->smoothing,
                     drow[row], dx);
        }
    }
}

REP_KERNEL(softmax_ce_grad, run, NULL);
