/* drawn_scene.c - paints a drawn scene: ground, clutter, figures with their parts, bars, light. */
#include <math.h>
#include <stdlib.h>

#include "data/drawn_scene.h"

/* The shapes of clutter are those of the classification set but its arrow, which has a tip too. */
enum { ARROW_SHAPE = 8, SHADOW_MARGIN_PX = 10 };

typedef struct easel {
    const rep_scene *scene;
    rep_canvas canvas;
    rep_field field, part; /* of a figure, and of one of its parts */
    rep_rng rng;
    rep_colour ground;
} easel;

static float between(easel *e, float least, float most) {
    return rep_rng_between(&e->rng, least, most);
}

static float side_of(const easel *e) { return (float)e->canvas.width; }

static void lay_field(rep_field *field, const easel *e, const rep_outline *outline, float margin) {
    field->window = rep_canvas_window(&e->canvas, outline->centre, outline->reach, margin);
    rep_field_outline(field, outline);
}

static void lay_stroke(rep_field *field, const easel *e, rep_point from, rep_point to,
                       float width) {
    const rep_point middle = {(from.x + to.x) / 2, (from.y + to.y) / 2};
    const float reach = sqrtf(rep_segment_distance2(from, to, to)) / 2;
    field->window = rep_canvas_window(&e->canvas, middle, reach, width);
    rep_field_stroke(field, from, to, width);
}

/* Towards white where tone > 0, towards black where it is below. */
static rep_colour tinted(rep_colour colour, float tone) {
    const float end = tone > 0 ? 1 : 0;
    return rep_colour_mix(colour, (rep_colour){end, end, end}, tone > 0 ? tone : -tone);
}

static float contrast_of(rep_colour a, rep_colour b) {
    return fabsf(rep_colour_lightness(a) - rep_colour_lightness(b));
}

/* The body's colour made lighter or darker, whichever stands out from both body and ground. */
static rep_colour edge_colour(rep_colour body, rep_colour ground, float share) {
    const rep_colour light = tinted(body, share), dark = tinted(body, -share);
    const float of_light = fminf(contrast_of(light, body), contrast_of(light, ground));
    const float of_dark = fminf(contrast_of(dark, body), contrast_of(dark, ground));
    return of_light > of_dark ? light : dark;
}

/* ---- ground and clutter -----------------------------------------------------------------------
 */

static void paint_ground(easel *e) {
    rep_scene_stream(&e->rng, e->scene, REP_STREAM_GROUND);
    const rep_colour first = rep_colour_any(&e->rng);
    const rep_colour second = rep_colour_vary(&e->rng, first, 0.1f, 0.5f);
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(&e->rng));
    rep_canvas_ground(&e->canvas, first, second, 0.5f * gx, 0.5f * gy);
    e->ground = rep_colour_mix(first, second, 0.5f);
    const float side = side_of(e);
    rep_canvas_pattern(&e->canvas, &e->rng, 0.05f * side, 0.16f * side, 0.08f);
}

static void paint_clutter_shape(easel *e, rep_colour colour, float alpha) {
    const float side = side_of(e);
    const float x = between(e, 0, side), y = between(e, 0, side);
    const float radius = side * between(e, 0.015f, 0.055f), turn = between(e, 0, 1);
    const rep_pose pose = rep_pose_make(x, y, radius, turn, between(e, 0.7f, 1.4f));
    int shape = (int)rep_rng_below(&e->rng, REP_SHAPE_COUNT - 1);
    if (shape >= ARROW_SHAPE) { shape++; }
    rep_outline outline;
    rep_outline_shape(&outline, shape, &pose);
    lay_field(&e->field, e, &outline, 1);
    rep_canvas_fill(&e->canvas, &e->field, colour, colour, 0, 0, alpha);
}

static void paint_clutter_stroke(easel *e, rep_colour colour, float alpha) {
    const float side = side_of(e);
    const float x = between(e, 0, side), y = between(e, 0, side);
    const float half = side * between(e, 0.05f, 0.3f), width = side * between(e, 0.006f, 0.015f);
    float c, d;
    rep_turn(&c, &d, rep_rng_uniform(&e->rng));
    const rep_point from = {x - c * half, y - d * half}, to = {x + c * half, y + d * half};
    lay_stroke(&e->field, e, from, to, width);
    rep_canvas_fill(&e->canvas, &e->field, colour, colour, 0, 0, alpha);
}

static void paint_clutter(easel *e) {
    const uint32_t count = 4 + rep_rng_below(&e->rng, 14);
    for (uint32_t i = 0; i < count; i++) {
        const rep_colour colour = rep_colour_vary(&e->rng, e->ground, 0.3f, 0.9f);
        const float alpha = between(e, 0.5f, 1);
        if (rep_rng_uniform(&e->rng) < 0.35f) {
            paint_clutter_stroke(e, colour, alpha);
        } else {
            paint_clutter_shape(e, colour, alpha);
        }
    }
}

/* ---- figures and bars -------------------------------------------------------------------------
 */

/* A line along the inside of the outline: nothing of a figure lies beyond it. */
static void paint_edge(easel *e, rep_colour colour, float width) {
    const int32_t count = e->field.window.width * e->field.window.height;
    for (int32_t i = 0; i < count; i++) { e->field.distance[i] += width / 2; }
    rep_canvas_outline(&e->canvas, &e->field, colour, width, 0.9f);
}

static void paint_figure(easel *e, int32_t index) {
    const rep_figure *figure = &e->scene->figures[index];
    const rep_figure_class *class = &rep_figure_classes[figure->class_index];
    rep_scene_stream(&e->rng, e->scene, REP_STREAM_FIGURE + index);
    const rep_colour body = rep_colour_against(&e->rng, e->ground, between(e, 0.25f, 0.6f));
    const rep_colour other = rep_colour_vary(&e->rng, body, 0, 0.35f);
    float gx, gy;
    rep_turn(&gx, &gy, rep_rng_uniform(&e->rng));
    const float side = side_of(e), share = between(e, 0.6f, 0.85f);
    const float width = side * between(e, 0.007f, 0.012f);
    const rep_colour edge = edge_colour(body, e->ground, share);
    lay_field(&e->field, e, &figure->outline, SHADOW_MARGIN_PX);
    if (figure->has_shadow) {
        const int away = 1 + e->canvas.width / 80;
        rep_canvas_shadow(&e->canvas, &e->field, away, away, 5, 0.3f);
    }
    rep_canvas_fill(&e->canvas, &e->field, body, other, 0.6f * gx, 0.6f * gy, 1);
    for (size_t i = 0; i < class->part_count; i++) {
        const rep_figure_part *part = &class->parts[i];
        const rep_colour colour = tinted(body, part->tone);
        rep_outline outline;
        rep_outline_make(&outline, part->vertices, part->count, &figure->pose);
        lay_field(&e->part, e, &outline, 1);
        rep_canvas_fill(&e->canvas, &e->part, colour, colour, 0, 0, 1);
    }
    paint_edge(e, edge, width);
}

static void paint_bar(easel *e, const rep_bar *bar) {
    const rep_colour colour = rep_colour_any(&e->rng);
    const rep_colour edge = edge_colour(colour, e->ground, 0.5f);
    lay_stroke(&e->field, e, bar->from, bar->to, bar->width);
    rep_canvas_fill(&e->canvas, &e->field, colour, colour, 0, 0, 1);
    paint_edge(e, edge, 1);
}

/* ---- the picture ------------------------------------------------------------------------------
 */

static void paint(easel *e, uint8_t *pixels) {
    paint_ground(e);
    paint_clutter(e);
    for (int32_t i = 0; i < e->scene->figure_count; i++) { paint_figure(e, i); }
    rep_scene_stream(&e->rng, e->scene, REP_STREAM_BARS);
    for (int32_t i = 0; i < e->scene->bar_count; i++) { paint_bar(e, &e->scene->bars[i]); }
    rep_scene_stream(&e->rng, e->scene, REP_STREAM_LIGHT);
    const float contrast = between(e, 0.75f, 1.05f), middle = between(e, 0.44f, 0.56f);
    const float noise = between(e, 0, 0.05f);
    rep_canvas_develop(pixels, &e->canvas, &e->rng, contrast, middle, noise);
}

rep_status rep_scene_paint(rep_image *out, const rep_scene *scene) {
    const size_t count = (size_t)scene->side_px * (size_t)scene->side_px;
    rep_image image;
    const uint32_t side = (uint32_t)scene->side_px;
    REP_TRY(rep_image_init(&image, "drawn scene", side, side, 3));
    easel e = {.scene = scene, .canvas = {.width = scene->side_px, .height = scene->side_px}};
    e.canvas.pixels = malloc(count * sizeof *e.canvas.pixels);
    e.field.distance = malloc(count * sizeof *e.field.distance);
    e.part.distance = malloc(count * sizeof *e.part.distance);
    const bool has_memory = e.canvas.pixels && e.field.distance && e.part.distance;
    if (has_memory) { paint(&e, image.pixels); }
    free(e.canvas.pixels);
    free(e.field.distance);
    free(e.part.distance);
    if (!has_memory) {
        rep_image_clear(&image);
        return rep_fail(REP_ERR_MEMORY, "drawn scene: no memory to paint it");
    }
    *out = image;
    return REP_OK;
}

rep_status rep_scene_render(rep_image *out, const rep_scene_options *options, size_t index) {
    rep_scene scene;
    REP_TRY(rep_scene_lay_out(&scene, options, index));
    return rep_scene_paint(out, &scene);
}
