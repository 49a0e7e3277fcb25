/* resize.c - bilinear resizing with antialiasing, one axis at a time.
 *
 * An output sample at position p of the source is the mean of its neighbours weighted by a triangle
 * of half width max(1, source / target): on the way up that is ordinary bilinear interpolation, on
 * the way down every source pixel counts (Turkowski, "Filters for common resampling tasks", 1990).
 * in[h][w][c] -> rows[h][w'][c] (float) -> out[h'][w'][c]. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "data/data.h"

/* Which source samples an output sample takes, and how much of each. */
typedef struct resize_taps {
    int32_t *first; /* [target] */
    int32_t *count; /* [target] */
    float *weights; /* [target][most] */
    int32_t most;
} resize_taps;

static void clear_taps(resize_taps *taps) {
    free(taps->first);
    free(taps->count);
    free(taps->weights);
}

static rep_status make_taps(resize_taps *taps, int32_t source, int32_t target) {
    const double step = (double)source / target;
    const double reach = step > 1 ? step : 1;
    *taps = (resize_taps){.most = (int32_t)(2 * ceil(reach)) + 1};
    taps->first = malloc((size_t)target * sizeof *taps->first);
    taps->count = malloc((size_t)target * sizeof *taps->count);
    taps->weights = malloc((size_t)target * (size_t)taps->most * sizeof *taps->weights);
    if (!taps->first || !taps->count || !taps->weights) {
        return rep_fail(REP_ERR_MEMORY, "resizing to %" PRId32 " pixels: no memory", target);
    }
    for (int32_t i = 0; i < target; i++) {
        const double centre = (i + 0.5) * step; /* pixel j covers j .. j + 1 */
        int32_t first = (int32_t)ceil(centre - reach - 0.5);
        int32_t last = (int32_t)floor(centre + reach - 0.5);
        if (first < 0) { first = 0; }
        if (last > source - 1) { last = source - 1; }
        float *weights = taps->weights + (size_t)i * (size_t)taps->most;
        double sum = 0;
        for (int32_t j = first; j <= last; j++) { sum += 1 - fabs(j + 0.5 - centre) / reach; }
        for (int32_t j = first; j <= last; j++) {
            weights[j - first] = (float)((1 - fabs(j + 0.5 - centre) / reach) / sum);
        }
        taps->first[i] = first;
        taps->count[i] = last - first + 1;
    }
    return REP_OK;
}

/* The rows of `part`, each resized to `width`. */
static void resize_rows(float *rows, const rep_image *in, rep_rect part, const resize_taps *taps,
                        int32_t width) {
    const size_t channels = (size_t)in->channels;
    for (int32_t y = 0; y < part.height; y++) {
        const size_t start = (size_t)(part.top + y) * (size_t)in->width + (size_t)part.left;
        const uint8_t *source = in->pixels + start * channels;
        for (int32_t x = 0; x < width; x++) {
            const float *weights = taps->weights + (size_t)x * (size_t)taps->most;
            const uint8_t *first = source + (size_t)taps->first[x] * channels;
            for (size_t c = 0; c < channels; c++) {
                float sum = 0;
                for (int32_t j = 0; j < taps->count[x]; j++) {
                    sum += weights[j] * (float)first[(size_t)j * channels + c];
                }
                *rows++ = sum;
            }
        }
    }
}

static void resize_columns(rep_image *out, const float *rows, const resize_taps *taps) {
    const size_t stride = (size_t)out->width * (size_t)out->channels;
    for (int32_t y = 0; y < out->height; y++) {
        const float *weights = taps->weights + (size_t)y * (size_t)taps->most;
        const float *first = rows + (size_t)taps->first[y] * stride;
        for (size_t i = 0; i < stride; i++) {
            float sum = 0.5f;
            for (int32_t j = 0; j < taps->count[y]; j++) {
                sum += weights[j] * first[(size_t)j * stride + i];
            }
            out->pixels[(size_t)y * stride + i] = sum >= 255 ? 255 : (uint8_t)sum;
        }
    }
}

rep_status rep_image_resize_part(rep_image *out, const rep_image *in, rep_rect part, int32_t width,
                                 int32_t height) {
    if (width < 1 || height < 1) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "resizing to %" PRId32 " x %" PRId32 " pixels, wanted at least 1 x 1",
                        width, height);
    }
    rep_image image = {0};
    REP_TRY(rep_image_init(&image, "resizing", (uint32_t)width, (uint32_t)height, in->channels));
    resize_taps across = {0}, down = {0};
    float *rows = malloc((size_t)part.height * (size_t)width * (size_t)in->channels * sizeof *rows);
    rep_status status = rows ? make_taps(&across, part.width, width)
                             : rep_fail(REP_ERR_MEMORY, "resizing: no memory");
    if (status == REP_OK) { status = make_taps(&down, part.height, height); }
    if (status == REP_OK) {
        resize_rows(rows, in, part, &across, width);
        resize_columns(&image, rows, &down);
        *out = image;
    } else {
        rep_image_clear(&image);
    }
    clear_taps(&across);
    clear_taps(&down);
    free(rows);
    return status;
}

rep_status rep_image_resize(rep_image *out, const rep_image *in, int32_t width, int32_t height) {
    return rep_image_resize_part(out, in, (rep_rect){0, 0, in->width, in->height}, width, height);
}
