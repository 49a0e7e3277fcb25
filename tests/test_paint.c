/* test_paint.c - painting on pictures: how much ink lies where, labels that stay inside, sheets. */
#include <math.h>
#include <stdlib.h>

#include "base/base.h"
#include "check.h"
#include "data/paint.h"

enum { GREY = 128 };
static const rep_ink white = {255, 255, 255, 1}, black = {0, 0, 0, 1};

static rep_image blank(int32_t width, int32_t height, int32_t channels) {
    rep_image image = {0};
    CHECK_OK(rep_image_init(&image, "x", (uint32_t)width, (uint32_t)height, channels));
    memset(image.pixels, GREY, (size_t)(width * height * channels));
    return image;
}

static const uint8_t *pixel(const rep_image *image, int32_t x, int32_t y) {
    return image->pixels + (y * image->width + x) * image->channels;
}

/* How much the picture was lightened, in pixels painted white. */
static double white_area(const rep_image *image) {
    double sum = 0;
    for (int32_t i = 0; i < image->width * image->height; i++) {
        sum += (image->pixels[i * image->channels] - GREY) / (255.0 - GREY);
    }
    return sum;
}

static int32_t count_of(const rep_image *image, const rep_ink ink) {
    int32_t count = 0;
    for (int32_t i = 0; i < image->width * image->height; i++) {
        const uint8_t *p = image->pixels + 3 * i;
        count += p[0] == ink.r && p[1] == ink.g && p[2] == ink.b;
    }
    return count;
}

/* ---- strokes ----------------------------------------------------------------------------------
 */

static void test_rectangles_cover_what_they_say(void **state) {
    (void)state;
    rep_image image = blank(10, 8, 3);
    rep_paint_rect(&image, 2.25, 3, 3.5, 1.5, white);
    /* Three quarters of column 2, columns 3 and 4, three quarters of 5; row 3 and half of row 4. */
    const int wanted[2][4] = {{223, 255, 255, 223}, {176, 192, 192, 176}};
    for (int32_t y = 0; y < 2; y++) {
        for (int32_t x = 0; x < 4; x++) {
            assert_in_range(*pixel(&image, 2 + x, 3 + y), wanted[y][x] - 1, wanted[y][x] + 1);
        }
    }
    assert_true(fabs(white_area(&image) - 3.5 * 1.5) < 0.05);
    rep_image_clear(&image);
    /* A border lies inside its rectangle, and once: with half the ink no corner is darker. */
    image = blank(20, 20, 3);
    rep_paint_frame(&image, 4, 5, 12, 10, 2, (rep_ink){255, 255, 255, 0.5f});
    assert_true(fabs(white_area(&image) - 0.5 * (12 * 10 - 8 * 6)) < 0.5);
    assert_int_equal(*pixel(&image, 3, 5), GREY);
    assert_int_equal(*pixel(&image, 6, 7), GREY);
    assert_int_equal(*pixel(&image, 4, 5), *pixel(&image, 8, 6));
    rep_image_clear(&image);
}

static void test_lines_and_discs_have_their_area(void **state) {
    (void)state;
    for (int turn = 0; turn < 12; turn++) {
        rep_image image = blank(100, 100, 1);
        const double dx = 30 * cos(turn * 0.3), dy = 30 * sin(turn * 0.3);
        rep_paint_line(&image, 50.3 - dx, 50.6 - dy, 50.3 + dx, 50.6 + dy, 4, white);
        /* Round ends add a disc. */
        const double wanted = 60 * 4 + 3.14159265 * 4;
        assert_true(fabs(white_area(&image) - wanted) < 0.03 * wanted);
        rep_image_clear(&image);
    }
    rep_image image = blank(60, 60, 1);
    rep_paint_disc(&image, 30.4, 29.2, 17, white);
    assert_true(fabs(white_area(&image) - 3.14159265 * 17 * 17) < 5);
    rep_image_clear(&image);
}

static void test_what_reaches_beyond_is_cut(void **state) {
    (void)state;
    const double far[] = {-1e30, -1e9, -50, -0.5, 0, 7.5, 8, 50, 1e9, 1e30, NAN, INFINITY};
    const size_t count = sizeof far / sizeof far[0];
    for (size_t i = 0; i < count * count; i++) {
        /* A sanitizer sees a write beyond the 8 x 8 pixels. */
        rep_image image = blank(8, 8, 3);
        const double a = far[i / count], b = far[i % count];
        rep_paint_rect(&image, a, b, 9, 9, white);
        rep_paint_frame(&image, b, a, b, a, 2, white);
        rep_paint_line(&image, a, b, 3, 4, 2, white);
        rep_paint_disc(&image, a, b, 3, white);
        rep_image_clear(&image);
    }
    for (int32_t at = -40; at < 20; at++) {
        rep_image image = blank(8, 8, 3);
        rep_paint_text(&image, at, -at, "Wg@", 2, white);
        rep_paint_text(&image, at, at, "Wg@", 1, white);
        rep_image_clear(&image);
    }
    rep_image image = blank(8, 8, 3);
    rep_paint_rect(&image, NAN, 0, 9, 9, white);
    rep_paint_line(&image, NAN, 0, 4, 4, 3, white);
    rep_paint_disc(&image, 4, 4, NAN, white);
    rep_paint_rect(&image, 0, 0, 9, 9, (rep_ink){255, 255, 255, 0});
    assert_true(white_area(&image) == 0);
    rep_paint_rect(&image, -5, -5, 50, 50, white);
    assert_true(white_area(&image) == 64);
    rep_image_clear(&image);
}

/* ---- text -------------------------------------------------------------------------------------
 */

static void test_every_letter_has_its_own_shape(void **state) {
    (void)state;
    uint8_t letters[95][5 * 9];
    for (int code = 32; code < 127; code++) {
        const char text[2] = {(char)code, '\0'};
        rep_image image = blank(7, 11, 1);
        rep_paint_text(&image, 1, 1, text, 1, white);
        int inside = 0;
        for (int i = 0; i < 5 * 9; i++) {
            letters[code - 32][i] = *pixel(&image, 1 + i % 5, 1 + i / 5);
            inside += letters[code - 32][i] == 255;
        }
        assert_true(inside == (int)lround(white_area(&image)));
        assert_true((inside == 0) == (code == ' '));
        for (int other = 32; other < code; other++) {
            assert_memory_not_equal(letters[code - 32], letters[other - 32], 5 * 9);
        }
        rep_image_clear(&image);
    }
}

static void test_text_is_as_wide_as_it_says(void **state) {
    (void)state;
    assert_int_equal(rep_paint_text_width("", 3), 0);
    assert_int_equal(rep_paint_text_width("M", 1), 5);
    assert_int_equal(rep_paint_text_width("fish 0.93", 2), (9 * 6 - 1) * 2);
    /* One box for each character that is not ASCII, and for each byte that is no UTF-8. */
    assert_int_equal(rep_paint_text_width("a\xC3\xA9\xE2\x82\xAC", 1), 3 * 6 - 1);
    assert_int_equal(rep_paint_text_width("a\xFF\xFE", 1), 3 * 6 - 1);
    rep_image image = blank(60, 20, 3);
    rep_paint_text(&image, 3, 1, "MM", 2, white);
    int32_t left = 99, right = -1;
    for (int32_t i = 0; i < 60 * 20; i++) {
        if (image.pixels[3 * i] == GREY) { continue; }
        if (i % 60 < left) { left = i % 60; }
        if (i % 60 > right) { right = i % 60; }
    }
    assert_int_equal(left, 3);
    assert_int_equal(right, 3 + rep_paint_text_width("MM", 2) - 1);
    rep_image_clear(&image);
}

/* ---- detections -------------------------------------------------------------------------------
 */

static void test_class_colours_differ(void **state) {
    (void)state;
    for (int32_t a = 0; a < 21; a++) {
        const rep_ink x = rep_paint_class_ink(a);
        for (int32_t b = 0; b < a; b++) {
            const rep_ink y = rep_paint_class_ink(b);
            assert_true(abs(x.r - y.r) + abs(x.g - y.g) + abs(x.b - y.b) > 40);
        }
    }
    const rep_ink again = rep_paint_class_ink(21), first = rep_paint_class_ink(0);
    assert_true(again.r == first.r && again.g == first.g && again.b == first.b);
}

static const char *const point_names[] = {"a", "b", "c"};
static const int32_t limbs[][2] = {{0, 1}, {1, 2}};
static const rep_category categories[] = {{.id = 1, .name = "plain"},
                                          {.id = 2,
                                           .name = "pointed",
                                           .keypoint_count = 3,
                                           .keypoint_names = point_names,
                                           .limb_count = 2,
                                           .limbs = limbs}};

static void test_labels_stay_inside(void **state) {
    (void)state;
    /* The label's letters are black on orange, and nothing else is black. */
    int32_t wanted = 0;
    const double places[][2] = {{80, 70},   {0, 0},    {190, 0},   {0, 140},
                                {190, 140}, {-30, 50}, {195, 145}, {80, -15}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        rep_image image = blank(200, 150, 3);
        const rep_detection d = {
            .x = places[i][0], .y = places[i][1], .w = 30, .h = 20, .score = 0.876};
        rep_paint_detections(&image, categories, &d, 1, NULL);
        const int32_t letters = count_of(&image, black);
        if (i == 0) { wanted = letters; }
        assert_true(letters > 60);
        assert_int_equal(letters, wanted);
        rep_image_clear(&image);
    }
    /* "plain 0.88" above its box. */
    rep_image image = blank(200, 150, 3), text = blank(200, 150, 3);
    const rep_detection d = {.x = 80, .y = 70, .w = 30, .h = 20, .score = 0.876};
    rep_paint_detections(&image, categories, &d, 1, NULL);
    rep_paint_text(&text, 82, 60, "plain 0.88", 1, black);
    for (int32_t y = 60; y < 69; y++) {
        for (int32_t x = 82; x < 82 + 59; x++) {
            assert_true((*pixel(&image, x, y) == 0) == (*pixel(&text, x, y) == 0));
        }
    }
    rep_image_clear(&image);
    rep_image_clear(&text);
}

static void test_labels_keep_apart(void **state) {
    (void)state;
    rep_image one = blank(200, 200, 3), four = blank(200, 200, 3);
    rep_detection d[4];
    for (int i = 0; i < 4; i++) {
        d[i] = (rep_detection){.x = 60, .y = 80, .w = 40, .h = 60, .score = 0.5};
    }
    rep_paint_detections(&one, categories, d, 1, NULL);
    rep_paint_detections(&four, categories, d, 4, NULL);
    assert_int_equal(count_of(&four, black), 4 * count_of(&one, black));
    rep_image_clear(&one);
    rep_image_clear(&four);
}

static void test_boxes_scores_and_zoom(void **state) {
    (void)state;
    const rep_detection d[] = {{.x = 10, .y = 20, .w = 30, .h = 25, .score = 0.9},
                               {.category = 1, .x = 60, .y = 50, .w = 20, .h = 20, .score = 0.1}};
    const rep_ink ink = rep_paint_class_ink(0), other = rep_paint_class_ink(1);
    rep_image image = blank(200, 200, 3);
    const rep_paint_options options = {.zoom = 2, .min_score = 0.3};
    rep_paint_detections(&image, categories, d, 2, &options);
    /* The box is at 20, 40, its border one pixel, its rim outside of it. */
    for (int32_t y = 41; y < 89; y++) {
        const uint8_t *p = pixel(&image, 20, y), *q = pixel(&image, 79, y);
        assert_true(p[0] == ink.r && p[1] == ink.g && p[2] == ink.b);
        assert_memory_equal(p, q, 3);
        assert_int_equal(*pixel(&image, 21, y), GREY);
        assert_true(*pixel(&image, 19, y) < GREY);
    }
    assert_int_equal(count_of(&image, other), 0);
    rep_paint_detections(&image, categories, d, 2, &(rep_paint_options){.zoom = 2});
    assert_true(count_of(&image, other) > 100);
    rep_image_clear(&image);
}

static void test_keypoints_show_whether_they_are_seen(void **state) {
    (void)state;
    const double points[] = {40, 40, 2, 80, 40, 1, 80, 80, 0};
    const rep_object o = {
        .category = 1, .x = 20, .y = 20, .w = 90, .h = 90, .keypoints = points, .is_crowd = false};
    const rep_ink ink = rep_paint_class_ink(1);
    rep_image image = blank(150, 150, 3);
    rep_paint_objects(&image, categories, &o, 1, NULL);
    assert_int_equal(pixel(&image, 40, 40)[1], ink.g);
    assert_true(pixel(&image, 80, 40)[1] < 60);     /* a ring about a dark middle */
    assert_int_equal(*pixel(&image, 80, 80), GREY); /* absent: neither it nor its limb */
    assert_int_equal(*pixel(&image, 80, 60), GREY);
    assert_true(*pixel(&image, 60, 40) != GREY); /* the limb of the two that are there */
    rep_image_clear(&image);
    /* The same as a detection: all are shown. */
    const double plain[] = {40, 40, 80, 40, 80, 80};
    const rep_detection d = {
        .category = 1, .x = 20, .y = 20, .w = 90, .h = 90, .score = 1, .keypoints = plain};
    image = blank(150, 150, 3);
    rep_paint_detections(&image, categories, &d, 1, NULL);
    assert_int_equal(pixel(&image, 80, 40)[1], ink.g);
    assert_int_equal(pixel(&image, 80, 80)[1], ink.g);
    assert_true(*pixel(&image, 80, 60) != GREY);
    rep_image_clear(&image);
}

/* ---- sheets -----------------------------------------------------------------------------------
 */

static void test_sheets_lay_pictures_in_rows(void **state) {
    (void)state;
    rep_image pictures[5], sheet = {0};
    for (int i = 0; i < 5; i++) {
        pictures[i] = blank(i == 3 ? 20 : 40, 40, i == 1 ? 1 : 3);
        memset(pictures[i].pixels, 10 * (i + 1),
               (size_t)(pictures[i].width * 40 * pictures[i].channels));
    }
    const char *const captions[5] = {"one", "two", NULL, "a caption that is far too wide", "five"};
    CHECK_OK(rep_paint_sheet(&sheet, pictures, captions, 5, NULL));
    /* 3 columns, 2 rows; cells of 40 with 8 between them, captions of 12. */
    assert_int_equal(sheet.width, 8 + 3 * 48);
    assert_int_equal(sheet.height, 8 + 2 * 60);
    assert_int_equal(sheet.channels, 3);
    for (int i = 0; i < 5; i++) {
        const int32_t x = 8 + i % 3 * 48, y = 8 + i / 3 * 60;
        const int32_t inset = i == 3 ? 10 : 0; /* a narrow one stands in the middle */
        assert_int_equal(pixel(&sheet, x + inset, y)[1], 10 * (i + 1));
        assert_int_equal(pixel(&sheet, x + 39 - inset, y + 39)[2], 10 * (i + 1));
        assert_int_equal(*pixel(&sheet, x + inset - 1, y), 250);
        assert_int_equal(*pixel(&sheet, x + 40 - inset, y), 250);
        int ink = 0, outside = 0;
        for (int32_t n = 0; n < 48 * 12; n++) {
            const bool is_dark = *pixel(&sheet, x - 4 + n % 48, y + 40 + n / 48) < 200;
            ink += is_dark;
            outside += is_dark && (n % 48 < 4 || n % 48 >= 44);
        }
        assert_true((ink > 10) == (captions[i] != NULL));
        assert_int_equal(outside, 0);
    }
    rep_image_clear(&sheet);
    CHECK_OK(rep_paint_sheet(&sheet, pictures, NULL, 5,
                             &(rep_sheet_options){.columns = 5, .cell_px = 20}));
    assert_int_equal(sheet.width * 1000 + sheet.height, (8 + 5 * 28) * 1000 + 8 + 28);
    rep_image_clear(&sheet);
    CHECK_FAILS(rep_paint_sheet(&sheet, pictures, NULL, 0, NULL), REP_ERR_ARGUMENT, "0 pictures");
    CHECK_FAILS(rep_paint_sheet(&sheet, pictures, NULL, 5, &(rep_sheet_options){.cell_px = 9000}),
                REP_ERR_DATA, "100 megapixels");
    CHECK_FAILS(
        rep_paint_sheet(&sheet, pictures, NULL, 5, &(rep_sheet_options){.cell_px = INT32_MAX}),
        REP_ERR_DATA, "100 megapixels");
    for (int i = 0; i < 5; i++) { rep_image_clear(&pictures[i]); }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rectangles_cover_what_they_say),
        cmocka_unit_test(test_lines_and_discs_have_their_area),
        cmocka_unit_test(test_what_reaches_beyond_is_cut),
        cmocka_unit_test(test_every_letter_has_its_own_shape),
        cmocka_unit_test(test_text_is_as_wide_as_it_says),
        cmocka_unit_test(test_class_colours_differ),
        cmocka_unit_test(test_labels_stay_inside),
        cmocka_unit_test(test_labels_keep_apart),
        cmocka_unit_test(test_boxes_scores_and_zoom),
        cmocka_unit_test(test_keypoints_show_whether_they_are_seen),
        cmocka_unit_test(test_sheets_lay_pictures_in_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
