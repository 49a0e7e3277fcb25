/* oracle_fcos.c - which box a cell learns, and what; see oracle_fcos.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above. */
#include <cmocka.h>

#include <math.h>

#include "oracle_fcos.h"

/* The objects of one picture: boxes x1, y1, x2, y2, labels, keypoints x, y, visibility. */
struct objects {
    const oracle_tensor *boxes, *labels, *keypoints;
};

/* What one cell is: its place, its level's stride and range, the sampling. */
struct cell {
    double x, y, stride, low, high, radius;
};

static double least(const double *v) { return fmin(fmin(v[0], v[1]), fmin(v[2], v[3])); }
static double largest(const double *v) { return fmax(fmax(v[0], v[1]), fmax(v[2], v[3])); }

static void distances(const struct cell *cell, const double *box, double *out) {
    out[0] = cell->x - box[0];
    out[1] = cell->y - box[1];
    out[2] = box[2] - cell->x;
    out[3] = box[3] - cell->y;
}

/* Inside the box, or inside the part of it around its centre. */
static bool is_inside(const struct cell *cell, const double *box) {
    double part[4], away[4];
    memcpy(part, box, sizeof part);
    for (int axis = 0; axis < 2 && cell->radius > 0; axis++) {
        const double centre = (box[axis] + box[axis + 2]) / 2, half = cell->radius * cell->stride;
        part[axis] = fmax(box[axis], centre - half);
        part[axis + 2] = fmin(box[axis + 2], centre + half);
    }
    distances(cell, part, away);
    return least(away) > 0;
}

/* The smallest box that wants this cell, -1 for none. */
static int box_of(const struct cell *cell, const struct objects *objects) {
    int best = -1;
    double best_area = INFINITY;
    for (int i = 0; i < objects->boxes->dims[0]; i++) {
        const double *box = objects->boxes->values + 4 * i;
        const double area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1);
        double away[4];
        distances(cell, box, away);
        const double reach = largest(away);
        if (area < best_area && is_inside(cell, box) && reach >= cell->low && reach <= cell->high) {
            best = i;
            best_area = area;
        }
    }
    return best;
}

static void assign(oracle_targets *out, size_t row, const struct cell *cell,
                   const struct objects *objects, int box, bool is_normalised, int32_t keypoints,
                   oracle_counts *counts) {
    double away[4];
    distances(cell, objects->boxes->values + 4 * box, away);
    out->labels[row] = (int32_t)objects->labels->values[box];
    out->positives[row] = 1;
    out->centerness[row] = sqrt(fmin(away[0], away[2]) / fmax(away[0], away[2]) *
                                fmin(away[1], away[3]) / fmax(away[1], away[3]));
    for (int i = 0; i < 4; i++) {
        out->boxes[row * 4 + (size_t)i] = is_normalised ? away[i] / cell->stride : away[i];
    }
    for (int32_t k = 0; k < keypoints; k++) {
        const double *point = objects->keypoints->values + 3 * (box * keypoints + k);
        const size_t at = 2 * (row * (size_t)keypoints + (size_t)k);
        out->keypoints[at] = (point[0] - cell->x) / cell->stride;
        out->keypoints[at + 1] = (point[1] - cell->y) / cell->stride;
        out->keypoint_weights[at] = out->keypoint_weights[at + 1] = point[2] > 0;
        counts->visible += point[2] > 0;
    }
    counts->positives += 1;
    counts->centerness += out->centerness[row];
}

void oracle_targets_init(oracle_targets *out, const oracle_case *c, const rep_detector_level *level,
                         int level_index, int32_t batch, int32_t keypoints, oracle_counts *counts) {
    static const double bounds[] = {-1, 64, 128, 256, 512, 1e8};
    const size_t rows = (size_t)batch * (size_t)level->height * (size_t)level->width;
    const size_t offsets = 2 * rows * (size_t)keypoints;
    *out = (oracle_targets){.rows = rows,
                            .labels = calloc(rows, sizeof(int32_t)),
                            .boxes = calloc(4 * rows, sizeof(double)),
                            .centerness = calloc(rows, sizeof(double)),
                            .positives = calloc(rows, sizeof(double)),
                            .keypoints = calloc(offsets + 1, sizeof(double)),
                            .keypoint_weights = calloc(offsets + 1, sizeof(double))};
    const bool is_normalised = oracle_flag(c, "norm_reg_targets", false);
    struct cell cell = {.stride = level->stride_px,
                        .low = bounds[level_index],
                        .high = bounds[level_index + 1],
                        .radius = oracle_number(c, "center_sampling_radius", 0)};
    size_t row = 0;
    for (int32_t n = 0; n < batch; n++) {
        const struct objects objects = {oracle_need(c, "in.image%d.boxes", n),
                                        oracle_need(c, "in.image%d.labels", n),
                                        oracle_need(c, "in.image%d.keypoints", n)};
        for (int32_t i = 0; i < level->height * level->width; i++, row++) {
            cell.x = (i % level->width + 0.5) * cell.stride;
            cell.y = (i / level->width + 0.5) * cell.stride;
            const int box = box_of(&cell, &objects);
            if (box < 0) { continue; }
            assign(out, row, &cell, &objects, box, is_normalised, keypoints, counts);
        }
    }
}

void oracle_targets_clear(oracle_targets *targets) {
    free(targets->labels);
    free(targets->boxes);
    free(targets->centerness);
    free(targets->positives);
    free(targets->keypoints);
    free(targets->keypoint_weights);
}

static void write_level(oracle_case *c, rep_program *program, const rep_detector_level *level,
                        const oracle_targets *t, int32_t keypoints) {
    const size_t offsets = 2 * t->rows * (size_t)keypoints;
    const struct {
        rep_id id;
        const double *values;
        size_t count;
    } parts[] = {{level->box_targets, t->boxes, 4 * t->rows},
                 {level->centerness_target, t->centerness, t->rows},
                 {level->positives, t->positives, t->rows},
                 {level->keypoint_targets, t->keypoints, offsets},
                 {level->keypoint_weights, t->keypoint_weights, offsets}};
    oracle_ok(c, rep_program_write(program, level->labels, t->labels, t->rows));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].count == 0) { continue; }
        oracle_ok(c, rep_program_write_f64(program, parts[i].id, parts[i].values, parts[i].count));
    }
}

void oracle_targets_write(oracle_case *c, rep_program *program, const rep_detector_io *io,
                          int32_t batch, int32_t keypoints, oracle_counts *counts) {
    *counts = (oracle_counts){0};
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        oracle_targets t;
        oracle_targets_init(&t, c, &io->levels[i], i, batch, keypoints, counts);
        write_level(c, program, &io->levels[i], &t, keypoints);
        oracle_targets_clear(&t);
    }
    float norms[REP_DETECTOR_LOSSES];
    rep_detector_norms_get(norms, counts->positives, counts->centerness, counts->visible);
    oracle_ok(c, rep_program_write(program, io->norms, norms,
                                   keypoints > 0 ? REP_DETECTOR_LOSSES : REP_LOSS_KEYPOINTS));
}
