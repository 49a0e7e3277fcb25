/* detection_order.c - detections checked and sorted, objects by category: what every evaluation
 * begins with. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "train/coco_eval.h"

static rep_status check(const rep_annotations *truth, const rep_detection *d, size_t index) {
    if (d->picture >= truth->picture_count) {
        return rep_fail(REP_ERR_ARGUMENT, "detection %zu: picture %zu of %zu in %s", index,
                        d->picture, truth->picture_count, truth->source);
    }
    if (d->category < 0 || (size_t)d->category >= truth->category_count) {
        return rep_fail(REP_ERR_ARGUMENT, "detection %zu: category %" PRId32 " of %zu in %s", index,
                        d->category, truth->category_count, truth->source);
    }
    if (!isfinite(d->x + d->y + d->w + d->h) || !isfinite(d->w * d->h) || !isfinite(d->score)) {
        return rep_fail(REP_ERR_NUMERIC,
                        "detection %zu in picture %s: box %g %g %g %g with score %g, wanted finite "
                        "numbers",
                        index, truth->pictures[d->picture].file_name, d->x, d->y, d->w, d->h,
                        d->score);
    }
    return REP_OK;
}

static int compare_scores(const rep_ranked *a, const rep_ranked *b) {
    const double x = a->detection->score, y = b->detection->score;
    if (x != y) { return x > y ? -1 : 1; }
    return a->index < b->index ? -1 : 1;
}

static int by_category(const void *left, const void *right) {
    const rep_ranked *a = left, *b = right;
    const int32_t x = a->detection->category, y = b->detection->category;
    return x != y ? (x < y ? -1 : 1) : compare_scores(a, b);
}

static int by_category_and_picture(const void *left, const void *right) {
    const rep_ranked *a = left, *b = right;
    if (a->detection->category != b->detection->category) { return by_category(a, b); }
    const size_t x = a->detection->picture, y = b->detection->picture;
    return x != y ? (x < y ? -1 : 1) : compare_scores(a, b);
}

rep_status rep_detections_rank(rep_ranked **out, const rep_annotations *truth,
                               const rep_detection *detections, size_t count,
                               bool is_across_pictures) {
    for (size_t i = 0; i < count; i++) { REP_TRY(check(truth, &detections[i], i)); }
    rep_ranked *ranked = calloc(count ? count : 1, sizeof *ranked);
    if (!ranked) { return rep_fail(REP_ERR_MEMORY, "no memory for %zu detections", count); }
    for (size_t i = 0; i < count; i++) { ranked[i] = (rep_ranked){&detections[i], i}; }
    qsort(ranked, count, sizeof *ranked,
          is_across_pictures ? by_category : by_category_and_picture);
    *out = ranked;
    return REP_OK;
}

rep_status rep_objects_by_category(const rep_object ***out, const rep_annotations *truth) {
    const size_t count = truth->object_count;
    const rep_object **sorted = calloc(count ? count : 1, sizeof *sorted);
    size_t *next = calloc(truth->category_count + 1, sizeof *next);
    if (!sorted || !next) {
        free(sorted);
        free(next);
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for %zu objects", truth->source, count);
    }
    /* Counted into place: the set's own order is by picture, and stays within a category. */
    for (size_t i = 0; i < count; i++) { next[truth->objects[i].category + 1]++; }
    for (size_t i = 0; i < truth->category_count; i++) { next[i + 1] += next[i]; }
    for (size_t i = 0; i < count; i++) {
        sorted[next[truth->objects[i].category]++] = &truth->objects[i];
    }
    free(next);
    *out = sorted;
    return REP_OK;
}

double rep_box_overlap(const rep_detection *d, const rep_object *o, bool is_crowd) {
    const double w = fmin(d->x + d->w, o->x + o->w) - fmax(d->x, o->x);
    const double h = fmin(d->y + d->h, o->y + o->h) - fmax(d->y, o->y);
    if (w <= 0 || h <= 0) { return 0; }
    const double both = w * h, own = d->w * d->h;
    return both / (is_crowd ? own : own + o->w * o->h - both);
}
