/* detection_targets.c - the FCOS targets of a batch, level by level as the net's inputs lie.
 *
 * Weights of object keypoint similarity. pycocotools (COCOeval.computeOks) has for a keypoint, at a
 * distance of d pixels from the truth,
 *
 *     vars = (2 sigma)^2,  e = d^2 / vars / (area + eps) / 2,  similarity = exp(-e)
 *
 * and offsets are in strides, so e = w (dx^2 + dy^2) with w = stride^2 / (2 area (2 sigma)^2). eps
 * is one unit in the last place of 1 and is left out: areas are above 0. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/detection_loader.h"

/* A level halves the one before and rounds up, so it has side / stride cells, rounded up. */
static int32_t cells(int32_t side, int32_t stride) { return (side + stride - 1) / stride; }

static void set_shape(rep_detection_targets *t, rep_frame frame) {
    for (size_t i = 0; i < t->options.level_count; i++) {
        t->specs[i].height = cells(frame.height, t->specs[i].stride);
        t->specs[i].width = cells(frame.width, t->specs[i].stride);
    }
}

static rep_status check_sigmas(const rep_annotations *annotations) {
    for (size_t i = 0; i < annotations->category_count; i++) {
        const rep_category *c = &annotations->categories[i];
        if (c->keypoint_count == 0 || c->sigmas) { continue; }
        return rep_fail(
            REP_ERR_CONFIG,
            "MODEL.FCOS.KPS_LOSS: oks needs sigmas, and category '%s' of %s has %" PRId32
            " keypoints without; add \"sigmas\" to the category, or give smooth_l1",
            c->name, annotations->source, c->keypoint_count);
    }
    return REP_OK;
}

static rep_status check_options(const rep_detection_target_options *o,
                                const rep_annotations *annotations) {
    if (o->is_oks) { REP_TRY(check_sigmas(annotations)); }
    if (o->level_count > REP_DETECTION_LEVELS) {
        return rep_fail(REP_ERR_ARGUMENT, "MODEL.FCOS.FPN_STRIDES: %zu levels, wanted at most %d",
                        o->level_count, REP_DETECTION_LEVELS);
    }
    for (size_t i = 0; i < o->level_count; i++) {
        if (o->levels[i].stride >= 1) { continue; }
        return rep_fail(REP_ERR_ARGUMENT, "MODEL.FCOS.FPN_STRIDES: %" PRId32 ", wanted above 0",
                        o->levels[i].stride);
    }
    return rep_augment_check("MODEL.FCOS.CENTER_SAMPLING_RADIUS", o->radius, 0, 1e6f);
}

static rep_status allocate(rep_detection_targets *t, size_t cell_count) {
    const size_t count = cell_count * t->batch, keypoints = (size_t)t->keypoint_count;
    t->labels = malloc(count * sizeof *t->labels);
    t->boxes = malloc(4 * count * sizeof *t->boxes);
    t->positives = malloc(count * sizeof *t->positives);
    t->centerness = malloc(count * sizeof *t->centerness);
    bool is_complete = t->labels && t->boxes && t->positives && t->centerness;
    if (is_complete && keypoints > 0) {
        t->keypoints = malloc(2 * keypoints * count * sizeof *t->keypoints);
        t->weights = malloc(2 * keypoints * count * sizeof *t->weights);
        t->mask = malloc(keypoints * cell_count);
        t->objects = malloc(cell_count * sizeof *t->objects);
        is_complete = t->keypoints && t->weights && t->mask && t->objects;
    }
    if (is_complete) { return REP_OK; }
    return rep_fail(REP_ERR_MEMORY, "loader: no memory for the targets of %zu cells", count);
}

rep_status rep_detection_targets_init(rep_detection_targets *out,
                                      const rep_detection_target_options *options, size_t batch,
                                      const rep_detection_set *set, const rep_buckets *buckets) {
    rep_detection_targets t = {.options = *options,
                               .batch = batch,
                               .categories = set->face.categories,
                               .keypoint_count = rep_detection_set_keypoint_count(set)};
    t.options.levels = NULL;
    if (options->level_count == 0) {
        *out = t;
        return REP_OK;
    }
    REP_TRY(check_options(options, &set->face));
    memcpy(t.specs, options->levels, options->level_count * sizeof *t.specs);
    size_t most = 0;
    for (size_t i = 0; i < buckets->count; i++) {
        set_shape(&t, buckets->items[i]);
        const size_t count = rep_fcos_location_count(t.specs, options->level_count);
        if (count > most) { most = count; }
    }
    const rep_status status = allocate(&t, most);
    if (status != REP_OK) {
        rep_detection_targets_clear(&t);
        return status;
    }
    *out = t;
    return REP_OK;
}

void rep_detection_targets_clear(rep_detection_targets *t) {
    free(t->labels);
    free(t->boxes);
    free(t->positives);
    free(t->centerness);
    free(t->keypoints);
    free(t->weights);
    free(t->mask);
    free(t->objects);
    *t = (rep_detection_targets){0};
}

static size_t cells_of(const rep_fcos_level *level) { return rep_fcos_location_count(level, 1); }

void rep_detection_targets_start(rep_detection_targets *t, rep_frame frame) {
    const size_t pair = 2 * (size_t)t->keypoint_count;
    size_t at = 0;
    set_shape(t, frame);
    for (size_t i = 0; i < t->options.level_count; i++) {
        const rep_fcos_level *spec = &t->specs[i];
        t->levels[i] =
            (rep_detection_level){.stride = spec->stride,
                                  .height = spec->height,
                                  .width = spec->width,
                                  .labels = t->labels + at,
                                  .box_targets = t->boxes + 4 * at,
                                  .positives = t->positives + at,
                                  .centerness = t->centerness + at,
                                  .keypoint_targets = pair ? t->keypoints + pair * at : NULL,
                                  .keypoint_weights = pair ? t->weights + pair * at : NULL};
        at += t->batch * cells_of(spec);
    }
    t->positive_sum = t->centerness_sum = t->visible_sum = 0;
}

/* Of a visible point on a level. */
static float weight_of(const rep_detection_targets *t, const rep_fcos_truth *truth,
                       const float *areas, int32_t object, size_t point, int32_t stride) {
    if (!t->options.is_oks) { return 1; }
    const double spread = 2 * t->categories[truth->labels[object] - 1].sigmas[point];
    return (float)((double)stride * stride / (2 * (double)areas[object] * spread * spread));
}

static void weigh_points(rep_detection_targets *t, size_t at, size_t count, int32_t stride,
                         const rep_fcos_truth *truth, const float *areas) {
    const size_t points = (size_t)t->keypoint_count;
    for (size_t i = 0; i < points * count; i++) {
        float *weights = t->weights + 2 * (points * at + i);
        weights[0] = weights[1] = 0;
        if (!t->mask[i]) { continue; }
        weights[0] = weights[1] =
            weight_of(t, truth, areas, t->objects[i / points], i % points, stride);
        t->visible_sum += 1;
    }
}

/* What follows from the targets of the cells at .. at + count - 1. */
static void complete(rep_detection_targets *t, size_t at, size_t count) {
    for (size_t i = at; i < at + count; i++) {
        t->positives[i] = t->labels[i] > 0 ? 1 : 0;
        t->positive_sum += (double)t->positives[i];
        t->centerness_sum += (double)t->centerness[i];
    }
}

rep_status rep_detection_targets_assign(rep_detection_targets *t, size_t row,
                                        const rep_fcos_truth *truth, const float *areas) {
    const size_t pair = 2 * (size_t)t->keypoint_count;
    size_t first = 0;
    for (size_t i = 0; i < t->options.level_count; i++) {
        const size_t count = cells_of(&t->specs[i]), at = first + row * count;
        const rep_fcos_spec spec = {.levels = &t->specs[i],
                                    .level_count = 1,
                                    .radius = t->options.radius,
                                    .is_normalised = t->options.is_normalised,
                                    .keypoint_count = t->keypoint_count};
        const rep_fcos_targets out = {.labels = t->labels + at,
                                      .objects = t->objects,
                                      .distances = t->boxes + 4 * at,
                                      .centerness = t->centerness + at,
                                      .keypoints = pair ? t->keypoints + pair * at : NULL,
                                      .keypoint_mask = t->mask};
        REP_TRY(rep_fcos_assign(&out, &spec, truth));
        complete(t, at, count);
        weigh_points(t, at, count, t->specs[i].stride, truth, areas);
        first += t->batch * count;
    }
    return REP_OK;
}
