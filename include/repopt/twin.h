/* twin.h - the method's equality, step by step: a target net under RepOptimizer beside its CSLA
 * twin, scaled branches under the ordinary optimizer, on the same data (Ding et al., ICLR 2023).
 *
 *     rep_twin *twin = NULL;
 *     REP_TRY(rep_twin_create(&twin, device, &options));
 *     REP_TRY(rep_twin_step(twin, &loss, &twin_loss));
 *     REP_TRY(rep_twin_differences(difference, twin));
 */
#ifndef REPOPT_TWIN_H
#define REPOPT_TWIN_H

#include "repopt/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rep_twin rep_twin;

typedef struct rep_twin_options {
    rep_vgg_spec net;
    int32_t batch, height, width; /* of the random pictures, whose labels are random, too */
    /* is_identity_constant also freezes the twin's u. */
    rep_optimizer_spec optimizer;
    bool is_masked; /* false: the target's gradients reach an ordinary optimizer */
    float lr;
    /* Where BN biases start. A unit within rounding distance of ReLU's kink may take its gradient
     * on one side alone, which says nothing on the optimizer; 4 keeps float nets off it. */
    float norm_bias;
    uint64_t seed; /* of weights, scales (of both signs, away from 0 and 1) and data */
} rep_twin_options;

/* Both nets on `device`, which is borrowed, starting as the same function. Errors: those of
 * rep_model_build, rep_optimizer_append and rep_program_create. */
REP_NODISCARD rep_status rep_twin_create(rep_twin **out, rep_device *device,
                                         const rep_twin_options *options);
void rep_twin_destroy(rep_twin *twin);

/* One step of both on one random batch; the losses are those before the update. */
REP_NODISCARD rep_status rep_twin_step(rep_twin *twin, double *loss, double *twin_loss);
uint64_t rep_twin_steps(const rep_twin *twin);

/* The target's blocks, borrowed, and the scales of block `index`. */
const rep_model *rep_twin_model(const rep_twin *twin);
const rep_scale_row *rep_twin_row(const rep_twin *twin, size_t index);
/* Logical shape of block `index`'s kernel. */
rep_shape rep_twin_shape(const rep_twin *twin, size_t index);
/* A block's kernel in the target, its twin's folded into one, s*W_k + pad(t*W_1) [+ pad(diag(u))],
 * and the gradient of the target's last step, as the graph computed it; each of the shape's count,
 * stored c_out, kh, kw, c_in, or NULL. */
REP_NODISCARD rep_status rep_twin_read(double *kernel, double *folded, double *gradient,
                                       rep_twin *twin, size_t index);
/* out[block count]: the largest difference of any parameter of a block, the last one's with what
 * stands behind the blocks, relative to the largest parameter of the net. A NaN differs by
 * infinity. */
REP_NODISCARD rep_status rep_twin_differences(double *out, rep_twin *twin);

#ifdef __cplusplus
}
#endif
#endif
