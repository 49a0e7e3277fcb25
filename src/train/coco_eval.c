/* coco_eval.c - COCO's evaluation of boxes and keypoints: categories in turn, and the numbers. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/coco_eval.h"

struct rep_coco_eval {
    rep_coco_kind kind;
    size_t row_count;
    int32_t *categories; /* of each row */
    size_t (*truth_counts)[REP_COCO_AREAS];
    rep_coco_curve *curves; /* row_count x REP_COCO_AREAS x REP_COCO_LIMITS */
};

/* Detections per picture and category; keypoints have the first limit alone. */
static const uint32_t limits[2][REP_COCO_LIMITS] = {
    [REP_COCO_BOX] = {1, 10, 100}, [REP_COCO_KEYPOINT] = {20, 0, 0}};

static uint32_t most_detections(rep_coco_kind kind) {
    return limits[kind][kind == REP_COCO_BOX ? REP_COCO_LIMITS - 1 : 0];
}

static bool has_range(rep_coco_kind kind, int area, int limit) {
    return limits[kind][limit] && !(kind == REP_COCO_KEYPOINT && area == REP_COCO_SMALL);
}

/* ---- one category ----------------------------------------------------------------------------
 */

typedef struct worker {
    const rep_annotations *truth;
    const rep_object **objects; /* rep_objects_by_category */
    rep_ranked *ranked;
    size_t ranked_count;
    rep_coco_matcher matcher;
    rep_coco_match *matches; /* of one category, in the order of pictures and ranks */
    const rep_coco_match **order;
    rep_coco_match *sorted;
    double *scratch;
} worker;

/* Addresses tell the order in which equal scores came. */
static int by_score(const void *left, const void *right) {
    const rep_coco_match *a = *(const rep_coco_match *const *)left;
    const rep_coco_match *b = *(const rep_coco_match *const *)right;
    if (a->score != b->score) { return a->score > b->score ? -1 : 1; }
    return a < b ? -1 : 1;
}

/* The part of a sorted list that belongs to a category and a picture begins at *at. */
static size_t take_objects(const worker *w, size_t *at, size_t picture, int32_t category) {
    const size_t first = *at;
    while (*at < w->truth->object_count && w->objects[*at]->category == category &&
           w->objects[*at]->picture == picture) {
        ++*at;
    }
    return *at - first;
}

static size_t take_detections(const worker *w, size_t *at, size_t picture, int32_t category) {
    const size_t first = *at;
    while (*at < w->ranked_count && w->ranked[*at].detection->category == category &&
           w->ranked[*at].detection->picture == picture) {
        ++*at;
    }
    return *at - first;
}

static bool is_of(const worker *w, size_t object, int32_t category) {
    return object < w->truth->object_count && w->objects[object]->category == category;
}

static bool is_found_of(const worker *w, size_t ranked, int32_t category) {
    return ranked < w->ranked_count && w->ranked[ranked].detection->category == category;
}

/* Matches all pictures of one category; *object and *ranked move on behind it. */
static rep_status match_category(worker *w, size_t counts[REP_COCO_AREAS], size_t *match_count,
                                 size_t *object, size_t *ranked, int32_t category) {
    const uint32_t most = most_detections(w->matcher.kind);
    *match_count = 0;
    for (;;) {
        const bool has_object = is_of(w, *object, category);
        const bool has_found = is_found_of(w, *ranked, category);
        if (!has_object && !has_found) { return REP_OK; }
        size_t picture = has_object ? w->objects[*object]->picture : SIZE_MAX;
        if (has_found && w->ranked[*ranked].detection->picture < picture) {
            picture = w->ranked[*ranked].detection->picture;
        }
        rep_coco_group group = {.category = &w->truth->categories[category],
                                .objects = w->objects + *object,
                                .detections = w->ranked + *ranked};
        group.object_count = take_objects(w, object, picture, category);
        group.detection_count = take_detections(w, ranked, picture, category);
        if (group.detection_count > most) { group.detection_count = most; }
        REP_TRY(rep_coco_match_group(w->matches + *match_count, counts, &w->matcher, &group));
        *match_count += group.detection_count;
    }
}

static void make_curves(rep_coco_eval *eval, size_t row, worker *w, size_t count) {
    for (size_t i = 0; i < count; i++) { w->order[i] = &w->matches[i]; }
    qsort(w->order, count, sizeof *w->order, by_score);
    for (size_t i = 0; i < count; i++) { w->sorted[i] = *w->order[i]; }
    for (int a = 0; a < REP_COCO_AREAS; a++) {
        const size_t truth_count = eval->truth_counts[row][a];
        for (int l = 0; l < REP_COCO_LIMITS; l++) {
            if (!truth_count || !has_range(eval->kind, a, l)) { continue; }
            const size_t place = (row * REP_COCO_AREAS + (size_t)a) * REP_COCO_LIMITS + (size_t)l;
            rep_coco_curve_make(&eval->curves[place], w->sorted, count, (rep_coco_area)a,
                                limits[eval->kind][l], truth_count, w->scratch);
        }
    }
}

/* ---- all of them -----------------------------------------------------------------------------
 */

static rep_status open_worker(worker *w, rep_coco_kind kind, const rep_annotations *truth,
                              const rep_detection *detections, size_t count) {
    w->truth = truth;
    rep_coco_matcher_init(&w->matcher, kind);
    REP_TRY(rep_detections_rank(&w->ranked, truth, detections, count, false));
    w->ranked_count = count;
    REP_TRY(rep_objects_by_category(&w->objects, truth));
    const size_t room = count ? count : 1;
    w->matches = calloc(room, sizeof *w->matches);
    w->order = calloc(room, sizeof *w->order);
    w->sorted = calloc(room, sizeof *w->sorted);
    w->scratch = calloc(room, 2 * sizeof *w->scratch);
    if (!w->matches || !w->order || !w->sorted || !w->scratch) {
        return rep_fail(REP_ERR_MEMORY, "no memory to evaluate %zu detections", count);
    }
    return REP_OK;
}

static void close_worker(worker *w) {
    rep_coco_matcher_clear(&w->matcher);
    free(w->ranked);
    free(w->objects);
    free(w->matches);
    free(w->order);
    free(w->sorted);
    free(w->scratch);
}

static rep_status check_keypoints(const rep_annotations *truth, const rep_detection *detections,
                                  size_t count, const rep_coco_eval *eval) {
    for (size_t row = 0; row < eval->row_count; row++) {
        const rep_category *category = &truth->categories[eval->categories[row]];
        if (category->keypoint_count && category->sigmas) { continue; }
        return rep_fail(REP_ERR_DATA,
                        "%s: category '%s' has no %s, which the similarity of keypoints needs; %s",
                        truth->source, category->name,
                        category->keypoint_count ? "sigmas" : "keypoints",
                        category->keypoint_count ? "give them, or add \"sigmas\" to the category"
                                                 : "evaluate boxes");
    }
    for (size_t i = 0; i < count; i++) {
        const int32_t k = truth->categories[detections[i].category].keypoint_count;
        if (k && !detections[i].keypoints) {
            return rep_fail(REP_ERR_ARGUMENT, "detection %zu has no keypoints", i);
        }
        for (int32_t v = 0; v < 2 * k; v++) {
            if (isfinite(detections[i].keypoints[v])) { continue; }
            return rep_fail(REP_ERR_NUMERIC, "detection %zu: keypoint value %" PRId32 " is %g", i,
                            v, detections[i].keypoints[v]);
        }
    }
    return REP_OK;
}

static rep_status choose_rows(rep_coco_eval *eval, const rep_annotations *truth,
                              const rep_coco_options *options) {
    const size_t count = truth->category_count;
    if (options->category < -1 || (options->category >= 0 && (size_t)options->category >= count)) {
        return rep_fail(REP_ERR_ARGUMENT, "category %" PRId32 " of %zu in %s", options->category,
                        count, truth->source);
    }
    eval->kind = options->kind;
    eval->categories = calloc(count, sizeof *eval->categories);
    if (!eval->categories) { return rep_fail(REP_ERR_MEMORY, "no memory for %zu rows", count); }
    for (size_t i = 0; i < count; i++) {
        const bool is_wanted = options->category == -1 ? options->kind == REP_COCO_BOX ||
                                                             truth->categories[i].keypoint_count > 0
                                                       : (size_t)options->category == i;
        if (is_wanted) { eval->categories[eval->row_count++] = (int32_t)i; }
    }
    if (eval->row_count == 0) {
        return rep_fail(REP_ERR_DATA, "%s: no category has keypoints; evaluate boxes",
                        truth->source);
    }
    const size_t cells = eval->row_count * REP_COCO_AREAS * REP_COCO_LIMITS;
    eval->truth_counts = calloc(eval->row_count, sizeof *eval->truth_counts);
    eval->curves = calloc(cells, sizeof *eval->curves);
    if (!eval->truth_counts || !eval->curves) {
        return rep_fail(REP_ERR_MEMORY, "no memory for %zu curves", cells);
    }
    return REP_OK;
}

static rep_status evaluate(rep_coco_eval *eval, worker *w) {
    size_t object = 0, ranked = 0;
    for (size_t row = 0; row < eval->row_count; row++) {
        const int32_t category = eval->categories[row];
        while (object < w->truth->object_count && w->objects[object]->category < category) {
            object++;
        }
        while (ranked < w->ranked_count && w->ranked[ranked].detection->category < category) {
            ranked++;
        }
        size_t count;
        REP_TRY(match_category(w, eval->truth_counts[row], &count, &object, &ranked, category));
        make_curves(eval, row, w, count);
    }
    return REP_OK;
}

rep_status rep_coco_eval_create(rep_coco_eval **out, const rep_annotations *truth,
                                const rep_detection *detections, size_t count,
                                const rep_coco_options *options) {
    worker w = {0};
    rep_coco_eval *eval = calloc(1, sizeof *eval);
    if (!eval) { return rep_fail(REP_ERR_MEMORY, "no memory for an evaluation"); }
    rep_status status = choose_rows(eval, truth, options);
    if (status == REP_OK) { status = open_worker(&w, options->kind, truth, detections, count); }
    if (status == REP_OK && options->kind == REP_COCO_KEYPOINT) {
        status = check_keypoints(truth, detections, count, eval);
    }
    if (status == REP_OK) { status = evaluate(eval, &w); }
    close_worker(&w);
    if (status != REP_OK) {
        rep_coco_eval_destroy(eval);
        return status;
    }
    *out = eval;
    return REP_OK;
}

void rep_coco_eval_destroy(rep_coco_eval *eval) {
    if (!eval) { return; }
    free(eval->categories);
    free(eval->truth_counts);
    free(eval->curves);
    free(eval);
}

/* ---- numbers ---------------------------------------------------------------------------------
 */

static const rep_coco_curve *curve_of(const rep_coco_eval *eval, size_t row, int area, int limit) {
    if (row >= eval->row_count || area < 0 || area >= REP_COCO_AREAS || limit < 0 ||
        limit >= REP_COCO_LIMITS || !has_range(eval->kind, area, limit) ||
        !eval->truth_counts[row][area]) {
        return NULL;
    }
    return &eval->curves[(row * REP_COCO_AREAS + (size_t)area) * REP_COCO_LIMITS + (size_t)limit];
}

size_t rep_coco_eval_row_count(const rep_coco_eval *eval) { return eval->row_count; }

const double *rep_coco_eval_curve(const rep_coco_eval *eval, size_t row, int iou,
                                  rep_coco_area area, int limit) {
    const rep_coco_curve *curve = curve_of(eval, row, area, limit);
    return curve && iou >= 0 && iou < REP_COCO_IOUS ? curve->precision[iou] : NULL;
}

bool rep_coco_eval_recall(double *out, const rep_coco_eval *eval, size_t row, int iou,
                          rep_coco_area area, int limit) {
    const rep_coco_curve *curve = curve_of(eval, row, area, limit);
    if (!curve || iou < 0 || iou >= REP_COCO_IOUS) { return false; }
    *out = curve->recall[iou];
    return true;
}

/* What a number is the mean of; iou -1: all thresholds. */
typedef struct number_spec {
    const char *name;
    bool is_recall;
    int iou;
    rep_coco_area area;
    int limit;
} number_spec;

static rep_coco_number average(const rep_coco_eval *eval, const number_spec *spec, size_t first,
                               size_t last) {
    double sum = 0;
    size_t count = 0;
    for (size_t row = first; row < last; row++) {
        const rep_coco_curve *curve = curve_of(eval, row, (int)spec->area, spec->limit);
        if (!curve) { continue; }
        for (int t = 0; t < REP_COCO_IOUS; t++) {
            if (spec->iou >= 0 && spec->iou != t) { continue; }
            const double *values = spec->is_recall ? &curve->recall[t] : curve->precision[t];
            const size_t more = spec->is_recall ? 1 : REP_COCO_POINTS;
            for (size_t i = 0; i < more; i++) { sum += values[i]; }
            count += more;
        }
    }
    return (rep_coco_number){spec->name, count > 0, count ? sum / (double)count : 0};
}

static const number_spec box_numbers[] = {
    {"AP", false, -1, REP_COCO_ALL, 2},     {"AP50", false, 0, REP_COCO_ALL, 2},
    {"AP75", false, 5, REP_COCO_ALL, 2},    {"APs", false, -1, REP_COCO_SMALL, 2},
    {"APm", false, -1, REP_COCO_MEDIUM, 2}, {"APl", false, -1, REP_COCO_LARGE, 2},
    {"AR1", true, -1, REP_COCO_ALL, 0},     {"AR10", true, -1, REP_COCO_ALL, 1},
    {"AR100", true, -1, REP_COCO_ALL, 2},   {"ARs", true, -1, REP_COCO_SMALL, 2},
    {"ARm", true, -1, REP_COCO_MEDIUM, 2},  {"ARl", true, -1, REP_COCO_LARGE, 2},
};
static const number_spec keypoint_numbers[] = {
    {"AP", false, -1, REP_COCO_ALL, 0},    {"AP50", false, 0, REP_COCO_ALL, 0},
    {"AP75", false, 5, REP_COCO_ALL, 0},   {"APm", false, -1, REP_COCO_MEDIUM, 0},
    {"APl", false, -1, REP_COCO_LARGE, 0}, {"AR", true, -1, REP_COCO_ALL, 0},
    {"AR50", true, 0, REP_COCO_ALL, 0},    {"AR75", true, 5, REP_COCO_ALL, 0},
    {"ARm", true, -1, REP_COCO_MEDIUM, 0}, {"ARl", true, -1, REP_COCO_LARGE, 0},
};

size_t rep_coco_eval_numbers(rep_coco_number out[REP_COCO_NUMBERS], const rep_coco_eval *eval) {
    const bool is_box = eval->kind == REP_COCO_BOX;
    const number_spec *specs = is_box ? box_numbers : keypoint_numbers;
    const size_t count = is_box ? sizeof box_numbers / sizeof *box_numbers
                                : sizeof keypoint_numbers / sizeof *keypoint_numbers;
    for (size_t i = 0; i < count; i++) { out[i] = average(eval, &specs[i], 0, eval->row_count); }
    return count;
}

void rep_coco_eval_row(rep_coco_row *out, const rep_coco_eval *eval, size_t row) {
    const int last = eval->kind == REP_COCO_BOX ? REP_COCO_LIMITS - 1 : 0;
    const number_spec ap = {"AP", false, -1, REP_COCO_ALL, last};
    const number_spec ap50 = {"AP50", false, 0, REP_COCO_ALL, last};
    const number_spec ar = {"AR", true, -1, REP_COCO_ALL, last};
    *out = (rep_coco_row){.category = eval->categories[row],
                          .truth_count = eval->truth_counts[row][REP_COCO_ALL],
                          .ap = average(eval, &ap, row, row + 1),
                          .ap50 = average(eval, &ap50, row, row + 1),
                          .ar = average(eval, &ar, row, row + 1)};
}
