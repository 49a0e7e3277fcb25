/* paint.c - rectangles, lines, discs and text on 8-bit pictures. */
#include "data/paint.h"

#include <math.h>

#include "data/drawn.h"

/* ---- ink --------------------------------------------------------------------------------------
 */

static double luma(rep_ink ink) { return 0.299 * ink.r + 0.587 * ink.g + 0.114 * ink.b; }

rep_ink rep_ink_on(rep_ink ground) {
    const uint8_t tone = luma(ground) > 127 ? 0 : 255;
    return (rep_ink){tone, tone, tone, 1};
}

static void lay(rep_image *image, int32_t x, int32_t y, rep_ink ink, double cover) {
    const double share = cover * (double)ink.alpha;
    if (!(share > 0)) { return; } /* also what is no number */
    const double grey = luma(ink), colours[3] = {ink.r, ink.g, ink.b};
    uint8_t *pixel =
        image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels;
    for (int32_t c = 0; c < image->channels; c++) {
        const double wanted = image->channels == 3 ? colours[c] : grey;
        pixel[c] = (uint8_t)(pixel[c] + (wanted - pixel[c]) * fmin(share, 1) + 0.5);
    }
}

/* ---- shapes -----------------------------------------------------------------------------------
 */

/* The part of pixel i, which reaches from i to i + 1, that lies between `from` and `to`. */
static double overlap(int32_t i, double from, double to) {
    return fmax(0, fmin(to, i + 1) - fmax(from, i));
}

void rep_paint_rect(rep_image *image, double x, double y, double w, double h, rep_ink ink) {
    const int32_t left = rep_pixel_bound(x, image->width),
                  right = rep_pixel_bound(ceil(x + w), image->width);
    const int32_t top = rep_pixel_bound(y, image->height),
                  bottom = rep_pixel_bound(ceil(y + h), image->height);
    for (int32_t row = top; row < bottom; row++) {
        for (int32_t column = left; column < right; column++) {
            lay(image, column, row, ink, overlap(column, x, x + w) * overlap(row, y, y + h));
        }
    }
}

void rep_paint_frame(rep_image *image, double x, double y, double w, double h, double width,
                     rep_ink ink) {
    const double across = fmin(width, w / 2), down = fmin(width, h / 2);
    rep_paint_rect(image, x, y, w, down, ink);
    rep_paint_rect(image, x, y + h - down, w, down, ink);
    rep_paint_rect(image, x, y + down, across, h - 2 * down, ink);
    rep_paint_rect(image, x + w - across, y + down, across, h - 2 * down, ink);
}

void rep_paint_line(rep_image *image, double x0, double y0, double x1, double y1, double width,
                    rep_ink ink) {
    const double away = width / 2 + 1;
    const int32_t left = rep_pixel_bound(fmin(x0, x1) - away, image->width);
    const int32_t right = rep_pixel_bound(ceil(fmax(x0, x1) + away), image->width);
    const int32_t top = rep_pixel_bound(fmin(y0, y1) - away, image->height);
    const int32_t bottom = rep_pixel_bound(ceil(fmax(y0, y1) + away), image->height);
    const rep_point from = {(float)x0, (float)y0}, to = {(float)x1, (float)y1};
    for (int32_t row = top; row < bottom; row++) {
        for (int32_t column = left; column < right; column++) {
            const rep_point p = {(float)column + 0.5f, (float)row + 0.5f};
            const double distance = sqrt((double)rep_segment_distance2(p, from, to));
            const double cover = 0.5 + width / 2 - distance;
            lay(image, column, row, ink, cover > 1 ? 1 : cover);
        }
    }
}

void rep_paint_disc(rep_image *image, double x, double y, double radius, rep_ink ink) {
    rep_paint_line(image, x, y, x, y, 2 * radius, ink);
}

/* ---- text -------------------------------------------------------------------------------------
 */

/* The next letter's code, and how many bytes it has; a byte that begins no letter counts as one. */
static size_t next_letter(uint32_t *code, const char *text) {
    const size_t bytes = rep_utf8_next(code, text);
    if (bytes == 0 && *text) {
        *code = 0;
        return 1;
    }
    return bytes;
}

static void paint_letter(rep_image *image, int32_t x, int32_t y, uint32_t code, int32_t scale,
                         rep_ink ink) {
    for (int32_t row = 0; row < REP_FONT_ROWS; row++) {
        for (int32_t column = 0; column < REP_FONT_COLUMNS; column++) {
            if (!rep_font_has_ink(code, column, row)) { continue; }
            rep_paint_rect(image, x + column * scale, y + row * scale, scale, scale, ink);
        }
    }
}

void rep_paint_text(rep_image *image, int32_t x, int32_t y, const char *text, int32_t scale,
                    rep_ink ink) {
    uint32_t code;
    for (size_t bytes; (bytes = next_letter(&code, text)) > 0; text += bytes) {
        if (x >= image->width) { return; }
        paint_letter(image, x, y, code, scale, ink);
        x += REP_FONT_ADVANCE * scale;
    }
}

int32_t rep_paint_text_width(const char *text, int32_t scale) {
    uint32_t code;
    int32_t letters = 0;
    for (size_t bytes; (bytes = next_letter(&code, text)) > 0; text += bytes) { letters++; }
    return letters ? (letters * REP_FONT_ADVANCE - 1) * scale : 0;
}
