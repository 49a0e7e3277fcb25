/* test_ops.c - every kernel of every instruction set against the float64 reference.
 *
 * Each row of op_cases.def becomes a program of one node, the path training takes. Checked per row
 * and device: the error's bound, nothing written outside the outputs, nothing read outside the
 * inputs (NaN lies around them), the same bits again on a second run, with another thread count
 * and, for ops that may, in place.
 *
 *     test_ops [--list] [--perf] [--op=NAME] [--case=N] [--device=cpu:avx2]
 */
#include "check.h"

#include <stdio.h>

#include "op_case.h"
#include "repopt/device.h"

enum { GUARD = 65, MAX_DEVICES = 16, THREADS = 3 }; /* 65: tensors at odd places */

/* The same device with one thread and with several. */
typedef struct bench {
    rep_device_info info;
    rep_device *one, *several;
} bench;
static bench devices[MAX_DEVICES];
static size_t device_count;
static bench reference;

/* A row made into a program. Each tensor lies in the middle of a block of its own. */
typedef struct rig {
    const op_case *row;
    rep_graph *graph;
    rep_program *program;
    uint32_t in_count, out_count;
    rep_id in[REP_MAX_INPUTS], in_block[REP_MAX_INPUTS];
    rep_id out[REP_MAX_OUTPUTS], out_block[REP_MAX_OUTPUTS];
    rep_dtype out_type[REP_MAX_OUTPUTS];
} rig;

static rep_id declare(rep_graph *graph, const char *role, uint32_t index, rep_dtype type,
                      rep_shape shape, rep_id *block) {
    char name[32];
    const int32_t count = (int32_t)rep_shape_count(shape);
    snprintf(name, sizeof name, "%s%u.block", role, index);
    *block = rep_graph_tensor(graph, name, type, (rep_shape){1, count + 2 * GUARD, 1, 1}, REP_IO);
    snprintf(name, sizeof name, "%s%u", role, index);
    const rep_id id = rep_graph_tensor(graph, name, type, shape, REP_IO);
    rep_graph_place(graph, id, *block, GUARD);
    return id;
}

/* What the shape rule says about the outputs; an update op's are like its first input. */
static void measure_outputs(const op_case *row, uint32_t in_count, rep_shape_call *call) {
    const rep_op_info *info = rep_op_info_get(row->op);
    *call = (rep_shape_call){.name = info->name, .params = row->params, .in_count = in_count};
    for (uint32_t i = 0; i < in_count; i++) {
        call->has_in[i] = row->in[i].kind != KIND_ABSENT;
        call->in[i] = op_input_shape(&row->in[i]);
    }
    CHECK_OK(info->shape(call));
    for (uint32_t o = 0; o < info->out_count; o++) {
        if (!call->out[o].n) { call->out[o] = call->in[0]; }
    }
}

static void rig_open(rig *r, const op_case *row, rep_device *device, bool is_in_place) {
    *r = (rig){.row = row,
               .in_count = op_case_inputs(row),
               .out_count = rep_op_info_get(row->op)->out_count};
    rep_shape_call call;
    measure_outputs(row, r->in_count, &call);
    CHECK_OK(rep_graph_create(&r->graph));
    for (uint32_t i = 0; i < r->in_count; i++) {
        if (!call.has_in[i]) { continue; }
        const rep_dtype type = op_input_is_integer(&row->in[i]) ? REP_I32 : REP_F32;
        r->in[i] = declare(r->graph, "in", i, type, call.in[i], &r->in_block[i]);
    }
    for (uint32_t o = 0; o < r->out_count; o++) {
        r->out_type[o] = call.dtype[o];
        r->out[o] = declare(r->graph, "out", o, call.dtype[o], call.out[o], &r->out_block[o]);
    }
    if (is_in_place) {
        r->out[0] = r->in[0];
        r->out_block[0] = r->in_block[0];
    }
    rep_graph_append(r->graph, row->op, row->params, r->in, r->in_count, r->out);
    CHECK_OK(rep_program_create(&r->program, device, r->graph, NULL, NULL));
}

static void rig_close(rig *r) {
    rep_program_destroy(r->program);
    rep_graph_destroy(r->graph);
}

/* A guard's value: NaN around inputs, so that a stray read shows, a number around outputs. */
static void write_block(const rig *r, rep_id block, const op_input *kind, uint64_t stream,
                        float guard) {
    const size_t whole = rep_shape_count(rep_graph_shape(r->graph, block));
    int32_t *integers = calloc(whole, sizeof *integers);
    float *values = calloc(whole, sizeof *values);
    assert_non_null(integers);
    assert_non_null(values);
    const size_t count = whole - 2 * GUARD;
    for (size_t i = 0; i < GUARD; i++) {
        values[i] = values[GUARD + count + i] = guard;
        integers[i] = integers[GUARD + count + i] = 77;
    }
    const bool is_integer = r->graph->tensors[block].dtype == REP_I32;
    if (is_integer) {
        op_draw_integers(kind, stream, count, integers + GUARD);
    } else {
        op_draw(kind, stream, count, values + GUARD);
    }
    const void *data = is_integer ? (const void *)integers : (const void *)values;
    CHECK_OK(rep_program_write(r->program, block, data, whole));
    free(integers);
    free(values);
}

static void rig_write(const rig *r) {
    const uint64_t stream = (uint64_t)(r->row - op_cases) * 16;
    for (uint32_t o = 0; o < r->out_count; o++) {
        /* Second moments and running variances are positive. */
        const op_input kind = {o >= 2 ? KIND_POSITIVE : KIND_NORMAL, {0, 0, 0, 0}, 0};
        write_block(r, r->out_block[o], &kind, stream + 8 + o, 12345.0f);
    }
    for (uint32_t i = 0; i < r->in_count; i++) {
        if (!r->in[i]) { continue; }
        write_block(r, r->in_block[i], &r->row->in[i], stream + i, NAN);
    }
}

/* The outputs one after another, guards checked and left out. Free it. */
static double *rig_read(const rig *r, size_t *total) {
    *total = 0;
    double *all = NULL;
    for (uint32_t o = 0; o < r->out_count; o++) {
        const size_t whole = rep_shape_count(rep_graph_shape(r->graph, r->out_block[o]));
        const size_t count = whole - 2 * GUARD;
        double *values = calloc(whole, sizeof *values);
        assert_non_null(values);
        if (r->out_type[o] == REP_I32) {
            int32_t *integers = calloc(whole, sizeof *integers);
            assert_non_null(integers);
            CHECK_OK(rep_program_read(r->program, r->out_block[o], integers, whole));
            for (size_t i = 0; i < whole; i++) { values[i] = (double)integers[i]; }
            free(integers);
        } else {
            CHECK_OK(rep_program_read_f64(r->program, r->out_block[o], values, whole));
        }
        const double guard = r->out_type[o] == REP_I32 ? 77 : 12345;
        for (size_t i = 0; i < GUARD && r->out_block[o] != r->in_block[0]; i++) {
            if (values[i] != guard || values[GUARD + count + i] != guard) {
                fail_msg("output %u: wrote outside itself", o);
            }
        }
        all = realloc(all, (*total + count) * sizeof *all);
        assert_non_null(all);
        memcpy(all + *total, values + GUARD, count * sizeof *all);
        *total += count;
        free(values);
    }
    return all;
}

/* One run of a row on a device. */
static double *run_row(const op_case *row, rep_device *device, bool is_in_place, size_t *total) {
    rig r;
    rig_open(&r, row, device, is_in_place);
    rig_write(&r);
    CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
    double *first = rig_read(&r, total);
    rig_write(&r);
    CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
    double *second = rig_read(&r, total);
    if (memcmp(first, second, *total * sizeof *first) != 0) { fail_msg("a second run differs"); }
    free(second);
    rig_close(&r);
    return first;
}

/* sum (a - b)^2 / sum b^2, and 0 where both are 0. */
static double error_of(const double *a, const double *b, size_t count) {
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        apart += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return apart > 0 ? apart / size : 0;
}

static void check_row(const op_case *row, const bench *on, const double *truth, size_t count) {
    size_t total = 0;
    double *got = run_row(row, on->one, false, &total);
    assert_int_equal(total, count);
    const double error = error_of(got, truth, count);
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
    const op_case *row = *state;
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
        for (int i = 0; i < OP_CASE_COUNT; i++) { rows += (int)op_cases[i].op == op; }
        if (rows < 5) {
            fail_msg("%s has %d rows in op_cases.def, wanted 5 at least",
                     rep_op_info_get((rep_op)op)->name, rows);
        }
    }
}

/* Padding between parameters belongs to nobody, and a held step changes nothing at all. */
static void test_updates_leave_the_rest_alone(void **state) {
    (void)state;
    for (int i = 0; i < OP_CASE_COUNT; i++) {
        const op_case *row = &op_cases[i];
        if (row->op != REP_OP_SGD_STEP && row->op != REP_OP_ADAMW_STEP) { continue; }
        const op_layout_size size = op_layout_measure(row->in[1].bound);
        bool *is_owned = calloc(size.params, sizeof *is_owned);
        rep_segment table[OP_PARTS];
        op_layout_table(row->in[1].bound, table);
        for (uint32_t s = 0; s < size.segments && !(row->in[3].bound & STEP_HOLDS); s++) {
            memset(is_owned + table[s].offset, 1, table[s].count);
        }
        for (size_t d = 0; d < device_count; d++) {
            rig r;
            rig_open(&r, row, devices[d].several, false);
            rig_write(&r);
            size_t total = 0;
            double *before = rig_read(&r, &total);
            CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
            double *after = rig_read(&r, &total);
            for (size_t k = 0; k < total; k++) {
                if (before[k] != after[k] && !is_owned[k % size.params]) {
                    fail_msg("%s %d: element %zu is nobody's and changed",
                             rep_op_info_get(row->op)->name, op_case_number(row), k);
                }
            }
            free(before);
            free(after);
            rig_close(&r);
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
        for (rep_uint act = REP_ACT_NONE; act <= REP_ACT_SIGMOID; act++) {
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

/* Milliseconds of the fastest of 20 runs. */
static void time_row(const op_case *row, const bench *on) {
    rig r;
    rig_open(&r, row, on->several, false);
    rig_write(&r);
    double best = INFINITY;
    for (int i = 0; i < 20; i++) {
        const double begin_s = rep_clock_s();
        CHECK_OK(rep_program_run(r.program, REP_FORWARD, REP_UPDATE));
        const double ms = (rep_clock_s() - begin_s) * 1e3;
        best = ms < best ? ms : best;
    }
    printf("%-18s %2d  %-14s %9.4f ms\n", rep_op_info_get(row->op)->name, op_case_number(row),
           on->info.name, best);
    rig_close(&r);
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

static bool is_chosen(const options *of, const op_case *row) {
    return (!of->op || !strcmp(of->op, rep_op_info_get(row->op)->name)) &&
           (!of->number || of->number == op_case_number(row));
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
        if (!info[i].is_usable || (of->device && strcmp(of->device, info[i].name))) { continue; }
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
    static struct CMUnitTest tests[OP_CASE_COUNT + 3];
    static char names[OP_CASE_COUNT][48];
    options chosen = {0};
    if (!parse(&chosen, argc, argv)) { return 2; }
    if (!open_devices(&chosen)) {
        fprintf(stderr, "no device to test: %s\n", rep_last_error());
        return 1;
    }
    size_t count = 0;
    for (int i = 0; i < OP_CASE_COUNT; i++) {
        const op_case *row = &op_cases[i];
        if (!is_chosen(&chosen, row)) { continue; }
        snprintf(names[i], sizeof names[i], "%s %d", rep_op_info_get(row->op)->name,
                 op_case_number(row));
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
        }
        failed = _cmocka_run_group_tests("ops", tests, count, NULL, NULL);
    }
    close_devices();
    return failed;
}
