/* drawn_truth.c - what is true of a drawn scene: boxes, areas, keypoints, and what hides them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/annotations.h"
#include "data/drawn_scene.h"

/* Below these shares of a figure seen it is a crowd, or nothing at all. */
static const double least_seen = 0.4, least_annotated = 0.02;
/* A corner counts as hidden by what lies in front of the place this far inside of it. */
static const float inside_px = 1.5f;

/* ---- owners -----------------------------------------------------------------------------------
 */

static rep_rect window_of(const rep_scene *s, const rep_outline *o) {
    const rep_canvas canvas = {.width = s->side_px, .height = s->side_px};
    return rep_canvas_window(&canvas, o->centre, o->reach, 1);
}

/* Gives a figure its pixels; returns how many there are in the picture. */
static int32_t own(uint8_t *owners, const rep_scene *s, int32_t figure) {
    const rep_outline *outline = &s->figures[figure].outline;
    const rep_rect w = window_of(s, outline);
    int32_t count = 0;
    for (int32_t y = w.top; y < w.top + w.height; y++) {
        rep_crossings crossings;
        rep_outline_cross(&crossings, outline, (float)y + 0.5f);
        for (int32_t x = w.left; x < w.left + w.width; x++) {
            if (!rep_crossings_hold(&crossings, (float)x + 0.5f)) { continue; }
            owners[y * s->side_px + x] = (uint8_t)(1 + figure);
            count++;
        }
    }
    return count;
}

static void own_bar(uint8_t *owners, const rep_scene *s, const rep_bar *bar) {
    const float reach = bar->width / 2;
    for (int32_t i = 0; i < s->side_px * s->side_px; i++) {
        const rep_point p = {(float)(i % s->side_px) + 0.5f, (float)(i / s->side_px) + 0.5f};
        if (rep_segment_distance2(p, bar->from, bar->to) < reach * reach) {
            owners[i] = REP_OWNER_BAR;
        }
    }
}

/* ---- one figure -------------------------------------------------------------------------------
 */

static double hundredth(double value) { return round(value * 100) / 100; }

static double clamp(double value, double most) {
    return value < 0 ? 0 : value > most ? most : value;
}

static void find_box(rep_figure_truth *t, const rep_scene *s, const rep_outline *o) {
    double left = s->side_px, top = s->side_px, right = 0, bottom = 0;
    for (size_t i = 0; i < o->count; i++) {
        left = fmin(left, (double)o->vertices[i].x);
        top = fmin(top, (double)o->vertices[i].y);
        right = fmax(right, (double)o->vertices[i].x);
        bottom = fmax(bottom, (double)o->vertices[i].y);
    }
    t->x = hundredth(clamp(left, s->side_px));
    t->y = hundredth(clamp(top, s->side_px));
    t->w = hundredth(clamp(right, s->side_px) - t->x);
    t->h = hundredth(clamp(bottom, s->side_px) - t->y);
}

/* Shoelace formula: also what lies beyond the picture. */
static double whole_area(const rep_outline *o) {
    double twice = 0;
    for (size_t i = 0, j = o->count - 1; i < o->count; j = i++) {
        const rep_point a = o->vertices[j], b = o->vertices[i];
        twice += (double)a.x * (double)b.y - (double)b.x * (double)a.y;
    }
    return fabs(twice) / 2;
}

static int32_t count_seen(const uint8_t *owners, const rep_scene *s, int32_t figure) {
    const rep_rect w = window_of(s, &s->figures[figure].outline);
    int32_t seen = 0;
    for (int32_t y = w.top; y < w.top + w.height; y++) {
        for (int32_t x = w.left; x < w.left + w.width; x++) {
            seen += owners[y * s->side_px + x] == 1 + figure;
        }
    }
    return seen;
}

static rep_point unit(rep_point from, rep_point to) {
    const float dx = to.x - from.x, dy = to.y - from.y, length = sqrtf(dx * dx + dy * dy);
    return (rep_point){dx / length, dy / length};
}

/* A place inside the corner, along its bisector. */
static rep_point inside(const rep_outline *o, size_t corner) {
    const rep_point p = o->vertices[corner];
    const rep_point a = unit(p, o->vertices[(corner + o->count - 1) % o->count]);
    const rep_point b = unit(p, o->vertices[(corner + 1) % o->count]);
    const rep_point in = unit((rep_point){0, 0}, (rep_point){a.x + b.x, a.y + b.y});
    return (rep_point){p.x + inside_px * in.x, p.y + inside_px * in.y};
}

static void find_keypoint(double out[3], const uint8_t *owners, const rep_scene *s, int32_t figure,
                          size_t corner) {
    const rep_outline *o = &s->figures[figure].outline;
    const rep_point p = o->vertices[corner], q = inside(o, corner);
    const float side = (float)s->side_px;
    out[0] = out[1] = out[2] = 0;
    if (p.x < 0 || p.y < 0 || p.x >= side || p.y >= side) { return; }
    const int32_t column = (int32_t)clamp((double)q.x, s->side_px - 1);
    const int32_t row = (int32_t)clamp((double)q.y, s->side_px - 1);
    out[0] = hundredth((double)p.x);
    out[1] = hundredth((double)p.y);
    out[2] = owners[row * s->side_px + column] > 1 + figure ? 1 : 2;
}

void rep_scene_truth(rep_figure_truth *truth, uint8_t *owners, const rep_scene *s) {
    memset(owners, REP_OWNER_GROUND, (size_t)s->side_px * (size_t)s->side_px);
    for (int32_t f = 0; f < s->figure_count; f++) { truth[f].area = own(owners, s, f); }
    for (int32_t b = 0; b < s->bar_count; b++) { own_bar(owners, s, &s->bars[b]); }
    for (int32_t f = 0; f < s->figure_count; f++) {
        rep_figure_truth *t = &truth[f];
        const rep_outline *outline = &s->figures[f].outline;
        const rep_figure_class *class = &rep_figure_classes[s->figures[f].class_index];
        t->seen = count_seen(owners, s, f) / whole_area(outline);
        find_box(t, s, outline);
        for (size_t k = 0; k < REP_FIGURE_KEYPOINTS; k++) {
            find_keypoint(&t->keypoints[3 * k], owners, s, f, class->corners[k]);
        }
    }
}

/* ---- the set ----------------------------------------------------------------------------------
 */

static rep_status fail_memory(void) {
    return rep_fail(REP_ERR_MEMORY, "drawn scenes: no memory for their annotations");
}

/* The limbs go round a figure: from its leading corner down both sides, and across its end. */
static rep_status add_category(rep_annotation_builder *b, int32_t index) {
    static const int32_t limbs[REP_FIGURE_KEYPOINTS][2] = {{0, 1}, {0, 2}, {1, 3}, {2, 4}, {3, 4}};
    const rep_figure_class *class = &rep_figure_classes[index];
    const rep_category category = {.id = index + 1,
                                   .name = class->name,
                                   .keypoint_count = REP_FIGURE_KEYPOINTS,
                                   .keypoint_names = class->keypoints,
                                   .sigmas = class->sigmas,
                                   .limb_count = REP_FIGURE_KEYPOINTS,
                                   .limbs = limbs};
    return rep_builder_add_category(b, &category);
}

static rep_status add_figure(rep_annotation_builder *b, const rep_figure_truth *t,
                             const rep_scene *s, int32_t figure) {
    static const double none[3 * REP_FIGURE_KEYPOINTS] = {0};
    if (t->seen < least_annotated) { return REP_OK; }
    const bool is_crowd = t->seen < least_seen;
    const rep_found_object found = {.object = {.id = (int64_t)b->object_count + 1,
                                               .x = t->x,
                                               .y = t->y,
                                               .w = t->w,
                                               .h = t->h,
                                               .area = t->area,
                                               .is_crowd = is_crowd},
                                    .picture_id = (int64_t)s->index + 1,
                                    .category_id = s->figures[figure].class_index + 1,
                                    .keypoint_values = 3 * REP_FIGURE_KEYPOINTS,
                                    .has_id = true,
                                    .has_area = true};
    return rep_builder_add_object(b, &found, is_crowd ? none : t->keypoints);
}

static rep_status add_picture(rep_annotation_builder *b, uint8_t *owners, const rep_scene *s) {
    char name[32];
    (void)snprintf(name, sizeof name, "%06zu.png", (size_t)s->index + 1);
    const rep_picture picture = {.id = (int64_t)s->index + 1,
                                 .file_name = rep_arena_strdup(&b->arena, name),
                                 .width = s->side_px,
                                 .height = s->side_px};
    if (!picture.file_name) { return fail_memory(); }
    REP_TRY(rep_builder_add_picture(b, &picture));
    rep_figure_truth truth[REP_SCENE_FIGURES];
    rep_scene_truth(truth, owners, s);
    for (int32_t f = 0; f < s->figure_count; f++) { REP_TRY(add_figure(b, &truth[f], s, f)); }
    return REP_OK;
}

static rep_status build(rep_annotation_builder *b, const rep_scene_options *options) {
    rep_scene scene;
    REP_TRY(rep_scene_lay_out(&scene, options, 0));
    uint8_t *owners = malloc((size_t)scene.side_px * (size_t)scene.side_px);
    rep_status status = owners ? REP_OK : fail_memory();
    for (int32_t i = 0; status == REP_OK && i < REP_FIGURE_CLASSES; i++) {
        status = add_category(b, i);
    }
    for (size_t i = 0; status == REP_OK && i < options->count; i++) {
        status = rep_scene_lay_out(&scene, options, i);
        if (status == REP_OK) { status = add_picture(b, owners, &scene); }
    }
    free(owners);
    return status;
}

rep_status rep_scene_annotations(rep_annotations **out, const rep_scene_options *options) {
    rep_annotation_builder builder = {.source = options->is_train ? "drawn scenes, train"
                                                                  : "drawn scenes, test"};
    rep_status status = build(&builder, options);
    if (status == REP_OK) { status = rep_builder_finish(out, &builder, NULL); }
    rep_builder_clear(&builder);
    return status;
}
