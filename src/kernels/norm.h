/* norm.h - what the batch normalisation kernels share.
 *
 * The forward pass and both gradients form the value in front of the fused activation by the same
 * expression, so that they agree about which side of a kink it lies on. The difference x - mean is
 * taken first: it is exact where a folded scale and offset would cancel.
 */
#ifndef REP_KERNELS_NORM_H
#define REP_KERNELS_NORM_H

#include "kernels/act.h"

/* Per-channel vectors of one normalisation. */
typedef struct norm_channels {
    const real *mean, *invstd, *weight, *bias;
} norm_channels;

/* x^ = (x - mean) invstd and y = x^ weight + bias of some channels. */
typedef struct norm_value {
    vec unit, y;
} norm_value;

static inline norm_value norm_apply(const norm_channels *of, vec x, size_t column, size_t lanes) {
    norm_value value;
    value.unit =
        (x - vload_count(of->mean + column, lanes)) * vload_count(of->invstd + column, lanes);
    value.y = value.unit * vload_count(of->weight + column, lanes) +
              vload_count(of->bias + column, lanes);
    return value;
}

#endif
