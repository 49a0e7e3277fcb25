/* test_categories.c - a detector's categories in its checkpoint: written, read back, refused. */
#include "check.h"

#include <stdlib.h>

#include "repopt/scene.h"
#include "train/detect.h"

static void check_same(const rep_category *a, const rep_category *b) {
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->keypoint_count, b->keypoint_count);
    assert_int_equal(a->limb_count, b->limb_count);
    assert_int_equal(a->sigmas != NULL, b->sigmas != NULL);
    for (int32_t k = 0; k < a->keypoint_count; k++) {
        assert_string_equal(a->keypoint_names[k], b->keypoint_names[k]);
        assert_int_equal(a->flip[k], b->flip[k]);
        assert_true(a->sigmas == NULL || a->sigmas[k] == b->sigmas[k]);
    }
    for (int32_t i = 0; i < a->limb_count; i++) {
        assert_memory_equal(a->limbs[i], b->limbs[i], sizeof a->limbs[i]);
    }
}

static void round_trip(const rep_category *categories, size_t count) {
    char *text = NULL;
    rep_category_list list;
    CHECK_OK(rep_categories_write(&text, categories, count));
    CHECK_OK(rep_categories_read(&list, "net", text));
    assert_int_equal(list.count, count);
    for (size_t i = 0; i < count; i++) { check_same(&categories[i], &list.items[i]); }
    rep_category_list_clear(&list);
    free(text);
}

static void test_drawn_set(void **state) {
    (void)state;
    const rep_scene_options options = {.seed = 1, .count = 1};
    rep_annotations *set = NULL;
    CHECK_OK(rep_scene_annotations(&set, &options));
    assert_int_equal(set->categories[0].keypoint_count, 5);
    round_trip(set->categories, set->category_count);
    rep_annotations_destroy(set);
}

/* Ids beyond what a double holds, names that JSON must escape, a category without keypoints beside
 * one without sigmas. */
static void test_unusual(void **state) {
    (void)state;
    const char *const points[] = {"left_\xC3\xBC", "right_\xC3\xBC"};
    const int32_t flip[] = {1, 0}, limbs[][2] = {{0, 1}};
    const rep_category categories[] = {
        {.id = INT64_MIN, .name = "\"quoted\"\n\\"},
        {.id = 7,
         .name = "pair",
         .keypoint_count = 2,
         .keypoint_names = points,
         .flip = flip,
         .limb_count = 1,
         .limbs = limbs},
        {.id = (INT64_C(1) << 53) + 1, .name = "odd"},
    };
    round_trip(categories, 3);
}

static void test_foreign(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "no JSON list of 1 to"},
        {"[]", "no JSON list of 1 to"},
        {"{}", "no JSON list of 1 to"},
        {"[{\"id\":1,\"name\":\"a\"", "no JSON list of 1 to"},
        {"[3]", "category 1: \"id\""},
        {"[{\"name\":\"a\"}]", "category 1: \"id\""},
        {"[{\"id\":1.5,\"name\":\"a\"}]", "category 1: \"id\""},
        {"[{\"id\":1e300,\"name\":\"a\"}]", "category 1: \"id\""},
        {"[{\"id\":\"one\",\"name\":\"a\"}]", "category 1: \"id\""},
        {"[{\"id\":1}]", "category 1: \"name\""},
        {"[{\"id\":1,\"name\":\"\"}]", "category 1: \"name\""},
        {"[{\"id\":2,\"name\":\"a\"},{\"id\":2,\"name\":\"b\"}]", "category 2: \"id\""},
        {"[{\"id\":2,\"name\":\"a\"},{\"id\":1,\"name\":\"b\"}]", "category 2: \"id\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":3}]", "category 1: \"keypoints\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[3]}]", "category 1: \"keypoints\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"flip\":[1]}]", "\"flip\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"flip\":[0,0]}]", "\"flip\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"flip\":{\"p\":0}}]", "\"flip\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"sigmas\":[]}]", "\"sigmas\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"sigmas\":[-1]}]", "\"sigmas\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"sigmas\":[1e999]}]", "\"sigmas\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"skeleton\":[[0]]}]", "\"skeleton\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"skeleton\":[[0,1]]}]", "\"skeleton\""},
        {"[{\"id\":1,\"name\":\"a\",\"keypoints\":[\"p\"],\"skeleton\":[3]}]", "\"skeleton\""},
    };
    rep_category_list list;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_FAILS(rep_categories_read(&list, "net", cases[i][0]), REP_ERR_DATA, cases[i][1]);
    }
    CHECK_FAILS(rep_categories_read(&list, "net", NULL), REP_ERR_DATA, "\"categories\" is missing");
    /* As deep as a parser could be made to fall. */
    enum { DEEP = 200000 };
    char *deep = malloc(DEEP + 1);
    assert_non_null(deep);
    memset(deep, '[', DEEP);
    deep[DEEP] = '\0';
    CHECK_FAILS(rep_categories_read(&list, "net", deep), REP_ERR_DATA, "no JSON list");
    free(deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drawn_set),
                                       cmocka_unit_test(test_unusual),
                                       cmocka_unit_test(test_foreign)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
