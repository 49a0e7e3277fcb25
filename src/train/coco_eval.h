/* coco_eval.h - the evaluation of detections inside: ordering, matching, curves. */
#ifndef REP_TRAIN_COCO_EVAL_H
#define REP_TRAIN_COCO_EVAL_H

#include "base/base.h"
#include "repopt/detection.h"

/* ---- detection_order.c: detections and objects in the order that evaluation walks them ------- */
typedef struct rep_ranked {
    const rep_detection *detection;
    size_t index; /* in the caller's list: equal scores keep its order */
} rep_ranked;
/* Every detection, checked: by category, then picture unless `is_across_pictures`, then falling
 * score. *out is malloc'd. */
REP_NODISCARD rep_status rep_detections_rank(rep_ranked **out, const rep_annotations *truth,
                                             const rep_detection *detections, size_t count,
                                             bool is_across_pictures);
/* The objects by category, then picture, then the file's order; *out is malloc'd. */
REP_NODISCARD rep_status rep_objects_by_category(const rep_object ***out,
                                                 const rep_annotations *truth);
/* Intersection over union of a detection and an object; over the detection alone for a crowd, in
 * which it need only lie. 0 where they do not meet. */
double rep_box_overlap(const rep_detection *detection, const rep_object *object, bool is_crowd);

/* ---- coco_match.c: one category in one picture ------------------------------------------------
 */
typedef struct rep_coco_group {
    const rep_category *category;
    const rep_object *const *objects;
    size_t object_count;
    const rep_ranked *detections; /* falling score */
    size_t detection_count;
} rep_coco_group;

/* What became of one detection; bit t of a word is the threshold ious[t]. */
typedef struct rep_coco_match {
    double score;
    uint32_t rank; /* within its picture and category, 0 first */
    uint16_t matched[REP_COCO_AREAS], ignored[REP_COCO_AREAS];
} rep_coco_match;

typedef struct rep_coco_matcher {
    rep_coco_kind kind;
    double ious[REP_COCO_IOUS];
    double *similarity; /* detection_count x object_count */
    size_t similarity_room;
    size_t *order; /* objects, those that count first */
    bool *is_ignored, *is_taken;
    size_t object_room;
} rep_coco_matcher;
/* Zeroed memory to begin with; clear frees it. */
void rep_coco_matcher_init(rep_coco_matcher *matcher, rep_coco_kind kind);
void rep_coco_matcher_clear(rep_coco_matcher *matcher);
/* Whether an object is left out whatever its area. */
bool rep_coco_is_ignored(rep_coco_kind kind, const rep_object *object);
/* out[group->detection_count]; adds the objects that count to counts[]. */
REP_NODISCARD rep_status rep_coco_match_group(rep_coco_match *out, size_t counts[REP_COCO_AREAS],
                                              rep_coco_matcher *matcher,
                                              const rep_coco_group *group);

/* ---- coco_curve.c: precision over recall ------------------------------------------------------
 */
typedef struct rep_coco_curve {
    double precision[REP_COCO_IOUS][REP_COCO_POINTS];
    double recall[REP_COCO_IOUS]; /* the largest */
} rep_coco_curve;
/* matches[count] in the order of falling score; those of rank < limit take part. `scratch` holds
 * 2 * count values. truth_count > 0. */
void rep_coco_curve_make(rep_coco_curve *out, const rep_coco_match *matches, size_t count,
                         rep_coco_area area, uint32_t limit, size_t truth_count, double *scratch);

#endif
