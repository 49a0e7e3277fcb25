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

/* `hard` is drawn first and widens every other range: 0 is a clean picture, from which a net learns
 * what a class is, 1 one that people look at twice, so that no net gets all of them right. */
typedef struct scene {
    rep_canvas canvas;
    rep_rng rng;
    float hard;
    rep_colour ground;
} scene;

/* Every draw is a statement of its own: the order of evaluation within a call is the compiler's. */
static float between(scene *s, float least, float most) {
    return least + (most - least) * rep_rng_uniform(&s->rng);
}

static bool happens(scene *s, float probability) { return rep_rng_uniform(&s->rng) < probability; }

static float lightness(rep_colour c) { return 0.3f * c.r + 0.59f * c.g + 0.11f * c.b; }

static rep_colour any_colour(scene *s) {
    const float hue = rep_rng_uniform(&s->rng);
    const float saturation = between(s, 0.25f, 0.9f);
    const float value = between(s, 0.2f, 1);
    return rep_colour_hsv(hue, saturation, value);
}

/* `colour` with between `least` and `most` of some other colour in it. */
static rep_colour vary(scene *s, rep_colour colour, float least, float most) {
    const rep_colour other = any_colour(s);
    const float share = between(s, least, most);
    return rep_colour_mix(colour, other, share);
}

/* A colour that differs from the ground in lightness by some amount between faint and strong: the
 * best of a few draws, too faint being worse than too strong. */
static rep_colour colour_against_ground(scene *s) {
    const float wanted = between(s, 0.32f - 0.24f * s->hard, 0.65f);
    rep_colour best = s->ground;
    float best_miss = 9;
    for (int i = 0; i < 6; i++) {
        const rep_colour c = any_colour(s);
        const float difference = lightness(c) - lightness(s->ground);
        const float found = difference < 0 ? -difference : difference;
        const float miss = found < wanted ? 3 * (wanted - found) : found - wanted;
        if (miss < best_miss) {
            best_miss = miss;
            best = c;
        }
    }
    return best;
}

static void draw_pattern(scene *s) {
    enum { PLAIN, STRIPES, CHECKER, TILES, KINDS };
    const uint32_t kind = rep_rng_below(&s->rng, KINDS);
    const float period = between(s, 3, 9), phase = between(s, 0, period);
    const float strength = between(s, 0.02f, 0.05f + 0.12f * s->hard);
    float cosine, sine;
    rep_turn(&cosine, &sine, rep_rng_uniform(&s->rng));
    for (int i = 0; i < REP_DRAWN_PIXELS && kind != PLAIN; i++) {
        const int row = i / REP_DRAWN_SIDE;
        const float x = (float)(i % REP_DRAWN_SIDE), y = (float)row;
        /* 64 periods more keep the numbers positive, so that the cast rounds down. */
        const int across = (int)((cosine * x + sine * y + phase) / period + 64) & 1;
        const int down = (int)((cosine * y - sine * x + phase) / period + 64) & 1;
        const int is_lit = kind == STRIPES   ? across
                           : kind == CHECKER ? across ^ down
                                             : across & down;
        const rep_colour tone = is_lit ? (rep_colour){1, 1, 1} : (rep_colour){0, 0, 0};
        s->canvas.pixels[i] = rep_colour_mix(s->canvas.pixels[i], tone, strength);
    }
}

/* A gradient with a pattern on it. */
static void draw_ground(scene *s) {
    const rep_colour first = any_colour(s);
    const rep_colour second = vary(s, first, 0.1f, 0.6f);
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(&s->rng));
    rep_field all;
    for (int i = 0; i < REP_DRAWN_PIXELS; i++) { all.distance[i] = -1; }
    rep_canvas_fill(&s->canvas, &all, first, second, 0.5f * gx, 0.5f * gy, 1);
    s->ground = rep_colour_mix(first, second, 0.5f);
    draw_pattern(s);
}

static void draw_stroke(scene *s, rep_colour colour, float alpha) {
    const float x = between(s, 0, REP_DRAWN_SIDE), y = between(s, 0, REP_DRAWN_SIDE);
    const float half = between(s, 3, 13), width = between(s, 0.8f, 2.4f);
    float c, d;
    rep_turn(&c, &d, rep_rng_uniform(&s->rng));
    rep_field field;
    rep_field_stroke(&field, x - c * half, y - d * half, x + c * half, y + d * half, width);
    rep_canvas_fill(&s->canvas, &field, colour, colour, 0, 0, alpha);
}

/* Strokes and small shapes of any kind; the picture's own shape is always the largest. */
static void draw_clutter(scene *s) {
    const uint32_t count = rep_rng_below(&s->rng, 3 + (uint32_t)(5 * s->hard));
    for (uint32_t i = 0; i < count; i++) {
        const rep_colour colour = vary(s, s->ground, 0.3f, 0.9f);
        const float alpha = between(s, 0.5f, 1);
        if (happens(s, 0.4f)) {
            draw_stroke(s, colour, alpha);
            continue;
        }
        const float x = between(s, 1, 31), y = between(s, 1, 31);
        const float radius = between(s, 1.8f, 3 + 1.5f * s->hard), turn = between(s, 0, 1);
        const rep_pose pose = rep_pose_make(x, y, radius, turn, between(s, 0.7f, 1.4f));
        rep_field field;
        rep_field_shape(&field, (int)rep_rng_below(&s->rng, REP_SHAPE_COUNT), &pose);
        rep_canvas_fill(&s->canvas, &field, colour, colour, 0, 0, alpha);
    }
}

static rep_pose subject_pose(scene *s) {
    const float radius = between(s, 9 - 3 * s->hard, 13);
    const float slack = 0.8f * (15 - radius), tilt = 0.04f + 0.26f * s->hard;
    const float x = 16 + between(s, -slack, slack), y = 16 + between(s, -slack, slack);
    const float turn = between(s, -tilt, tilt);
    return rep_pose_make(x, y, radius, turn, between(s, 0.75f, 1.33f));
}

/* The shape that gives the picture its label: a shadow, then an outline or a body. */
static void draw_subject(scene *s, int shape) {
    const rep_pose pose = subject_pose(s);
    rep_field field;
    rep_field_shape(&field, shape, &pose);
    const rep_colour first = colour_against_ground(s);
    const rep_colour second = vary(s, first, 0, 0.45f);
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(&s->rng));
    if (happens(s, 0.5f)) {
        const int dx = (int)rep_rng_below(&s->rng, 5) - 2, dy = (int)rep_rng_below(&s->rng, 3);
        const float blur = between(s, 2, 4), alpha = between(s, 0.15f, 0.5f);
        rep_canvas_shadow(&s->canvas, &field, dx, dy, blur, alpha);
    }
    if (happens(s, 0.1f + 0.25f * s->hard)) {
        rep_canvas_outline(&s->canvas, &field, first, between(s, 1.2f, 2.4f), 1);
        return;
    }
    const float alpha = between(s, 0.75f, 1);
    rep_canvas_fill(&s->canvas, &field, first, second, 0.6f * gx, 0.6f * gy, alpha);
    if (happens(s, 0.4f)) {
        const float tone = lightness(first) < 0.5f ? 1 : 0;
        const float share = between(s, 0.2f, 0.7f), width = between(s, 0.6f, 1.4f);
        const rep_colour edge = rep_colour_mix(first, (rep_colour){tone, tone, tone}, share);
        rep_canvas_outline(&s->canvas, &field, edge, width, 0.8f);
    }
}

/* Light over the whole picture, sensor noise, and rounding to bytes. */
static void develop(uint8_t *pixels, scene *s) {
    const float contrast = between(s, 0.85f - 0.45f * s->hard, 1.1f),
                middle = between(s, 0.4f, 0.6f);
    const float noise = between(s, 0, 0.02f + 0.15f * s->hard);
    const float *values = &s->canvas.pixels[0].r;
    for (int i = 0; i < PICTURE_BYTES; i++) {
        /* The sum of four bytes is nearly normal: mean 510, standard deviation 147.8. */
        const uint32_t word = rep_rng_next(&s->rng);
        const int sum = (int)(word & 255) + (int)(word >> 8 & 255) + (int)(word >> 16 & 255) +
                        (int)(word >> 24);
        const float deviate = (float)(sum - 510) / 147.8f;
        const float value = 255 * (middle + contrast * (values[i] - 0.5f) + noise * deviate) + 0.5f;
        pixels[i] = value < 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
    }
}

static void draw(uint8_t *pixels, uint64_t seed, uint64_t index, int shape) {
    scene s = {0};
    rep_rng_init(&s.rng, seed, index);
    const float luck = rep_rng_uniform(&s.rng);
    s.hard = 0.06f + 1.34f * luck * luck * luck;
    draw_ground(&s);
    draw_clutter(&s);
    draw_subject(&s, shape);
    const uint32_t stroke_count = rep_rng_below(&s.rng, 1 + (uint32_t)(4 * s.hard));
    for (uint32_t i = 0; i < stroke_count; i++) {
        const rep_colour colour = vary(&s, s.ground, 0.4f, 0.6f);
        draw_stroke(&s, colour, between(&s, 0.7f, 1));
    }
    develop(pixels, &s);
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
