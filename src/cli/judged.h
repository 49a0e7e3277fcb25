/* judged.h - a detector's test, judged: what `repopt test` prints, writes and draws of it.
 *
 * judged.c evaluates and prints, judged_pictures.c picks pictures and draws them, judged_page.c
 * writes the report. Everything is borrowed from one call of rep_train_options.on_detections.
 */
#ifndef REP_CLI_JUDGED_H
#define REP_CLI_JUDGED_H

#include <stdio.h>

#include "repopt/detection_data.h"

typedef struct judged_kind {
    rep_coco_eval *eval; /* NULL: the net does not find such */
    rep_coco_number numbers[REP_COCO_NUMBERS];
    size_t count;
} judged_kind;

typedef struct judged {
    const rep_detection_set *set;
    const rep_annotations *truth;
    const rep_detection *detections;
    size_t count;
    judged_kind boxes, keypoints;
    rep_coco_number voc;       /* VOC AP50 */
    rep_coco_number *voc_rows; /* by category */
} judged;

/* Evaluates; `has_keypoints`: the detections have them. Clear it whatever comes. */
REP_NODISCARD rep_status judged_init(judged *out, const rep_detection_set *set,
                                     const rep_detection *detections, size_t count,
                                     bool has_keypoints);
void judged_clear(judged *j);
/* Objects that an evaluation counts, over all classes. */
size_t judged_object_count(const judged *j);
/* The row of keypoints of a category; false where it has none. */
bool judged_keypoint_row(rep_coco_row *out, const judged *j, int32_t category);

/* COCO's numbers and a row per class. */
void judged_print(FILE *out, const judged *j);
/* The same as one JSON object; null where there is no ground truth. REP_ERR_MEMORY. */
REP_NODISCARD rep_status judged_print_json(FILE *out, const judged *j);
/* bbox.json and, where the net finds them, keypoints.json, as COCO has results; report.html.
 * Each file is whole or not there. `weights`: their path, for the title. */
REP_NODISCARD rep_status judged_write(const char *folder, const judged *j, const char *weights);

/* ---- parts of the page ------------------------------------------------------------------------
 */

/* How well a picture's findings agree: each object has at most one finding of its class with an IoU
 * of 0.5 and a score from JUDGED_LEAST_SCORE on. Crowds count neither way. */
typedef struct judged_picture {
    size_t index;
    size_t right, wrong, missed;
    double f1; /* 2 right / (2 right + wrong + missed) */
} judged_picture;
#define JUDGED_LEAST_SCORE 0.3
/* The pictures with anything to judge, best first: free(*out). */
REP_NODISCARD rep_status judged_pictures_rank(judged_picture **out, size_t *count, const judged *j);
/* Two pictures on the page, what is true and what was found, above what was counted. */
REP_NODISCARD rep_status judged_picture_write(FILE *out, const judged *j,
                                              const judged_picture *picture);

/* Sections of a page with report_style: classes, precision over recall, the best and the worst
 * pictures. Errors of rep_detection_set_read, REP_ERR_MEMORY. */
REP_NODISCARD rep_status judged_sections_write(FILE *out, const judged *j);

REP_NODISCARD rep_status judged_page_write(const char *path, const judged *j, const char *weights);

#endif
