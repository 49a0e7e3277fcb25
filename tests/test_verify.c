/* test_verify.c - the equality itself: 50 steps of every kind of block, k = 1, 3, 5 and optimizer
 * on every device that devices.h says, with controls that must fail. */
#include "check.h"

#include <stdio.h>

#include "devices.h"

#include "repopt/train.h"

struct tally {
    size_t rows, equal, controls, failed, nets;
    bool is_single;
    double worst; /* of the equal rows, relative to their bound */
};

static void count(void *context, const rep_verify_row *row) {
    struct tally *tally = context;
    tally->rows++;
    tally->equal += row->is_expected_equal;
    tally->controls += !row->is_expected_equal;
    tally->nets += strncmp(row->name, "net ", 4) == 0;
    tally->failed += !row->has_passed;
    if (row->is_expected_equal && row->max_difference / row->bound > tally->worst) {
        tally->worst = row->max_difference / row->bound;
    }
    if (!row->has_passed) {
        print_message("%s on %s: %g, bound %g\n", row->name, row->device, row->max_difference,
                      row->bound);
    }
}

static void test_every_device(void **state) {
    (void)state;
    rep_device_info info[TEST_MAX_DEVICES];
    const size_t devices = rep_device_list(info, TEST_MAX_DEVICES);
    for (size_t i = 0; i < devices && i < TEST_MAX_DEVICES; i++) {
        if (!test_device_is_wanted(&info[i]) || !strcmp(info[i].name, "cpu:float64")) { continue; }
        struct tally tally = {0};
        bool passed = false;
        CHECK_OK(rep_verify(&passed, info[i].name, 1, 50, count, &tally));
        assert_true(passed);
        assert_int_equal(tally.failed, 0);
        /* 22 single blocks and two nets of six blocks, on the device and on the reference. */
        assert_int_equal(tally.equal, 2 * (22 + 2 * 6));
        assert_int_equal(tally.controls, 2 * 6);
        assert_int_equal(tally.nets, 2 * 12);
        /* A bound that nothing comes near would prove little. */
        assert_true(tally.worst > 0.01);
    }
}

/* The verdict must not depend on how many threads divide the work. */
static void add_figure(void *context, const rep_verify_row *row) {
    double *sum = context;
    *sum += row->max_difference;
}

static void test_threads(void **state) {
    (void)state;
    double one = 0.0, two = 0.0;
    bool passed = false;
    CHECK_OK(rep_verify(&passed, "cpu:float64", 1, 10, add_figure, &one));
    CHECK_OK(rep_verify(&passed, "cpu:float64", 2, 10, add_figure, &two));
    assert_true(one == two && one > 0.0);
}

static void test_bad_arguments(void **state) {
    (void)state;
    bool passed = true;
    CHECK_FAILS(rep_verify(&passed, "cpu:float64", 1, 3, NULL, NULL), REP_ERR_ARGUMENT,
                "10 to 100");
    CHECK_FAILS(rep_verify(&passed, "abacus", 1, 10, NULL, NULL), REP_ERR_DEVICE, "abacus");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_device),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_bad_arguments),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
