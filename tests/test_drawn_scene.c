/* test_drawn_scene.c - the drawn detection set: what it depends on, and that what is said of a
 * picture is what the picture shows. */
#include <math.h>
#include <stdlib.h>

#include "data/drawn_scene.h"
#include "temp_folder.h"

static rep_scene_options options_of(uint64_t seed, bool is_train, size_t count, int32_t side_px) {
    return (rep_scene_options){
        .seed = seed, .is_train = is_train, .count = count, .side_px = side_px};
}

static rep_image render(const rep_scene_options *options, size_t index) {
    rep_image image = {0};
    CHECK_OK(rep_scene_render(&image, options, index));
    return image;
}

static rep_image paint(const rep_scene *scene) {
    rep_image image = {0};
    CHECK_OK(rep_scene_paint(&image, scene));
    return image;
}

static size_t byte_count(const rep_image *image) {
    return (size_t)image->width * (size_t)image->height * (size_t)image->channels;
}

static rep_annotations *annotate(const rep_scene_options *options) {
    rep_annotations *set = NULL;
    CHECK_OK(rep_scene_annotations(&set, options));
    return set;
}

/* ---- what a picture depends on ----------------------------------------------------------------
 */

static void test_depends_on_seed_split_index_side(void **state) {
    (void)state;
    const rep_scene_options sets[] = {options_of(1, true, 20, 0), options_of(1, true, 500, 160),
                                      options_of(1, false, 20, 0), options_of(2, true, 20, 0)};
    for (size_t i = 20; i-- > 0;) {
        rep_image images[4];
        for (int s = 0; s < 4; s++) { images[s] = render(&sets[s], i); }
        const size_t count = byte_count(&images[0]);
        assert_int_equal(count, 160 * 160 * 3);
        assert_memory_equal(images[0].pixels, images[1].pixels, count);
        assert_memory_not_equal(images[0].pixels, images[2].pixels, count);
        assert_memory_not_equal(images[0].pixels, images[3].pixels, count);
        for (int s = 0; s < 4; s++) { rep_image_clear(&images[s]); }
    }
    const rep_scene_options large = options_of(1, true, 20, 200);
    rep_image image = render(&large, 0);
    assert_int_equal(image.width * 1000 + image.height, 200200);
    rep_image_clear(&image);
}

static void test_is_the_same_everywhere(void **state) {
    (void)state;
    /* A change here changes every published figure of the set: do it knowingly. */
    const rep_scene_options options = options_of(1, true, 50, 0);
    uint64_t pictures = HASH_START, truth = pictures;
    for (size_t i = 0; i < options.count; i++) {
        rep_image image = render(&options, i);
        pictures = hash_bytes(pictures, image.pixels, byte_count(&image));
        rep_image_clear(&image);
    }
    rep_annotations *set = annotate(&options);
    for (size_t i = 0; i < set->object_count; i++) {
        const rep_object *o = &set->objects[i];
        const double values[] = {o->x, o->y, o->w, o->h, o->area, o->category, o->is_crowd};
        truth = hash_bytes(truth, values, sizeof values);
        truth = hash_bytes(truth, o->keypoints, 15 * sizeof *o->keypoints);
    }
    rep_annotations_destroy(set);
    if (pictures != 0xBA8577A7933781E6u || truth != 0xF311B4875D146B83u) {
        fail_msg("the pictures hash to %016llX, what is true of them to %016llX",
                 (unsigned long long)pictures, (unsigned long long)truth);
    }
}

static void test_refuses_senseless_options(void **state) {
    (void)state;
    rep_annotations *set = NULL;
    rep_image image = {0};
    rep_scene_options options = options_of(1, true, 0, 0);
    CHECK_FAILS(rep_scene_annotations(&set, &options), REP_ERR_ARGUMENT, "0 pictures");
    options = options_of(1, true, 1, 63);
    CHECK_FAILS(rep_scene_annotations(&set, &options), REP_ERR_ARGUMENT, "63 pixels, wanted 64");
    options = options_of(1, true, 5, 0);
    CHECK_FAILS(rep_scene_render(&image, &options, 5), REP_ERR_ARGUMENT, "picture 5 of 5");
    assert_null(set);
    assert_null(image.pixels);
}

/* ---- what the set holds -----------------------------------------------------------------------
 */

static void test_categories_say_their_points(void **state) {
    (void)state;
    const rep_scene_options options = options_of(1, true, 1, 0);
    rep_annotations *set = annotate(&options);
    static const char *const names[] = {"arrow", "house", "fish"};
    static const int32_t flips[][5] = {{0, 2, 1, 4, 3}, {0, 2, 1, 4, 3}, {0, 1, 2, 3, 4}};
    assert_int_equal(set->category_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const rep_category *c = &set->categories[i];
        assert_string_equal(c->name, names[i]);
        assert_int_equal(c->id, i + 1);
        assert_int_equal(c->keypoint_count, 5);
        assert_memory_equal(c->flip, flips[i], sizeof flips[i]);
        assert_int_equal(c->limb_count, 5);
        assert_non_null(c->sigmas);
    }
    assert_string_equal(set->categories[0].keypoint_names[0], "tip");
    assert_string_equal(set->pictures[0].file_name, "000001.png");
    rep_annotations_destroy(set);
}

static void test_holds_everything_it_promises(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    const rep_scene_options options = options_of(3, true, COUNT, 0);
    rep_annotations *set = annotate(&options);
    size_t classes[3] = {0}, views[3] = {0}, counts[9] = {0};
    assert_int_equal(set->picture_count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_in_range(set->pictures[i].count, 0, 8);
        counts[set->pictures[i].count]++;
    }
    for (size_t i = 0; i < set->object_count; i++) {
        const rep_object *o = &set->objects[i];
        classes[o->category]++;
        assert_true(o->x >= 0 && o->y >= 0 && o->x + o->w <= 160 && o->y + o->h <= 160);
        assert_true(o->area > 0 && o->area <= (o->w + 1) * (o->h + 1));
        int32_t given = 0;
        for (size_t k = 0; k < 5; k++) {
            const double *p = &o->keypoints[3 * k];
            assert_true(p[2] == 0 || p[2] == 1 || p[2] == 2);
            assert_true(p[2] > 0 ? p[0] >= o->x - 0.01 && p[0] <= o->x + o->w + 0.01 &&
                                       p[1] >= o->y - 0.01 && p[1] <= o->y + o->h + 0.01
                                 : p[0] == 0 && p[1] == 0);
            views[(int)p[2]] += !o->is_crowd;
            given += p[2] > 0;
        }
        assert_int_equal(o->keypoints_given, given);
        assert_true(!o->is_crowd || given == 0);
    }
    assert_int_equal(counts[0], 0);
    for (int i = 1; i <= 8; i++) { assert_true(counts[i] > COUNT / 50); }
    for (int i = 0; i < 3; i++) { assert_true(classes[i] > set->object_count / 4); }
    /* Most corners are seen, some hidden, some beyond the edge. */
    assert_true(views[1] > 500 && views[0] > 500 && views[2] > 10 * views[1]);
    assert_in_range(set->crowd.count, 1, set->object_count / 50);
    rep_annotations_destroy(set);
}

/* Twice the area of the triangle a b c; below 0 where c lies to the left of the way from a to b, as
 * y points down. */
static double side_of(const double *a, const double *b, const double *c) {
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

static void check_names(const rep_object *o) {
    const double *p[5];
    for (size_t k = 0; k < 5; k++) { p[k] = &o->keypoints[3 * k]; }
    /* Of a pair the left one, or the upper one, comes first. */
    const int axis = o->category == 1 ? 0 : 1;
    if (o->category == 0) {
        const double tail[2] = {(p[3][0] + p[4][0]) / 2, (p[3][1] + p[4][1]) / 2};
        for (size_t k = 1; k < 5; k++) {
            assert_true((side_of(tail, p[0], p[k]) < 0) == (k == 1 || k == 3));
        }
        return;
    }
    assert_true(p[1][axis] < p[2][axis] && p[3][axis] < p[4][axis]);
    for (size_t k = 1; k < 5 && o->category == 1; k++) { assert_true(p[0][1] < p[k][1]); }
    /* A fish's nose and its tail lie at opposite sides of its fins. */
    if (o->category == 2) {
        assert_true((p[0][0] > p[1][0]) == (p[1][0] > p[3][0] || p[2][0] > p[4][0]));
    }
}

static void test_names_mean_what_they_say(void **state) {
    (void)state;
    const rep_scene_options options = options_of(4, false, 300, 0);
    rep_annotations *set = annotate(&options);
    size_t checked[3] = {0};
    for (size_t i = 0; i < set->object_count; i++) {
        const rep_object *o = &set->objects[i];
        if (o->keypoints_given < 5) { continue; }
        check_names(o);
        checked[o->category]++;
    }
    for (int i = 0; i < 3; i++) { assert_true(checked[i] > 100); }
    rep_annotations_destroy(set);
}

/* ---- what is said is what is shown ------------------------------------------------------------
 */

static void lay_out(rep_scene *scene, size_t index) {
    const rep_scene_options options = options_of(7, true, 1000, 0);
    CHECK_OK(rep_scene_lay_out(scene, &options, index));
}

/* A figure out of sight; it keeps its place in the list, and the others their colours. */
static void move_away(rep_figure *figure) {
    const rep_figure_class *class = &rep_figure_classes[figure->class_index];
    figure->pose.x += 1e5f;
    rep_outline_make(&figure->outline, class->vertices, class->count, &figure->pose);
}

/* Largest difference of a pixel's three values; 0 outside of the pictures. */
static int difference(const rep_image *a, const rep_image *b, int32_t x, int32_t y) {
    if (x < 0 || y < 0 || x >= a->width || y >= a->height) { return 0; }
    int most = 0;
    for (int c = 0; c < 3; c++) {
        const int i = 3 * (y * a->width + x) + c, d = abs(a->pixels[i] - b->pixels[i]);
        if (d > most) { most = d; }
    }
    return most;
}

static void truth_of(rep_figure_truth truth[REP_SCENE_FIGURES], const rep_scene *scene) {
    uint8_t *owners = malloc((size_t)scene->side_px * (size_t)scene->side_px);
    assert_non_null(owners);
    rep_scene_truth(truth, owners, scene);
    free(owners);
}

static void test_boxes_are_tight(void **state) {
    (void)state;
    double slack_sum = 0, slack_most = 0;
    int sides = 0;
    for (size_t i = 0; i < 60; i++) {
        rep_scene with, without;
        lay_out(&with, i);
        with.figure_count = 1;
        with.bar_count = 0;
        with.figures[0].has_shadow = false;
        without = with;
        move_away(&without.figures[0]);
        rep_figure_truth t[REP_SCENE_FIGURES];
        truth_of(t, &with);
        rep_image a = paint(&with), b = paint(&without);
        double left = 1e9, top = 1e9, right = -1, bottom = -1;
        for (int32_t y = 0; y < a.height; y++) {
            for (int32_t x = 0; x < a.width; x++) {
                if (difference(&a, &b, x, y) == 0) { continue; }
                left = fmin(left, x), right = fmax(right, x + 1);
                top = fmin(top, y), bottom = fmax(bottom, y + 1);
            }
        }
        rep_image_clear(&a);
        rep_image_clear(&b);
        const double slack[] = {left - t->x, top - t->y, t->x + t->w - right, t->y + t->h - bottom};
        for (int s = 0; s < 4; s++) {
            slack_sum += fabs(slack[s]);
            slack_most = fmax(slack_most, fabs(slack[s]));
            sides++;
        }
    }
    print_message("box slack: mean %.3f px, most %.3f px\n", slack_sum / sides, slack_most);
    assert_true(slack_most < 1 && slack_sum / sides < 0.5);
}

static void test_seen_corners_show_their_figure(void **state) {
    (void)state;
    int seen = 0;
    for (size_t i = 0; i < 60; i++) {
        rep_scene scene;
        lay_out(&scene, i);
        for (int32_t f = 0; f < scene.figure_count; f++) { scene.figures[f].has_shadow = false; }
        rep_figure_truth t[REP_SCENE_FIGURES];
        truth_of(t, &scene);
        rep_image all = paint(&scene);
        for (int32_t f = 0; f < scene.figure_count; f++) {
            rep_scene other = scene;
            move_away(&other.figures[f]);
            rep_image without = paint(&other);
            for (size_t k = 0; k < REP_FIGURE_KEYPOINTS; k++) {
                const double *p = &t[f].keypoints[3 * k];
                if (p[2] < 2) { continue; }
                int most = 0;
                for (int32_t n = 0; n < 9; n++) {
                    const int d = difference(&all, &without, (int32_t)p[0] + n % 3 - 1,
                                             (int32_t)p[1] + n / 3 - 1);
                    if (d > most) { most = d; }
                }
                seen++;
                if (most < 12) {
                    fail_msg("scene %zu, figure %d, keypoint %zu at %.2f, %.2f is said to be seen, "
                             "but changes its surroundings by %d only",
                             i, (int)f, k, p[0], p[1], most);
                }
            }
            rep_image_clear(&without);
        }
        rep_image_clear(&all);
    }
    assert_true(seen > 800);
}

static rep_figure house_at(float x, float y, float radius) {
    rep_figure f = {.class_index = 1, .pose = rep_pose_make(x, y, radius, 0, 1)};
    const rep_figure_class *class = &rep_figure_classes[1];
    rep_outline_make(&f.outline, class->vertices, class->count, &f.pose);
    return f;
}

static void check_views(const rep_figure_truth *t, const char *views) {
    for (size_t k = 0; k < REP_FIGURE_KEYPOINTS; k++) {
        if ((int)t->keypoints[3 * k + 2] != views[k] - '0') {
            fail_msg("keypoint %zu: v is %g, wanted %c", k, t->keypoints[3 * k + 2], views[k]);
        }
    }
}

/* ridge, left eave, right eave, left base, right base */
static void test_what_lies_in_front_hides(void **state) {
    (void)state;
    rep_figure_truth t[REP_SCENE_FIGURES];
    rep_scene scene = {.side_px = 160, .figure_count = 1, .figures = {house_at(80, 80, 40)}};
    truth_of(t, &scene);
    check_views(&t[0], "22222");
    /* 160 / 127 of the radius across the walls, 224 / 127 across the eaves, and so on. */
    assert_true(fabs(t->x - (80 - 112 * 40 / 127.0)) < 0.01 &&
                fabs(t->w - 224 * 40 / 127.0) < 0.01);
    assert_true(fabs(t->y - (80 - 118 * 40 / 127.0)) < 0.01 &&
                fabs(t->h - 218 * 40 / 127.0) < 0.01);
    assert_true(fabs(t->seen - 1) < 0.02);
    /* Walls 160 x 118 and a roof 224 wide and 100 high. */
    const double area = (160 * 118 + 224 * 100 / 2) * 40 * 40 / (127.0 * 127);
    assert_true(fabs(t->area - area) < 0.02 * area);
    /* A bar down its left side. */
    scene.bar_count = 1;
    scene.bars[0] = (rep_bar){.from = {45, 20}, .to = {45, 140}, .width = 6};
    truth_of(t, &scene);
    check_views(&t[0], "21222");
    /* A second house over its right half; the first one is not in front of the second. */
    scene.bar_count = 0;
    scene.figure_count = 2;
    scene.figures[1] = house_at(112, 90, 40);
    truth_of(t, &scene);
    check_views(&t[0], "22121");
    check_views(&t[1], "22222");
    assert_true(t[0].seen > 0.4 && t[0].seen < 0.8 && t[1].seen > 0.98);
    assert_true(fabs(t[0].area - area) < 0.02 * area); /* the whole figure's, hidden or not */
    /* Nearly the same place: too little is left. */
    scene.figures[1] = house_at(88, 84, 42);
    truth_of(t, &scene);
    assert_true(t[0].seen < 0.4);
    /* The left half is beyond the edge. */
    scene.figure_count = 1;
    scene.figures[0] = house_at(0.5f, 80, 40);
    truth_of(t, &scene);
    check_views(&t[0], "20202");
    assert_true(t->x == 0 && fabs(t->w - (0.5 + 112 * 40 / 127.0)) < 0.01);
    assert_true(fabs(t->seen - 0.5) < 0.03);
}

/* ---- files ------------------------------------------------------------------------------------
 */

static void check_same(const rep_annotations *a, const rep_annotations *b) {
    assert_int_equal(a->category_count, b->category_count);
    for (size_t i = 0; i < a->category_count; i++) {
        const rep_category *c = &a->categories[i], *d = &b->categories[i];
        const size_t count = (size_t)c->keypoint_count;
        assert_int_equal(c->id, d->id);
        assert_string_equal(c->name, d->name);
        assert_int_equal(c->keypoint_count, d->keypoint_count);
        assert_int_equal(c->limb_count, d->limb_count);
        assert_memory_equal(c->flip, d->flip, count * sizeof *c->flip);
        assert_memory_equal(c->sigmas, d->sigmas, count * sizeof *c->sigmas);
        assert_memory_equal(c->limbs, d->limbs, (size_t)c->limb_count * sizeof *c->limbs);
        for (size_t k = 0; k < count; k++) {
            assert_string_equal(c->keypoint_names[k], d->keypoint_names[k]);
        }
    }
    assert_int_equal(a->picture_count, b->picture_count);
    for (size_t i = 0; i < a->picture_count; i++) {
        const rep_picture *p = &a->pictures[i], *q = &b->pictures[i];
        assert_string_equal(p->file_name, q->file_name);
        assert_true(p->id == q->id && p->width == q->width && p->height == q->height &&
                    p->first == q->first && p->count == q->count);
    }
    assert_int_equal(a->object_count, b->object_count);
    for (size_t i = 0; i < a->object_count; i++) {
        const rep_object *o = &a->objects[i], *p = &b->objects[i];
        assert_true(o->id == p->id && o->picture == p->picture && o->category == p->category &&
                    o->x == p->x && o->y == p->y && o->w == p->w && o->h == p->h &&
                    o->area == p->area && o->is_crowd == p->is_crowd &&
                    o->keypoints_given == p->keypoints_given);
        assert_memory_equal(o->keypoints, p->keypoints, 15 * sizeof *o->keypoints);
    }
    assert_int_equal(a->crowd.count, b->crowd.count);
    assert_int_equal(b->beyond.count + b->outside.count + b->degenerate.count, 0);
}

static void test_coco_file_reads_back_the_same(void **state) {
    (void)state;
    const rep_scene_options options = options_of(3, false, 600, 0);
    rep_annotations *set = annotate(&options), *loaded = NULL;
    const char *path = temp_path("scenes.json");
    CHECK_OK(rep_annotations_save_coco(path, set));
    CHECK_OK(rep_annotations_load_coco(&loaded, path, NULL));
    assert_string_equal(loaded->source, path);
    check_same(set, loaded);
    rep_annotations_destroy(loaded);
    rep_annotations_destroy(set);
    CHECK_FAILS(rep_annotations_save_coco(temp_path("no/folder.json"), set = annotate(&options)),
                REP_ERR_IO, "no/folder.json");
    rep_annotations_destroy(set);
}

/* Names that need escapes, no keypoints, numbers with 17 digits. */
static void test_coco_file_of_a_foreign_set(void **state) {
    (void)state;
    static const char text[] =
        "{\"images\":[{\"id\":5,\"file_name\":\"a \\\"b\\\"\\\\c\\u0001\xC3\xA9.png\",\"width\":9,"
        "\"height\":8}],\"annotations\":[{\"id\":-3,\"image_id\":5,\"category_id\":40,\"bbox\":["
        "0.1,0.30000000000000004,1e-7,2.5],\"area\":1.23456789012345678,\"iscrowd\":1},"
        "{\"id\":9,\"image_id\":5,\"category_id\":7,\"bbox\":[1,2,3,4],\"keypoints\":[1,1,2]}],"
        "\"categories\":[{\"id\":40,\"name\":\"x\\ty\"},{\"id\":7,\"name\":\"p\",\"keypoints\":"
        "[\"left_\\\"\"]}]}";
    rep_annotations *first = NULL, *second = NULL;
    CHECK_OK(rep_annotations_load_coco(&first, temp_write("in.json", text, sizeof text - 1), NULL));
    CHECK_OK(rep_annotations_save_coco(temp_path("out.json"), first));
    CHECK_OK(rep_annotations_load_coco(&second, temp_path("out.json"), NULL));
    assert_string_equal(second->pictures[0].file_name, "a \"b\"\\c\001\xC3\xA9.png");
    assert_string_equal(second->categories[1].name, "x\ty");
    assert_string_equal(second->categories[0].keypoint_names[0], "left_\"");
    assert_null(second->categories[0].sigmas);
    const rep_object *o = &first->objects[0], *p = &second->objects[0];
    assert_true(p->id == -3 && p->category == 1 && p->is_crowd && !p->keypoints);
    assert_true(o->x == p->x && o->y == p->y && o->w == p->w && o->h == p->h && o->area == p->area);
    assert_int_equal(second->objects[1].keypoints_given, 1);
    rep_annotations_destroy(first);
    rep_annotations_destroy(second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depends_on_seed_split_index_side),
        cmocka_unit_test(test_is_the_same_everywhere),
        cmocka_unit_test(test_refuses_senseless_options),
        cmocka_unit_test(test_categories_say_their_points),
        cmocka_unit_test(test_holds_everything_it_promises),
        cmocka_unit_test(test_names_mean_what_they_say),
        cmocka_unit_test(test_boxes_are_tight),
        cmocka_unit_test(test_seen_corners_show_their_figure),
        cmocka_unit_test(test_what_lies_in_front_hides),
        cmocka_unit_test(test_coco_file_reads_back_the_same),
        cmocka_unit_test(test_coco_file_of_a_foreign_set),
    };
    return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
