/* scale_counts.h - how far searched scales are from where their search started. */
#ifndef REP_CLI_SCALE_COUNTS_H
#define REP_CLI_SCALE_COUNTS_H

#include "repopt/model.h"

/* Of one block, or of all of them. */
typedef struct scale_counts {
    size_t values, negative;
    size_t near; /* still within SCALE_NEAR of their start */
    double min, max, farthest;
} scale_counts;
#define SCALE_NEAR 0.05

/* What s and t of a block started at: with SCALE_INIT stage sqrt(2/i) for block i of a stage
 * ("stage2.3" is block 3) and 1 for its first, else 1. u always starts at 1. */
double scale_start(const char *block, bool is_by_stage);
/* Adds one block. */
void scale_counts_add(scale_counts *counts, const rep_scale_row *row, bool is_by_stage);
scale_counts scale_counts_of(const rep_scales *scales, bool is_by_stage);

#endif
