/* replay.c - runs a kept dispatch by itself and judges it like a row. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/run.h"

/* The blocks of a dispatch, one after another; NULL when out of memory. */
static uint8_t *copy_blocks(const rep_dispatch *d, size_t *bytes) {
    *bytes = 0;
    for (uint32_t i = 0; i < d->binding_count; i++) { *bytes += d->bindings[i].block_bytes; }
    uint8_t *copy = malloc(*bytes + 1);
    size_t at = 0;
    for (uint32_t i = 0; copy && i < d->binding_count; i++) {
        if (!d->bindings[i].block) { continue; }
        memcpy(copy + at, d->bindings[i].block, d->bindings[i].block_bytes);
        at += d->bindings[i].block_bytes;
    }
    return copy;
}

static void restore_blocks(const rep_dispatch *d, const uint8_t *copy) {
    for (uint32_t i = 0; i < d->binding_count; i++) {
        if (!d->bindings[i].block) { continue; }
        memcpy(d->bindings[i].block, copy, d->bindings[i].block_bytes);
        copy += d->bindings[i].block_bytes;
    }
}

/* Outputs and scratch are; `index` owns its memory, others may share it. */
static bool is_written(const rep_kept *kept, uint32_t index) {
    if (!kept->bindings[index].count) { return true; }
    for (uint32_t i = index; i < kept->dispatch.binding_count; i++) {
        if (kept->dispatch.bindings[i].same_as == index && kept->bindings[i].is_output) {
            return true;
        }
    }
    return false;
}

static rep_status check_guards(const rep_kept *kept, const uint8_t *before) {
    const rep_dispatch *d = &kept->dispatch;
    for (uint32_t i = 0; i < d->binding_count; i++) {
        const rep_dispatch_binding *b = &d->bindings[i];
        const uint8_t *now = b->block;
        if (!now) { continue; }
        for (size_t at = 0; at < b->block_bytes; at++) {
            const bool is_inside = at >= b->offset && at < b->offset + b->bytes;
            if (now[at] == before[at] || (is_inside && is_written(kept, i))) { continue; }
            return rep_fail(REP_ERR_NUMERIC, "binding %u: wrote byte %ld, it has %zu and is %s", i,
                            (long)at - (long)b->offset, b->bytes,
                            is_inside ? "only read" : "no longer than that");
        }
        before += b->block_bytes;
    }
    return REP_OK;
}

static void read_values(double *out, const rep_kept_binding *k, const rep_dispatch_binding *b) {
    const uint8_t *bytes = (const uint8_t *)b->block + b->offset;
    for (size_t i = 0; i < k->count; i++) {
        float real;
        int32_t integer;
        uint16_t half;
        switch (k->dtype) {
        case REP_F32:
            memcpy(&real, bytes + 4 * i, sizeof real);
            out[i] = (double)real;
            break;
        case REP_I32:
            memcpy(&integer, bytes + 4 * i, sizeof integer);
            out[i] = (double)integer;
            break;
        case REP_F16:
            memcpy(&half, bytes + 2 * i, sizeof half);
            out[i] = (double)rep_half_to_float(half);
            break;
        }
    }
}

static rep_status judge(rep_check_row *row, const rep_kept *kept) {
    const rep_dispatch *d = &kept->dispatch;
    size_t counts[REP_DISPATCH_BINDINGS], total = 0, at = 0;
    rep_dtype types[REP_DISPATCH_BINDINGS];
    uint32_t outputs = 0;
    for (uint32_t i = 0; i < d->binding_count; i++) {
        if (kept->bindings[i].is_output) { total += kept->bindings[i].count; }
    }
    double *got = malloc(2 * total * sizeof *got), *expected = got + total;
    if (!got) { return rep_fail(REP_ERR_MEMORY, "replay: no memory for the outputs"); }
    for (uint32_t i = 0; i < d->binding_count; i++) {
        const rep_kept_binding *k = &kept->bindings[i];
        if (!k->is_output) { continue; }
        read_values(got + at, k, &d->bindings[d->bindings[i].same_as]);
        memcpy(expected + at, k->expected, k->count * sizeof *expected);
        counts[outputs] = k->count;
        types[outputs++] = k->dtype;
        at += k->count;
    }
    rep_compare(row, got, expected, counts, types, outputs);
    free(got);
    if (row->error <= row->bound) { return REP_OK; }
    rep_compare_explain(row);
    return rep_fail(REP_ERR_NUMERIC, "%s", row->fault);
}

static rep_status run_twice(rep_check_row *row, rep_device *device, const rep_kept *kept,
                            const uint8_t *before) {
    const rep_dispatch *d = &kept->dispatch;
    size_t bytes = 0;
    rep_status status = rep_vulkan_check_limits(device, d);
    row->limits = status == REP_OK ? REP_PASSED : REP_FAILED;
    REP_TRY(status);
    REP_TRY(rep_vulkan_dispatch(&row->ms, device, d));
    status = check_guards(kept, before);
    row->guards = status == REP_OK ? REP_PASSED : REP_FAILED;
    const rep_status verdict = judge(row, kept);
    REP_TRY(status);
    REP_TRY(verdict);
    uint8_t *first = copy_blocks(d, &bytes);
    if (!first) { return rep_fail(REP_ERR_MEMORY, "replay: out of memory"); }
    restore_blocks(d, before);
    status = rep_vulkan_dispatch(&row->ms, device, d);
    uint8_t *again = copy_blocks(d, &bytes);
    const bool is_same = again && !memcmp(first, again, bytes);
    row->repeat = is_same ? REP_PASSED : REP_FAILED;
    free(first);
    free(again);
    if (status == REP_OK && !is_same) {
        return rep_fail(REP_ERR_NUMERIC, "a second run gives other bits");
    }
    return status;
}

static rep_status run(rep_check_row *row, rep_device *device, const rep_kept *kept) {
    size_t bytes = 0;
    uint8_t *before = copy_blocks(&kept->dispatch, &bytes);
    if (!before) { return rep_fail(REP_ERR_MEMORY, "replay: out of memory"); }
    const rep_status status = run_twice(row, device, kept, before);
    free(before);
    row->has_passed = status == REP_OK;
    if (status != REP_OK) { snprintf(row->fault, sizeof row->fault, "%s", rep_last_error()); }
    /* What the device did is the row's; what the folder or the host lacked is an error. */
    return status == REP_ERR_DATA || status == REP_ERR_LOST ? status : REP_OK;
}

rep_status rep_check_replay(rep_check_row *row, rep_device_info *info, const char *folder,
                            const char *device_name) {
    static char op[64];
    rep_kept kept;
    rep_device *device = NULL;
    REP_TRY(rep_kept_open(&kept, folder));
    rep_check_row out = {.op = op, .number = kept.number, .bound = kept.bound, .ms = -1};
    rep_status status = rep_check_open(&device, device_name);
    if (status == REP_OK) {
        rep_device_describe(device, info);
        if (!info->is_vulkan) {
            status =
                rep_fail(REP_ERR_DEVICE, "%s: a dispatch runs on a Vulkan device only", info->name);
        }
    }
    if (status == REP_OK) {
        snprintf(op, sizeof op, "%s", kept.op);
        snprintf(out.variant, sizeof out.variant, "%s", kept.variant);
        snprintf(out.folder, sizeof out.folder, "%s", folder);
        rep_variant_shaders(out.shaders, sizeof out.shaders, &kept.dispatch);
        status = run(&out, device, &kept);
    }
    rep_device_close(device);
    rep_kept_close(&kept);
    if (status == REP_OK) { *row = out; }
    return status;
}
