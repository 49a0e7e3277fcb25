/* augment.c - random variation of a picture, and its normalisation.
 *
 * pixels[h][w][c] bytes -> out[h][w][c] floats: colour jitter, random crop out of the padded
 * picture, flip, (value - mean) / std, cutout. Jitter has torchvision's meaning (ColorJitter:
 * brightness, contrast, saturation and hue in random order, factors uniform in [1 - x, 1 + x], hue
 * shift uniform in [-x, x] turns); cutout is DeVries and Taylor, "Improved regularization of
 * convolutional neural networks with cutout", 2017. Every picture makes the same draws whatever is
 * switched on, so switching one variation on leaves the others as they were. With is_reversed the
 * channels come out in the order blue, green, red. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/data.h"

enum { MAX_CHANNELS = 4, MAX_PAD = 1024 };
enum { JITTER_BRIGHTNESS, JITTER_CONTRAST, JITTER_SATURATION, JITTER_HUE, JITTER_COUNT };

/* ---- checks -----------------------------------------------------------------------------------
 */

rep_status rep_augment_check(const char *name, float value, float least, float most) {
    /* Written so that NaN fails too. */
    if (!(value >= least && value <= most)) {
        return rep_fail(REP_ERR_ARGUMENT, "augmentation: %s is %g, wanted %g to %g", name,
                        (double)value, (double)least, (double)most);
    }
    return REP_OK;
}

rep_status rep_augmenter_init(rep_augmenter *out, const rep_augment *options,
                              const rep_dataset_info *info) {
    if (info->channels > MAX_CHANNELS) {
        return rep_fail(REP_ERR_ARGUMENT, "augmentation: %" PRId32 " channels, wanted at most %d",
                        info->channels, MAX_CHANNELS);
    }
    REP_TRY(rep_augment_check("the flip probability", options->flip_probability, 0, 1));
    REP_TRY(rep_augment_check("brightness", options->brightness, 0, 10));
    REP_TRY(rep_augment_check("contrast", options->contrast, 0, 10));
    REP_TRY(rep_augment_check("saturation", options->saturation, 0, 10));
    REP_TRY(rep_augment_check("hue", options->hue, 0, 0.5f));
    REP_TRY(rep_augment_check("padding", (float)options->pad, 0, MAX_PAD));
    REP_TRY(rep_augment_check("the cutout side", (float)options->cutout, 0, MAX_PAD));
    *out = (rep_augmenter){*options, info->height, info->width, info->channels, {{0}}};
    for (int32_t c = 0; c < info->channels; c++) {
        if (!(options->std[c] > 0 && isfinite(options->std[c]) && isfinite(options->mean[c]))) {
            return rep_fail(REP_ERR_ARGUMENT,
                            "normalisation: channel %" PRId32 " has mean %g and std %g, wanted "
                            "finite numbers and std above 0",
                            c, (double)options->mean[c], (double)options->std[c]);
        }
        for (int value = 0; value < 256; value++) {
            out->table[c][value] = ((float)value / 255 - options->mean[c]) / options->std[c];
        }
    }
    return REP_OK;
}

/* ---- jitter -----------------------------------------------------------------------------------
 */

static float clamp01(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

static float luma(const float *rgb) { return 0.2989f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2]; }

/* x <- clamp(factor * x + (1 - factor) * other) over `count` values. */
static void blend(float *x, size_t count, float factor, float other) {
    for (size_t i = 0; i < count; i++) { x[i] = clamp01(factor * x[i] + (1 - factor) * other); }
}

static void change_contrast(float *x, size_t pixel_count, size_t channels, float factor) {
    double sum = 0;
    for (size_t i = 0; i < pixel_count; i++) {
        sum += (double)(channels == 3 ? luma(x + 3 * i) : x[channels * i]);
    }
    blend(x, pixel_count * channels, factor, (float)(sum / (double)pixel_count));
}

/* Turns the hue by `shift` of a circle, keeping value and chroma (hexagonal HSV). */
static void turn_hue(float *rgb, float shift) {
    const float r = rgb[0], g = rgb[1], b = rgb[2];
    const float most = fmaxf(r, fmaxf(g, b)), chroma = most - fminf(r, fminf(g, b));
    if (chroma <= 0) { return; } /* grey has no hue */
    float hue;                   /* in sixths of a circle */
    if (most == r) {
        hue = (g - b) / chroma;
    } else if (most == g) {
        hue = 2 + (b - r) / chroma;
    } else {
        hue = 4 + (r - g) / chroma;
    }
    hue += 6 * shift;
    for (int c = 0; c < 3; c++) {
        /* Channel c is lowest two sixths away from its own hue, 2 * c, and beyond. */
        float away = hue - (float)(2 * c);
        away -= 6 * floorf(away / 6);
        if (away > 3) { away = 6 - away; }
        rgb[c] = most - chroma * clamp01(away - 1);
    }
}

typedef struct jitter {
    float factors[JITTER_COUNT]; /* hue: the shift */
    int order[JITTER_COUNT];
} jitter;

static float draw_factor(rep_rng *rng, float range) {
    const float least = range < 1 ? 1 - range : 0;
    return least + (1 + range - least) * rep_rng_uniform(rng);
}

static jitter draw_jitter(rep_rng *rng, const rep_augment *o) {
    jitter j = {.order = {0, 1, 2, 3}};
    j.factors[JITTER_BRIGHTNESS] = draw_factor(rng, o->brightness);
    j.factors[JITTER_CONTRAST] = draw_factor(rng, o->contrast);
    j.factors[JITTER_SATURATION] = draw_factor(rng, o->saturation);
    j.factors[JITTER_HUE] = o->hue * (2 * rep_rng_uniform(rng) - 1);
    for (uint32_t i = JITTER_COUNT - 1; i > 0; i--) {
        const uint32_t k = rep_rng_below(rng, i + 1);
        const int kept = j.order[i];
        j.order[i] = j.order[k];
        j.order[k] = kept;
    }
    return j;
}

/* x[pixel_count][channels] in [0, 1]; saturation and hue leave pictures without colour alone. */
static void apply_jitter(const rep_augment *o, const jitter *j, float *x, size_t pixel_count,
                         size_t channels) {
    for (int step = 0; step < JITTER_COUNT; step++) {
        const int kind = j->order[step];
        const float factor = j->factors[kind];
        if (kind == JITTER_BRIGHTNESS && o->brightness > 0) {
            blend(x, pixel_count * channels, factor, 0);
        } else if (kind == JITTER_CONTRAST && o->contrast > 0) {
            change_contrast(x, pixel_count, channels, factor);
        } else if (kind == JITTER_SATURATION && o->saturation > 0 && channels == 3) {
            for (size_t i = 0; i < pixel_count; i++) {
                blend(x + 3 * i, 3, factor, luma(x + 3 * i));
            }
        } else if (kind == JITTER_HUE && o->hue > 0 && channels == 3) {
            for (size_t i = 0; i < pixel_count; i++) { turn_hue(x + 3 * i, factor); }
        }
    }
}

/* ---- the whole picture ------------------------------------------------------------------------
 */

/* Where a picture's channel comes out. */
static size_t place_of(const rep_augmenter *a, size_t channel) {
    return a->options.is_reversed ? (size_t)a->channels - 1 - channel : channel;
}

static size_t pixel_count_of(const rep_augmenter *a) {
    return (size_t)a->height * (size_t)a->width;
}

static void normalise_plain(const rep_augmenter *a, const uint8_t *pixels, size_t count,
                            float *out) {
    const size_t channels = (size_t)a->channels;
    for (size_t i = 0; i < count; i++, out += channels, pixels += channels) {
        for (size_t c = 0; c < channels; c++) { out[place_of(a, c)] = a->table[c][pixels[c]]; }
    }
}

void rep_augment_plain(const rep_augmenter *a, const uint8_t *pixels, float *out) {
    normalise_plain(a, pixels, pixel_count_of(a), out);
}

/* Normalised values of a whole picture, after jitter if there is any. */
static void normalise(const rep_augmenter *a, const jitter *j, const uint8_t *pixels, size_t count,
                      float *x) {
    const rep_augment *o = &a->options;
    if (o->brightness <= 0 && o->contrast <= 0 && o->saturation <= 0 && o->hue <= 0) {
        normalise_plain(a, pixels, count, x);
        return;
    }
    const size_t channels = (size_t)a->channels;
    for (size_t i = 0; i < count * channels; i++) { x[i] = (float)pixels[i] / 255; }
    apply_jitter(o, j, x, count, channels);
    for (size_t i = 0; i < count; i++) {
        float value[MAX_CHANNELS];
        memcpy(value, x + i * channels, channels * sizeof *value);
        for (size_t c = 0; c < channels; c++) {
            x[i * channels + place_of(a, c)] = (value[c] - o->mean[c]) / o->std[c];
        }
    }
}

void rep_augment_colours(const rep_augmenter *a, rep_rng *rng, const uint8_t *pixels,
                         size_t pixel_count, float *out) {
    if (!rng) {
        normalise_plain(a, pixels, pixel_count, out);
        return;
    }
    const jitter j = draw_jitter(rng, &a->options);
    normalise(a, &j, pixels, pixel_count, out);
}

/* out(y, x) = in(y + top, x + left), mirrored in x if flipped; 0 outside. */
static void crop(const rep_augmenter *a, const float *in, float *out, int32_t top, int32_t left,
                 bool is_flipped) {
    const size_t channels = (size_t)a->channels;
    for (int32_t y = 0; y < a->height; y++) {
        const int32_t row = y + top;
        for (int32_t x = 0; x < a->width; x++, out += channels) {
            const int32_t column = (is_flipped ? a->width - 1 - x : x) + left;
            if (row < 0 || row >= a->height || column < 0 || column >= a->width) {
                memset(out, 0, channels * sizeof *out);
                continue;
            }
            const float *from = in + ((size_t)row * (size_t)a->width + (size_t)column) * channels;
            for (size_t c = 0; c < channels; c++) { out[c] = from[c]; }
        }
    }
}

/* Zeroes a square round a middle anywhere in the picture, as far as it lies inside. */
static void cut_out(const rep_augmenter *a, float *out, int32_t middle_y, int32_t middle_x) {
    const int32_t side = a->options.cutout;
    const size_t channels = (size_t)a->channels;
    for (int32_t y = middle_y - side / 2; y < middle_y - side / 2 + side; y++) {
        for (int32_t x = middle_x - side / 2; x < middle_x - side / 2 + side; x++) {
            if (y < 0 || y >= a->height || x < 0 || x >= a->width) { continue; }
            memset(out + ((size_t)y * (size_t)a->width + (size_t)x) * channels, 0,
                   channels * sizeof *out);
        }
    }
}

void rep_augment_random(const rep_augmenter *a, rep_rng *rng, const uint8_t *pixels, float *scratch,
                        float *out) {
    const rep_augment *o = &a->options;
    const uint32_t places = (uint32_t)(2 * o->pad + 1);
    const int32_t top = (int32_t)rep_rng_below(rng, places) - o->pad;
    const int32_t left = (int32_t)rep_rng_below(rng, places) - o->pad;
    const bool is_flipped = rep_rng_uniform(rng) < o->flip_probability;
    const int32_t middle_y = (int32_t)rep_rng_below(rng, (uint32_t)a->height);
    const int32_t middle_x = (int32_t)rep_rng_below(rng, (uint32_t)a->width);
    rep_augment_colours(a, rng, pixels, pixel_count_of(a), scratch);
    crop(a, scratch, out, top, left, is_flipped);
    if (o->cutout > 0) { cut_out(a, out, middle_y, middle_x); }
}
