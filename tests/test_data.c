/* test_data.c - data sets of files: CIFAR, IDX, folders; what each refuses, and how it says so. */
#include <zlib.h>

#include "data/data.h"
#include "real_data.h"
#include "temp_folder.h"

static rep_status open_set(rep_dataset **out, const char *kind, const char *root, bool is_train) {
    const rep_dataset_options options = {
        .kind = kind, .root = root, .is_train = is_train, .width = 8, .height = 8, .channels = 3};
    return rep_dataset_open(out, &options);
}

/* Opens, expects failure with `part` in its one line, and that nothing was handed out. */
static void check_refused(const char *kind, const char *root, bool is_train, rep_status status,
                          const char *part) {
    rep_dataset *set = NULL;
    CHECK_FAILS(open_set(&set, kind, root, is_train), status, part);
    assert_null(set);
}

/* ---- CIFAR ------------------------------------------------------------------------------------
 */

enum { CIFAR_PICTURE = 3072, RECORDS = 3 };

/* `count` records with label bytes first; a value tells record, channel and place apart. */
static size_t make_cifar(uint8_t *out, int label_bytes, int count, int first) {
    uint8_t *at = out;
    for (int i = first; i < first + count; i++) {
        if (label_bytes == 2) { *at++ = (uint8_t)(i % 20); }
        *at++ = (uint8_t)(i % 10);
        for (int p = 0; p < CIFAR_PICTURE; p++) {
            *at++ = (uint8_t)(7 * i + p / 1024 * 50 + p % 32);
        }
    }
    return (size_t)(at - out);
}

static void test_cifar10_files_in_order(void **state) {
    (void)state;
    static uint8_t bytes[RECORDS * (CIFAR_PICTURE + 1)];
    /* Files 2 and 10 of the training data only, in the folder the archive makes. */
    temp_write("c10/cifar-10-batches-bin/data_batch_10.bin", bytes, make_cifar(bytes, 1, 3, 5));
    temp_write("c10/cifar-10-batches-bin/data_batch_2.bin", bytes, make_cifar(bytes, 1, 2, 3));
    rep_dataset *set = NULL;
    CHECK_OK(open_set(&set, "cifar10", temp_path("c10"), true));
    const rep_dataset_info *info = rep_dataset_info_get(set);
    assert_string_equal(info->kind, "cifar10");
    assert_int_equal(info->count, 5);
    assert_int_equal(info->class_count, 10);
    assert_string_equal(info->class_names[9], "truck");
    assert_int_equal(info->channels * 10000 + info->height * 100 + info->width, 33232);
    assert_int_equal(info->file_count, 2);
    assert_non_null(strstr(info->files[0], "data_batch_2.bin"));
    uint8_t pixels[CIFAR_PICTURE];
    for (size_t i = 0; i < 5; i++) {
        int32_t label = -1;
        CHECK_OK(rep_dataset_read(set, i, pixels, &label));
        assert_int_equal(label, i + 3);
        for (size_t p = 0; p < 1024; p++) {
            for (size_t c = 0; c < 3; c++) {
                assert_int_equal(pixels[3 * p + c], (uint8_t)(7 * (i + 3) + c * 50 + p % 32));
            }
        }
    }
    int32_t label;
    CHECK_FAILS(rep_dataset_read(set, 5, pixels, &label), REP_ERR_ARGUMENT, "picture 5");
    rep_dataset_close(set);
    check_refused("cifar10", temp_path("c10"), false, REP_ERR_IO, "test_batch.bin: no such file");
}

static void test_cifar_names_and_count(void **state) {
    (void)state;
    static uint8_t bytes[RECORDS * (CIFAR_PICTURE + 1)];
    temp_write("names/data_batch_1.bin", bytes, make_cifar(bytes, 1, 3, 0));
    const char names[] = "a\r\n b \nc\nd\ne\nf\ng\nh\ni\nj\n\n";
    temp_write("names/batches.meta.txt", names, sizeof names - 1);
    const rep_dataset_options options = {
        .kind = "cifar10", .root = temp_path("names"), .is_train = true, .count = 2};
    rep_dataset *set = NULL;
    CHECK_OK(rep_dataset_open(&set, &options));
    const rep_dataset_info *info = rep_dataset_info_get(set);
    assert_int_equal(info->count, 2);
    assert_string_equal(info->class_names[0], "a");
    assert_string_equal(info->class_names[1], "b");
    assert_int_equal(info->file_count, 2);
    rep_dataset_close(set);
    temp_write("names/batches.meta.txt", names, 6);
    check_refused("cifar10", temp_path("names"), true, REP_ERR_DATA,
                  "found 2 class names, wanted 10");
    temp_write("names/batches.meta.txt", "a\nb\1\n", 5);
    check_refused("cifar10", temp_path("names"), true, REP_ERR_DATA, "line 2");
    temp_write("names/batches.meta.txt", "", 0);
    check_refused("cifar10", temp_path("names"), true, REP_ERR_DATA, "found 0 class names");
}

static void test_cifar_refuses_damage(void **state) {
    (void)state;
    static uint8_t bytes[RECORDS * (CIFAR_PICTURE + 2)];
    static const int label_bytes[] = {1, 2};
    static const char *const kinds[] = {"cifar10", "cifar100"};
    static const char *const files[] = {"cut/test_batch.bin", "cut/test.bin"};
    for (int k = 0; k < 2; k++) {
        const size_t count = make_cifar(bytes, label_bytes[k], RECORDS, 0),
                     record = count / RECORDS;
        for (size_t cut = 0; cut < count;
             cut += cut % record < 3 || cut % record > record - 4 ? 1 : 61) {
            temp_write(files[k], bytes, cut);
            if (cut > 0 && cut % record == 0) { continue; }
            check_refused(kinds[k], temp_path("cut"), false, REP_ERR_DATA,
                          cut == 0 ? "is empty" : "ends inside record");
        }
        bytes[record + (size_t)label_bytes[k] - 1] = k == 0 ? 10 : 100;
        temp_write(files[k], bytes, count);
        check_refused(kinds[k], temp_path("cut"), false, REP_ERR_DATA,
                      k == 0 ? "record 1 has label 10, wanted 0 to 9"
                             : "record 1 has label 100, wanted 0 to 99");
    }
    bytes[CIFAR_PICTURE + 2] = 20;
    temp_write("cut/test.bin", bytes, RECORDS * (CIFAR_PICTURE + 2));
    check_refused("cifar100", temp_path("cut"), false, REP_ERR_DATA, "coarse label 20");
    check_refused("cifar10", temp_path("cut"), true, REP_ERR_IO, "data_batch_<n>.bin");
}

static void test_cifar100_takes_the_fine_label(void **state) {
    (void)state;
    static uint8_t bytes[RECORDS * (CIFAR_PICTURE + 2)];
    const size_t count = make_cifar(bytes, 2, RECORDS, 0);
    bytes[1] = 99;
    temp_write("c100/train.bin", bytes, count);
    rep_dataset *set = NULL;
    CHECK_OK(open_set(&set, "cifar100", temp_path("c100"), true));
    assert_int_equal(rep_dataset_info_get(set)->class_count, 100);
    assert_string_equal(rep_dataset_info_get(set)->class_names[99], "class 99");
    uint8_t pixels[CIFAR_PICTURE];
    int32_t label = -1;
    CHECK_OK(rep_dataset_read(set, 0, pixels, &label));
    assert_int_equal(label, 99);
    assert_int_equal(pixels[1], 50);
    rep_dataset_close(set);
}

/* ---- IDX --------------------------------------------------------------------------------------
 */

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0,  0,  0,  2,  0,  0,
                                     0, 3, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16};
static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 4};

static size_t compress_gzip(uint8_t *out, size_t room, const uint8_t *bytes, size_t count) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)count;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&z);
    return room - z.avail_out;
}

static void check_idx(const char *kind, const char *root, bool is_train, int32_t class_count) {
    rep_dataset *set = NULL;
    CHECK_OK(open_set(&set, kind, root, is_train));
    const rep_dataset_info *info = rep_dataset_info_get(set);
    assert_int_equal(info->count, 2);
    assert_int_equal(info->channels * 10000 + info->height * 100 + info->width, 10203);
    assert_int_equal(info->class_count, class_count);
    uint8_t pixels[6];
    int32_t label = -1;
    CHECK_OK(rep_dataset_read(set, 1, pixels, &label));
    assert_int_equal(label, 4);
    assert_memory_equal(pixels, ((uint8_t[]){11, 12, 13, 14, 15, 16}), 6);
    rep_dataset_close(set);
}

static void test_idx_plain_and_gzip(void **state) {
    (void)state;
    uint8_t packed[256];
    temp_write("idx/train-images-idx3-ubyte", idx_images, sizeof idx_images);
    temp_write("idx/train-labels.idx1-ubyte", idx_labels, sizeof idx_labels);
    size_t count = compress_gzip(packed, sizeof packed, idx_images, sizeof idx_images);
    temp_write("idx/t10k-images-idx3-ubyte.gz", packed, count);
    count = compress_gzip(packed, sizeof packed, idx_labels, sizeof idx_labels);
    temp_write("idx/test-labels-idx1-ubyte.gz", packed, count);
    check_idx("mnist", temp_path("idx"), true, 10);
    check_idx("mnist", temp_path("idx"), false, 10);
    /* Without a published number of classes the training labels tell: 0 to 7. */
    check_idx("idx", temp_path("idx"), true, 8);
    check_idx("idx", temp_path("idx"), false, 8);
    temp_write("idx/classes.txt", "a\nb\nc\nd\ne\nf\ng\nlast\n", 19);
    rep_dataset *set = NULL;
    CHECK_OK(open_set(&set, "idx", temp_path("idx"), true));
    assert_string_equal(rep_dataset_info_get(set)->class_names[7], "last");
    rep_dataset_close(set);
}

static void test_idx_every_prefix_fails(void **state) {
    (void)state;
    uint8_t packed[256];
    const size_t packed_count = compress_gzip(packed, sizeof packed, idx_images, sizeof idx_images);
    temp_write("idxcut/train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    for (size_t cut = 0; cut < sizeof idx_images; cut++) {
        temp_write("idxcut/train-images-idx3-ubyte", idx_images, cut);
        check_refused("mnist", temp_path("idxcut"), true, REP_ERR_DATA, "images-idx3-ubyte: ");
    }
    assert_int_equal(remove(temp_path("idxcut/train-images-idx3-ubyte")), 0);
    for (size_t cut = 0; cut < packed_count; cut++) {
        temp_write("idxcut/train-images-idx3-ubyte.gz", packed, cut);
        check_refused("mnist", temp_path("idxcut"), true, REP_ERR_DATA, "images-idx3-ubyte.gz: ");
    }
    temp_write("idxcut/train-images-idx3-ubyte.gz", packed, packed_count);
    check_idx("mnist", temp_path("idxcut"), true, 10);
    for (size_t cut = 0; cut < sizeof idx_labels; cut++) {
        temp_write("idxcut/train-labels-idx1-ubyte", idx_labels, cut);
        check_refused("mnist", temp_path("idxcut"), true, REP_ERR_DATA, "labels-idx1-ubyte: ");
    }
}

static void test_idx_absurd_headers(void **state) {
    (void)state;
    uint8_t bytes[64], packed[256];
    temp_write("absurd/train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    static const struct {
        size_t place;
        uint8_t value;
        const char *part;
    } cases[] = {{2, 9, "not 00 00 08 03"}, {3, 1, "not 00 00 08 03"}, {7, 0, "dimension 0"},
                 {8, 0x80, "dimension 1"},  {15, 0, "dimension 2"},    {4, 0xFF, "promises"},
                 {7, 1, "found more than"}};
    for (int zipped = 0; zipped < 2; zipped++) {
        const char *name =
            zipped ? "absurd/train-images-idx3-ubyte.gz" : "absurd/train-images-idx3-ubyte";
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            memcpy(bytes, idx_images, sizeof idx_images);
            bytes[cases[i].place] = cases[i].value;
            const size_t count = compress_gzip(packed, sizeof packed, bytes, sizeof idx_images);
            temp_write(name, zipped ? packed : bytes, zipped ? count : sizeof idx_images);
            check_refused("mnist", temp_path("absurd"), true, REP_ERR_DATA, cases[i].part);
        }
        assert_int_equal(remove(temp_path(name)), 0);
    }
    check_refused("mnist", temp_path("absurd"), true, REP_ERR_IO, "no train-images-idx3-ubyte");
    temp_write("absurd/train-images-idx3-ubyte", idx_images, sizeof idx_images);
    memcpy(bytes, idx_labels, sizeof idx_labels);
    bytes[9] = 10;
    temp_write("absurd/train-labels-idx1-ubyte", bytes, sizeof idx_labels);
    check_refused("mnist", temp_path("absurd"), true, REP_ERR_DATA, "label 1 is 10, wanted 0 to 9");
    bytes[7] = 1;
    temp_write("absurd/train-labels-idx1-ubyte", bytes, sizeof idx_labels - 1);
    check_refused("mnist", temp_path("absurd"), true, REP_ERR_DATA, "1 labels for 2 pictures");
}

static void test_idx_flipped_bytes_never_crash(void **state) {
    (void)state;
    uint8_t packed[256], copy[256];
    const size_t count = compress_gzip(packed, sizeof packed, idx_images, sizeof idx_images);
    temp_write("flip/train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
    char root[512];
    (void)snprintf(root, sizeof root, "%s", temp_path("flip"));
    rep_rng rng;
    rep_rng_init(&rng, 5, 0);
    for (int round = 0; round < 600; round++) {
        const bool is_zipped = round & 1;
        const size_t size = is_zipped ? count : sizeof idx_images;
        memcpy(copy, is_zipped ? packed : idx_images, size);
        for (uint32_t i = rep_rng_below(&rng, 4); i < 4; i++) {
            copy[rep_rng_below(&rng, (uint32_t)size)] = (uint8_t)rep_rng_next(&rng);
        }
        temp_write_fast("flip/train-images-idx3-ubyte", copy, size);
        rep_dataset *set = NULL;
        const rep_status status = open_set(&set, "mnist", root, true);
        assert_true(status == REP_OK || status == REP_ERR_DATA);
        rep_dataset_close(set);
    }
}

/* ---- folders ----------------------------------------------------------------------------------
 */

/* A PNG of one colour. */
static void write_picture(const char *name, int32_t width, int32_t height, uint8_t value) {
    rep_image image = {0};
    CHECK_OK(rep_image_init(&image, name, (uint32_t)width, (uint32_t)height, 3));
    memset(image.pixels, value, (size_t)(3 * width * height));
    /* The middle row and column of a wide picture stay; what is cut off is black. */
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; width > height && x < width; x++) {
            if (x < (width - height) / 2 || x >= (width + height) / 2) {
                memset(image.pixels + 3 * (y * width + x), 0, 3);
            }
        }
    }
    uint8_t *bytes = NULL;
    size_t count = 0;
    CHECK_OK(rep_image_encode_png(&bytes, &count, &image));
    temp_write(name, bytes, count);
    free(bytes);
    rep_image_clear(&image);
}

static void test_folder_sorted_with_training_classes(void **state) {
    (void)state;
    write_picture("tree/train/b/2.PNG", 20, 10, 40);
    write_picture("tree/train/b/10.png", 5, 5, 30);
    write_picture("tree/train/a/x.png", 5, 5, 10);
    write_picture("tree/train/c/x.png", 5, 5, 50);
    temp_write("tree/train/b/notes.txt", "x", 1);
    temp_write("tree/train/.hidden/x.png", "x", 1);
    write_picture("tree/test/c/y.png", 5, 5, 60);
    rep_dataset *set = NULL;
    CHECK_OK(open_set(&set, "folder", temp_path("tree"), true));
    const rep_dataset_info *info = rep_dataset_info_get(set);
    assert_int_equal(info->count, 4);
    assert_int_equal(info->class_count, 3);
    assert_string_equal(info->class_names[2], "c");
    static const int labels[] = {0, 1, 1, 2}, values[] = {10, 30, 40, 50};
    uint8_t pixels[8 * 8 * 3];
    int32_t label = -1;
    for (size_t i = 0; i < 4; i++) {
        CHECK_OK(rep_dataset_read(set, i, pixels, &label));
        assert_int_equal(label, labels[i]);
        for (size_t p = 0; p < sizeof pixels; p++) { assert_int_equal(pixels[p], values[i]); }
    }
    rep_dataset_close(set);
    CHECK_OK(open_set(&set, "folder", temp_path("tree"), false));
    assert_int_equal(rep_dataset_info_get(set)->class_count, 3);
    CHECK_OK(rep_dataset_read(set, 0, pixels, &label));
    assert_int_equal(label, 2);
    rep_dataset_close(set);
    /* Two of four are spread over the tree, not both of class a. */
    const rep_dataset_options half = {.kind = "folder",
                                      .root = temp_path("tree"),
                                      .is_train = true,
                                      .width = 8,
                                      .height = 8,
                                      .count = 2};
    CHECK_OK(rep_dataset_open(&set, &half));
    CHECK_OK(rep_dataset_read(set, 1, pixels, &label));
    assert_int_equal(label, 1);
    rep_dataset_close(set);
}

static void test_folder_refuses(void **state) {
    (void)state;
    rep_dataset *set = NULL;
    check_refused("folder", temp_path("nowhere"), true, REP_ERR_IO, "cannot be opened");
    CHECK_OK(rep_folder_make(temp_path("bad/empty")));
    check_refused("folder", temp_path("bad"), true, REP_ERR_IO, "no folder train");
    CHECK_OK(rep_folder_make(temp_path("bad/train")));
    check_refused("folder", temp_path("bad"), true, REP_ERR_DATA, "0 class folders");
    CHECK_OK(rep_folder_make(temp_path("bad/train/cat")));
    check_refused("folder", temp_path("bad"), true, REP_ERR_DATA, "train/cat: found no .jpg");
    temp_write("bad/train/cat/0.jpg", "not a picture", 13);
    check_refused("folder", temp_path("bad"), false, REP_ERR_IO, "no folder val or test");
    CHECK_OK(rep_folder_make(temp_path("bad/val/cat")));
    check_refused("folder", temp_path("bad"), false, REP_ERR_DATA, "bad/val: found no .jpg");
    write_picture("bad/val/dog/0.png", 4, 4, 1);
    check_refused("folder", temp_path("bad"), false, REP_ERR_DATA, "val/dog: this class is not in");
    /* Damage shows when the picture is read, with its name. */
    CHECK_OK(open_set(&set, "folder", temp_path("bad"), true));
    uint8_t pixels[8 * 8 * 3];
    int32_t label;
    CHECK_FAILS(rep_dataset_read(set, 0, pixels, &label), REP_ERR_DATA, "cat/0.jpg: ");
    assert_int_equal(remove(temp_path("bad/train/cat/0.jpg")), 0);
    CHECK_FAILS(rep_dataset_read(set, 0, pixels, &label), REP_ERR_IO, "cat/0.jpg: ");
    rep_dataset_close(set);
    set = NULL;
    const rep_dataset_options no_size = {.kind = "folder", .root = temp_path("bad")};
    CHECK_FAILS(rep_dataset_open(&set, &no_size), REP_ERR_ARGUMENT, "INPUT.SIZE");
    check_refused("imagenet", temp_path("bad"), true, REP_ERR_ARGUMENT, "'imagenet' is not known");
    check_refused(NULL, temp_path("bad"), true, REP_ERR_ARGUMENT, "is not known");
    check_refused("cifar10", NULL, true, REP_ERR_ARGUMENT, "DATASETS.ROOT");
    check_refused("mnist", temp_path("bad/train/cat/0.png"), true, REP_ERR_IO, "cannot be opened");
    temp_write("bad/file", "x", 1);
    check_refused("mnist", temp_path("bad/file"), true, REP_ERR_IO, "found a file");
}

/* ---- the real sets, where they are ------------------------------------------------------------
 */

static void test_real_cifar10(void **state) {
    (void)state;
    char root[512];
    if (!find_real(root, sizeof root, "cifar10")) { skip(); }
    for (int is_train = 0; is_train < 2; is_train++) {
        rep_dataset *set = NULL;
        CHECK_OK(open_set(&set, "cifar10", root, is_train));
        const rep_dataset_info *info = rep_dataset_info_get(set);
        assert_true(info->count >= 2000);
        assert_string_equal(info->class_names[3], "cat");
        /* Photographs: neighbours are alike, which mixed-up planes or strides would not be. */
        uint8_t pixels[CIFAR_PICTURE];
        double near = 0, spread = 0;
        int32_t label;
        for (size_t i = 0; i < 100; i++) {
            CHECK_OK(rep_dataset_read(set, i, pixels, &label));
            for (size_t p = 0; p + 3 < CIFAR_PICTURE; p += 3) {
                near += abs(pixels[p] - pixels[p + 3]);
                spread += abs(pixels[p] - pixels[CIFAR_PICTURE - 3 - p]);
            }
        }
        assert_true(near < 0.4 * spread);
        rep_dataset_close(set);
    }
}

static void test_real_folder(void **state) {
    (void)state;
    char root[512];
    if (!find_real(root, sizeof root, "imagefolder")) { skip(); }
    for (int is_train = 0; is_train < 2; is_train++) {
        rep_dataset *set = NULL;
        CHECK_OK(open_set(&set, "folder", root, is_train));
        const rep_dataset_info *info = rep_dataset_info_get(set);
        assert_int_equal(info->class_count, 10);
        uint8_t pixels[8 * 8 * 3];
        int32_t label, largest = -1;
        for (size_t i = 0; i < info->count; i++) {
            CHECK_OK(rep_dataset_read(set, i, pixels, &label));
            if (label > largest) { largest = label; }
        }
        assert_int_equal(largest, 9);
        rep_dataset_close(set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cifar10_files_in_order),
        cmocka_unit_test(test_cifar_names_and_count),
        cmocka_unit_test(test_cifar_refuses_damage),
        cmocka_unit_test(test_cifar100_takes_the_fine_label),
        cmocka_unit_test(test_idx_plain_and_gzip),
        cmocka_unit_test(test_idx_every_prefix_fails),
        cmocka_unit_test(test_idx_absurd_headers),
        cmocka_unit_test(test_idx_flipped_bytes_never_crash),
        cmocka_unit_test(test_folder_sorted_with_training_classes),
        cmocka_unit_test(test_folder_refuses),
        cmocka_unit_test(test_real_cifar10),
        cmocka_unit_test(test_real_folder),
    };
    return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
