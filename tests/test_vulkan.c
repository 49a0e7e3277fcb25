/* test_vulkan.c - what is peculiar to Vulkan devices: listing and naming them, limits, loss,
 * shaders that do not compile, the pipeline cache, and training beside the CPU.
 *
 * Runs on the driver that VK_DRIVER_FILES names; see devices.h.
 */
#include <ctype.h>
#include <math.h>

#include "device/vk_device.h"
#include "temp_folder.h"
#include "train_case.h"

enum { COUNT = 1000 };

static rep_vulkan_options options;

/* The environment's options, changed by each test and put back here. */
static int reset(void **state) {
    (void)state;
    options = test_vulkan_options();
    rep_vulkan_configure(&options);
    return 0;
}

static rep_device_info first_vulkan(void) {
    rep_device_info info[TEST_MAX_DEVICES];
    const size_t count = rep_device_list(info, TEST_MAX_DEVICES);
    for (size_t i = 0; i < count && i < TEST_MAX_DEVICES; i++) {
        if (info[i].is_vulkan) { return info[i]; }
    }
    fail_msg("no Vulkan device is listed");
    return info[0];
}

/* ---- one op as a program ------------------------------------------------------------------------
 */

typedef struct tiny {
    rep_device *device;
    rep_graph *graph;
    rep_program *program;
    rep_id x, y;
} tiny;

static rep_status tiny_open(tiny *t) {
    *t = (tiny){0};
    const rep_act_params silu = {REP_ACT_SILU};
    REP_TRY(rep_device_open(&t->device, test_device_first(), 1));
    REP_TRY(rep_graph_create(&t->graph));
    t->x = rep_graph_tensor(t->graph, "x", REP_F32, (rep_shape){1, COUNT, 1, 1}, REP_IO);
    t->y = REP_APPEND(t->graph, ACT, &silu, t->x);
    rep_graph_keep(t->graph, t->y);
    return rep_program_create(&t->program, t->device, t->graph, NULL, NULL);
}

static rep_status tiny_run(tiny *t, float y[COUNT]) {
    float x[COUNT];
    for (int i = 0; i < COUNT; i++) { x[i] = (float)(i - COUNT / 2) / 64.0f; }
    REP_TRY(rep_program_write(t->program, t->x, x, COUNT));
    REP_TRY(rep_program_run(t->program, REP_FORWARD, REP_UPDATE));
    return rep_program_read(t->program, t->y, y, COUNT);
}

static void tiny_close(tiny *t) {
    rep_program_destroy(t->program);
    rep_graph_destroy(t->graph);
    rep_device_close(t->device);
}

/* x / (1 + exp(-x)) as the C library has it, 1e-6 apart at most. */
static void expect_silu(const float y[COUNT]) {
    for (int i = 0; i < COUNT; i++) {
        const double x = (double)(i - COUNT / 2) / 64.0, wanted = x / (1 + exp(-x));
        if (!(fabs((double)y[i] - wanted) <= 1e-6 * (1 + fabs(wanted)))) {
            fail_msg("silu(%g) is %g, wanted %g", x, (double)y[i], wanted);
        }
    }
}

static void tiny_works(void) {
    tiny t;
    float y[COUNT];
    CHECK_OK(tiny_open(&t));
    CHECK_OK(tiny_run(&t, y));
    expect_silu(y);
    tiny_close(&t);
}

/* ---- listing and naming -------------------------------------------------------------------------
 */

static void test_listing(void **state) {
    (void)state;
    const rep_device_info info = first_vulkan();
    assert_string_equal(info.name, "vulkan:0");
    assert_true(info.is_usable && info.real_bytes == 4);
    assert_int_equal(info.is_software, !strcmp(info.kind, "software"));
    assert_true(info.description[0] && info.driver[0]);
    assert_int_equal(strlen(info.uuid), 36);
    assert_true(info.api[0] == '1' && info.api[1] == '.' && info.api[2] >= '1');
    /* What every Vulkan device has at least. */
    assert_true(info.memory_bytes >= 1u << 20 && info.binding_bytes >= 1u << 27);
    assert_true(info.invocations >= 128 && info.shared_bytes >= 16384);
    char why[300];
    rep_device_explain_auto(why, sizeof why);
    if (info.is_software) {
        assert_false(info.is_default);
        assert_non_null(strstr(why, "auto takes cpu:"));
        assert_non_null(strstr(why, "software"));
    }
}

static void expect_opens(const char *name) {
    rep_device *device = NULL;
    rep_device_info info;
    CHECK_OK(rep_device_open(&device, name, 1));
    rep_device_describe(device, &info);
    assert_string_equal(info.name, "vulkan:0");
    rep_device_close(device);
}

static void test_names(void **state) {
    (void)state;
    const rep_device_info info = first_vulkan();
    char part[8] = "", upper[40] = "";
    snprintf(part, sizeof part, "%.6s", info.description);
    for (size_t i = 0; info.uuid[i]; i++) { upper[i] = (char)toupper((unsigned char)info.uuid[i]); }
    for (size_t i = 0; part[i]; i++) { part[i] = (char)toupper((unsigned char)part[i]); }
    expect_opens("vulkan:0");
    expect_opens("vulkan");
    expect_opens(info.uuid);
    expect_opens(upper);
    expect_opens(part);
    rep_device *device = NULL;
    CHECK_FAILS(rep_device_open(&device, "vulkan:77", 1), REP_ERR_DEVICE, "vulkan:0");
    CHECK_FAILS(rep_device_open(&device, "abacus", 1), REP_ERR_DEVICE, "vulkan:0");
    assert_null(device);
}

static void test_small_device(void **state) {
    (void)state;
    options.is_small = true;
    rep_vulkan_configure(&options);
    const rep_device_info info = first_vulkan();
    assert_true(info.binding_bytes == 1u << 27 && info.invocations == 128);
    assert_true(info.shared_bytes == 16384 && info.subgroup_size == 0);
    assert_false(info.has_f16 || info.has_matrix);
    tiny_works();
}

/* ---- limits -------------------------------------------------------------------------------------
 */

/* A program of `count` tensors of `channels` floats each; it must not come to life. */
static void expect_refused(const char *name, int count, int32_t channels, const char *what,
                           const char *limit) {
    rep_device *device = NULL;
    rep_graph *graph = NULL;
    rep_program *program = NULL;
    CHECK_OK(rep_device_open(&device, test_device_first(), 1));
    CHECK_OK(rep_graph_create(&graph));
    for (int i = 0; i < count; i++) {
        char own[40];
        snprintf(own, sizeof own, "%s%d", name, i);
        (void)rep_graph_tensor(graph, own, REP_F32, (rep_shape){1, channels, 1, 1}, REP_STATE);
    }
    CHECK_FAILS(rep_program_create(&program, device, graph, NULL, NULL), REP_ERR_MEMORY, what);
    if (!strstr(rep_last_error(), limit) || !strstr(rep_last_error(), "smaller batch")) {
        fail_msg("wanted '%s' and a remedy in '%s'", limit, rep_last_error());
    }
    assert_null(program);
    rep_graph_destroy(graph);
    rep_device_close(device);
}

static void test_absurd_allocation(void **state) {
    (void)state;
    const rep_device_info info = first_vulkan();
    /* As large as one binding may be and as many as do not fit. */
    const uint64_t most =
        info.binding_bytes < (uint64_t)1 << 30 ? info.binding_bytes : (uint64_t)1 << 30;
    const int count = (int)(info.memory_bytes / most) + 2;
    expect_refused("weight", count, (int32_t)(most / 4), "parameters and state",
                   "are the most at once");
    tiny_works();
}

static void test_binding_limit(void **state) {
    (void)state;
    options.is_small = true;
    rep_vulkan_configure(&options);
    expect_refused("huge", 1, (1 << 25) + 1, "huge0", "128 MiB at most");
    tiny_works();
}

/* ---- reads, writes and runs that overlap -------------------------------------------------------
 */

/* y = x + x on `count` values, once or many times, beside a state tensor that no node touches. */
typedef struct twice {
    rep_device *device;
    rep_graph *graph;
    rep_program *program;
    rep_id x, y, kept;
    int32_t count;
    float *values;
} twice;

static void twice_open(twice *t, int32_t count, int32_t kept) {
    *t = (twice){.count = count};
    CHECK_OK(rep_device_open(&t->device, test_device_first(), 1));
    CHECK_OK(rep_graph_create(&t->graph));
    t->x = rep_graph_tensor(t->graph, "x", REP_F32, (rep_shape){1, count, 1, 1}, REP_IO);
    t->kept = rep_graph_tensor(t->graph, "kept", REP_F32, (rep_shape){1, kept, 1, 1}, REP_STATE);
    t->y = REP_APPEND(t->graph, ADD, NULL, t->x, t->x);
    rep_graph_keep(t->graph, t->y);
    CHECK_OK(rep_program_create(&t->program, t->device, t->graph, NULL, NULL));
    t->values = malloc((size_t)(count > kept ? count : kept) * sizeof *t->values);
    assert_non_null(t->values);
}

static void twice_close(twice *t) {
    free(t->values);
    rep_program_destroy(t->program);
    rep_graph_destroy(t->graph);
    rep_device_close(t->device);
}

static void twice_write(twice *t, int number) {
    for (int32_t i = 0; i < t->count; i++) { t->values[i] = (float)(i % 1000 + 1000 * number); }
    CHECK_OK(rep_program_write(t->program, t->x, t->values, (size_t)t->count));
}

static void twice_expect(twice *t, rep_id tensor, float factor, int number) {
    CHECK_OK(rep_program_read(t->program, tensor, t->values, (size_t)t->count));
    for (int32_t i = 0; i < t->count; i++) {
        const float wanted = factor * (float)(i % 1000 + 1000 * number);
        if (t->values[i] != wanted) {
            fail_msg("batch %d, element %d: %g, wanted %g", number, i, (double)t->values[i],
                     (double)wanted);
        }
    }
}

/* 63 KiB stay in the host's mirror until the run; 300 KiB are sent ahead to a GPU. */
static void test_next_batch(void **state) {
    (void)state;
    for (int round = 0; round < 4; round++) {
        twice t;
        options.is_like_gpu = round % 2 == 1;
        rep_vulkan_configure(&options);
        twice_open(&t, round < 2 ? 16000 : 76801, 1);
        twice_write(&t, 1);
        for (int number = 1; number < 6; number++) {
            CHECK_OK(rep_program_run(t.program, REP_FORWARD, REP_UPDATE));
            twice_write(&t, 99); /* written twice: the later counts */
            twice_write(&t, number + 1);
            twice_expect(&t, t.y, 2, number);
            twice_expect(&t, t.x, 1, number + 1);
        }
        /* More runs than may be under way at once, and nobody looks in between. */
        for (int number = 7; number < 20; number++) {
            twice_write(&t, number);
            CHECK_OK(rep_program_run(t.program, REP_FORWARD, REP_UPDATE));
        }
        /* Phases one by one: results are copied out after each but the update. */
        CHECK_OK(rep_program_run(t.program, REP_FORWARD, REP_FORWARD));
        CHECK_OK(rep_program_run(t.program, REP_BACKWARD, REP_UPDATE));
        CHECK_OK(rep_program_wait(t.program));
        twice_expect(&t, t.y, 2, 19);
        twice_close(&t);
    }
}

/* Longer than the staging ring, and no whole number of its pieces. */
static void test_long_copies(void **state) {
    (void)state;
    enum { LENGTH = (3 << 20) + 12345 };
    twice t;
    options.is_like_gpu = true;
    rep_vulkan_configure(&options);
    twice_open(&t, 16, LENGTH);
    for (int32_t i = 0; i < LENGTH; i++) { t.values[i] = (float)i; }
    CHECK_OK(rep_program_write(t.program, t.kept, t.values, LENGTH));
    memset(t.values, 0, LENGTH * sizeof *t.values);
    CHECK_OK(rep_program_read(t.program, t.kept, t.values, LENGTH));
    for (int32_t i = 0; i < LENGTH; i++) { assert_true(t.values[i] == (float)i); }
    twice_close(&t);
}

/* ---- faults -------------------------------------------------------------------------------------
 */

static void test_loss(void **state) {
    (void)state;
    tiny t, other;
    float y[COUNT];
    CHECK_OK(tiny_open(&t));
    CHECK_OK(tiny_run(&t, y));
    options.lose_after = 1;
    rep_vulkan_configure(&options);
    CHECK_FAILS(tiny_run(&t, y), REP_ERR_LOST, "run the same command again");
    assert_int_equal(rep_status_exit_code(REP_ERR_LOST), 6);
    /* The device stays lost, though nothing would fail from here on. */
    options.lose_after = 0;
    rep_vulkan_configure(&options);
    CHECK_FAILS(tiny_run(&t, y), REP_ERR_LOST, "Vulkan device lost");
    CHECK_FAILS(rep_program_run(t.program, REP_FORWARD, REP_UPDATE), REP_ERR_LOST, "checkpoint");
    CHECK_FAILS(rep_program_read(t.program, t.y, y, COUNT), REP_ERR_LOST, "--device cpu");
    /* The same hardware opened again works. */
    CHECK_OK(tiny_open(&other));
    CHECK_OK(tiny_run(&other, y));
    expect_silu(y);
    tiny_close(&other);
    tiny_close(&t);
}

static void test_shader_does_not_compile(void **state) {
    (void)state;
    tiny t;
    options.fail_shader = "act";
    rep_vulkan_configure(&options);
    CHECK_FAILS(tiny_open(&t), REP_ERR_SHADER, "cannot compile shader act ");
    assert_non_null(strstr(rep_last_error(), "--device cpu"));
    assert_null(t.program);
    tiny_close(&t);
    options.fail_shader = NULL;
    rep_vulkan_configure(&options);
    tiny_works();
}

/* ---- the pipeline cache -------------------------------------------------------------------------
 */

/* The one file in the cache's folder; its size. */
static size_t find_cache(char path[600]) {
    DIR *folder = opendir(options.cache_folder);
    int count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') { continue; }
        snprintf(path, 600, "%.300s/%.255s", options.cache_folder, entry->d_name);
        count++;
    }
    closedir(folder);
    assert_int_equal(count, 1);
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return (size_t)facts.st_size;
}

/* Bytes of the cache that a new device takes from the disk. */
static size_t reuse(void) {
    tiny t;
    float y[COUNT];
    CHECK_OK(tiny_open(&t));
    const rep_vk_device *d = t.device->impl;
    const size_t bytes = d->cache_bytes;
    CHECK_OK(tiny_run(&t, y));
    expect_silu(y);
    tiny_close(&t);
    return bytes;
}

static void test_cache(void **state) {
    (void)state;
    static uint8_t junk[5000];
    static char folder[600];
    char path[600] = "";
    snprintf(folder, sizeof folder, "%s", temp_path("pipelines"));
    options.cache_folder = folder;
    rep_vulkan_configure(&options);
    assert_int_equal(reuse(), 0);
    const size_t bytes = find_cache(path);
    assert_true(bytes >= 32); /* the header that Vulkan prescribes */
    assert_int_equal(reuse(), bytes);
    /* Noise, a file of another driver's, one cut short, an empty one, one whose end is noise. */
    rep_file_view good;
    CHECK_OK(rep_file_open(&good, path));
    uint8_t *saved = malloc(bytes);
    assert_non_null(saved);
    memcpy(saved, good.bytes, bytes);
    rep_file_close(&good);
    for (size_t i = 0; i < sizeof junk; i++) { junk[i] = (uint8_t)(i * 2654435761u >> 13); }
    CHECK_OK(rep_file_write(path, junk, sizeof junk));
    assert_int_equal(reuse(), sizeof junk);
    memcpy(junk, saved, 32);
    junk[16] ^= 0x55u; /* the driver's UUID */
    CHECK_OK(rep_file_write(path, junk, sizeof junk));
    (void)reuse();
    CHECK_OK(rep_file_write(path, saved, bytes / 2));
    (void)reuse();
    CHECK_OK(rep_file_write(path, saved, 0));
    (void)reuse();
    free(saved);
    /* A folder that cannot be made costs the cache and nothing else. */
    options.cache_folder = "/proc/repopt";
    rep_vulkan_configure(&options);
    assert_int_equal(reuse(), 0);
}

/* ---- training -----------------------------------------------------------------------------------
 */

enum { STEPS = 50 };
static double curve[3][STEPS];

/* The same net from the same numbers on the same pictures, beside the CPU's kernels and beside
 * double precision. Each step adds its roundings, about 2^-24 of each sum, and passes on those
 * before it; with a small rate they stay near 1e-7, with a large one they grow on any device. */
static void test_curve_is_the_cpu_s(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    const char *const devices[] = {test_device_first(), "cpu", "cpu:float64"};
    for (int i = 0; i < 3; i++) {
        train_case c;
        train_case_init(&c, root, devices[i]);
        train_case_set(&c, "SOLVER.MAX_ITER", "50");
        train_case_set(&c, "SOLVER.BASE_LR", "0.01");
        c.options.device = devices[i];
        c.options.on_progress = train_case_note_loss;
        c.options.context = curve[i];
        (void)train_case_run(&c);
        train_case_clear(&c);
    }
    for (int other = 1; other < 3; other++) {
        double worst = 0;
        for (int i = 0; i < STEPS; i++) {
            assert_true(curve[0][i] > 0 && curve[other][i] > 0);
            worst = fmax(worst, fabs(curve[0][i] / curve[other][i] - 1));
        }
        print_message("loss over %d steps: %.2g relative at most from %s\n", STEPS, worst,
                      devices[other]);
        assert_true(worst <= 1e-4);
    }
    assert_true(curve[0][STEPS - 1] != curve[0][0]);
    train_case_remove(root);
}

static void expect_same_finals(const char *root, const char *a, const char *b) {
    char x[256], y[256];
    snprintf(x, sizeof x, "%s/%s/model_final.safetensors", root, a);
    snprintf(y, sizeof y, "%s/%s/model_final.safetensors", root, b);
    train_case_expect_equal(x, y);
}

static void lose_at_nine(void *context, const rep_progress *now) {
    train_case_progress(context, now);
    if (now->iteration == 9 && !now->is_evaluation) {
        options.lose_after = 1;
        rep_vulkan_configure(&options);
    }
}

/* Two runs have the same bits, and so has one that stops, is resumed, loses its device and is
 * resumed from its last checkpoint. */
static void test_runs_are_alike(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case one, two, parts;
    rep_train_result result;
    train_case_init(&one, root, "one");
    train_case_init(&two, root, "two");
    train_case_init(&parts, root, "parts");
    train_case *all[] = {&one, &two, &parts};
    for (int i = 0; i < 3; i++) {
        train_case_set(all[i], "TRAINING_MODE", "hyper_search");
        train_case_set(all[i], "SOLVER.CHECKPOINT_PERIOD", "6");
    }
    (void)train_case_run(&one);
    (void)train_case_run(&two);
    expect_same_finals(root, "one", "two");
    parts.stop_at = 3;
    CHECK_FAILS(rep_train(&result, &parts.options), REP_ERR_INTERRUPTED, "saved");
    parts.stop = 0;
    parts.stop_at = 0;
    parts.options.on_progress = lose_at_nine;
    CHECK_FAILS(rep_train(&result, &parts.options), REP_ERR_LOST, "run the same command again");
    options.lose_after = 0;
    rep_vulkan_configure(&options);
    parts.options.on_progress = train_case_progress;
    parts.calls = 0;
    (void)train_case_run(&parts);
    assert_int_equal(parts.calls, 20 - 6); /* from the checkpoint before the loss */
    expect_same_finals(root, "one", "parts");
    for (int i = 0; i < 3; i++) { train_case_clear(all[i]); }
    train_case_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_listing, reset),
        cmocka_unit_test_setup(test_names, reset),
        cmocka_unit_test_setup(test_small_device, reset),
        cmocka_unit_test_setup(test_absurd_allocation, reset),
        cmocka_unit_test_setup(test_binding_limit, reset),
        cmocka_unit_test_setup(test_next_batch, reset),
        cmocka_unit_test_setup(test_long_copies, reset),
        cmocka_unit_test_setup(test_loss, reset),
        cmocka_unit_test_setup(test_shader_does_not_compile, reset),
        cmocka_unit_test_setup(test_cache, reset),
        cmocka_unit_test_setup(test_curve_is_the_cpu_s, reset),
        cmocka_unit_test_setup(test_runs_are_alike, reset),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
