/* detection.h - pictures with boxes and keypoints, and how well detections agree with them.
 *
 * An annotation set is read whole, checked, and never changes; boxes are x, y, w, h in pixels of
 * the picture, with x, y the upper left corner of the first pixel: the last one is x + w - 1.
 *
 *     const rep_annotation_options options = {.is_clipped = true, .is_outside_dropped = true};
 *     REP_TRY(rep_annotations_load_coco(&truth, "instances_val2017.json", &options));
 *     const rep_coco_options how = {.kind = REP_COCO_BOX, .category = -1};
 *     REP_TRY(rep_coco_eval_create(&eval, truth, detections, count, &how));
 *     rep_coco_number numbers[REP_COCO_NUMBERS];
 *     const size_t number_count = rep_coco_eval_numbers(numbers, eval);
 */
#ifndef REPOPT_DETECTION_H
#define REPOPT_DETECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repopt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- annotation sets ------------------------------------------------------------------------ */

typedef struct rep_category {
    int64_t id; /* the file's own; the class a net learns is the place in the list, 0 first */
    const char *name;
    int32_t keypoint_count;            /* K; 0: objects of this category have none */
    const char *const *keypoint_names; /* K */
    const int32_t *flip;               /* K: whose place each takes in a mirrored picture */
    const double *sigmas;              /* K, for OKS; NULL: nobody said them */
    int32_t limb_count;
    const int32_t (*limbs)[2]; /* pairs of keypoints that a drawing joins, 0 first */
} rep_category;

typedef struct rep_picture {
    int64_t id;
    const char *file_name;
    int32_t width, height;
    size_t first, count; /* its objects */
} rep_picture;

typedef struct rep_object {
    int64_t id;
    size_t picture;
    int32_t category; /* contiguous */
    double x, y, w, h;
    double area;             /* the file's (of the outline), or w * h where it says none */
    const double *keypoints; /* K times x, y, v; v 0 absent, 1 hidden, 2 seen. NULL: none given */
    int32_t keypoints_given; /* the file's num_keypoints, or how many have v > 0 */
    bool is_crowd, is_difficult;
} rep_object;

/* How many annotations are odd in one way, and which come first. */
enum { REP_ODD_FIRST = 8 };
typedef struct rep_odd {
    size_t count;
    int64_t ids[REP_ODD_FIRST], picture_ids[REP_ODD_FIRST];
} rep_odd;

typedef struct rep_annotations {
    const char *source;             /* path of what was read */
    const rep_category *categories; /* ascending id */
    size_t category_count;
    const rep_picture *pictures; /* ascending id */
    size_t picture_count;
    const rep_object *objects; /* by picture, within one in the file's order */
    size_t object_count;
    /* Found in the file, kept or not. An annotation counts once, under the first that fits: crowd,
     * degenerate (w or h <= 0 or below the minimum, before or after clipping), outside (no pixel
     * in common with the picture), beyond (reaches over its edge). */
    rep_odd crowd, degenerate, outside, beyond;
} rep_annotations;

typedef struct rep_annotation_options {
    bool is_crowd_dropped, is_degenerate_dropped, is_outside_dropped;
    bool is_clipped;    /* boxes are cut to their picture; areas of the file stay */
    double min_side_px; /* narrower or lower is degenerate */
    /* Sigmas for every category with `sigma_count` keypoints; they go before the file's own. */
    const double *sigmas;
    size_t sigma_count;
    /* VOC only: the classes in their order; class_count 0: all names of all splits, sorted. */
    const char *const *class_names;
    size_t class_count;
} rep_annotation_options;

/* Reads COCO "instances" or "person_keypoints" JSON. Category ids become 0 .. n-1 in ascending
 * order. Flip pairs come from the names left_x and right_x. Sigmas: the options', else the
 * category's "sigmas", else COCO's for exactly its 17 names, else none. `options` may be NULL.
 * Owned by the caller. Errors: REP_ERR_IO; REP_ERR_DATA with file, id and remedy for what is not
 * JSON (with its line), a missing list, no pictures, a repeated picture or category id, an
 * annotation whose category or picture is missing or unknown, whose box is not 4 finite numbers or
 * whose keypoints are not 3 * K numbers; REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_annotations_load_coco(rep_annotations **out, const char *path,
                                                   const rep_annotation_options *options);
/* Reads a Pascal VOC set: the pictures that root/ImageSets/Main/<split>.txt lists, numbered from 1,
 * their objects from root/Annotations/<name>.xml. file_name is "JPEGImages/<file>", below root.
 * VOC corners are 1-based and inclusive: x = xmin - 1, w = xmax - xmin + 1, so that x + w - 1 is
 * the xmax - 1 of maskrcnn-benchmark; fractions are kept. Errors as above; also XML with a document
 * type (entities could expand without bound), and a name that is not in options->class_names. */
REP_NODISCARD rep_status rep_annotations_load_voc(rep_annotations **out, const char *root,
                                                  const char *split,
                                                  const rep_annotation_options *options);
void rep_annotations_destroy(rep_annotations *annotations);
/* Writes COCO JSON, whole or not at all, that rep_annotations_load_coco reads back the same, but
 * for `source` and is_difficult, which COCO has not. REP_ERR_IO. */
REP_NODISCARD rep_status rep_annotations_save_coco(const char *path,
                                                   const rep_annotations *annotations);

/* ---- evaluation ----------------------------------------------------------------------------- */

typedef struct rep_detection {
    size_t picture;   /* index into the set's pictures */
    int32_t category; /* contiguous */
    double x, y, w, h, score;
    const double *keypoints; /* K times x, y; only for REP_COCO_KEYPOINT */
} rep_detection;

typedef enum rep_coco_kind {
    REP_COCO_BOX,     /* IoU of boxes, 1, 10 and 100 detections per picture and category */
    REP_COCO_KEYPOINT /* object keypoint similarity, 20 detections */
} rep_coco_kind;
typedef enum rep_coco_area { /* by the object's area in pixels; bounds belong to both sides */
                             REP_COCO_ALL,
                             REP_COCO_SMALL, /* up to 32 * 32; no range of REP_COCO_KEYPOINT */
                             REP_COCO_MEDIUM,
                             REP_COCO_LARGE, /* from 96 * 96 */
                             REP_COCO_AREAS
} rep_coco_area;
enum {
    REP_COCO_NUMBERS = 12,
    REP_COCO_IOUS = 10,    /* thresholds 0.50, 0.55 .. 0.95 */
    REP_COCO_POINTS = 101, /* recalls 0, 0.01 .. 1 */
    REP_COCO_LIMITS = 3    /* detections per picture: 1, 10, 100; REP_COCO_KEYPOINT: 20 alone */
};
typedef struct rep_coco_options {
    rep_coco_kind kind;
    int32_t category; /* only this one; -1: all (REP_COCO_KEYPOINT: all that have keypoints) */
} rep_coco_options;
typedef struct rep_coco_number {
    const char *name; /* "AP", "AP50", "ARm", ... */
    bool is_known;    /* false: there is no ground truth to measure it on; value is 0 then */
    double value;     /* 0 .. 1 */
} rep_coco_number;
typedef struct rep_coco_row {
    int32_t category;
    size_t truth_count; /* objects that count: no crowds; REP_COCO_KEYPOINT: with keypoints */
    rep_coco_number ap, ap50, ar;
} rep_coco_row;
typedef struct rep_coco_eval rep_coco_eval;

/* Writes detections as COCO's results JSON, whole or not at all: boxes, or keypoints of those that
 * have any, all as seen. The pictures and categories are those of `truth`. REP_ERR_IO. */
REP_NODISCARD rep_status rep_detections_save_coco(const char *path, const rep_annotations *truth,
                                                  const rep_detection *detections, size_t count,
                                                  rep_coco_kind kind);
/* Evaluates as pycocotools does; equal scores keep their order. Crowds, and for keypoints objects
 * without any, are ignored: what matches them is neither right nor wrong. Nothing is borrowed
 * after the call. Errors: REP_ERR_ARGUMENT for an index out of range or missing keypoints,
 * REP_ERR_NUMERIC for a detection that is not finite, REP_ERR_DATA for keypoints without sigmas. */
REP_NODISCARD rep_status rep_coco_eval_create(rep_coco_eval **out, const rep_annotations *truth,
                                              const rep_detection *detections, size_t count,
                                              const rep_coco_options *options);
void rep_coco_eval_destroy(rep_coco_eval *eval);
/* The published numbers in their order, 12 (boxes) or 10 (keypoints). Returns how many. */
size_t rep_coco_eval_numbers(rep_coco_number out[REP_COCO_NUMBERS], const rep_coco_eval *eval);
/* One row per evaluated category, and how many there are. */
size_t rep_coco_eval_row_count(const rep_coco_eval *eval);
void rep_coco_eval_row(rep_coco_row *out, const rep_coco_eval *eval, size_t row);
/* Precision at the REP_COCO_POINTS recalls, and the largest recall; `iou` is a threshold's index,
 * `limit` a limit's. Borrowed; NULL / false where there is no ground truth. */
const double *rep_coco_eval_curve(const rep_coco_eval *eval, size_t row, int iou,
                                  rep_coco_area area, int limit);
bool rep_coco_eval_recall(double *out, const rep_coco_eval *eval, size_t row, int iou,
                          rep_coco_area area, int limit);

/* Pascal VOC's average precision at one IoU (0.5): area under the whole precision-recall curve,
 * each detection matched to the box it overlaps most; difficult objects and crowds are ignored.
 * rows[category_count] or NULL get each category's. Errors as rep_coco_eval_create. */
REP_NODISCARD rep_status rep_voc_eval(rep_coco_number *mean, rep_coco_number *rows,
                                      const rep_annotations *truth, const rep_detection *detections,
                                      size_t count, double iou);

/* ---- feature levels ------------------------------------------------------------------------- */

/* One level of a feature pyramid: cell (row, col) looks at x = col * stride + stride / 2, y alike.
 * Locations are counted level by level, within one row by row. */
typedef struct rep_fcos_level {
    int32_t stride, height, width; /* pixels; cells */
    float least, most;             /* targets: largest distance to a side, pixels, both included */
} rep_fcos_level;

#ifdef __cplusplus
}
#endif
#endif
