/* detect.h - what the files of the detection task share. */
#ifndef REP_TRAIN_DETECT_H
#define REP_TRAIN_DETECT_H

#include "nn/nn.h"
#include "train/train.h"

typedef struct rep_detect_data {
    rep_detection_set *train, *test; /* NULL: not opened; test: or not named */
    rep_detection_setup setup;       /* of the training loader */
    rep_detection_loader *loader;
    int32_t keypoint_count; /* of the data; below 0: not known */
    uint32_t *ids;          /* of the batch taken last, SOLVER.IMS_PER_BATCH */
} rep_detect_data;

/* detect.c: `categories`, borrowed, are what the net finds. REP_ERR_CONFIG where it has another
 * number of classes than `source` has categories. */
REP_NODISCARD rep_status rep_detect_take_categories(rep_task *task, const char *source,
                                                    const rep_category *categories, size_t count);

/* eval_detect.c: boxes and keypoints of the test split, found and evaluated. */
REP_NODISCARD rep_status rep_detect_evaluate(rep_evaluator **out, const rep_task *task,
                                             rep_device *device, rep_mode mode,
                                             rep_program *state_of, const char *prefix);

/* The same on any set. With `predict` its annotations are not looked at: each picture's findings
 * are handed to predict->on_picture as they come, and the result stays empty. */
REP_NODISCARD rep_status rep_detect_evaluator_create(rep_evaluator **out, const rep_task *task,
                                                     const rep_detection_set *set,
                                                     const rep_predict_options *predict,
                                                     rep_device *device, rep_mode mode,
                                                     rep_program *state_of, const char *prefix);

/* The decoder of the settings; `levels` are borrowed. */
void rep_detect_decoder_init(rep_fcos_decoder *out, const rep_values *values,
                             const rep_fcos_level *levels, int32_t class_count,
                             int32_t keypoint_count);

/* categories.c: categories as the text of a checkpoint's metadata: free(*out). REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_categories_write(char **out, const rep_category *categories,
                                              size_t count);
/* The way back. `name`, the file's, is used in messages; a NULL text is a file without it.
 * REP_ERR_DATA tells category and part that are not as wanted. */
typedef struct rep_category_list {
    rep_category *items; /* in the arena, as everything in them */
    size_t count;
    rep_arena arena;
} rep_category_list;
REP_NODISCARD rep_status rep_categories_read(rep_category_list *out, const char *name,
                                             const char *text);
void rep_category_list_clear(rep_category_list *list);

/* detections.c: a growing list of what was found, keypoints included. */
typedef struct rep_detection_list {
    rep_detection *items;
    double *points; /* K x 2 each */
    size_t count, room, point_room;
    int32_t keypoint_count;
} rep_detection_list;
/* A picture's findings, in pixels of the batch, as detections in pixels of its file. */
REP_NODISCARD rep_status rep_detection_list_add(rep_detection_list *list,
                                                const rep_detection_picture *picture,
                                                const rep_fcos_found *found, const float *points,
                                                size_t count);
/* Sets the items' pointers to their keypoints; call when the list is complete. */
void rep_detection_list_close(rep_detection_list *list);
void rep_detection_list_clear(rep_detection_list *list);

#endif
