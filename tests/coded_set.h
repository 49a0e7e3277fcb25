/* coded_set.h - a small COCO set whose pixels tell where they come from: red is twice the column,
 * green twice the row, blue ten times the picture's number. */
#ifndef REP_TESTS_CODED_SET_H
#define REP_TESTS_CODED_SET_H

#include <math.h>

#include "data/detection_loader.h"
#include "temp_folder.h"

enum { CODED_COUNT = 23, CODED_OBJECTS = 3, CODED_POINTS = 3, CODED_EMPTY = 4 };

static void coded_size(int32_t *width, int32_t *height, int i) {
    static const int32_t sizes[][2] = {{100, 60}, {60, 100}, {90, 90}, {120, 40}, {64, 48}};
    *width = sizes[i % 5][0];
    *height = sizes[i % 5][1];
}

static void coded_write_picture(const char *folder, int i) {
    rep_image image = {.channels = 3};
    coded_size(&image.width, &image.height, i);
    image.pixels = malloc((size_t)image.width * (size_t)image.height * 3);
    assert_non_null(image.pixels);
    uint8_t *p = image.pixels;
    for (int32_t y = 0; y < image.height; y++) {
        for (int32_t x = 0; x < image.width; x++, p += 3) {
            p[0] = (uint8_t)(2 * x), p[1] = (uint8_t)(2 * y), p[2] = (uint8_t)(10 * (i + 1));
        }
    }
    uint8_t *bytes = NULL;
    size_t count = 0;
    char name[64];
    CHECK_OK(rep_image_encode_png(&bytes, &count, &image));
    (void)snprintf(name, sizeof name, "%s/images/%d.png", folder, i);
    (void)temp_write_fast(name, bytes, count);
    free(bytes);
    rep_image_clear(&image);
}

/* Writes folder/images/<i>.png and folder/a.json. Every CODED_EMPTY-th picture has no objects, the
 * others three: category "cat" with keypoints `names`, "box" without, and a crowd. */
static void coded_write(const char *folder, const char *names) {
    static char json[1 << 16];
    char path[64];
    (void)snprintf(path, sizeof path, "%s/images", folder);
    CHECK_OK(rep_folder_make(temp_path(path)));
    int at = snprintf(json, sizeof json, "{\"images\": [");
    for (int i = 0; i < CODED_COUNT; i++) {
        int32_t w, h;
        coded_size(&w, &h, i);
        at += snprintf(json + at, sizeof json - (size_t)at,
                       "%s{\"id\": %d, \"file_name\": \"%d.png\", \"width\": %d, \"height\": %d}",
                       i ? ", " : "", 100 + i, i, w, h);
        coded_write_picture(folder, i);
    }
    at += snprintf(json + at, sizeof json - (size_t)at,
                   "], \"categories\": [{\"id\": 1, \"name\": \"cat\", \"keypoints\": [%s]}, "
                   "{\"id\": 5, \"name\": \"box\"}], \"annotations\": [",
                   names);
    int id = 0;
    for (int i = 0; i < CODED_COUNT; i++) {
        int32_t w, h;
        coded_size(&w, &h, i);
        if (i % CODED_EMPTY == CODED_EMPTY - 1) { continue; }
        const int x = 3 + i % 7, y = 2 + i % 5;
        at +=
            snprintf(json + at, sizeof json - (size_t)at,
                     "%s{\"id\": %d, \"image_id\": %d, \"category_id\": 1, \"iscrowd\": 0, "
                     "\"bbox\": [%d, %d, 20, 24], \"keypoints\": [%d, %d, 2, %d, %d, 1, 0, 0, 0]}",
                     id ? ", " : "", id, 100 + i, x, y, x + 4, y + 6, x + 15, y + 20);
        at += snprintf(json + at, sizeof json - (size_t)at,
                       ", {\"id\": %d, \"image_id\": %d, \"category_id\": 5, \"iscrowd\": 0, "
                       "\"bbox\": [%d, %d, 16, 12]}",
                       id + 1, 100 + i, w - 24, h - 20);
        at += snprintf(json + at, sizeof json - (size_t)at,
                       ", {\"id\": %d, \"image_id\": %d, \"category_id\": 5, \"iscrowd\": 1, "
                       "\"bbox\": [5, 5, 30, 30]}",
                       id + 2, 100 + i);
        id += CODED_OBJECTS;
    }
    at += snprintf(json + at, sizeof json - (size_t)at, "]}");
    assert_true((size_t)at < sizeof json);
    (void)snprintf(path, sizeof path, "%s/a.json", folder);
    (void)temp_write_fast(path, json, (size_t)at);
}

static const char coded_pairs[] = "\"nose\", \"left_eye\", \"right_eye\"";

static rep_detection_set *coded_open(const char *folder, size_t limit) {
    const rep_detection_set_options options = {.kind = "coco",
                                               .root = temp_path(folder),
                                               .images = "images",
                                               .annotations = "a.json",
                                               .limit = limit};
    rep_detection_set *set = NULL;
    CHECK_OK(rep_detection_set_open(&set, &options));
    return set;
}

/* What most tests ask for; min_sizes of static storage. */
static rep_detection_loader_options coded_options(int32_t batch, bool is_train) {
    static const int32_t min_sizes[] = {48, 60, 72};
    return (rep_detection_loader_options){
        .batch = batch,
        .is_train = is_train,
        .sizes = {.min_sizes = min_sizes, .min_size_count = 3, .max_size = 130},
        .augment = {.colour = {.std = {1, 1, 1}}, .min_visible = 0.3f, .min_side_px = 1},
        .seed = 5,
        .threads = 1};
}

static rep_detection_loader *coded_loader(const rep_detection_set *set,
                                          const rep_detection_loader_options *options) {
    rep_detection_loader *loader = NULL;
    CHECK_OK(rep_detection_loader_create(&loader, set, options));
    return loader;
}

/* The next batch, NULL after the last. */
static const rep_detection_batch *coded_take(rep_detection_loader *loader) {
    const rep_detection_batch *batch = NULL;
    CHECK_OK(rep_detection_loader_next(loader, &batch));
    return batch;
}

/* The next batch, which must come. */
static const rep_detection_batch *coded_next(rep_detection_loader *loader) {
    const rep_detection_batch *batch = coded_take(loader);
    assert_non_null(batch);
    return batch;
}

/* The warnings since logged_count was set to 0, for rep_log_set. */
static char logged[4][256];
static int logged_count;

static void keep_log(void *context, rep_log_level level, const char *text) {
    (void)context;
    if (level == REP_LOG_WARNING && logged_count < 4) {
        (void)snprintf(logged[logged_count++], sizeof logged[0], "%s", text);
    }
}

static uint64_t coded_hash_bytes(uint64_t hash, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001B3u;
    }
    return hash;
}

/* Of all that a batch holds. */
static uint64_t coded_hash(const rep_detection_batch *b, size_t rows) {
    uint64_t hash = 0xCBF29CE484222325u;
    const size_t pixels = (size_t)b->height * (size_t)b->width;
    hash = coded_hash_bytes(hash, b->images, rows * pixels * 3 * sizeof(float));
    for (size_t i = 0; i < (size_t)b->valid; i++) {
        const rep_detection_picture *p = &b->pictures[i];
        const size_t facts[] = {p->index, (size_t)p->width, (size_t)p->height, p->first, p->count};
        hash = coded_hash_bytes(hash, facts, sizeof facts);
    }
    hash = coded_hash_bytes(hash, b->boxes, b->object_count * 4 * sizeof *b->boxes);
    hash = coded_hash_bytes(hash, b->labels, b->object_count * sizeof *b->labels);
    hash = coded_hash_bytes(hash, b->keypoints, b->object_count * 3 * CODED_POINTS * sizeof(float));
    for (size_t i = 0; i < b->level_count; i++) {
        const rep_detection_level *l = &b->levels[i];
        const size_t cells = rows * (size_t)l->height * (size_t)l->width;
        hash = coded_hash_bytes(hash, l->labels, cells * sizeof *l->labels);
        hash = coded_hash_bytes(hash, l->box_targets, 4 * cells * sizeof(float));
        hash =
            coded_hash_bytes(hash, l->keypoint_targets, 2 * CODED_POINTS * cells * sizeof(float));
        hash =
            coded_hash_bytes(hash, l->keypoint_weights, 2 * CODED_POINTS * cells * sizeof(float));
    }
    return coded_hash_bytes(hash, &b->positives, sizeof b->positives);
}

#endif
