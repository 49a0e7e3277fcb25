/* voc_eval.c - Pascal VOC's average precision, the area under the whole curve (VOC 2010 and later).
 *
 * Unlike COCO's, a detection goes to the object it overlaps most, taken or not: the second of two
 * detections on one object is wrong even where another object would do. */
#include <stdlib.h>

#include "train/coco_eval.h"

typedef struct voc_work {
    const rep_annotations *truth;
    rep_ranked *ranked;
    bool *is_taken;       /* of each object */
    size_t *truth_counts; /* of each category: objects that count */
    double *recall, *precision;
    double iou;
} voc_work;

static bool is_ignored(const rep_object *o) { return o->is_difficult || o->is_crowd; }

/* The object of its class in its picture that a detection overlaps most, or NULL. */
static const rep_object *best_object(const voc_work *w, const rep_detection *d) {
    const rep_picture *picture = &w->truth->pictures[d->picture];
    const rep_object *best = NULL;
    double most = 0;
    for (size_t i = picture->first; i < picture->first + picture->count; i++) {
        const rep_object *o = &w->truth->objects[i];
        if (o->category != d->category) { continue; }
        const double overlap = rep_box_overlap(d, o, false);
        if (overlap > most) {
            most = overlap;
            best = o;
        }
    }
    return most >= w->iou ? best : NULL;
}

/* Area under precision over recall, precision made monotone from the right. */
static double area_under(voc_work *w, size_t count) {
    double area = 0, highest = 0;
    for (size_t i = count; i > 0; i--) {
        const double before = i > 1 ? w->recall[i - 2] : 0;
        if (w->precision[i - 1] > highest) { highest = w->precision[i - 1]; }
        area += (w->recall[i - 1] - before) * highest;
    }
    return area;
}

/* One category's detections, falling score. */
static rep_coco_number average_precision(voc_work *w, const rep_ranked *ranked, size_t count,
                                         size_t truth_count) {
    size_t used = 0;
    double right = 0, wrong = 0;
    for (size_t i = 0; i < count && truth_count; i++) {
        const rep_object *o = best_object(w, ranked[i].detection);
        if (o && is_ignored(o)) { continue; }
        bool *is_taken = o ? &w->is_taken[o - w->truth->objects] : NULL;
        const bool is_right = is_taken && !*is_taken;
        if (is_taken) { *is_taken = true; }
        right += is_right;
        wrong += !is_right;
        w->recall[used] = right / (double)truth_count;
        w->precision[used++] = right / (right + wrong);
    }
    return (rep_coco_number){"AP50", truth_count > 0, area_under(w, used)};
}

static void evaluate(rep_coco_number *mean, rep_coco_number *rows, voc_work *w, size_t count) {
    double sum = 0;
    size_t at = 0, known = 0;
    for (size_t i = 0; i < w->truth->object_count; i++) {
        const rep_object *o = &w->truth->objects[i];
        w->truth_counts[o->category] += !is_ignored(o);
    }
    for (size_t c = 0; c < w->truth->category_count; c++) {
        const size_t first = at;
        while (at < count && (size_t)w->ranked[at].detection->category == c) { at++; }
        const rep_coco_number row =
            average_precision(w, w->ranked + first, at - first, w->truth_counts[c]);
        if (rows) { rows[c] = row; }
        sum += row.value;
        known += row.is_known;
    }
    *mean = (rep_coco_number){"AP50", known > 0, known ? sum / (double)known : 0};
}

rep_status rep_voc_eval(rep_coco_number *mean, rep_coco_number *rows, const rep_annotations *truth,
                        const rep_detection *detections, size_t count, double iou) {
    if (!(iou > 0 && iou <= 1)) {
        return rep_fail(REP_ERR_ARGUMENT, "VOC evaluation at IoU %g, wanted above 0 up to 1", iou);
    }
    voc_work w = {.truth = truth, .iou = iou};
    REP_TRY(rep_detections_rank(&w.ranked, truth, detections, count, true));
    w.is_taken = calloc(truth->object_count + 1, sizeof *w.is_taken);
    w.truth_counts = calloc(truth->category_count + 1, sizeof *w.truth_counts);
    w.recall = calloc(count + 1, sizeof *w.recall);
    w.precision = calloc(count + 1, sizeof *w.precision);
    const bool has_room = w.is_taken && w.truth_counts && w.recall && w.precision;
    if (has_room) { evaluate(mean, rows, &w, count); }
    free(w.ranked);
    free(w.is_taken);
    free(w.truth_counts);
    free(w.recall);
    free(w.precision);
    return has_room ? REP_OK
                    : rep_fail(REP_ERR_MEMORY, "no memory to evaluate %zu detections", count);
}
