/* coco_curve.c - precision at 101 recalls, made monotone from the right, as COCO reads it off. */
#include <float.h>

#include "train/coco_eval.h"

/* Recall and precision after each detection that counts or not; returns how many take part. */
static size_t walk(double *recall, double *precision, const rep_coco_match *matches, size_t count,
                   rep_coco_area area, uint16_t bit, uint32_t limit, size_t truth_count) {
    size_t used = 0;
    double right = 0, wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const rep_coco_match *m = &matches[i];
        if (m->rank >= limit) { continue; }
        if (!(m->ignored[area] & bit)) {
            const bool is_right = m->matched[area] & bit;
            right += is_right;
            wrong += !is_right;
        }
        recall[used] = right / (double)truth_count;
        precision[used++] = right / (wrong + right + DBL_EPSILON);
    }
    return used;
}

void rep_coco_curve_make(rep_coco_curve *out, const rep_coco_match *matches, size_t count,
                         rep_coco_area area, uint32_t limit, size_t truth_count, double *scratch) {
    double *recall = scratch, *precision = scratch + count;
    for (int t = 0; t < REP_COCO_IOUS; t++) {
        const size_t used =
            walk(recall, precision, matches, count, area, (uint16_t)(1u << t), limit, truth_count);
        for (size_t i = used; i > 1; i--) {
            if (precision[i - 1] > precision[i - 2]) { precision[i - 2] = precision[i - 1]; }
        }
        out->recall[t] = used ? recall[used - 1] : 0;
        size_t place = 0;
        for (int r = 0; r < REP_COCO_POINTS; r++) {
            /* As numpy.linspace(0, 1, 101) rounds it. */
            const double wanted = r == REP_COCO_POINTS - 1 ? 1 : r * 0.01;
            while (place < used && recall[place] < wanted) { place++; }
            out->precision[t][r] = place < used ? precision[place] : 0;
        }
    }
}
