/* groupnorm.h - what the group normalisation kernels share: the statistics of one picture spread
 * over its channels, so that all three run along channels like the batch normalisation does. */
#ifndef REP_KERNELS_GROUPNORM_H
#define REP_KERNELS_GROUPNORM_H

#include "kernels/reduce.h"

/* One picture's matrix and its per-channel vectors. */
typedef struct group_context {
    const real *dy, *x;
    size_t columns;
    const real *mean, *invstd; /* spread over the channels */
    const real *weight, *bias;
    const real *offset, *slope; /* grad_x: dx = g - offset - x^ slope, times invstd */
} group_context;

/* (x - mean) invstd */
static inline vec group_unit(const group_context *c, size_t row, size_t column, size_t lanes) {
    return (vload_count(c->x + row * c->columns + column, lanes) -
            vload_count(c->mean + column, lanes)) *
           vload_count(c->invstd + column, lanes);
}

/* to[c] = from[group of c] */
static inline void group_spread(real *to, const real *from, size_t columns, size_t groups) {
    const size_t size = columns / groups;
    for (size_t i = 0; i < columns; i++) { to[i] = from[i / size]; }
}

/* Scratch of one worker: reduce_own's and `vectors` of one value per channel behind it. */
static inline size_t group_scratch_bytes(size_t columns, size_t vectors) {
    return reduce_own_bytes(columns) + vectors * reduce_columns_padded(columns) * sizeof(real);
}

#endif
