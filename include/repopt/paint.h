/* paint.h - lines, text, boxes and keypoints painted on pictures, and pictures on one sheet.
 *
 * Places are in pixels, (0, 0) the upper left corner of the first one. What reaches beyond the
 * picture is cut off. Everything but text is antialiased.
 *
 *     REP_TRY(rep_image_load(&image, "photo.jpg", 3));
 *     const rep_paint_options options = {.min_score = 0.3};
 *     rep_paint_detections(&image, truth->categories, detections, count, &options);
 *     REP_TRY(rep_image_encode_png(&bytes, &byte_count, &image));
 */
#ifndef REPOPT_PAINT_H
#define REPOPT_PAINT_H

#include "repopt/data.h"
#include "repopt/detection.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- strokes and text -------------------------------------------------------------------------
 */

typedef struct rep_ink {
    uint8_t r, g, b; /* on a picture of one channel their luma counts */
    float alpha;     /* 0: nothing, 1: covers */
} rep_ink;

/* A filled rectangle. */
void rep_paint_rect(rep_image *image, double x, double y, double w, double h, rep_ink ink);
/* A rectangle's border, `width` pixels inside of it. */
void rep_paint_frame(rep_image *image, double x, double y, double w, double h, double width,
                     rep_ink ink);
/* A line with round ends. */
void rep_paint_line(rep_image *image, double x0, double y0, double x1, double y1, double width,
                    rep_ink ink);
void rep_paint_disc(rep_image *image, double x, double y, double radius, rep_ink ink);
/* One line of UTF-8 whose upper left corner is (x, y). Letters are 5 x 9 pixels, 6 apart, times
 * `scale`, 1 or more; the last two rows are below the line. What is not ASCII becomes a box. */
enum { REP_PAINT_TEXT_PX = 9 };
void rep_paint_text(rep_image *image, int32_t x, int32_t y, const char *text, int32_t scale,
                    rep_ink ink);
/* Pixels from the first column of `text` to its last. */
int32_t rep_paint_text_width(const char *text, int32_t scale);

/* ---- detections -------------------------------------------------------------------------------
 */

/* A colour per class; the first seven are told apart by people who cannot tell red from green
 * (Okabe and Ito, "Color universal design", 2008); then they come again lighter, and darker. */
rep_ink rep_paint_class_ink(int32_t category);

typedef struct rep_paint_options {
    double zoom;      /* the picture is that many times as large as the boxes say; 0: 1 */
    double min_score; /* detections below are left out */
} rep_paint_options;

/* Boxes, labels such as "fish 0.93", keypoints and the limbs between them. Labels lie inside the
 * picture, and apart where there is room. A detection's `picture` is not looked at; its category
 * must be one of `categories`. `options` may be NULL. */
void rep_paint_detections(rep_image *image, const rep_category *categories,
                          const rep_detection *detections, size_t count,
                          const rep_paint_options *options);
/* The same for annotated objects: a hidden keypoint is a ring, an absent one is not painted; crowds
 * are called so. */
void rep_paint_objects(rep_image *image, const rep_category *categories, const rep_object *objects,
                       size_t count, const rep_paint_options *options);

/* ---- sheets -----------------------------------------------------------------------------------
 */

typedef struct rep_sheet_options {
    int32_t columns; /* 0: as many as make the sheet about square */
    int32_t cell_px; /* pictures are made to fit a square of it; 0: the longest side among them */
} rep_sheet_options;

/* `count` pictures of 1 or 3 channels in rows, each above its caption; captions, and each of them,
 * may be NULL, and are cut where they are too wide. `options` may be NULL. The sheet has 3
 * channels: rep_image_clear. Errors: REP_ERR_ARGUMENT without pictures, REP_ERR_DATA when the sheet
 * is larger than any picture may be, REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_paint_sheet(rep_image *out, const rep_image *pictures,
                                         const char *const *captions, size_t count,
                                         const rep_sheet_options *options);

#ifdef __cplusplus
}
#endif
#endif
