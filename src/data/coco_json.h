/* coco_json.h - a COCO file as a stream of rows: one image, annotation or category each. */
#ifndef REP_DATA_COCO_JSON_H
#define REP_DATA_COCO_JSON_H

#include "data/annotations.h"

typedef enum rep_coco_section {
    REP_COCO_IMAGES,
    REP_COCO_ANNOTATIONS,
    REP_COCO_CATEGORIES,
    REP_COCO_SECTIONS
} rep_coco_section;

/* What is read; everything else in a file is passed over. */
typedef enum rep_coco_field {
    REP_COCO_ID,
    REP_COCO_FILE_NAME,
    REP_COCO_WIDTH,
    REP_COCO_HEIGHT,
    REP_COCO_IMAGE_ID,
    REP_COCO_CATEGORY_ID,
    REP_COCO_BBOX,
    REP_COCO_AREA,
    REP_COCO_ISCROWD,
    REP_COCO_KEYPOINTS,
    REP_COCO_NUM_KEYPOINTS,
    REP_COCO_NAME,
    REP_COCO_POINT_NAMES,
    REP_COCO_SKELETON,
    REP_COCO_SIGMAS,
    REP_COCO_FIELDS
} rep_coco_field;

enum { REP_COCO_TEXT_BYTES = 4096, REP_COCO_LIST_VALUES = 3 * REP_MOST_KEYPOINTS };

typedef struct rep_coco_list {
    size_t count;
    double values[REP_COCO_LIST_VALUES];
} rep_coco_list;

typedef struct rep_coco_json_row {
    rep_coco_section section;
    size_t number;             /* place in its list, 1 first */
    bool has[REP_COCO_FIELDS]; /* there, and not null */
    int64_t whole[REP_COCO_FIELDS];
    double area;
    char text[REP_COCO_TEXT_BYTES];          /* file_name or name */
    rep_coco_list bbox, keypoints, skeleton; /* skeleton: pairs, one behind the other */
    rep_coco_list sigmas;
    const char *point_names[REP_MOST_KEYPOINTS]; /* in the arena */
    size_t point_name_count;
} rep_coco_json_row;

/* "image id 3", "annotation 7 of the list (no id)": for messages. */
void rep_coco_row_label(char out[REP_LABEL_BYTES], const rep_coco_json_row *row);

/* Reads the file and hands over its rows, in the file's order; the row is borrowed for the call.
 * Depth, text and lists are bounded. Errors: REP_ERR_IO, REP_ERR_DATA with line or id; what `take`
 * returns. */
typedef rep_status (*rep_coco_take)(void *context, const rep_coco_json_row *row);
REP_NODISCARD rep_status rep_coco_json_read(const char *path, rep_arena *arena, rep_coco_take take,
                                            void *context);

#endif
