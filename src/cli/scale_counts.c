/* scale_counts.c - counts over searched scales, for `repopt scales` and the report. */
#include "cli/scale_counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double scale_start(const char *block, bool is_by_stage) {
    const char *dot = strrchr(block, '.');
    char *end = NULL;
    const long index = dot ? strtol(dot + 1, &end, 10) : 0;
    if (!is_by_stage || !dot || *end != '\0' || index <= 0) { return 1; }
    return sqrt(2.0 / (double)index);
}

static void add_vector(scale_counts *c, const float *values, int32_t count, double start) {
    for (int32_t i = 0; values && i < count; i++) {
        const double v = (double)values[i], distance = fabs(v - start);
        c->near += distance <= SCALE_NEAR;
        c->negative += v < 0;
        c->min = c->values == 0 || v < c->min ? v : c->min;
        c->max = c->values == 0 || v > c->max ? v : c->max;
        c->farthest = fmax(c->farthest, distance);
        c->values++;
    }
}

void scale_counts_add(scale_counts *counts, const rep_scale_row *row, bool is_by_stage) {
    const double start = scale_start(row->name, is_by_stage);
    add_vector(counts, row->s, row->channels, start);
    add_vector(counts, row->t, row->channels, start);
    add_vector(counts, row->u, row->channels, 1);
}

scale_counts scale_counts_of(const rep_scales *scales, bool is_by_stage) {
    scale_counts all = {0};
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        scale_counts_add(&all, rep_scales_row(scales, i), is_by_stage);
    }
    return all;
}
