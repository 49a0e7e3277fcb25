/* test_exact.c - exp, log, cos and powers against the C library's long double, in units in the last
 * place, and against bits written down once: those must come out on every machine. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

/* The distance of `mine` from the truth in units of the last place of a double there. */
static double ulps(double mine, long double truth) {
    const double near = (double)truth;
    if (mine == near) { return 0; }
    const double unit = nextafter(fabs(near), INFINITY) - fabs(near);
    return (double)(fabsl((long double)mine - truth) / (long double)unit);
}

static double draw(rep_rng *rng, double least, double most) {
    const double whole = (double)rep_rng_next(rng) * 0x1p-32 + (double)rep_rng_next(rng) * 0x1p-64;
    return least + (most - least) * whole;
}

enum { DRAWS = 200000 };

static double worst(double (*mine)(double), long double (*truth)(long double), double least,
                    double most) {
    rep_rng rng;
    double largest = 0;
    rep_rng_init(&rng, 7, 1);
    for (int i = 0; i < DRAWS; i++) {
        const double x = draw(&rng, least, most);
        const double error = ulps(mine(x), truth((long double)x));
        if (!(error <= largest)) { largest = error; }
    }
    return largest;
}

static void exponential(void **state) {
    (void)state;
    assert_true(worst(rep_exact_exp, expl, -1, 1) <= 1);
    assert_true(worst(rep_exact_exp, expl, -700, 709) <= 1);
    assert_true(rep_exact_exp(0) == 1);
    assert_true(rep_exact_exp(-1e6) == 0 && isinf(rep_exact_exp(1e6)));
    assert_true(isinf(rep_exact_exp(INFINITY)) && rep_exact_exp(-INFINITY) == 0 &&
                isnan(rep_exact_exp(NAN)));
    assert_true(rep_exact_exp(-740) > 0 && rep_exact_exp(-740) < 0x1p-1022);
}

static void logarithm(void **state) {
    (void)state;
    assert_true(worst(rep_exact_log, logl, 0, 1) <= 1);
    assert_true(worst(rep_exact_log, logl, 0.9, 1.1) <= 1);
    assert_true(worst(rep_exact_log, logl, 1, 1e300) <= 1);
    assert_true(ulps(rep_exact_log(0x1p-1060), logl(0x1p-1060L)) <= 1);
    assert_true(rep_exact_log(1) == 0);
    assert_true(isinf(rep_exact_log(0)) && rep_exact_log(0) < 0 && isnan(rep_exact_log(-1)) &&
                isnan(rep_exact_log(NAN)));
    assert_true(isinf(rep_exact_log(INFINITY)));
}

static void circle(void **state) {
    (void)state;
    assert_true(worst(rep_exact_cos, cosl, -0.8, 0.8) <= 1);
    assert_true(worst(rep_exact_cos, cosl, 0, 6.3) <= 1);
    assert_true(worst(rep_exact_cos, cosl, -REP_COS_LIMIT, REP_COS_LIMIT) <= 1);
    /* Next to its zeros, where a careless reduction loses everything. */
    for (int k = 1; k < 100; k += 2) {
        const double x = k * 1.5707963267948966;
        assert_true(ulps(rep_exact_cos(x), cosl((long double)x)) <= 1);
    }
    assert_true(rep_exact_cos(0) == 1 && rep_exact_cos(3.141592653589793) == -1);
    assert_true(isnan(rep_exact_cos(NAN)) && isnan(rep_exact_cos(INFINITY)) &&
                isnan(rep_exact_cos(1e9)));
}

static void powers(void **state) {
    (void)state;
    const double bases[] = {0.9, 0.999, 0.1, 1.5, -0.7};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        for (uint64_t n = 1; n <= 1000; n++) {
            const double mine = rep_exact_power(bases[i], n);
            /* The C library's long double has 11 bits more, of which a power loses some. */
            assert_true(ulps(mine, powl((long double)bases[i], (long double)n)) <= 0.75);
        }
    }
    assert_true(rep_exact_power(0.5, 0) == 1 && rep_exact_power(0, 0) == 1 &&
                rep_exact_power(0, 3) == 0);
    assert_true(rep_exact_power(3, 30) == 205891132094649.0 &&
                rep_exact_power(0.5, 1060) == 0x1p-1060);
    assert_true(rep_exact_power(0.9, 1000000) == 0);
}

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* One number from many results: a hash that any other bit anywhere would change. */
static uint64_t hash_of(double (*mine)(double), double least, double most) {
    rep_rng rng;
    uint64_t hash = 0;
    rep_rng_init(&rng, 11, 2);
    for (int i = 0; i < 1000; i++) {
        hash = (hash ^ bits_of(mine(draw(&rng, least, most)))) * 0x100000001B3u;
    }
    return hash;
}

static void same_bits_everywhere(void **state) {
    (void)state;
    assert_int_equal(hash_of(rep_exact_exp, -20, 20), 0x754671eb67e42073u);
    assert_int_equal(hash_of(rep_exact_log, 0, 4), 0x5a1cbfe87b6df4afu);
    assert_int_equal(hash_of(rep_exact_cos, -7, 7), 0x370cf93c938d601cu);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential),
        cmocka_unit_test(logarithm),
        cmocka_unit_test(circle),
        cmocka_unit_test(powers),
        cmocka_unit_test(same_bits_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
