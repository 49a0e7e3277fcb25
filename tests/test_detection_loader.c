/* test_detection_loader.c - which pictures make which batch, and what is in it. */
#include "coded_set.h"
#include "real_data.h"
#include "repopt/config.h"
#include "train/train.h"

static rep_detection_set *coded;

static int make_coded(void **state) {
    if (temp_make(state) != 0) { return -1; }
    coded_write("coded", coded_pairs);
    coded = coded_open("coded", 0);
    return 0;
}

static int remove_coded(void **state) {
    rep_detection_set_close(coded);
    return temp_remove(state);
}

static const rep_fcos_level levels[] = {{.stride = 8, .least = -1, .most = 16},
                                        {.stride = 16, .least = 16, .most = 1e8f}};

/* Everything that varies, and targets. */
static rep_detection_loader_options everything(int32_t batch) {
    rep_detection_loader_options o = coded_options(batch, true);
    o.augment = (rep_detection_augment){.colour = {.flip_probability = 0.5f,
                                                   .brightness = 0.4f,
                                                   .contrast = 0.4f,
                                                   .saturation = 0.4f,
                                                   .hue = 0.1f,
                                                   .mean = {0.5f, 0.4f, 0.3f},
                                                   .std = {0.2f, 0.3f, 0.4f},
                                                   .is_reversed = true},
                                        .vertical_flip_probability = 0.3f,
                                        .zoom = 1.5f,
                                        .zoom_probability = 0.7f,
                                        .mosaic_probability = 0.3f,
                                        .min_visible = 0.3f,
                                        .min_side_px = 2};
    o.targets = (rep_detection_target_options){.levels = levels, .level_count = 2, .radius = 1.5f};
    return o;
}

/* ---- order ------------------------------------------------------------------------------------
 */

static void test_batches_do_not_depend_on_threads_or_start(void **state) {
    (void)state;
    enum { BATCH = 4, BATCHES = 16, EPOCH = CODED_COUNT / BATCH };
    static const struct {
        int threads;
        uint64_t first;
    } runs[] = {{1, 0}, {3, 0}, {2, 1}, {1, EPOCH}, {4, 7}, {0, BATCHES - 1}};
    for (int mixed = 0; mixed < 2; mixed++) {
        uint64_t wanted[BATCHES];
        for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
            rep_detection_loader_options options = everything(BATCH);
            options.sizes.is_mixed = mixed;
            options.threads = runs[r].threads;
            options.first_batch = runs[r].first;
            rep_detection_loader *loader = coded_loader(coded, &options);
            assert_int_equal(rep_detection_loader_epoch_batches(loader), EPOCH);
            for (uint64_t n = runs[r].first; n < BATCHES; n++) {
                const rep_detection_batch *batch = coded_next(loader);
                const uint64_t hash = coded_hash(batch, BATCH);
                if (r == 0) { wanted[n] = hash; }
                assert_int_equal(batch->index, n);
                assert_int_equal(batch->epoch, n / EPOCH);
                assert_int_equal(hash, wanted[n]);
                const rep_detection_batch *next = rep_detection_loader_peek(loader);
                if (!next) { continue; }
                assert_int_equal(next->index, n + 1);
                assert_int_equal(coded_hash(batch, BATCH), hash);
            }
            rep_detection_loader_destroy(loader);
        }
        for (int i = 0; i < BATCHES; i++) {
            for (int k = 0; k < i; k++) { assert_true(wanted[i] != wanted[k]); }
        }
    }
}

/* Whether a picture has the size of one of the shorter sides there are. */
static bool has_drawn_size(const rep_detection_picture *p) {
    const rep_detection_sizes sizes = coded_options(1, true).sizes;
    bool is_one = false;
    for (size_t i = 0; i < sizes.min_size_count; i++) {
        const rep_frame f =
            rep_frame_resized(p->true_width, p->true_height, sizes.min_sizes[i], sizes.max_size);
        is_one = is_one || (p->width == f.width && p->height == f.height);
    }
    return is_one;
}

static void test_an_epoch_shows_a_picture_once(void **state) {
    (void)state;
    enum { BATCH = 3, EPOCH = CODED_COUNT / BATCH, EPOCHS = 6 };
    rep_detection_loader_options options = coded_options(BATCH, true);
    rep_detection_loader *loader = coded_loader(coded, &options);
    size_t moved = 0, first[EPOCHS] = {0};
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        size_t seen[CODED_COUNT] = {0};
        for (int n = 0; n < EPOCH; n++) {
            const rep_detection_batch *batch = coded_next(loader);
            assert_int_equal(batch->valid, BATCH);
            if (n == 0) { first[epoch] = batch->pictures[0].index; }
            for (int i = 0; i < BATCH; i++) {
                seen[batch->pictures[i].index]++;
                /* At most a batch less than there are shapes is mixed, and may shrink pictures. */
                if (n + 3 < EPOCH) { assert_true(has_drawn_size(&batch->pictures[i])); }
            }
        }
        for (int i = 0; i < CODED_COUNT; i++) { assert_true(seen[i] <= 1); }
        moved += epoch > 0 && first[epoch] != first[epoch - 1];
    }
    rep_detection_loader_destroy(loader);
    assert_true(moved > 0);
}

static void test_evaluation_shows_every_picture_in_its_shape(void **state) {
    (void)state;
    rep_detection_loader_options options = coded_options(4, false);
    options.sizes.is_mixed = true; /* means nothing here */
    rep_detection_loader *loader = coded_loader(coded, &options);
    const rep_annotations *all = rep_detection_set_annotations(coded);
    size_t seen[CODED_COUNT] = {0}, batches = 0, objects = 0;
    const rep_detection_batch *batch = NULL;
    for (batch = coded_take(loader); batch; batch = coded_take(loader), batches++) {
        assert_int_equal(batch->level_count, 0);
        const size_t values = 3 * (size_t)batch->height * (size_t)batch->width;
        for (size_t i = 0; i < (size_t)batch->valid; i++) {
            const rep_detection_picture *p = &batch->pictures[i];
            const rep_picture *picture = &all->pictures[p->index];
            const rep_frame frame = rep_frame_resized(picture->width, picture->height, 48, 130);
            assert_true(p->width == frame.width && p->height == frame.height && !p->is_bad);
            assert_true(p->width <= batch->width && p->height <= batch->height);
            assert_true(p->true_width == picture->width && p->true_height == picture->height);
            seen[p->index]++;
            for (size_t k = p->first; k < p->first + p->count; k++, objects++) {
                /* maskrcnn-benchmark: corners times new side / old side, in pixels. */
                const rep_object *o = &all->objects[batch->sources[k]];
                const float *b = batch->boxes + 4 * k;
                const double rx = (double)p->width / picture->width;
                const double ry = (double)p->height / picture->height;
                assert_true(fabs((double)b[0] - o->x * rx) < 1e-4);
                assert_true(fabs((double)b[1] - o->y * ry) < 1e-4);
                assert_true(fabs((double)b[2] - (o->x + o->w - 1) * rx) < 1e-4);
                assert_true(fabs((double)b[3] - (o->y + o->h - 1) * ry) < 1e-4);
                assert_true(fabs((double)b[2] * p->scale_x - (o->x + o->w - 1)) < 1e-4);
                assert_int_equal(batch->labels[k], o->category + 1);
            }
        }
        for (size_t i = (size_t)batch->valid * values; i < 4 * values; i++) {
            assert_true(batch->images[i] == 0);
        }
    }
    for (int i = 0; i < CODED_COUNT; i++) { assert_int_equal(seen[i], 1); }
    assert_int_equal(objects, 36); /* two that are no crowd on each of 18 pictures */
    assert_int_equal(batches, rep_detection_loader_epoch_batches(loader));
    rep_detection_loader_destroy(loader);
}

static void test_a_limit_hides_the_rest(void **state) {
    (void)state;
    rep_detection_set *set = coded_open("coded", 5);
    const rep_annotations *all = rep_detection_set_annotations(set);
    assert_int_equal(all->picture_count, 5);
    assert_int_equal(all->object_count, 4 * CODED_OBJECTS);
    rep_image image;
    CHECK_FAILS(rep_detection_set_read(&image, set, 5, 0, 0), REP_ERR_ARGUMENT, "it has 5");
    rep_detection_set_close(set);
}

/* ---- shapes -----------------------------------------------------------------------------------
 */

static double padding_of(const rep_buckets *b, const rep_annotations *all, int32_t least) {
    double padded = 0;
    for (size_t i = 0; i < all->picture_count; i++) {
        size_t bucket = b->count;
        const rep_frame frame = rep_buckets_place(&bucket, b, &all->pictures[i], least);
        const rep_frame wanted =
            rep_frame_resized(all->pictures[i].width, all->pictures[i].height, least, 130);
        assert_true(frame.width == wanted.width && frame.height == wanted.height);
        assert_true(frame.width <= b->items[bucket].width);
        assert_true(frame.height <= b->items[bucket].height);
        padded += (double)b->items[bucket].width * b->items[bucket].height;
    }
    return padded;
}

static void test_shapes_are_few_and_hold_all(void **state) {
    (void)state;
    const rep_annotations *all = rep_detection_set_annotations(coded);
    rep_detection_sizes sizes = coded_options(4, true).sizes;
    sizes.divisibility = 8;
    double before = 1e18;
    for (size_t most = 1; most <= 8; most++) {
        rep_buckets b;
        sizes.bucket_most = most;
        CHECK_OK(rep_buckets_init(&b, &sizes, all));
        assert_true(b.count >= 1 && b.count <= most);
        for (size_t i = 0; i < b.count; i++) {
            assert_int_equal(b.items[i].height % 8, 0);
            assert_int_equal(b.items[i].width % 8, 0);
        }
        const double padded =
            padding_of(&b, all, 48) + padding_of(&b, all, 60) + padding_of(&b, all, 72);
        assert_true(padded <= before);
        before = padded;
        rep_buckets_clear(&b);
    }
    /* A range stands for all between; its largest size has its shape. */
    static const int32_t range[] = {40, 75};
    sizes.min_sizes = range;
    sizes.min_size_count = 2;
    sizes.is_range = true;
    rep_buckets b;
    CHECK_OK(rep_buckets_init(&b, &sizes, all));
    for (int32_t least = 40; least <= 75; least++) { (void)padding_of(&b, all, least); }
    rep_rng rng;
    rep_rng_init(&rng, 1, 1);
    int32_t low = 99, high = 0;
    for (int i = 0; i < 1000; i++) {
        const int32_t side = rep_buckets_draw(&b, &rng);
        low = side < low ? side : low, high = side > high ? side : high;
    }
    assert_true(low == 40 && high == 75);
    rep_buckets_clear(&b);
}

static void test_shapes_that_are_given(void **state) {
    (void)state;
    static const int32_t shapes[] = {96, 64, 64, 96};
    rep_detection_loader_options options = coded_options(2, true);
    options.sizes.buckets = shapes;
    options.sizes.bucket_count = 2;
    rep_detection_loader *loader = coded_loader(coded, &options);
    int32_t height = 0, width = 0;
    assert_int_equal(rep_detection_loader_bucket(&height, &width, loader, 0), 2);
    assert_true(height == 64 && width == 96);
    size_t count[2] = {0};
    for (int n = 0; n < 30; n++) {
        const rep_detection_batch *batch = coded_next(loader);
        count[batch->bucket]++;
        assert_int_equal(
            rep_detection_loader_bucket(&height, &width, loader, (size_t)batch->bucket), 2);
        assert_true(batch->height == height && batch->width == width);
        for (int i = 0; i < 2; i++) { /* shrunk where it has to be, and never out of shape */
            const rep_detection_picture *p = &batch->pictures[i];
            assert_true(p->width <= width && p->height <= height);
            assert_true(fabs(p->scale_x - p->scale_y) < 0.06 * p->scale_x);
        }
    }
    assert_true(count[0] > 0 && count[1] > 0);
    rep_detection_loader_destroy(loader);
}

static void test_a_fixed_size_stretches(void **state) {
    (void)state;
    rep_detection_loader_options options = coded_options(5, false);
    options.sizes = (rep_detection_sizes){.height = 50, .width = 70};
    rep_detection_loader *loader = coded_loader(coded, &options);
    const rep_detection_batch *batch = coded_next(loader);
    assert_true(batch->height == 64 && batch->width == 96);
    for (int i = 0; i < 5; i++) {
        const rep_detection_picture *p = &batch->pictures[i];
        assert_true(p->width == 70 && p->height == 50);
        assert_true(p->scale_x == p->true_width / 70.0 && p->scale_y == p->true_height / 50.0);
    }
    rep_detection_loader_destroy(loader);
}

/* ---- targets ----------------------------------------------------------------------------------
 */

static void test_targets_are_those_of_each_picture(void **state) {
    (void)state;
    enum { BATCH = 3, MOST = 4096 };
    static int32_t labels[MOST];
    static float distances[4 * MOST], centerness[MOST], keypoints[2 * CODED_POINTS * MOST];
    static uint8_t mask[CODED_POINTS * MOST];
    rep_detection_loader_options options = everything(BATCH);
    rep_detection_loader *loader = coded_loader(coded, &options);
    size_t empty = 0;
    double visible_in_all = 0;
    for (int n = 0; n < 20; n++) {
        const rep_detection_batch *b = coded_next(loader);
        rep_fcos_level specs[2];
        double positives = 0, centre = 0, visible = 0;
        assert_int_equal(b->level_count, 2);
        for (int l = 0; l < 2; l++) {
            specs[l] = levels[l];
            specs[l].height = b->levels[l].height;
            specs[l].width = b->levels[l].width;
            assert_int_equal(specs[l].height, b->height / levels[l].stride);
        }
        assert_true(rep_fcos_location_count(specs, 2) <= MOST);
        for (size_t row = 0; row < BATCH; row++) {
            const rep_detection_picture *p = &b->pictures[row];
            const rep_fcos_truth truth = {p->count, b->boxes + 4 * p->first, b->labels + p->first,
                                          b->keypoints + 3 * CODED_POINTS * p->first};
            const rep_fcos_spec spec = {specs, 2, 1.5f, false, CODED_POINTS};
            const rep_fcos_targets out = {labels, NULL, distances, centerness, keypoints, mask};
            CHECK_OK(rep_fcos_assign(&out, &spec, &truth));
            empty += p->count == 0;
            size_t at = 0;
            for (int l = 0; l < 2; l++) {
                const rep_detection_level *level = &b->levels[l];
                const size_t count = (size_t)level->height * (size_t)level->width;
                for (size_t i = 0; i < count; i++, at++) {
                    const size_t cell = row * count + i;
                    assert_int_equal(level->labels[cell], labels[at]);
                    assert_true(level->positives[cell] == (labels[at] > 0 ? 1.0f : 0.0f));
                    assert_true(level->centerness[cell] == centerness[at]);
                    assert_memory_equal(level->box_targets + 4 * cell, distances + 4 * at, 16);
                    positives += labels[at] > 0;
                    centre += (double)centerness[at];
                    for (size_t k = 0; k < 2 * CODED_POINTS; k++) {
                        assert_true(level->keypoint_targets[2 * CODED_POINTS * cell + k] ==
                                    keypoints[2 * CODED_POINTS * at + k]);
                        assert_true(level->keypoint_weights[2 * CODED_POINTS * cell + k] ==
                                    mask[CODED_POINTS * at + k / 2]);
                        visible += mask[CODED_POINTS * at + k / 2] / 2.0;
                    }
                }
            }
        }
        assert_true(b->positives == positives && b->visible == visible);
        assert_true(fabs(b->centerness - centre) < 1e-9);
        visible_in_all += visible;
    }
    rep_detection_loader_destroy(loader);
    assert_true(empty > 0 && visible_in_all > 0);
}

/* ---- what is refused, and flips that are off --------------------------------------------------
 */

static void test_loader_refuses(void **state) {
    (void)state;
    rep_detection_loader *loader = NULL;
    rep_detection_loader_options o;
#define REFUSED(change, status, part)                                                              \
    o = everything(4);                                                                             \
    o.change;                                                                                      \
    CHECK_FAILS(rep_detection_loader_create(&loader, coded, &o), status, part)
    REFUSED(batch = 0, REP_ERR_ARGUMENT, "a batch of 0");
    REFUSED(batch = CODED_COUNT + 1, REP_ERR_DATA, "SOLVER.IMS_PER_BATCH");
    REFUSED(sizes.min_size_count = 0, REP_ERR_ARGUMENT, "INPUT.MIN_SIZE_TRAIN");
    REFUSED(sizes.is_range = true, REP_ERR_ARGUMENT, "two for a range");
    REFUSED(sizes.max_size = 0, REP_ERR_ARGUMENT, "INPUT.MAX_SIZE_TRAIN");
    REFUSED(sizes.divisibility = -1, REP_ERR_ARGUMENT, "SIZE_DIVISIBILITY");
    REFUSED(sizes.bucket_most = 65, REP_ERR_ARGUMENT, "INPUT.BUCKETS");
    REFUSED(sizes.height = 5, REP_ERR_ARGUMENT, "INPUT.SIZE, width");
    REFUSED(augment.zoom = 0.5f, REP_ERR_ARGUMENT, "zoom is 0.5");
    REFUSED(augment.mosaic_probability = NAN, REP_ERR_ARGUMENT, "mosaic");
    REFUSED(augment.min_visible = 1.5f, REP_ERR_ARGUMENT, "visible");
    REFUSED(augment.colour.pad = 4, REP_ERR_ARGUMENT, "padding");
    REFUSED(augment.colour.cutout = 4, REP_ERR_ARGUMENT, "cutout");
    REFUSED(augment.colour.std[1] = 0, REP_ERR_ARGUMENT, "std");
    REFUSED(targets.level_count = 9, REP_ERR_ARGUMENT, "FPN_STRIDES");
    REFUSED(targets.radius = -1, REP_ERR_ARGUMENT, "RADIUS");
#undef REFUSED
    static const int32_t odd[] = {64, 65};
    o = everything(4);
    o.sizes.buckets = odd;
    o.sizes.bucket_count = 1;
    CHECK_FAILS(rep_detection_loader_create(&loader, coded, &o), REP_ERR_ARGUMENT, "65 is no");
    rep_detection_set *set = NULL;
    rep_detection_set_options where = {.kind = "folder", .root = temp_root};
    CHECK_FAILS(rep_detection_set_open(&set, &where), REP_ERR_ARGUMENT, "has no boxes");
    where.kind = "coco";
    CHECK_FAILS(rep_detection_set_open(&set, &where), REP_ERR_ARGUMENT, "ANNOTATIONS_TRAIN");
    where.annotations = "none.json";
    CHECK_FAILS(rep_detection_set_open(&set, &where), REP_ERR_IO, "none.json");
    where.root = NULL;
    CHECK_FAILS(rep_detection_set_open(&set, &where), REP_ERR_ARGUMENT, "DATASETS.ROOT");
    where = (rep_detection_set_options){.kind = "voc", .root = temp_root};
    CHECK_FAILS(rep_detection_set_open(&set, &where), REP_ERR_ARGUMENT, "no split");
    assert_null(loader);
    assert_null(set);
}

static void test_no_flips_without_pairs(void **state) {
    (void)state;
    coded_write("odd", "\"tip\", \"stem\", \"root\"");
    rep_detection_set *set = coded_open("odd", 0);
    uint64_t hashes[3];
    for (int run = 0; run < 3; run++) {
        rep_detection_loader_options options = coded_options(8, true);
        options.augment.colour.flip_probability = run == 1 ? 1 : 0;
        options.augment.vertical_flip_probability = run == 2 ? 1 : 0;
        logged_count = 0;
        rep_log_set(keep_log, NULL);
        rep_detection_loader *loader = coded_loader(set, &options);
        rep_log_set(NULL, NULL);
        hashes[run] = coded_hash(coded_next(loader), 8);
        rep_detection_loader_destroy(loader);
        assert_int_equal(logged_count, run > 0);
    }
    assert_non_null(strstr(logged[0], "category 'cat' has 3 keypoints"));
    assert_true(hashes[1] == hashes[0] && hashes[2] == hashes[0]);
    rep_detection_set_close(set);
}

static void test_destroy_at_any_moment(void **state) {
    (void)state;
    for (int taken = 0; taken < 4; taken++) {
        rep_detection_loader_options options = everything(8);
        options.threads = 3;
        rep_detection_loader *loader = coded_loader(coded, &options);
        for (int i = 0; i < taken; i++) { (void)coded_next(loader); }
        rep_detection_loader_destroy(loader);
    }
    rep_detection_loader_destroy(NULL);
}

/* ---- the configuration, and real pictures -----------------------------------------------------
 */

static rep_detection_loader *open_configured(rep_detection_set **set, const char *text,
                                             bool is_train) {
    rep_config *config = NULL;
    rep_detection_loader *loader = NULL;
    CHECK_OK(rep_config_create(&config));
    CHECK_OK(rep_config_merge_text(config, "test.yaml", text, strlen(text)));
    const rep_values *v = rep_config_values(config);
    CHECK_OK(rep_setup_detection_set(set, v, is_train));
    rep_detection_setup setup;
    CHECK_OK(rep_setup_detection(&setup, v, is_train));
    CHECK_OK(rep_detection_loader_create(&loader, *set, &setup.options));
    rep_config_destroy(config);
    return loader;
}

static void test_the_configuration_says_it_all(void **state) {
    (void)state;
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "DATASETS: {NAME: coco, ROOT: %s, IMAGES_TRAIN: images, ANNOTATIONS_TRAIN: "
                   "a.json, ANNOTATIONS_TEST: a.json, LIMIT_TEST: 7}\n"
                   "INPUT: {MIN_SIZE_RANGE_TRAIN: [40, 60], MAX_SIZE_TRAIN: 128, BUCKETS: [2], "
                   "MIN_SIZE_TEST: 64, MAX_SIZE_TEST: 128, MOSAIC_PROB: 0.5, ZOOM: 1.5}\n"
                   "SOLVER: {IMS_PER_BATCH: 4}\nTEST: {IMS_PER_BATCH: 3}\n",
                   temp_path("coded"));
    rep_detection_set *set = NULL;
    rep_detection_loader *loader = open_configured(&set, text, true);
    const rep_detection_batch *batch = coded_next(loader);
    assert_int_equal(batch->valid, 4);
    assert_int_equal(batch->level_count, 5);
    assert_int_equal(batch->levels[4].stride, 128);
    assert_true(rep_detection_loader_bucket(NULL, NULL, loader, SIZE_MAX) <= 2);
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
    loader = open_configured(&set, text, false);
    batch = coded_next(loader);
    assert_true(batch->valid <= 3 && batch->level_count == 0);
    assert_int_equal(rep_detection_set_annotations(set)->picture_count, 7);
    for (int32_t i = 0; i < batch->valid; i++) {
        const rep_detection_picture *p = &batch->pictures[i];
        const rep_frame frame = rep_frame_resized(p->true_width, p->true_height, 64, 128);
        assert_true(p->width == frame.width && p->height == frame.height);
    }
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
}

static void test_real_blood_cells(void **state) {
    (void)state;
    char root[512], text[2048];
    if (!find_real(root, sizeof root, "bccd")) { skip(); }
    static const char *const wheres[] = {"NAME: coco, IMAGES_TRAIN: JPEGImages, ANNOTATIONS_TRAIN: "
                                         "annotations/instances_train.json",
                                         "NAME: voc, TRAIN: [train]"};
    size_t objects[2] = {0};
    for (int kind = 0; kind < 2; kind++) {
        (void)snprintf(text, sizeof text,
                       "DATASETS: {ROOT: %s, %s, LIMIT_TRAIN: 32}\n"
                       "INPUT: {MIN_SIZE_TRAIN: [240], MAX_SIZE_TRAIN: 320}\n"
                       "SOLVER: {IMS_PER_BATCH: 8}\n",
                       root, wheres[kind]);
        rep_detection_set *set = NULL;
        rep_detection_loader *loader = open_configured(&set, text, true);
        assert_int_equal(rep_detection_loader_bucket(NULL, NULL, loader, SIZE_MAX), 1);
        for (int n = 0; n < 4; n++) {
            const rep_detection_batch *batch = coded_next(loader);
            assert_true(batch->height == 256 && batch->width == 320);
            assert_int_equal(batch->pictures[0].height, 240);
            assert_true(batch->positives > 0);
            objects[kind] += batch->object_count;
        }
        rep_detection_loader_destroy(loader);
        rep_detection_set_close(set);
    }
    assert_true(objects[0] > 200);
    assert_int_equal(objects[0], objects[1]); /* the same pictures either way */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_do_not_depend_on_threads_or_start),
        cmocka_unit_test(test_an_epoch_shows_a_picture_once),
        cmocka_unit_test(test_evaluation_shows_every_picture_in_its_shape),
        cmocka_unit_test(test_a_limit_hides_the_rest),
        cmocka_unit_test(test_shapes_are_few_and_hold_all),
        cmocka_unit_test(test_shapes_that_are_given),
        cmocka_unit_test(test_a_fixed_size_stretches),
        cmocka_unit_test(test_targets_are_those_of_each_picture),

        cmocka_unit_test(test_loader_refuses),
        cmocka_unit_test(test_no_flips_without_pairs),
        cmocka_unit_test(test_destroy_at_any_moment),
        cmocka_unit_test(test_the_configuration_says_it_all),
        cmocka_unit_test(test_real_blood_cells),
    };
    return cmocka_run_group_tests(tests, make_coded, remove_coded);
}
