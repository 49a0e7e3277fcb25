/* fcos.c - the head of FCOS (Tian et al., ICCV 2019) with a keypoint tower, shared by all levels.
 *
 *   bbox  RepBlock(n) -> bbox_pred   {n,4,h,w}, times the level's scale, then ReLU or exp
 *   kps   RepBlock(n) -> kps_pred    {n,2K,h,w}
 *   cls   RepBlock(n) -> cls_logits  {n,cls_channels,h,w}: classes first, centerness last
 *
 * A tower's parameters exist once. Its BN sees one level after the other, finest first, and updates
 * its running statistics each time, as a PyTorch module called in a loop does; with
 * has_level_norms every level has a BN of its own.
 */
#include <math.h>
#include <stdio.h>

#include "nn/nn.h"

/* What the parts of the head share. */
struct head {
    rep_model *model;
    rep_graph *graph;
    const rep_detector_spec *spec;
    rep_block_spec *block;
};

/* x[0..levels) of a tower, all starting at the pyramid. */
static void append_tower(struct head *head, const char *name, rep_id x[REP_DETECTOR_LEVELS]) {
    rep_model *model = head->model;
    const int32_t count = head->spec->tower_blocks;
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) { x[i] = model->detector->levels[i].pyramid; }
    head->block->name = name;
    rep_nn_rep_block_levels(head->graph, head->block, count, x, REP_DETECTOR_LEVELS,
                            &model->blocks[model->block_count]);
    model->block_count += (size_t)count;
}

/* A 3x3 convolution with bias that ends a tower, in f32. */
static rep_id predict(struct head *head, const char *name, int32_t c_out, rep_id x) {
    const rep_conv_spec conv = {.c_out = c_out,
                                .kernel = 3,
                                .stride = 1,
                                .groups = 1,
                                .has_bias = true,
                                .algo = head->spec->conv_algo};
    rep_graph_set_scope(head->graph, name);
    x = rep_nn_conv(head->graph, name, &conv, x);
    if (head->spec->is_half) { x = REP_APPEND(head->graph, CAST, &(rep_cast_params){0}, x); }
    rep_graph_set_scope(head->graph, NULL);
    return x;
}

/* Distances from raw outputs. Evaluation wants pixels; a stride is a power of two and positive, so
 * it may as well multiply the scale. */
static rep_id distances(struct head *head, int index, rep_id raw) {
    const rep_detector_spec *spec = head->spec;
    rep_graph *graph = head->graph;
    char name[REP_NAME_BYTES];
    snprintf(name, sizeof name, "head.scales.%d.scale", index);
    rep_graph_set_scope(graph, "head.bbox");
    rep_id scale = rep_graph_param(graph, name, (rep_shape){1, 1, 1, 1}, 1, REP_KIND_SCALE);
    if (spec->norm_reg_targets && !head->block->is_training) {
        const rep_fill_params stride = {.value =
                                            (float)head->model->detector->levels[index].stride_px};
        scale = REP_APPEND(graph, SCALE, NULL, scale, REP_APPEND(graph, FILL, &stride, scale));
    }
    const rep_act act = spec->norm_reg_targets ? REP_ACT_RELU : REP_ACT_EXP;
    raw = REP_APPEND(graph, SCALE, NULL, raw, scale);
    raw = REP_APPEND(graph, ACT, &(rep_act_params){.act = act}, raw);
    rep_graph_set_scope(graph, NULL);
    return raw;
}

static rep_id channels_of(rep_graph *graph, rep_id x, int32_t begin, int32_t count) {
    const rep_slice_params params = {.begin = (rep_uint)begin, .count = (rep_uint)count};
    return count == rep_graph_shape(graph, x).c ? x : REP_APPEND(graph, SLICE, &params, x);
}

static void append_boxes(struct head *head) {
    rep_id x[REP_DETECTOR_LEVELS];
    append_tower(head, "head.bbox.0", x);
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        rep_detector_level *level = &head->model->detector->levels[i];
        level->boxes = distances(head, i, predict(head, "head.bbox_pred", 4, x[i]));
        if (head->spec->centerness_on_reg) {
            level->centerness = predict(head, "head.centerness", 1, x[i]);
        }
    }
}

static void append_keypoints(struct head *head) {
    rep_id x[REP_DETECTOR_LEVELS];
    append_tower(head, "head.kps.0", x);
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        head->model->detector->levels[i].keypoints =
            predict(head, "head.kps_pred", 2 * head->spec->num_keypoints, x[i]);
    }
}

static void append_classes(struct head *head) {
    const rep_detector_spec *spec = head->spec;
    rep_id x[REP_DETECTOR_LEVELS];
    append_tower(head, "head.cls.0", x);
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        rep_detector_level *level = &head->model->detector->levels[i];
        const rep_id logits = predict(head, "head.cls_logits", spec->cls_channels, x[i]);
        rep_graph_set_scope(head->graph, "head.cls");
        level->classes = channels_of(head->graph, logits, 0, spec->num_classes);
        if (!spec->centerness_on_reg) {
            level->centerness = channels_of(head->graph, logits, spec->cls_channels - 1, 1);
        }
        rep_graph_set_scope(head->graph, NULL);
    }
}

/* sigmoid(bias) is the prior: rare positives do not drown in the first steps' background loss (Lin
 * et al., ICCV 2017, section 3.3). Centerness is no class and starts as it is drawn. */
static void set_prior(rep_model *model, const rep_graph *graph, const rep_detector_spec *spec) {
    if (!(spec->prior_prob > 0.0f)) { return; }
    const double p = (double)spec->prior_prob;
    model->class_bias = rep_graph_find(graph, "head.cls_logits.bias");
    model->class_count = spec->num_classes;
    model->class_bias_start = (float)-rep_exact_log((1.0 - p) / p);
}

void rep_nn_fcos(rep_model *model, rep_graph *graph, const rep_detector_spec *spec,
                 rep_block_spec *block) {
    struct head head = {.model = model, .graph = graph, .spec = spec, .block = block};
    block->c_out = spec->fpn_channels;
    block->stride = 1;
    block->has_level_norms = spec->has_level_norms;
    append_boxes(&head);
    if (spec->num_keypoints > 0) { append_keypoints(&head); }
    append_classes(&head);
    set_prior(model, graph, spec);
}
