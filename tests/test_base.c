/* test_base.c - the floor: status texts, arena, random numbers, files, folders, log. */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "check.h"

static char folder[] = "/tmp/repopt-base-XXXXXX";
static char path_buffer[512];

static const char *in_folder(const char *name) {
    snprintf(path_buffer, sizeof path_buffer, "%s/%s", folder, name);
    return path_buffer;
}

static int count_files(void) {
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

/* ---- status and log ------------------------------------------------------------------------- */

static void test_status_keeps_the_last_sentence(void **state) {
    (void)state;
    assert_int_equal(rep_fail(REP_ERR_SHAPE, "x: found %d, wanted %d", 1, 2), REP_ERR_SHAPE);
    assert_string_equal(rep_last_error(), "x: found 1, wanted 2");
    assert_int_equal(rep_fail_prefix("file %s: ", "a"), REP_ERR_SHAPE);
    assert_string_equal(rep_last_error(), "file a: x: found 1, wanted 2");
    assert_int_equal(rep_status_exit_code(REP_ERR_CONFIG), 2);
    assert_int_equal(rep_status_exit_code(REP_ERR_DATA), 3);
    assert_int_equal(rep_status_exit_code(REP_ERR_NUMERIC), 5);
    assert_string_equal(rep_status_name(REP_ERR_SHAPE), "ERR_SHAPE");
}

static char logged[2048];
static void keep_line(void *context, rep_log_level level, const char *text) {
    assert_ptr_equal(context, logged);
    assert_int_equal(level, REP_LOG_WARNING);
    snprintf(logged, sizeof logged, "%s", text);
}

static void test_log_calls_back_and_cuts(void **state) {
    (void)state;
    rep_log(REP_LOG_WARNING, "nobody hears %d", 1);
    rep_log_set(keep_line, logged);
    rep_log(REP_LOG_WARNING, "line %d", 7);
    assert_string_equal(logged, "line 7");
    rep_log(REP_LOG_WARNING, "%1500d", 1);
    assert_int_equal(strlen(logged), 1023);
    rep_log_set(NULL, NULL);
}

/* ---- arena ---------------------------------------------------------------------------------- */

static void test_arena_memory_is_zeroed_aligned_and_apart(void **state) {
    (void)state;
    rep_arena arena = {0};
    unsigned char *before = NULL;
    for (size_t bytes = 1; bytes < 200000; bytes = bytes * 3 + 1) {
        unsigned char *memory = rep_arena_alloc(&arena, bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < bytes; i++) { assert_int_equal(memory[i], 0); }
        memset(memory, 0xAB, bytes);
        if (before) { assert_int_equal(before[0], 0xAB); }
        before = memory;
    }
    assert_string_equal(rep_arena_strdup(&arena, "text"), "text");
    assert_null(rep_arena_alloc(&arena, SIZE_MAX - 3));
    rep_arena_clear(&arena);
    assert_null(arena.head);
}

static void test_aligned_memory_is_zeroed(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, 63, 65, (size_t)3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *memory = rep_aligned_alloc(sizes[i]);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t k = 0; k < sizes[i]; k++) { assert_int_equal(memory[k], 0); }
        rep_aligned_free(memory);
    }
    assert_null(rep_aligned_alloc(SIZE_MAX - 3));
}

/* ---- random numbers ------------------------------------------------------------------------- */

/* The known answers published with the paper's reference code for philox4x32, 10 rounds. */
static void test_philox_known_answers(void **state) {
    (void)state;
    static const struct {
        uint64_t seed, stream, index;
        uint32_t want[4];
    } rows[] = {
        {0, 0, 0, {0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}},
        {0x299F31D0A4093822,
         0x0370734413198A2E,
         0x85A308D3243F6A88,
         {0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t got[4];
        rep_random(got, rows[i].seed, rows[i].stream, rows[i].index);
        assert_memory_equal(got, rows[i].want, sizeof got);
    }
}

static void test_rng_walks_its_stream(void **state) {
    (void)state;
    rep_rng rng;
    rep_rng_init(&rng, 5, 9);
    for (uint64_t index = 0; index < 3; index++) {
        uint32_t words[4];
        rep_random(words, 5, 9, index);
        for (int i = 0; i < 4; i++) { assert_int_equal(rep_rng_next(&rng), words[i]); }
    }
}

static void test_rng_distributions(void **state) {
    (void)state;
    enum { DRAWS = 200000, BINS = 7 };
    rep_rng rng;
    rep_rng_init(&rng, 1, rep_hash_text("test"));
    double sum = 0, squares = 0, cubes = 0, uniform = 0;
    int bins[BINS] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const double x = (double)rep_rng_normal(&rng);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        cubes += x * x * x;
        const double u = (double)rep_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        uniform += u;
        const uint32_t below = rep_rng_below(&rng, BINS);
        assert_true(below < BINS);
        bins[below]++;
    }
    /* Five standard errors: 1, sqrt(2), sqrt(15), sqrt(1/12) and a binomial's, over sqrt(DRAWS). */
    const double se = 1 / sqrt((double)DRAWS);
    assert_true(fabs(sum / DRAWS) < 5 * se);
    assert_true(fabs(squares / DRAWS - 1) < 5 * sqrt(2.0) * se);
    assert_true(fabs(cubes / DRAWS) < 5 * sqrt(15.0) * se);
    assert_true(fabs(uniform / DRAWS - 0.5) < 5 * sqrt(1.0 / 12) * se);
    for (int i = 0; i < BINS; i++) {
        assert_true(fabs(bins[i] - (double)DRAWS / BINS) < 5 * sqrt(DRAWS * 6.0 / 49));
    }
    assert_int_equal(rep_rng_below(&rng, 1), 0);
}

static void test_hash_known_answers(void **state) {
    (void)state;
    assert_true(rep_hash_text("") == 0xCBF29CE484222325u);
    assert_true(rep_hash_text("a") == 0xAF63DC4C8601EC8Cu);
    assert_true(rep_hash_text("foobar") == 0x85944171F73967E8u);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void test_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        uint32_t code;
    } rows[] = {
        {"", 0, 0},
        {"a", 1, 'a'},
        {"\xC2\x80", 2, 0x80},
        {"\xC1\xBF", 0, 0}, /* overlong */
        {"\xE2\x82\xAC", 3, 0x20AC},
        {"\xE2\x82", 0, 0}, /* cut */
        {"\xE0\x9F\xBF", 0, 0},
        {"\xED\xA0\x80", 0, 0}, /* a surrogate */
        {"\xF0\x9F\x98\x80", 4, 0x1F600},
        {"\xF0\x8F\xBF\xBF", 0, 0},
        {"\xF4\x90\x80\x80", 0, 0}, /* beyond the last code point */
        {"\x80", 0, 0},
        {"\xFF", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t code = 0;
        assert_int_equal(rep_utf8_next(&code, rows[i].text), rows[i].bytes);
        if (rows[i].bytes) { assert_int_equal(code, rows[i].code); }
    }
}

static void test_numbers_in_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_number, is_whole;
        double number;
    } rows[] = {
        {"0", true, true, 0},         {"-12", true, true, -12}, {"1e5", true, true, 1e5},
        {"2.0", true, true, 2},       {".5", true, false, 0.5}, {"5.", true, true, 5},
        {"1e-3", true, false, 0.001}, {"", false, false, 0},    {"-", false, false, 0},
        {".", false, false, 0},       {"1e", false, false, 0},  {"0x10", false, false, 0},
        {"nan", false, false, 0},     {"inf", false, false, 0}, {"1e999", false, false, 0},
        {"1 ", false, false, 0},      {"1,5", false, false, 0}, {"+7", true, true, 7},
        {"1e16", true, false, 1e16},  {"--1", false, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double number = -99;
        int64_t whole = -99;
        assert_int_equal(rep_text_number(&number, rows[i].text), rows[i].is_number);
        assert_int_equal(rep_text_whole(&whole, rows[i].text), rows[i].is_whole);
        assert_true(number == (rows[i].is_number ? rows[i].number : -99));
        assert_true(whole == (rows[i].is_whole ? (int64_t)rows[i].number : -99));
    }
    int64_t whole = 0;
    assert_true(rep_text_whole(&whole, "9223372036854775807") && whole == INT64_MAX);
    assert_false(rep_text_whole(&whole, "9223372036854775808"));
}

static void test_array_grows(void **state) {
    (void)state;
    int *items = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        int *grown = rep_array_grow(items, (size_t)i, &capacity, sizeof *items);
        assert_non_null(grown);
        items = grown;
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) { assert_int_equal(items[i], i); }
    assert_int_equal(capacity, 1024);
    /* What no memory can hold is refused before it is asked for. */
    capacity = 1;
    assert_null(rep_array_grow(items, 1, &capacity, SIZE_MAX / 2));
    assert_int_equal(capacity, 1);
    free(items);
}

/* ---- files ---------------------------------------------------------------------------------- */

static rep_status write_then_fail(void *context, FILE *stream) {
    (void)context;
    fputs("half", stream);
    return rep_fail(REP_ERR_DATA, "made up");
}

static void test_file_written_and_read_back(void **state) {
    (void)state;
    const char *path = in_folder("a.bin");
    rep_file_view view;
    assert_false(rep_file_exists(path));
    CHECK_OK(rep_file_write(path, "one", 3));
    CHECK_OK(rep_file_write(path, "second", 6));
    assert_true(rep_file_exists(path));
    CHECK_OK(rep_file_open(&view, path));
    assert_int_equal(view.count, 6);
    assert_memory_equal(view.bytes, "second", 6);
    assert_true(view.is_mapped);
    rep_file_close(&view);
    assert_null(view.bytes);

    assert_int_equal(rep_file_replace(path, write_then_fail, NULL), REP_ERR_DATA);
    assert_string_equal(rep_last_error(), "made up");
    CHECK_OK(rep_file_open(&view, path));
    assert_memory_equal(view.bytes, "second", 6);
    rep_file_close(&view);
    assert_int_equal(count_files(), 1);

    CHECK_OK(rep_file_write(path, NULL, 0));
    CHECK_OK(rep_file_open(&view, path));
    assert_null(view.bytes);
    assert_int_equal(view.count, 0);
    rep_file_close(&view);
    assert_int_equal(unlink(path), 0);
}

static void test_pipe_is_read_whole(void **state) {
    (void)state;
    /* More than one growth of the buffer; a child feeds what a pipe alone cannot hold. */
    enum { BYTES = 300000 };
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (int i = 0; i < BYTES; i++) {
            const unsigned char byte = (unsigned char)(i * 7);
            if (write(ends[1], &byte, 1) != 1) { _exit(1); }
        }
        _exit(0);
    }
    close(ends[1]);
    char name[64];
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, name));
    assert_false(view.is_mapped);
    assert_int_equal(view.count, BYTES);
    for (size_t i = 0; i < BYTES; i++) { assert_int_equal(view.bytes[i], (i * 7) & 255); }
    rep_file_close(&view);
    close(ends[0]);
}

static void test_disk_full_leaves_nothing(void **state) {
    (void)state;
    const char *path = in_folder("big.bin");
    CHECK_OK(rep_file_write(path, "old", 3));
    static char bytes[1 << 16];
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const rep_status status = rep_file_write(path, bytes, sizeof bytes);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, REP_ERR_IO);
    assert_non_null(strstr(rep_last_error(), "big.bin"));
    assert_int_equal(count_files(), 1);
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, path));
    assert_int_equal(view.count, 3);
    rep_file_close(&view);
    assert_int_equal(unlink(path), 0);
}

static void test_file_errors_name_the_path(void **state) {
    (void)state;
    rep_file_view view = {.count = 42};
    assert_int_equal(rep_file_open(&view, in_folder("none")), REP_ERR_IO);
    assert_non_null(strstr(rep_last_error(), "/none: cannot be opened"));
    assert_int_equal(rep_file_open(&view, folder), REP_ERR_IO);
    assert_non_null(strstr(rep_last_error(), "is a folder"));
    assert_int_equal(view.count, 42);
    assert_int_equal(rep_file_write(in_folder("no/such/file"), "x", 1), REP_ERR_IO);
    assert_int_equal(rep_file_write(folder, "x", 1), REP_ERR_IO);
    assert_int_equal(rep_file_write("/dev/null", "x", 1), REP_ERR_IO);
    char *path = malloc(6000);
    assert_non_null(path);
    memset(path, 'a', 5999);
    path[5999] = '\0';
    assert_int_equal(rep_file_write(path, "x", 1), REP_ERR_IO);
    assert_int_equal(rep_folder_make(path), REP_ERR_IO);
    free(path);
    assert_int_equal(count_files(), 0);
}

static void test_folders(void **state) {
    (void)state;
    char deep[256];
    snprintf(deep, sizeof deep, "%s/x//y/z/", folder);
    CHECK_OK(rep_folder_make(deep));
    CHECK_OK(rep_folder_make(deep));
    assert_true(rep_file_exists(deep));
    assert_int_equal(rep_folder_make(""), REP_ERR_IO);
    char file[256];
    snprintf(file, sizeof file, "%s/x/file", folder);
    CHECK_OK(rep_file_write(file, "x", 1));
    assert_int_equal(rep_folder_make(file), REP_ERR_IO);
    snprintf(deep, sizeof deep, "%s/x/file/below", folder);
    assert_int_equal(rep_folder_make(deep), REP_ERR_IO);
    assert_non_null(strstr(rep_last_error(), "not a folder"));
    assert_int_equal(rep_folder_make("/proc/repopt-cannot"), REP_ERR_IO);
}

static void test_clock_and_memory(void **state) {
    (void)state;
    const double start = rep_clock_s();
    assert_true(rep_clock_s() >= start);
    const size_t bytes = (size_t)64 << 20;
    const double before = rep_peak_rss_mib();
    assert_true(before > 0.5);
    volatile char *memory = malloc(bytes);
    assert_non_null((void *)(uintptr_t)memory);
    for (size_t i = 0; i < bytes; i += 512) { memory[i] = 1; }
    assert_true(rep_peak_rss_mib() >= 60);
    free((void *)(uintptr_t)memory);
    /* A peak does not fall. */
    assert_true(rep_peak_rss_mib() >= 60);
}

int main(void) {
    if (!mkdtemp(folder)) { return 1; }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_keeps_the_last_sentence),
        cmocka_unit_test(test_log_calls_back_and_cuts),
        cmocka_unit_test(test_arena_memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(test_aligned_memory_is_zeroed),
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_rng_walks_its_stream),
        cmocka_unit_test(test_rng_distributions),
        cmocka_unit_test(test_hash_known_answers),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_numbers_in_text),
        cmocka_unit_test(test_array_grows),
        cmocka_unit_test(test_file_written_and_read_back),
        cmocka_unit_test(test_pipe_is_read_whole),
        cmocka_unit_test(test_disk_full_leaves_nothing),
        cmocka_unit_test(test_file_errors_name_the_path),
        cmocka_unit_test(test_clock_and_memory),
        cmocka_unit_test(test_folders),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return failed + (system(command) != 0);
}
