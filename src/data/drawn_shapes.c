/* drawn_shapes.c - the ten outlines of the drawn data set, where they lie, and what they hold. */
#include <math.h>

#include "data/drawn.h"

/* ---- outlines: closed polygons in 1/127 of the radius -----------------------------------------
 */

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

void rep_outline_make(rep_outline *out, const int8_t (*vertices)[2], size_t count,
                      const rep_pose *pose) {
    float reach2 = 0;
    for (size_t i = 0; i < count; i++) {
        const float x = (float)vertices[i][0] / 127, y = (float)vertices[i][1] / 127;
        const float dx = pose->xx * x + pose->xy * y, dy = pose->yx * x + pose->yy * y;
        out->vertices[i] = (rep_point){pose->x + dx, pose->y + dy};
        if (dx * dx + dy * dy > reach2) { reach2 = dx * dx + dy * dy; }
    }
    out->count = count;
    out->centre = (rep_point){pose->x, pose->y};
    out->reach = sqrtf(reach2);
}

void rep_outline_shape(rep_outline *out, int shape, const rep_pose *pose) {
    rep_outline_make(out, outlines[shape].vertices, outlines[shape].count, pose);
}

void rep_outline_cross(rep_crossings *out, const rep_outline *o, float y) {
    out->count = 0;
    for (size_t i = 0, j = o->count - 1; i < o->count; j = i++) {
        const rep_point a = o->vertices[i], b = o->vertices[j];
        if ((a.y > y) == (b.y > y)) { continue; }
        out->x[out->count++] = a.x + (b.x - a.x) * ((y - a.y) / (b.y - a.y));
    }
}

bool rep_crossings_hold(const rep_crossings *crossings, float x) {
    bool is_inside = false;
    for (size_t i = 0; i < crossings->count; i++) {
        if (x < crossings->x[i]) { is_inside = !is_inside; }
    }
    return is_inside;
}
