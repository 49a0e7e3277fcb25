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

enum { SIDE = 32, PIXELS = SIDE * SIDE, PICTURE_BYTES = 3 * PIXELS };
enum { TRAIN_COUNT = 10000, TEST_COUNT = 2000 };
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
    rep_colour pixels[PIXELS];
    float distances[PIXELS];
    rep_canvas canvas;
    rep_field field; /* of one shape after the other, over the whole picture */
    rep_rng rng;
    float hard;
    rep_colour ground;
} scene;

static float between(scene *s, float least, float most) {
    return rep_rng_between(&s->rng, least, most);
}

static bool happens(scene *s, float probability) { return rep_rng_uniform(&s->rng) < probability; }

/* A gradient with a pattern on it. */
static void draw_ground(scene *s) {
    const rep_colour first = rep_colour_any(&s->rng);
    const rep_colour second = rep_colour_vary(&s->rng, first, 0.1f, 0.6f);
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(&s->rng));
    rep_canvas_ground(&s->canvas, first, second, 0.5f * gx, 0.5f * gy);
    s->ground = rep_colour_mix(first, second, 0.5f);
    rep_canvas_pattern(&s->canvas, &s->rng, 3, 9, 0.05f + 0.12f * s->hard);
}

static void draw_stroke(scene *s, rep_colour colour, float alpha) {
    const float x = between(s, 0, SIDE), y = between(s, 0, SIDE);
    const float half = between(s, 3, 13), width = between(s, 0.8f, 2.4f);
    float c, d;
    rep_turn(&c, &d, rep_rng_uniform(&s->rng));
    const rep_point from = {x - c * half, y - d * half}, to = {x + c * half, y + d * half};
    rep_field_stroke(&s->field, from, to, width);
    rep_canvas_fill(&s->canvas, &s->field, colour, colour, 0, 0, alpha);
}

/* Strokes and small shapes of any kind; the picture's own shape is always the largest. */
static void draw_clutter(scene *s) {
    const uint32_t count = rep_rng_below(&s->rng, 3 + (uint32_t)(5 * s->hard));
    for (uint32_t i = 0; i < count; i++) {
        const rep_colour colour = rep_colour_vary(&s->rng, s->ground, 0.3f, 0.9f);
        const float alpha = between(s, 0.5f, 1);
        if (happens(s, 0.4f)) {
            draw_stroke(s, colour, alpha);
            continue;
        }
        const float x = between(s, 1, 31), y = between(s, 1, 31);
        const float radius = between(s, 1.8f, 3 + 1.5f * s->hard), turn = between(s, 0, 1);
        const rep_pose pose = rep_pose_make(x, y, radius, turn, between(s, 0.7f, 1.4f));
        rep_outline outline;
        rep_outline_shape(&outline, (int)rep_rng_below(&s->rng, REP_SHAPE_COUNT), &pose);
        rep_field_outline(&s->field, &outline);
        rep_canvas_fill(&s->canvas, &s->field, colour, colour, 0, 0, alpha);
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
    rep_outline outline;
    rep_outline_shape(&outline, shape, &pose);
    rep_field_outline(&s->field, &outline);
    const float wanted = between(s, 0.32f - 0.24f * s->hard, 0.65f);
    const rep_colour first = rep_colour_against(&s->rng, s->ground, wanted);
    const rep_colour second = rep_colour_vary(&s->rng, first, 0, 0.45f);
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(&s->rng));
    if (happens(s, 0.5f)) {
        const int dx = (int)rep_rng_below(&s->rng, 5) - 2, dy = (int)rep_rng_below(&s->rng, 3);
        const float blur = between(s, 2, 4), alpha = between(s, 0.15f, 0.5f);
        rep_canvas_shadow(&s->canvas, &s->field, dx, dy, blur, alpha);
    }
    if (happens(s, 0.1f + 0.25f * s->hard)) {
        rep_canvas_outline(&s->canvas, &s->field, first, between(s, 1.2f, 2.4f), 1);
        return;
    }
    const float alpha = between(s, 0.75f, 1);
    rep_canvas_fill(&s->canvas, &s->field, first, second, 0.6f * gx, 0.6f * gy, alpha);
    if (happens(s, 0.4f)) {
        const float tone = rep_colour_lightness(first) < 0.5f ? 1 : 0;
        const float share = between(s, 0.2f, 0.7f), width = between(s, 0.6f, 1.4f);
        const rep_colour edge = rep_colour_mix(first, (rep_colour){tone, tone, tone}, share);
        rep_canvas_outline(&s->canvas, &s->field, edge, width, 0.8f);
    }
}

static void develop(uint8_t *pixels, scene *s) {
    const float contrast = between(s, 0.85f - 0.45f * s->hard, 1.1f),
                middle = between(s, 0.4f, 0.6f);
    const float noise = between(s, 0, 0.02f + 0.15f * s->hard);
    rep_canvas_develop(pixels, &s->canvas, &s->rng, contrast, middle, noise);
}

static void draw(uint8_t *pixels, uint64_t seed, uint64_t index, int shape) {
    scene s = {.canvas = {.width = SIDE, .height = SIDE}, .field = {.window = {0, 0, SIDE, SIDE}}};
    s.canvas.pixels = s.pixels;
    s.field.distance = s.distances;
    rep_rng_init(&s.rng, seed, index);
    const float luck = rep_rng_uniform(&s.rng);
    s.hard = 0.06f + 1.34f * luck * luck * luck;
    draw_ground(&s);
    draw_clutter(&s);
    draw_subject(&s, shape);
    const uint32_t stroke_count = rep_rng_below(&s.rng, 1 + (uint32_t)(4 * s.hard));
    for (uint32_t i = 0; i < stroke_count; i++) {
        const rep_colour colour = rep_colour_vary(&s.rng, s.ground, 0.4f, 0.6f);
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
    set->info.height = set->info.width = SIDE;
    d->kept_count = set->info.count < MAX_KEPT ? set->info.count : MAX_KEPT;
    d->kept = malloc(d->kept_count * PICTURE_BYTES);
    d->states = calloc(d->kept_count, sizeof *d->states);
    if (!d->kept || !d->states) {
        return rep_fail(REP_ERR_MEMORY, "data set drawn: no memory for %zu pictures",
                        d->kept_count);
    }
    return rep_dataset_set_names(set, rep_shape_names, REP_SHAPE_COUNT);
}
