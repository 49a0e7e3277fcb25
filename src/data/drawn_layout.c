/* drawn_layout.c - where the figures of a scene stand. */
#include <inttypes.h>

#include "data/drawn_scene.h"

enum { MAX_COUNT = 10000000, TRIES = 40, STREAMS = 16 };

void rep_scene_stream(rep_rng *out, const rep_scene *scene, int stream) {
    rep_rng_init(out, scene->seed, scene->index * STREAMS + (uint64_t)stream);
}

static rep_status check(const rep_scene_options *o, size_t index) {
    if (o->count < 1 || o->count > MAX_COUNT) {
        return rep_fail(REP_ERR_ARGUMENT, "drawn scenes: %zu pictures, wanted 1 to %d", o->count,
                        MAX_COUNT);
    }
    if (o->side_px != 0 && (o->side_px < REP_SCENE_LEAST_PX || o->side_px > REP_SCENE_MOST_PX)) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "drawn scenes: a side of %" PRId32 " pixels, wanted %d to %d", o->side_px,
                        REP_SCENE_LEAST_PX, REP_SCENE_MOST_PX);
    }
    if (index >= o->count) {
        return rep_fail(REP_ERR_ARGUMENT, "drawn scenes: picture %zu of %zu, wanted a lower number",
                        index, o->count);
    }
    return REP_OK;
}

/* A free place: middles at least `room` radii apart, so that figures overlap where room < 1. */
static bool find_place(rep_point *out, const rep_scene *s, rep_rng *rng, float radius, float room) {
    const float side = (float)s->side_px, inset = 0.65f * radius;
    for (int i = 0; i < TRIES; i++) {
        const float x = rep_rng_between(rng, inset, side - inset);
        const float y = rep_rng_between(rng, inset, side - inset);
        bool is_free = true;
        for (int32_t k = 0; k < s->figure_count && is_free; k++) {
            const rep_outline *other = &s->figures[k].outline;
            const float apart = room * (radius + other->reach);
            const float dx = x - other->centre.x, dy = y - other->centre.y;
            is_free = dx * dx + dy * dy >= apart * apart;
        }
        if (is_free) {
            *out = (rep_point){x, y};
            return true;
        }
    }
    return false;
}

/* In a crowded scene a figure may find no place: it is left out. */
static void add_figure(rep_scene *s, rep_rng *rng, float most_radius, float room) {
    rep_figure *f = &s->figures[s->figure_count];
    f->class_index = (int32_t)rep_rng_below(rng, REP_FIGURE_CLASSES);
    const rep_figure_class *class = &rep_figure_classes[f->class_index];
    const float radius = (float)s->side_px * rep_rng_between(rng, 0.12f, most_radius);
    const float turn = rep_rng_between(rng, -class->tilt, class->tilt);
    const float aspect = rep_rng_between(rng, 0.85f, 1.18f);
    const bool is_mirrored = rep_rng_uniform(rng) < 0.5f && class->is_mirrored;
    f->has_shadow = rep_rng_uniform(rng) < 0.7f;
    rep_point place;
    if (!find_place(&place, s, rng, radius, room)) { return; }
    f->pose = rep_pose_make(place.x, place.y, radius, turn, aspect);
    if (is_mirrored) {
        f->pose.xx = -f->pose.xx;
        f->pose.yx = -f->pose.yx;
    }
    rep_outline_make(&f->outline, class->vertices, class->count, &f->pose);
    s->figure_count++;
}

static void add_bar(rep_scene *s, rep_rng *rng) {
    const float side = (float)s->side_px;
    const float x = rep_rng_between(rng, 0, side), y = rep_rng_between(rng, 0, side);
    const float half = side * rep_rng_between(rng, 0.12f, 0.4f);
    float c, d;
    rep_turn(&c, &d, rep_rng_uniform(rng));
    s->bars[s->bar_count++] = (rep_bar){.from = {x - c * half, y - d * half},
                                        .to = {x + c * half, y + d * half},
                                        .width = side * rep_rng_between(rng, 0.02f, 0.045f)};
}

rep_status rep_scene_lay_out(rep_scene *out, const rep_scene_options *options, size_t index) {
    REP_TRY(check(options, index));
    const char *split = options->is_train ? "scenes train" : "scenes test";
    rep_scene s = {.side_px = options->side_px ? options->side_px : REP_SCENE_SIDE_PX,
                   .seed = options->seed ^ rep_hash_text(split),
                   .index = index};
    rep_rng rng;
    rep_scene_stream(&rng, &s, REP_STREAM_LAYOUT);
    const int32_t wanted = 1 + (int32_t)rep_rng_below(&rng, REP_SCENE_FIGURES);
    const float most_radius = 0.32f - 0.02f * (float)wanted;
    const float room = rep_rng_between(&rng, 0.3f, 1);
    for (int32_t i = 0; i < wanted; i++) { add_figure(&s, &rng, most_radius, room); }
    const uint32_t luck = rep_rng_below(&rng, 4);
    for (uint32_t i = 1; i < luck; i++) { add_bar(&s, &rng); }
    *out = s;
    return REP_OK;
}
