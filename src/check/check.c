/* check.c - runs the rows of op_cases.def, variant by variant, on one device. */
#include <stdlib.h>
#include <string.h>

#include "check/run.h"

typedef struct job {
    const rep_check_options *options;
    rep_check_result *result;
    rep_device *device, *reference;
    size_t done, total; /* cases */
} job;

/* ---- which rows ------------------------------------------------------------------------------ */

static bool is_chosen(const rep_check_options *of, const rep_case *row) {
    return (!of->op || !strcmp(of->op, rep_op_info_get(row->op)->name)) &&
           (!of->number || of->number == rep_case_number(row));
}

static rep_status count_rows(const rep_check_options *options, size_t *total) {
    size_t of_op = 0;
    *total = 0;
    for (size_t i = 0; i < rep_case_count; i++) {
        const char *op = rep_op_info_get(rep_cases[i].op)->name;
        of_op += !options->op || !strcmp(options->op, op);
        *total += is_chosen(options, &rep_cases[i]);
    }
    if (of_op == 0) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "op \"%s\": there is none of that name; `repopt check "
                        "--list` has them",
                        options->op);
    }
    if (*total == 0) {
        return rep_fail(REP_ERR_ARGUMENT, "case %d: %s has no such row", options->number,
                        options->op ? options->op : "any op");
    }
    return REP_OK;
}

static void describe_inputs(char *out, size_t bytes, const rep_case *row) {
    out[0] = '\0';
    for (uint32_t i = 0; i < rep_case_inputs(row); i++) {
        const rep_shape s = rep_case_input_shape(&row->in[i]);
        const size_t at = strlen(out);
        if (at + 1 >= bytes) { return; }
        if (row->in[i].kind == REP_INPUT_ABSENT) {
            snprintf(out + at, bytes - at, "%s-", i ? " " : "");
        } else {
            snprintf(out + at, bytes - at, "%s{%d,%d,%d,%d}", i ? " " : "", s.n, s.c, s.h, s.w);
        }
    }
}

void rep_check_list(void (*visit)(void *context, const char *op, int number, const char *inputs),
                    void *context) {
    for (size_t i = 0; i < rep_case_count; i++) {
        char inputs[200];
        describe_inputs(inputs, sizeof inputs, &rep_cases[i]);
        visit(context, rep_op_info_get(rep_cases[i].op)->name, rep_case_number(&rep_cases[i]),
              inputs);
    }
}

/* ---- devices --------------------------------------------------------------------------------- */

rep_status rep_check_open(rep_device **out, const char *name) {
    if (name) { return rep_device_open(out, name, 0); }
    rep_device_info info[32];
    const size_t listed = rep_device_list(info, 32);
    for (size_t i = 0; i < listed && i < 32; i++) {
        if (info[i].is_vulkan && info[i].is_usable) {
            return rep_device_open(out, info[i].name, 0);
        }
    }
    return rep_fail(
        REP_ERR_DEVICE,
        "no Vulkan device here: install libvulkan1 and the GPU's driver, or "
        "mesa-vulkan-drivers, which has a software one; or check the CPU's kernels with "
        "--device cpu");
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void report(job *j, const rep_check_row *row) {
    j->result->rows++;
    j->result->failed += !row->has_passed;
    if (j->options->on_row) { j->options->on_row(j->options->context, row, j->done, j->total); }
}

/* A lost device fails its row; the next row gets a new one. */
static rep_status reopen(job *j) {
    rep_device_close(j->device);
    j->device = NULL;
    return rep_check_open(&j->device, j->result->device.name);
}

static rep_status check_variant(job *j, const rep_case *row, const rep_variant *variant,
                                const double *truth) {
    rep_check_row out = {.op = rep_op_info_get(row->op)->name,
                         .number = rep_case_number(row),
                         .bound = row->bound,
                         .ms = -1};
    snprintf(out.variant, sizeof out.variant, "%s", variant->name);
    snprintf(out.shaders, sizeof out.shaders, "%s", variant->shaders);
    describe_inputs(out.inputs, sizeof out.inputs, row);
    rep_status status = REP_OK;
    if (variant->fault[0]) {
        snprintf(out.fault, sizeof out.fault, "%s", variant->fault);
    } else {
        status = rep_measure(&out, j->device, row, variant, truth, j->options->folder);
    }
    if (status == REP_ERR_LOST) { status = reopen(j); }
    report(j, &out);
    return status;
}

static rep_status check_case(job *j, const rep_case *row) {
    rep_variant list[REP_MAX_VARIANTS];
    size_t count = 0, elements = 0;
    double *truth = NULL;
    REP_TRY(rep_variant_find(list, &count, j->device, row));
    rep_status status = REP_OK;
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        if (!truth || list[i].half != list[i - 1].half) {
            free(truth);
            truth = NULL;
            status = rep_measure_reference(&truth, &elements, j->reference, row, list[i].half);
        }
        if (status == REP_OK) {
            j->done += i + 1 == count;
            status = check_variant(j, row, &list[i], truth);
        }
    }
    free(truth);
    return status;
}

static rep_status check_rows(job *j) {
    for (size_t i = 0; i < rep_case_count; i++) {
        if (!is_chosen(j->options, &rep_cases[i])) { continue; }
        if (j->options->stop && *j->options->stop) {
            return rep_fail(REP_ERR_INTERRUPTED, "check: stopped after %zu of %zu cases", j->done,
                            j->total);
        }
        REP_TRY(check_case(j, &rep_cases[i]));
    }
    return REP_OK;
}

rep_status rep_check(rep_check_result *out, const rep_check_options *options) {
    rep_check_result result = {.rows = 0};
    job j = {.options = options, .result = &result};
    REP_TRY(count_rows(options, &j.total));
    REP_TRY(rep_check_open(&j.device, options->device));
    rep_device_describe(j.device, &result.device);
    rep_status status = rep_device_open(&j.reference, "cpu:float64", 1);
    if (status == REP_OK) { status = check_rows(&j); }
    rep_device_close(j.device);
    rep_device_close(j.reference);
    if (status == REP_OK) { *out = result; }
    return status;
}
