/* test_fcos_decode.c - FCOS decoding: PyTorch's detections, and the rules one by one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "check.h"
#include "nn/nn.h"
#include "oracle_cases.h"

enum { MAX_LEVELS = 8, MAX_FOUND = 100, MAX_POINTS = 8 };

/* ---- golden cases -----------------------------------------------------------------------------
 */

/* One picture of a tensor {n, c, h, w} as a program stores it: h, w, c. To be freed. */
static float *stored_picture(const oracle_case *c, const char *what, size_t level, size_t picture) {
    const oracle_tensor *all = oracle_need(c, "in.%s.%zu", what, level);
    double *values = oracle_stored(all);
    const size_t count = all->count / (size_t)all->dims[0];
    float *out = calloc(count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) { out[i] = (float)values[picture * count + i]; }
    free(values);
    return out;
}

static void compare(oracle_case *c, size_t picture, const char *what, const char *variant,
                    const double *values, size_t count) {
    char name[96];
    (void)snprintf(name, sizeof name, "out.image%zu.%s%s", picture, what, variant);
    const oracle_tensor *expected = oracle_need(c, "%s", name);
    if (expected->count == count) {
        oracle_compare(c, name, values);
    } else {
        oracle_fail(c, "%s has %zu values, got %zu", name, expected->count, count);
    }
}

static void run_variant(oracle_case *c, const rep_fcos_decoder *decoder,
                        const rep_fcos_output *outputs, size_t picture) {
    rep_fcos_found found[MAX_FOUND];
    float points[2 * MAX_FOUND * MAX_POINTS];
    double boxes[4 * MAX_FOUND], scores[MAX_FOUND], labels[MAX_FOUND];
    double places[2 * MAX_FOUND * MAX_POINTS];
    const cJSON *size = cJSON_GetArrayItem(
        cJSON_GetObjectItemCaseSensitive(c->attrs, "image_sizes_hw"), (int)picture);
    const int32_t height = cJSON_GetArrayItem(size, 0)->valueint;
    const int32_t width = cJSON_GetArrayItem(size, 1)->valueint;
    size_t count = 0;
    oracle_ok(c, rep_fcos_decode(found, points, &count, decoder, outputs, width, height));
    for (size_t i = 0; i < count; i++) {
        boxes[4 * i] = found[i].x1, boxes[4 * i + 1] = found[i].y1;
        boxes[4 * i + 2] = found[i].x2, boxes[4 * i + 3] = found[i].y2;
        scores[i] = found[i].score, labels[i] = found[i].label;
    }
    const size_t values = 2 * count * (size_t)decoder->keypoint_count;
    for (size_t i = 0; i < values; i++) { places[i] = points[i]; }
    const char *variant = decoder->is_iou_plain ? "_nms_without_plus_one" : "";
    compare(c, picture, "boxes", variant, boxes, 4 * count);
    compare(c, picture, "scores", variant, scores, count);
    compare(c, picture, "labels", variant, labels, count);
    compare(c, picture, "keypoints", variant, places, values);
}

static void run_picture(oracle_case *c, rep_fcos_decoder *decoder, size_t picture) {
    static const char *const names[] = {"cls", "box", "ctr", "kps"};
    rep_fcos_output outputs[MAX_LEVELS];
    float *tensors[MAX_LEVELS][4];
    for (size_t l = 0; l < decoder->level_count; l++) {
        for (size_t i = 0; i < 4; i++) { tensors[l][i] = stored_picture(c, names[i], l, picture); }
        outputs[l] = (rep_fcos_output){.logits = tensors[l][0],
                                       .distances = tensors[l][1],
                                       .centerness = tensors[l][2],
                                       .keypoints = tensors[l][3],
                                       .logit_pitch = (size_t)decoder->class_count,
                                       .distance_pitch = 4,
                                       .centerness_pitch = 1,
                                       .keypoint_pitch = 2 * (size_t)decoder->keypoint_count};
    }
    decoder->is_iou_plain = false;
    run_variant(c, decoder, outputs, picture);
    decoder->is_iou_plain = true;
    run_variant(c, decoder, outputs, picture);
    for (size_t l = 0; l < decoder->level_count; l++) {
        for (size_t i = 0; i < 4; i++) { free(tensors[l][i]); }
    }
}

static void run_case(oracle_case *c, const oracle_set *set) {
    (void)set;
    rep_fcos_level levels[MAX_LEVELS];
    rep_fcos_decoder decoder = {.levels = levels,
                                .level_count = (size_t)oracle_item_count(c, "strides"),
                                .class_count = (int32_t)oracle_number(c, "num_classes", 0),
                                .keypoint_count = (int32_t)oracle_number(c, "num_keypoints", 0),
                                .score_threshold = (float)oracle_number(c, "pre_nms_thresh", 0),
                                .nms_threshold = (float)oracle_number(c, "nms_thresh", 0),
                                .level_most = (size_t)oracle_number(c, "pre_nms_top_n", 0),
                                .most = (size_t)oracle_number(c, "post_nms_top_n", 0)};
    assert_true(decoder.level_count <= MAX_LEVELS && decoder.most <= MAX_FOUND &&
                decoder.keypoint_count <= MAX_POINTS);
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(c->attrs, "level_sizes");
    for (size_t i = 0; i < decoder.level_count; i++) {
        const cJSON *size = cJSON_GetArrayItem(sizes, (int)i);
        levels[i] = (rep_fcos_level){.stride = (int32_t)oracle_item(c, "strides", (int)i),
                                     .height = cJSON_GetArrayItem(size, 0)->valueint,
                                     .width = cJSON_GetArrayItem(size, 1)->valueint};
    }
    const size_t pictures = (size_t)oracle_item_count(c, "image_sizes_hw");
    for (size_t i = 0; i < pictures; i++) { run_picture(c, &decoder, i); }
}

static void test_golden_cases(void **state) {
    (void)state;
    oracle_run_cases("detect/decode_", 3, run_case);
}

/* ---- by hand ----------------------------------------------------------------------------------
 */

/* Four locations of stride 8 in a row, x = 4, 12, 20, 28 and y = 4; two classes with centerness
 * behind them in one tensor of four channels, one of which is unused. */
enum { CELLS = 4, PITCH = 4, HAND_MOST = 8 };
static const rep_fcos_level row_of_four = {.stride = 8, .height = 1, .width = CELLS};
static const rep_fcos_decoder two_classes = {.levels = &row_of_four,
                                             .level_count = 1,
                                             .class_count = 2,
                                             .keypoint_count = 1,
                                             .score_threshold = 0.05f,
                                             .nms_threshold = 0.5f,
                                             .level_most = 100,
                                             .most = HAND_MOST};

typedef struct hand_case {
    float head[CELLS * PITCH], distances[CELLS * 4], keypoints[CELLS * 2];
    rep_fcos_output output;
} hand_case;

/* Nothing is likely anywhere; every box reaches 4 pixels to each side. */
static void make_hand(hand_case *out) {
    for (size_t i = 0; i < CELLS; i++) {
        float *head = out->head + PITCH * i;
        head[0] = head[1] = -9, head[2] = NAN, head[3] = 0;
        out->keypoints[2 * i] = 0.5f, out->keypoints[2 * i + 1] = -1;
        for (size_t k = 0; k < 4; k++) { out->distances[4 * i + k] = 4; }
    }
    out->output = (rep_fcos_output){.logits = out->head,
                                    .distances = out->distances,
                                    .centerness = out->head + 3,
                                    .keypoints = out->keypoints,
                                    .logit_pitch = PITCH,
                                    .distance_pitch = 4,
                                    .centerness_pitch = PITCH,
                                    .keypoint_pitch = 2};
}

static size_t decode(rep_fcos_found *found, float *points, const rep_fcos_decoder *decoder,
                     const hand_case *hand) {
    size_t count = 99;
    CHECK_OK(rep_fcos_decode(found, points, &count, decoder, &hand->output, 30, 7));
    return count;
}

static void test_scores_boxes_and_keypoints(void **state) {
    (void)state;
    hand_case hand;
    make_hand(&hand);
    rep_fcos_found found[HAND_MOST];
    float points[2 * HAND_MOST];
    assert_int_equal(decode(found, points, &two_classes, &hand), 0);
    hand.head[3 * PITCH + 1] = 2;
    assert_int_equal(decode(found, points, &two_classes, &hand), 1);
    assert_true(fabsf(found[0].score - sqrtf(0.5f / (1 + expf(-2)))) < 1e-6f);
    assert_int_equal(found[0].label, 2);
    /* 24 .. 32 and 0 .. 8, cut to the picture's last pixels 29 and 6; keypoints are not cut. */
    assert_true(found[0].x1 == 24 && found[0].x2 == 29 && found[0].y1 == 0 && found[0].y2 == 6);
    assert_true(points[0] == 32 && points[1] == -4);
    /* Without keypoints of the head or the caller nothing is written. */
    points[0] = 7;
    hand.output.keypoints = NULL;
    assert_int_equal(decode(found, points, &two_classes, &hand), 1);
    assert_true(points[0] == 7);
    make_hand(&hand);
    hand.head[0] = 2;
    assert_int_equal(decode(found, NULL, &two_classes, &hand), 1);
    assert_int_equal(found[0].label, 1);
}

static void test_suppression_is_by_class_and_order_is_stable(void **state) {
    (void)state;
    hand_case hand;
    make_hand(&hand);
    rep_fcos_found found[HAND_MOST];
    /* Every location says both classes alike, and the first two look at the same box. */
    for (size_t i = 0; i < CELLS; i++) { hand.head[PITCH * i] = hand.head[PITCH * i + 1] = 1; }
    hand.distances[4] = 12, hand.distances[6] = -4;
    size_t count = decode(found, NULL, &two_classes, &hand);
    assert_int_equal(count, 6);
    static const float lefts[] = {0, 0, 16, 16, 24, 24};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i].label, i % 2 + 1);
        assert_true(found[i].x1 == lefts[i]);
    }
    rep_fcos_decoder fewer = two_classes;
    fewer.most = 3;
    assert_int_equal(decode(found, NULL, &fewer, &hand), 3);
    assert_int_equal(found[2].label, 1);
    /* Of the eight candidates the level keeps five; of these the fourth and third are doubles. */
    fewer.most = HAND_MOST;
    fewer.level_most = 5;
    assert_int_equal(decode(found, NULL, &fewer, &hand), 3);
    assert_true(found[2].x1 == 16 && found[2].label == 1);
    /* 8 wide and 4 apart: 4 / 12 plain, but 5 * 7 / (2 * 9 * 7 - 5 * 7) with a pixel more. */
    make_hand(&hand);
    hand.head[0] = hand.head[PITCH] = 1;
    hand.distances[4] = 8, hand.distances[6] = 0;
    rep_fcos_decoder plain = two_classes;
    plain.nms_threshold = 0.35f;
    plain.is_iou_plain = true;
    assert_int_equal(decode(found, NULL, &plain, &hand), 2);
    plain.is_iou_plain = false;
    assert_int_equal(decode(found, NULL, &plain, &hand), 1);
}

/* However few of a level are kept, they are the first of those that more would be. */
static void test_the_best_of_a_level_are_kept(void **state) {
    (void)state;
    enum { WIDTH = 40, HEIGHT = 30, CLASSES = 5, ALL = WIDTH * HEIGHT * CLASSES };
    const rep_fcos_level level = {.stride = 8, .height = HEIGHT, .width = WIDTH};
    float *logits = calloc(ALL, sizeof *logits), *sides = calloc(WIDTH * HEIGHT, 4 * sizeof *sides);
    float *centerness = calloc(WIDTH * HEIGHT, sizeof *centerness);
    rep_fcos_found *all = calloc(ALL, sizeof *all), *few = calloc(ALL, sizeof *few);
    assert_true(logits && sides && centerness && all && few);
    rep_rng rng;
    rep_rng_init(&rng, 6, 0);
    /* Whole numbers make many equal scores; boxes of one pixel do not suppress each other. */
    for (size_t i = 0; i < ALL; i++) { logits[i] = (float)rep_rng_below(&rng, 5); }
    const rep_fcos_output output = {logits, sides, centerness, NULL, CLASSES, 4, 1, 0};
    rep_fcos_decoder decoder = two_classes;
    decoder.levels = &level;
    decoder.class_count = CLASSES;
    decoder.most = decoder.level_most = ALL;
    size_t all_count = 0, count = 0;
    CHECK_OK(rep_fcos_decode(all, NULL, &all_count, &decoder, &output, 320, 240));
    assert_int_equal(all_count, ALL);
    static const size_t limits[] = {1, 2, 7, 100, 2999, ALL - 1, ALL, SIZE_MAX};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        decoder.level_most = limits[i];
        CHECK_OK(rep_fcos_decode(few, NULL, &count, &decoder, &output, 320, 240));
        assert_int_equal(count, limits[i] < ALL ? limits[i] : ALL);
        assert_memory_equal(few, all, count * sizeof *few);
    }
    free(logits), free(sides), free(centerness), free(all), free(few);
}

static void test_what_is_no_number_is_no_candidate(void **state) {
    (void)state;
    hand_case hand;
    make_hand(&hand);
    rep_fcos_found found[HAND_MOST];
    for (size_t i = 0; i < CELLS; i++) { hand.head[PITCH * i] = 1; }
    hand.head[0] = NAN;
    hand.head[PITCH + 3] = NAN;
    hand.head[2 * PITCH] = INFINITY;
    hand.distances[8] = NAN, hand.distances[10] = INFINITY;
    assert_int_equal(decode(found, NULL, &two_classes, &hand), 2);
    assert_true(found[0].x1 == 0 && found[0].x2 == 29);
    assert_true(found[1].x1 == 24);
}

static void test_refusals(void **state) {
    (void)state;
    hand_case hand;
    make_hand(&hand);
    rep_fcos_found found[HAND_MOST];
    size_t count = 99;
    rep_fcos_decoder bad = two_classes;
    CHECK_FAILS(rep_fcos_decode(found, NULL, &count, &bad, &hand.output, 0, 7), REP_ERR_ARGUMENT,
                "0 x 7 pixels");
    bad.class_count = 0;
    CHECK_FAILS(rep_fcos_decode(found, NULL, &count, &bad, &hand.output, 3, 7), REP_ERR_ARGUMENT,
                "decoding 0 classes");
    bad = two_classes;
    bad.level_most = 0;
    CHECK_FAILS(rep_fcos_decode(found, NULL, &count, &bad, &hand.output, 3, 7), REP_ERR_ARGUMENT,
                "0 candidates of a level");
    const rep_fcos_level empty = {.stride = 8, .height = 0, .width = 3};
    bad = two_classes;
    bad.levels = &empty;
    CHECK_FAILS(rep_fcos_decode(found, NULL, &count, &bad, &hand.output, 3, 7), REP_ERR_ARGUMENT,
                "feature level 0: stride 8, 0 x 3");
    assert_int_equal(count, 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_cases),
        cmocka_unit_test(test_scores_boxes_and_keypoints),
        cmocka_unit_test(test_suppression_is_by_class_and_order_is_stable),
        cmocka_unit_test(test_the_best_of_a_level_are_kept),
        cmocka_unit_test(test_what_is_no_number_is_no_candidate),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("fcos_decode", tests, NULL, NULL);
}
