/* fcos_loss.c - the targets of the levels as inputs, and the losses (Tian et al., ICCV 2019).
 *
 *   classes     sum focal                    / max(P, 1)      P positives of the batch
 *   boxes       sum c iou_loss               / sum c          c centerness target
 *   centerness  sum over positives BCE       / max(P, 1)
 *   keypoints   sum over visible smooth L1,  / max(V, 1)      V visible points of positives
 *               or of 1 - object keypoint similarity
 *
 * The losses run on every cell; targets are zero and weights are zero where there is nothing to
 * learn. The host counts, and hands the factors in, so that nothing depends on how many positives a
 * batch has.
 */
#include <stdio.h>

#include "nn/nn.h"

void rep_detector_norms_get(float out[REP_DETECTOR_LOSSES], double positives, double centerness,
                            double visible) {
    const double per_positive = 1.0 / (positives > 1.0 ? positives : 1.0);
    out[REP_LOSS_CLASSES] = (float)per_positive;
    out[REP_LOSS_BOXES] = centerness > 0.0 ? (float)(1.0 / centerness) : 0.0f;
    out[REP_LOSS_CENTERNESS] = (float)per_positive;
    out[REP_LOSS_KEYPOINTS] = (float)(1.0 / (visible > 1.0 ? visible : 1.0));
}

/* The input "targets.<level>.<name>" of `channels` channels, as large as the output `like`. */
static rep_id target(rep_graph *graph, int level, const char *name, rep_dtype dtype,
                     int32_t channels, rep_id like) {
    char full[REP_NAME_BYTES];
    snprintf(full, sizeof full, "targets.%d.%s", level, name);
    rep_shape shape = rep_graph_shape(graph, like);
    shape.c = channels;
    return rep_graph_tensor(graph, full, dtype, shape, REP_IO);
}

static void declare_targets(rep_detector_io *io, rep_graph *graph, const rep_detector_spec *spec) {
    const int32_t offsets = 2 * spec->num_keypoints;
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        rep_detector_level *level = &io->levels[i];
        const rep_id like = level->boxes;
        level->labels = target(graph, i, "labels", REP_I32, 1, like);
        level->box_targets = target(graph, i, "boxes", REP_F32, 4, like);
        level->positives = target(graph, i, "positives", REP_F32, 1, like);
        level->centerness_target = target(graph, i, "centerness", REP_F32, 1, like);
        if (offsets == 0) { continue; }
        level->keypoint_targets = target(graph, i, "keypoints", REP_F32, offsets, like);
        level->keypoint_weights = target(graph, i, "keypoint_weights", REP_F32, offsets, like);
    }
}

static rep_id keypoint_rows(rep_graph *graph, const rep_detector_level *level,
                            const rep_detector_spec *spec, const rep_loss_params *params) {
    if (spec->keypoint_loss == REP_KEYPOINT_OKS) {
        return REP_APPEND(graph, OKS, NULL, level->keypoints, level->keypoint_targets,
                          level->keypoint_weights);
    }
    return REP_APPEND(graph, SMOOTH_L1, params, level->keypoints, level->keypoint_targets,
                      level->keypoint_weights);
}

/* One loss of one level, a value per cell. */
static rep_id level_rows(rep_graph *graph, const rep_detector_level *level,
                         const rep_detector_spec *spec, rep_detector_loss loss) {
    const rep_loss_params params = {.kind = (rep_uint)spec->iou_kind,
                                    .alpha = spec->focal_alpha,
                                    .gamma = spec->focal_gamma,
                                    .beta = spec->keypoint_beta};
    switch (loss) {
    case REP_LOSS_CLASSES:
        return REP_APPEND(graph, FOCAL, &params, level->classes, level->labels);
    case REP_LOSS_BOXES:
        return REP_APPEND(graph, IOU_LOSS, &params, level->boxes, level->box_targets,
                          level->centerness_target);
    case REP_LOSS_CENTERNESS:
        return REP_APPEND(graph, BCE, NULL, level->centerness, level->centerness_target,
                          level->positives);
    case REP_LOSS_KEYPOINTS:
        return keypoint_rows(graph, level, spec, &params);
    case REP_DETECTOR_LOSSES:
        break;
    }
    return 0;
}

/* One loss summed over all cells and levels, times its weight. */
static rep_id sum_levels(const rep_detector_io *io, rep_graph *graph, const rep_detector_spec *spec,
                         rep_detector_loss loss) {
    const rep_reduce_params params = {.scale = spec->loss_weights[loss]};
    rep_id sum = 0;
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_id rows = level_rows(graph, &io->levels[i], spec, loss);
        const rep_id part = REP_APPEND(graph, REDUCE_SUM, &params, rows);
        sum = i > 0 ? REP_APPEND(graph, ADD, NULL, sum, part) : part;
    }
    return sum;
}

void rep_nn_fcos_loss(rep_detector_io *io, rep_graph *graph, const rep_detector_spec *spec) {
    const int32_t count = spec->num_keypoints > 0 ? REP_DETECTOR_LOSSES : REP_LOSS_KEYPOINTS;
    rep_id sums[REP_DETECTOR_LOSSES];
    declare_targets(io, graph, spec);
    io->norms = rep_graph_tensor(graph, "norms", REP_F32, (rep_shape){1, count, 1, 1}, REP_IO);
    rep_graph_set_scope(graph, "loss");
    for (int i = 0; i < count; i++) { sums[i] = sum_levels(io, graph, spec, (rep_detector_loss)i); }
    const rep_id all = rep_graph_append(graph, REP_OP_CONCAT, NULL, sums, (uint32_t)count, NULL);
    io->losses = REP_APPEND(graph, SCALE, NULL, all, io->norms);
    io->loss = REP_APPEND(graph, REDUCE_SUM, (&(rep_reduce_params){.scale = 1.0f}), io->losses);
    rep_graph_set_scope(graph, NULL);
    if (io->loss) {
        rep_graph_keep(graph, io->losses);
        rep_graph_keep(graph, io->loss);
    }
}
