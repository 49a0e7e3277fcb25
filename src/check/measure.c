/* measure.c - one row in one variant on one device: error, guards, the same bits again, in place,
 * limits. What is found first is the row's fault; the rest is left unchecked then.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/run.h"

rep_status rep_measure_reference(double **values, size_t *count, rep_device *reference,
                                 const rep_case *row, uint32_t half) {
    rep_rig rig;
    const rep_rig_options options = {.half = half, .is_rounded = true};
    rep_status status = rep_rig_build(&rig, row, reference, &options);
    if (status == REP_OK) { status = rep_rig_start(&rig); }
    if (status == REP_OK) { status = rep_rig_write(&rig); }
    if (status == REP_OK) { status = rep_program_run(rig.program, REP_FORWARD, REP_UPDATE); }
    if (status == REP_OK) { status = rep_rig_read(&rig, values, count); }
    rep_rig_close(&rig);
    return status;
}

/* A row under way. */
typedef struct run {
    rep_check_row *out;
    rep_device *device;
    const rep_case *row;
    const rep_variant *variant;
    const double *truth;
    const char *folder;
    bool is_vulkan;
    rep_rig rig;
    double *first, *again; /* outputs of the first run and of a later one */
    size_t count;
} run;

/* Notes the last error as the row's fault. Nothing is left to check then. */
static bool found(run *r, rep_status status) {
    if (status == REP_OK) { return false; }
    snprintf(r->out->fault, sizeof r->out->fault, "%s", rep_last_error());
    return true;
}

static rep_status once(run *r, double **values) {
    free(*values);
    *values = NULL;
    REP_TRY(rep_rig_write(&r->rig));
    REP_TRY(rep_program_run(r->rig.program, REP_FORWARD, REP_UPDATE));
    return rep_rig_read(&r->rig, values, &r->count);
}

static rep_status open_rig(run *r, bool is_in_place) {
    const rep_rig_options options = {.is_in_place = is_in_place, .half = r->variant->half};
    rep_rig_close(&r->rig);
    REP_TRY(rep_rig_build(&r->rig, r->row, r->device, &options));
    return rep_rig_start(&r->rig);
}

static rep_status check_limits(run *r) {
    rep_dispatch dispatch;
    if (!r->is_vulkan) { return REP_OK; }
    REP_TRY(rep_vulkan_describe(&dispatch, r->device, r->rig.graph, r->rig.program, 0));
    const rep_status status = rep_vulkan_check_limits(r->device, &dispatch);
    r->out->limits = status == REP_OK ? REP_PASSED : REP_FAILED;
    return status;
}

static rep_status check_guards(run *r) {
    const rep_status status = rep_rig_check_guards(&r->rig);
    if (status == REP_OK || status == REP_ERR_NUMERIC) {
        r->out->guards = status == REP_OK ? REP_PASSED : REP_FAILED;
    }
    return status;
}

static void compare(run *r) {
    rep_check_row *out = r->out;
    size_t counts[REP_MAX_OUTPUTS];
    rep_dtype types[REP_MAX_OUTPUTS];
    bool has_half = false;
    for (uint32_t o = 0; o < r->rig.out_count; o++) {
        counts[o] = r->rig.out[o].count;
        types[o] = r->rig.out[o].dtype;
        has_half = has_half || types[o] == REP_F16;
    }
    if (has_half) { out->bound = rep_half_bound(r->row->bound, r->truth, r->count); }
    rep_compare(out, r->first, r->truth, counts, types, r->rig.out_count);
}

/* The same bits as the first run's. */
static rep_status check_same(run *r, rep_verdict *verdict, const char *what) {
    size_t at = 0;
    REP_TRY(once(r, &r->again));
    while (at < r->count && !memcmp(&r->first[at], &r->again[at], sizeof(double))) { at++; }
    *verdict = at == r->count ? REP_PASSED : REP_FAILED;
    if (at == r->count) { return REP_OK; }
    return rep_fail(REP_ERR_NUMERIC,
                    "%s gives other bits: element %zu of the outputs is %.9g, was "
                    "%.9g",
                    what, at, r->again[at], r->first[at]);
}

static bool can_alias(const run *r) {
    return rep_op_info_get(r->row->op)->mode == REP_MODE_ALIAS &&
           r->rig.in[0].dtype == r->rig.out[0].dtype;
}

/* The folder of one failed dispatch. A loss of the device leaves nothing to describe it with. */
static rep_status keep(run *r, const double *got) {
    rep_check_row *out = r->out;
    if (!r->folder || !r->is_vulkan || !r->rig.graph) { return REP_OK; }
    snprintf(out->folder, sizeof out->folder, "%.500s/%s-%d%s", r->folder, out->op, out->number,
             out->variant);
    return rep_keep(out->folder, &r->rig, out, got, r->truth);
}

static double run_ms(const run *r) {
    double ms[REP_PHASE_COUNT], sum = 0;
    rep_program_times(r->rig.program, ms);
    for (int phase = 0; phase < REP_PHASE_COUNT; phase++) { sum += ms[phase]; }
    return sum;
}

/* Sets *got to the outputs that show the fault. */
static rep_status check_all(run *r, const double **got) {
    rep_check_row *out = r->out;
    REP_TRY(open_rig(r, false));
    REP_TRY(check_limits(r));
    REP_TRY(once(r, &r->first));
    *got = r->first;
    compare(r);
    REP_TRY(check_guards(r));
    if (!(out->error <= out->bound)) {
        rep_compare_explain(out);
        return rep_fail(REP_ERR_NUMERIC, "%s", out->fault);
    }
    const rep_status status = check_same(r, &out->repeat, "a second run");
    *got = r->again;
    REP_TRY(status);
    out->ms = run_ms(r);
    if (!can_alias(r)) { return REP_OK; }
    REP_TRY(open_rig(r, true));
    REP_TRY(check_same(r, &out->in_place, "a run in place"));
    return check_guards(r);
}

rep_status rep_measure(rep_check_row *out, rep_device *device, const rep_case *row,
                       const rep_variant *variant, const double *truth, const char *folder) {
    rep_device_info info;
    rep_device_describe(device, &info);
    run r = {.out = out,
             .device = device,
             .row = row,
             .variant = variant,
             .truth = truth,
             .folder = folder,
             .is_vulkan = info.is_vulkan};
    const double *got = NULL;
    rep_vulkan_allow(device, variant->allowed);
    rep_status status = check_all(&r, &got);
    out->has_passed = !found(&r, status);
    if (status != REP_ERR_LOST) { status = REP_OK; }
    if (!out->has_passed && status == REP_OK) { status = keep(&r, got); }
    rep_rig_close(&r.rig);
    rep_vulkan_allow(device, NULL);
    free(r.first);
    free(r.again);
    return status;
}
