/* drawn.h - the pieces of the drawn data sets: colours, outlines, their distance fields, and paint.
 *
 * Everything is additions, products, quotients, square roots and comparisons of floats, which IEEE
 * 754 defines to the bit, and nothing is contracted: every machine draws the same picture. */
#ifndef REP_DATA_DRAWN_H
#define REP_DATA_DRAWN_H

#include "data/data.h"

/* ---- colours: drawn_colour.c ------------------------------------------------------------------
 */
typedef struct rep_colour {
    float r, g, b;
} rep_colour;

static inline float rep_clamp01(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }
rep_colour rep_colour_hsv(float hue, float saturation, float value);
rep_colour rep_colour_mix(rep_colour a, rep_colour b, float share_of_b);
float rep_colour_lightness(rep_colour colour);

/* Every draw is a statement of its own: the order of evaluation within a call is the compiler's. */
float rep_rng_between(rep_rng *rng, float least, float most);
rep_colour rep_colour_any(rep_rng *rng);
/* `colour` with between `least` and `most` of some other colour in it. */
rep_colour rep_colour_vary(rep_rng *rng, rep_colour colour, float least, float most);
/* A colour whose lightness differs from the ground's by about `wanted`: the best of a few draws,
 * too faint being worse than too strong. */
rep_colour rep_colour_against(rep_rng *rng, rep_colour ground, float wanted);

/* ---- outlines: drawn_shapes.c -----------------------------------------------------------------
 */
typedef struct rep_point {
    float x, y;
} rep_point;

/* Where a shape lies: (x, y) in the unit square round 0 goes to centre + matrix * (x, y) pixels. */
typedef struct rep_pose {
    float x, y;           /* centre, pixels */
    float xx, xy, yx, yy; /* matrix rows */
} rep_pose;

/* A closed polygon in pixels. No vertex is farther than `reach` from the centre. */
enum { REP_OUTLINE_VERTICES = 24 };
typedef struct rep_outline {
    rep_point centre;
    float reach;
    size_t count;
    rep_point vertices[REP_OUTLINE_VERTICES];
} rep_outline;

enum { REP_SHAPE_COUNT = 10 };
extern const char *const rep_shape_names[REP_SHAPE_COUNT];

/* cos and sin of `turn` of a circle, by arithmetic alone: the same bits on every machine. */
void rep_turn(float *cosine, float *sine, float turn);
/* A pose: `radius` pixels, turned by `turn` of a circle, stretched by `aspect` in x. */
rep_pose rep_pose_make(float x, float y, float radius, float turn, float aspect);
/* Vertices in 1/127 of the radius, laid out by a pose. count <= REP_OUTLINE_VERTICES. */
void rep_outline_make(rep_outline *out, const int8_t (*vertices)[2], size_t count,
                      const rep_pose *pose);
void rep_outline_shape(rep_outline *out, int shape, const rep_pose *pose);
/* Where an outline crosses a row; what has an odd number of crossings to its right is inside. */
typedef struct rep_crossings {
    size_t count;
    float x[REP_OUTLINE_VERTICES];
} rep_crossings;
void rep_outline_cross(rep_crossings *out, const rep_outline *outline, float y);
bool rep_crossings_hold(const rep_crossings *crossings, float x);
/* Squared distance of p to the segment a b. Here, because filling a field is little else. */
static inline float rep_segment_distance2(rep_point p, rep_point a, rep_point b) {
    const float ex = b.x - a.x, ey = b.y - a.y, px = p.x - a.x, py = p.y - a.y;
    const float length2 = ex * ex + ey * ey;
    float t = length2 > 0 ? (px * ex + py * ey) / length2 : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    const float dx = px - t * ex, dy = py - t * ey;
    return dx * dx + dy * dy;
}

/* ---- fields and paint: drawn_canvas.c ---------------------------------------------------------
 */
/* A picture in the making, values in [0, 1]; the pixels are the caller's. */
typedef struct rep_canvas {
    int32_t width, height;
    rep_colour *pixels; /* [height][width] */
} rep_canvas;

/* Signed distance of every pixel's middle to an outline, pixels, negative inside. What lies outside
 * the window, which is inside the canvas, is far away. The numbers are the caller's. */
typedef struct rep_field {
    rep_rect window;
    float *distance; /* [window.height][window.width] */
} rep_field;

/* The part of a canvas within `margin` pixels of a circle; may be empty. */
rep_rect rep_canvas_window(const rep_canvas *canvas, rep_point centre, float reach, float margin);
/* Fills out->distance within out->window. */
void rep_field_outline(rep_field *out, const rep_outline *outline);
/* A straight stroke of the given width between two points. */
void rep_field_stroke(rep_field *out, rep_point from, rep_point to, float width);

/* The whole canvas: from `first` to `second` in direction (gx, gy). */
void rep_canvas_ground(rep_canvas *canvas, rep_colour first, rep_colour second, float gx, float gy);
/* Plain, stripes, a chequer or tiles, of a period between least_px and most_px, faint. The canvas
 * is at most 40 periods wide and high. */
void rep_canvas_pattern(rep_canvas *canvas, rep_rng *rng, float least_px, float most_px,
                        float most_strength);
/* Lays colour over the canvas where the field is inside, `alpha` of it; edges are antialiased.
 * `second` is reached across the field's window in direction (gx, gy). */
void rep_canvas_fill(rep_canvas *canvas, const rep_field *field, rep_colour first,
                     rep_colour second, float gx, float gy, float alpha);
/* The same for a line of `width` pixels along the outline. */
void rep_canvas_outline(rep_canvas *canvas, const rep_field *field, rep_colour colour, float width,
                        float alpha);
/* Darkens what lies under the shape moved by (dx, dy) pixels, softly over `blur` pixels. */
void rep_canvas_shadow(rep_canvas *canvas, const rep_field *field, int dx, int dy, float blur,
                       float alpha);
/* Light over the whole picture, sensor noise, and rounding to 3 bytes a pixel. `middle` is the grey
 * that contrast leaves alone; noise is a standard deviation. */
void rep_canvas_develop(uint8_t *pixels, const rep_canvas *canvas, rep_rng *rng, float contrast,
                        float middle, float noise);

#endif
