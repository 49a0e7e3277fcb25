/* drawn_scene.h - a scene of the drawn detection set: what stands where, before it is painted. */
#ifndef REP_DATA_DRAWN_SCENE_H
#define REP_DATA_DRAWN_SCENE_H

#include "data/drawn.h"
#include "repopt/scene.h"

enum {
    REP_FIGURE_CLASSES = 3,
    REP_FIGURE_KEYPOINTS = 5,
    REP_SCENE_FIGURES = 8,
    REP_SCENE_BARS = 2
};

/* ---- classes: drawn_figures.c -----------------------------------------------------------------
 */
/* A part painted over the body. Tone: -1 makes the body's colour black, 1 white. */
typedef struct rep_figure_part {
    const int8_t (*vertices)[2]; /* as rep_outline_make takes them */
    size_t count;
    float tone;
} rep_figure_part;

typedef struct rep_figure_class {
    const char *name;
    const int8_t (*vertices)[2]; /* the whole outline */
    size_t count;
    const rep_figure_part *parts;
    size_t part_count;
    const char *keypoints[REP_FIGURE_KEYPOINTS];
    uint8_t corners[REP_FIGURE_KEYPOINTS]; /* the vertex that each is; all are convex */
    double sigmas[REP_FIGURE_KEYPOINTS];
    float tilt;       /* of a circle, either way */
    bool is_mirrored; /* half of them look the other way */
} rep_figure_class;
extern const rep_figure_class rep_figure_classes[REP_FIGURE_CLASSES];

/* ---- scenes: drawn_layout.c -------------------------------------------------------------------
 */
typedef struct rep_figure {
    int32_t class_index;
    rep_pose pose;
    rep_outline outline;
    bool has_shadow;
} rep_figure;

typedef struct rep_bar {
    rep_point from, to;
    float width;
} rep_bar;

/* What comes later lies in front; bars lie in front of every figure. */
typedef struct rep_scene {
    int32_t side_px;
    uint64_t seed; /* of this split */
    uint64_t index;
    int32_t figure_count, bar_count;
    rep_figure figures[REP_SCENE_FIGURES];
    rep_bar bars[REP_SCENE_BARS];
} rep_scene;

/* Everything drawn by lot in one scene has its own stream of random numbers, so that leaving one
 * thing out changes no other. Figure i has REP_STREAM_FIGURE + i. */
enum { REP_STREAM_LAYOUT, REP_STREAM_GROUND, REP_STREAM_BARS, REP_STREAM_LIGHT, REP_STREAM_FIGURE };
void rep_scene_stream(rep_rng *out, const rep_scene *scene, int stream);
/* Checks the options and lays out scene `index`. REP_ERR_ARGUMENT. */
REP_NODISCARD rep_status rep_scene_lay_out(rep_scene *out, const rep_scene_options *options,
                                           size_t index);

/* ---- what is true of a scene: drawn_truth.c ---------------------------------------------------
 */
enum { REP_OWNER_GROUND = 0, REP_OWNER_BAR = 255 };
typedef struct rep_figure_truth {
    double x, y, w, h, area;
    double keypoints[3 * REP_FIGURE_KEYPOINTS]; /* x, y, v */
    double seen;                                /* share of the figure that the picture shows */
} rep_figure_truth;
/* truth[scene->figure_count], and what every pixel's middle belongs to: 1 + the figure's number, or
 * one of the above. owners[side][side] */
void rep_scene_truth(rep_figure_truth *truth, uint8_t *owners, const rep_scene *scene);

/* ---- painting: drawn_scene.c ------------------------------------------------------------------
 */
REP_NODISCARD rep_status rep_scene_paint(rep_image *out, const rep_scene *scene);

#endif
