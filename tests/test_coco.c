/* test_coco.c - COCO JSON: what is read, what the options drop, what is refused and how. */
#include <math.h>

#include "data/annotations.h"
#include "real_data.h"
#include "temp_folder.h"

#define IMAGES                                                                                     \
    "\"images\":[{\"id\":7,\"file_name\":\"b.jpg\",\"width\":100,\"height\":50},"                  \
    "{\"file_name\":\"a.jpg\",\"id\":3,\"height\":20,\"width\":30,\"license\":null}]"
#define CATEGORIES                                                                                 \
    "\"categories\":[{\"id\":90,\"name\":\"dog\"},{\"id\":2,\"name\":\"cat\",\"keypoints\":"       \
    "[\"left_eye\",\"right_eye\",\"nose\"],\"skeleton\":[[1,3],[3,2],[3,4]]}]"
#define PLAIN "\"id\":1,\"image_id\":7,\"category_id\":90"

/* A whole file round the text of its annotations. */
static const char *write_set(const char *annotations) {
    static char text[8192];
    (void)snprintf(text, sizeof text, "{%s,\"annotations\":[%s],%s}\n", IMAGES, annotations,
                   CATEGORIES);
    return temp_write("set.json", text, strlen(text));
}

static rep_annotations *load(const char *path, const rep_annotation_options *options) {
    rep_annotations *set = NULL;
    CHECK_OK(rep_annotations_load_coco(&set, path, options));
    return set;
}

static void check_refused(const char *path, const char *part) {
    rep_annotations *set = NULL;
    CHECK_FAILS(rep_annotations_load_coco(&set, path, NULL), REP_ERR_DATA, part);
    assert_null(set);
    assert_non_null(strstr(rep_last_error(), "set.json: "));
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static void test_sets_are_sorted_and_resolved(void **state) {
    (void)state;
    /* Annotations before the lists they name; outlines and unknown keys are passed over. */
    static const char text[] =
        "\xEF\xBB\xBF{\"info\":{\"a\":[1,{\"b\":[]}]},\"annotations\":["
        "{\"segmentation\":[[1,2.5,3,4]],\"area\":12.5,\"iscrowd\":0,\"image_id\":7,\"bbox\":"
        "[1.25,2,3e1,4],\"category_id\":2,\"id\":11,\"keypoints\":[1,2,2,0,0,0,5,6,1]},"
        "{\"id\":12,\"image_id\":3,\"category_id\":90,\"bbox\":[0,0,5,4]},"
        "{\"id\":10,\"image_id\":7,\"category_id\":90,\"bbox\":[5,5,5,5],\"iscrowd\":true,"
        "\"num_keypoints\":0,\"attributes\":{\"id\":99}}]," CATEGORIES "," IMAGES "}";
    rep_annotations *set = load(temp_write("set.json", text, sizeof text - 1), NULL);
    assert_int_equal(set->category_count, 2);
    assert_int_equal(set->categories[0].id, 2);
    assert_string_equal(set->categories[0].name, "cat");
    assert_int_equal(set->categories[1].id, 90);
    assert_int_equal(set->categories[1].keypoint_count, 0);
    assert_int_equal(set->picture_count, 2);
    assert_int_equal(set->pictures[0].id, 3);
    assert_string_equal(set->pictures[0].file_name, "a.jpg");
    assert_int_equal(set->pictures[0].width * 1000 + set->pictures[0].height, 30020);
    assert_int_equal(set->pictures[1].first, 1);
    assert_int_equal(set->pictures[1].count, 2);
    assert_int_equal(set->object_count, 3);
    const rep_object *o = &set->objects[1];
    assert_int_equal(o->id, 11);
    assert_int_equal(o->category, 0);
    assert_int_equal(o->picture, 1);
    assert_true(o->x == 1.25 && o->y == 2 && o->w == 30 && o->h == 4 && o->area == 12.5);
    assert_int_equal(o->keypoints_given, 2);
    assert_true(o->keypoints[6] == 5 && o->keypoints[7] == 6 && o->keypoints[8] == 1);
    assert_true(set->objects[0].area == 20); /* the file says none */
    assert_null(set->objects[0].keypoints);
    assert_int_equal(set->objects[2].id, 10);
    assert_true(set->objects[2].is_crowd && !o->is_crowd);
    assert_int_equal(set->crowd.count, 1);
    rep_annotations_destroy(set);
    rep_annotations_destroy(NULL);
}

static void test_keypoints_of_a_category(void **state) {
    (void)state;
    const double given[3] = {0.1, 0.2, 0.3};
    const rep_annotation_options options = {.sigmas = given, .sigma_count = 3};
    rep_annotations *set = load(write_set(""), &options);
    const rep_category *cat = &set->categories[0];
    assert_int_equal(cat->keypoint_count, 3);
    assert_string_equal(cat->keypoint_names[2], "nose");
    assert_int_equal(cat->flip[0] * 100 + cat->flip[1] * 10 + cat->flip[2], 102);
    assert_int_equal(cat->limb_count, 2); /* 3-4 names no keypoint */
    assert_int_equal(cat->limbs[1][0], 2);
    assert_int_equal(cat->limbs[1][1], 1);
    assert_memory_equal(cat->sigmas, given, sizeof given);
    assert_null(set->categories[1].sigmas);
    rep_annotations_destroy(set);
    /* Nobody says sigmas, and these are not COCO's points. */
    set = load(write_set(""), NULL);
    assert_null(set->categories[0].sigmas);
    rep_annotations_destroy(set);
    static const char own[] = "{" IMAGES ",\"annotations\":[],\"categories\":[{\"id\":1,\"name\":"
                              "\"x\",\"keypoints\":[\"a\",\"b\"],\"sigmas\":[0.5,%s]}]}";
    char text[1024];
    (void)snprintf(text, sizeof text, own, "0.25");
    set = load(temp_write("set.json", text, strlen(text)), NULL);
    assert_true(set->categories[0].sigmas[0] == 0.5 && set->categories[0].sigmas[1] == 0.25);
    rep_annotations_destroy(set);
    (void)snprintf(text, sizeof text, own, "0");
    check_refused(temp_write("set.json", text, strlen(text)), "the sigma of b is 0");
    (void)snprintf(text, sizeof text, own, "1,2");
    check_refused(temp_write("set.json", text, strlen(text)), "category id 1: sigmas must be as");
}

static void check_odd(const rep_odd *odd, size_t count, int64_t first) {
    assert_int_equal(odd->count, count);
    if (count) { assert_int_equal(odd->ids[0], first); }
    if (count) { assert_int_equal(odd->picture_ids[0], 7); }
}

static const char odd_boxes[] =
    "{\"id\":1,\"image_id\":7,\"category_id\":2,\"bbox\":[10,10,20,20]},"
    "{\"id\":2,\"image_id\":7,\"category_id\":2,\"bbox\":[10,10,0,20]},"
    "{\"id\":3,\"image_id\":7,\"category_id\":2,\"bbox\":[10,10,20,-1]},"
    "{\"id\":4,\"image_id\":7,\"category_id\":2,\"bbox\":[100,10,20,20]},"
    "{\"id\":5,\"image_id\":7,\"category_id\":2,\"bbox\":[-30,10,30,20]},"
    "{\"id\":6,\"image_id\":7,\"category_id\":2,\"bbox\":[-10,-5,30,100],\"area\":9},"
    "{\"id\":7,\"image_id\":7,\"category_id\":2,\"bbox\":[98.5,0,20,20]},"
    "{\"id\":8,\"image_id\":7,\"category_id\":2,\"bbox\":[0,0,1.5,1.5]},"
    "{\"id\":9,\"image_id\":7,\"category_id\":2,\"bbox\":[90,40,20,20],\"iscrowd\":1}";

static void test_odd_boxes_are_counted_and_kept(void **state) {
    (void)state;
    rep_annotations *set = load(write_set(odd_boxes), NULL);
    assert_int_equal(set->object_count, 9);
    check_odd(&set->crowd, 1, 9);
    check_odd(&set->degenerate, 2, 2);
    check_odd(&set->outside, 2, 4);
    check_odd(&set->beyond, 2, 6);
    assert_int_equal(set->degenerate.ids[1], 3);
    assert_true(set->objects[5].x == -10 && set->objects[5].h == 100);
    rep_annotations_destroy(set);
}

static void test_odd_boxes_are_dropped_and_clipped(void **state) {
    (void)state;
    const rep_annotation_options options = {.is_crowd_dropped = true,
                                            .is_degenerate_dropped = true,
                                            .is_outside_dropped = true,
                                            .is_clipped = true,
                                            .min_side_px = 2};
    rep_annotations *set = load(write_set(odd_boxes), &options);
    assert_int_equal(set->object_count, 2);
    assert_int_equal(set->objects[0].id, 1);
    const rep_object *o = &set->objects[1];
    assert_int_equal(o->id, 6);
    assert_true(o->x == 0 && o->y == 0 && o->w == 20 && o->h == 50 && o->area == 9);
    check_odd(&set->crowd, 1, 9);
    check_odd(&set->degenerate, 4, 2); /* 8 is small, and cutting makes 7 so */
    check_odd(&set->beyond, 1, 6);
    rep_annotations_destroy(set);
    const rep_annotation_options clipped = {.is_clipped = true};
    set = load(write_set(odd_boxes), &clipped);
    assert_int_equal(set->object_count, 9);
    assert_true(set->objects[6].w == 1.5 && set->objects[6].area == 30);
    assert_true(set->objects[8].w == 10 && set->objects[8].h == 10);
    assert_true(set->objects[3].x == 100); /* outside: nothing to be cut to */
    rep_annotations_destroy(set);
}

static void test_more_odd_boxes_than_are_named(void **state) {
    (void)state;
    char text[8192] = "";
    for (int i = 0; i < 20; i++) {
        const size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used,
                       "%s{\"id\":%d,\"image_id\":7,\"category_id\":2,\"bbox\":[0,0,0,0]}",
                       i ? "," : "", 100 + i);
    }
    rep_annotations *set = load(write_set(text), NULL);
    check_odd(&set->degenerate, 20, 100);
    assert_int_equal(set->degenerate.ids[REP_ODD_FIRST - 1], 100 + REP_ODD_FIRST - 1);
    rep_annotations_destroy(set);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void test_bad_annotations_are_named(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"{\"id\":5,\"image_id\":7,\"bbox\":[1,2,3,4]}", "annotation id 5: has no category_id"},
        {"{\"id\":5,\"image_id\":7,\"category_id\":null,\"bbox\":[1,2,3,4]}", "has no category_id"},
        {"{\"image_id\":7,\"category_id\":3,\"bbox\":[1,2,3,4]}",
         "annotation 1 of the list (no id): category_id 3 is not in"},
        {"{\"id\":5,\"image_id\":8,\"category_id\":2,\"bbox\":[1,2,3,4]}",
         "annotation id 5: image_id 8 is not in"},
        {"{\"id\":5,\"category_id\":2,\"bbox\":[1,2,3,4]}", "has no image_id"},
        {"{" PLAIN "}", "annotation id 1: has no bbox"},
        {"{" PLAIN ",\"bbox\":[1,2,3]}", "bbox has 3 numbers, wanted 4"},
        {"{" PLAIN ",\"bbox\":[1,2,3,4,5]}", "bbox has 5 numbers, wanted 4"},
        {"{\"bbox\":[1,2,null,4]," PLAIN "}", "annotation id 1: bbox has null"},
        {"{" PLAIN ",\"bbox\":[1,2,1e999,4]}", "bbox has 1e999, wanted a finite number"},
        {"{" PLAIN ",\"bbox\":[1,2,\"3\",4]}", "bbox has 3, wanted a finite number"},
        {"{" PLAIN ",\"bbox\":[[1,2,3,4]]}", "bbox has a list"},
        {"{" PLAIN ",\"bbox\":{\"x\":1}}", "bbox has an object, wanted a list"},
        {"{" PLAIN ",\"bbox\":7}", "bbox has 7, wanted a list"},
        {"{" PLAIN ",\n\"bbox\":[1,2,NaN,4]}", "line 2: annotation id 1: bbox has NaN"},
        {"{" PLAIN ",\"bbox\":[1,2,-Infinity,4]}", "line 1: annotation id 1: bbox has NaN"},
        {"{" PLAIN ",\"bbox\":[1,2,Infinity,4]}", "line 1: annotation id 1: bbox has NaN"},
        {"{" PLAIN ",\"bbox\":[1,2,None,4]}", "line 1: is not JSON"},
        {"{\"id\":\"x\",\"image_id\":7}", "id has x, wanted a whole number"},
        {"{\"id\":1.5,\"image_id\":7}", "id has 1.5, wanted a whole number"},
        {"{\"id\":5,\"image_id\":7,\"category_id\":2,\"bbox\":[1,2,3,4],\"keypoints\":[1,2]}",
         "annotation id 5: 2 keypoint values, wanted 3 * 3"},
        {"{" PLAIN ",\"bbox\":[1,2,3,4],\"keypoints\":[1,2,2]}", "wanted 3 * 0"},
        {"{" PLAIN ",\"bbox\":[1,2,3,4],\"num_keypoints\":-1}", "num_keypoints must be"},
        {"7", "\"annotations\" has a number where a list of objects"},
        {"[]", "\"annotations\" has a list where a list of objects"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_refused(write_set(rows[i][0]), rows[i][1]);
    }
}

static void test_bad_files_are_named(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"", "line 1: is not JSON"},
        {"{\"images\":[],\n\n\"annotations\":[],]", "line 3: is not JSON"},
        {"[]", "is not a COCO file"},
        {"3", "is not a COCO file"},
        {"{\"annotations\":[]," CATEGORIES "}", "has no list \"images\""},
        {"{" IMAGES "," CATEGORIES "}", "has no list \"annotations\""},
        {"{" IMAGES ",\"annotations\":[]}", "has no list \"categories\""},
        {"{\"images\":[],\"annotations\":[]," CATEGORIES "}", "the split is empty"},
        {"{" IMAGES ",\"annotations\":[],\"categories\":[]}", "lists no categories"},
        {"{\"images\":{},\"annotations\":[]," CATEGORIES "}", "\"images\" has an object"},
        {"{\"images\":[{\"id\":1}],\"annotations\":[]}", "image id 1: has no file_name"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"\"}]}", "image id 1: has no file_name"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"\\u0000\"}]}", "holds a zero byte"},
        {"{\"images\":[{\"file_name\":\"x\"}]}", "image 1 of the list (no id): has no id"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"x\",\"width\":3}]}", "has no width or no height"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"x\",\"width\":3,\"height\":0}]}",
         "image id 1: width and height must be"},
        {"{\"categories\":[{\"id\":1}]}", "category id 1: has no name"},
        {"{\"categories\":[{\"name\":\"x\"}]}", "category 1 of the list (no id): has no id"},
        {"{\"categories\":[{\"id\":1,\"name\":\"x\",\"keypoints\":[1]}]}", "keypoints has 1"},
        {"{" IMAGES ",\"annotations\":[],\"categories\":[{\"id\":4,\"name\":\"x\"},"
         "{\"id\":4,\"name\":\"y\"}]}",
         "category id 4 is there twice"},
        {"{\"images\":[{\"id\":1,\"file_name\":\"x\",\"width\":3,\"height\":3},{\"id\":1,"
         "\"file_name\":\"y\",\"width\":3,\"height\":3}],\"annotations\":[]," CATEGORIES "}",
         "image id 1 is there twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_refused(temp_write("set.json", rows[i][0], strlen(rows[i][0])), rows[i][1]);
    }
    rep_annotations *set = NULL;
    CHECK_FAILS(rep_annotations_load_coco(&set, temp_path("none.json"), NULL), REP_ERR_IO,
                "none.json: cannot be opened");
}

static void test_depth_and_lengths_are_bounded(void **state) {
    (void)state;
    enum { MANY = 200000 };
    char *text = malloc(MANY + 1000);
    assert_non_null(text);
    /* Nested without end, within what is passed over. */
    size_t used = (size_t)sprintf(text, "{\"info\":");
    memset(text + used, '[', MANY);
    check_refused(temp_write("set.json", text, used + MANY), "nested deeper than 64");
    /* More keypoints than a body has. */
    used = (size_t)sprintf(text, "{\"annotations\":[{\"id\":4,\"keypoints\":[0");
    for (int i = 0; i < 40000; i++) { used += (size_t)sprintf(text + used, ",%d", i % 10); }
    used += (size_t)sprintf(text + used, "]}]}");
    check_refused(temp_write("set.json", text, used), "annotation id 4: keypoints has more than");
    /* A name without end. */
    used = (size_t)sprintf(text, "{\"images\":[{\"id\":4,\"file_name\":\"");
    memset(text + used, 'x', MANY);
    used += MANY;
    used += (size_t)sprintf(text + used, "\"}]}");
    check_refused(temp_write("set.json", text, used), "image id 4: file_name is longer than");
    /* A number without end, and one that only begins like a number. */
    used = (size_t)sprintf(text, "{\"annotations\":[{\"id\":4,\"area\":1");
    memset(text + used, '0', 5000);
    used += 5000;
    used += (size_t)sprintf(text + used, "}]}");
    check_refused(temp_write("set.json", text, used), "annotation id 4: area has 1000");
    free(text);
}

/* Every file that breaks off, and many with bytes changed: an error or a set, never a crash. */
static void test_damage_never_crashes(void **state) {
    (void)state;
    char whole[8192], copy[8192];
    (void)snprintf(whole, sizeof whole, "{%s,\"annotations\":[%s],%s}", IMAGES, odd_boxes,
                   CATEGORIES);
    const size_t count = strlen(whole);
    rep_annotations *set = NULL;
    for (size_t cut = 0; cut < count; cut++) {
        temp_write_fast("set.json", whole, cut);
        assert_int_equal(rep_annotations_load_coco(&set, temp_path("set.json"), NULL),
                         REP_ERR_DATA);
        assert_null(strchr(rep_last_error(), '\n'));
    }
    rep_rng rng;
    rep_rng_init(&rng, 3, 0);
    static const char alphabet[] = "{}[],:\"\\u0d8eE+-.1NIntf \n\xC3";
    size_t readable = 0;
    for (int round = 0; round < 4000; round++) {
        memcpy(copy, whole, count);
        for (uint32_t i = rep_rng_below(&rng, 4); i < 4; i++) {
            copy[rep_rng_below(&rng, (uint32_t)count)] =
                alphabet[rep_rng_below(&rng, sizeof alphabet - 1)];
        }
        temp_write_fast("set.json", copy, count);
        const rep_status status = rep_annotations_load_coco(&set, temp_path("set.json"), NULL);
        assert_true(status == REP_OK || status == REP_ERR_DATA);
        if (status == REP_OK) { rep_annotations_destroy(set); }
        readable += status == REP_OK;
    }
    assert_true(readable > 0);
}

/* ---- the real sets, where they are ------------------------------------------------------------
 */

static void test_real_bccd(void **state) {
    (void)state;
    char path[512];
    if (!find_real(path, sizeof path, "bccd/annotations/instances_val.json")) { skip(); }
    rep_annotations *set = load(path, NULL);
    assert_int_equal(set->picture_count, 87);
    assert_int_equal(set->object_count, 1137);
    assert_string_equal(set->categories[2].name, "Platelets");
    assert_string_equal(set->pictures[0].file_name, "BloodImage_00000.jpg");
    const rep_object *o = &set->objects[0];
    assert_true(o->x == 260 && o->y == 177 && o->w == 231 && o->h == 199 && o->category == 1);
    rep_annotations_destroy(set);
}

static void test_real_keypoints(void **state) {
    (void)state;
    char path[512];
    if (!find_real(path, sizeof path, "coco-keypoints/annotations/person_keypoints.json")) {
        skip();
    }
    rep_annotations *set = load(path, NULL);
    assert_int_equal(set->picture_count, 4);
    assert_int_equal(set->object_count, 14);
    const rep_category *person = &set->categories[0];
    assert_int_equal(person->keypoint_count, 17);
    assert_int_equal(person->limb_count, 19);
    assert_int_equal(person->flip[15], 16);
    assert_non_null(person->sigmas);
    assert_true(person->sigmas[11] == 0.107);
    size_t given = 0;
    for (size_t i = 0; i < set->object_count; i++) { given += set->objects[i].keypoints_given > 0; }
    assert_true(given > 0);
    rep_annotations_destroy(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_are_sorted_and_resolved),
        cmocka_unit_test(test_keypoints_of_a_category),
        cmocka_unit_test(test_odd_boxes_are_counted_and_kept),
        cmocka_unit_test(test_odd_boxes_are_dropped_and_clipped),
        cmocka_unit_test(test_more_odd_boxes_than_are_named),
        cmocka_unit_test(test_bad_annotations_are_named),
        cmocka_unit_test(test_bad_files_are_named),
        cmocka_unit_test(test_depth_and_lengths_are_bounded),
        cmocka_unit_test(test_damage_never_crashes),
        cmocka_unit_test(test_real_bccd),
        cmocka_unit_test(test_real_keypoints),
    };
    return cmocka_run_group_tests_name("coco", tests, temp_make, temp_remove);
}
