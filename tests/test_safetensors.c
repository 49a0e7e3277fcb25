/* test_safetensors.c - safetensors files: round trips, a file of another writer, element
 * conversion, hostile headers, truncation and byte flips, disk full. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "format/format.h"

static char folder[] = "/tmp/repopt-safetensors-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A file in memory: length, header, zeroed data. Placed at the very end of its block, so that the
 * sanitizer sees a read beyond it. */
typedef struct image {
    uint8_t *bytes;
    size_t count;
} image;

static image make_image(const char *header, size_t data_bytes) {
    const uint64_t length = strlen(header);
    image out = {.count = sizeof length + length + data_bytes};
    out.bytes = calloc(1, out.count);
    assert_non_null(out.bytes);
    memcpy(out.bytes, &length, sizeof length);
    memcpy(out.bytes + sizeof length, header, length);
    return out;
}

static rep_status parse(const char *header, size_t data_bytes) {
    image file = make_image(header, data_bytes);
    rep_safetensors *tensors = NULL;
    const rep_status status = rep_safetensors_parse(&tensors, "x", file.bytes, file.count);
    rep_safetensors_close(tensors);
    free(file.bytes);
    return status;
}

/* ---- round trip ----------------------------------------------------------------------------- */

static float weights[] = {1.0f, -2.5f, 0.0f, -0.0f, INFINITY, 1e-45f};
static int64_t batches[] = {INT64_MAX};
static int32_t labels[] = {-7, 8};

static rep_status fill_i32(void *context, void *elements, size_t count) {
    memcpy(elements, context, count * sizeof(int32_t));
    return REP_OK;
}

static const rep_tensor_source sources[] = {
    {"z.weight", REP_TENSOR_F32, 4, {2, 3, 1, 1}, rep_tensor_fill_f32, weights},
    {"a.num_batches_tracked", REP_TENSOR_I64, 0, {0}, rep_tensor_fill_i64, batches},
    {"empty", REP_TENSOR_F32, 2, {0, 5}, rep_tensor_fill_f32, NULL},
    {"odd \"name\" \\ \xC3\xA9", REP_TENSOR_I32, 1, {2}, fill_i32, labels},
};
enum { SOURCE_COUNT = sizeof sources / sizeof sources[0] };

static const rep_metadata_pair pairs[] = {
    {"format", "pt"}, {"config", "A: 1\nB: \"x\"\t\\\x01\n"}, {"class", "caf\xE9"}, {"", ""}};
enum { PAIR_COUNT = sizeof pairs / sizeof pairs[0] };

static void test_round_trip(void **state) {
    (void)state;
    const char *path = in_folder("a.safetensors");
    CHECK_OK(rep_safetensors_write(path, sources, SOURCE_COUNT, pairs, PAIR_COUNT));
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, path));
    assert_string_equal(rep_safetensors_name(file), path);
    assert_int_equal(rep_safetensors_count(file), SOURCE_COUNT);
    for (size_t i = 0; i < SOURCE_COUNT; i++) {
        const rep_tensor_info *info = rep_safetensors_find(file, sources[i].name);
        assert_non_null(info);
        assert_string_equal(info->name, sources[i].name);
        assert_int_equal(info->type, sources[i].type);
        assert_int_equal(info->rank, sources[i].rank);
        assert_memory_equal(info->shape, sources[i].shape, (size_t)info->rank * sizeof(int64_t));
    }
    assert_string_equal(rep_safetensors_get(file, 0)->name, "z.weight");
    assert_null(rep_safetensors_find(file, "z.weigh"));
    assert_null(rep_safetensors_find(file, "__metadata__"));

    const rep_tensor_info *weight = rep_safetensors_find(file, "z.weight");
    assert_int_equal((uintptr_t)weight->bytes % 8, 0);
    float floats[6];
    double doubles[6];
    int64_t whole[2];
    rep_tensor_read_f32(weight, floats);
    assert_memory_equal(floats, weights, sizeof weights);
    rep_tensor_read_f64(weight, doubles);
    assert_true(doubles[1] == -2.5 && doubles[5] == (double)1e-45f);
    CHECK_FAILS(rep_tensor_read_i64(weight, whole), REP_ERR_DATA, "holds fractions");
    const rep_tensor_info *tracked = rep_safetensors_find(file, "a.num_batches_tracked");
    assert_int_equal(tracked->count, 1);
    CHECK_OK(rep_tensor_read_i64(tracked, whole));
    assert_true(whole[0] == INT64_MAX);
    CHECK_OK(rep_tensor_read_i64(rep_safetensors_find(file, sources[3].name), whole));
    assert_true(whole[0] == -7 && whole[1] == 8);
    const rep_tensor_info *empty = rep_safetensors_find(file, "empty");
    assert_int_equal(empty->count, 0);
    rep_tensor_read_f32(empty, floats);

    assert_string_equal(rep_safetensors_metadata(file, "config"), pairs[1].value);
    assert_string_equal(rep_safetensors_metadata(file, "class"), "caf?");
    assert_null(rep_safetensors_metadata(file, "CONFIG"));
    const char *key = NULL, *value = NULL;
    for (size_t i = 0; i < PAIR_COUNT; i++) {
        assert_true(rep_safetensors_metadata_at(file, i, &key, &value));
        assert_string_equal(key, pairs[i].key);
    }
    assert_false(rep_safetensors_metadata_at(file, PAIR_COUNT, &key, &value));
    rep_safetensors_close(file);
    rep_safetensors_close(NULL);
    assert_int_equal(unlink(path), 0);
}

static void test_empty_file(void **state) {
    (void)state;
    const char *path = in_folder("none.safetensors");
    CHECK_OK(rep_safetensors_write(path, NULL, 0, NULL, 0));
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, path));
    assert_int_equal(rep_safetensors_count(file), 0);
    assert_null(rep_safetensors_find(file, "a"));
    assert_null(rep_safetensors_metadata(file, "a"));
    rep_safetensors_close(file);
    assert_int_equal(unlink(path), 0);
}

/* tests/data/reference.safetensors was written by Python's json and struct modules:
 *     double  F64   1/3                    whole  I32  1, 2, 3
 *     half    F16   [[1, -2], [65504, 6e-8]]   brain  BF16  1, -3, inf */
static void test_reference_file(void **state) {
    (void)state;
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, REP_TEST_DATA "/reference.safetensors"));
    assert_int_equal(rep_safetensors_count(file), 4);
    assert_string_equal(rep_safetensors_metadata(file, "made"), "by another writer");
    float out[4];
    const rep_tensor_info *half = rep_safetensors_find(file, "half");
    assert_non_null(half);
    assert_true(half->rank == 2 && half->shape[0] == 2 && half->shape[1] == 2);
    rep_tensor_read_f32(half, out);
    assert_true(out[0] == 1 && out[1] == -2 && out[2] == 65504 && out[3] == 0x1p-24f);
    double number;
    rep_tensor_read_f64(rep_safetensors_find(file, "double"), &number);
    assert_true(number == 1.0 / 3);
    rep_tensor_read_f32(rep_safetensors_find(file, "double"), out);
    assert_true(out[0] == (float)(1.0 / 3));
    rep_tensor_read_f32(rep_safetensors_find(file, "whole"), out);
    assert_true(out[0] == 1 && out[2] == 3);
    rep_tensor_read_f32(rep_safetensors_find(file, "brain"), out);
    assert_true(out[0] == 1 && out[1] == -3 && isinf(out[2]));
    rep_safetensors_close(file);
}

/* ---- elements ------------------------------------------------------------------------------- */

static void test_every_half(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const uint16_t half = (uint16_t)bits;
        rep_tensor_info info = {.type = REP_TENSOR_F16, .count = 1, .bytes = &half};
        float got;
        double wide;
        rep_tensor_read_f32(&info, &got);
        rep_tensor_read_f64(&info, &wide);
        const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        const double sign = bits >> 15 ? -1 : 1;
        if (exponent == 31 && fraction != 0) {
            assert_true(isnan(got) && isnan(wide));
            continue;
        }
        const double want = exponent == 31 ? INFINITY
                            : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                           : ldexp(fraction, -24);
        assert_true((double)got == sign * want && wide == sign * want);
        assert_int_equal(signbit(got) != 0, bits >> 15);
        /* The same bits as bfloat16 are the upper half of a float. */
        info.type = REP_TENSOR_BF16;
        rep_tensor_read_f32(&info, &got);
        uint32_t got_bits;
        memcpy(&got_bits, &got, sizeof got);
        assert_int_equal(got_bits, bits << 16);
    }
}

static void test_unaligned_elements(void **state) {
    (void)state;
    unsigned char bytes[1 + 3 * 8];
    const int64_t values[] = {-1, 1LL << 40, 3};
    memcpy(bytes + 1, values, sizeof values);
    const rep_tensor_info info = {.type = REP_TENSOR_I64, .count = 3, .bytes = bytes + 1};
    int64_t whole[3];
    float floats[3];
    double doubles[3];
    CHECK_OK(rep_tensor_read_i64(&info, whole));
    assert_memory_equal(whole, values, sizeof values);
    rep_tensor_read_f32(&info, floats);
    rep_tensor_read_f64(&info, doubles);
    assert_true(floats[0] == -1 && floats[1] == 0x1p40f && doubles[1] == 0x1p40);
}

/* ---- bad files ------------------------------------------------------------------------------ */

static void test_bad_headers(void **state) {
    (void)state;
#define ENTRY(dtype, shape, offsets)                                                               \
    "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
    static const struct {
        const char *header;
        size_t data_bytes;
        const char *message; /* NULL: a good one */
    } rows[] = {
        {ENTRY("\"F32\"", "[2]", "[0,8]"), 8, NULL},
        {ENTRY("\"F32\"", "[]", "[0,4]"), 4, NULL},
        {ENTRY("\"F32\"", "[2e0]", "[0,8]") "  \n", 8, NULL},
        {"{}", 0, NULL},
        {ENTRY("\"F32\"", "[2]", "[0,8]"), 7, "the file is cut off"},
        {ENTRY("\"F32\"", "[2]", "[0,8]"), 9, "1 bytes behind its last tensor"},
        {ENTRY("\"F32\"", "[2]", "[0,4]"), 8, "2 elements of F32 do not take 4 bytes"},
        {ENTRY("\"F32\"", "[2]", "[1,9]"), 9, "begins at byte 1, a hole:"},
        {ENTRY("\"F32\"", "[2]", "[8,0]"), 8, "bytes 8 to 0"},
        {ENTRY("\"F32\"", "[-2]", "[0,8]"), 8, "no whole number"},
        {ENTRY("\"F32\"", "[2.5]", "[0,8]"), 8, "no whole number"},
        {ENTRY("\"F32\"", "[\"2\"]", "[0,8]"), 8, "no whole number"},
        {ENTRY("\"F32\"", "[1e300]", "[0,8]"), 8, "no whole number"},
        {ENTRY("\"F32\"", "[9007199254740992]", "[0,8]"), 8, "larger than the file"},
        {ENTRY("\"F32\"", "[4294967296,4294967296]", "[0,8]"), 8, "larger than any file"},
        {ENTRY("\"F32\"", "[4294967296,4294967296,0]", "[0,0]"), 0, "larger than any file"},
        {ENTRY("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 8 dimensions"},
        {ENTRY("\"F32\"", "2", "[0,8]"), 8, "has no shape"},
        {ENTRY("\"F32\"", "[2]", "[0]"), 8, "data_offsets are no two whole numbers"},
        {ENTRY("\"F32\"", "[2]", "[0,8,9]"), 8, "data_offsets are no two whole numbers"},
        {ENTRY("\"F32\"", "[2]", "[-1,7]"), 8, "data_offsets are no two whole numbers"},
        {ENTRY("\"F32\"", "[2]", "[0,1e17]"), 8, "data_offsets are no two whole numbers"},
        {ENTRY("\"F32\"", "[2]", "null"), 8, "data_offsets are no two whole numbers"},
        {ENTRY("\"U8\"", "[8]", "[0,8]"), 8, NULL},
        {ENTRY("\"C64\"", "[1]", "[0,8]"), 8, "dtype C64; wanted F32"},
        {ENTRY("\"f32\"", "[2]", "[0,8]"), 8, "dtype f32; wanted F32"},
        {ENTRY("3", "[2]", "[0,8]"), 8, "has no dtype"},
        {ENTRY("\"F\\n32\"", "[2]", "[0,8]"), 8, "has no dtype"},
        {"{\"a\":3}", 0, "tensor \"a\": is no JSON object"},
        {"{\"a\\nb\":3}", 0, "control characters"},
        {"{\"__metadata__\":[]}", 0, "__metadata__ is no JSON object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ holds something that is no text"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ stands twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
         0, "tensor \"a\": stands twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         12, "tensor \"b\": begins at byte 4, but"},
        {"[]", 0, "its header is no JSON object"},
        {"", 0, "its header is no JSON object"},
        {"{\"a\":}", 0, "its header is no JSON at byte"},
        {"{} x", 0, "its header is no JSON at byte"},
        {"{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}", 0, "nested deeper than 4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!rows[i].message) {
            CHECK_OK(parse(rows[i].header, rows[i].data_bytes));
        } else {
            CHECK_FAILS(parse(rows[i].header, rows[i].data_bytes), REP_ERR_DATA, rows[i].message);
        }
    }
#undef ENTRY
}

static void test_header_bombs(void **state) {
    (void)state;
    enum { BYTES = 5 << 20 };
    char *header = malloc(BYTES + 1);
    assert_non_null(header);
    memset(header, '[', BYTES);
    header[0] = '{';
    header[BYTES] = '\0';
    CHECK_FAILS(parse(header, 0), REP_ERR_DATA, "nested deeper");
    for (size_t i = 8; i < BYTES; i++) { header[i] = i % 2 ? ',' : '1'; }
    memcpy(header, "{\"a\":[1,", 8);
    CHECK_FAILS(parse(header, 0), REP_ERR_DATA, "more than 2097152 items");
    free(header);
    /* Lengths that the file cannot have. */
    uint8_t bytes[16] = {0};
    rep_safetensors *file = NULL;
    memset(bytes, 0xFF, 8);
    CHECK_FAILS(rep_safetensors_parse(&file, "x", bytes, 16), REP_ERR_DATA, "no safetensors file");
    memset(bytes, 0, 8);
    bytes[0] = 9;
    CHECK_FAILS(rep_safetensors_parse(&file, "x", bytes, 16), REP_ERR_DATA,
                "cut off in its header");
    CHECK_FAILS(rep_safetensors_parse(&file, "x", NULL, 0), REP_ERR_DATA, "x: 0 bytes, too short");
    CHECK_FAILS(rep_safetensors_open(&file, "/no/such"), REP_ERR_IO, "/no/such");
    assert_null(file);
}

/* Reads every element, as an importer would. */
static void use(const rep_safetensors *file) {
    for (size_t i = 0; i < rep_safetensors_count(file); i++) {
        const rep_tensor_info *info = rep_safetensors_get(file, i);
        double *out = malloc((info->count + 1) * sizeof *out);
        assert_non_null(out);
        rep_tensor_read_f64(info, out);
        free(out);
    }
}

static void test_truncation_and_flips(void **state) {
    (void)state;
    const char *path = in_folder("b.safetensors");
    CHECK_OK(rep_safetensors_write(path, sources, SOURCE_COUNT, pairs, PAIR_COUNT));
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, path));
    rep_safetensors *file = NULL;
    for (size_t count = 0; count < view.count; count++) {
        uint8_t *cut = malloc(count + 1);
        assert_non_null(cut);
        memcpy(cut, view.bytes, count);
        uint8_t *exact = realloc(cut, count ? count : 1);
        assert_non_null(exact);
        CHECK_FAILS(rep_safetensors_parse(&file, "cut", exact, count), REP_ERR_DATA, "cut: ");
        free(exact);
    }
    rep_rng rng;
    rep_rng_init(&rng, 3, 5);
    uint8_t *bytes = malloc(view.count);
    assert_non_null(bytes);
    int failures = 0;
    for (int round = 0; round < 20000; round++) {
        memcpy(bytes, view.bytes, view.count);
        const uint32_t flips = 1 + rep_rng_below(&rng, 3);
        for (uint32_t i = 0; i < flips; i++) {
            bytes[rep_rng_below(&rng, (uint32_t)view.count)] ^=
                (uint8_t)(1u << rep_rng_below(&rng, 8));
        }
        file = NULL;
        if (rep_safetensors_parse(&file, "flip", bytes, view.count) == REP_OK) {
            use(file);
        } else {
            failures++;
            assert_int_equal(rep_last_status(), REP_ERR_DATA);
            assert_null(strchr(rep_last_error(), '\n'));
        }
        rep_safetensors_close(file);
    }
    assert_true(failures > 2000);
    free(bytes);
    rep_file_close(&view);
    assert_int_equal(unlink(path), 0);
}

/* ---- writing that fails --------------------------------------------------------------------- */

static rep_status refuse(void *context, void *elements, size_t count) {
    (void)context, (void)elements, (void)count;
    return rep_fail(REP_ERR_DEVICE, "made up");
}

static void test_failed_write_leaves_nothing(void **state) {
    (void)state;
    const char *path = in_folder("c.safetensors");
    rep_tensor_source tensors[] = {sources[0], sources[1]};
    tensors[1].fill = refuse;
    CHECK_FAILS(rep_safetensors_write(path, tensors, 2, NULL, 0), REP_ERR_DEVICE, "made up");
    tensors[1] = sources[0];
    CHECK_FAILS(rep_safetensors_write(path, tensors, 2, NULL, 0), REP_ERR_ARGUMENT,
                "two tensors are named \"z.weight\"");
    tensors[0].rank = 9;
    CHECK_FAILS(rep_safetensors_write(path, tensors, 1, NULL, 0), REP_ERR_ARGUMENT, "rank 9");
    tensors[0].rank = 1;
    tensors[0].shape[0] = -1;
    CHECK_FAILS(rep_safetensors_write(path, tensors, 1, NULL, 0), REP_ERR_ARGUMENT, "is -1");
    CHECK_FAILS(rep_safetensors_write("/no/such/x", sources, 1, NULL, 0), REP_ERR_IO, "/no/such/x");

    static float many[20000];
    tensors[0] = (rep_tensor_source){"big", REP_TENSOR_F32, 1, {20000}, rep_tensor_fill_f32, many};
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 30000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const rep_status status = rep_safetensors_write(path, tensors, 1, NULL, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, REP_ERR_IO);
    assert_non_null(strstr(rep_last_error(), "c.safetensors: cannot be written"));
    /* The folder is empty: removing it succeeds. */
    assert_int_equal(rmdir(folder), 0);
    CHECK_OK(rep_folder_make(folder));
}

int main(void) {
    if (!mkdtemp(folder)) { return 1; }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_reference_file),
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_unaligned_elements),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_header_bombs),
        cmocka_unit_test(test_truncation_and_flips),
        cmocka_unit_test(test_failed_write_leaves_nothing),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (rmdir(folder) != 0);
}
