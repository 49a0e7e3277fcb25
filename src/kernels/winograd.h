/* winograd.h - 3x3 stride-1 convolutions with a quarter of the multiplications.
 *
 * Forward and grad_x: F(4x4,3x3), y = A^T [(G g G^T) . (B^T d B)] A per 6x6 input tile d; grad_w:
 * F(3x3,4x4) with the same points 0, 1, -1, 2, -2, infinity and so the same B (Lavin and Gray,
 * arXiv 1509.09308). Element-wise products over channels are 36 matrix products; tiles are taken in
 * blocks that stay in a core's second-level cache. Vectors run along channels throughout.
 */
#ifndef REP_KERNELS_WINOGRAD_H
#define REP_KERNELS_WINOGRAD_H

#include "kernels/igemm.h"

enum { WINOGRAD_IN = 6, WINOGRAD_OUT = 4, WINOGRAD_POINTS = 36 };

/* Is this one of the shapes the transforms are for? The float64 reference always goes direct. */
static inline bool rep_winograd_fits(const rep_conv *conv) {
#if defined(REP_ISA_FLOAT64)
    (void)conv;
    return false;
#else
    return conv->kh == 3 && conv->kw == 3 && conv->stride == 1 && conv->groups == 1 &&
           conv->pad <= 2;
#endif
}

/* The algo word of the op: 1 never, 2 where it fits, 0 where it was measured to be faster. */
static inline bool rep_winograd_wanted(const rep_conv *conv, uint32_t algo) {
    if (algo == 1 || !rep_winograd_fits(conv)) { return false; }
    return algo == 2 || (conv->c_in >= 16 && conv->c_out >= 16);
}

/* job: as for rep_igemm_run, of a shape that fits. */
#define rep_winograd_run REP_ISA_NAME(rep_winograd_run)
#define rep_winograd_bytes REP_ISA_NAME(rep_winograd_bytes)
void rep_winograd_run(const rep_igemm *job, void *scratch, const rep_worker *worker);
size_t rep_winograd_bytes(const rep_igemm *job, int threads);

#define rep_winograd_grad_w_run REP_ISA_NAME(rep_winograd_grad_w_run)
#define rep_winograd_grad_w_bytes REP_ISA_NAME(rep_winograd_grad_w_bytes)
void rep_winograd_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                             void *scratch, const rep_worker *worker);
size_t rep_winograd_grad_w_bytes(const rep_conv *conv, int threads);

/* This worker's share of the transformed kernels: to[column block][point][depth_pad][columns],
 * column blocks of TILE_COLS, the last one of one or two vectors. */
#define rep_winograd_weights REP_ISA_NAME(rep_winograd_weights)
void rep_winograd_weights(const rep_igemm *job, real *to, const rep_worker *worker);

/* ---- one-dimensional transforms ---------------------------------------------------------------- */
/* t = B^T d */
REP_INLINE void winograd_input(const vec d[WINOGRAD_IN], vec t[WINOGRAD_IN]) {
    const vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
    const vec sum = d[4] - d[2], difference = d[3] - d[1];
    t[0] = 4 * d[0] + (d[4] - 5 * d[2]);
    t[1] = even + odd;
    t[2] = even - odd;
    t[3] = sum + 2 * difference;
    t[4] = sum - 2 * difference;
    t[5] = 4 * d[1] + (d[5] - 5 * d[3]);
}

/* y = A^T m, six to four */
REP_INLINE void winograd_output(const vec m[WINOGRAD_IN], vec y[WINOGRAD_OUT]) {
    const vec sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + sum1 + sum2;
    y[1] = difference1 + 2 * difference2;
    y[2] = sum1 + 4 * sum2;
    y[3] = (difference1 + 8 * difference2) + m[5];
}

/* u = G g, three to six */
REP_INLINE void winograd_kernel(const vec g[3], vec u[WINOGRAD_IN]) {
    const real sixth = (real)(1.0 / 6.0), twelfth = (real)(1.0 / 12.0);
    const vec ends = (g[0] + g[2]) * -sixth, middle = g[1] * sixth;
    const vec far = (real)0.25 * g[0] + g[2], half = g[1] * twelfth;
    u[0] = (real)0.25 * g[0];
    u[1] = ends - middle;
    u[2] = ends + middle;
    u[3] = far * sixth + half;
    u[4] = far * sixth - half;
    u[5] = g[2];
}

#endif
