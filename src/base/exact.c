/* exact.c - exp, log, cos and whole powers that have the same bits on every machine.
 *
 * C libraries differ in the last place, and what they differ in would travel through a training
 * run. These use +, -, * and / of IEEE 754 doubles alone, in a fixed order, so a compiler that
 * neither fuses nor reorders them (-ffp-contract=off, no -ffast-math) gives one result everywhere.
 * Reductions are Cody and Waite's (Software Manual for the Elementary Functions, 1980), polynomials
 * are Taylor's; tests/test_exact.c holds them to the errors stated in base.h.
 */
#include <math.h>
#include <string.h>

#include "base/base.h"

/* ln 2 and pi / 2 in parts: products of the leading ones with small whole numbers are exact. */
static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
static const double quarter_high = 0x1.921fb544p+0, quarter_middle = 0x1.0b4611a6p-34;
static const double quarter_low = 0x1.3198a2e037073p-69;

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double from_bits(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2^k for k within -1022 .. 1023. */
static double two_to(int k) { return from_bits((uint64_t)(k + 1023) << 52); }

/* x = k ln 2 + r, |r| <= ln 2 / 2; e^r = 1 + r + r^2 (1/2! + r/3! + ... + r^11/13!), whose
 * remainder is below 5e-18. */
double rep_exact_exp(double x) {
    if (isnan(x)) { return x; }
    if (x > 709.8) { return INFINITY; }
    if (x < -745.2) { return 0; }
    const double k = floor(x * 1.4426950408889634 + 0.5);
    const double high = x - k * ln2_high, low = k * ln2_low, r = high - low;
    double sum = 1.0 / 6227020800;
    for (int n = 12; n >= 2; n--) {
        static const double factorials[] = {1,    1,     2,      6,       24,       120,      720,
                                            5040, 40320, 362880, 3628800, 39916800, 479001600};
        sum = sum * r + 1 / factorials[n];
    }
    const double y = 1 + (r * r * sum - low + high);
    /* In two steps, as the ends of the range are below and above what one power of two can be. */
    const int whole = (int)k, first = whole / 2;
    return y * two_to(first) * two_to(whole - first);
}

/* x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). With s = f / (2 + f), z = s^2 and
 * R = z (2/3 + 2 z/5 + ... + 2 z^9/21): ln(1 + f) = f - f^2/2 + s (f^2/2 + R), which keeps f, the
 * largest term, exact. */
double rep_exact_log(double x) {
    if (isnan(x) || x < 0) { return NAN; }
    if (x == 0) { return -INFINITY; }
    if (isinf(x)) { return x; }
    int e = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        e = -54;
    }
    const uint64_t root = 0x3fe6a09e667f3bcdu; /* sqrt(1/2) */
    const uint64_t above = bits_of(x) - root;
    e += (int)((int64_t)above >> 52);
    const double f = from_bits((above & 0x000fffffffffffffu) + root) - 1;
    const double s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    double sum = 0;
    for (int n = 21; n >= 3; n -= 2) { sum = sum * z + 2.0 / n; }
    return e * ln2_high - ((half - (s * (half + z * sum) + e * ln2_low)) - f);
}

/* sin and cos of |r| <= pi / 4, their remainders below 1e-18. */
static double sine(double r, double low) {
    const double z = r * r;
    double sum = 1;
    for (int n = 15; n >= 3; n -= 2) { sum = 1 - sum * z / ((n + 1) * (n + 2)); }
    return r - (z * r * sum / 6 - low);
}

static double cosine(double r, double low) {
    const double z = r * r, half = 0.5 * z, w = 1 - half;
    double sum = 1;
    for (int n = 14; n >= 4; n -= 2) { sum = 1 - sum * z / ((n + 1) * (n + 2)); }
    /* (1 - w) - half is what the rounding of w has lost. */
    return w + ((1 - w) - half + (z * z * sum / 24 - r * low));
}

double rep_exact_cos(double x) {
    if (!(fabs(x) <= REP_COS_LIMIT)) { return NAN; }
    const double q = floor(x * 0.6366197723675814 + 0.5);
    /* Three parts, since x may lie next to a zero of the cosine. */
    const double first = x - q * quarter_high, second = q * quarter_middle;
    const double high = first - second;
    const double lost = (first - high) - second - q * quarter_low;
    const double r = high + lost, low = (high - r) + lost;
    switch ((int)q & 3) {
    case 0:
        return cosine(r, low);
    case 1:
        return -sine(r, low);
    case 2:
        return -cosine(r, low);
    default:
        return sine(r, low);
    }
}

/* ---- whole powers -------------------------------------------------------------------------------
 */

/* A number as an unevaluated sum: 106 bits. */
typedef struct pair {
    double high, low;
} pair;

/* Dekker's product ("A floating-point technique for extending the available precision", 1971),
 * whose halves are split without fused multiply-add. */
static pair product(pair a, pair b) {
    const double split = 134217729.0; /* 2^27 + 1 */
    const double p = a.high * b.high;
    const double as = a.high * split, bs = b.high * split;
    const double ah = as - (as - a.high), bh = bs - (bs - b.high);
    const double al = a.high - ah, bl = b.high - bh;
    const double error = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    const double low = error + (a.high * b.low + a.low * b.high);
    const double high = p + low;
    return (pair){high, (p - high) + low};
}

double rep_exact_power(double x, uint64_t n) {
    pair result = {1, 0}, square = {x, 0};
    for (; n > 0; n >>= 1) {
        if (n & 1) { result = product(result, square); }
        if (n > 1) { square = product(square, square); }
    }
    return result.high + result.low;
}
