/* drawn.c - the built-in data set: ten kinds of shape, drawn on demand, 32 x 32 x 3.
 *
 * A picture depends on (seed, split, index) alone. What makes the task hard enough to tell nets
 * apart: the shape has any place, size, turn, stretch and colour, often little contrast; smaller
 * shapes and strokes lie about it and strokes may cross it; some are mere outlines; light and noise
 * vary. Drawing takes a fraction of a millisecond; each picture is kept once drawn. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/drawn.h"

enum { PICTURE_BYTES = 3 * REP_DRAWN_PIXELS, TRAIN_COUNT = 10000, TEST_COUNT = 2000 };
/* Pictures kept once drawn: 768 MiB at most; beyond that they are drawn anew each time. */
enum { MAX_KEPT = 262144, MAX_COUNT = 1 << 30 };

typedef struct drawn {
    uint64_t seed;
    size_t kept_count;
    uint8_t *kept;        /* [kept_count][PICTURE_BYTES] */
    atomic_uchar *states; /* of each kept picture */
} drawn;
enum { STATE_EMPTY, STATE_BUSY, STATE_READY };

/* ---- scene ------------------------------------------------------------------------------------
 */

static float between(rep_rng *rng, float least, float most) {
    return least + (most - least) * rep_rng_uniform(rng);
}

static bool happens(rep_rng *rng, float probability) { return rep_rng_uniform(rng) < probability; }

static float lightness(rep_colour c) { return 0.3f * c.r + 0.59f * c.g + 0.11f * c.b; }

static rep_colour any_colour(rep_rng *rng) {
    const float hue = rep_rng_uniform(rng), saturation = between(rng, 0.25f, 0.9f);
    return rep_colour_hsv(hue, saturation, between(rng, 0.2f, 1));
}

/* A colour that differs from `ground` in lightness by some amount between faint and strong. */
static rep_colour colour_against(rep_rng *rng, rep_colour ground) {
    const float wanted = between(rng, 0.14f, 0.6f);
    rep_colour best = ground;
    float best_miss = 9;
    for (int i = 0; i < 6; i++) {
        const rep_colour c = any_colour(rng);
        const float difference = lightness(c) - lightness(ground);
        const float found = difference < 0 ? -difference : difference;
        const float miss = found < wanted ? 3 * (wanted - found) : found - wanted;
        if (miss < best_miss) {
            best_miss = miss;
            best = c;
        }
    }
    return best;
}

/* A gradient with stripes, a checker pattern or large soft spots on it. */
static rep_colour draw_ground(rep_canvas *canvas, rep_rng *rng) {
    const rep_colour first = any_colour(rng);
    const rep_colour second = rep_colour_mix(first, any_colour(rng), between(rng, 0.1f, 0.6f));
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(rng));
    rep_field all;
    for (int i = 0; i < REP_DRAWN_PIXELS; i++) { all.distance[i] = -1; }
    rep_canvas_fill(canvas, &all, first, second, 0.5f * gx, 0.5f * gy, 1);
    const uint32_t kind = rep_rng_below(rng, 4);
    const float period = between(rng, 3, 9), strength = between(rng, 0.03f, 0.16f);
    float cx, cy;
    rep_turn(&cx, &cy, rep_rng_uniform(rng));
    const float phase = between(rng, 0, period);
    for (int i = 0; i < REP_DRAWN_PIXELS && kind > 0; i++) {
        const float x = (float)(i % REP_DRAWN_SIDE), y = (float)(i / REP_DRAWN_SIDE);
        const int across = (int)((cx * x + cy * y + phase) / period + 64) & 1;
        const int down = (int)((cx * y - cy * x + phase) / period + 64) & 1;
        const int is_lit = kind == 1 ? across : kind == 2 ? across ^ down : across & down;
        const rep_colour tone = is_lit ? (rep_colour){1, 1, 1} : (rep_colour){0, 0, 0};
        canvas->pixels[i] = rep_colour_mix(canvas->pixels[i], tone, strength);
    }
    return rep_colour_mix(first, second, 0.5f);
}

static void draw_stroke(rep_canvas *canvas, rep_rng *rng, rep_colour colour, float alpha) {
    const float side = REP_DRAWN_SIDE;
    const float x = between(rng, 0, side), y = between(rng, 0, side);
    const float length = between(rng, 6, 26), width = between(rng, 0.8f, 2.4f);
    float c, s;
    rep_turn(&c, &s, rep_rng_uniform(rng));
    rep_field field;
    rep_field_stroke(&field, x - c * length / 2, y - s * length / 2, x + c * length / 2,
                     y + s * length / 2, width);
    rep_canvas_fill(canvas, &field, colour, colour, 0, 0, alpha);
}

/* Strokes and small shapes of any kind; the picture's own shape is always the largest. */
static void draw_clutter(rep_canvas *canvas, rep_rng *rng, rep_colour ground) {
    const uint32_t count = 2 + rep_rng_below(rng, 5);
    for (uint32_t i = 0; i < count; i++) {
        const rep_colour colour = rep_colour_mix(ground, any_colour(rng), between(rng, 0.3f, 0.9f));
        const float alpha = between(rng, 0.5f, 1);
        if (happens(rng, 0.4f)) {
            draw_stroke(canvas, rng, colour, alpha);
            continue;
        }
        const float x = between(rng, 1, 31), y = between(rng, 1, 31);
        const float radius = between(rng, 2, 4.6f), turn = rep_rng_uniform(rng);
        const rep_pose pose = rep_pose_make(x, y, radius, turn, between(rng, 0.7f, 1.4f));
        rep_field field;
        rep_field_shape(&field, (int)rep_rng_below(rng, REP_SHAPE_COUNT), &pose);
        rep_canvas_fill(canvas, &field, colour, colour, 0, 0, alpha);
    }
}

static void draw_subject(rep_canvas *canvas, rep_rng *rng, rep_colour ground, int shape) {
    const float radius = between(rng, 6.5f, 12);
    const float slack = 0.6f * (15 - radius) + 1.5f;
    const float x = 16 + between(rng, -slack, slack), y = 16 + between(rng, -slack, slack);
    const float turn = rep_rng_uniform(rng);
    const rep_pose pose = rep_pose_make(x, y, radius, turn, between(rng, 0.68f, 1.47f));
    rep_field field;
    rep_field_shape(&field, shape, &pose);
    const rep_colour first = colour_against(rng, ground);
    const rep_colour second = rep_colour_mix(first, any_colour(rng), between(rng, 0, 0.45f));
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(rng));
    if (happens(rng, 0.5f)) {
        const int dx = (int)rep_rng_below(rng, 5) - 2, dy = (int)rep_rng_below(rng, 3);
        rep_canvas_shadow(canvas, &field, dx, dy, between(rng, 2, 4), between(rng, 0.15f, 0.5f));
    }
    const rep_colour edge = rep_colour_mix(
        first, lightness(first) < 0.5f ? (rep_colour){1, 1, 1} : (rep_colour){0, 0, 0},
        between(rng, 0.2f, 0.7f));
    if (happens(rng, 0.28f)) {
        rep_canvas_outline(canvas, &field, first, between(rng, 1.2f, 2.4f), 1);
        return;
    }
    rep_canvas_fill(canvas, &field, first, second, 0.6f * gx, 0.6f * gy, between(rng, 0.75f, 1));
    if (happens(rng, 0.4f)) {
        rep_canvas_outline(canvas, &field, edge, between(rng, 0.6f, 1.4f), 0.8f);
    }
}

/* Light over the whole picture, sensor noise, and rounding to bytes. */
static void develop(uint8_t *pixels, const rep_canvas *canvas, rep_rng *rng) {
    const float contrast = between(rng, 0.55f, 1.1f), middle = between(rng, 0.4f, 0.6f);
    const float noise = happens(rng, 0.75f) ? between(rng, 0.01f, 0.11f) : 0;
    const float *values = &canvas->pixels[0].r;
    for (int i = 0; i < PICTURE_BYTES; i++) {
        /* The sum of four bytes is nearly normal: mean 510, standard deviation 147.8. */
        const uint32_t word = rep_rng_next(rng);
        const int sum = (int)(word & 255) + (int)(word >> 8 & 255) + (int)(word >> 16 & 255) +
                        (int)(word >> 24);
        const float deviate = (float)(sum - 510) / 147.8f;
        const float value = 255 * (middle + contrast * (values[i] - 0.5f) + noise * deviate) + 0.5f;
        pixels[i] = value < 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
    }
}

static void draw(uint8_t *pixels, uint64_t seed, uint64_t index, int shape) {
    rep_rng rng;
    rep_rng_init(&rng, seed, index);
    rep_canvas canvas;
    memset(&canvas, 0, sizeof canvas);
    const rep_colour ground = draw_ground(&canvas, &rng);
    draw_clutter(&canvas, &rng, ground);
    draw_subject(&canvas, &rng, ground, shape);
    const uint32_t stroke_count = rep_rng_below(&rng, 3);
    for (uint32_t i = 0; i < stroke_count; i++) {
        const rep_colour colour = rep_colour_mix(ground, any_colour(&rng), 0.5f);
        draw_stroke(&canvas, &rng, colour, between(&rng, 0.7f, 1));
    }
    develop(pixels, &canvas, &rng);
}

/* ---- the data set -----------------------------------------------------------------------------
 */

static rep_status read_picture(const rep_dataset *set, size_t index, uint8_t *pixels,
                               int32_t *label) {
    drawn *d = set->state;
    /* Classes take turns, so every prefix of the set is balanced. */
    const int shape = (int)(index % REP_SHAPE_COUNT);
    *label = shape;
    uint8_t *kept = index < d->kept_count ? d->kept + index * PICTURE_BYTES : NULL;
    atomic_uchar *state = kept ? &d->states[index] : NULL;
    if (kept && atomic_load_explicit(state, memory_order_acquire) == STATE_READY) {
        memcpy(pixels, kept, PICTURE_BYTES);
        return REP_OK;
    }
    draw(pixels, d->seed, index, shape);
    /* Whoever comes first keeps it; others that drew it meanwhile have the same bytes anyway. */
    unsigned char empty = STATE_EMPTY;
    if (kept && atomic_compare_exchange_strong(state, &empty, STATE_BUSY)) {
        memcpy(kept, pixels, PICTURE_BYTES);
        atomic_store_explicit(state, STATE_READY, memory_order_release);
    }
    return REP_OK;
}

static void close_drawn(rep_dataset *set) {
    drawn *d = set->state;
    if (d) {
        free(d->kept);
        free(d->states);
    }
    free(d);
}

rep_status rep_drawn_open(rep_dataset *set, const rep_dataset_options *options) {
    static const rep_dataset_class methods = {read_picture, close_drawn};
    if (options->count > MAX_COUNT) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "data set drawn: %zu pictures asked for, wanted at most %d", options->count,
                        MAX_COUNT);
    }
    set->methods = &methods;
    drawn *d = set->state = calloc(1, sizeof *d);
    if (!d) { return rep_fail(REP_ERR_MEMORY, "data set drawn: no memory"); }
    d->seed = options->seed ^ rep_hash_text(options->is_train ? "drawn train" : "drawn test");
    set->info.count = options->count      ? options->count
                      : options->is_train ? TRAIN_COUNT
                                          : TEST_COUNT;
    set->info.channels = 3;
    set->info.height = set->info.width = REP_DRAWN_SIDE;
    d->kept_count = set->info.count < MAX_KEPT ? set->info.count : MAX_KEPT;
    d->kept = malloc(d->kept_count * PICTURE_BYTES);
    d->states = calloc(d->kept_count, sizeof *d->states);
    if (!d->kept || !d->states) {
        return rep_fail(REP_ERR_MEMORY, "data set drawn: no memory for %zu pictures",
                        d->kept_count);
    }
    return rep_dataset_set_names(set, rep_shape_names, REP_SHAPE_COUNT);
}
