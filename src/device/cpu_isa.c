/* cpu_isa.c - which instruction sets the kernels were compiled for, and which this machine has. */
#include "device/device.h"

static bool always(void) { return true; }

#ifdef REP_HAS_AVX512
static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
extern const rep_kernel *const rep_kernels_avx512[];
#endif
#ifdef REP_HAS_AVX2
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
extern const rep_kernel *const rep_kernels_avx2[];
#endif
#ifdef REP_HAS_BASELINE
extern const rep_kernel *const rep_kernels_baseline[];
#endif
#ifdef REP_HAS_FLOAT64
extern const rep_kernel *const rep_kernels_float64[];
#endif

static const rep_isa isas[] = {
#ifdef REP_HAS_AVX512
    {"avx512", rep_kernels_avx512, sizeof(float), has_avx512},
#endif
#ifdef REP_HAS_AVX2
    {"avx2", rep_kernels_avx2, sizeof(float), has_avx2},
#endif
#ifdef REP_HAS_BASELINE
    {"baseline", rep_kernels_baseline, sizeof(float), always},
#endif
#ifdef REP_HAS_FLOAT64
    {"float64", rep_kernels_float64, sizeof(double), always},
#endif
};

const rep_isa *rep_isa_list(size_t *count) {
    *count = sizeof isas / sizeof isas[0];
    return isas;
}
