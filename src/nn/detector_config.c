/* detector_config.c - which body a configuration names, and the detector of its MODEL.* settings.
 *
 * DEPTH_MUL d and WIDTH_MUL w give max(round(r*d), 1) blocks for r > 1 and ceil(c*w / 8) * 8
 * channels: kernels run along channels in eights.
 */
#include <string.h>
#include <strings.h>

#include "nn/nn.h"

#define BODIES "RepOpt-VGG (classifier) and RepOpt-FPN-YUMIN (detector)"

/* maskrcnn-benchmark's files may ask for deformable convolutions; nothing here stands for them. */
static rep_status refuse_deformable(const rep_values *values) {
    static const char advice[] =
        "there are no deformable convolutions; the bodies are " BODIES ", of plain ones";
    const rep_strings stages = values->model_resnets_stage_with_dcn;
    for (size_t i = 0; i < stages.count; i++) {
        if (strcasecmp(stages.items[i], "false") != 0) {
            return rep_fail(REP_ERR_CONFIG,
                            "MODEL.RESNETS.STAGE_WITH_DCN: found %s in stage %zu; %s",
                            stages.items[i], i + 1, advice);
        }
    }
    const struct {
        const char *key;
        bool is_on;
    } keys[] = {{"MODEL.RESNETS.WITH_MODULATED_DCN", values->model_resnets_with_modulated_dcn},
                {"MODEL.FCOS.USE_DCN_IN_TOWER", values->model_fcos_use_dcn_in_tower}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].is_on) {
            return rep_fail(REP_ERR_CONFIG, "%s: found true; %s", keys[i].key, advice);
        }
    }
    return REP_OK;
}

rep_status rep_body_from_config(rep_body *out, const rep_values *values) {
    const char *name = values->model_backbone_conv_body;
    const bool is_detector = strcmp(name, "RepOpt-FPN-YUMIN") == 0;
    if (!is_detector && strcmp(name, "RepOpt-VGG") != 0) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BACKBONE.CONV_BODY: there is no \"%s\"; there are " BODIES, name);
    }
    REP_TRY(refuse_deformable(values));
    *out = is_detector ? REP_BODY_YUMIN : REP_BODY_VGG;
    return REP_OK;
}

/* Settings of maskrcnn-benchmark that this net has no counterpart for, where they are not at what
 * it does anyway. */
static rep_status refuse_missing(const rep_values *values) {
    const struct {
        const char *key;
        bool is_on;
        const char *what;
    } keys[] = {
        {"MODEL.BACKBONE.USE_GN", values->model_backbone_use_gn, "group normalisation"},
        {"MODEL.FPN.USE_GN", values->model_fpn_use_gn, "group normalisation"},
        {"MODEL.FPN.USE_RELU", values->model_fpn_use_relu, "ReLU behind the pyramid's outputs"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].is_on) {
            return rep_fail(REP_ERR_CONFIG, "%s: found true; RepOpt-FPN-YUMIN has no %s, set false",
                            keys[i].key, keys[i].what);
        }
    }
    const rep_numbers strides = values->model_fcos_fpn_strides;
    bool is_as_built = strides.count == REP_DETECTOR_LEVELS;
    for (size_t i = 0; is_as_built && i < strides.count; i++) {
        is_as_built = strides.items[i] == (double)(8 << i);
    }
    if (!is_as_built) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.FCOS.FPN_STRIDES: %zu numbers from %g on; RepOpt-FPN-YUMIN has (8, "
                        "16, 32, 64, 128)",
                        strides.count, strides.count > 0 ? strides.items[0] : 0.0);
    }
    return REP_OK;
}

static rep_status read_stages(rep_detector_spec *spec, const rep_values *values) {
    const double width = values->model_yumin_width_mul, depth = values->model_yumin_depth_mul;
    REP_TRY(rep_nn_read_list(spec->channels, "MODEL.YUMIN.CHANNELS", values->model_yumin_channels,
                             REP_DETECTOR_STAGES));
    REP_TRY(rep_nn_read_list(spec->repeats, "MODEL.YUMIN.REPEATS", values->model_yumin_repeats,
                             REP_DETECTOR_STAGES));
    for (int i = 0; i < REP_DETECTOR_STAGES; i++) {
        spec->channels[i] = rep_nn_scale_width(spec->channels[i], width);
        spec->repeats[i] = rep_nn_scale_depth(spec->repeats[i], depth);
    }
    return REP_OK;
}

static rep_status read_weights(rep_detector_spec *spec, const rep_values *values) {
    const rep_numbers weights = values->model_fcos_loss_weights;
    if (weights.count != REP_DETECTOR_LOSSES) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.FCOS.LOSS_WEIGHTS: %zu numbers, wanted %d: classes, boxes, "
                        "centerness, keypoints",
                        weights.count, REP_DETECTOR_LOSSES);
    }
    for (size_t i = 0; i < weights.count; i++) {
        if (!(weights.items[i] >= 0.0 && weights.items[i] <= 1e6)) {
            return rep_fail(REP_ERR_CONFIG, "MODEL.FCOS.LOSS_WEIGHTS: %g, wanted 0 to 1000000",
                            weights.items[i]);
        }
        spec->loss_weights[i] = (float)weights.items[i];
    }
    return REP_OK;
}

static int32_t small(int64_t value) { return (int32_t)(value < 1000000 ? value : 1000000); }

static void read_head(rep_detector_spec *spec, const rep_values *values, int32_t num_keypoints) {
    const char *iou = values->model_fcos_iou_loss_type;
    if (num_keypoints < 0) {
        num_keypoints =
            values->model_keypoint_on ? small(values->model_roi_keypoint_head_num_classes) : 0;
    }
    rep_detector_spec_init(spec, small(values->model_fcos_num_classes - 1), num_keypoints);
    if (values->model_fcos_cls_channels > 0) {
        spec->cls_channels = small(values->model_fcos_cls_channels);
    }
    spec->fpn_channels = small(values->model_yumin_fpn_channels);
    spec->tower_blocks = small(values->model_fcos_num_convs);
    spec->has_level_norms = strcmp(values->model_fcos_head_bn, "shared") != 0;
    spec->centerness_on_reg = values->model_fcos_centerness_on_reg;
    spec->norm_reg_targets = values->model_fcos_norm_reg_targets;
    spec->prior_prob = (float)values->model_fcos_prior_prob;
    spec->iou_kind = strcmp(iou, "giou") == 0         ? REP_IOU_GENERAL
                     : strcmp(iou, "linear_iou") == 0 ? REP_IOU_LINEAR
                                                      : REP_IOU_LOG;
    spec->focal_alpha = (float)values->model_fcos_loss_alpha;
    spec->focal_gamma = (float)values->model_fcos_loss_gamma;
    spec->keypoint_loss =
        strcmp(values->model_fcos_kps_loss, "oks") == 0 ? REP_KEYPOINT_OKS : REP_KEYPOINT_SMOOTH_L1;
    spec->keypoint_beta = (float)values->model_fcos_kps_beta;
}

rep_status rep_detector_spec_from_config(rep_detector_spec *out, const rep_values *values,
                                         int32_t in_channels, int32_t num_keypoints) {
    rep_detector_spec spec;
    rep_body body = REP_BODY_VGG;
    REP_TRY(rep_body_from_config(&body, values));
    if (body != REP_BODY_YUMIN) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BACKBONE.CONV_BODY: \"%s\" is no detector; wanted RepOpt-FPN-YUMIN",
                        values->model_backbone_conv_body);
    }
    REP_TRY(refuse_missing(values));
    read_head(&spec, values, num_keypoints);
    REP_TRY(read_stages(&spec, values));
    REP_TRY(read_weights(&spec, values));
    spec.in_channels = in_channels;
    spec.act = strcmp(values->model_yumin_act, "relu") == 0 ? REP_ACT_RELU : REP_ACT_RELU6;
    spec.relu_before_extra = values->model_yumin_relu_before_extra;
    spec.bn_eps = (float)values->model_bn_eps;
    spec.bn_momentum = (float)values->model_bn_momentum;
    spec.conv_algo = rep_nn_conv_algo(values);
    spec.is_half = strcmp(values->dtype, "float16") == 0;
    *out = spec;
    return REP_OK;
}
