/* oks.h - the similarity of a keypoint to its target, from which object keypoint similarity is. */
#ifndef REP_KERNELS_OKS_H
#define REP_KERNELS_OKS_H

#include "kernels/loss.h"

/* Lane i gets lane i ^ 1: x and y of a point change places. */
static inline vec vswap_pairs(vec v) {
    vec swapped;
    for (int i = 0; i < REP_LANES; i++) { swapped[i] = v[i ^ 1]; }
    return swapped;
}

/* Both lanes of a point get its first. */
static inline vec vfirst_of_pairs(vec v) {
    vec first;
    for (int i = 0; i < REP_LANES; i++) { first[i] = v[i & ~1]; }
    return first;
}

/* exp(-w (dx^2 + dy^2)) of the points whose coordinates begin at element `at`, in both lanes of a
 * point; *step gets pred - target, *weight w. */
static inline vec oks_similarity(const loss_pair *of, size_t at, size_t lanes, vec *step,
                                 vec *weight) {
    *step = vload_count(of->x + at, lanes) - vload_count(of->target + at, lanes);
    *weight = vfirst_of_pairs(vload_count(of->weight + at, lanes));
    const vec squares = *step * *step;
    return vexp(-*weight * (squares + vswap_pairs(squares)));
}

#endif
