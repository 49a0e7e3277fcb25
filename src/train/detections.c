/* detections.c - what a detector found, picture by picture, in the coordinates of the files.
 *
 * A box of the net is x1, y1, x2, y2 with its last pixel inside, as maskrcnn-benchmark has it; a
 * detection is x, y, w, h with w = x2 - x1 + 1 once both corners are back in the file's pixels.
 */
#include <stdlib.h>
#include <string.h>

#include "train/detect.h"

/* Room for one more, its keypoints included. */
static rep_status need_room(rep_detection_list *list, size_t point_count) {
    rep_detection *items =
        rep_array_grow(list->items, list->count, &list->room, sizeof *list->items);
    double *points = list->points;
    if (items != NULL) { list->items = items; }
    if (point_count > 0) {
        points = rep_array_grow(list->points, list->count, &list->point_room,
                                point_count * sizeof *list->points);
        if (points != NULL) { list->points = points; }
    }
    if (items == NULL || (point_count > 0 && points == NULL)) {
        return rep_fail(REP_ERR_MEMORY, "evaluation: no memory for %zu detections",
                        list->count + 1);
    }
    return REP_OK;
}

rep_status rep_detection_list_add(rep_detection_list *list, const rep_detection_picture *picture,
                                  const rep_fcos_found *found, const float *points, size_t count) {
    const size_t point_count = 2 * (size_t)list->keypoint_count;
    for (size_t i = 0; i < count; i++) {
        const rep_fcos_found *f = &found[i];
        REP_TRY(need_room(list, point_count));
        const double x1 = (double)f->x1 * picture->scale_x, x2 = (double)f->x2 * picture->scale_x;
        const double y1 = (double)f->y1 * picture->scale_y, y2 = (double)f->y2 * picture->scale_y;
        for (size_t k = 0; k < point_count; k++) {
            list->points[list->count * point_count + k] =
                (double)points[i * point_count + k] *
                (k % 2 == 0 ? picture->scale_x : picture->scale_y);
        }
        list->items[list->count++] = (rep_detection){.picture = picture->index,
                                                     .category = f->label - 1,
                                                     .x = x1,
                                                     .y = y1,
                                                     .w = x2 - x1 + 1,
                                                     .h = y2 - y1 + 1,
                                                     .score = (double)f->score};
    }
    return REP_OK;
}

void rep_detection_list_close(rep_detection_list *list) {
    const size_t point_count = 2 * (size_t)list->keypoint_count;
    for (size_t i = 0; i < list->count; i++) {
        list->items[i].keypoints = point_count > 0 ? list->points + i * point_count : NULL;
    }
}

void rep_detection_list_clear(rep_detection_list *list) {
    free(list->items);
    free(list->points);
    *list = (rep_detection_list){0};
}
