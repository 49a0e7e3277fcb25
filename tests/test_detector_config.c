/* test_detector_config.c - the detector a configuration describes, and what is refused by name. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "repopt/detector.h"
#include "repopt/train.h"

static rep_status spec_from(rep_detector_spec *out, const char *yaml, int32_t keypoints) {
    static const char body[] = "MODEL: {BACKBONE: {CONV_BODY: RepOpt-FPN-YUMIN}}\n";
    rep_config *config = NULL;
    CHECK_OK(rep_config_create(&config));
    CHECK_OK(rep_config_merge_text(config, "body", body, sizeof body - 1));
    CHECK_OK(rep_config_merge_text(config, "case", yaml, strlen(yaml)));
    const rep_status status =
        rep_detector_spec_from_config(out, rep_config_values(config), 3, keypoints);
    rep_config_destroy(config);
    return status;
}

static void test_settings(void **state) {
    (void)state;
    rep_detector_spec spec, published;
    CHECK_OK(spec_from(&spec, "MODEL: {FCOS: {NUM_CLASSES: 4}}", 5));
    rep_detector_spec_init(&published, 3, 5);
    assert_memory_equal(spec.channels, published.channels, sizeof spec.channels);
    assert_memory_equal(spec.repeats, published.repeats, sizeof spec.repeats);
    assert_int_equal(spec.cls_channels, 16);
    assert_int_equal(spec.tower_blocks, 3);
    assert_true(spec.has_level_norms);
    CHECK_OK(spec_from(&spec,
                       "MODEL: {YUMIN: {WIDTH_MUL: 0.3, DEPTH_MUL: 0.5, ACT: relu}, FCOS: {"
                       "HEAD_BN: shared, IOU_LOSS_TYPE: giou, LOSS_WEIGHTS: [1, 2, 3, 4],"
                       " CENTERNESS_ON_REG: true, NORM_REG_TARGETS: true, LOSS_GAMMA: 1.5,"
                       " KPS_LOSS: oks}}",
                       0));
    /* ceil(c * 0.3 / 8) * 8; round(r * 0.5), half to even, at least 1 */
    const int32_t channels[] = {16, 24, 40, 64, 120}, repeats[] = {1, 2, 2, 2, 2};
    assert_memory_equal(spec.channels, channels, sizeof channels);
    assert_memory_equal(spec.repeats, repeats, sizeof repeats);
    assert_int_equal(spec.cls_channels, 81);
    assert_int_equal(spec.iou_kind, REP_IOU_GENERAL);
    assert_int_equal(spec.act, REP_ACT_RELU);
    assert_int_equal(published.keypoint_loss, REP_KEYPOINT_SMOOTH_L1);
    assert_int_equal(spec.keypoint_loss, REP_KEYPOINT_OKS);
    assert_true(!spec.has_level_norms && spec.centerness_on_reg && spec.norm_reg_targets);
    assert_true(spec.loss_weights[3] == 4 && spec.focal_gamma == 1.5f);
    CHECK_OK(spec_from(&spec, "MODEL: {KEYPOINT_ON: true}", -1));
    assert_int_equal(spec.num_keypoints, 17);
    CHECK_OK(spec_from(&spec, "MODEL: {KEYPOINT_ON: false}", -1));
    assert_int_equal(spec.num_keypoints, 0);
}

static void test_bad_settings(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"MODEL: {BACKBONE: {CONV_BODY: R-50-FPN}}", "there are RepOpt-VGG (classifier) and"},
        {"MODEL: {BACKBONE: {CONV_BODY: RepOpt-VGG}}", "is no detector"},
        {"MODEL: {RESNETS: {STAGE_WITH_DCN: [False, True, True, True]}}", "found True in stage 2"},
        {"MODEL: {RESNETS: {WITH_MODULATED_DCN: True}}", "WITH_MODULATED_DCN: found true"},
        {"MODEL: {FCOS: {USE_DCN_IN_TOWER: True}}", "USE_DCN_IN_TOWER: found true"},
        {"MODEL: {FPN: {USE_GN: True}}", "MODEL.FPN.USE_GN"},
        {"MODEL: {FCOS: {FPN_STRIDES: [4, 8, 16, 32, 64]}}", "from 4 on"},
        {"MODEL: {FCOS: {FPN_STRIDES: [8, 16]}}", "2 numbers"},
        {"MODEL: {YUMIN: {CHANNELS: [8, 16]}}", "YUMIN.CHANNELS: 2 numbers, wanted 5"},
        {"MODEL: {FCOS: {LOSS_WEIGHTS: [1, 1]}}", "LOSS_WEIGHTS: 2 numbers, wanted 4"},
        {"MODEL: {FCOS: {LOSS_WEIGHTS: [1, 1, -1, 1]}}", "LOSS_WEIGHTS: -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rep_detector_spec spec;
        CHECK_FAILS(spec_from(&spec, cases[i][0], 0), REP_ERR_CONFIG, cases[i][1]);
    }
}

/* `repopt show` describes the net without any data. */
static void test_show(void **state) {
    (void)state;
    static const char yaml[] = "TRAINING_MODE: hyper_search\n"
                               "MODEL: {BACKBONE: {CONV_BODY: RepOpt-FPN-YUMIN}, KEYPOINT_ON: "
                               "True, FCOS: {NUM_CLASSES: 4},"
                               " ROI_KEYPOINT_HEAD: {NUM_CLASSES: 5}}\n"
                               "SOLVER: {IMS_PER_BATCH: 1}\nINPUT: {SIZE: [64, 96]}\n";
    rep_train_options options = {0};
    rep_config *config = NULL;
    char *text = NULL;
    size_t bytes = 0;
    CHECK_OK(rep_config_create(&config));
    CHECK_OK(rep_config_merge_text(config, "case", yaml, sizeof yaml - 1));
    options.config = config;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    CHECK_OK(rep_train_show(out, REP_STAGE_MODEL, &options));
    CHECK_OK(rep_train_show(out, REP_STAGE_GRAPH, &options));
    CHECK_OK(rep_train_show(out, REP_STAGE_PLAN, &options));
    fclose(out);
    assert_non_null(strstr(text, "hyper_search: 27 blocks"));
    assert_non_null(strstr(text, "\nbackbone.ERBlock_4.1.block.2"));
    assert_non_null(strstr(text, "1x3x64x96"));
    free(text);
    rep_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
