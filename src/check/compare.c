/* compare.c - how far a device's outputs are from the reference's. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "check/run.h"

double rep_error_of(const double *a, const double *b, size_t count) {
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return apart > 0 || isnan(apart) ? apart / size : 0;
}

/* One unit in the last place of a value, in the type it is stored in. */
static double ulp_of(double value, rep_dtype dtype) {
    int exponent = 0;
    if (dtype == REP_I32) { return 1; }
    (void)frexp(value, &exponent); /* |value| in [2^(exponent - 1), 2^exponent) */
    const int digits = dtype == REP_F16 ? 11 : FLT_MANT_DIG;
    const int least = dtype == REP_F16 ? -24 : FLT_MIN_EXP - FLT_MANT_DIG;
    const int last = exponent - digits;
    return ldexp(1, value == 0 || last < least ? least : last);
}

void rep_compare(rep_check_row *row, const double *got, const double *expected,
                 const size_t *counts, const rep_dtype *types, uint32_t outputs) {
    size_t at = 0;
    double worst = -1;
    row->max_ulp = 0;
    for (uint32_t o = 0; o < outputs; o++) {
        for (size_t i = 0; i < counts[o]; i++, at++) {
            const bool is_number = isfinite(got[at]);
            const double apart = is_number ? fabs(got[at] - expected[at]) : INFINITY;
            row->max_ulp = fmax(row->max_ulp, apart / ulp_of(expected[at], types[o]));
            if (apart > worst) {
                worst = apart;
                row->worst_output = o;
                row->worst = i;
                row->got = isnan(got[at]) ? fabs(got[at]) : got[at];
                row->expected = expected[at];
            }
        }
    }
    row->count = at;
    row->error = fabs(rep_error_of(got, expected, at)); /* a NaN without its sign */
    row->rms = sqrt(row->error);
}

/* Inputs are halves for the reference too and sums are kept in floats, so a half-precision shader
 * computes what the float one does and rounds once, when it stores. That rounding moves a normal
 * half by at most 2^-11 of itself and a subnormal one by at most 2^-25 (half a unit in the last
 * place of each), so over n elements by at most 2^-11 |y| + 2^-25 sqrt(n) in the Euclidean norm. By
 * the triangle inequality it adds to the float error's root. */
double rep_half_bound(double bound, const double *expected, size_t count) {
    double size = 0;
    for (size_t i = 0; i < count; i++) { size += expected[i] * expected[i]; }
    const double subnormal = size > 0 ? 0x1p-25 * sqrt((double)count / size) : 0;
    const double root = sqrt(bound) + 0x1p-11 + subnormal;
    return root * root;
}

void rep_compare_explain(rep_check_row *row) {
    snprintf(row->fault, sizeof row->fault,
             "normalised squared error %.3g, bound %.3g; worst: output %u element %zu is %.9g, "
             "wanted %.9g",
             row->error, row->bound, row->worst_output, row->worst, row->got, row->expected);
}
