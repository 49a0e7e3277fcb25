/* test_ops.c - every kernel of every instruction set against the float64 reference.
 *
 * Each row of op_cases.def becomes a program of one node, the path training takes. Checked per row
 * and device: the error's bound, nothing written outside the outputs, nothing read outside the
 * inputs (NaN lies around them), the same bits again on a second run, with another thread count
 * and, for ops that may, in place.
 *
 *     test_ops [--list] [--perf] [--op=NAME] [--case=N] [--device=cpu:avx2]
 *
 * Without --device, the devices that devices.h says.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/check.h"
#include "devices.h"

enum { MAX_DEVICES = TEST_MAX_DEVICES, THREADS = 3 };

/* The same device with one thread and with several. */
typedef struct bench {
    rep_device_info info;
    rep_device *one, *several;
} bench;
static bench devices[MAX_DEVICES];
static size_t device_count;
static bench reference;

/* The outputs, guards checked. Free it. */
static double *read_outputs(const rep_rig *r, size_t *total) {
    double *all = NULL;
    CHECK_OK(rep_rig_check_guards(r));
    CHECK_OK(rep_rig_read(r, &all, total));
    return all;
}

/* One run of a row on a device. */
static double *run_row(const rep_case *row, rep_device *device, bool is_in_place, size_t *total) {
    rep_rig r;
    CHECK_OK(rep_rig_open(&r, row, device, is_in_place));
    CHECK_OK(rep_rig_write(&r));
    CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
    double *first = read_outputs(&r, total);
    CHECK_OK(rep_rig_write(&r));
    CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
    double *second = read_outputs(&r, total);
    if (memcmp(first, second, *total * sizeof *first) != 0) { fail_msg("a second run differs"); }
    free(second);
    rep_rig_close(&r);
    return first;
}

static void check_row(const rep_case *row, const bench *on, const double *truth, size_t count) {
    size_t total = 0;
    double *got = run_row(row, on->one, false, &total);
    assert_int_equal(total, count);
    const double error = rep_error_of(got, truth, count);
    if (!(error <= row->bound)) {
        fail_msg("%s: normalised squared error %.3g, bound %.3g", on->info.name, error, row->bound);
    }
    double *other = run_row(row, on->several, false, &total);
    if (memcmp(got, other, total * sizeof *got) != 0) {
        fail_msg("%s: %d threads give other bits than one", on->info.name, THREADS);
    }
    free(other);
    if (rep_op_info_get(row->op)->mode == REP_MODE_ALIAS) {
        other = run_row(row, on->several, true, &total);
        if (memcmp(got, other, total * sizeof *got) != 0) {
            fail_msg("%s: in place gives other bits", on->info.name);
        }
        free(other);
    }
    free(got);
}

static void test_row(void **state) {
    const rep_case *row = *state;
    size_t count = 0;
    double *truth = run_row(row, reference.one, false, &count);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(truth[i])) { fail_msg("the reference's value %zu is not finite", i); }
    }
    for (size_t d = 0; d < device_count; d++) { check_row(row, &devices[d], truth, count); }
    free(truth);
}

/* A new op without rows fails here. */
static void test_every_op_has_rows(void **state) {
    (void)state;
    for (int op = REP_OP_NONE + 1; op < REP_OP_COUNT; op++) {
        int rows = 0;
        for (size_t i = 0; i < rep_case_count; i++) { rows += (int)rep_cases[i].op == op; }
        if (rows < 5) {
            fail_msg("%s has %d rows in op_cases.def, wanted 5 at least",
                     rep_op_info_get((rep_op)op)->name, rows);
        }
    }
}

/* Padding between parameters belongs to nobody, and a held step changes nothing at all. */
static void test_updates_leave_the_rest_alone(void **state) {
    (void)state;
    for (size_t i = 0; i < rep_case_count; i++) {
        const rep_case *row = &rep_cases[i];
        if (row->op != REP_OP_SGD_STEP && row->op != REP_OP_ADAMW_STEP) { continue; }
        const rep_layout_size size = rep_layout_measure(row->in[1].bound);
        bool *is_owned = calloc(size.params, sizeof *is_owned);
        rep_segment table[REP_LAYOUT_PARTS];
        rep_layout_table(row->in[1].bound, table);
        for (uint32_t s = 0; s < size.segments && !(row->in[3].bound & REP_CASE_HOLDS); s++) {
            memset(is_owned + table[s].offset, 1, table[s].count);
        }
        for (size_t d = 0; d < device_count; d++) {
            rep_rig r;
            CHECK_OK(rep_rig_open(&r, row, devices[d].several, false));
            CHECK_OK(rep_rig_write(&r));
            size_t total = 0;
            double *before = read_outputs(&r, &total);
            CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
            double *after = read_outputs(&r, &total);
            for (size_t k = 0; k < total; k++) {
                if (before[k] != after[k] && !is_owned[k % size.params]) {
                    fail_msg("%s %d: element %zu is nobody's and changed",
                             rep_op_info_get(row->op)->name, rep_case_number(row), k);
                }
            }
            free(before);
            free(after);
            rep_rig_close(&r);
        }
        free(is_owned);
    }
}

/* One op on inputs of one row of `columns`, given as they are; returns output 0's first value. */
static float first_value(rep_op op, const void *params, const float *x, int32_t columns,
                         int32_t label, const bench *on) {
    rep_graph *graph = NULL;
    rep_program *program = NULL;
    float y[8];
    CHECK_OK(rep_graph_create(&graph));
    const rep_id in[2] = {
        rep_graph_tensor(graph, "x", REP_F32, (rep_shape){1, columns, 1, 1}, REP_IO),
        rep_graph_tensor(graph, "label", REP_I32, (rep_shape){1, 1, 1, 1}, REP_IO)};
    const rep_id out = rep_graph_append(graph, op, params, in, op == REP_OP_ACT ? 1 : 2, NULL);
    CHECK_OK(rep_program_create(&program, on->one, graph, NULL, NULL));
    CHECK_OK(rep_program_write(program, in[0], x, (size_t)columns));
    CHECK_OK(rep_program_write(program, in[1], &label, 1));
    CHECK_OK(rep_program_run(program, REP_FORWARD, REP_UPDATE));
    CHECK_OK(rep_program_read(program, out, y, rep_shape_count(rep_graph_shape(graph, out))));
    rep_program_destroy(program);
    rep_graph_destroy(graph);
    return y[0];
}

/* A NaN must reach the loss, or a broken run would look healthy; a label that is no class must not
 * read another row. */
static void test_faults_show(void **state) {
    (void)state;
    const float nan_row[3] = {NAN, 1, 2}, row[3] = {0, 1, 2};
    const rep_loss_params loss = {.alpha = 0.25f, .gamma = 2.0f};
    for (size_t d = 0; d < device_count; d++) {
        for (rep_uint act = REP_ACT_NONE; act <= REP_ACT_EXP; act++) {
            const rep_act_params params = {act};
            assert_true(isnan(first_value(REP_OP_ACT, &params, nan_row, 3, 0, &devices[d])));
        }
        static const rep_op ops[] = {REP_OP_SOFTMAX_CE, REP_OP_FOCAL};
        for (int i = 0; i < 2; i++) {
            assert_true(isnan(first_value(ops[i], &loss, nan_row, 3, 2, &devices[d])));
            assert_true(isnan(first_value(ops[i], &loss, row, 3, 4, &devices[d])));
            assert_true(first_value(ops[i], &loss, row, 3, -1, &devices[d]) == 0);
            assert_true(first_value(ops[i], &loss, row, 3, 2, &devices[d]) > 0);
        }
    }
}

/* Background cells may predict any box, an infinite one too: a row of weight 0 gives and gets 0. */
static void test_absent_boxes(void **state) {
    (void)state;
    const float pred[8] = {INFINITY, INFINITY, INFINITY, INFINITY, 1, 2, 3, 4};
    const float target[8] = {0, 0, 0, 0, 2, 2, 2, 2}, weight[2] = {0, 1};
    for (size_t d = 0; d < device_count; d++) {
        for (rep_uint kind = 0; kind < 3; kind++) {
            rep_graph *graph = NULL;
            rep_program *program = NULL;
            float rows[2], slope[8];
            CHECK_OK(rep_graph_create(&graph));
            const rep_shape box = {2, 4, 1, 1}, row = {2, 1, 1, 1};
            const rep_id in[3] = {rep_graph_tensor(graph, "pred", REP_F32, box, REP_IO),
                                  rep_graph_tensor(graph, "target", REP_F32, box, REP_IO),
                                  rep_graph_tensor(graph, "weight", REP_F32, row, REP_IO)};
            rep_graph_want_gradient(graph, in[0]);
            const rep_id y = rep_graph_append(graph, REP_OP_IOU_LOSS,
                                              &(rep_loss_params){.kind = kind}, in, 3, NULL);
            rep_graph_keep(graph, y);
            CHECK_OK(rep_graph_backward(graph, y, in[2]));
            rep_graph_keep(graph, rep_graph_gradient(graph, in[0]));
            CHECK_OK(rep_program_create(&program, devices[d].one, graph, NULL, NULL));
            CHECK_OK(rep_program_write(program, in[0], pred, 8));
            CHECK_OK(rep_program_write(program, in[1], target, 8));
            CHECK_OK(rep_program_write(program, in[2], weight, 2));
            CHECK_OK(rep_program_run(program, REP_FORWARD, REP_BACKWARD));
            CHECK_OK(rep_program_read(program, y, rows, 2));
            CHECK_OK(rep_program_read(program, rep_graph_gradient(graph, in[0]), slope, 8));
            assert_true(rows[0] == 0 && rows[1] > 0);
            for (int i = 0; i < 4; i++) { assert_true(slope[i] == 0 && isfinite(slope[4 + i])); }
            rep_program_destroy(program);
            rep_graph_destroy(graph);
        }
    }
}

/* Milliseconds of the fastest of 20 runs. */
static void time_row(const rep_case *row, const bench *on) {
    rep_rig r;
    CHECK_OK(rep_rig_open(&r, row, on->several, false));
    CHECK_OK(rep_rig_write(&r));
    double best = INFINITY;
    for (int i = 0; i < 20; i++) {
        const double begin_s = rep_clock_s();
        CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
        const double ms = (rep_clock_s() - begin_s) * 1e3;
        best = ms < best ? ms : best;
    }
    printf("%-18s %2d  %-14s %9.4f ms\n", rep_op_info_get(row->op)->name, rep_case_number(row),
           on->info.name, best);
    rep_rig_close(&r);
}

typedef struct options {
    const char *op, *device;
    int number;
    bool is_list, is_perf;
} options;

static bool parse(options *out, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "--list")) {
            out->is_list = true;
        } else if (!strcmp(word, "--perf")) {
            out->is_perf = true;
        } else if (!strncmp(word, "--op=", 5)) {
            out->op = word + 5;
        } else if (!strncmp(word, "--case=", 7)) {
            out->number = atoi(word + 7);
        } else if (!strncmp(word, "--device=", 9)) {
            out->device = word + 9;
        } else {
            fprintf(stderr, "%s: options are --list --perf --op= --case= --device=\n", word);
            return false;
        }
    }
    return true;
}

static bool is_chosen(const options *of, const rep_case *row) {
    return (!of->op || !strcmp(of->op, rep_op_info_get(row->op)->name)) &&
           (!of->number || of->number == rep_case_number(row));
}

static bool open_bench(bench *out, const rep_device_info *info, int threads) {
    out->info = *info;
    return rep_device_open(&out->one, info->name, 1) == REP_OK &&
           rep_device_open(&out->several, info->name, threads) == REP_OK;
}

/* The reference apart, then the devices asked for; the reference is tested for its own bits too. */
static bool open_devices(const options *of) {
    rep_device_info info[MAX_DEVICES];
    const size_t count = rep_device_list(info, MAX_DEVICES);
    for (size_t i = 0; i < count; i++) {
        if (info[i].real_bytes == sizeof(double) && !open_bench(&reference, &info[i], 1)) {
            return false;
        }
        const bool is_wanted =
            of->device ? !strcmp(of->device, info[i].name) : test_device_is_wanted(&info[i]);
        if (!info[i].is_usable || !is_wanted) { continue; }
        if (!open_bench(&devices[device_count++], &info[i], of->is_perf ? 2 : THREADS)) {
            return false;
        }
    }
    return reference.one && device_count > 0;
}

static void close_devices(void) {
    for (size_t d = 0; d < device_count; d++) {
        rep_device_close(devices[d].one);
        rep_device_close(devices[d].several);
    }
    rep_device_close(reference.one);
    rep_device_close(reference.several);
}

int main(int argc, char **argv) {
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    struct CMUnitTest *tests = calloc(rep_case_count + 4, sizeof *tests);
    char(*names)[48] = calloc(rep_case_count, sizeof *names);
    options chosen = {0};
    if (!parse(&chosen, argc, argv)) { return 2; }
    if (!tests || !names || !open_devices(&chosen)) {
        fprintf(stderr, "no device to test: %s\n", rep_last_error());
        return 1;
    }
    size_t count = 0;
    for (size_t i = 0; i < rep_case_count; i++) {
        const rep_case *row = &rep_cases[i];
        if (!is_chosen(&chosen, row)) { continue; }
        snprintf(names[i], sizeof names[i], "%s %d", rep_op_info_get(row->op)->name,
                 rep_case_number(row));
        if (chosen.is_list) { puts(names[i]); }
        for (size_t d = 0; chosen.is_perf && d < device_count; d++) { time_row(row, &devices[d]); }
        tests[count++] =
            (struct CMUnitTest){names[i], test_row, NULL, NULL, (void *)(uintptr_t)row};
    }
    int failed = 0;
    if (!chosen.is_list && !chosen.is_perf) {
        if (!chosen.op) {
            tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_every_op_has_rows);
            tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_updates_leave_the_rest_alone);
            tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_faults_show);
            tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_absent_boxes);
        }
        failed = _cmocka_run_group_tests("ops", tests, count, NULL, NULL);
    }
    close_devices();
    free(tests);
    free(names);
    return failed;
}
