/* math.h - exponential, logarithm and what is made of them, on vectors.
 *
 * Float lanes use fixed polynomials and only +, -, *, /, so that every machine and WebAssembly give
 * the same bits; the float64 reference takes the C library. The exponential and the logarithm are
 * within 2 units in the last place, what is made of them within 4. A NaN stays one: a run must
 * notice it.
 */
#ifndef REP_KERNELS_MATH_H
#define REP_KERNELS_MATH_H

#include <float.h>

#include "kernels/simd.h"

#if defined(REP_ISA_FLOAT64)

static inline real rsqrt_exact(real x) { return sqrt(x); }
static inline vec vexp(vec x) {
    for (int i = 0; i < REP_LANES; i++) { x[i] = exp(x[i]); }
    return x;
}
static inline vec vlog(vec x) {
    for (int i = 0; i < REP_LANES; i++) { x[i] = log(x[i]); }
    return x;
}

#else

typedef uint32_t uvec __attribute__((vector_size(REP_LANES * sizeof(real))));

static inline real rsqrt_exact(real x) { return sqrtf(x); }

/* e^x with x held within [-87, 88], where the result is a normal number. x = n ln2 + r, |r| <=
 * ln2/2, e^r by its Taylor polynomial of degree 7 (remainder below 6e-9). Adding 1.5 * 2^23 rounds
 * to an integer and leaves it in the low bits, from where it moves into the exponent. */
static inline vec vexp(vec x) {
    const real round = 12582912.0f;
    x = vselect((ivec)(x < vset(-87.0f)), vset(-87.0f), x);
    x = vselect((ivec)(x > vset(88.0f)), vset(88.0f), x);
    const vec shifted = x * 1.44269504f + round;
    const vec n = shifted - round;
    const vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec sum = vset(1.0f / 5040.0f);
    sum = sum * r + 1.0f / 720.0f;
    sum = sum * r + 1.0f / 120.0f;
    sum = sum * r + 1.0f / 24.0f;
    sum = sum * r + 1.0f / 6.0f;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    return sum * (vec)(((uvec)shifted << 23) + 0x3f800000u);
}

/* ln x of normal numbers; NaN for x <= 0. x = 2^e m with m in [sqrt(1/2), sqrt(2)), and with
 * s = (m - 1)/(m + 1): ln m = 2 atanh s = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.172. */
static inline vec vlog(vec x) {
    const uvec bits = (uvec)x - 0x3f3504f3u; /* 0x3f3504f3 is sqrt(1/2) */
    const ivec exponent = (ivec)bits >> 23;
    const vec m = (vec)((bits & 0x007fffffu) + 0x3f3504f3u);
    const vec e = __builtin_convertvector(exponent, vec);
    const vec s = (m - 1.0f) / (m + 1.0f);
    const vec z = s * s;
    vec sum = vset(2.0f / 11.0f);
    sum = sum * z + 2.0f / 9.0f;
    sum = sum * z + 2.0f / 7.0f;
    sum = sum * z + 2.0f / 5.0f;
    sum = sum * z + 2.0f / 3.0f;
    const vec y = e * 0.693359375f + ((s * z * sum - e * 2.12194440e-4f) + 2.0f * s);
    const vec outside = vselect((ivec)(x > vset(0)), x, vset(NAN)); /* infinity, or NaN */
    return vselect((ivec)(x > vset(0)) & (ivec)(x <= vset(FLT_MAX)), y, outside);
}

#endif

/* One value through the vector functions. */
static inline real rexp(real x) { return vexp(vset(x))[0]; }
static inline real rlog(real x) { return vlog(vset(x))[0]; }

static inline vec vabs(vec x) { return vselect((ivec)(x < vset(0)), -x, x); }
static inline vec vsqrt(vec x) {
    REP_UNROLL(16) for (int i = 0; i < REP_LANES; i++) { x[i] = rsqrt_exact(x[i]); }
    return x;
}
static inline vec vsigmoid(vec x) { return vset(1) / (vset(1) + vexp(-x)); }

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), without overflow, and exact to the last places where
 * e^-|x| is small: ln(1 + d) = ln(u) d / (u - 1) for the rounded u = 1 + d. */
static inline vec vsoftplus(vec x) {
    const vec d = vexp(-vabs(x)), u = vset(1) + d;
    const vec log1p = vselect((ivec)(u == vset(1)), d, vlog(u) * d / (u - vset(1)));
    return vselect((ivec)(x < vset(0)), vset(0), x) + log1p;
}

/* REP_LANES elements, or fewer at the end of a row. */
static inline vec vload_count(const real *p, size_t count) {
    return count == REP_LANES ? vload(p) : vload_part(p, count);
}
static inline void vstore_count(real *p, vec v, size_t count) {
    if (count == REP_LANES) {
        vstore(p, v);
    } else {
        vstore_part(p, v, count);
    }
}

#endif
