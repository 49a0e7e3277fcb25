/* data_sheet.c - training pictures on a contact sheet, as the net is given them. */
#include "cli/data_sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/paint.h"

enum { CELL_PX = 320, MOST_CELL_PX = 640, CAPTION_BYTES = 96 };

typedef struct sheet {
    const rep_data_view *view;
    rep_image *pictures;
    char (*captions)[CAPTION_BYTES];
    const char **caption_texts;
    size_t count, room;
} sheet;

static rep_status fail_memory(void) {
    return rep_fail(REP_ERR_MEMORY, "--sheet: no memory for its pictures");
}

/* ---- one picture ------------------------------------------------------------------------------
 */

static uint8_t byte_of(float value, float mean, float std) {
    const float byte = roundf(255 * (value * std + mean));
    return (uint8_t)(byte < 0 ? 0 : byte > 255 ? 255 : byte);
}

/* Row `row` of the batch, padding included: normalised values back to bytes. */
static rep_status unpack(rep_image *out, const sheet *s, const rep_detection_batch *batch,
                         size_t row) {
    const rep_augment *colour = &s->view->options->augment.colour;
    const size_t pixels = (size_t)batch->height * (size_t)batch->width;
    const float *from = batch->images + 3 * pixels * row;
    rep_image image = {.width = batch->width, .height = batch->height, .channels = 3};
    image.pixels = malloc(3 * pixels);
    if (!image.pixels) { return fail_memory(); }
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < 3; c++) {
            const float value = from[3 * i + (colour->is_reversed ? 2 - c : c)];
            image.pixels[3 * i + c] = byte_of(value, colour->mean[c], colour->std[c]);
        }
    }
    *out = image;
    return REP_OK;
}

/* Object `index` of the batch, as the painter takes it. */
static rep_object object_of(double *points, const rep_detection_batch *batch, size_t index,
                            size_t point_values) {
    const float *box = batch->boxes + 4 * index;
    for (size_t k = 0; batch->keypoints && k < point_values; k++) {
        points[k] = (double)batch->keypoints[point_values * index + k];
    }
    return (rep_object){.category = batch->labels[index] - 1,
                        .x = (double)box[0],
                        .y = (double)box[1],
                        .w = (double)box[2] - (double)box[0] + 1,
                        .h = (double)box[3] - (double)box[1] + 1,
                        .keypoints = batch->keypoints ? points : NULL};
}

static rep_status mark(rep_image *image, const sheet *s, const rep_detection_batch *batch,
                       const rep_detection_picture *picture) {
    const rep_annotations *set = rep_detection_set_annotations(s->view->train);
    const size_t values = 3 * (size_t)rep_detection_set_keypoint_count(s->view->train);
    rep_paint_options how = {0};
    REP_TRY(cli_picture_enlarge(image, CELL_PX, &how.zoom));
    rep_object *objects = calloc(picture->count + 1, sizeof *objects);
    double *points = calloc(picture->count * values + 1, sizeof *points);
    const bool has_memory = objects && points;
    for (size_t i = 0; has_memory && i < picture->count; i++) {
        objects[i] = object_of(points + values * i, batch, picture->first + i, values);
    }
    if (has_memory) { rep_paint_objects(image, set->categories, objects, picture->count, &how); }
    free(objects);
    free(points);
    return has_memory ? REP_OK : fail_memory();
}

static rep_status add_picture(sheet *s, const rep_detection_batch *batch, size_t row) {
    const rep_detection_picture *picture = &batch->pictures[row];
    const rep_annotations *set = rep_detection_set_annotations(s->view->train);
    REP_TRY(unpack(&s->pictures[s->count], s, batch, row));
    (void)snprintf(s->captions[s->count], CAPTION_BYTES, "%.60s, %d x %d",
                   set->pictures[picture->index].file_name, (int)batch->width, (int)batch->height);
    s->caption_texts[s->count] = s->captions[s->count];
    return mark(&s->pictures[s->count++], s, batch, picture);
}

/* ---- the sheet --------------------------------------------------------------------------------
 */

static rep_status fill(sheet *s) {
    const size_t batches = rep_detection_loader_epoch_batches(s->view->loader);
    for (size_t b = 0; b < batches && s->count < s->room; b++) {
        const rep_detection_batch *batch = NULL;
        REP_TRY(rep_detection_loader_next(s->view->loader, &batch));
        for (int32_t i = 0; i < batch->valid && s->count < s->room; i++) {
            REP_TRY(add_picture(s, batch, (size_t)i));
        }
    }
    return REP_OK;
}

static rep_status save(const char *path, const sheet *s) {
    rep_sheet_options how = {0};
    for (size_t i = 0; i < s->count; i++) {
        const rep_image *p = &s->pictures[i];
        if (p->width > MOST_CELL_PX || p->height > MOST_CELL_PX) { how.cell_px = MOST_CELL_PX; }
    }
    rep_image image = {0};
    REP_TRY(rep_paint_sheet(&image, s->pictures, s->caption_texts, s->count, &how));
    const rep_status status = rep_image_save_png(path, &image);
    rep_image_clear(&image);
    return status;
}

rep_status data_sheet_write(const char *path, size_t *shown, const rep_data_view *view,
                            size_t count) {
    sheet s = {.view = view, .room = count};
    s.pictures = calloc(count, sizeof *s.pictures);
    s.captions = calloc(count, sizeof *s.captions);
    s.caption_texts = calloc(count, sizeof *s.caption_texts);
    rep_status status = s.pictures && s.captions && s.caption_texts ? REP_OK : fail_memory();
    if (status == REP_OK) { status = fill(&s); }
    if (status == REP_OK) { status = save(path, &s); }
    if (status == REP_OK) { *shown = s.count; }
    for (size_t i = 0; s.pictures && i < count; i++) { rep_image_clear(&s.pictures[i]); }
    free(s.pictures);
    free(s.captions);
    free((void *)s.caption_texts);
    return status;
}
