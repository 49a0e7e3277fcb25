/* test_schedule.c - learning rates against values worked out by hand from the formulas.
 *
 * The formulas are evaluated in double precision on both sides in the same order of magnitude, so
 * 1e-12 relative leaves room for a few roundings and none for a wrong term.
 */
#include <math.h>

#include "check.h"
#include "repopt/config.h"
#include "repopt/train.h"

static rep_config *config_of(const char *const *words, int count) {
    rep_config *config = NULL;
    CHECK_OK(rep_config_create(&config));
    CHECK_OK(rep_config_merge_pairs(config, count, words));
    return config;
}
#define CONFIG(...)                                                                                \
    config_of((const char *const[]){__VA_ARGS__},                                                  \
              (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static double lr_at(const rep_config *config, uint64_t iteration, uint64_t total,
                    uint64_t per_epoch) {
    double lr = -1;
    CHECK_OK(rep_schedule_lr(&lr, rep_config_values(config), iteration, total, per_epoch));
    return lr;
}

static void expect(const rep_config *config, uint64_t iteration, uint64_t total, uint64_t per_epoch,
                   double wanted) {
    const double got = lr_at(config, iteration, total, per_epoch);
    if (!(fabs(got - wanted) <= 1e-12 * fabs(wanted) + 1e-15)) {
        fail_msg("iteration %d: lr %.17g, wanted %.17g", (int)iteration, got, wanted);
    }
}

static void test_multistep_linear(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "multistep", "SOLVER.BASE_LR", "0.01", "SOLVER.STEPS",
                           "(30, 45)", "SOLVER.GAMMA", "0.1", "SOLVER.WARMUP_ITERS", "10",
                           "SOLVER.WARMUP_FACTOR", "0.25", "SOLVER.WARMUP_METHOD", "linear");
    expect(c, 0, 60, 20, 0.0025);
    expect(c, 4, 60, 20, 0.01 * (0.25 * 0.6 + 0.4));
    expect(c, 9, 60, 20, 0.01 * (0.25 * 0.1 + 0.9));
    expect(c, 10, 60, 20, 0.01);
    expect(c, 29, 60, 20, 0.01);
    expect(c, 30, 60, 20, 0.001); /* a milestone counts from its own iteration on */
    expect(c, 44, 60, 20, 0.001);
    expect(c, 45, 60, 20, 0.0001);
    expect(c, 1000, 60, 20, 0.0001);
    rep_config_destroy(c);
}

static void test_multistep_constant(void **state) {
    (void)state;
    /* A milestone inside the warm-up acts at once. */
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "multistep", "SOLVER.BASE_LR", "0.08", "SOLVER.STEPS",
                           "(5,)", "SOLVER.GAMMA", "0.5", "SOLVER.WARMUP_ITERS", "10",
                           "SOLVER.WARMUP_FACTOR", "0.125", "SOLVER.WARMUP_METHOD", "constant");
    expect(c, 0, 60, 20, 0.01);
    expect(c, 4, 60, 20, 0.01);
    expect(c, 5, 60, 20, 0.005);
    expect(c, 10, 60, 20, 0.04);
    rep_config_destroy(c);
}

static void test_cosine(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "cosine", "SOLVER.BASE_LR", "0.1", "SOLVER.MIN_LR",
                           "0.02", "SOLVER.WARMUP_LR", "0.01", "SOLVER.WARMUP_ITERS", "10",
                           "SOLVER.WARMUP_METHOD", "linear");
    expect(c, 0, 60, 20, 0.01);
    expect(c, 5, 60, 20, 0.055);
    /* Not shifted: at the end of the warm-up the angle is pi/6, not 0. */
    expect(c, 10, 60, 20, 0.02 + 0.04 * (1 + sqrt(3) / 2));
    expect(c, 20, 60, 20, 0.02 + 0.04 * 1.5);
    expect(c, 30, 60, 20, 0.06);
    expect(c, 40, 60, 20, 0.02 + 0.04 * 0.5);
    expect(c, 60, 60, 20, 0.02);
    expect(c, 99, 60, 20, 0.02);
    rep_config_destroy(c);
}

static void test_cosine_shifted(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "cosine_shifted", "SOLVER.BASE_LR", "0.1",
                           "SOLVER.MIN_LR", "0", "SOLVER.WARMUP_LR", "0", "SOLVER.WARMUP_EPOCHS",
                           "1", "SOLVER.WARMUP_METHOD", "ramp");
    /* The ramp of the CIFAR-10 reference: (t + 1)/w, then half a cosine to 0. */
    expect(c, 0, 60, 20, 0.005);
    expect(c, 19, 60, 20, 0.1);
    expect(c, 20, 60, 20, 0.1);
    expect(c, 30, 60, 20, 0.05 * (1 + sqrt(0.5)));
    expect(c, 40, 60, 20, 0.05);
    expect(c, 60, 60, 20, 0);
    rep_config_destroy(c);
}

static void test_cosine_epochs(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "cosine_epochs", "SOLVER.BASE_LR", "0.1",
                           "SOLVER.MIN_LR", "0.01", "SOLVER.WARMUP_ITERS", "0");
    /* Constant within an epoch. */
    expect(c, 0, 60, 20, 0.1);
    expect(c, 19, 60, 20, 0.1);
    expect(c, 20, 60, 20, 0.01 + 0.045 * 1.5);
    expect(c, 39, 60, 20, 0.01 + 0.045 * 1.5);
    expect(c, 40, 60, 20, 0.01 + 0.045 * 0.5);
    rep_config_destroy(c);
}

static void test_linear(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "linear", "SOLVER.BASE_LR", "0.1", "SOLVER.MIN_LR",
                           "0.001", "SOLVER.WARMUP_LR", "1e-6", "SOLVER.WARMUP_ITERS", "5");
    expect(c, 0, 50, 20, 1e-6);
    expect(c, 4, 50, 20, 1e-6 + 4 * (0.1 - 1e-6) / 5);
    expect(c, 5, 50, 20, 0.1);
    expect(c, 23, 50, 20, 0.1 - 0.099 * 18 / 45);
    expect(c, 50, 50, 20, 0.001);
    rep_config_destroy(c);
}

static void test_warmup_longer_than_run(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "cosine_shifted", "SOLVER.BASE_LR", "0.1",
                           "SOLVER.WARMUP_LR", "0", "SOLVER.WARMUP_ITERS", "100");
    expect(c, 9, 10, 5, 0.009);
    rep_config_destroy(c);
}

static void test_falling_steps(void **state) {
    (void)state;
    rep_config *c = CONFIG("SOLVER.SCHEDULE", "multistep", "SOLVER.STEPS", "(45, 30)");
    double lr = 7;
    CHECK_FAILS(rep_schedule_lr(&lr, rep_config_values(c), 0, 10, 5), REP_ERR_CONFIG,
                "SOLVER.STEPS: 30 stands behind 45");
    assert_true(lr == 7); /* out is untouched on failure */
    rep_config_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multistep_linear),
        cmocka_unit_test(test_multistep_constant),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_cosine_shifted),
        cmocka_unit_test(test_cosine_epochs),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_warmup_longer_than_run),
        cmocka_unit_test(test_falling_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
