/* test_detection_place.c - where pictures, boxes and keypoints come to lie: against the pixels
 * themselves, and against a slow reference. */
#include "coded_set.h"

static rep_detection_set *coded;

static int make_coded(void **state) {
    if (temp_make(state) != 0) { return -1; }
    coded_write("coded", coded_pairs);
    coded = coded_open("coded", 0);
    return 0;
}

static int remove_coded(void **state) {
    rep_detection_set_close(coded);
    return temp_remove(state);
}

/* ---- sizes ------------------------------------------------------------------------------------
 */

static void test_sizes_are_maskrcnn_benchmarks(void **state) {
    (void)state;
    /* get_size of maskrcnn_benchmark/data/transforms, worked out by hand. */
    static const struct {
        int32_t width, height, least, most, to_width, to_height;
    } rows[] = {
        {640, 480, 800, 1333, 1066, 800},  {480, 640, 800, 1333, 800, 1066},
        {1000, 300, 800, 1333, 1333, 400}, {300, 1000, 800, 1333, 400, 1333},
        {500, 500, 800, 1333, 800, 800},   {640, 427, 800, 1333, 1199, 800},
        {640, 480, 240, 320, 320, 240},    {640, 480, 240, 319, 318, 239},
        {612, 612, 100, 50, 50, 50},       {10000, 1, 800, 1333, 1333, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const rep_frame f =
            rep_frame_resized(rows[i].width, rows[i].height, rows[i].least, rows[i].most);
        assert_int_equal(f.width, rows[i].to_width);
        assert_int_equal(f.height, rows[i].to_height);
    }
    const rep_frame wide = rep_frame_fitted(200, 100, (rep_frame){64, 64});
    assert_true(wide.width == 64 && wide.height == 32);
    const rep_frame thin = rep_frame_fitted(1, 1000, (rep_frame){64, 64});
    assert_true(thin.width == 1 && thin.height == 64);
}

/* ---- objects against a slow reference ---------------------------------------------------------
 */

static double draw(rep_rng *rng, double least, double most) {
    return least + (most - least) * (double)rep_rng_uniform(rng);
}

/* Steps in their own order: shift, scale, mirror, shift. */
static void slow_move(double out[2], double x, double y, const rep_placement *p) {
    const double from[2] = {x, y}, start[2] = {p->left, p->top}, part[2] = {p->width, p->height};
    const int32_t side[2] = {p->tile.width, p->tile.height};
    const int32_t place[2] = {p->tile.left, p->tile.top};
    const bool is_turned[2] = {p->is_mirrored, p->is_upturned};
    for (int axis = 0; axis < 2; axis++) {
        double at = from[axis] - start[axis];
        at = at / part[axis] * side[axis];
        if (is_turned[axis]) { at = (side[axis] - 1) - at; }
        out[axis] = at + place[axis];
    }
}

/* Share of a moved box in the tile by sampling its pixels' area, and its extent there. */
static double slow_share(float extent[4], const rep_object *o, const rep_placement *p) {
    enum { STEPS = 300 };
    double a[2], b[2];
    slow_move(a, o->x, o->y, p);
    slow_move(b, o->x + o->w - 1, o->y + o->h - 1, p);
    const double x1 = fmin(a[0], b[0]), x2 = fmax(a[0], b[0]);
    const double y1 = fmin(a[1], b[1]), y2 = fmax(a[1], b[1]);
    const rep_rect t = p->tile;
    size_t inside = 0;
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < STEPS; k++) {
            const double x = x1 - 0.5 + (i + 0.5) * (x2 - x1 + 1) / STEPS;
            const double y = y1 - 0.5 + (k + 0.5) * (y2 - y1 + 1) / STEPS;
            inside += x >= t.left - 0.5 && x <= t.left + t.width - 0.5 && y >= t.top - 0.5 &&
                      y <= t.top + t.height - 0.5;
        }
    }
    extent[0] = (float)fmax(x1, t.left);
    extent[1] = (float)fmax(y1, t.top);
    extent[2] = (float)fmin(x2, t.left + t.width - 1);
    extent[3] = (float)fmin(y2, t.top + t.height - 1);
    return (double)inside / (STEPS * STEPS);
}

static rep_placement draw_placement(rep_rng *rng, const rep_picture *picture, rep_frame frame) {
    const double across = draw(rng, 0, 1), down = draw(rng, 0, 1);
    rep_placement p;
    if (rep_rng_below(rng, 3) == 0) {
        const rep_rect tile = {(int32_t)rep_rng_below(rng, 40), (int32_t)rep_rng_below(rng, 40),
                               20 + (int32_t)rep_rng_below(rng, 60),
                               20 + (int32_t)rep_rng_below(rng, 60)};
        p = rep_placement_covering(picture, tile, across, down);
        const double scale_x = p.width / p.tile.width, scale_y = p.height / p.tile.height;
        assert_true(fabs(scale_x - scale_y) < 1e-12);
        assert_true(fabs(p.width - picture->width) < 1e-9 ||
                    fabs(p.height - picture->height) < 1e-9);
    } else {
        p = rep_placement_zoomed(picture, frame, draw(rng, 0.3, 3), across, down);
        assert_true(p.tile.left >= 0 && p.tile.left + p.tile.width <= frame.width);
        assert_true(p.tile.top >= 0 && p.tile.top + p.tile.height <= frame.height);
    }
    assert_true(p.left >= 0 && p.left + p.width <= picture->width + 1e-9);
    assert_true(p.top >= 0 && p.top + p.height <= picture->height + 1e-9);
    p.is_mirrored = rep_rng_below(rng, 2);
    p.is_upturned = rep_rng_below(rng, 2);
    return p;
}

static void check_keypoints(const float *found, const rep_object *o, const rep_placement *p) {
    static const int mirror[CODED_POINTS] = {0, 2, 1};
    for (int k = 0; k < CODED_POINTS; k++) {
        const int from = p->is_mirrored != p->is_upturned ? mirror[k] : k;
        const double *point = o->keypoints ? o->keypoints + 3 * from : NULL;
        double moved[2] = {0, 0};
        bool is_seen = point && point[2] > 0;
        if (is_seen) {
            slow_move(moved, point[0], point[1], p);
            is_seen = moved[0] >= p->tile.left - 0.5 && moved[1] >= p->tile.top - 0.5 &&
                      moved[0] <= p->tile.left + p->tile.width - 0.5 &&
                      moved[1] <= p->tile.top + p->tile.height - 0.5;
        }
        assert_true(found[3 * k + 2] == (is_seen ? (float)point[2] : 0));
        assert_true(fabs((double)found[3 * k] - (is_seen ? moved[0] : 0)) < 1e-4);
        assert_true(fabs((double)found[3 * k + 1] - (is_seen ? moved[1] : 0)) < 1e-4);
    }
}

static void test_objects_match_a_slow_reference(void **state) {
    (void)state;
    const rep_annotations *all = rep_detection_set_annotations(coded);
    const rep_detection_augment rules = {.min_visible = 0.4f, .min_side_px = 6};
    float boxes[4 * CODED_OBJECTS], keypoints[3 * CODED_POINTS * CODED_OBJECTS];
    int32_t labels[CODED_OBJECTS];
    uint32_t sources[CODED_OBJECTS];
    float areas[CODED_OBJECTS];
    size_t kept = 0, dropped = 0, whole = 0;
    rep_rng rng;
    rep_rng_init(&rng, 1, 2);
    for (int round = 0; round < 400; round++) {
        const size_t index = rep_rng_below(&rng, CODED_COUNT);
        const rep_picture *picture = &all->pictures[index];
        const rep_placement p = draw_placement(&rng, picture, (rep_frame){80, 100});
        rep_placed_objects out = {0, boxes, labels, keypoints, sources, areas, CODED_POINTS};
        rep_placement_objects(&out, &p, all, index, &rules, true);
        size_t next = 0;
        for (size_t i = picture->first; i < picture->first + picture->count; i++) {
            const rep_object *o = &all->objects[i];
            const bool is_there = next < out.count && sources[next] == i;
            if (o->is_crowd) {
                assert_false(is_there);
                continue;
            }
            float extent[4];
            const double share = slow_share(extent, o, &p);
            const double side =
                fmin((double)(extent[2] - extent[0]) + 1, (double)(extent[3] - extent[1]) + 1);
            /* The samples are 1 / 300 apart, so a share near the limit may fall to either side. */
            if (fabs(share - 0.4) > 0.01 && fabs(side - 6) > 1e-3) {
                assert_int_equal(is_there, share > 0.4 && side > 6);
            }
            kept += is_there, dropped += !is_there, whole += share > 0.999;
            if (!is_there) { continue; }
            for (int k = 0; k < 4; k++) {
                assert_true(fabsf(boxes[4 * next + (size_t)k] - extent[k]) < 1e-4f);
            }
            assert_int_equal(labels[next], o->category + 1);
            check_keypoints(keypoints + 3 * CODED_POINTS * next, o, &p);
            next++;
        }
        assert_int_equal(next, out.count);
    }
    assert_true(kept > 100 && dropped > 100 && whole > 50);
}

static void test_a_part_is_whole_pixels(void **state) {
    (void)state;
    const rep_annotations *all = rep_detection_set_annotations(coded);
    rep_rng rng;
    rep_rng_init(&rng, 3, 4);
    for (int round = 0; round < 40; round++) {
        const size_t index = rep_rng_below(&rng, CODED_COUNT);
        const rep_picture *picture = &all->pictures[index];
        /* A part as large as its tile, but for a fraction: pixels are copied. */
        rep_placement p = {.tile = {0, 0, 21, 17}};
        p.width = draw(&rng, 20.6, 21.4);
        p.height = draw(&rng, 16.6, 17.4);
        p.left = draw(&rng, 0, picture->width - p.width);
        p.top = draw(&rng, 0, picture->height - p.height);
        const rep_placement wanted = p;
        rep_image image = {0};
        CHECK_OK(rep_placement_read(&image, &p, coded, index));
        assert_true(p.width == 21 && p.height == 17);
        assert_true(fabs(p.left - wanted.left) <= 0.5 && fabs(p.top - wanted.top) <= 0.5);
        for (int i = 0; i < 21 * 17; i++) {
            assert_true(image.pixels[3 * i] == 2 * (p.left + i % 21));
            assert_true(image.pixels[3 * i + 1] == 2 * (p.top + (double)(i / 21)));
        }
        rep_image_clear(&image);
    }
}

/* ---- objects against the pixels ---------------------------------------------------------------
 */

/* Which column and row of which picture the pixel nearest to x, y shows. */
static void decode_pixel(double out[3], const rep_detection_batch *batch, size_t row, float x,
                         float y) {
    const size_t at = ((row * (size_t)batch->height + (size_t)lroundf(y)) * (size_t)batch->width +
                       (size_t)lroundf(x)) *
                      3;
    out[0] = (double)batch->images[at] * 255 / 2;
    out[1] = (double)batch->images[at + 1] * 255 / 2;
    out[2] = (double)batch->images[at + 2] * 255 / 10 - 1;
}

/* How far from its place, in pixels of the picture, a pixel of the batch may seem to come from,
 * where one of the batch is as large as size: half a pixel of the batch for rounding to one, up to
 * as much for what is meant by a coordinate (a pixel's middle against its corner), a quarter where
 * interpolation draws the outermost inwards, and half a pixel for the rounding of bytes. */
static double tolerance(double size) { return 0.5 + 1.25 * fmax(1, size); }

static size_t check_row(const rep_detection_batch *batch, size_t row, const rep_annotations *all) {
    const rep_detection_picture *picture = &batch->pictures[row];
    size_t points = 0;
    for (size_t i = picture->first; i < picture->first + picture->count; i++) {
        const rep_object *o = &all->objects[batch->sources[i]];
        const float *b = batch->boxes + 4 * i;
        double low[3], high[3];
        assert_true(b[0] >= 0 && b[1] >= 0 && b[2] <= (float)picture->width - 1 &&
                    b[3] <= (float)picture->height - 1);
        decode_pixel(low, batch, row, b[0], b[1]);
        decode_pixel(high, batch, row, b[2], b[3]);
        assert_true(fabs(low[2] - (double)o->picture) < 0.1);
        assert_true(fabs(high[2] - (double)o->picture) < 0.1);
        const double least[2] = {o->x, o->y}, most[2] = {o->x + o->w - 1, o->y + o->h - 1};
        double allowed[2];
        for (int axis = 0; axis < 2; axis++) {
            allowed[axis] =
                tolerance(fabs(high[axis] - low[axis]) / (double)(b[axis + 2] - b[axis]));
            assert_true(fmin(low[axis], high[axis]) > least[axis] - allowed[axis]);
            assert_true(fmax(low[axis], high[axis]) < most[axis] + allowed[axis]);
        }
        for (size_t k = 0; k < CODED_POINTS; k++) {
            const float *point = batch->keypoints + 3 * (CODED_POINTS * i + k);
            if (point[2] == 0) { continue; }
            /* An odd number of mirrors shows the other eye. */
            const bool is_turned = (low[0] > high[0]) != (low[1] > high[1]);
            const size_t from = is_turned && k > 0 ? 3 - k : k;
            double seen[3];
            const float x = fminf(fmaxf(point[0], 0), (float)picture->width - 1);
            const float y = fminf(fmaxf(point[1], 0), (float)picture->height - 1);
            decode_pixel(seen, batch, row, x, y);
            assert_true(fabs(seen[0] - o->keypoints[3 * from]) < allowed[0]);
            assert_true(fabs(seen[1] - o->keypoints[3 * from + 1]) < allowed[1]);
            points++;
        }
    }
    return points;
}

/* Padding right of and below every picture is 0. */
static void check_padding(const rep_detection_batch *batch) {
    for (size_t row = 0; row < (size_t)batch->valid; row++) {
        const rep_detection_picture *picture = &batch->pictures[row];
        const float *p = batch->images + row * (size_t)batch->height * (size_t)batch->width * 3;
        for (int32_t y = 0; y < batch->height; y++) {
            for (int32_t x = 0; x < batch->width; x++, p += 3) {
                if (y < picture->height && x < picture->width) { continue; }
                assert_true(p[0] == 0 && p[1] == 0 && p[2] == 0);
            }
        }
    }
}

static void run_epochs(const rep_detection_augment *augment, size_t least_objects) {
    rep_detection_loader_options options = coded_options(4, true);
    options.augment = *augment;
    rep_detection_loader *loader = coded_loader(coded, &options);
    size_t objects = 0, points = 0;
    for (int n = 0; n < 40; n++) {
        const rep_detection_batch *batch = coded_next(loader);
        check_padding(batch);
        for (size_t row = 0; row < 4; row++) {
            points += check_row(batch, row, rep_detection_set_annotations(coded));
        }
        objects += batch->object_count;
    }
    rep_detection_loader_destroy(loader);
    assert_true(objects >= least_objects && points > objects / 3);
}

static void test_pixels_agree_with_objects(void **state) {
    (void)state;
    rep_detection_augment augment = coded_options(4, true).augment;
    /* 18 of 23 pictures have two objects; 40 batches of 4. */
    run_epochs(&augment, 220);
    augment.colour.flip_probability = 0.5f;
    run_epochs(&augment, 220);
    augment.vertical_flip_probability = 0.5f;
    run_epochs(&augment, 220);
    augment.zoom = 1.6f;
    augment.zoom_probability = 0.8f;
    run_epochs(&augment, 150);
    augment.mosaic_probability = 0.7f;
    augment.min_side_px = 4;
    run_epochs(&augment, 200);
}

static void test_colours_reach_every_tile(void **state) {
    (void)state;
    /* Values are shifted below 0, jittered and in blue, green, red order; what nothing covers is
     * 0. */
    rep_detection_loader_options options = coded_options(3, true);
    options.augment.colour =
        (rep_augment){.brightness = 0.5f, .mean = {2, 3, 4}, .std = {1, 1, 1}, .is_reversed = true};
    options.augment.zoom = 3;
    options.augment.zoom_probability = 1;
    rep_detection_loader *loader = coded_loader(coded, &options);
    size_t covered = 0, empty = 0;
    for (int n = 0; n < 10; n++) {
        const rep_detection_batch *batch = coded_next(loader);
        const size_t count = 3 * (size_t)batch->height * (size_t)batch->width;
        for (size_t i = 0; i < count; i++) {
            const float *p = batch->images + 3 * i;
            if (p[0] == 0) {
                assert_true(p[1] == 0 && p[2] == 0);
                empty++;
                continue;
            }
            assert_true(p[0] >= -4 && p[0] <= -3 && p[1] >= -3 && p[1] <= -2 && p[2] >= -2 &&
                        p[2] <= -1);
            covered++;
        }
    }
    rep_detection_loader_destroy(loader);
    assert_true(covered > 1000 && empty > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_are_maskrcnn_benchmarks),
        cmocka_unit_test(test_objects_match_a_slow_reference),
        cmocka_unit_test(test_a_part_is_whole_pixels),
        cmocka_unit_test(test_pixels_agree_with_objects),
        cmocka_unit_test(test_colours_reach_every_tile),
    };
    return cmocka_run_group_tests(tests, make_coded, remove_coded);
}
