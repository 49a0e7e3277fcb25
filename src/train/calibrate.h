/* calibrate.h - which range of values an int8 tensor keeps. Private to the train room.
 *
 * Every method chooses low <= 0 <= high within what was seen; values beyond saturate. 0 itself is
 * always exact, so zeros say nothing of where to cut and are not counted.
 */
#ifndef REP_TRAIN_CALIBRATE_H
#define REP_TRAIN_CALIBRATE_H

#include "repopt/quantize.h"

enum { REP_HISTOGRAM_BINS = 2048 };

/* The values of one tensor over all calibration pictures. Extremes first, then, when they are
 * known, the bins. */
typedef struct rep_histogram {
    double low, high;    /* seen, 0 included */
    double first, last;  /* what the bins divide: low .. high, or 0 .. the largest magnitude */
    bool is_magnitude;   /* the bins count magnitudes (the entropy method) */
    uint64_t count, bad; /* not zero; not finite */
    uint64_t bins[REP_HISTOGRAM_BINS];
} rep_histogram;

/* Takes values into the extremes. */
void rep_histogram_stretch(rep_histogram *histogram, const float *values, size_t count);
/* The extremes are complete: bins from now on. */
void rep_histogram_open(rep_histogram *histogram, rep_calibration method);
/* Takes the same values into the bins. */
void rep_histogram_add(rep_histogram *histogram, const float *values, size_t count);

/* The range that `method` keeps; percentile in (50, 100]. */
void rep_calibrate(double *low, double *high, const rep_histogram *histogram,
                   rep_calibration method, double percentile);

#endif
