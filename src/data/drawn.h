/* drawn.h - the pieces of the drawn data set: outlines, their distance fields, and paint. */
#ifndef REP_DATA_DRAWN_H
#define REP_DATA_DRAWN_H

#include "data/data.h"

enum { REP_DRAWN_SIDE = 32, REP_DRAWN_PIXELS = REP_DRAWN_SIDE * REP_DRAWN_SIDE };

typedef struct rep_colour {
    float r, g, b;
} rep_colour;

/* A picture in the making, values in [0, 1]. */
typedef struct rep_canvas {
    rep_colour pixels[REP_DRAWN_PIXELS];
} rep_canvas;

/* Where a shape lies: (x, y) in the unit square round 0 goes to centre + matrix * (x, y) pixels. */
typedef struct rep_pose {
    float x, y;           /* centre, pixels */
    float xx, xy, yx, yy; /* matrix rows */
} rep_pose;

/* Signed distance of every pixel's middle to an outline, pixels, negative inside. */
typedef struct rep_field {
    float distance[REP_DRAWN_PIXELS];
} rep_field;

enum { REP_SHAPE_COUNT = 10 };
extern const char *const rep_shape_names[REP_SHAPE_COUNT];

/* A pose: `radius` pixels, turned by `turn` of a circle, stretched by `aspect` in x. */
rep_pose rep_pose_make(float x, float y, float radius, float turn, float aspect);
void rep_field_shape(rep_field *out, int shape, const rep_pose *pose);
/* A straight stroke of the given width between two points. */
void rep_field_stroke(rep_field *out, float x0, float y0, float x1, float y1, float width);

/* cos and sin of `turn` of a circle, by arithmetic alone: the same bits on every machine. */
void rep_turn(float *cosine, float *sine, float turn);
rep_colour rep_colour_hsv(float hue, float saturation, float value);
rep_colour rep_colour_mix(rep_colour a, rep_colour b, float share_of_b);
/* Lays colour over the canvas where the field is inside, `alpha` of it; edges are antialiased.
 * `second` is reached across the picture in direction (gx, gy). */
void rep_canvas_fill(rep_canvas *canvas, const rep_field *field, rep_colour first,
                     rep_colour second, float gx, float gy, float alpha);
/* The same for a line of `width` pixels along the outline. */
void rep_canvas_outline(rep_canvas *canvas, const rep_field *field, rep_colour colour, float width,
                        float alpha);
/* Darkens what lies under the shape moved by (dx, dy) pixels, softly over `blur` pixels. */
void rep_canvas_shadow(rep_canvas *canvas, const rep_field *field, int dx, int dy, float blur,
                       float alpha);

#endif
