/* detect_case.h - a detector's run small enough for tests, and small COCO sets for it.
 *
 * The net is RepOpt-FPN-YUMIN at a quarter of its width with one block behind each stage's first.
 * The sets have pictures of two shapes, so that batches come in two.
 */
#ifndef REP_TESTS_DETECT_CASE_H
#define REP_TESTS_DETECT_CASE_H

#include "repopt/data.h"
#include "train_case.h"

/* Four drawn scenes in batches of two: two iterations per epoch, six in all. */
static const char detect_case_yaml[] =
    "MODEL: {BACKBONE: {CONV_BODY: RepOpt-FPN-YUMIN}, KEYPOINT_ON: true,"
    " YUMIN: {WIDTH_MUL: 0.25, DEPTH_MUL: 0.3, FPN_CHANNELS: 16},"
    " FCOS: {NUM_CLASSES: 4, NUM_CONVS: 1, NORM_REG_TARGETS: true, IOU_LOSS_TYPE: giou,"
    " CENTER_SAMPLING_RADIUS: 1.5, INFERENCE_TH: 0.001}}\n"
    "SOLVER: {IMS_PER_BATCH: 2, MAX_ITER: 6, BASE_LR: 0.01, WARMUP_ITERS: 1}\n"
    "TEST: {IMS_PER_BATCH: 2}\n"
    "INPUT: {PAD: 0, SIZE: [64, 64], FLIP_PROB_TRAIN: 0}\n"
    "DATASETS: {DRAWN_COUNT_TRAIN: 4, DRAWN_COUNT_TEST: 3}\n";

static inline void detect_case_init(train_case *c, const char *root, const char *name) {
    train_case_init(c, root, name);
    CHECK_OK(
        rep_config_merge_text(c->config, "detect", detect_case_yaml, sizeof detect_case_yaml - 1));
}

/* ---- COCO sets ------------------------------------------------------------------------------ */

/* What a set's annotation file says. A picture's number counts from 0, its id from 1. */
typedef struct detect_set {
    int first, count;       /* pictures first .. first + count - 1 */
    bool has_no_objects;    /* otherwise all but every fourth have two */
    int32_t width;          /* of all pictures, 96 high, without objects; 0: two shapes in turn */
    const char *categories; /* NULL: detect_set_categories */
    const char *extra;      /* one more annotation, with its comma; NULL: none */
} detect_set;

static const char detect_set_categories[] =
    "{\"id\": 1, \"name\": \"post\", \"keypoints\": [\"top\", \"foot\"], "
    "\"sigmas\": [0.1, 0.1]}, {\"id\": 4, \"name\": \"box\"}";

static inline void detect_set_size(int32_t *width, int32_t *height, const detect_set *set, int i) {
    const bool is_wide = i % 2 == 0 && set->width == 0;
    *width = is_wide ? 96 : set->width > 0 ? set->width : 64;
    *height = is_wide ? 64 : 96;
}

static inline void detect_set_fill(rep_image *image, int x, int y, int w, int h, uint8_t value) {
    for (int row = y; row < y + h; row++) {
        memset(image->pixels + 3 * ((size_t)row * (size_t)image->width + (size_t)x), value,
               3 * (size_t)w);
    }
}

/* A white post and a black box on grey: root/images/<i>.png. */
static inline void detect_set_draw(const char *root, const detect_set *set, int i) {
    char path[256];
    rep_image image = {.channels = 3};
    detect_set_size(&image.width, &image.height, set, i);
    image.pixels = malloc(3 * (size_t)image.width * (size_t)image.height);
    assert_non_null(image.pixels);
    detect_set_fill(&image, 0, 0, image.width, image.height, 128);
    if (i % 4 != 3 && set->width == 0) {
        detect_set_fill(&image, 6 + i, 8, 12, 40, 255);
        detect_set_fill(&image, 32, 20 + i, 24, 20, 0);
    }
    snprintf(path, sizeof path, "%s/images/%d.png", root, i);
    CHECK_OK(rep_image_save_png(path, &image));
    rep_image_clear(&image);
}

static inline void detect_set_objects(FILE *json, int i, const char **comma) {
    fprintf(json,
            "%s{\"id\": %d, \"image_id\": %d, \"category_id\": 1, \"bbox\": [%d, 8, 12, 40], "
            "\"keypoints\": [%d, 8, 2, %d, 47, 2]},\n"
            "{\"id\": %d, \"image_id\": %d, \"category_id\": 4, \"bbox\": [32, %d, 24, 20]}",
            *comma, 10 + 2 * i, 1 + i, 6 + i, 12 + i, 12 + i, 11 + 2 * i, 1 + i, 20 + i);
    *comma = ",\n";
}

/* Writes the pictures that are not there yet, and root/<name>. */
static inline void detect_set_write(const char *root, const char *name, const detect_set *set) {
    char path[256];
    const char *comma = "";
    snprintf(path, sizeof path, "%s/images", root);
    CHECK_OK(rep_folder_make(path));
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *json = fopen(path, "w");
    assert_non_null(json);
    fprintf(json, "{\"categories\": [%s],\n\"images\": [",
            set->categories ? set->categories : detect_set_categories);
    for (int i = set->first; i < set->first + set->count; i++) {
        int32_t width, height;
        detect_set_size(&width, &height, set, i);
        detect_set_draw(root, set, i);
        fprintf(json, "%s\n{\"id\": %d, \"file_name\": \"%d.png\", \"width\": %d, \"height\": %d}",
                i > set->first ? "," : "", 1 + i, i, width, height);
    }
    fprintf(json, "],\n\"annotations\": [");
    for (int i = set->first; i < set->first + set->count && !set->has_no_objects; i++) {
        if (i % 4 != 3) { detect_set_objects(json, i, &comma); }
    }
    fprintf(json, "%s]}\n", set->extra ? set->extra : "");
    assert_int_equal(fclose(json), 0);
}

/* A case on root/train.json and root/test.json, its pictures in two shapes. */
static inline void detect_case_init_coco(train_case *c, const char *root, const char *name) {
    static const char yaml[] =
        "MODEL: {FCOS: {NUM_CLASSES: 3}}\n"
        "DATASETS: {NAME: coco, IMAGES_TRAIN: images, ANNOTATIONS_TRAIN: train.json,"
        " ANNOTATIONS_TEST: test.json}\n"
        "INPUT: {SIZE: [], MIN_SIZE_TRAIN: 64, MAX_SIZE_TRAIN: 96, MIN_SIZE_TEST: 64,"
        " MAX_SIZE_TEST: 96}\n";
    detect_case_init(c, root, name);
    CHECK_OK(rep_config_merge_text(c->config, "coco", yaml, sizeof yaml - 1));
    train_case_set(c, "DATASETS.ROOT", root);
}

/* Eight pictures to train on, the last three to test on. */
static inline void detect_set_write_both(const char *root) {
    detect_set_write(root, "train.json", &(detect_set){.count = 8});
    detect_set_write(root, "test.json", &(detect_set){.first = 4, .count = 3});
}

/* ---- what runs leave ------------------------------------------------------------------------ */

static inline void detect_join(char out[256], const char *folder, const char *name) {
    snprintf(out, 256, "%.120s/%.120s", folder, name);
}

/* All log lines since detect_log_start, one text. */
static char detect_log[16384];
static inline void detect_log_keep(void *context, rep_log_level level, const char *text) {
    (void)context, (void)level;
    const size_t used = strlen(detect_log);
    snprintf(detect_log + used, sizeof detect_log - used, "%s\n", text);
}
static inline void detect_log_start(void) {
    detect_log[0] = '\0';
    rep_log_set(detect_log_keep, NULL);
}

#endif
