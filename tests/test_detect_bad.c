/* test_detect_bad.c - what a detector's run refuses, each in one sentence, and what it leaves then:
 * no checkpoint, and where the settings are to blame no folder either.
 */
#include "detect_case.h"

static char root[64];

static int make_sets(void **state) {
    (void)state;
    train_case_root(root);
    detect_set_write_both(root);
    return 0;
}

static int remove_sets(void **state) {
    (void)state;
    train_case_remove(root);
    return 0;
}

static bool is_there(const char *folder, const char *name) {
    char path[256];
    detect_join(path, folder, name);
    return access(path, F_OK) == 0;
}

/* Runs a case that must fail, and takes it away. */
static void expect_failure(train_case *c, rep_status status, const char *part, const char *other) {
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &c->options), status, part);
    if (strstr(rep_last_error(), other) == NULL) {
        fail_msg("wanted '%s' as well in: %s", other, rep_last_error());
    }
    assert_false(is_there(c->folder, "last_checkpoint"));
    assert_false(is_there(c->folder, "model_final.safetensors"));
    train_case_clear(c);
}

/* ---- settings ------------------------------------------------------------------------------- */

typedef struct setting {
    const char *key, *value;
    rep_status status;
    const char *part, *other;
} setting;

static const setting settings[] = {
    {"MODEL.FCOS.NUM_CLASSES", "2", REP_ERR_CONFIG, "MODEL.FCOS.NUM_CLASSES: 2",
     "background is counted: give 3"},
    {"MODEL.FCOS.FPN_STRIDES", "(4, 8, 16, 32, 64)", REP_ERR_CONFIG, "MODEL.FCOS.FPN_STRIDES",
     "has (8, 16, 32, 64, 128)"},
    {"MODEL.FCOS.FPN_STRIDES", "(8, 16)", REP_ERR_CONFIG, "MODEL.FCOS.FPN_STRIDES", "2 numbers"},
    {"INPUT.BUCKETS", "(32, 32, 32, 64, 32, 96, 64, 32, 64, 64, 64, 96, 96, 32, 96, 64, 96, 96)",
     REP_ERR_CONFIG, "INPUT.BUCKETS: 9 shapes", "at most 8"},
    {"INPUT.BUCKETS", "(64, 96, 64)", REP_ERR_CONFIG, "INPUT.BUCKETS: 3 numbers", "height and"},
    {"INPUT.BUCKETS", "(60, 96)", REP_ERR_ARGUMENT, "INPUT.BUCKETS: 60", "SIZE_DIVISIBILITY"},
    {"INPUT.MAX_SIZE_TRAIN", "4294967392", REP_ERR_ARGUMENT, "INPUT.MAX_SIZE_TRAIN: 2147483647",
     "wanted 1 to 16384"},
    {"DATALOADER.SIZE_DIVISIBILITY", "4294967328", REP_ERR_ARGUMENT,
     "DATALOADER.SIZE_DIVISIBILITY: 2147483647", "wanted 1 to 16384"},
    {"SOLVER.IMS_PER_BATCH", "9", REP_ERR_DATA, "SOLVER.IMS_PER_BATCH: 9", "has 8"},
    {"DATASETS.NAME", "cifar10", REP_ERR_ARGUMENT, "'cifar10' has no boxes", "DATASETS.NAME"},
    {"DATASETS.ANNOTATIONS_TRAIN", "nowhere.json", REP_ERR_IO, "nowhere.json", "nowhere.json"},
    {"DATASETS.ANNOTATIONS_TEST", "", REP_ERR_ARGUMENT, "no annotation file",
     "DATASETS.ANNOTATIONS_TRAIN and _TEST"},
    {"SCALE", "", REP_ERR_CONFIG, "SCALE: empty", "target"},
};

static void test_settings(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const setting *s = &settings[i];
        train_case c;
        detect_case_init_coco(&c, root, "setting");
        train_case_set(&c, s->key, s->value);
        if (strcmp(s->key, "SCALE") == 0) { train_case_set(&c, "TRAINING_MODE", "target"); }
        expect_failure(&c, s->status, s->part, s->other);
        assert_int_equal(access(c.folder, F_OK), -1);
    }
}

/* maskrcnn-benchmark's own fcos_R_50_FPN_1x.yaml is read to the end, and its body is named. */
static void test_classic_file(void **state) {
    (void)state;
    static const char yaml[] = "MODEL:\n"
                               "  META_ARCHITECTURE: \"GeneralizedRCNN\"\n"
                               "  WEIGHT: \"catalog://ImageNetPretrained/MSRA/R-50\"\n"
                               "  RPN_ONLY: True\n"
                               "  FCOS_ON: True\n"
                               "  BACKBONE:\n"
                               "    CONV_BODY: \"R-50-FPN-RETINANET\"\n"
                               "  RESNETS:\n"
                               "    BACKBONE_OUT_CHANNELS: 256\n"
                               "  RETINANET:\n"
                               "    USE_C5: False # FCOS uses P5 instead of C5\n"
                               "DATASETS:\n"
                               "  TRAIN: (\"coco_2017_train\",)\n"
                               "  TEST: (\"coco_2017_val\",)\n"
                               "INPUT:\n"
                               "  MIN_SIZE_TRAIN: (800,)\n"
                               "  MAX_SIZE_TRAIN: 1333\n"
                               "  MIN_SIZE_TEST: 800\n"
                               "  MAX_SIZE_TEST: 1333\n"
                               "DATALOADER:\n"
                               "  SIZE_DIVISIBILITY: 32\n"
                               "SOLVER:\n"
                               "  BASE_LR: 0.01\n"
                               "  WEIGHT_DECAY: 0.0001\n"
                               "  STEPS: (60000, 80000)\n"
                               "  MAX_ITER: 90000\n"
                               "  IMS_PER_BATCH: 16\n"
                               "  WARMUP_METHOD: \"constant\"\n";
    train_case c;
    train_case_init(&c, root, "classic");
    CHECK_OK(rep_config_merge_text(c.config, "fcos_R_50_FPN_1x.yaml", yaml, sizeof yaml - 1));
    expect_failure(&c, REP_ERR_CONFIG, "CONV_BODY: there is no \"R-50-FPN-RETINANET\"",
                   "RepOpt-FPN-YUMIN (detector)");
    assert_int_equal(access(c.folder, F_OK), -1);
}

/* ---- annotations ---------------------------------------------------------------------------- */

static const char one_category[] = "{\"id\": 1, \"name\": \"post\", \"keypoints\": [\"top\", "
                                   "\"foot\"], \"sigmas\": [0.1, 0.1]}";
static const char no_keypoints[] = "{\"id\": 1, \"name\": \"post\"}, {\"id\": 4, \"name\": "
                                   "\"box\"}";
static const char other_names[] = "{\"id\": 1, \"name\": \"post\", \"keypoints\": [\"top\", "
                                  "\"foot\"]}, {\"id\": 4, \"name\": \"bag\"}";
static const char more_keypoints[] = "{\"id\": 1, \"name\": \"post\", \"keypoints\": [\"top\", "
                                     "\"foot\"]}, {\"id\": 4, \"name\": \"box\", \"keypoints\": "
                                     "[\"a\", \"b\", \"c\", \"d\"]}";

typedef struct bad_set {
    const char *name; /* of the file that is bad: train.json or test.json */
    detect_set set;
    rep_status status;
    const char *part, *other;
} bad_set;

static const bad_set bad_sets[] = {
    {"train",
     {.count = 4, .extra = ",{\"id\": 77, \"image_id\": 1, \"bbox\": [1, 1, 9, 9]}"},
     REP_ERR_DATA,
     "bad_train.json",
     "77"},
    {"train",
     {.count = 4,
      .extra = ",{\"id\": 77, \"image_id\": 1, \"category_id\": 9, \"bbox\": [1, 1, 9, 9]}"},
     REP_ERR_DATA,
     "bad_train.json",
     "77"},
    {"train",
     {.count = 4,
      .extra = ",{\"id\": 77, \"image_id\": 1, \"category_id\": 4, \"bbox\": [1, NaN, 9, 9]}"},
     REP_ERR_DATA,
     "bad_train.json",
     "NaN"},
    {"test",
     {.count = 4,
      .extra = ",{\"id\": 77, \"image_id\": 1, \"category_id\": 4, \"bbox\": [1, 1e999, 9, 9]}"},
     REP_ERR_DATA,
     "bad_test.json",
     "77"},
    {"train",
     {.count = 4,
      .extra = ",{\"id\": 77, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 1, 9, 9], "
               "\"keypoints\": [1, 2, 2]}"},
     REP_ERR_DATA,
     "bad_train.json",
     "77"},
    {"train", {.count = 0}, REP_ERR_DATA, "bad_train.json", "pictures"},
    {"test", {.count = 0}, REP_ERR_DATA, "bad_test.json", "pictures"},
    {"train",
     {.count = 4, .categories = no_keypoints, .has_no_objects = true},
     REP_ERR_CONFIG,
     "MODEL.KEYPOINT_ON: True",
     "bad_train.json has no keypoints"},
    {"train",
     {.count = 4, .categories = one_category, .has_no_objects = true},
     REP_ERR_CONFIG,
     "MODEL.FCOS.NUM_CLASSES: 3",
     "bad_train.json has 1 categories"},
    {"test",
     {.count = 3, .categories = one_category, .has_no_objects = true},
     REP_ERR_DATA,
     "bad_test.json: has 1 categories",
     "train.json"},
    {"test",
     {.count = 3, .categories = other_names, .has_no_objects = true},
     REP_ERR_DATA,
     "bad_test.json: category 2 is 'bag'",
     "'box'"},
    {"test",
     {.count = 3, .categories = more_keypoints, .has_no_objects = true},
     REP_ERR_DATA,
     "bad_test.json: category 2 is 'box' with 4 keypoints",
     "with 0"},
};

static void test_annotations(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_sets / sizeof *bad_sets; i++) {
        const bad_set *b = &bad_sets[i];
        const bool is_train = strcmp(b->name, "train") == 0;
        const char *file = is_train ? "bad_train.json" : "bad_test.json";
        train_case c;
        detect_set_write(root, file, &b->set);
        detect_case_init_coco(&c, root, "annotations");
        train_case_set(&c, is_train ? "DATASETS.ANNOTATIONS_TRAIN" : "DATASETS.ANNOTATIONS_TEST",
                       file);
        expect_failure(&c, b->status, b->part, b->other);
        assert_int_equal(access(c.folder, F_OK), -1);
    }
}

/* ---- pictures ------------------------------------------------------------------------------- */

/* broken.json: pictures 10 and 11, of which 11 is a broken JPEG; gone.json: 12 and 13, of which 12
 * is not there. */
static void write_broken(void) {
    char path[256];
    detect_set_write(root, "broken.json", &(detect_set){.first = 10, .count = 2});
    detect_set_write(root, "gone.json", &(detect_set){.first = 12, .count = 2});
    detect_join(path, root, "images/12.png");
    assert_int_equal(unlink(path), 0);
    detect_join(path, root, "images/11.png");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs("\xFF\xD8\xFF\xE0 no picture", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_pictures(void **state) {
    (void)state;
    train_case c;
    rep_train_result result;
    write_broken();
    detect_case_init_coco(&c, root, "broken");
    train_case_set(&c, "DATASETS.ANNOTATIONS_TRAIN", "broken.json");
    expect_failure(&c, REP_ERR_DATA, "DATALOADER.SKIP_BAD is off: picture id 12",
                   "11.png: damaged");
    detect_case_init_coco(&c, root, "gone");
    train_case_set(&c, "DATASETS.ANNOTATIONS_TRAIN", "gone.json");
    expect_failure(&c, REP_ERR_IO, "DATALOADER.SKIP_BAD is off: picture id 13", "12.png");
    /* A test split that cannot be read costs its score, not the training. */
    detect_case_init_coco(&c, root, "untested");
    train_case_set(&c, "DATASETS.ANNOTATIONS_TEST", "gone.json");
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_IO, "12.png");
    assert_true(is_there(c.folder, "last_checkpoint"));
    train_case_clear(&c);
}

static void test_bad_pictures_are_skipped(void **state) {
    (void)state;
    train_case c;
    write_broken();
    detect_case_init_coco(&c, root, "skipped");
    train_case_set(&c, "DATASETS.ANNOTATIONS_TRAIN", "broken.json");
    train_case_set(&c, "DATASETS.ANNOTATIONS_TEST", "gone.json");
    train_case_set(&c, "DATALOADER.SKIP_BAD", "True");
    detect_log_start();
    const rep_train_result result = train_case_run(&c);
    rep_log_set(NULL, NULL);
    assert_int_equal(result.iterations, 6);
    assert_non_null(strstr(detect_log, "broken.json: batch 0 met 1 pictures that cannot be read"));
    assert_non_null(strstr(detect_log, "gone.json: batch "));
    train_case_clear(&c);
}

/* ---- other nets' files ---------------------------------------------------------------------- */

/* A short run whose checkpoint goes to `path`. */
static void train_other(char path[256], train_case *c) {
    train_case_set(c, "SOLVER.MAX_ITER", "1");
    train_case_set(c, "DATASETS.TEST", "()");
    (void)train_case_run(c);
    detect_join(path, c->folder, "model_final.safetensors");
    train_case_clear(c);
}

static void test_other_nets(void **state) {
    (void)state;
    char wide[256], classifier[256];
    train_case c;
    detect_case_init_coco(&c, root, "wide");
    train_case_set(&c, "MODEL.YUMIN.FPN_CHANNELS", "24");
    train_other(wide, &c);
    train_case_init(&c, root, "classifier");
    train_case_set(&c, "TRAINING_MODE", "hyper_search");
    train_other(classifier, &c);

    detect_case_init_coco(&c, root, "weight");
    train_case_set(&c, "MODEL.WEIGHT", wide);
    expect_failure(&c, REP_ERR_DATA, wide, "another model");
    assert_int_equal(access(c.folder, F_OK), -1);
    detect_case_init_coco(&c, root, "weight");
    train_case_set(&c, "MODEL.WEIGHT", classifier);
    expect_failure(&c, REP_ERR_DATA, classifier, "another model");
    detect_case_init_coco(&c, root, "scale");
    train_case_set(&c, "TRAINING_MODE", "target");
    train_case_set(&c, "SCALE", classifier);
    expect_failure(&c, REP_ERR_DATA, "scales of another model", "give the SCALE searched");
    assert_int_equal(access(c.folder, F_OK), -1);
}

/* ---- configs/fcos/yumin_coco.yaml ----------------------------------------------------------- */

/* The published net: all its blocks, one normalisation for all levels, 16 class outputs. */
static void test_yumin_coco(void **state) {
    (void)state;
    char *text = NULL;
    size_t bytes = 0;
    train_case c = {0};
    CHECK_OK(rep_config_create(&c.config));
    CHECK_OK(rep_config_merge_file(c.config, REP_TEST_DATA "/../../configs/fcos/yumin_coco.yaml"));
    train_case_set(&c, "TRAINING_MODE", "hyper_search");
    train_case_set(&c, "SCALE", "");
    train_case_set(&c, "SOLVER.IMS_PER_BATCH", "1");
    c.options.config = c.config;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    CHECK_OK(rep_train_show(out, REP_STAGE_MODEL, &c.options));
    fclose(out);
    assert_non_null(strstr(text, "hyper_search: 27 blocks"));
    const char *line = strstr(text, "\nhead.cls_logits.weight ");
    assert_non_null(line);
    assert_int_equal(strncmp(line + 1 + strcspn(line + 1, "0123456789"), "16x96x3x3", 9), 0);
    assert_null(strstr(text, ".bn.0."));
    free(text);
    train_case_clear(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_classic_file),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_bad_pictures_are_skipped),
        cmocka_unit_test(test_other_nets),
        cmocka_unit_test(test_yumin_coco),
    };
    return cmocka_run_group_tests(tests, make_sets, remove_sets);
}
