/* oracle_fcos.h - a second, plain assignment of FCOS targets, for the losses' vectors.
 *
 * Every cell is looked at on its own, in the order of the formulas; nothing of the library is used
 * but the layout of a detector's inputs.
 */
#ifndef REP_TESTS_ORACLE_FCOS_H
#define REP_TESTS_ORACLE_FCOS_H

#include "oracle.h"
#include "repopt/detector.h"

/* The targets of one level over the batch, rows in the order image, row, column. */
typedef struct oracle_targets {
    size_t rows;
    int32_t *labels;
    double *boxes;            /* rows * 4 */
    double *centerness;       /* rows */
    double *positives;        /* rows */
    double *keypoints;        /* rows * 2K */
    double *keypoint_weights; /* rows * 2K */
} oracle_targets;

/* Counts over all levels and the batch. */
typedef struct oracle_counts {
    double positives, centerness, visible;
} oracle_counts;

/* Assigns boxes, labels and keypoints "in.image<n>.*" of the case to the cells of one level, and
 * adds to the counts. `keypoints` is K. The arrays are to be cleared. */
void oracle_targets_init(oracle_targets *out, const oracle_case *c, const rep_detector_level *level,
                         int level_index, int32_t batch, int32_t keypoints, oracle_counts *counts);
void oracle_targets_clear(oracle_targets *targets);
/* Assigns all levels, writes targets and norms into a program of the graph. `batch` pictures. */
void oracle_targets_write(oracle_case *c, rep_program *program, const rep_detector_io *io,
                          int32_t batch, int32_t keypoints, oracle_counts *counts);

#endif
