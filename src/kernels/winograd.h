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

/* The algo word of the op: 1 never, 2 where it fits, 0 where it was measured to be faster and saves
 * time worth having. A layer of less than 2^18 multiplications per picture takes microseconds
 * either way, and there the larger rounding error is all that a small net would notice: it moved a
 * value across ReLU's kink in a training of 16-channel layers on 8 x 8 pictures. */
static inline bool rep_winograd_wanted(const rep_conv *conv, uint32_t algo) {
    if (algo == 1 || !rep_winograd_fits(conv)) { return false; }
    const size_t products = conv->out_h * conv->out_w * conv->c_in * conv->c_out * 9;
    return algo == 2 || (conv->c_in >= 16 && conv->c_out >= 16 && products >= (size_t)1 << 18);
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

/* ---- one-dimensional transforms ----------------------------------------------------------------
 */
/* Toom-Cook points 0, P, -P, Q, -Q, infinity. 3/4 and 3/2 halve the rounding error of the usual 1
 * and 2 (on the choice: Barabasz et al., ACM TOMS 46(4), 2020) and keep B^T and A^T exact. */
#define WINOGRAD_P ((real)0.75)
#define WINOGRAD_Q ((real)1.5)
#define WINOGRAD_PP (WINOGRAD_P * WINOGRAD_P)
#define WINOGRAD_QQ (WINOGRAD_Q * WINOGRAD_Q)
/* The product of a point's distances to the finite others. */
#define WINOGRAD_N0 (WINOGRAD_PP * WINOGRAD_QQ)
#define WINOGRAD_NP (2 * WINOGRAD_PP * (WINOGRAD_PP - WINOGRAD_QQ))
#define WINOGRAD_NQ (2 * WINOGRAD_QQ * (WINOGRAD_QQ - WINOGRAD_PP))

/* Row r of t = B^T d: the coefficients of the polynomial that vanishes at all other points. */
REP_INLINE vec winograd_input_row(const int r, const vec d[WINOGRAD_IN]) {
    const real p = WINOGRAD_P, q = WINOGRAD_Q, pp = WINOGRAD_PP, qq = WINOGRAD_QQ;
    switch (r) {
    case 0:
        return pp * qq * d[0] + (d[4] - (pp + qq) * d[2]);
    case 1:
        return (d[4] - qq * d[2]) + p * (d[3] - qq * d[1]);
    case 2:
        return (d[4] - qq * d[2]) - p * (d[3] - qq * d[1]);
    case 3:
        return (d[4] - pp * d[2]) + q * (d[3] - pp * d[1]);
    case 4:
        return (d[4] - pp * d[2]) - q * (d[3] - pp * d[1]);
    default:
        return pp * qq * d[1] + (d[5] - (pp + qq) * d[3]);
    }
}
REP_INLINE void winograd_input(const vec d[WINOGRAD_IN], vec t[WINOGRAD_IN]) {
    REP_UNROLL(8) for (int r = 0; r < WINOGRAD_IN; r++) { t[r] = winograd_input_row(r, d); }
}

/* y = A^T m, six to four: the powers of the points. */
REP_INLINE void winograd_output(const vec m[WINOGRAD_IN], vec y[WINOGRAD_OUT]) {
    const real p = WINOGRAD_P, q = WINOGRAD_Q, pp = WINOGRAD_PP, qq = WINOGRAD_QQ;
    const vec sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + (sum1 + sum2);
    y[1] = p * difference1 + q * difference2;
    y[2] = pp * sum1 + qq * sum2;
    y[3] = p * pp * difference1 + (q * qq * difference2 + m[5]);
}

/* u = G g, three to six: the kernel as a polynomial at the points, over their distances. */
REP_INLINE void winograd_kernel(const vec g[3], vec u[WINOGRAD_IN]) {
    const vec even1 = g[0] + WINOGRAD_PP * g[2], odd1 = WINOGRAD_P * g[1];
    const vec even2 = g[0] + WINOGRAD_QQ * g[2], odd2 = WINOGRAD_Q * g[1];
    u[0] = g[0] * (1 / WINOGRAD_N0);
    u[1] = (even1 + odd1) * (1 / WINOGRAD_NP);
    u[2] = (even1 - odd1) * (1 / WINOGRAD_NP);
    u[3] = (even2 + odd2) * (1 / WINOGRAD_NQ);
    u[4] = (even2 - odd2) * (1 / WINOGRAD_NQ);
    u[5] = g[2];
}

#endif
