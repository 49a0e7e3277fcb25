/* test_calibrate - which range an int8 tensor keeps, on values made by hand. */
#include "check.h"

#include <math.h>

#include "train/calibrate.h"

static rep_histogram histogram;

static void fill(const float *values, size_t count, rep_calibration method) {
    memset(&histogram, 0, sizeof histogram);
    rep_histogram_stretch(&histogram, values, count);
    rep_histogram_open(&histogram, method);
    rep_histogram_add(&histogram, values, count);
}

static void expect_range(rep_calibration method, double percentile, double low, double high) {
    double l = NAN, h = NAN;
    rep_calibrate(&l, &h, &histogram, method, percentile);
    if (fabs(l - low) > 1e-9 || fabs(h - high) > 1e-9) {
        fail_msg("%s %g: kept %.9g .. %.9g, wanted %.9g .. %.9g", rep_calibration_name(method),
                 percentile, l, h, low, high);
    }
}

static void test_minmax(void **state) {
    (void)state;
    const float values[] = {0.5f, -1.25f, 3, 0};
    fill(values, 4, REP_CALIBRATE_MINMAX);
    expect_range(REP_CALIBRATE_MINMAX, 0, -1.25, 3);
    fill(values, 1, REP_CALIBRATE_MINMAX); /* 0 is always inside */
    expect_range(REP_CALIBRATE_MINMAX, 0, 0, 0.5);
    fill(values + 3, 1, REP_CALIBRATE_KL); /* nothing but zeros */
    expect_range(REP_CALIBRATE_KL, 0, 0, 0);
}

/* 10,000 values in 0 .. 1 and one of 102.4, in bins of 0.05: 1 of 10,001 is below 0.01 per cent. */
static void test_percentile(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    static float values[2 * COUNT + 1];
    for (int i = 0; i < COUNT; i++) { values[i] = ((float)i + 0.5f) / COUNT; }
    values[COUNT] = 102.4f;
    fill(values, COUNT + 1, REP_CALIBRATE_PERCENTILE);
    expect_range(REP_CALIBRATE_PERCENTILE, 99.99, 0, (double)102.4f * 20 / 2048);
    expect_range(REP_CALIBRATE_PERCENTILE, 100, 0, (double)102.4f);
    /* Half of them: the values up to 0.5 are 10 bins, and the 11th may go with what is above. */
    expect_range(REP_CALIBRATE_PERCENTILE, 50.1, 0, (double)102.4f * 11 / 2048);
    /* The same on both sides, in bins of 0.1. */
    for (int i = 0; i < COUNT; i++) { values[COUNT + 1 + i] = -values[i]; }
    values[0] = -102.4f;
    fill(values, 2 * COUNT + 1, REP_CALIBRATE_PERCENTILE);
    expect_range(REP_CALIBRATE_PERCENTILE, 99.99, -(double)102.4f * 10 / 1024,
                 (double)102.4f * 10 / 1024);
}

/* Bins that alternate between 1 and 9 counts up to `levels`, then one value far off: whatever joins
 * two bins loses their difference, and cutting loses one value. */
static void fill_teeth(size_t levels, bool has_negative) {
    memset(&histogram, 0, sizeof histogram);
    histogram.low = has_negative ? -2048 : 0;
    histogram.high = 2048;
    rep_histogram_open(&histogram, REP_CALIBRATE_KL);
    for (size_t i = 0; i < levels; i++) {
        const float value = (float)i + 0.5f;
        const int count = i % 2 ? 9 : 1;
        for (int k = 0; k < count; k++) { rep_histogram_add(&histogram, &value, 1); }
    }
    rep_histogram_add(&histogram, &(float){2047.5f}, 1);
}

static void test_entropy(void **state) {
    (void)state;
    fill_teeth(256, false);
    expect_range(REP_CALIBRATE_KL, 0, 0, 256);
    fill_teeth(128, true); /* magnitudes have half the levels */
    expect_range(REP_CALIBRATE_KL, 0, -128, 128);
    /* Even values lose nothing by steps of eight bins: all of the range is kept. */
    memset(&histogram, 0, sizeof histogram);
    histogram.high = 2048;
    rep_histogram_open(&histogram, REP_CALIBRATE_KL);
    for (int i = 0; i < 2048; i++) { rep_histogram_add(&histogram, &(float){(float)i + 0.5f}, 1); }
    expect_range(REP_CALIBRATE_KL, 0, 0, 2048);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minmax),
        cmocka_unit_test(test_percentile),
        cmocka_unit_test(test_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
