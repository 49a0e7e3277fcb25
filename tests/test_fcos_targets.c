/* test_fcos_targets.c - FCOS target assignment: PyTorch's, and the rules one by one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "check.h"
#include "data/data.h"
#include "oracle_cases.h"

enum { MAX_LEVELS = 8 };

/* ---- golden cases -----------------------------------------------------------------------------
 */

static float *as_floats(const oracle_tensor *t) {
    float *values = calloc(t->count + 1, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < t->count; i++) { values[i] = (float)t->values[i]; }
    return values;
}

static size_t read_levels(rep_fcos_level *levels, const oracle_case *c) {
    const size_t count = (size_t)oracle_item_count(c, "strides");
    assert_in_range(count, 1, MAX_LEVELS);
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(c->attrs, "level_sizes");
    const cJSON *ranges = cJSON_GetObjectItemCaseSensitive(c->attrs, "size_ranges");
    for (size_t i = 0; i < count; i++) {
        const cJSON *size = cJSON_GetArrayItem(sizes, (int)i);
        const cJSON *range = cJSON_GetArrayItem(ranges, (int)i);
        levels[i] = (rep_fcos_level){
            (int32_t)oracle_item(c, "strides", (int)i), cJSON_GetArrayItem(size, 0)->valueint,
            cJSON_GetArrayItem(size, 1)->valueint, (float)cJSON_GetArrayItem(range, 0)->valuedouble,
            (float)cJSON_GetArrayItem(range, 1)->valuedouble};
    }
    return count;
}

#define COMPARE(c, scene, what, values, count)                                                     \
    do {                                                                                           \
        char name_[96];                                                                            \
        (void)snprintf(name_, sizeof name_, "out.%s.%s", scene, what);                             \
        double *doubles_ = calloc(count, sizeof *doubles_);                                        \
        assert_non_null(doubles_);                                                                 \
        for (size_t i_ = 0; i_ < (count); i_++) { doubles_[i_] = (double)(values)[i_]; }           \
        oracle_compare(c, name_, doubles_);                                                        \
        free(doubles_);                                                                            \
    } while (0)

static void run_scene(oracle_case *c, const rep_fcos_spec *spec, const char *scene) {
    const oracle_tensor *boxes = oracle_need(c, "in.%s.boxes", scene);
    const oracle_tensor *classes = oracle_need(c, "in.%s.labels", scene);
    float *corners = as_floats(boxes);
    float *points = as_floats(oracle_need(c, "in.%s.keypoints", scene));
    int32_t *numbers = calloc(classes->count + 1, sizeof *numbers);
    const size_t count = rep_fcos_location_count(spec->levels, spec->level_count);
    const size_t k = (size_t)spec->keypoint_count;
    const rep_fcos_targets out = {.labels = calloc(count, sizeof(int32_t)),
                                  .objects = calloc(count, sizeof(int32_t)),
                                  .distances = calloc(count, 4 * sizeof(float)),
                                  .centerness = calloc(count, sizeof(float)),
                                  .keypoints = calloc(count, 2 * k * sizeof(float)),
                                  .keypoint_mask = calloc(count, k)};
    assert_true(numbers && out.labels && out.objects && out.distances && out.centerness &&
                out.keypoints && out.keypoint_mask);
    for (size_t i = 0; i < classes->count; i++) { numbers[i] = (int32_t)classes->values[i]; }
    const rep_fcos_truth truth = {classes->count, corners, numbers, points};
    oracle_ok(c, rep_fcos_assign(&out, spec, &truth));
    COMPARE(c, scene, "labels", out.labels, count);
    COMPARE(c, scene, "gt_index", out.objects, count);
    COMPARE(c, scene, "reg_targets", out.distances, 4 * count);
    COMPARE(c, scene, "centerness", out.centerness, count);
    if (oracle_get(c, "out.%s.kps_mask", scene)) {
        COMPARE(c, scene, "kps_targets", out.keypoints, 2 * k * count);
        COMPARE(c, scene, "kps_mask", out.keypoint_mask, k * count);
    }
    free(corners), free(points), free(numbers);
    free(out.labels), free(out.objects), free(out.distances), free(out.centerness);
    free(out.keypoints), free(out.keypoint_mask);
}

static void run_case(oracle_case *c, const oracle_set *set) {
    (void)set;
    rep_fcos_level levels[MAX_LEVELS];
    const rep_fcos_spec spec = {.levels = levels,
                                .level_count = read_levels(levels, c),
                                .radius = (float)oracle_number(c, "center_sampling_radius", -1),
                                .is_normalised = oracle_flag(c, "norm_reg_targets", false),
                                .keypoint_count = (int32_t)oracle_number(c, "num_keypoints", 0)};
    const cJSON *scene = NULL;
    cJSON_ArrayForEach(scene, cJSON_GetObjectItemCaseSensitive(c->attrs, "scenes")) {
        run_scene(c, &spec, scene->valuestring);
    }
}

static void test_golden_cases(void **state) {
    (void)state;
    oracle_run_cases("detect/assign_", 4, run_case);
}

/* ---- by hand ----------------------------------------------------------------------------------
 */

/* Two levels over 32 x 16 pixels: 4 x 2 cells of 8, 2 x 1 cells of 16. */
static const rep_fcos_level two_levels[] = {{8, 2, 4, -1, 16}, {16, 1, 2, 16, 1e8f}};
enum { LOCATIONS = 10 };

static void assign(int32_t *labels, int32_t *owners, const rep_fcos_truth *truth, float radius) {
    const rep_fcos_spec spec = {.levels = two_levels, .level_count = 2, .radius = radius};
    const rep_fcos_targets out = {.labels = labels, .objects = owners};
    CHECK_OK(rep_fcos_assign(&out, &spec, truth));
}

static void test_rules_by_hand(void **state) {
    (void)state;
    int32_t labels[LOCATIONS], owners[LOCATIONS];
    /* From 4 to 12: the locations 4 and 12 lie on its sides, which is not inside. */
    const float thin[] = {4, 0, 12, 15}, wide[] = {0, 0, 31, 15, 0, 0, 31, 15, 0, 0, 15, 15};
    const int32_t numbers[] = {5, 6, 7};
    assign(labels, owners, &(rep_fcos_truth){1, thin, numbers, NULL}, 0);
    for (size_t i = 0; i < 8; i++) { assert_int_equal(labels[i], 0); }
    /* Of equal areas the first; a smaller one wins where it reaches. */
    assign(labels, owners, &(rep_fcos_truth){3, wide, numbers, NULL}, 0);
    assert_int_equal(rep_fcos_location_count(two_levels, 2), LOCATIONS);
    assert_int_equal(owners[0], 2);
    assert_int_equal(labels[0], 7);
    assert_int_equal(owners[9], 0);
    assert_int_equal(labels[9], 5);
    /* Cell 2 sees its farthest side 20 pixels away, too far for its level. */
    assert_int_equal(owners[2], -1);
    /* The centre is at 15.5, 7.5: 7.5 pixels of reach end at 8 exactly, which is not inside; with 8
     * they contain 8, but not 24, and with 9.6 both. The first level's 12, 4 is inside, too, but
     * 19 pixels from a side. */
    static const struct {
        float radius;
        int32_t left, right;
    } rows[] = {{0.46875f, -1, -1}, {0.5f, 0, -1}, {0.6f, 0, 0}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        assign(labels, owners, &(rep_fcos_truth){1, wide, numbers, NULL}, rows[r].radius);
        for (size_t i = 0; i < 8; i++) { assert_int_equal(owners[i], -1); }
        assert_int_equal(owners[8], rows[r].left);
        assert_int_equal(owners[9], rows[r].right);
    }
    /* No box at all. */
    assign(labels, owners, &(rep_fcos_truth){0, NULL, NULL, NULL}, 1.5f);
    for (size_t i = 0; i < LOCATIONS; i++) { assert_int_equal(labels[i], 0); }
}

static void test_refusals(void **state) {
    (void)state;
    int32_t labels[LOCATIONS];
    const rep_fcos_targets out = {.labels = labels};
    rep_fcos_level level = {8, 2, 4, -1, 16};
    const rep_fcos_spec spec = {.levels = &level, .level_count = 1};
    float box[] = {0, 0, 8, 8};
    int32_t number = 0;
    const rep_fcos_truth truth = {1, box, &number, NULL};
    CHECK_FAILS(rep_fcos_assign(&out, &spec, &truth), REP_ERR_ARGUMENT, "box 0: label 0");
    number = 1;
    box[2] = NAN;
    CHECK_FAILS(rep_fcos_assign(&out, &spec, &truth), REP_ERR_NUMERIC, "box 0: 0 0 nan 8");
    box[2] = 8;
    level.stride = 0;
    CHECK_FAILS(rep_fcos_assign(&out, &spec, &truth), REP_ERR_ARGUMENT,
                "feature level 0: stride 0");
    /* Turned inside out, a box has no inside. */
    level.stride = 8;
    box[2] = -30;
    CHECK_OK(rep_fcos_assign(&out, &spec, &truth));
    for (size_t i = 0; i < 8; i++) { assert_int_equal(labels[i], 0); }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_cases),
        cmocka_unit_test(test_rules_by_hand),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("fcos_targets", tests, NULL, NULL);
}
