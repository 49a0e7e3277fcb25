/* detector.c - RepOpt-FPN-YUMIN and its FCOS head put together: picture -> levels [-> losses].
 *
 *   yumin.c   backbone and pyramid      fcos.c   head      fcos_loss.c   targets and losses
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

void rep_detector_spec_init(rep_detector_spec *out, int32_t num_classes, int32_t num_keypoints) {
    enum { CLASS_OUTPUTS = 16 };
    *out = (rep_detector_spec){.in_channels = 3,
                               .num_classes = num_classes,
                               .num_keypoints = num_keypoints,
                               .channels = {32, 64, 128, 192, 384},
                               .repeats = {1, 3, 3, 4, 3},
                               .fpn_channels = 96,
                               .tower_blocks = 3,
                               .cls_channels =
                                   num_classes < CLASS_OUTPUTS ? CLASS_OUTPUTS : num_classes + 1,
                               .act = REP_ACT_RELU6,
                               .norm_reg_targets = true,
                               .prior_prob = 0.01f,
                               .iou_kind = REP_IOU_GENERAL,
                               .focal_alpha = 0.25f,
                               .focal_gamma = 2.0f,
                               .keypoint_beta = 1.0f / 9.0f,
                               .loss_weights = {1.0f, 1.0f, 1.0f, 1.0f},
                               .bn_eps = 1e-5f,
                               .bn_momentum = 0.1f};
}

enum { MOST_CHANNELS = 16384, MOST_BLOCKS = 1000, MOST_CLASSES = 4096 };

static bool is_within(int32_t value, int32_t least, int32_t most) {
    return value >= least && value <= most;
}

static rep_status check_stages(const rep_detector_spec *spec) {
    for (int i = 0; i < REP_DETECTOR_STAGES; i++) {
        if (!is_within(spec->channels[i], 1, MOST_CHANNELS) ||
            !is_within(spec->repeats[i], 1, i == 0 ? 1 : MOST_BLOCKS)) {
            return rep_fail(REP_ERR_CONFIG,
                            "MODEL.YUMIN: stage %d has %d channels and %d repeats, wanted 1 to %d "
                            "channels and 1 to %d repeats (the stem: 1)",
                            i, spec->channels[i], spec->repeats[i], MOST_CHANNELS, MOST_BLOCKS);
        }
    }
    if (!is_within(spec->fpn_channels, 1, MOST_CHANNELS) || spec->in_channels < 1) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.YUMIN: %d input channels and %d channels of the pyramid, wanted at "
                        "least 1 and 1 to %d",
                        spec->in_channels, spec->fpn_channels, MOST_CHANNELS);
    }
    if (spec->act != REP_ACT_RELU && spec->act != REP_ACT_RELU6) {
        return rep_fail(REP_ERR_CONFIG, "MODEL.YUMIN.ACT: wanted relu or relu6");
    }
    if (!(spec->bn_eps > 0.0f) || !(spec->bn_momentum >= 0.0f && spec->bn_momentum <= 1.0f)) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BN: eps %g and momentum %g, wanted eps above 0 and momentum within "
                        "0 .. 1",
                        (double)spec->bn_eps, (double)spec->bn_momentum);
    }
    return REP_OK;
}

static rep_status check_head(const rep_detector_spec *spec) {
    const int32_t needed = spec->num_classes + !spec->centerness_on_reg;
    if (!is_within(spec->num_classes, 1, MOST_CLASSES) ||
        !is_within(spec->num_keypoints, 0, MOST_CLASSES) ||
        !is_within(spec->tower_blocks, 0, MOST_BLOCKS)) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.FCOS: %d classes, %d keypoints and towers of %d blocks, wanted 1 to "
                        "%d classes, at most %d keypoints and %d blocks",
                        spec->num_classes, spec->num_keypoints, spec->tower_blocks, MOST_CLASSES,
                        MOST_CLASSES, MOST_BLOCKS);
    }
    if (!is_within(spec->cls_channels, needed, MOST_CHANNELS)) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.FCOS.CLS_CHANNELS: %d outputs do not hold %d classes%s; wanted %d "
                        "to %d, or 0 for as many as they need",
                        spec->cls_channels, spec->num_classes,
                        spec->centerness_on_reg ? "" : " and centerness", needed, MOST_CHANNELS);
    }
    if (!(spec->prior_prob >= 0.0f && spec->prior_prob < 1.0f) || !(spec->keypoint_beta > 0.0f)) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.FCOS: PRIOR_PROB %g and KPS_BETA %g, wanted a probability below 1 "
                        "and a beta above 0",
                        (double)spec->prior_prob, (double)spec->keypoint_beta);
    }
    return REP_OK;
}

static size_t count_blocks(const rep_detector_spec *spec) {
    size_t count = 1;
    for (int i = 1; i < REP_DETECTOR_STAGES; i++) { count += 1 + (size_t)spec->repeats[i]; }
    return count + (spec->num_keypoints > 0 ? 3u : 2u) * (size_t)spec->tower_blocks;
}

/* The host decodes an evaluation graph's outputs. */
static void keep_outputs(rep_graph *graph, const rep_model *model) {
    rep_output outputs[REP_OUTPUT_MOST];
    const size_t count = rep_nn_outputs(outputs, model);
    for (size_t i = 0; i < count; i++) { rep_graph_keep(graph, outputs[i].id); }
}

static void append_training(rep_model *model, rep_graph *graph, const rep_detector_spec *spec) {
    model->io.step =
        rep_graph_tensor(graph, "step", REP_F32, (rep_shape){1, REP_STEP_WORDS, 1, 1}, REP_IO);
    rep_nn_fcos_loss(model->detector, graph, spec);
    model->io.loss = model->detector->loss;
}

rep_block_spec rep_nn_detector_block(const rep_detector_spec *spec, rep_mode mode) {
    return (rep_block_spec){.kind = rep_nn_block_kind(mode),
                            .kernel = 3,
                            .groups = 1,
                            .act = spec->act,
                            .has_rbr_names = true,
                            .bn_eps = spec->bn_eps,
                            .bn_momentum = spec->bn_momentum,
                            .scale_init = 1.0f,
                            .conv_algo = spec->conv_algo};
}

rep_status rep_detector_build(rep_model **out, rep_graph *graph, const rep_detector_spec *spec,
                              rep_mode mode, bool is_training, int32_t batch, int32_t height,
                              int32_t width) {
    REP_TRY(check_stages(spec));
    REP_TRY(check_head(spec));
    if (spec->is_deployed && is_training) {
        return rep_fail(REP_ERR_CONFIG, "detector: a folded net has no BN and is not trained");
    }
    rep_model *model = NULL;
    REP_TRY(rep_nn_model_create(&model, count_blocks(spec)));
    rep_status status = REP_OK;
    model->detector = calloc(1, sizeof *model->detector);
    if (!model->detector) {
        status = rep_fail(REP_ERR_MEMORY, "detector: out of memory");
        goto done;
    }
    rep_block_spec block = rep_nn_detector_block(spec, mode);
    block.is_training = is_training;
    if (spec->is_deployed) { block.kind = REP_BLOCK_DEPLOYED; }
    model->block = block;
    const rep_shape picture = {batch, spec->in_channels, height, width};
    model->io.image = rep_graph_tensor(graph, "image", REP_F32, picture, REP_IO);
    model->detector->image = model->io.image;
    rep_nn_yumin(model, graph, spec, &block);
    rep_nn_fcos(model, graph, spec, &block);
    if (is_training) {
        append_training(model, graph, spec);
    } else {
        keep_outputs(graph, model);
    }
    status = rep_graph_check(graph);
done:
    if (status != REP_OK) {
        rep_model_destroy(model);
        return status;
    }
    *out = model;
    return REP_OK;
}

const rep_detector_io *rep_detector_io_get(const rep_model *model) { return model->detector; }
