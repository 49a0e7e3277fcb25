/* test_data_loader.c - batches, augmentation and the drawn set: what depends on what, and on
 * nothing else. */
#include <math.h>
#include <stdlib.h>

#include "data/data.h"
#include "temp_folder.h"

enum { DRAWN_BYTES = 32 * 32 * 3, DRAWN_VALUES = DRAWN_BYTES };

static rep_dataset *open_drawn(uint64_t seed, bool is_train, size_t count) {
    const rep_dataset_options options = {
        .kind = "drawn", .is_train = is_train, .seed = seed, .count = count};
    rep_dataset *set = NULL;
    CHECK_OK(rep_dataset_open(&set, &options));
    return set;
}

static const rep_augment no_augment = {.std = {1, 1, 1, 1}};
static const rep_augment everything = {.pad = 4,
                                       .flip_probability = 0.5f,
                                       .brightness = 0.4f,
                                       .contrast = 0.4f,
                                       .saturation = 0.4f,
                                       .hue = 0.1f,
                                       .cutout = 8,
                                       .mean = {0.5f, 0.4f, 0.3f},
                                       .std = {0.2f, 0.25f, 0.3f}};

/* ---- the drawn set ----------------------------------------------------------------------------
 */

static void test_drawn_depends_on_seed_split_index(void **state) {
    (void)state;
    rep_dataset *sets[] = {open_drawn(1, true, 40), open_drawn(1, true, 400),
                           open_drawn(1, false, 40), open_drawn(2, true, 40)};
    const rep_dataset_info *info = rep_dataset_info_get(sets[0]);
    assert_string_equal(info->kind, "drawn");
    assert_int_equal(info->class_count, 10);
    assert_string_equal(info->class_names[4], "star");
    assert_int_equal(info->file_count, 0);
    for (size_t i = 40; i-- > 0;) {
        uint8_t pixels[5][DRAWN_BYTES];
        int32_t label = -1;
        for (int s = 0; s < 4; s++) {
            CHECK_OK(rep_dataset_read(sets[s], i, pixels[s], &label));
            assert_int_equal(label, i % 10);
        }
        CHECK_OK(rep_dataset_read(sets[0], i, pixels[4], &label)); /* the kept one */
        assert_memory_equal(pixels[0], pixels[4], DRAWN_BYTES);
        assert_memory_equal(pixels[0], pixels[1], DRAWN_BYTES);
        assert_memory_not_equal(pixels[0], pixels[2], DRAWN_BYTES);
        assert_memory_not_equal(pixels[0], pixels[3], DRAWN_BYTES);
    }
    for (int s = 0; s < 4; s++) { rep_dataset_close(sets[s]); }
}

static void test_drawn_is_the_same_everywhere(void **state) {
    (void)state;
    /* A change here changes every published figure of the drawn set: do it knowingly. */
    rep_dataset *set = open_drawn(1, true, 100);
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < 100; i++) {
        uint8_t pixels[DRAWN_BYTES];
        int32_t label;
        CHECK_OK(rep_dataset_read(set, i, pixels, &label));
        hash = hash_bytes(hash, pixels, sizeof pixels);
    }
    rep_dataset_close(set);
    if (hash != 0x5CB2CD786935F453u) {
        fail_msg("the pictures hash to %016llX", (unsigned long long)hash);
    }
}

/* ---- loader -----------------------------------------------------------------------------------
 */

static rep_loader *open_loader(const rep_dataset *set, int32_t batch, bool is_train, int threads,
                               uint64_t first, const rep_augment *augment) {
    const rep_loader_options options = {.batch = batch,
                                        .is_train = is_train,
                                        .augment = *augment,
                                        .seed = 7,
                                        .first_batch = first,
                                        .threads = threads};
    rep_loader *loader = NULL;
    CHECK_OK(rep_loader_create(&loader, set, &options));
    return loader;
}

static uint64_t hash_batch(const rep_batch *batch, size_t rows) {
    uint64_t hash = HASH_START;
    hash = hash_bytes(hash, batch->images, rows * DRAWN_VALUES * sizeof(float));
    hash = hash_bytes(hash, batch->labels, rows * sizeof *batch->labels);
    hash = hash_bytes(hash, batch->ids, rows * sizeof *batch->ids);
    return hash_bytes(hash, &batch->epoch, sizeof batch->epoch);
}

static void test_batches_do_not_depend_on_threads_or_start(void **state) {
    (void)state;
    enum { BATCHES = 25, BATCH = 6 }; /* five epochs of 32 pictures */
    rep_dataset *set = open_drawn(1, true, 32);
    uint64_t wanted[BATCHES];
    static const struct {
        int threads;
        uint64_t first;
    } runs[] = {{1, 0}, {2, 0}, {5, 0}, {1, 3}, {3, 5}, {2, 17}, {0, 24}};
    for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
        rep_loader *loader =
            open_loader(set, BATCH, true, runs[r].threads, runs[r].first, &everything);
        assert_int_equal(rep_loader_epoch_batches(loader), 5);
        for (uint64_t n = runs[r].first; n < BATCHES; n++) {
            const rep_batch *batch = NULL;
            CHECK_OK(rep_loader_next(loader, &batch));
            assert_int_equal(batch->index, n);
            assert_int_equal(batch->epoch, n / 5);
            assert_int_equal(batch->valid, BATCH);
            const uint64_t hash = hash_batch(batch, BATCH);
            if (r == 0) { wanted[n] = hash; }
            assert_int_equal(hash, wanted[n]);
            /* A look ahead, when there is something to see, leaves the batch as it was. */
            const rep_batch *next = rep_loader_peek(loader);
            if (next) {
                assert_int_equal(next->index, n + 1);
                if (r > 0 && n + 1 < BATCHES) {
                    assert_int_equal(hash_batch(next, BATCH), wanted[n + 1]);
                }
                assert_int_equal(hash_batch(batch, BATCH), hash);
            }
        }
        rep_loader_destroy(loader);
    }
    for (int i = 0; i < BATCHES; i++) {
        for (int j = 0; j < i; j++) { assert_true(wanted[i] != wanted[j]); }
    }
    rep_dataset_close(set);
}

static void test_an_epoch_is_a_permutation(void **state) {
    (void)state;
    enum { COUNT = 60, BATCH = 20, EPOCHS = 4 };
    rep_dataset *set = open_drawn(1, true, COUNT);
    rep_loader *loader = open_loader(set, BATCH, true, 2, 0, &no_augment);
    uint32_t orders[EPOCHS][COUNT];
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        bool is_seen[COUNT] = {false};
        for (int b = 0; b < COUNT / BATCH; b++) {
            const rep_batch *batch = NULL;
            CHECK_OK(rep_loader_next(loader, &batch));
            for (int i = 0; i < BATCH; i++) {
                const uint32_t id = batch->ids[i];
                assert_true(id < COUNT && !is_seen[id]);
                is_seen[id] = true;
                assert_int_equal(batch->labels[i], id % 10);
                orders[epoch][b * BATCH + i] = id;
            }
        }
        for (int before = 0; before < epoch; before++) {
            assert_memory_not_equal(orders[epoch], orders[before], sizeof orders[0]);
        }
    }
    rep_loader_destroy(loader);
    rep_dataset_close(set);
}

static void test_evaluation_in_order_with_a_short_end(void **state) {
    (void)state;
    rep_dataset *set = open_drawn(1, false, 10);
    for (int threads = 1; threads <= 4; threads += 3) {
        rep_loader *loader = open_loader(set, 4, false, threads, 0, &everything);
        assert_int_equal(rep_loader_epoch_batches(loader), 3);
        for (uint32_t b = 0; b < 3; b++) {
            const rep_batch *batch = NULL;
            CHECK_OK(rep_loader_next(loader, &batch));
            assert_int_equal(batch->valid, b < 2 ? 4 : 2);
            for (uint32_t i = 0; i < 4; i++) {
                const bool is_valid = 4 * b + i < 10;
                assert_int_equal(batch->labels[i], is_valid ? (int)(4 * b + i) : -1);
                assert_int_equal(batch->ids[i], is_valid ? 4 * b + i : 0);
                uint8_t pixels[DRAWN_BYTES];
                int32_t label;
                CHECK_OK(rep_dataset_read(set, batch->ids[i], pixels, &label));
                const float *images = batch->images + i * DRAWN_VALUES;
                for (size_t p = 0; p < DRAWN_VALUES; p++) {
                    const double mean = (double)everything.mean[p % 3];
                    const double wanted =
                        (pixels[p] / 255.0 - mean) / (double)everything.std[p % 3];
                    /* A few float roundings of values below 5. */
                    if (is_valid) { assert_true(fabs((double)images[p] - wanted) < 2e-6); }
                    if (!is_valid) { assert_true(images[p] == 0); }
                }
            }
        }
        for (int i = 0; i < 2; i++) {
            const rep_batch *batch = (const rep_batch *)set;
            CHECK_OK(rep_loader_next(loader, &batch));
            assert_null(batch);
        }
        rep_loader_destroy(loader);
    }
    rep_dataset_close(set);
}

static void test_loader_refuses(void **state) {
    (void)state;
    rep_dataset *set = open_drawn(1, true, 10);
    rep_loader *loader = NULL;
    rep_loader_options options = {.batch = 11, .is_train = true, .augment = no_augment};
    CHECK_FAILS(rep_loader_create(&loader, set, &options), REP_ERR_DATA,
                "a batch of 11 is larger than its 10 pictures");
    options.batch = 0;
    CHECK_FAILS(rep_loader_create(&loader, set, &options), REP_ERR_ARGUMENT, "a batch of 0");
    options.batch = 2;
    const rep_augment bad[] = {{.std = {1, 0, 1}},
                               {.std = {1, 1, NAN}},
                               {.std = {1, 1, 1}, .mean = {INFINITY}},
                               {.std = {1, 1, 1}, .flip_probability = 1.5f},
                               {.std = {1, 1, 1}, .pad = -1},
                               {.std = {1, 1, 1}, .hue = 0.6f},
                               {.std = {1, 1, 1}, .brightness = NAN}};
    static const char *const parts[] = {"channel 1", "channel 2", "channel 0", "flip",
                                        "padding",   "hue",       "brightness"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.augment = bad[i];
        CHECK_FAILS(rep_loader_create(&loader, set, &options), REP_ERR_ARGUMENT, parts[i]);
    }
    assert_null(loader);
    rep_loader_destroy(NULL);
    rep_dataset_close(set);
}

static void test_a_bad_picture_is_reported_in_its_turn(void **state) {
    (void)state;
    rep_image image = {0};
    CHECK_OK(rep_image_init(&image, "x", 4, 4, 3));
    uint8_t *bytes = NULL;
    size_t count = 0;
    CHECK_OK(rep_image_encode_png(&bytes, &count, &image));
    for (int i = 0; i < 6; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "turn/train/a/%d.png", i);
        temp_write(name, bytes, i == 4 ? count - 3 : count);
    }
    free(bytes);
    rep_image_clear(&image);
    const rep_dataset_options options = {
        .kind = "folder", .root = temp_path("turn"), .is_train = true, .width = 4, .height = 4};
    rep_dataset *set = NULL;
    CHECK_OK(rep_dataset_open(&set, &options));
    for (int threads = 1; threads <= 3; threads++) {
        rep_loader *loader = open_loader(set, 2, false, threads, 0, &no_augment);
        const rep_batch *batch = NULL;
        for (int b = 0; b < 2; b++) { CHECK_OK(rep_loader_next(loader, &batch)); }
        for (int again = 0; again < 2; again++) {
            CHECK_FAILS(rep_loader_next(loader, &batch), REP_ERR_DATA, "a/4.png: damaged PNG");
        }
        rep_loader_destroy(loader);
    }
    rep_dataset_close(set);
}

static void test_destroy_at_any_moment(void **state) {
    (void)state;
    rep_dataset *set = open_drawn(1, true, 64);
    for (int taken = 0; taken < 8; taken++) {
        rep_loader *loader = open_loader(set, 32, taken & 1, 4, 0, &everything);
        for (int i = 0; i < taken; i++) {
            const rep_batch *batch = NULL;
            CHECK_OK(rep_loader_next(loader, &batch));
        }
        rep_loader_destroy(loader);
    }
    rep_dataset_close(set);
}

/* ---- augmentation -----------------------------------------------------------------------------
 */

/* A 5 x 4 picture whose bytes tell row, column and channel. */
enum { HIGH = 5, WIDE = 4, VALUES = HIGH * WIDE * 3 };
static const rep_dataset_info small_info = {.channels = 3, .height = HIGH, .width = WIDE};

static void fill_small(uint8_t *pixels) {
    for (int i = 0; i < VALUES; i++) { pixels[i] = (uint8_t)(i / 3 * 4 + i % 3 * 80 + 1); }
}

/* Whether out is `in` moved by (dy, dx) and mirrored or not, 0 where nothing moved in. */
static bool is_moved(const float *out, const uint8_t *in, int dy, int dx, bool is_flipped) {
    for (int i = 0; i < VALUES; i++) {
        const int y = i / 3 / WIDE + dy, x = i / 3 % WIDE;
        const int from = (is_flipped ? WIDE - 1 - x : x) + dx;
        const bool is_inside = y >= 0 && y < HIGH && from >= 0 && from < WIDE;
        const float wanted = is_inside ? (float)in[(y * WIDE + from) * 3 + i % 3] / 255 : 0;
        if (out[i] != wanted) { return false; }
    }
    return true;
}

static void test_crop_and_flip_reach_every_place(void **state) {
    (void)state;
    enum { PAD = 2, PLACES = 2 * PAD + 1, ROUNDS = 2000 };
    uint8_t pixels[VALUES];
    float scratch[VALUES], out[VALUES];
    fill_small(pixels);
    rep_augment options = no_augment;
    options.pad = PAD;
    options.flip_probability = 0.25f;
    rep_augmenter a;
    CHECK_OK(rep_augmenter_init(&a, &options, &small_info));
    int counts[2][PLACES][PLACES] = {{{0}}}, flipped = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        rep_rng rng;
        rep_rng_init(&rng, 1, round);
        rep_augment_random(&a, &rng, pixels, scratch, out);
        int found = 0;
        for (int place = 0; place < 2 * PLACES * PLACES; place++) {
            const int f = place & 1, dy = place / 2 / PLACES, dx = place / 2 % PLACES;
            if (!is_moved(out, pixels, dy - PAD, dx - PAD, f)) { continue; }
            counts[f][dy][dx]++;
            flipped += f;
            found++;
        }
        assert_int_equal(found, 1);
    }
    for (int place = 0; place < PLACES * PLACES; place++) {
        /* 80 wanted; six standard deviations are 53. */
        const int count =
            counts[0][place / PLACES][place % PLACES] + counts[1][place / PLACES][place % PLACES];
        assert_in_range(count, 27, 133);
    }
    /* 500 wanted; six standard deviations are 116. */
    assert_in_range(flipped, 384, 616);
}

static void test_switched_off_changes_nothing(void **state) {
    (void)state;
    uint8_t pixels[VALUES];
    float scratch[VALUES], out[VALUES], plain[VALUES];
    fill_small(pixels);
    rep_augment options = everything;
    options.pad = options.cutout = 0;
    options.flip_probability = options.brightness = options.contrast = 0;
    options.saturation = options.hue = 0;
    rep_augmenter a;
    CHECK_OK(rep_augmenter_init(&a, &options, &small_info));
    rep_augment_plain(&a, pixels, plain);
    rep_rng rng;
    rep_rng_init(&rng, 1, 1);
    rep_augment_random(&a, &rng, pixels, scratch, out);
    assert_memory_equal(plain, out, sizeof out);
}

static void test_reversed_channels(void **state) {
    (void)state;
    uint8_t pixels[VALUES];
    float scratch[VALUES], out[2][VALUES];
    fill_small(pixels);
    /* The fast way (no jitter) and the slow one; means and widths stay with their colours. */
    for (int has_jitter = 0; has_jitter < 2; has_jitter++) {
        rep_augment options = everything;
        if (!has_jitter) {
            options.brightness = options.contrast = options.saturation = options.hue = 0;
        }
        for (int reversed = 0; reversed < 2; reversed++) {
            options.is_reversed = reversed;
            rep_augmenter a;
            CHECK_OK(rep_augmenter_init(&a, &options, &small_info));
            rep_rng rng;
            rep_rng_init(&rng, 1, 1);
            rep_augment_random(&a, &rng, pixels, scratch, out[reversed]);
        }
        for (int i = 0; i < VALUES; i++) {
            assert_true(out[0][i] == out[1][i / 3 * 3 + 2 - i % 3]);
        }
    }
}

static void test_cutout_erases_a_square(void **state) {
    (void)state;
    uint8_t pixels[VALUES];
    float scratch[VALUES], out[VALUES];
    fill_small(pixels);
    rep_augment options = no_augment;
    options.cutout = 3;
    rep_augmenter a;
    CHECK_OK(rep_augmenter_init(&a, &options, &small_info));
    bool has_corner = false, has_whole = false;
    for (uint64_t round = 0; round < 200; round++) {
        rep_rng rng;
        rep_rng_init(&rng, 2, round);
        rep_augment_random(&a, &rng, pixels, scratch, out);
        int top = HIGH, bottom = -1, left = WIDE, right = -1, erased = 0;
        for (int p = 0; p < HIGH * WIDE; p++) {
            const bool is_erased = out[3 * p] == 0 && out[3 * p + 1] == 0 && out[3 * p + 2] == 0;
            if (!is_erased) { continue; } /* no byte of the picture is 0 */
            erased++;
            const int y = p / WIDE, x = p % WIDE;
            top = y < top ? y : top, bottom = y > bottom ? y : bottom;
            left = x < left ? x : left, right = x > right ? x : right;
        }
        const int high = bottom - top + 1, wide = right - left + 1;
        assert_int_equal(erased, high * wide);
        /* The middle lies inside, so at least 2 x 2 of 3 x 3 do. */
        assert_in_range(high, 2, 3);
        assert_in_range(wide, 2, 3);
        has_corner = has_corner || erased == 4;
        has_whole = has_whole || erased == 9;
    }
    assert_true(has_corner && has_whole);
}

/* Augments one pixel of colour with one kind of jitter and returns how it came out. */
static void jitter_pixel(float *out, const rep_augment *options, const uint8_t *rgb,
                         uint64_t round) {
    const rep_dataset_info one = {.channels = 3, .height = 1, .width = 1};
    float scratch[3];
    rep_augmenter a;
    CHECK_OK(rep_augmenter_init(&a, options, &one));
    rep_rng rng;
    rep_rng_init(&rng, 3, round);
    rep_augment_random(&a, &rng, rgb, scratch, out);
}

static void test_jitter_means_what_it_says(void **state) {
    (void)state;
    const uint8_t rgb[3] = {100, 140, 60};
    float least = 9, most = -9;
    for (uint64_t round = 0; round < 400; round++) {
        float out[3];
        rep_augment options = no_augment;
        options.brightness = 0.5f; /* a common factor in [0.5, 1.5] */
        jitter_pixel(out, &options, rgb, round);
        const float factor = out[0] * 2.55f;
        assert_true(fabsf(out[1] / out[0] - 1.4f) < 1e-5f);
        least = fminf(least, factor), most = fmaxf(most, factor);
        options.brightness = 0;
        options.saturation = 1; /* towards or away from grey: luma stays */
        jitter_pixel(out, &options, rgb, round);
        const float luma = 0.2989f * out[0] + 0.587f * out[1] + 0.114f * out[2];
        /* The torchvision weights sum to 0.9999; a clamped blue changes luma. */
        if (out[2] > 0) { assert_true(fabsf(luma * 255 - 118.91f) < 0.05f); }
        options.saturation = 0;
        options.hue = 0.5f; /* extremes stay: 140 and 60 turn up among the channels */
        jitter_pixel(out, &options, rgb, round);
        const float high = fmaxf(out[0], fmaxf(out[1], out[2]));
        const float low = fminf(out[0], fminf(out[1], out[2]));
        assert_true(fabsf(high * 255 - 140) < 1e-3f && fabsf(low * 255 - 60) < 1e-3f);
        options.hue = 0;
        options.contrast = 0.9f; /* one pixel is its own mean in luma */
        jitter_pixel(out, &options, rgb, round);
        const float kept = 0.2989f * out[0] + 0.587f * out[1] + 0.114f * out[2];
        if (out[2] > 0) { assert_true(fabsf(kept * 255 - 118.91f) < 0.05f); }
    }
    assert_true(least >= 0.499f && least < 0.52f && most <= 1.501f && most > 1.48f);
}

static void test_hue_turns_by_thirds(void **state) {
    (void)state;
    /* A third of a circle takes red to green to blue; the shift is drawn, so look for it. */
    const uint8_t red[3] = {200, 50, 50};
    rep_augment options = no_augment;
    options.hue = 0.5f;
    bool has_green = false, has_blue = false;
    for (uint64_t round = 0; round < 2000; round++) {
        float out[3];
        jitter_pixel(out, &options, red, round);
        has_green = has_green || (out[1] * 255 > 199.9f && fabsf(out[0] - out[2]) < 0.01f);
        has_blue = has_blue || (out[2] * 255 > 199.9f && fabsf(out[0] - out[1]) < 0.01f);
    }
    assert_true(has_green && has_blue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drawn_depends_on_seed_split_index),
        cmocka_unit_test(test_drawn_is_the_same_everywhere),
        cmocka_unit_test(test_batches_do_not_depend_on_threads_or_start),
        cmocka_unit_test(test_an_epoch_is_a_permutation),
        cmocka_unit_test(test_evaluation_in_order_with_a_short_end),
        cmocka_unit_test(test_loader_refuses),
        cmocka_unit_test(test_a_bad_picture_is_reported_in_its_turn),
        cmocka_unit_test(test_destroy_at_any_moment),
        cmocka_unit_test(test_crop_and_flip_reach_every_place),
        cmocka_unit_test(test_switched_off_changes_nothing),
        cmocka_unit_test(test_reversed_channels),
        cmocka_unit_test(test_cutout_erases_a_square),
        cmocka_unit_test(test_jitter_means_what_it_says),
        cmocka_unit_test(test_hue_turns_by_thirds),
    };
    return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
