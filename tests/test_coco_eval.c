/* test_coco_eval.c - COCO and VOC evaluation: pycocotools' numbers, and cases done by hand. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "oracle_cases.h"
#include "train/coco_eval.h"

/* ---- golden cases -----------------------------------------------------------------------------
 */

static char *read_text(const oracle_set *set, const char *file) {
    char path[1024];
    rep_file_view view;
    (void)snprintf(path, sizeof path, "%s/%s", set->folder, file);
    CHECK_OK(rep_file_open(&view, path));
    char *text = calloc(view.count + 1, 1);
    assert_non_null(text);
    memcpy(text, view.bytes, view.count);
    rep_file_close(&view);
    return text;
}

static double field(const cJSON *item, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);
    assert_true(cJSON_IsNumber(value));
    return value->valuedouble;
}

static void read_box(rep_detection *out, const cJSON *item) {
    const cJSON *box = cJSON_GetObjectItemCaseSensitive(item, "bbox");
    if (!box) { return; }
    double *values[] = {&out->x, &out->y, &out->w, &out->h};
    for (int i = 0; i < 4; i++) { *values[i] = cJSON_GetArrayItem(box, i)->valuedouble; }
}

static void read_points(rep_detection *out, const cJSON *item) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(item, "keypoints");
    const int count = cJSON_GetArraySize(list) / 3;
    if (!list) { return; }
    double *points = calloc((size_t)count, 2 * sizeof *points);
    assert_non_null(points);
    const cJSON *value = list->child;
    for (int i = 0; i < 3 * count; i++, value = value->next) {
        if (i % 3 < 2) { points[i / 3 * 2 + i % 3] = value->valuedouble; }
    }
    out->keypoints = points;
}

/* A results file in COCO's format. */
static rep_detection *read_detections(size_t *count, const rep_annotations *truth,
                                      const oracle_set *set, const char *file) {
    char *text = read_text(set, file);
    cJSON *list = cJSON_Parse(text);
    free(text);
    *count = (size_t)cJSON_GetArraySize(list);
    rep_detection *out = calloc(*count + 1, sizeof *out);
    assert_non_null(out);
    size_t at = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list) {
        rep_detection *d = &out[at++];
        const int64_t image = (int64_t)field(item, "image_id");
        const int64_t category = (int64_t)field(item, "category_id");
        while (truth->pictures[d->picture].id != image) { d->picture++; }
        while (truth->categories[d->category].id != category) { d->category++; }
        d->score = field(item, "score");
        read_box(d, item);
        read_points(d, item);
    }
    cJSON_Delete(list);
    return out;
}

static void free_detections(rep_detection *list, size_t count) {
    for (size_t i = 0; i < count; i++) { free((double *)(uintptr_t)list[i].keypoints); }
    free(list);
}

/* pycocotools' arrays, -1 where there is nothing to measure on. */
static void compare_curves(oracle_case *c, const rep_coco_eval *eval, const char *kind,
                           const int *areas, int area_count, int limit_count) {
    const size_t rows = rep_coco_eval_row_count(eval);
    const size_t cells = rows * (size_t)(area_count * limit_count);
    double *precision = calloc(cells * REP_COCO_IOUS, REP_COCO_POINTS * sizeof *precision);
    double *recall = calloc(cells * REP_COCO_IOUS, sizeof *recall);
    assert_true(precision && recall);
    for (int t = 0; t < REP_COCO_IOUS; t++) {
        for (size_t cell = 0; cell < cells; cell++) {
            const size_t row = cell / (size_t)(area_count * limit_count);
            const rep_coco_area area =
                (rep_coco_area)areas[cell / (size_t)limit_count % (size_t)area_count];
            const int limit = (int)(cell % (size_t)limit_count);
            const double *curve = rep_coco_eval_curve(eval, row, t, area, limit);
            double *most = &recall[(size_t)t * cells + cell];
            if (!rep_coco_eval_recall(most, eval, row, t, area, limit)) { *most = -1; }
            for (size_t r = 0; r < REP_COCO_POINTS; r++) {
                precision[((size_t)t * REP_COCO_POINTS + r) * cells + cell] = curve ? curve[r] : -1;
            }
        }
    }
    char name[64];
    (void)snprintf(name, sizeof name, "out.%s.precision", kind);
    if (oracle_get(c, "%s", name)) { oracle_compare(c, name, precision); }
    (void)snprintf(name, sizeof name, "out.%s.recall", kind);
    oracle_compare(c, name, recall);
    free(precision);
    free(recall);
}

static void compare_numbers(oracle_case *c, const rep_coco_eval *eval, const char *kind,
                            size_t wanted) {
    rep_coco_number numbers[REP_COCO_NUMBERS];
    double values[REP_COCO_NUMBERS];
    char name[64];
    const size_t count = rep_coco_eval_numbers(numbers, eval);
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++) {
        values[i] = numbers[i].is_known ? numbers[i].value : -1;
        assert_true(numbers[i].is_known || numbers[i].value == 0);
    }
    (void)snprintf(name, sizeof name, "out.%s.stats", kind);
    oracle_compare(c, name, values);
}

static void run_kind(oracle_case *c, const oracle_set *set, const rep_annotations *truth,
                     rep_coco_kind kind) {
    static const int box_areas[] = {REP_COCO_ALL, REP_COCO_SMALL, REP_COCO_MEDIUM, REP_COCO_LARGE};
    static const int point_areas[] = {REP_COCO_ALL, REP_COCO_MEDIUM, REP_COCO_LARGE};
    const bool is_box = kind == REP_COCO_BOX;
    rep_coco_options options = {.kind = kind, .category = -1};
    if (!is_box) {
        const int64_t id = (int64_t)oracle_number(c, "keypoint_category_id", 0);
        options.category = 0;
        while (truth->categories[options.category].id != id) { options.category++; }
    }
    size_t count;
    rep_detection *detections = read_detections(
        &count, truth, set, oracle_text(c, is_box ? "bbox_dets_file" : "keypoint_dets_file"));
    assert_true(count > 0);
    rep_coco_eval *eval = NULL;
    oracle_ok(c, rep_coco_eval_create(&eval, truth, detections, count, &options));
    free_detections(detections, count);
    compare_numbers(c, eval, is_box ? "bbox" : "keypoints", is_box ? 12 : 10);
    compare_curves(c, eval, is_box ? "bbox" : "keypoints", is_box ? box_areas : point_areas,
                   is_box ? 4 : 3, is_box ? 3 : 1);
    rep_coco_eval_destroy(eval);
}

static void run_case(oracle_case *c, const oracle_set *set) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", set->folder, oracle_text(c, "gt_file"));
    rep_annotations *truth = NULL;
    oracle_ok(c, rep_annotations_load_coco(&truth, path, NULL));
    run_kind(c, set, truth, REP_COCO_BOX);
    run_kind(c, set, truth, REP_COCO_KEYPOINT);
    rep_annotations_destroy(truth);
}

static void test_golden_cases(void **state) {
    (void)state;
    oracle_run_cases("detect/coco_", 3, run_case);
}

/* ---- by hand ----------------------------------------------------------------------------------
 */

static const rep_category hand_categories[] = {{.id = 1, .name = "a"}, {.id = 2, .name = "b"}};
static const rep_picture pictures[] = {
    {.id = 1, .file_name = "1.jpg", .width = 100, .height = 100, .first = 0, .count = 3},
    {.id = 2, .file_name = "2.jpg", .width = 100, .height = 100, .first = 3, .count = 1}};
static const rep_object objects[] = {
    {.id = 1, .x = 0, .y = 0, .w = 10, .h = 10, .area = 100},
    {.id = 2, .x = 50, .y = 0, .w = 10, .h = 10, .area = 100},
    {.id = 3, .x = 0, .y = 50, .w = 40, .h = 40, .area = 1600, .is_difficult = true},
    {.id = 4, .picture = 1, .x = 0, .y = 0, .w = 10, .h = 10, .area = 100}};
static const rep_annotations small_set = {.source = "made up",
                                          .categories = hand_categories,
                                          .category_count = 2,
                                          .pictures = pictures,
                                          .picture_count = 2,
                                          .objects = objects,
                                          .object_count = 4};

/* Right 0.9, second on the same object 0.8 (wrong), difficult 0.7, nothing there 0.6, right 0.5. */
static const rep_detection found[] = {
    {.x = 0, .y = 0, .w = 10, .h = 10, .score = 0.9},
    {.x = 0, .y = 0, .w = 10, .h = 9, .score = 0.8},
    {.x = 0, .y = 50, .w = 40, .h = 40, .score = 0.7},
    {.x = 80, .y = 80, .w = 10, .h = 10, .score = 0.6},
    {.picture = 1, .x = 0, .y = 0, .w = 10, .h = 8, .score = 0.5}};
enum { FOUND = sizeof found / sizeof found[0] };

static void test_voc_by_hand(void **state) {
    (void)state;
    rep_coco_number mean, rows[2];
    CHECK_OK(rep_voc_eval(&mean, rows, &small_set, found, FOUND, 0.5));
    /* Recall 1/3 at precision 1, then 2/3 at 2/4. */
    assert_true(fabs(rows[0].value - (1.0 / 3 + 1.0 / 3 * 0.5)) < 1e-15);
    assert_true(rows[0].is_known && !rows[1].is_known);
    assert_true(mean.is_known && mean.value == rows[0].value);
    CHECK_OK(rep_voc_eval(&mean, NULL, &small_set, found, FOUND, 0.8));
    assert_true(fabs(mean.value - 0.5) < 1e-15); /* an IoU of exactly 0.8 will do */
    CHECK_OK(rep_voc_eval(&mean, NULL, &small_set, NULL, 0, 0.5));
    assert_true(mean.is_known && mean.value == 0);
    CHECK_FAILS(rep_voc_eval(&mean, NULL, &small_set, found, FOUND, 0), REP_ERR_ARGUMENT, "IoU 0");
}

static void test_no_truth_is_no_number(void **state) {
    (void)state;
    rep_coco_eval *eval = NULL;
    const rep_coco_options options = {.kind = REP_COCO_BOX, .category = -1};
    CHECK_OK(rep_coco_eval_create(&eval, &small_set, found, FOUND, &options));
    assert_int_equal(rep_coco_eval_row_count(eval), 2);
    rep_coco_row row;
    rep_coco_eval_row(&row, eval, 0);
    assert_int_equal(row.truth_count, 4); /* COCO knows no difficult objects */
    assert_true(row.ap.is_known && row.ap50.is_known && row.ar.is_known);
    /* Recalls to 1/4 at precision 1, to 2/4 at 2 of 3, to 3/4 at 3 of 5. */
    const double points = 26 + 25 * 2.0 / 3 + 25 * 3.0 / 5;
    assert_true(fabs(row.ap50.value - points / 101) < 1e-12);
    rep_coco_eval_row(&row, eval, 1);
    assert_int_equal(row.truth_count, 0);
    assert_true(!row.ap.is_known && row.ap.value == 0);
    assert_null(rep_coco_eval_curve(eval, 1, 0, REP_COCO_ALL, 2));
    assert_null(rep_coco_eval_curve(eval, 0, 0, REP_COCO_LARGE, 2));
    assert_null(rep_coco_eval_curve(eval, 0, REP_COCO_IOUS, REP_COCO_ALL, 2));
    assert_null(rep_coco_eval_curve(eval, 2, 0, REP_COCO_ALL, 2));
    double recall = -7;
    assert_false(rep_coco_eval_recall(&recall, eval, 1, 0, REP_COCO_ALL, 2));
    assert_true(recall == -7);
    assert_true(rep_coco_eval_recall(&recall, eval, 0, 0, REP_COCO_ALL, 0) && recall == 0.5);
    rep_coco_eval_destroy(eval);
    /* Nothing found is a number: zero. */
    const rep_coco_options one = {.kind = REP_COCO_BOX, .category = 0};
    CHECK_OK(rep_coco_eval_create(&eval, &small_set, NULL, 0, &one));
    rep_coco_number numbers[REP_COCO_NUMBERS];
    assert_int_equal(rep_coco_eval_numbers(numbers, eval), 12);
    assert_true(numbers[0].is_known && numbers[0].value == 0);
    assert_true(!numbers[5].is_known);
    assert_string_equal(numbers[5].name, "APl");
    rep_coco_eval_destroy(eval);
    rep_coco_eval_destroy(NULL);
}

static void check_refused(const rep_detection *detection, const rep_coco_options *options,
                          rep_status status, const char *part) {
    rep_coco_eval *eval = NULL;
    CHECK_FAILS(rep_coco_eval_create(&eval, &small_set, detection, 1, options), status, part);
    assert_null(eval);
}

static void test_refusals(void **state) {
    (void)state;
    const rep_coco_options boxes = {.kind = REP_COCO_BOX, .category = -1};
    const rep_detection far = {.picture = 2}, other = {.category = 2}, below = {.category = -1},
                        no_score = {.score = NAN}, wide = {.w = INFINITY},
                        huge = {.w = 1e200, .h = 1e200}, fine = {.w = 1, .h = 1};
    check_refused(&far, &boxes, REP_ERR_ARGUMENT, "detection 0: picture 2 of 2");
    check_refused(&other, &boxes, REP_ERR_ARGUMENT, "category 2 of 2");
    check_refused(&below, &boxes, REP_ERR_ARGUMENT, "category -1 of 2");
    check_refused(&no_score, &boxes, REP_ERR_NUMERIC, "picture 1.jpg: box 0 0 0 0 with score nan");
    check_refused(&wide, &boxes, REP_ERR_NUMERIC, "wanted finite");
    check_refused(&huge, &boxes, REP_ERR_NUMERIC, "wanted finite");
    const rep_coco_options no_such = {.kind = REP_COCO_BOX, .category = 2};
    check_refused(&fine, &no_such, REP_ERR_ARGUMENT, "category 2 of 2 in made up");
    const rep_coco_options points = {.kind = REP_COCO_KEYPOINT, .category = -1};
    check_refused(&fine, &points, REP_ERR_DATA, "no category has keypoints");
    const rep_coco_options first = {.kind = REP_COCO_KEYPOINT, .category = 0};
    check_refused(&fine, &first, REP_ERR_DATA, "category 'a' has no keypoints");
}

static void test_keypoints_want_sigmas(void **state) {
    (void)state;
    static const char *const names[] = {"tip"};
    const double sigma = 0.1, at[] = {5, 5}, nowhere[] = {NAN, 5}, truth[] = {5, 5, 2};
    rep_category category = {.id = 1, .name = "pen", .keypoint_count = 1, .keypoint_names = names};
    const rep_picture picture = {.id = 1, .file_name = "p.jpg", .count = 1};
    const rep_object object = {
        .w = 10, .h = 200, .area = 2000, .keypoints = truth, .keypoints_given = 1};
    const rep_annotations set = {.source = "pens",
                                 .categories = &category,
                                 .category_count = 1,
                                 .pictures = &picture,
                                 .picture_count = 1,
                                 .objects = &object,
                                 .object_count = 1};
    const rep_coco_options options = {.kind = REP_COCO_KEYPOINT, .category = -1};
    rep_detection detection = {.keypoints = at, .score = 1};
    rep_coco_eval *eval = NULL;
    CHECK_FAILS(rep_coco_eval_create(&eval, &set, &detection, 1, &options), REP_ERR_DATA,
                "pens: category 'pen' has no sigmas");
    category.sigmas = &sigma;
    CHECK_OK(rep_coco_eval_create(&eval, &set, &detection, 1, &options));
    rep_coco_number numbers[REP_COCO_NUMBERS];
    assert_int_equal(rep_coco_eval_numbers(numbers, eval), 10);
    assert_true(numbers[0].value > 1 - 1e-12 && numbers[3].is_known && !numbers[4].is_known);
    rep_coco_eval_destroy(eval);
    detection.keypoints = nowhere;
    CHECK_FAILS(rep_coco_eval_create(&eval, &set, &detection, 1, &options), REP_ERR_NUMERIC,
                "keypoint value 0 is nan");
    detection.keypoints = NULL;
    CHECK_FAILS(rep_coco_eval_create(&eval, &set, &detection, 1, &options), REP_ERR_ARGUMENT,
                "detection 0 has no keypoints");
}

/* ---- size -------------------------------------------------------------------------------------
 */

enum { CLASSES = 80, PER_PICTURE = 7, FOUND_PER_PICTURE = 100 };

typedef struct drawn_set {
    rep_annotations face;
    rep_category *categories;
    rep_picture *pictures;
    rep_object *objects;
    rep_detection *found;
} drawn_set;

static rep_object draw_object(rep_rng *rng, size_t picture) {
    const double w = 5 + 200 * rep_rng_uniform(rng), h = 5 + 200 * rep_rng_uniform(rng);
    return (rep_object){.picture = picture,
                        .category = (int32_t)rep_rng_below(rng, CLASSES),
                        .x = 400 * rep_rng_uniform(rng),
                        .y = 250 * rep_rng_uniform(rng),
                        .w = w,
                        .h = h,
                        .area = w * h};
}

/* Every third detection is near an object and of its class; the others are of any. */
static void draw_set(drawn_set *out, size_t count) {
    rep_rng rng;
    rep_rng_init(&rng, 9, 0);
    out->categories = calloc(CLASSES, sizeof *out->categories);
    out->pictures = calloc(count, sizeof *out->pictures);
    out->objects = calloc(count * PER_PICTURE, sizeof *out->objects);
    out->found = calloc(count * FOUND_PER_PICTURE, sizeof *out->found);
    assert_true(out->categories && out->pictures && out->objects && out->found);
    for (int k = 0; k < CLASSES; k++) {
        out->categories[k] = (rep_category){.id = k + 1, .name = "c"};
    }
    for (size_t p = 0; p < count; p++) {
        rep_object *here = out->objects + p * PER_PICTURE;
        out->pictures[p] =
            (rep_picture){(int64_t)p, "p.jpg", 640, 480, p * PER_PICTURE, PER_PICTURE};
        for (size_t i = 0; i < PER_PICTURE; i++) { here[i] = draw_object(&rng, p); }
        for (size_t i = 0; i < FOUND_PER_PICTURE; i++) {
            const rep_object *o = &here[i % PER_PICTURE];
            out->found[p * FOUND_PER_PICTURE + i] = (rep_detection){
                .picture = p,
                .category = i % 3 ? (int32_t)rep_rng_below(&rng, CLASSES) : o->category,
                .x = o->x + 10 * rep_rng_uniform(&rng),
                .y = o->y + 10 * rep_rng_uniform(&rng),
                .w = o->w,
                .h = o->h,
                .score = rep_rng_uniform(&rng)};
        }
    }
    out->face = (rep_annotations){.source = "drawn",
                                  .categories = out->categories,
                                  .category_count = CLASSES,
                                  .pictures = out->pictures,
                                  .picture_count = count,
                                  .objects = out->objects,
                                  .object_count = count * PER_PICTURE};
}

/* 80 classes and 100 detections a picture, as many as COCO's val2017 allows. Says how long it
 * takes; REPOPT_EVAL_PICTURES=5000 makes it as large. */
static void test_many_detections(void **state) {
    (void)state;
    const char *asked = getenv("REPOPT_EVAL_PICTURES");
    const size_t count = asked ? strtoul(asked, NULL, 10) : 200;
    assert_true(count > 0 && count < 1000000);
    drawn_set set;
    draw_set(&set, count);
    const rep_coco_options options = {.kind = REP_COCO_BOX, .category = -1};
    rep_coco_eval *eval = NULL;
    rep_coco_number numbers[REP_COCO_NUMBERS], mean;
    const size_t found_count = count * FOUND_PER_PICTURE;
    const double start = rep_clock_s();
    CHECK_OK(rep_coco_eval_create(&eval, &set.face, set.found, found_count, &options));
    const double middle = rep_clock_s();
    CHECK_OK(rep_voc_eval(&mean, NULL, &set.face, set.found, found_count, 0.5));
    print_message("%zu pictures: COCO %.2f s, VOC %.2f s\n", count, middle - start,
                  rep_clock_s() - middle);
    assert_int_equal(rep_coco_eval_numbers(numbers, eval), 12);
    assert_true(numbers[1].value > 0.1 && numbers[1].value < 0.9);
    /* Every box has a near guess: with 100 allowed most are found, with one fewer. */
    assert_true(numbers[8].value > 0.5 && numbers[6].value < numbers[8].value);
    assert_true(mean.value > 0.1 && mean.value < 0.9);
    rep_coco_eval_destroy(eval);
    free(set.categories);
    free(set.pictures);
    free(set.objects);
    free(set.found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_cases),          cmocka_unit_test(test_voc_by_hand),
        cmocka_unit_test(test_no_truth_is_no_number), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_keypoints_want_sigmas), cmocka_unit_test(test_many_detections),
    };
    return cmocka_run_group_tests_name("coco_eval", tests, NULL, NULL);
}
