/* test_check_rows.c - what `repopt check` does when a device misbehaves, and its SPIR-V reader on
 * damaged modules. Runs on a Vulkan driver only; see devices.h.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check/run.h"
#include "devices.h"
#include "temp_folder.h"

/* The rows of a run, counted. */
typedef struct seen {
    int rows, failed, kept, lost;
    char last[1024];
} seen;

static void on_row(void *context, const rep_check_row *row, size_t done, size_t total) {
    seen *s = context;
    assert_true(done <= total);
    s->rows++;
    s->failed += !row->has_passed;
    s->kept += row->folder[0] != '\0';
    s->lost += strstr(row->fault, "lost") != NULL;
    assert_int_equal(row->has_passed, row->fault[0] == '\0');
    if (!row->has_passed) { snprintf(s->last, sizeof s->last, "%s", row->fault); }
}

static seen check_op(const char *op, const char *folder) {
    seen s = {.rows = 0};
    rep_check_result result;
    CHECK_OK(rep_check(
        &result,
        &(rep_check_options){
            .device = "vulkan:0", .op = op, .folder = folder, .on_row = on_row, .context = &s}));
    assert_int_equal(result.rows, s.rows);
    assert_int_equal(result.failed, s.failed);
    return s;
}

static void test_rows_pass(void **state) {
    (void)state;
    rep_vulkan_configure(NULL);
    const seen s = check_op("scale", NULL);
    assert_int_equal(s.failed, 0);
    assert_true(s.rows >= 5);
}

/* A driver that cannot compile one variant fails its rows alone, and the dispatch is kept. */
static void test_driver_cannot_compile(void **state) {
    (void)state;
    const char *folder = temp_path("failures");
    rep_vulkan_configure(&(rep_vulkan_options){.fail_shader = "scale"});
    const seen s = check_op("scale", folder);
    rep_vulkan_configure(NULL);
    assert_int_equal(s.failed, 5);
    assert_int_equal(s.kept, 5);
    assert_non_null(strstr(s.last, "cannot compile shader scale"));
    rep_check_row row;
    rep_device_info info;
    CHECK_OK(rep_check_replay(&row, &info, temp_path("failures/scale-3"), "vulkan:0"));
    assert_true(row.has_passed); /* nothing is wrong with it but the driver that was */
}

/* A lost device fails the row it was lost in; the next row has a new one. */
static void test_device_is_lost(void **state) {
    (void)state;
    rep_vulkan_configure(&(rep_vulkan_options){.lose_after = 3});
    const seen s = check_op("scale", NULL);
    rep_vulkan_configure(NULL);
    assert_true(s.failed > 1);
    assert_int_equal(s.lost, s.failed);
}

static void test_stops(void **state) {
    (void)state;
    const volatile int stop = 1;
    rep_check_result result;
    CHECK_FAILS(rep_check(&result, &(rep_check_options){.device = "vulkan:0", .stop = &stop}),
                REP_ERR_INTERRUPTED, "stopped after 0");
}

/* Cut and damaged modules are refused or read, and nothing outside them is touched (sanitizers). */
static void test_damaged_modules(void **state) {
    (void)state;
    rep_device *device = NULL;
    rep_rig rig;
    rep_dispatch dispatch;
    uint32_t halves = 0, others = 0;
    rep_rng rng;
    rep_rng_init(&rng, 1, 2);
    CHECK_OK(rep_device_open(&device, "vulkan:0", 1));
    const rep_case *row = rep_cases;
    while (row->op != REP_OP_BATCHNORM_STATS) { row++; }
    CHECK_OK(rep_rig_build(&rig, row, device, NULL));
    CHECK_OK(rep_vulkan_describe(&dispatch, device, rig.graph, NULL, 0));
    const size_t words = dispatch.passes[0].bytes / 4;
    const uint32_t *good = dispatch.passes[0].words;
    dispatch.pass_count = 1;
    for (int i = 0; i < 3000; i++) {
        const size_t count = i % 3 ? words : rep_rng_below(&rng, (uint32_t)words + 1);
        uint32_t *bad = malloc(count * 4 + 4);
        assert_non_null(bad);
        memcpy(bad, good, count * 4);
        for (int k = 0; count && k < i % 7; k++) {
            bad[rep_rng_below(&rng, (uint32_t)count)] =
                rep_rng_next(&rng) >> rep_rng_below(&rng, 32);
        }
        uint32_t *exact = realloc(bad, count * 4 + (count == 0)); /* no room behind it */
        dispatch.passes[0].words = exact;
        dispatch.passes[0].bytes = count * 4;
        if (rep_vulkan_find_types(&halves, &others, &dispatch) != REP_OK) {
            assert_null(strchr(rep_last_error(), '\n'));
        } else {
            (void)!rep_vulkan_check_limits(device, &dispatch);
        }
        free(exact);
    }
    rep_rig_close(&rig);
    rep_device_close(device);
}

/* Keeps a good row's dispatch and runs it again: it passes, so a folder lacks nothing. */
static void replay_row(rep_device *device, rep_device *reference, const rep_case *row,
                       const rep_variant *variant) {
    rep_rig rig;
    rep_check_row out = {.op = rep_op_info_get(row->op)->name, .number = 1, .bound = row->bound};
    rep_check_row again;
    rep_device_info info;
    double *truth = NULL;
    size_t count = 0;
    CHECK_OK(rep_measure_reference(&truth, &count, reference, row, variant->half));
    if (variant->half) { out.bound = rep_half_bound(row->bound, truth, count); }
    rep_vulkan_allow(device, variant->allowed);
    CHECK_OK(rep_rig_build(&rig, row, device, &(rep_rig_options){.half = variant->half}));
    CHECK_OK(rep_keep(temp_path("kept"), &rig, &out, NULL, truth));
    rep_vulkan_allow(device, NULL);
    CHECK_OK(rep_check_replay(&again, &info, temp_path("kept"), "vulkan:0"));
    if (!again.has_passed) { fail_msg("%s: %s", variant->shaders, again.fault); }
    assert_int_equal(again.count, count);
    rep_rig_close(&rig);
    free(truth);
}

static void test_kept_rows_replay(void **state) {
    (void)state;
    rep_device *device = NULL, *reference = NULL;
    int replayed = 0;
    CHECK_OK(rep_device_open(&device, "vulkan:0", 1));
    CHECK_OK(rep_device_open(&reference, "cpu:float64", 1));
    for (size_t i = 0; i < rep_case_count; i++) {
        rep_variant list[REP_MAX_VARIANTS];
        size_t count = 0;
        if (rep_case_number(&rep_cases[i]) != 3) { continue; }
        CHECK_OK(rep_variant_find(list, &count, device, &rep_cases[i]));
        for (size_t v = 0; v < count; v++) {
            if (list[v].fault[0]) { continue; } /* test_ops tells */
            replay_row(device, reference, &rep_cases[i], &list[v]);
            replayed++;
        }
    }
    assert_true(replayed > 40);
    rep_device_close(reference);
    rep_device_close(device);
}

/* A description with bytes changed at random is refused in one line or read; never more. */
static void test_damaged_descriptions(void **state) {
    (void)state;
    rep_file_view good;
    rep_rng rng;
    rep_rng_init(&rng, 3, 4);
    CHECK_OK(rep_file_open(&good, temp_path("kept/dispatch.json")));
    char *text = malloc(good.count);
    assert_non_null(text);
    static const char letters[] = "0123456789-.e\"{}[],:abz \\";
    for (int i = 0; i < 600; i++) {
        rep_kept kept;
        memcpy(text, good.bytes, good.count);
        for (int k = 0; k < 1 + i % 3; k++) {
            text[rep_rng_below(&rng, (uint32_t)good.count)] =
                letters[rep_rng_below(&rng, sizeof letters - 1)];
        }
        (void)temp_write("kept/dispatch.json", text, good.count);
        if (rep_kept_open(&kept, temp_path("kept")) == REP_OK) {
            rep_kept_close(&kept);
        } else {
            assert_null(strchr(rep_last_error(), '\n'));
        }
    }
    free(text);
    rep_file_close(&good);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_pass),
        cmocka_unit_test(test_driver_cannot_compile),
        cmocka_unit_test(test_device_is_lost),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_damaged_modules),
        cmocka_unit_test(test_kept_rows_replay),
        cmocka_unit_test(test_damaged_descriptions),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    return cmocka_run_group_tests_name("check_rows", tests, temp_make, temp_remove);
}
