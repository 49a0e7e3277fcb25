/* coco_match.c - which detection finds which object, in one picture and one category.
 *
 * Detections choose in the order of falling score; each takes the object that it is most similar to
 * among those not taken, provided the similarity reaches the threshold, and an object that is to be
 * ignored only where no other does. A crowd can be taken any number of times. What takes an ignored
 * object, and what takes none and is itself outside the range of areas, counts neither way. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "train/coco_eval.h"

static const struct {
    double low, high;
} areas[REP_COCO_AREAS] = {[REP_COCO_ALL] = {0, 1e10},
                           [REP_COCO_SMALL] = {0, 32 * 32},
                           [REP_COCO_MEDIUM] = {32 * 32, 96 * 96},
                           [REP_COCO_LARGE] = {96 * 96, 1e10}};

void rep_coco_matcher_init(rep_coco_matcher *m, rep_coco_kind kind) {
    *m = (rep_coco_matcher){.kind = kind};
    /* As numpy.linspace(0.5, 0.95, 10) rounds them: similarities can lie on a threshold. */
    const double step = (0.95 - 0.5) / (REP_COCO_IOUS - 1);
    for (int t = 0; t < REP_COCO_IOUS; t++) { m->ious[t] = t * step + 0.5; }
    m->ious[REP_COCO_IOUS - 1] = 0.95;
}

void rep_coco_matcher_clear(rep_coco_matcher *m) {
    free(m->similarity);
    free(m->order);
    free(m->is_ignored);
    free(m->is_taken);
    *m = (rep_coco_matcher){.kind = m->kind};
}

/* ---- similarity ------------------------------------------------------------------------------
 */

/* exp(-e) averaged over the given keypoints, e = distance^2 / (2 * area * (2 * sigma)^2); without
 * any, over all, with the distance to the box grown to three times its size. */
static double keypoint_similarity(const rep_coco_group *group, const rep_detection *d,
                                  const rep_object *o) {
    const double left = o->x - o->w, right = o->x + 2 * o->w;
    const double top = o->y - o->h, bottom = o->y + 2 * o->h;
    double sum = 0;
    int32_t given = 0;
    const int32_t count = group->category->keypoint_count;
    for (int32_t k = 0; k < count; k++) { given += o->keypoints && o->keypoints[3 * k + 2] > 0; }
    for (int32_t k = 0; k < count; k++) {
        const double x = d->keypoints[2 * k], y = d->keypoints[2 * k + 1];
        const double spread = 2 * group->category->sigmas[k];
        double dx, dy;
        if (given) {
            if (!(o->keypoints[3 * k + 2] > 0)) { continue; }
            dx = x - o->keypoints[3 * k];
            dy = y - o->keypoints[3 * k + 1];
        } else {
            dx = fmax(0, left - x) + fmax(0, x - right);
            dy = fmax(0, top - y) + fmax(0, y - bottom);
        }
        sum +=
            rep_exact_exp(-((dx * dx + dy * dy) / (spread * spread) / (o->area + DBL_EPSILON) / 2));
    }
    return sum / (given ? given : count);
}

static double keypoint_area(const rep_detection *d, int32_t count) {
    double left = d->keypoints[0], right = left, top = d->keypoints[1], bottom = top;
    for (int32_t k = 1; k < count; k++) {
        left = fmin(left, d->keypoints[2 * k]);
        right = fmax(right, d->keypoints[2 * k]);
        top = fmin(top, d->keypoints[2 * k + 1]);
        bottom = fmax(bottom, d->keypoints[2 * k + 1]);
    }
    return (right - left) * (bottom - top);
}

static rep_status reserve(rep_coco_matcher *m, const rep_coco_group *group) {
    const size_t objects = group->object_count, cells = objects * group->detection_count;
    if (cells > m->similarity_room) {
        double *grown = realloc(m->similarity, 2 * cells * sizeof *grown);
        if (!grown) { return rep_fail(REP_ERR_MEMORY, "no memory to match %zu objects", objects); }
        m->similarity = grown;
        m->similarity_room = 2 * cells;
    }
    if (objects > m->object_room) {
        free(m->order);
        free(m->is_ignored);
        free(m->is_taken);
        m->object_room = 2 * objects;
        m->order = calloc(m->object_room, sizeof *m->order);
        m->is_ignored = calloc(m->object_room, sizeof *m->is_ignored);
        m->is_taken = calloc(m->object_room, sizeof *m->is_taken);
        if (!m->order || !m->is_ignored || !m->is_taken) {
            return rep_fail(REP_ERR_MEMORY, "no memory to match %zu objects", objects);
        }
    }
    return REP_OK;
}

static void measure(rep_coco_matcher *m, const rep_coco_group *group) {
    double *out = m->similarity;
    for (size_t d = 0; d < group->detection_count; d++) {
        for (size_t g = 0; g < group->object_count; g++) {
            const rep_detection *detection = group->detections[d].detection;
            const rep_object *object = group->objects[g];
            *out++ = m->kind == REP_COCO_BOX ? rep_box_overlap(detection, object, object->is_crowd)
                                             : keypoint_similarity(group, detection, object);
        }
    }
}

/* ---- matching --------------------------------------------------------------------------------
 */

bool rep_coco_is_ignored(rep_coco_kind kind, const rep_object *object) {
    return object->is_crowd || (kind == REP_COCO_KEYPOINT && object->keypoints_given == 0);
}

static bool is_out(double area, rep_coco_area range) {
    return area < areas[range].low || area > areas[range].high;
}

/* Fills order and is_ignored for one range of areas; tells how many objects count. */
static size_t sort_objects(rep_coco_matcher *m, const rep_coco_group *group, rep_coco_area range) {
    size_t used = 0, counted = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t g = 0; g < group->object_count; g++) {
            const rep_object *o = group->objects[g];
            m->is_ignored[g] = rep_coco_is_ignored(m->kind, o) || is_out(o->area, range);
            if (m->is_ignored[g] == (pass == 1)) { m->order[used++] = g; }
        }
        if (pass == 0) { counted = used; }
    }
    return counted;
}

/* The object that a detection takes, or object_count. */
static size_t choose(const rep_coco_matcher *m, const rep_coco_group *group,
                     const double *similarity, double threshold) {
    const size_t none = group->object_count;
    size_t best = none;
    double least = fmin(threshold, 1 - 1e-10);
    for (size_t i = 0; i < group->object_count; i++) {
        const size_t g = m->order[i];
        if (m->is_taken[g] && !group->objects[g]->is_crowd) { continue; }
        if (best != none && !m->is_ignored[best] && m->is_ignored[g]) { break; }
        if (similarity[g] < least) { continue; }
        least = similarity[g];
        best = g;
    }
    return best;
}

static void match_range(rep_coco_match *out, rep_coco_matcher *m, const rep_coco_group *group,
                        rep_coco_area range) {
    for (int t = 0; t < REP_COCO_IOUS; t++) {
        const uint16_t bit = (uint16_t)(1u << t);
        for (size_t g = 0; g < group->object_count; g++) { m->is_taken[g] = false; }
        for (size_t d = 0; d < group->detection_count; d++) {
            const size_t g = choose(m, group, m->similarity + d * group->object_count, m->ious[t]);
            if (g == group->object_count) { continue; }
            m->is_taken[g] = true;
            out[d].matched[range] |= bit;
            if (m->is_ignored[g]) { out[d].ignored[range] |= bit; }
        }
    }
    for (size_t d = 0; d < group->detection_count; d++) {
        const rep_detection *detection = group->detections[d].detection;
        const double area = m->kind == REP_COCO_BOX
                                ? detection->w * detection->h
                                : keypoint_area(detection, group->category->keypoint_count);
        if (is_out(area, range)) { out[d].ignored[range] |= (uint16_t)~out[d].matched[range]; }
    }
}

rep_status rep_coco_match_group(rep_coco_match *out, size_t counts[REP_COCO_AREAS],
                                rep_coco_matcher *m, const rep_coco_group *group) {
    REP_TRY(reserve(m, group));
    measure(m, group);
    for (size_t d = 0; d < group->detection_count; d++) {
        out[d] =
            (rep_coco_match){.score = group->detections[d].detection->score, .rank = (uint32_t)d};
    }
    for (int a = 0; a < REP_COCO_AREAS; a++) {
        counts[a] += sort_objects(m, group, (rep_coco_area)a);
        match_range(out, m, group, (rep_coco_area)a);
    }
    return REP_OK;
}
