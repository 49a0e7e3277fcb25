/* detection_place.c - parts of pictures as parts of frames, with the objects on them.
 *
 * Everything that moves a picture is one map per axis, x' = tile + (x - left) * side / part, then
 * side - 1 - x' where mirrored: resizing, zoom and mosaic differ in the part and the tile alone. */
#include <math.h>
#include <string.h>

#include "data/detection_loader.h"

/* ---- parts ------------------------------------------------------------------------------------
 */

rep_placement rep_placement_plain(const rep_picture *picture, rep_frame frame) {
    return (rep_placement){.width = picture->width,
                           .height = picture->height,
                           .tile = {0, 0, frame.width, frame.height}};
}

static int32_t at_least_1(double side) { return side < 1 ? 1 : (int32_t)side; }

rep_placement rep_placement_zoomed(const rep_picture *picture, rep_frame frame, double scale,
                                   double across, double down) {
    rep_placement p = rep_placement_plain(picture, frame);
    if (scale <= 1) {
        p.tile.width = at_least_1(nearbyint(frame.width * scale));
        p.tile.height = at_least_1(nearbyint(frame.height * scale));
        p.tile.left = (int32_t)(across * (frame.width - p.tile.width + 1));
        p.tile.top = (int32_t)(down * (frame.height - p.tile.height + 1));
        return p;
    }
    p.width = picture->width / scale;
    p.height = picture->height / scale;
    p.left = across * (picture->width - p.width);
    p.top = down * (picture->height - p.height);
    return p;
}

rep_placement rep_placement_covering(const rep_picture *picture, rep_rect tile, double across,
                                     double down) {
    const double scale =
        fmin((double)picture->width / tile.width, (double)picture->height / tile.height);
    /* Rounding must not reach over the edge. */
    rep_placement p = {.width = fmin(tile.width * scale, picture->width),
                       .height = fmin(tile.height * scale, picture->height),
                       .tile = tile};
    p.left = across * (picture->width - p.width);
    p.top = down * (picture->height - p.height);
    return p;
}

/* ---- pixels -----------------------------------------------------------------------------------
 */

/* first .. first + count - 1 of `side` pixels nearest to the part `start`, `length` of `whole`,
 * which becomes exactly that. */
static void snap(int32_t *first, int32_t *count, double *start, double *length, int32_t side,
                 int32_t whole) {
    const double scale = (double)side / whole;
    *count = at_least_1(nearbyint(*length * scale));
    if (*count > side) { *count = side; }
    *first = (int32_t)nearbyint(*start * scale);
    if (*first > side - *count) { *first = side - *count; }
    *start = (double)*first * whole / side;
    *length = (double)*count * whole / side;
}

rep_status rep_placement_read(rep_image *out, rep_placement *p, const rep_detection_set *set,
                              size_t index) {
    const rep_picture *picture = &set->face.pictures[index];
    rep_image decoded = {0};
    REP_TRY(rep_detection_set_read(&decoded, set, index,
                                   (int32_t)ceil(p->tile.width * (picture->width / p->width)),
                                   (int32_t)ceil(p->tile.height * (picture->height / p->height))));
    rep_rect part;
    snap(&part.left, &part.width, &p->left, &p->width, decoded.width, picture->width);
    snap(&part.top, &part.height, &p->top, &p->height, decoded.height, picture->height);
    const bool is_whole = part.width == decoded.width && part.height == decoded.height;
    if (is_whole && part.width == p->tile.width && part.height == p->tile.height) {
        *out = decoded;
        return REP_OK;
    }
    const rep_status status =
        rep_image_resize_part(out, &decoded, part, p->tile.width, p->tile.height);
    rep_image_clear(&decoded);
    return status;
}

/* ---- objects ----------------------------------------------------------------------------------
 */

/* Where a point lies in the tile, before that is moved to its place. */
static void move_in_tile(double *x, double *y, const rep_placement *p) {
    *x = (*x - p->left) * (p->tile.width / p->width);
    *y = (*y - p->top) * (p->tile.height / p->height);
    if (p->is_mirrored) { *x = p->tile.width - 1 - *x; }
    if (p->is_upturned) { *y = p->tile.height - 1 - *y; }
}

typedef struct box {
    double x1, y1, x2, y2;
} box;

static double limit(double x, double most) { return x < 0 ? 0 : x > most ? most : x; }

/* Cuts to the pixels of width x height; false where less than two a side are left. */
static bool cut(box *b, int32_t width, int32_t height) {
    b->x1 = limit(b->x1, width - 1), b->x2 = limit(b->x2, width - 1);
    b->y1 = limit(b->y1, height - 1), b->y2 = limit(b->y2, height - 1);
    return b->x2 > b->x1 && b->y2 > b->y1;
}

static double area(const box *b) { return (b->x2 - b->x1 + 1) * (b->y2 - b->y1 + 1); }

/* Where the box of an object lies in the tile; false when it is dropped. */
static bool move_box(box *out, const rep_object *o, const rep_picture *picture,
                     const rep_placement *p, const rep_detection_augment *rules) {
    box b = {o->x, o->y, o->x + o->w - 1, o->y + o->h - 1};
    if (!cut(&b, picture->width, picture->height)) { return false; }
    move_in_tile(&b.x1, &b.y1, p);
    move_in_tile(&b.x2, &b.y2, p);
    /* A mirror turns the corners round. */
    const box moved = {fmin(b.x1, b.x2), fmin(b.y1, b.y2), fmax(b.x1, b.x2), fmax(b.y1, b.y2)};
    *out = moved;
    return cut(out, p->tile.width, p->tile.height) &&
           area(out) >= (double)rules->min_visible * area(&moved) &&
           out->x2 - out->x1 + 1 >= (double)rules->min_side_px &&
           out->y2 - out->y1 + 1 >= (double)rules->min_side_px;
}

/* Of the whole object as it is shown, in pixels of the frame: the file's, or the box's where the
 * file has none above 0. */
static double shown_area(const rep_object *o, const rep_placement *p) {
    const double of_file = o->area > 0 ? o->area : o->w * o->h;
    return of_file * (p->tile.width / p->width) * (p->tile.height / p->height);
}

/* out[K][3]. Left and right change places in a mirror, and again in a second one. */
static void move_keypoints(float *out, int32_t room, const rep_object *o, const rep_category *of,
                           const rep_placement *p) {
    memset(out, 0, (size_t)room * 3 * sizeof *out);
    if (!o->keypoints) { return; }
    const bool is_swapped = p->is_mirrored != p->is_upturned;
    for (int32_t k = 0; k < of->keypoint_count; k++) {
        const double *from = o->keypoints + 3 * (is_swapped ? of->flip[k] : k);
        double x = from[0], y = from[1];
        if (!(from[2] > 0)) { continue; }
        move_in_tile(&x, &y, p);
        /* A pixel reaches half a pixel to either side of its middle. */
        const bool is_inside =
            x >= -0.5 && y >= -0.5 && x <= p->tile.width - 0.5 && y <= p->tile.height - 0.5;
        if (!is_inside) { continue; }
        out[3 * k] = (float)(x + p->tile.left);
        out[3 * k + 1] = (float)(y + p->tile.top);
        out[3 * k + 2] = (float)from[2];
    }
}

void rep_placement_objects(rep_placed_objects *out, const rep_placement *p,
                           const rep_annotations *annotations, size_t index,
                           const rep_detection_augment *rules, bool has_difficult) {
    const rep_picture *picture = &annotations->pictures[index];
    for (size_t i = picture->first; i < picture->first + picture->count; i++) {
        const rep_object *o = &annotations->objects[i];
        box b;
        if (o->is_crowd || (o->is_difficult && !has_difficult)) { continue; }
        if (!move_box(&b, o, picture, p, rules)) { continue; }
        float *to = out->boxes + 4 * out->count;
        to[0] = (float)(b.x1 + p->tile.left);
        to[1] = (float)(b.y1 + p->tile.top);
        to[2] = (float)(b.x2 + p->tile.left);
        to[3] = (float)(b.y2 + p->tile.top);
        out->labels[out->count] = o->category + 1;
        out->sources[out->count] = (uint32_t)i;
        out->areas[out->count] = (float)shown_area(o, p);
        if (out->keypoints) {
            move_keypoints(out->keypoints + 3 * (size_t)out->keypoint_count * out->count,
                           out->keypoint_count, o, &annotations->categories[o->category], p);
        }
        out->count++;
    }
}
