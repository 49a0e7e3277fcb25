/* focal.h - which columns of a row are positive, for the sigmoid focal loss and its gradient.
 *
 * Labels 1 .. c name a class, 0 the background, a negative one leaves the row out. A label above c
 * gives NaN, so that the run stops. Lin et al., ICCV 2017.
 */
#ifndef REP_KERNELS_FOCAL_H
#define REP_KERNELS_FOCAL_H

#include "kernels/loss.h"

typedef struct focal_context {
    const real *x, *drow;
    const int32_t *labels;
    size_t columns;
    real alpha, gamma;
} focal_context;

static inline focal_context focal_context_of(const rep_kernel_call *call) {
    const rep_loss_params *params = call->params;
    return (focal_context){.x = call->in[0].data,
                           .labels = call->in[1].data,
                           .drow = call->in[2].data,
                           .columns = (size_t)call->in[0].shape.c,
                           .alpha = (real)params->alpha,
                           .gamma = (real)params->gamma};
}

/* All bits set in the lane of the row's class. */
static inline ivec focal_positive(const focal_context *c, size_t row, size_t column) {
    ivec index = {0};
    for (int i = 0; i < REP_LANES; i++) { index[i] = (ireal)column + i + 1; }
    return (ivec)(index == (ivec){0} + c->labels[row]);
}

/* A factor that takes a row out, or spoils it. */
static inline real focal_row_factor(const focal_context *c, size_t row) {
    if (c->labels[row] < 0) { return 0; }
    return c->labels[row] > (int32_t)c->columns ? (real)NAN : 1;
}

#endif
