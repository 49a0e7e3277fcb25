/* simd.h - vectors of the device's working precision, one source for every instruction set.
 *
 * REP_ISA_<set> is defined by the build. `real` is float, or double on the float64 reference; `vec`
 * holds REP_LANES of them. GCC and Clang vector extensions only: no intrinsics, so WebAssembly and
 * NEON builds use the same lines.
 */
#ifndef REP_KERNELS_SIMD_H
#define REP_KERNELS_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(REP_ISA_FLOAT64)
typedef double real;
typedef int64_t ireal;
#define REP_LANES 2
#elif defined(REP_ISA_AVX512)
typedef float real;
typedef int32_t ireal;
#define REP_LANES 16
#elif defined(REP_ISA_AVX2)
typedef float real;
typedef int32_t ireal;
#define REP_LANES 8
#else /* baseline: SSE2, NEON, WebAssembly SIMD128 */
typedef float real;
typedef int32_t ireal;
#define REP_LANES 4
#endif

/* Loops over lanes or a register tile must be gone before registers are given out. Sanitized builds
 * keep them: checks in unrolled code take minutes to compile. */
#if defined(__has_feature)
#define REP_HAS_FEATURE(name) __has_feature(name)
#else
#define REP_HAS_FEATURE(name) 0
#endif
#define REP_PRAGMA(text) _Pragma(#text)
#if defined(__SANITIZE_ADDRESS__) || REP_HAS_FEATURE(address_sanitizer)
#define CONV_INLINE static inline
#define REP_UNROLL(count)
#else
#define CONV_INLINE static inline __attribute__((always_inline))
#if defined(__clang__)
#define REP_UNROLL(count) REP_PRAGMA(clang loop unroll(full))
#else
#define REP_UNROLL(count) REP_PRAGMA(GCC unroll count)
#endif
#endif

typedef real vec __attribute__((vector_size(REP_LANES * sizeof(real))));
typedef ireal ivec __attribute__((vector_size(REP_LANES * sizeof(real))));
typedef vec vec_u __attribute__((aligned(sizeof(real)), may_alias)); /* at any element */

static inline vec vload(const real *p) { return *(const vec_u *)p; }
static inline void vstore(real *p, vec v) { *(vec_u *)p = v; }
static inline vec vset(real x) {
    vec v;
    REP_UNROLL(16) for (int i = 0; i < REP_LANES; i++) { v[i] = x; }
    return v;
}
/* The first `count` < REP_LANES elements, the rest zero; and back. By themselves gcc makes the
 * loops one masked instruction where there is one, inside a caller's loop it would unroll them;
 * clang unrolls them anyway, and copies better. */
#ifdef __clang__
#define REP_PART static inline
#else
#define REP_PART static __attribute__((noinline, unused))
#endif
REP_PART vec vload_part(const real *p, size_t count) {
    real lanes[REP_LANES] = {0};
#ifdef __clang__
    memcpy(lanes, p, count * sizeof(real));
#else
    for (uint32_t i = 0; i < REP_LANES; i++) { lanes[i] = i < (uint32_t)count ? p[i] : 0; }
#endif
    return vload(lanes);
}
REP_PART void vstore_part(real *p, vec v, size_t count) {
    real lanes[REP_LANES];
    vstore(lanes, v);
#ifdef __clang__
    memcpy(p, lanes, count * sizeof(real));
#else
    for (uint32_t i = 0; i < REP_LANES; i++) {
        if (i < (uint32_t)count) { p[i] = lanes[i]; }
    }
#endif
}
static inline vec vselect(ivec mask, vec yes, vec no) {
    return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask));
}
static inline vec vmax(vec a, vec b) { return vselect((ivec)(a > b), a, b); }
static inline vec vmin(vec a, vec b) { return vselect((ivec)(a < b), a, b); }
/* Sum of the lanes by a fixed tree. */
static inline real vsum(vec v) {
    real lanes[REP_LANES];
    vstore(lanes, v);
    for (int half = REP_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) { lanes[i] += lanes[i + half]; }
    }
    return lanes[0];
}

#endif
