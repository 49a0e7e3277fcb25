/* scales.c - searched scales: reading them from a net, finding each block's row, statistics. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/scales.h"

void rep_scales_destroy(rep_scales *scales) {
    if (!scales) { return; }
    for (size_t i = 0; i < scales->count; i++) { free(scales->values[i]); }
    free(scales->values);
    free(scales->rows);
    free(scales);
}

size_t rep_scales_count(const rep_scales *scales) { return scales->count; }
const rep_scale_row *rep_scales_row(const rep_scales *scales, size_t index) {
    return &scales->rows[index];
}

rep_status rep_scales_create(rep_scales **out, size_t capacity) {
    rep_scales *scales = calloc(1, sizeof *scales);
    if (scales) {
        scales->rows = calloc(capacity ? capacity : 1, sizeof *scales->rows);
        scales->values = calloc(capacity ? capacity : 1, sizeof *scales->values);
        scales->capacity = capacity;
    }
    if (!scales || !scales->rows || !scales->values) {
        rep_scales_destroy(scales);
        return rep_fail(REP_ERR_MEMORY, "scales: out of memory");
    }
    *out = scales;
    return REP_OK;
}

rep_status rep_scales_add(rep_scales *scales, const char *name, int32_t channels, bool is_triple,
                          float **values) {
    const size_t count = (size_t)channels;
    float *memory = calloc(3 * count, sizeof *memory);
    if (!memory || scales->count == scales->capacity || strlen(name) >= REP_NAME_BYTES) {
        free(memory);
        return rep_fail(REP_ERR_DATA, "scales of %.60s: no room for another block of %d channels",
                        name, channels);
    }
    rep_scale_row *row = &scales->rows[scales->count];
    memcpy(row->name, name, strlen(name) + 1);
    row->channels = channels;
    row->is_triple = is_triple;
    row->s = memory;
    row->t = memory + count;
    row->u = is_triple ? memory + 2 * count : NULL;
    scales->values[scales->count++] = memory;
    *values = memory;
    return REP_OK;
}

rep_status rep_scales_read(rep_scales **out, const rep_model *model, rep_program *program) {
    rep_scales *scales = NULL;
    rep_status status = rep_scales_create(&scales, model->block_count);
    for (size_t i = 0; i < model->block_count && status == REP_OK; i++) {
        const rep_block *block = &model->blocks[i];
        const size_t count = (size_t)block->c_out;
        float *values = NULL;
        if (!block->s || !block->t) {
            status = rep_fail(REP_ERR_ARGUMENT, "block %s has no scales to read", block->name);
            break;
        }
        status = rep_scales_add(scales, block->name, block->c_out, block->u != 0, &values);
        if (status == REP_OK) { status = rep_program_read(program, block->s, values, count); }
        if (status == REP_OK) {
            status = rep_program_read(program, block->t, values + count, count);
        }
        if (status == REP_OK && block->u) {
            status = rep_program_read(program, block->u, values + 2 * count, count);
        }
    }
    if (status != REP_OK) {
        rep_scales_destroy(scales);
        return status;
    }
    *out = scales;
    return REP_OK;
}

static bool fits(const rep_scale_row *row, const rep_block *block) {
    return row->channels == block->c_out && row->is_triple == block->has_identity;
}

static const rep_scale_row *find_row(const rep_scales *scales, const char *name) {
    for (size_t i = 0; i < scales->count; i++) {
        if (strcmp(scales->rows[i].name, name) == 0) { return &scales->rows[i]; }
    }
    return NULL;
}

/* The sentence for a file that serves neither by name nor by order names the first block that has
 * no partner. */
static rep_status other_model(const rep_scales *scales, const rep_model *model) {
    for (size_t i = 0; i < model->block_count; i++) {
        const rep_block *block = &model->blocks[i];
        const rep_scale_row *row = find_row(scales, block->name);
        if (!row && i < scales->count) { row = &scales->rows[i]; }
        if (row && fits(row, block)) { continue; }
        if (!row) {
            return rep_fail(
                REP_ERR_DATA,
                "scales of another model: %zu blocks found, this net has %zu and nothing "
                "for block %s; give the SCALE searched with this net",
                scales->count, model->block_count, block->name);
        }
        return rep_fail(REP_ERR_DATA,
                        "scales of another model: %s has %d channels (%s), block %s has %d (%s); "
                        "give the SCALE searched with this net",
                        row->name, row->channels, row->is_triple ? "triple" : "pair", block->name,
                        block->c_out, block->has_identity ? "triple" : "pair");
    }
    return rep_fail(REP_ERR_DATA,
                    "scales of another model: %zu blocks found, this net has %zu; give the SCALE "
                    "searched with this net",
                    scales->count, model->block_count);
}

rep_status rep_scales_match(const rep_scales *scales, const rep_model *model,
                            const rep_scale_row **rows) {
    bool is_by_name = true, is_by_order = scales->count == model->block_count;
    for (size_t i = 0; i < model->block_count; i++) {
        const rep_block *block = &model->blocks[i];
        rows[i] = find_row(scales, block->name);
        is_by_name = is_by_name && rows[i] && fits(rows[i], block);
        is_by_order = is_by_order && fits(&scales->rows[i], block);
    }
    /* A file with more blocks than the net was searched with another net, whatever it shares. */
    if (is_by_name && scales->count == model->block_count) { return REP_OK; }
    if (!is_by_order) { return other_model(scales, model); }
    rep_log(REP_LOG_WARNING,
            "scales: the names differ from this net's (%s, wanted %s); the blocks are matched by "
            "order",
            scales->count ? scales->rows[0].name : "none",
            model->block_count ? model->blocks[0].name : "none");
    for (size_t i = 0; i < model->block_count; i++) { rows[i] = &scales->rows[i]; }
    return REP_OK;
}

void rep_scale_stats_get(rep_scale_stats *out, const float *values, int32_t count) {
    double sum = 0.0, squares = 0.0;
    *out = (rep_scale_stats){.min = INFINITY, .max = -INFINITY};
    for (int32_t i = 0; i < count; i++) {
        const double x = (double)values[i];
        sum += x;
        out->min = x < out->min ? x : out->min;
        out->max = x > out->max ? x : out->max;
        out->negative_count += x < 0.0;
    }
    out->mean = sum / count;
    for (int32_t i = 0; i < count; i++) {
        const double d = (double)values[i] - out->mean;
        squares += d * d;
    }
    out->std = sqrt(squares / count);
}

static double furthest(const float *values, int32_t count, double start) {
    double most = 0.0;
    for (int32_t i = 0; values && i < count; i++) {
        const double moved = fabs((double)values[i] - start);
        most = moved > most ? moved : most;
    }
    return most;
}

double rep_scales_moved(const rep_model *model, const rep_scale_row *const *rows) {
    double most = 0.0;
    for (size_t i = 0; i < model->block_count; i++) {
        const double start = (double)model->blocks[i].scale_init;
        most = fmax(most, furthest(rows[i]->s, rows[i]->channels, start));
        most = fmax(most, furthest(rows[i]->t, rows[i]->channels, start));
        most = fmax(most, furthest(rows[i]->u, rows[i]->channels, 1.0));
    }
    return most;
}
