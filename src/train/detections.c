/* detections.c - what a detector found, picture by picture, in the coordinates of the files.
 *
 * A box of the net is x1, y1, x2, y2 with its last pixel inside, as maskrcnn-benchmark has it; a
 * detection is x, y, w, h with w = x2 - x1 + 1 once both corners are back in the file's pixels.
 */
#include <stdlib.h>
#include <string.h>

#include "train/detect.h"

rep_status rep_detection_list_add(rep_detection_list *list, const rep_detection_picture *picture,
                                  const rep_fcos_found *found, const float *points, size_t count) {
    const size_t point_count = 2 * (size_t)list->keypoint_count;
    if (list->count + count > list->room) {
        const size_t room = 2 * (list->count + count);
        rep_detection *items = realloc(list->items, room * sizeof *items);
        if (items != NULL) { list->items = items; }
        double *all = realloc(list->points, (room * point_count + 1) * sizeof *all);
        if (all != NULL) { list->points = all; }
        if (items == NULL || all == NULL) {
            return rep_fail(REP_ERR_MEMORY, "evaluation: no memory for %zu detections", room);
        }
        list->room = room;
    }
    for (size_t i = 0; i < count; i++) {
        const rep_fcos_found *f = &found[i];
        double *to = list->points + list->count * point_count;
        const double x1 = (double)f->x1 * picture->scale_x, x2 = (double)f->x2 * picture->scale_x;
        const double y1 = (double)f->y1 * picture->scale_y, y2 = (double)f->y2 * picture->scale_y;
        for (size_t k = 0; k < point_count; k++) {
            to[k] = (double)points[i * point_count + k] *
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
