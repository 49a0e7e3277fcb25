/* calibrate.c - the range of an int8 tensor: extremes, percentile, entropy.
 *
 * minmax: what was seen. percentile: of the values in bins, so many per cent lie below `high`, and,
 * where there are negative ones, as many above `low`. kl: the threshold whose quantised
 * distribution is nearest to the real one (S. Migacz, 8-bit Inference with TensorRT, GTC 2017),
 * over 2048 bins. Whole bins are taken, so that no choice hangs on rounding.
 */
#include "train/calibrate.h"

#include <math.h>
#include <string.h>

void rep_histogram_stretch(rep_histogram *h, const float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const double v = (double)values[i];
        if (!isfinite(v)) {
            h->bad++;
            continue;
        }
        if (v < h->low) { h->low = v; }
        if (v > h->high) { h->high = v; }
    }
}

void rep_histogram_open(rep_histogram *h, rep_calibration method) {
    h->is_magnitude = method == REP_CALIBRATE_KL;
    h->first = h->is_magnitude ? 0 : h->low;
    h->last = h->is_magnitude ? fmax(-h->low, h->high) : h->high;
    h->count = 0;
    memset(h->bins, 0, sizeof h->bins);
}

void rep_histogram_add(rep_histogram *h, const float *values, size_t count) {
    const double width = h->last - h->first;
    if (!(width > 0)) { return; }
    const double factor = REP_HISTOGRAM_BINS / width;
    for (size_t i = 0; i < count; i++) {
        double v = (double)values[i];
        if (v == 0 || !isfinite(v)) { continue; }
        if (h->is_magnitude) { v = fabs(v); }
        const double at = (v - h->first) * factor;
        h->bins[at >= REP_HISTOGRAM_BINS ? REP_HISTOGRAM_BINS - 1 : (size_t)at]++;
        h->count++;
    }
}

/* ---- percentile --------------------------------------------------------------------------------
 */

static double edge(const rep_histogram *h, size_t bin) {
    return h->first + (h->last - h->first) * (double)bin / REP_HISTOGRAM_BINS;
}

static void percentile(double *low, double *high, const rep_histogram *h, double share) {
    const double beyond = (1 - share) * (double)h->count;
    double above = 0, below = 0;
    size_t top = REP_HISTOGRAM_BINS, bottom = 0;
    while (top > 1 && above + (double)h->bins[top - 1] <= beyond) {
        above += (double)h->bins[--top];
    }
    while (bottom + 1 < top && below + (double)h->bins[bottom] <= beyond) {
        below += (double)h->bins[bottom++];
    }
    *high = fmin(fmax(edge(h, top), 0), h->high);
    if (h->low < 0) { *low = fmax(fmin(edge(h, bottom), 0), h->low); }
}

/* ---- entropy -----------------------------------------------------------------------------------
 */

/* KL(P || Q) of the first `kept` bins: P are their counts with all beyond added to the last, Q the
 * counts in `levels` steps, each spread evenly over those of its bins that P has anything in. Both
 * as shares. Infinite where Q has nothing and P has. */
static double divergence(const uint64_t *bins, size_t kept, size_t levels, double beyond,
                         double all) {
    double inside = 0, sum = 0;
    for (size_t i = 0; i < kept; i++) { inside += (double)bins[i]; }
    for (size_t level = 0; level < levels; level++) {
        const size_t begin = level * kept / levels, end = (level + 1) * kept / levels;
        double total = 0;
        size_t used = 0;
        for (size_t i = begin; i < end; i++) {
            total += (double)bins[i];
            used += bins[i] > 0 || (i + 1 == kept && beyond > 0);
        }
        for (size_t i = begin; i < end; i++) {
            const double p = (double)bins[i] + (i + 1 == kept ? beyond : 0);
            if (p == 0) { continue; }
            if (total == 0) { return INFINITY; }
            const double q = total / (double)used / inside;
            sum += p / all * log(p / all / q);
        }
    }
    return sum;
}

/* Tensors without negative values have all 256 levels for their magnitudes, others half of them. */
static double threshold(const rep_histogram *h) {
    const size_t levels = h->low < 0 ? 128 : 256;
    double least = INFINITY, below = 0;
    size_t best = REP_HISTOGRAM_BINS;
    for (size_t i = 0; i < levels; i++) { below += (double)h->bins[i]; }
    for (size_t kept = levels; kept <= REP_HISTOGRAM_BINS; kept++) {
        const double all = (double)h->count;
        const double d = divergence(h->bins, kept, levels, all - below, all);
        if (d < least) {
            least = d;
            best = kept;
        }
        if (kept < REP_HISTOGRAM_BINS) { below += (double)h->bins[kept]; }
    }
    return edge(h, best);
}

void rep_calibrate(double *low, double *high, const rep_histogram *h, rep_calibration method,
                   double percent) {
    *low = h->low;
    *high = h->high;
    if (h->count == 0) { return; }
    if (method == REP_CALIBRATE_PERCENTILE) { percentile(low, high, h, percent / 100); }
    if (method == REP_CALIBRATE_KL) {
        const double most = threshold(h);
        *low = fmax(*low, -most);
        *high = fmin(*high, most);
    }
}
