/* vgg_config.c - the network of a run from its MODEL.* settings.
 *
 * DEPTH_MUL d and WIDTH_MUL w give max(round(r*d), 1) blocks for r > 1 and ceil(c*w / 8) * 8
 * channels: kernels run along channels in eights.
 */
#include <math.h>
#include <string.h>

#include "nn/nn.h"

rep_status rep_nn_read_list(int32_t *out, const char *key, rep_numbers list, size_t count) {
    if (list.count != count) {
        return rep_fail(REP_ERR_CONFIG, "%s: %zu numbers, wanted %zu", key, list.count, count);
    }
    for (size_t i = 0; i < count; i++) {
        const double x = list.items[i];
        if (!(x >= 0.0 && x <= 1e6) || x != floor(x)) {
            return rep_fail(REP_ERR_CONFIG, "%s: %g is no whole number from 0 to 1000000", key, x);
        }
        out[i] = (int32_t)x;
    }
    return REP_OK;
}

int32_t rep_nn_scale_width(int32_t width, double factor) {
    /* A factor of 1 leaves odd widths as they are written. */
    return factor == 1.0 ? width : 8 * (int32_t)fmin(ceil(width * factor / 8.0), 1e6);
}

int32_t rep_nn_scale_depth(int32_t blocks, double factor) {
    return blocks <= 1 ? blocks : (int32_t)fmin(fmax(rint(blocks * factor), 1.0), 1e6);
}

uint32_t rep_nn_conv_algo(const rep_values *values) {
    return strcmp(values->conv_algo, "direct") == 0     ? 1
           : strcmp(values->conv_algo, "winograd") == 0 ? 2
                                                        : 0;
}

static rep_status scale_widths(rep_vgg_spec *spec, rep_numbers factors) {
    if (factors.count != 1 && factors.count != REP_MAX_STAGES) {
        return rep_fail(REP_ERR_CONFIG, "MODEL.VGG.WIDTH_MUL: %zu numbers, wanted 1 or %d",
                        factors.count, REP_MAX_STAGES);
    }
    for (size_t i = 0; i < REP_MAX_STAGES; i++) {
        const double factor = factors.items[factors.count == 1 ? 0 : i];
        if (!(factor > 0.0 && factor <= 64.0)) {
            return rep_fail(REP_ERR_CONFIG, "MODEL.VGG.WIDTH_MUL: %g, wanted above 0 and up to 64",
                            factor);
        }
        spec->widths[i] = rep_nn_scale_width(spec->widths[i], factor);
    }
    return REP_OK;
}

static void scale_depths(rep_vgg_spec *spec, double factor) {
    for (int i = 0; i < REP_MAX_STAGES; i++) {
        spec->num_blocks[i] = rep_nn_scale_depth(spec->num_blocks[i], factor);
    }
}

rep_status rep_vgg_spec_from_config(rep_vgg_spec *out, const rep_values *values,
                                    int32_t in_channels, int32_t num_classes) {
    rep_vgg_spec spec = {0};
    rep_body body = REP_BODY_VGG;
    REP_TRY(rep_body_from_config(&body, values));
    if (body != REP_BODY_VGG) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BACKBONE.CONV_BODY: \"%s\" is no classifier; wanted RepOpt-VGG",
                        values->model_backbone_conv_body);
    }
    const char *preset = values->model_vgg_preset;
    if (*preset && strcmp(preset, "custom") != 0) {
        REP_TRY(rep_vgg_preset(&spec, preset));
    } else {
        REP_TRY(rep_nn_read_list(spec.num_blocks, "MODEL.VGG.NUM_BLOCKS",
                                 values->model_vgg_num_blocks, REP_MAX_STAGES));
        REP_TRY(rep_nn_read_list(spec.widths, "MODEL.VGG.WIDTHS", values->model_vgg_widths,
                                 REP_MAX_STAGES));
        REP_TRY(rep_nn_read_list(spec.strides, "MODEL.VGG.STRIDES", values->model_vgg_strides,
                                 REP_MAX_STAGES + 1));
    }
    REP_TRY(scale_widths(&spec, values->model_vgg_width_mul));
    scale_depths(&spec, values->model_vgg_depth_mul);
    spec.stage0_width = spec.widths[0] < 64 ? spec.widths[0] : 64;
    if (values->model_vgg_stage0_width > 0) {
        spec.stage0_width = (int32_t)fmin((double)values->model_vgg_stage0_width, 1e6);
    }
    spec.in_channels = in_channels;
    spec.num_classes = num_classes;
    spec.kernel_size = (int32_t)fmin((double)values->model_vgg_kernel_size, 1e6);
    spec.act = strcmp(values->model_vgg_act, "relu6") == 0 ? REP_ACT_RELU6 : REP_ACT_RELU;
    spec.has_se = values->model_vgg_se;
    spec.scale_init_stage = strcmp(values->model_vgg_scale_init, "one") != 0;
    spec.bn_eps = (float)values->model_bn_eps;
    spec.bn_momentum = (float)values->model_bn_momentum;
    spec.conv_algo = rep_nn_conv_algo(values);
    spec.is_half = strcmp(values->dtype, "float16") == 0;
    *out = spec;
    return REP_OK;
}
