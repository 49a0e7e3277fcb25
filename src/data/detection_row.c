/* detection_row.c - one row of a detection batch: a picture, zoomed, or four of them in a mosaic.
 *
 * A row is one to four tiles, each a part of a picture. Every tile makes the same draws whatever is
 * switched on, from a stream of its own keyed by the picture that the row was planned for, so that
 * neither another tile nor a picture put in for a bad one changes them. */
#include <inttypes.h>
#include <math.h>

#include "data/detection_loader.h"

/* Tiles meet a quarter from the edge at most: a frame of four pixels leaves each of them one. */
enum { MOSAIC_TILES = 4, LEAST_MOSAIC_PX = 4, MOST_BAD = 100 };

/* What is drawn for the whole row. */
typedef struct row_draws {
    bool is_mosaic;
    double scale;                    /* of the zoom */
    double across, down;             /* mosaic: where the tiles meet, share of the frame */
    uint32_t pictures[MOSAIC_TILES]; /* of the tiles */
} row_draws;

static uint64_t key_of(const rep_detection_row *r) { return r->epoch << 32 | r->picture->index; }

static row_draws draw_row(const rep_detection_row *r) {
    const rep_detection_augment *a = &r->options->augment;
    row_draws d = {.scale = 1, .pictures = {r->picture->index}};
    if (!r->options->is_train) { return d; }
    rep_rng rng;
    rep_rng_init(&rng, r->options->seed ^ rep_hash_text("detection row"), key_of(r));
    d.is_mosaic = rep_rng_uniform(&rng) < a->mosaic_probability;
    const bool is_zoomed = rep_rng_uniform(&rng) < a->zoom_probability;
    const double u = 2 * (double)rep_rng_uniform(&rng) - 1;
    if (is_zoomed) { d.scale = rep_exact_exp(u * rep_exact_log((double)a->zoom)); }
    d.across = 0.25 + 0.5 * (double)rep_rng_uniform(&rng);
    d.down = 0.25 + 0.5 * (double)rep_rng_uniform(&rng);
    for (int i = 1; i < MOSAIC_TILES; i++) {
        d.pictures[i] = rep_rng_below(&rng, (uint32_t)r->set->face.picture_count);
    }
    return d;
}

/* Whether the row becomes a mosaic, once it is known how large its frame is. */
static bool is_mosaic(const rep_detection_row *r, const row_draws *d) {
    return d->is_mosaic && r->picture->width >= LEAST_MOSAIC_PX &&
           r->picture->height >= LEAST_MOSAIC_PX;
}

/* Quarter `tile` of a frame, row by row. */
static rep_rect quarter(rep_frame frame, const row_draws *d, int tile) {
    const int32_t left = (int32_t)(frame.width * d->across);
    const int32_t top = (int32_t)(frame.height * d->down);
    const bool is_right = tile & 1, is_low = tile & 2;
    return (rep_rect){is_right ? left : 0, is_low ? top : 0, is_right ? frame.width - left : left,
                      is_low ? frame.height - top : top};
}

/* What a tile shows of picture `index`, where its stream is at its beginning. */
static rep_placement place_tile(const rep_detection_row *r, const row_draws *d, int tile,
                                uint32_t index, rep_rng *rng) {
    const rep_detection_augment *a = &r->options->augment;
    const rep_picture *picture = &r->set->face.pictures[index];
    const rep_frame frame = {r->picture->height, r->picture->width};
    if (!r->options->is_train) { return rep_placement_plain(picture, frame); }
    const bool is_mirrored = rep_rng_uniform(rng) < a->colour.flip_probability;
    const bool is_upturned = rep_rng_uniform(rng) < a->vertical_flip_probability;
    const double across = (double)rep_rng_uniform(rng), down = (double)rep_rng_uniform(rng);
    rep_placement p = is_mosaic(r, d)
                          ? rep_placement_covering(picture, quarter(frame, d, tile), across, down)
                          : rep_placement_zoomed(picture, frame, d->scale, across, down);
    p.is_mirrored = is_mirrored && r->can_flip;
    p.is_upturned = is_upturned && r->can_flip;
    return p;
}

static void set_frame(rep_detection_row *r, uint32_t index) {
    const rep_picture *picture = &r->set->face.pictures[index];
    const rep_frame frame = rep_buckets_fit(r->buckets, picture, r->least, r->bucket);
    r->picture->index = index;
    r->picture->true_width = picture->width;
    r->picture->true_height = picture->height;
    r->picture->width = frame.width;
    r->picture->height = frame.height;
    r->picture->scale_x = (double)picture->width / frame.width;
    r->picture->scale_y = (double)picture->height / frame.height;
}

/* Writes a tile's values to its place, mirrored as it is. */
static void copy_tile(const rep_detection_row *r, const rep_placement *p) {
    const rep_rect tile = p->tile;
    const size_t stride = 3 * (size_t)r->buckets->items[r->bucket].width;
    for (int32_t y = 0; y < tile.height; y++) {
        const int32_t row = tile.top + (p->is_upturned ? tile.height - 1 - y : y);
        const float *from = r->scratch + 3 * (size_t)tile.width * (size_t)y;
        float *to = r->pixels + stride * (size_t)row + 3 * (size_t)tile.left;
        for (int32_t x = 0; x < tile.width; x++, from += 3) {
            float *pixel = to + 3 * (p->is_mirrored ? tile.width - 1 - x : x);
            pixel[0] = from[0], pixel[1] = from[1], pixel[2] = from[2];
        }
    }
}

static bool is_bad_file(rep_status status) {
    return status == REP_ERR_DATA || status == REP_ERR_IO;
}

/* Reads what a tile shows: of picture `index`, or of the next one that can be read. An image
 * without pixels: none was read, and that is no error. */
static rep_status read_tile(rep_image *image, rep_placement *p, rep_rng *rng, rep_detection_row *r,
                            const row_draws *d, int tile, uint32_t *index) {
    const uint32_t picture_count = (uint32_t)r->set->face.picture_count;
    const uint64_t stream = rep_hash_text("detection tile") + (uint64_t)tile;
    const uint64_t key = r->epoch << 32 | d->pictures[0];
    *image = (rep_image){0};
    for (uint32_t bad = 0; bad < MOST_BAD && bad < picture_count; bad++) {
        rep_rng_init(rng, r->options->seed ^ stream, key);
        if (tile == 0) { set_frame(r, *index); }
        *p = place_tile(r, d, tile, *index, rng);
        const rep_status status = rep_placement_read(image, p, r->set, *index);
        if (status == REP_OK) { return REP_OK; }
        if (!is_bad_file(status)) { return status; }
        if (!r->options->is_bad_skipped) { return rep_fail_prefix("DATALOADER.SKIP_BAD is off: "); }
        r->bad_count++;
        if (!r->options->is_train) { return REP_OK; }
        *index = (*index + 1) % picture_count;
    }
    return rep_fail_prefix("DATALOADER.SKIP_BAD: %d pictures in a row cannot be read, the last: ",
                           picture_count < MOST_BAD ? (int)picture_count : (int)MOST_BAD);
}

static rep_status make_tile(rep_detection_row *r, const row_draws *d, int tile) {
    rep_image image;
    rep_placement p;
    rep_rng rng;
    uint32_t index = d->pictures[tile];
    REP_TRY(read_tile(&image, &p, &rng, r, d, tile, &index));
    if (!image.pixels) {
        r->picture->is_bad = true;
        return REP_OK;
    }
    const bool is_train = r->options->is_train;
    rep_augment_colours(r->augmenter, is_train ? &rng : NULL, image.pixels,
                        (size_t)image.width * (size_t)image.height, r->scratch);
    rep_image_clear(&image);
    copy_tile(r, &p);
    rep_placement_objects(r->objects, &p, &r->set->face, index, &r->options->augment, !is_train);
    return REP_OK;
}

rep_status rep_detection_row_make(rep_detection_row *r) {
    const row_draws d = draw_row(r);
    r->picture->is_bad = false;
    r->picture->first = r->objects->count;
    REP_TRY(make_tile(r, &d, 0)); /* says how large the frame is */
    for (int tile = 1; tile < MOSAIC_TILES && is_mosaic(r, &d); tile++) {
        REP_TRY(make_tile(r, &d, tile));
    }
    r->picture->count = r->objects->count - r->picture->first;
    return REP_OK;
}
