/* paint_sheet.c - pictures in rows on one sheet, each above its caption. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/paint.h"

enum { GAP_PX = 8, CAPTION_PAD_PX = 3, CAPTION_BYTES = 256, PAPER = 250, LETTERS = 40 };

typedef struct sheet {
    rep_image image;
    int32_t columns, rows, cell_px, caption_px;
} sheet;

static int32_t longest_side(const rep_image *pictures, size_t count) {
    int32_t longest = 1;
    for (size_t i = 0; i < count; i++) {
        if (pictures[i].width > longest) { longest = pictures[i].width; }
        if (pictures[i].height > longest) { longest = pictures[i].height; }
    }
    return longest;
}

static rep_status plan(sheet *s, const rep_image *pictures, const char *const *captions,
                       size_t count, const rep_sheet_options *options) {
    const uint32_t limit = REP_IMAGE_MEGAPIXELS * 1000000;
    if (count < 1 || count > limit) {
        return rep_fail(REP_ERR_ARGUMENT, "sheet: %zu pictures, wanted 1 to %u", count,
                        (unsigned)limit);
    }
    s->cell_px = options && options->cell_px > 0 ? options->cell_px : longest_side(pictures, count);
    s->caption_px = captions ? REP_PAINT_TEXT_PX + CAPTION_PAD_PX : 0;
    int64_t columns = options ? options->columns : 0;
    if (columns < 1) { columns = (int64_t)ceil(sqrt((double)count)); }
    if (columns > (int64_t)count) { columns = (int64_t)count; }
    s->columns = (int32_t)columns;
    s->rows = (int32_t)(((int64_t)count + columns - 1) / columns);
    const int64_t width = GAP_PX + columns * ((int64_t)s->cell_px + GAP_PX);
    const int64_t height = GAP_PX + s->rows * ((int64_t)s->cell_px + s->caption_px + GAP_PX);
    REP_TRY(rep_image_init(&s->image, "sheet", (uint32_t)(width < limit ? width : limit),
                           (uint32_t)(height < limit ? height : limit), 3));
    memset(s->image.pixels, PAPER, 3 * (size_t)width * (size_t)height);
    return REP_OK;
}

static void copy_into(rep_image *out, const rep_image *in, int32_t left, int32_t top) {
    for (int32_t y = 0; y < in->height; y++) {
        for (int32_t x = 0; x < in->width; x++) {
            const uint8_t *from = in->pixels + (y * in->width + x) * in->channels;
            uint8_t *to =
                out->pixels + 3 * ((size_t)(top + y) * (size_t)out->width + (size_t)(left + x));
            for (int32_t c = 0; c < 3; c++) { to[c] = from[in->channels == 3 ? c : 0]; }
        }
    }
}

/* In the middle of its square, as large as fits. */
static rep_status lay_picture(sheet *s, const rep_image *picture, int32_t left, int32_t top) {
    const double longest = picture->width > picture->height ? picture->width : picture->height;
    const double share = s->cell_px / longest;
    const int32_t width = (int32_t)fmax(1, floor(picture->width * share + 0.5));
    const int32_t height = (int32_t)fmax(1, floor(picture->height * share + 0.5));
    rep_image fitted = {0};
    REP_TRY(rep_image_resize(&fitted, picture, width, height));
    copy_into(&s->image, &fitted, left + (s->cell_px - width) / 2, top + (s->cell_px - height) / 2);
    rep_image_clear(&fitted);
    return REP_OK;
}

/* Letters are taken from the end until the rest fits with two dots behind it. */
static void lay_caption(sheet *s, const char *caption, int32_t left, int32_t top) {
    char text[CAPTION_BYTES];
    (void)snprintf(text, sizeof text - 2, "%s", caption);
    size_t length = strlen(text);
    while (length > 0 && rep_paint_text_width(text, 1) > s->cell_px) {
        length--;
        memcpy(text + length, "..", 3);
    }
    const int32_t slack = s->cell_px - rep_paint_text_width(text, 1);
    const rep_ink ink = {LETTERS, LETTERS, LETTERS, 1};
    rep_paint_text(&s->image, left + (slack > 0 ? slack / 2 : 0), top + s->cell_px + CAPTION_PAD_PX,
                   text, 1, ink);
}

rep_status rep_paint_sheet(rep_image *out, const rep_image *pictures, const char *const *captions,
                           size_t count, const rep_sheet_options *options) {
    sheet s = {0};
    REP_TRY(plan(&s, pictures, captions, count, options));
    for (size_t i = 0; i < count; i++) {
        const int32_t column = (int32_t)(i % (size_t)s.columns);
        const int32_t row = (int32_t)(i / (size_t)s.columns);
        const int32_t left = GAP_PX + column * (s.cell_px + GAP_PX);
        const int32_t top = GAP_PX + row * (s.cell_px + s.caption_px + GAP_PX);
        const rep_status status = lay_picture(&s, &pictures[i], left, top);
        if (status != REP_OK) {
            rep_image_clear(&s.image);
            return status;
        }
        if (captions && captions[i]) { lay_caption(&s, captions[i], left, top); }
    }
    *out = s.image;
    return REP_OK;
}
