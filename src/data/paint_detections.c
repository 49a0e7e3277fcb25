/* paint_detections.c - boxes, labels, keypoints and limbs of detections and annotated objects. */
#include <math.h>
#include <stdio.h>

#include "data/paint.h"

enum { LABEL_BYTES = 128, PAD_PX = 2, MOST_LABELS = 64 };

/* Okabe and Ito's eight colours but black, the most distant first. */
static const rep_ink palette[] = {{230, 159, 0, 1}, {86, 180, 233, 1}, {204, 121, 167, 1},
                                  {0, 158, 115, 1}, {240, 228, 66, 1}, {0, 114, 178, 1},
                                  {213, 94, 0, 1}};

static uint8_t towards(uint8_t from, uint8_t to, double share) {
    return (uint8_t)(from + (to - from) * share + 0.5);
}

rep_ink rep_paint_class_ink(int32_t category) {
    const uint32_t count = sizeof palette / sizeof palette[0];
    const uint32_t place = (uint32_t)category % count, round = (uint32_t)category / count % 3;
    const uint8_t end = round == 1 ? 255 : 0;
    const double share = round == 0 ? 0 : 0.45;
    const rep_ink ink = palette[place];
    return (rep_ink){towards(ink.r, end, share), towards(ink.g, end, share),
                     towards(ink.b, end, share), 1};
}

/* ---- what is painted --------------------------------------------------------------------------
 */

/* A detection or an object, in pixels of the picture that is painted on. */
typedef struct mark {
    const rep_category *category;
    double x, y, w, h;
    const double *keypoints;
    size_t stride; /* values a keypoint: 2, or 3 with its v */
    rep_ink ink;
    char label[LABEL_BYTES];
} mark;

typedef struct easel {
    rep_image *image;
    double zoom, line_px;
    int32_t text_scale;
    rep_rect labels[MOST_LABELS]; /* where labels lie already */
    int32_t label_count;
} easel;

static easel easel_of(rep_image *image, const rep_paint_options *options) {
    const int32_t side = image->width < image->height ? image->width : image->height;
    const int32_t scale = (side + 200) / 450;
    return (easel){.image = image,
                   .zoom = options && options->zoom > 0 ? options->zoom : 1,
                   .line_px = fmax(1, side / 250.0),
                   .text_scale = scale < 1 ? 1 : scale};
}

static mark make_mark(const easel *e, const rep_category *categories, int32_t category,
                      const double box[4]) {
    return (mark){.category = &categories[category],
                  .x = box[0] * e->zoom,
                  .y = box[1] * e->zoom,
                  .w = box[2] * e->zoom,
                  .h = box[3] * e->zoom,
                  .ink = rep_paint_class_ink(category)};
}

/* ---- parts ------------------------------------------------------------------------------------
 */

static rep_ink faded(rep_ink ink, float alpha) { return (rep_ink){ink.r, ink.g, ink.b, alpha}; }

/* A dark rim outside keeps every colour visible on every ground. */
static void paint_box(easel *e, const mark *m) {
    const double rim = 0.5 * e->line_px;
    const rep_ink black = {0, 0, 0, 0.6f};
    rep_paint_frame(e->image, m->x - rim, m->y - rim, m->w + 2 * rim, m->h + 2 * rim, rim, black);
    rep_paint_frame(e->image, m->x, m->y, m->w, m->h, e->line_px, m->ink);
}

/* 0 absent, 1 hidden, 2 seen. */
static int visibility(const mark *m, int32_t keypoint) {
    const double *point = m->keypoints + (size_t)keypoint * m->stride;
    if (m->stride == 2) { return 2; }
    return point[2] >= 2 ? 2 : point[2] >= 1 ? 1 : 0;
}

static void paint_limbs(easel *e, const mark *m) {
    for (int32_t i = 0; m->keypoints && i < m->category->limb_count; i++) {
        const int32_t from = m->category->limbs[i][0], to = m->category->limbs[i][1];
        if (!visibility(m, from) || !visibility(m, to)) { continue; }
        const double *a = m->keypoints + (size_t)from * m->stride;
        const double *b = m->keypoints + (size_t)to * m->stride;
        rep_paint_line(e->image, a[0] * e->zoom, a[1] * e->zoom, b[0] * e->zoom, b[1] * e->zoom,
                       e->line_px, faded(m->ink, 0.75f));
    }
}

static void paint_keypoints(easel *e, const mark *m) {
    const double radius = 1.2 + 1.1 * e->line_px;
    const rep_ink black = {0, 0, 0, 0.85f}, white = {255, 255, 255, 1};
    for (int32_t i = 0; m->keypoints && i < m->category->keypoint_count; i++) {
        const int v = visibility(m, i);
        const double *point = m->keypoints + (size_t)i * m->stride;
        const double x = point[0] * e->zoom, y = point[1] * e->zoom;
        if (v == 0) { continue; }
        rep_paint_disc(e->image, x, y, radius + 0.6 * e->line_px, black);
        rep_paint_disc(e->image, x, y, radius, v == 2 ? m->ink : white);
        if (v == 1) { rep_paint_disc(e->image, x, y, 0.6 * radius, black); }
    }
}

/* ---- labels -----------------------------------------------------------------------------------
 */

static bool is_free(const easel *e, const rep_rect *r) {
    for (int32_t i = 0; i < e->label_count; i++) {
        const rep_rect *o = &e->labels[i];
        if (r->left < o->left + o->width && o->left < r->left + r->width &&
            r->top < o->top + o->height && o->top < r->top + r->height) {
            return false;
        }
    }
    return true;
}

/* Above the box, below it, within it at either end; the first place where no other label lies. */
static rep_rect find_place(const easel *e, const mark *m) {
    const int32_t pad = PAD_PX * e->text_scale;
    rep_rect r = {.width = rep_paint_text_width(m->label, e->text_scale) + 2 * pad,
                  .height = (REP_PAINT_TEXT_PX + 1) * e->text_scale + pad};
    const double tops[] = {m->y - r.height, m->y + m->h, m->y, m->y + m->h - r.height};
    const double lefts[] = {m->x, m->x + m->w - r.width};
    rep_rect first = r;
    for (int i = 0; i < 8; i++) {
        r.left = rep_pixel_bound(lefts[i / 4], e->image->width - r.width);
        r.top = rep_pixel_bound(tops[i % 4], e->image->height - r.height);
        if (i == 0) { first = r; }
        if (is_free(e, &r)) { return r; }
    }
    return first;
}

static void paint_label(easel *e, const mark *m) {
    const rep_rect r = find_place(e, m);
    const int32_t pad = PAD_PX * e->text_scale;
    if (e->label_count < MOST_LABELS) { e->labels[e->label_count++] = r; }
    rep_paint_rect(e->image, r.left, r.top, r.width, r.height, faded(m->ink, 0.9f));
    rep_paint_text(e->image, r.left + pad, r.top + pad, m->label, e->text_scale,
                   rep_ink_on(m->ink));
}

/* ---- detections and objects -------------------------------------------------------------------
 */

enum { BOXES, POINTS, LABELS, LAYERS };

static void paint_layer(easel *e, const mark *m, int layer) {
    if (layer == BOXES) {
        paint_box(e, m);
        paint_limbs(e, m);
    } else if (layer == POINTS) {
        paint_keypoints(e, m);
    } else {
        paint_label(e, m);
    }
}

void rep_paint_detections(rep_image *image, const rep_category *categories,
                          const rep_detection *detections, size_t count,
                          const rep_paint_options *options) {
    easel e = easel_of(image, options);
    for (int layer = 0; layer < LAYERS; layer++) {
        for (size_t i = 0; i < count; i++) {
            const rep_detection *d = &detections[i];
            if (options && d->score < options->min_score) { continue; }
            mark m = make_mark(&e, categories, d->category, (double[]){d->x, d->y, d->w, d->h});
            m.keypoints = d->keypoints;
            m.stride = 2;
            (void)snprintf(m.label, sizeof m.label, "%.100s %.2f", m.category->name, d->score);
            paint_layer(&e, &m, layer);
        }
    }
}

void rep_paint_objects(rep_image *image, const rep_category *categories, const rep_object *objects,
                       size_t count, const rep_paint_options *options) {
    easel e = easel_of(image, options);
    for (int layer = 0; layer < LAYERS; layer++) {
        for (size_t i = 0; i < count; i++) {
            const rep_object *o = &objects[i];
            mark m = make_mark(&e, categories, o->category, (double[]){o->x, o->y, o->w, o->h});
            m.keypoints = o->keypoints;
            m.stride = 3;
            (void)snprintf(m.label, sizeof m.label, "%.100s%s", m.category->name,
                           o->is_crowd ? " crowd" : "");
            paint_layer(&e, &m, layer);
        }
    }
}
