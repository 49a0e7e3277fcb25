/* winograd_points.h - the one-dimensional transforms behind winograd.h.
 *
 * Toom-Cook: polynomials are multiplied by their values at P, -P, Q, -Q, infinity and, for the
 * longer ones, 0. The points 3/4, 3/2 (with 0) and 1/2, 5/4 (without) keep B^T and A^T exact in
 * binary and halve the rounding error of the usual 1 and 2 (on the choice: Barabasz et al., ACM
 * TOMS 46(4), 2020). N is the product of a point's distances to the other finite ones.
 */
#ifndef REP_KERNELS_WINOGRAD_POINTS_H
#define REP_KERNELS_WINOGRAD_POINTS_H

#include "kernels/winograd.h"

/* ---- stride 1: points 0, P, -P, Q, -Q, infinity ------------------------------------------------
 */
#define P1 ((real)0.75)
#define Q1 ((real)1.5)
#define PP1 (P1 * P1)
#define QQ1 (Q1 * Q1)
#define N1_0 (PP1 * QQ1)
#define N1_P (2 * PP1 * (PP1 - QQ1))
#define N1_Q (2 * QQ1 * (QQ1 - PP1))

/* Row r of B^T: the coefficients of the polynomial that vanishes at all other points. */
CONV_INLINE vec dense_input_row(const size_t r, const vec d[6]) {
    switch (r) {
    case 0:
        return PP1 * QQ1 * d[0] + (d[4] - (PP1 + QQ1) * d[2]);
    case 1:
        return (d[4] - QQ1 * d[2]) + P1 * (d[3] - QQ1 * d[1]);
    case 2:
        return (d[4] - QQ1 * d[2]) - P1 * (d[3] - QQ1 * d[1]);
    case 3:
        return (d[4] - PP1 * d[2]) + Q1 * (d[3] - PP1 * d[1]);
    case 4:
        return (d[4] - PP1 * d[2]) - Q1 * (d[3] - PP1 * d[1]);
    default:
        return PP1 * QQ1 * d[1] + (d[5] - (PP1 + QQ1) * d[3]);
    }
}

/* y = A^T m: powers of the points, four outputs. */
CONV_INLINE void dense_output(const vec m[6], vec y[4]) {
    const vec sum1 = m[1] + m[2], difference1 = m[1] - m[2];
    const vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    y[0] = m[0] + (sum1 + sum2);
    y[1] = P1 * difference1 + Q1 * difference2;
    y[2] = PP1 * sum1 + QQ1 * sum2;
    y[3] = P1 * PP1 * difference1 + (Q1 * QQ1 * difference2 + m[5]);
}

/* The same for the three outputs of the weight gradient. */
CONV_INLINE void dense_kernel_output(const vec m[6], vec g[3]) {
    const vec sum1 = m[1] + m[2], sum2 = m[3] + m[4];
    g[0] = m[0] + (sum1 + sum2);
    g[1] = P1 * (m[1] - m[2]) + Q1 * (m[3] - m[4]);
    g[2] = PP1 * sum1 + (QQ1 * sum2 + m[5]);
}

/* u = G g: the kernel as a polynomial at the points, over N. */
CONV_INLINE void dense_kernel(const vec g[3], vec u[6]) {
    const vec even1 = g[0] + PP1 * g[2], odd1 = P1 * g[1];
    const vec even2 = g[0] + QQ1 * g[2], odd2 = Q1 * g[1];
    u[0] = g[0] * (1 / N1_0);
    u[1] = (even1 + odd1) * (1 / N1_P);
    u[2] = (even1 - odd1) * (1 / N1_P);
    u[3] = (even2 + odd2) * (1 / N1_Q);
    u[4] = (even2 - odd2) * (1 / N1_Q);
    u[5] = g[2];
}

/* Row r of G for four upstream gradients in the kernel's place. */
CONV_INLINE vec dense_gradient_row(const size_t r, const vec e[4]) {
    switch (r) {
    case 0:
        return e[0] * (1 / N1_0);
    case 1:
        return ((e[0] + PP1 * e[2]) + P1 * (e[1] + PP1 * e[3])) * (1 / N1_P);
    case 2:
        return ((e[0] + PP1 * e[2]) - P1 * (e[1] + PP1 * e[3])) * (1 / N1_P);
    case 3:
        return ((e[0] + QQ1 * e[2]) + Q1 * (e[1] + QQ1 * e[3])) * (1 / N1_Q);
    case 4:
        return ((e[0] + QQ1 * e[2]) - Q1 * (e[1] + QQ1 * e[3])) * (1 / N1_Q);
    default:
        return e[3];
    }
}

/* ---- stride 2: points P, -P, Q, -Q, infinity for the outer taps; the middle tap apart -----------
 */
#define P2 ((real)0.5)
#define Q2 ((real)1.25)
#define PP2 (P2 * P2)
#define QQ2 (Q2 * Q2)
#define N2_P (2 * P2 * (PP2 - QQ2))
#define N2_Q (2 * Q2 * (QQ2 - PP2))

/* Row r < 5 of B^T for the five inputs that the outer taps read. */
CONV_INLINE vec strided_input_row(const size_t r, const vec d[5]) {
    switch (r) {
    case 0:
        return (d[3] - QQ2 * d[1]) + P2 * (d[2] - QQ2 * d[0]);
    case 1:
        return (d[3] - QQ2 * d[1]) - P2 * (d[2] - QQ2 * d[0]);
    case 2:
        return (d[3] - PP2 * d[1]) + Q2 * (d[2] - PP2 * d[0]);
    case 3:
        return (d[3] - PP2 * d[1]) - Q2 * (d[2] - PP2 * d[0]);
    default:
        return PP2 * QQ2 * d[0] + (d[4] - (PP2 + QQ2) * d[2]);
    }
}

/* The outer taps' share of four outputs. */
CONV_INLINE void strided_output(const vec m[5], vec y[4]) {
    const vec sum1 = m[0] + m[1], difference1 = m[0] - m[1];
    const vec sum2 = m[2] + m[3], difference2 = m[2] - m[3];
    y[0] = sum1 + sum2;
    y[1] = P2 * difference1 + Q2 * difference2;
    y[2] = PP2 * sum1 + QQ2 * sum2;
    y[3] = P2 * PP2 * difference1 + (Q2 * QQ2 * difference2 + m[4]);
}

/* Three taps of the weight gradient from five points and the middle tap. */
CONV_INLINE void strided_kernel_output(const vec m[6], vec g[3]) {
    g[0] = (m[0] + m[1]) + (m[2] + m[3]);
    g[1] = m[5];
    g[2] = P2 * (m[0] - m[1]) + (Q2 * (m[2] - m[3]) + m[4]);
}

CONV_INLINE void strided_kernel(const vec g[3], vec u[6]) {
    u[0] = (g[0] + P2 * g[2]) * (1 / N2_P);
    u[1] = (g[0] - P2 * g[2]) * (-1 / N2_P);
    u[2] = (g[0] + Q2 * g[2]) * (1 / N2_Q);
    u[3] = (g[0] - Q2 * g[2]) * (-1 / N2_Q);
    u[4] = g[2];
    u[5] = g[1];
}

/* Row r < 5 of G for four upstream gradients. */
CONV_INLINE vec strided_gradient_row(const size_t r, const vec e[4]) {
    switch (r) {
    case 0:
        return ((e[0] + PP2 * e[2]) + P2 * (e[1] + PP2 * e[3])) * (1 / N2_P);
    case 1:
        return ((e[0] + PP2 * e[2]) - P2 * (e[1] + PP2 * e[3])) * (-1 / N2_P);
    case 2:
        return ((e[0] + QQ2 * e[2]) + Q2 * (e[1] + QQ2 * e[3])) * (1 / N2_Q);
    case 3:
        return ((e[0] + QQ2 * e[2]) - Q2 * (e[1] + QQ2 * e[3])) * (-1 / N2_Q);
    default:
        return e[3];
    }
}

#endif
