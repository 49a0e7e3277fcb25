/* judged_pictures.c - which pictures of a detector's test went best and worst, and how they look.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/judged.h"
#include "cli/report.h"
#include "repopt/paint.h"

enum { LONGEST_PX = 320 }; /* of a picture on the page */
static const double least_iou = 0.5;

/* ---- counting ---------------------------------------------------------------------------------
 */

static int by_picture(const void *a, const void *b) {
    const rep_detection *x = a, *y = b;
    if (x->picture != y->picture) { return x->picture < y->picture ? -1 : 1; }
    return (x->score < y->score) - (x->score > y->score);
}

/* The sure detections by picture, best first; free. *count says how many. */
static rep_detection *sort_detections(const judged *j, size_t *count) {
    rep_detection *sorted = malloc((j->count + 1) * sizeof *sorted);
    *count = 0;
    for (size_t i = 0; sorted && i < j->count; i++) {
        if (j->detections[i].score >= JUDGED_LEAST_SCORE) { sorted[(*count)++] = j->detections[i]; }
    }
    if (sorted) { qsort(sorted, *count, sizeof *sorted, by_picture); }
    return sorted;
}

/* Intersection over union; over the detection alone where the object is a crowd. */
static double overlap(const rep_detection *d, const rep_object *o) {
    const double w = fmin(d->x + d->w, o->x + o->w) - fmax(d->x, o->x);
    const double h = fmin(d->y + d->h, o->y + o->h) - fmax(d->y, o->y);
    if (w <= 0 || h <= 0) { return 0; }
    const double own = d->w * d->h, all = own + o->w * o->h - w * h;
    return w * h / (o->is_crowd ? own : all);
}

static bool is_ignored(const rep_object *o) { return o->is_crowd || o->is_difficult; }

/* The best free object of the detection's class, or an ignored one where none is left; `count`
 * where there is neither. */
static size_t find_object(const rep_detection *d, const rep_object *objects, const bool *is_taken,
                          size_t count) {
    size_t best = count;
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        const rep_object *o = &objects[i];
        if (o->category != d->category || is_taken[i]) { continue; }
        const double value = overlap(d, o) - (is_ignored(o) ? 1 : 0);
        const double bound = least_iou - (is_ignored(o) ? 1 : 0);
        if (value < bound || (best < count && value <= most)) { continue; }
        best = i;
        most = value;
    }
    return best;
}

static judged_picture count_picture(const judged *j, size_t index, const rep_detection *detections,
                                    size_t count, bool *is_taken) {
    const rep_picture *picture = &j->truth->pictures[index];
    const rep_object *objects = j->truth->objects + picture->first;
    judged_picture p = {.index = index};
    memset(is_taken, 0, picture->count * sizeof *is_taken);
    for (size_t i = 0; i < count; i++) {
        const size_t at = find_object(&detections[i], objects, is_taken, picture->count);
        if (at == picture->count) {
            p.wrong++;
        } else if (!is_ignored(&objects[at])) {
            is_taken[at] = true;
            p.right++;
        }
    }
    for (size_t i = 0; i < picture->count; i++) {
        p.missed += !is_taken[i] && !is_ignored(&objects[i]);
    }
    const size_t all = 2 * p.right + p.wrong + p.missed;
    p.f1 = all > 0 ? (double)(2 * p.right) / (double)all : -1;
    return p;
}

static int by_f1(const void *a, const void *b) {
    const judged_picture *x = a, *y = b;
    if (x->f1 != y->f1) { return x->f1 < y->f1 ? 1 : -1; }
    if (x->right != y->right) { return x->right < y->right ? 1 : -1; }
    const size_t x_bad = x->wrong + x->missed, y_bad = y->wrong + y->missed;
    if (x_bad != y_bad) { return x_bad > y_bad ? 1 : -1; }
    return (x->index > y->index) - (x->index < y->index);
}

rep_status judged_pictures_rank(judged_picture **out, size_t *count, const judged *j) {
    size_t sure = 0, kept = 0, next = 0;
    const size_t pictures = j->truth->picture_count;
    rep_detection *sorted = sort_detections(j, &sure);
    judged_picture *ranked = malloc((pictures + 1) * sizeof *ranked);
    bool *is_taken = calloc(j->truth->object_count + 1, sizeof *is_taken);
    const bool has_memory = sorted && ranked && is_taken;
    for (size_t i = 0; has_memory && i < pictures; i++) {
        const size_t first = next;
        while (next < sure && sorted[next].picture == i) { next++; }
        ranked[kept] = count_picture(j, i, sorted + first, next - first, is_taken);
        kept += ranked[kept].f1 >= 0;
    }
    free(sorted);
    free(is_taken);
    if (!has_memory) {
        free(ranked);
        return rep_fail(REP_ERR_MEMORY, "report: no memory for %zu pictures", pictures);
    }
    qsort(ranked, kept, sizeof *ranked, by_f1);
    *out = ranked;
    *count = kept;
    return REP_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------
 */

/* The picture, no larger than fits the page. */
static rep_status read_small(rep_image *out, double *zoom, const judged *j, size_t index) {
    const rep_picture *p = &j->truth->pictures[index];
    const int32_t longest = p->width > p->height ? p->width : p->height;
    *zoom = (double)LONGEST_PX / longest;
    const int32_t width = (int32_t)fmax(1, round(p->width * *zoom));
    const int32_t height = (int32_t)fmax(1, round(p->height * *zoom));
    rep_image full = {0};
    REP_TRY(rep_detection_set_read(&full, j->set, index, width, height));
    const rep_status status = rep_image_resize(out, &full, width, height);
    rep_image_clear(&full);
    return status;
}

static void paint_found(rep_image *image, const judged *j, size_t index, double zoom) {
    const rep_paint_options how = {.zoom = zoom, .min_score = JUDGED_LEAST_SCORE};
    size_t first = 0;
    /* A picture's findings lie side by side. */
    while (first < j->count && j->detections[first].picture != index) { first++; }
    size_t end = first;
    while (end < j->count && j->detections[end].picture == index) { end++; }
    rep_paint_detections(image, j->truth->categories, j->detections + first, end - first, &how);
}

static rep_status write_half(FILE *out, const judged *j, size_t index, bool is_truth) {
    const rep_picture *p = &j->truth->pictures[index];
    rep_image image = {0};
    double zoom = 1;
    REP_TRY(read_small(&image, &zoom, j, index));
    const rep_paint_options how = {.zoom = zoom};
    if (is_truth) {
        rep_paint_objects(&image, j->truth->categories, j->truth->objects + p->first, p->count,
                          &how);
    } else {
        paint_found(&image, j, index, zoom);
    }
    report_image(out, &image, image.width, image.height,
                 is_truth ? "what is true" : "what was found");
    rep_image_clear(&image);
    return REP_OK;
}

rep_status judged_picture_write(FILE *out, const judged *j, const judged_picture *picture) {
    fputs("<figure><div class=\"halves\">", out);
    REP_TRY(write_half(out, j, picture->index, true));
    REP_TRY(write_half(out, j, picture->index, false));
    fputs("</div><figcaption>", out);
    report_text(out, j->truth->pictures[picture->index].file_name);
    fprintf(out, ": %zu right, %zu wrong, %zu missed; F1 %.2f</figcaption></figure>\n",
            picture->right, picture->wrong, picture->missed, picture->f1);
    return REP_OK;
}
