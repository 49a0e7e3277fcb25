/* drawn_shapes.c - outlines, distance fields and paint of the drawn data set.
 *
 * Everything is additions, products, quotients, square roots and comparisons of floats, which IEEE
 * 754 defines to the bit, and nothing is contracted: every machine draws the same picture. */
#include <math.h>

#include "data/drawn.h"

/* ---- outlines: closed polygons in 1/127 of the radius -----------------------------------------
 */

enum { MAX_VERTICES = 20 };

static const int8_t disc[][2] = {{96, 0},  {91, 30},   {78, 56},   {56, 78},   {30, 91},
                                 {0, 96},  {-30, 91},  {-56, 78},  {-78, 56},  {-91, 30},
                                 {-96, 0}, {-91, -30}, {-78, -56}, {-56, -78}, {-30, -91},
                                 {0, -96}, {30, -91},  {56, -78},  {78, -56},  {91, -30}};
static const int8_t square[][2] = {{83, 83}, {-83, 83}, {-83, -83}, {83, -83}};
static const int8_t triangle[][2] = {{0, -122}, {106, 61}, {-106, 61}};
static const int8_t hexagon[][2] = {{104, 0},  {52, 90},   {-52, 90},
                                    {-104, 0}, {-52, -90}, {52, -90}};
static const int8_t star[][2] = {{0, -124}, {32, -44},  {118, -38}, {51, 17},    {73, 100},
                                 {0, 54},   {-73, 100}, {-51, 17},  {-118, -38}, {-32, -44}};
static const int8_t cross[][2] = {{-36, -108}, {36, -108}, {36, -36},   {108, -36},
                                  {108, 36},   {36, 36},   {36, 108},   {-36, 108},
                                  {-36, 36},   {-108, 36}, {-108, -36}, {-36, -36}};
static const int8_t heart[][2] = {{0, -38},    {3, -50},   {21, -74},  {56, -84},  {91, -67},
                                  {106, -32},  {91, 7},    {56, 42},   {21, 73},   {3, 97},
                                  {0, 107},    {-3, 97},   {-21, 73},  {-56, 42},  {-91, 7},
                                  {-106, -32}, {-91, -67}, {-56, -84}, {-21, -74}, {-3, -50}};
static const int8_t crescent[][2] = {{97, 88},   {60, 107},  {19, 112},  {-21, 101}, {-54, 76},
                                     {-76, 41},  {-84, 0},   {-76, -41}, {-54, -76}, {-21, -101},
                                     {19, -112}, {60, -107}, {97, -88},  {58, -87},  {23, -69},
                                     {-1, -38},  {-10, 0},   {-1, 38},   {23, 69},   {58, 87}};
static const int8_t arrow[][2] = {{124, 0},   {28, -92}, {28, -40}, {-112, -40},
                                  {-112, 40}, {28, 40},  {28, 92}};
static const int8_t bolt[][2] = {{20, -124}, {-74, 14}, {-14, 14}, {-36, 124},
                                 {74, -26},  {12, -26}, {60, -124}};

#define OUTLINE(name)                                                                              \
    { name, sizeof name / sizeof name[0] }
static const struct {
    const int8_t (*vertices)[2];
    size_t count;
} outlines[REP_SHAPE_COUNT] = {
    OUTLINE(disc),  OUTLINE(square), OUTLINE(triangle), OUTLINE(hexagon), OUTLINE(star),
    OUTLINE(cross), OUTLINE(heart),  OUTLINE(crescent), OUTLINE(arrow),   OUTLINE(bolt)};
#undef OUTLINE
const char *const rep_shape_names[REP_SHAPE_COUNT] = {
    "disc", "square", "triangle", "hexagon", "star", "cross", "heart", "crescent", "arrow", "bolt"};

/* ---- geometry ---------------------------------------------------------------------------------
 */

void rep_turn(float *cosine, float *sine, float turn) {
    /* Quarter turns are exact; Taylor series in double serve the rest, |a| <= pi / 4, to 1e-9. */
    const double quarters = floor(4.0 * (double)turn + 0.5);
    const double a = ((double)turn - quarters / 4) * 6.283185307179586, b = a * a;
    const double s = a * (1 - b / 6 * (1 - b / 20 * (1 - b / 42 * (1 - b / 72))));
    const double c = 1 - b / 2 * (1 - b / 12 * (1 - b / 30 * (1 - b / 56 * (1 - b / 90))));
    switch ((int)(quarters - 4 * floor(quarters / 4))) {
    case 0:
        *cosine = (float)c, *sine = (float)s;
        break;
    case 1:
        *cosine = (float)-s, *sine = (float)c;
        break;
    case 2:
        *cosine = (float)-c, *sine = (float)-s;
        break;
    default:
        *cosine = (float)s, *sine = (float)-c;
        break;
    }
}

rep_pose rep_pose_make(float x, float y, float radius, float turn, float aspect) {
    float c, s;
    rep_turn(&c, &s, turn);
    /* The stretch keeps the area: a wide shape is a flat one. */
    const float wide = radius * sqrtf(aspect), high = radius / sqrtf(aspect);
    return (rep_pose){x, y, c * wide, -s * high, s * wide, c * high};
}

typedef struct point {
    float x, y;
} point;

/* Squared distance of p to the segment a b. */
static float segment_distance2(point p, point a, point b) {
    const float ex = b.x - a.x, ey = b.y - a.y, px = p.x - a.x, py = p.y - a.y;
    const float length2 = ex * ex + ey * ey;
    float t = length2 > 0 ? (px * ex + py * ey) / length2 : 0;
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    const float dx = px - t * ex, dy = py - t * ey;
    return dx * dx + dy * dy;
}

/* Nearest edge, and the sign by counting crossings of a ray. */
static float polygon_distance(point p, const point *vertices, size_t count) {
    float nearest2 = 1e9f;
    bool is_inside = false;
    for (size_t i = 0, j = count - 1; i < count; j = i++) {
        const point a = vertices[i], b = vertices[j];
        const float d2 = segment_distance2(p, a, b);
        if (d2 < nearest2) { nearest2 = d2; }
        const bool is_crossing = (a.y > p.y) != (b.y > p.y);
        if (is_crossing && p.x < a.x + (b.x - a.x) * ((p.y - a.y) / (b.y - a.y))) {
            is_inside = !is_inside;
        }
    }
    const float distance = sqrtf(nearest2);
    return is_inside ? -distance : distance;
}

void rep_field_shape(rep_field *out, int shape, const rep_pose *pose) {
    point vertices[MAX_VERTICES];
    const size_t count = outlines[shape].count;
    float reach2 = 0;
    for (size_t i = 0; i < count; i++) {
        const float x = (float)outlines[shape].vertices[i][0] / 127;
        const float y = (float)outlines[shape].vertices[i][1] / 127;
        const float dx = pose->xx * x + pose->xy * y, dy = pose->yx * x + pose->yy * y;
        vertices[i] = (point){pose->x + dx, pose->y + dy};
        if (dx * dx + dy * dy > reach2) { reach2 = dx * dx + dy * dy; }
    }
    /* Far from the shape only "outside" matters: the distance to its circle is cheaper. */
    const float reach = sqrtf(reach2), margin = 4;
    for (int y = 0; y < REP_DRAWN_SIDE; y++) {
        for (int x = 0; x < REP_DRAWN_SIDE; x++) {
            const point p = {(float)x + 0.5f, (float)y + 0.5f};
            const float dx = p.x - pose->x, dy = p.y - pose->y;
            const float away2 = dx * dx + dy * dy;
            const bool is_far = away2 > (reach + margin) * (reach + margin);
            out->distance[y * REP_DRAWN_SIDE + x] =
                is_far ? sqrtf(away2) - reach : polygon_distance(p, vertices, count);
        }
    }
}

void rep_field_stroke(rep_field *out, float x0, float y0, float x1, float y1, float width) {
    const point a = {x0, y0}, b = {x1, y1};
    for (int y = 0; y < REP_DRAWN_SIDE; y++) {
        for (int x = 0; x < REP_DRAWN_SIDE; x++) {
            const point p = {(float)x + 0.5f, (float)y + 0.5f};
            out->distance[y * REP_DRAWN_SIDE + x] = sqrtf(segment_distance2(p, a, b)) - width / 2;
        }
    }
}

/* ---- paint ------------------------------------------------------------------------------------
 */

static float clamp01(float x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

/* One channel of a colour: a trapezoid over the hue, which peaks at `peak` sixths. */
static float hue_channel(float hue, float peak) {
    float away = 6 * hue - peak;
    away -= 6 * floorf(away / 6);
    if (away > 3) { away = 6 - away; }
    return clamp01(2 - away);
}

rep_colour rep_colour_hsv(float hue, float saturation, float value) {
    const float least = value * (1 - saturation), range = value * saturation;
    return (rep_colour){least + range * hue_channel(hue, 0), least + range * hue_channel(hue, 2),
                        least + range * hue_channel(hue, 4)};
}

rep_colour rep_colour_mix(rep_colour a, rep_colour b, float share_of_b) {
    return (rep_colour){a.r + (b.r - a.r) * share_of_b, a.g + (b.g - a.g) * share_of_b,
                        a.b + (b.b - a.b) * share_of_b};
}

void rep_canvas_fill(rep_canvas *canvas, const rep_field *field, rep_colour first,
                     rep_colour second, float gx, float gy, float alpha) {
    const float half = (float)REP_DRAWN_SIDE / 2;
    for (int i = 0; i < REP_DRAWN_PIXELS; i++) {
        const float cover = clamp01(0.5f - field->distance[i]) * alpha;
        if (cover <= 0) { continue; }
        const int row = i / REP_DRAWN_SIDE, column = i % REP_DRAWN_SIDE;
        const float x = ((float)column + 0.5f) / half - 1, y = ((float)row + 0.5f) / half - 1;
        const rep_colour colour = rep_colour_mix(first, second, clamp01(0.5f + gx * x + gy * y));
        canvas->pixels[i] = rep_colour_mix(canvas->pixels[i], colour, cover);
    }
}

void rep_canvas_outline(rep_canvas *canvas, const rep_field *field, rep_colour colour, float width,
                        float alpha) {
    for (int i = 0; i < REP_DRAWN_PIXELS; i++) {
        const float away = fabsf(field->distance[i]) - width / 2;
        const float cover = clamp01(0.5f - away) * alpha;
        canvas->pixels[i] = rep_colour_mix(canvas->pixels[i], colour, cover);
    }
}

void rep_canvas_shadow(rep_canvas *canvas, const rep_field *field, int dx, int dy, float blur,
                       float alpha) {
    const rep_colour black = {0, 0, 0};
    for (int y = 0; y < REP_DRAWN_SIDE; y++) {
        for (int x = 0; x < REP_DRAWN_SIDE; x++) {
            const int u = x - dx, v = y - dy;
            if (u < 0 || u >= REP_DRAWN_SIDE || v < 0 || v >= REP_DRAWN_SIDE) { continue; }
            const float away = field->distance[v * REP_DRAWN_SIDE + u];
            rep_colour *pixel = &canvas->pixels[y * REP_DRAWN_SIDE + x];
            *pixel = rep_colour_mix(*pixel, black, clamp01(0.5f - away / blur) * alpha);
        }
    }
}
