/* test_detection_bad.c - what a detection loader does about pictures it cannot read. */
#include <unistd.h>

#include "coded_set.h"

/* Picture 4 is gone, 9 and 10 end early, 15 is not as large as annotated. */
static int make_bad(void **state) {
    static const char folder[] = "bad";
    if (temp_make(state) != 0) { return -1; }
    static const int cut[] = {9, 10};
    coded_write(folder, coded_pairs);
    char name[64], other[64];
    (void)snprintf(name, sizeof name, "%s/images/4.png", folder);
    assert_int_equal(unlink(temp_path(name)), 0);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%s/images/%d.png", folder, cut[i]);
        assert_int_equal(truncate(temp_path(name), 100), 0);
    }
    (void)snprintf(name, sizeof name, "%s/images/15.png", folder);
    (void)snprintf(other, sizeof other, "%s/images/16.png", folder);
    assert_int_equal(unlink(temp_path(name)), 0);
    assert_int_equal(link(temp_path(other), temp_path(name)), 0);
    return 0;
}

static void test_bad_pictures_are_errors(void **state) {
    (void)state;
    rep_detection_set *set = coded_open("bad", 0);
    rep_image image;
    CHECK_FAILS(rep_detection_set_read(&image, set, 4, 0, 0), REP_ERR_IO, "4.png");
    CHECK_FAILS(rep_detection_set_read(&image, set, 9, 0, 0), REP_ERR_DATA, "picture id 109: ");
    CHECK_FAILS(rep_detection_set_read(&image, set, 15, 0, 0), REP_ERR_DATA,
                "60 x 100 pixels the right way up, but annotated as 100 x 60");
    rep_detection_loader_options options = coded_options(1, false);
    options.sizes.bucket_most = 1; /* in the set's order */
    options.threads = 3;
    rep_detection_loader *loader = coded_loader(set, &options);
    for (int i = 0; i < 4; i++) { (void)coded_next(loader); }
    const rep_detection_batch *batch = NULL;
    for (int i = 0; i < 2; i++) {
        CHECK_FAILS(rep_detection_loader_next(loader, &batch), REP_ERR_IO,
                    "DATALOADER.SKIP_BAD is off: picture id 104: ");
        assert_null(rep_detection_loader_peek(loader));
    }
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
}

static void test_bad_pictures_are_replaced_in_training(void **state) {
    (void)state;
    rep_detection_set *set = coded_open("bad", 0);
    rep_detection_loader_options options = coded_options(1, true);
    options.is_bad_skipped = true;
    uint64_t hashes[2 * CODED_COUNT];
    for (int threads = 1; threads < 4; threads += 2) {
        options.threads = threads;
        logged_count = 0;
        rep_log_set(keep_log, NULL);
        rep_detection_loader *loader = coded_loader(set, &options);
        size_t seen[CODED_COUNT] = {0}, bad = 0;
        for (int n = 0; n < 2 * CODED_COUNT; n++) {
            const rep_detection_batch *batch = coded_next(loader);
            const uint64_t hash = coded_hash(batch, 1);
            if (threads == 1) { hashes[n] = hash; }
            assert_int_equal(hash, hashes[n]);
            const uint32_t index = batch->pictures[0].index;
            seen[index]++;
            bad += batch->bad_count;
            /* The replacement is shown in its own proportions, with its own objects. */
            const double blue = (double)batch->images[2] * 255 / 10 - 1;
            assert_true(fabs(blue - index) < 0.1);
            for (size_t i = 0; i < batch->object_count; i++) {
                const rep_annotations *all = rep_detection_set_annotations(set);
                assert_int_equal(all->objects[batch->sources[i]].picture, index);
            }
        }
        rep_detection_loader_destroy(loader);
        rep_log_set(NULL, NULL);
        for (int i = 0; i < CODED_COUNT; i++) {
            const size_t wanted = i == 4 || i == 9 || i == 10 || i == 15 ? 0
                                  : i == 5 || i == 16                    ? 4
                                  : i == 11                              ? 6
                                                                         : 2;
            assert_int_equal(seen[i], wanted);
        }
        assert_int_equal(bad, 2 * 5); /* 9 meets 10, too */
        assert_int_equal(logged_count, 1);
        assert_non_null(strstr(logged[0], "DATALOADER.SKIP_BAD"));
    }
    rep_detection_set_close(set);
}

static void test_bad_pictures_stay_empty_in_evaluation(void **state) {
    (void)state;
    rep_detection_set *set = coded_open("bad", 0);
    rep_detection_loader_options options = coded_options(4, false);
    options.is_bad_skipped = true;
    rep_detection_loader *loader = coded_loader(set, &options);
    size_t shown = 0, bad = 0;
    const rep_detection_batch *batch = NULL;
    for (batch = coded_take(loader); batch; batch = coded_take(loader)) {
        const size_t values = 3 * (size_t)batch->height * (size_t)batch->width;
        for (size_t i = 0; i < (size_t)batch->valid; i++, shown++) {
            const rep_detection_picture *p = &batch->pictures[i];
            const bool is_bad = p->index == 4 || p->index == 9 || p->index == 10 || p->index == 15;
            assert_int_equal(p->is_bad, is_bad);
            bad += is_bad;
            if (!is_bad) { continue; }
            assert_int_equal(p->count, 0);
            for (size_t k = 0; k < values; k++) { assert_true(batch->images[i * values + k] == 0); }
        }
    }
    assert_int_equal(shown, CODED_COUNT);
    assert_int_equal(bad, 4);
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
}

static void test_nothing_but_bad_pictures(void **state) {
    (void)state;
    coded_write("gone", coded_pairs);
    rep_detection_set *set = coded_open("gone", 3);
    for (int i = 0; i < 3; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "gone/images/%d.png", i);
        assert_int_equal(unlink(temp_path(name)), 0);
    }
    rep_detection_loader_options options = coded_options(2, true);
    options.is_bad_skipped = true;
    rep_detection_loader *loader = coded_loader(set, &options);
    const rep_detection_batch *batch = NULL;
    CHECK_FAILS(rep_detection_loader_next(loader, &batch), REP_ERR_IO,
                "3 pictures in a row cannot be read, the last: ");
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_pictures_are_errors),
        cmocka_unit_test(test_bad_pictures_are_replaced_in_training),
        cmocka_unit_test(test_bad_pictures_stay_empty_in_evaluation),
        cmocka_unit_test(test_nothing_but_bad_pictures),
    };
    return cmocka_run_group_tests(tests, make_bad, temp_remove);
}
