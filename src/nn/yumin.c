/* yumin.c - RepOpt-FPN-YUMIN: picture {n,c,h,w} -> five levels {n,fpn,h/8,w/8} ..
 * {n,fpn,h/128,w/128}.
 *
 *   backbone.stem -> ERBlock_2 -> ERBlock_3 -> ERBlock_4 -> ERBlock_5     strides 2, 4, 8, 16, 32
 *                    (each a stride-2 block and a RepBlock)
 *   neck (Lin et al., CVPR 2017): 1x1 laterals of the last three, from the coarsest on added to the
 *   finer one after nearest upsampling, 3x3 outputs; two further levels by stride-2 convolutions on
 *   the last output.
 */
#include <stdio.h>

#include "nn/nn.h"

enum {
    FIRST_STAGE = 2,                              /* of the pyramid: stride 8 */
    LATERALS = REP_DETECTOR_STAGES - FIRST_STAGE, /* 3 */
    FIRST_STRIDE_PX = 8
};

static rep_id append_backbone(rep_model *model, rep_graph *graph, const rep_detector_spec *spec,
                              rep_block_spec *block, rep_id x) {
    char name[REP_NAME_BYTES];
    rep_block *list = model->blocks;
    block->name = "backbone.stem";
    block->c_out = spec->channels[0];
    block->stride = 2;
    x = rep_nn_block(graph, block, x, &list[model->block_count++]);
    for (int stage = 1; stage < REP_DETECTOR_STAGES; stage++) {
        const int32_t repeats = spec->repeats[stage];
        block->name = name;
        block->c_out = spec->channels[stage];
        block->stride = 2;
        snprintf(name, sizeof name, "backbone.ERBlock_%d.0", stage + 1);
        x = rep_nn_block(graph, block, x, &list[model->block_count++]);
        block->stride = 1;
        snprintf(name, sizeof name, "backbone.ERBlock_%d.1", stage + 1);
        x = rep_nn_rep_block(graph, block, repeats, x, &list[model->block_count]);
        model->block_count += (size_t)repeats;
        model->detector->stages[stage - 1] = x;
    }
    return x;
}

/* Convolution number `index` of one kind: "neck.<kind>.<index>.conv". */
static rep_id neck_conv(rep_graph *graph, const rep_detector_spec *spec, const char *kind,
                        int index, int32_t kernel, int32_t stride, rep_id x) {
    char name[REP_NAME_BYTES];
    snprintf(name, sizeof name, "neck.%s.%d.conv", kind, index);
    const rep_conv_spec conv = {.c_out = spec->fpn_channels,
                                .kernel = kernel,
                                .stride = stride,
                                .groups = 1,
                                .has_bias = true,
                                .algo = spec->conv_algo};
    rep_graph_set_scope(graph, name);
    x = rep_nn_conv(graph, name, &conv, x);
    rep_graph_set_scope(graph, NULL);
    return x;
}

/* finer + coarser, brought to the finer one's size. */
static rep_id add_upsampled(rep_graph *graph, rep_id finer, rep_id coarser) {
    const rep_shape size = rep_graph_shape(graph, finer);
    const rep_pool_params params = {.h = (rep_uint)size.h, .w = (rep_uint)size.w};
    rep_graph_set_scope(graph, "neck.top_down");
    finer = REP_APPEND(graph, ADD, NULL, finer, REP_APPEND(graph, UPSAMPLE, &params, coarser));
    rep_graph_set_scope(graph, NULL);
    return finer;
}

static void append_pyramid(rep_detector_io *io, rep_graph *graph, const rep_detector_spec *spec) {
    rep_id maps[REP_DETECTOR_LEVELS];
    for (int i = 0; i < LATERALS; i++) {
        maps[i] = neck_conv(graph, spec, "lateral_convs", i, 1, 1, io->stages[i + 1]);
    }
    for (int i = LATERALS - 1; i > 0; i--) {
        maps[i - 1] = add_upsampled(graph, maps[i - 1], maps[i]);
    }
    for (int i = 0; i < LATERALS; i++) {
        maps[i] = neck_conv(graph, spec, "fpn_convs", i, 3, 1, maps[i]);
    }
    for (int i = LATERALS; i < REP_DETECTOR_LEVELS; i++) {
        rep_id last = maps[i - 1];
        if (spec->relu_before_extra && i > LATERALS) {
            last = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_RELU}, last);
        }
        maps[i] = neck_conv(graph, spec, "fpn_convs", i, 3, 2, last);
    }
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_shape size = rep_graph_shape(graph, maps[i]);
        io->levels[i] = (rep_detector_level){.height = size.h,
                                             .width = size.w,
                                             .stride_px = FIRST_STRIDE_PX << i,
                                             .pyramid = maps[i]};
    }
}

void rep_nn_yumin(rep_model *model, rep_graph *graph, const rep_detector_spec *spec,
                  rep_block_spec *block) {
    rep_id x = model->io.image;
    if (spec->is_half) { x = REP_APPEND(graph, CAST, &(rep_cast_params){.to_half = 1}, x); }
    append_backbone(model, graph, spec, block, x);
    append_pyramid(model->detector, graph, spec);
}
