/* repopt_vgg.c - RepOpt-VGG: x {n,c,h,w} -> logits {n,classes,1,1}, in training also a loss.
 *
 *   stage0 -> stage1.0, stage1.1 ... stage4.* -> global average pool -> linear
 *
 * The depth and widths of the presets are those of Ding et al., ICLR 2023, table 1 and appendix.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

struct preset {
    const char *name;
    int32_t num_blocks[REP_MAX_STAGES], widths[REP_MAX_STAGES], strides[REP_MAX_STAGES + 1];
};
static const struct preset presets[] = {
    {"B1", {4, 6, 16, 1}, {128, 256, 512, 2048}, {2, 2, 2, 2, 2}},
    {"B2", {4, 6, 16, 1}, {160, 320, 640, 2560}, {2, 2, 2, 2, 2}},
    {"L1", {8, 14, 24, 1}, {128, 256, 512, 2048}, {2, 2, 2, 2, 2}},
    {"L2", {8, 14, 24, 1}, {160, 320, 640, 2560}, {2, 2, 2, 2, 2}},
    {"small", {2, 2, 2, 1}, {64, 128, 256, 512}, {1, 1, 2, 2, 2}},
    {"tiny", {2, 2, 2, 1}, {16, 32, 64, 128}, {1, 1, 2, 2, 2}},
};

rep_status rep_vgg_preset(rep_vgg_spec *out, const char *name) {
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const struct preset *preset = &presets[i];
        if (strcmp(preset->name, name) != 0) { continue; }
        *out = (rep_vgg_spec){.in_channels = 3,
                              .num_classes = 1000,
                              .stage0_width = preset->widths[0] < 64 ? preset->widths[0] : 64,
                              .kernel_size = 3,
                              .act = REP_ACT_RELU,
                              .scale_init_stage = true,
                              .bn_eps = 1e-5f,
                              .bn_momentum = 0.1f};
        memcpy(out->num_blocks, preset->num_blocks, sizeof out->num_blocks);
        memcpy(out->widths, preset->widths, sizeof out->widths);
        memcpy(out->strides, preset->strides, sizeof out->strides);
        return REP_OK;
    }
    return rep_fail(
        REP_ERR_CONFIG,
        "MODEL.VGG.PRESET: there is no net \"%s\"; choose B1, B2, L1, L2, small or tiny", name);
}

static rep_status check_spec(const rep_vgg_spec *spec) {
    enum { MOST_WIDTH = 16384, MOST_BLOCKS = 1000 };
    const int32_t k = spec->kernel_size;
    if (k != 1 && k != 3 && k != 5 && k != 7) {
        return rep_fail(REP_ERR_CONFIG, "MODEL.VGG.KERNEL_SIZE: %d, wanted 1, 3, 5 or 7", k);
    }
    if (spec->act != REP_ACT_RELU && spec->act != REP_ACT_RELU6) {
        return rep_fail(REP_ERR_CONFIG, "MODEL.VGG.ACT: wanted relu or relu6");
    }
    if (spec->in_channels < 1 || spec->num_classes < 1 || spec->stage0_width < 1 ||
        spec->stage0_width > MOST_WIDTH) {
        return rep_fail(REP_ERR_CONFIG,
                        "RepOpt-VGG: %d input channels, %d classes, stage 0 of width %d; wanted at "
                        "least 1 of each and a width up to %d",
                        spec->in_channels, spec->num_classes, spec->stage0_width, MOST_WIDTH);
    }
    for (int i = 0; i <= REP_MAX_STAGES; i++) {
        if (spec->strides[i] < 1 || spec->strides[i] > 8) {
            return rep_fail(REP_ERR_CONFIG, "MODEL.VGG.STRIDES: stage %d has %d, wanted 1 to 8", i,
                            spec->strides[i]);
        }
    }
    for (int i = 0; i < REP_MAX_STAGES; i++) {
        if (spec->num_blocks[i] < 0 || spec->num_blocks[i] > MOST_BLOCKS || spec->widths[i] < 1 ||
            spec->widths[i] > MOST_WIDTH) {
            return rep_fail(REP_ERR_CONFIG,
                            "MODEL.VGG: stage %d has %d blocks of width %d, wanted 0 to %d blocks "
                            "of width 1 to %d",
                            i + 1, spec->num_blocks[i], spec->widths[i], MOST_BLOCKS, MOST_WIDTH);
        }
    }
    if (!(spec->bn_eps > 0.0f) || !(spec->bn_momentum >= 0.0f && spec->bn_momentum <= 1.0f)) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BN: eps %g and momentum %g, wanted eps above 0 and momentum within "
                        "0 .. 1",
                        (double)spec->bn_eps, (double)spec->bn_momentum);
    }
    return REP_OK;
}

/* Appends the stages and records their blocks. */
static rep_id append_stages(rep_model *model, rep_graph *graph, const rep_vgg_spec *spec,
                            rep_block_spec *block, rep_id x) {
    block->name = "stage0";
    block->c_out = spec->stage0_width;
    block->stride = spec->strides[0];
    block->scale_init = 1.0f;
    x = rep_nn_block(graph, block, x, &model->blocks[model->block_count++]);
    for (int32_t stage = 0; stage < REP_MAX_STAGES; stage++) {
        for (int32_t i = 0; i < spec->num_blocks[stage]; i++) {
            char name[REP_NAME_BYTES];
            snprintf(name, sizeof name, "stage%d.%d", stage + 1, i);
            block->name = name;
            block->c_out = spec->widths[stage];
            block->stride = i == 0 ? spec->strides[stage + 1] : 1;
            block->scale_init = spec->scale_init_stage && i > 0 ? sqrtf(2.0f / (float)i) : 1.0f;
            x = rep_nn_block(graph, block, x, &model->blocks[model->block_count++]);
        }
    }
    return x;
}

/* Mean over the rows that count of the smoothed cross entropy. */
static void append_loss(rep_model *model, rep_graph *graph, int32_t batch, float smoothing) {
    rep_model_io *io = &model->io;
    io->labels = rep_graph_tensor(graph, "labels", REP_I32, (rep_shape){batch, 1, 1, 1}, REP_IO);
    io->step =
        rep_graph_tensor(graph, "step", REP_F32, (rep_shape){1, REP_STEP_WORDS, 1, 1}, REP_IO);
    rep_graph_set_scope(graph, "loss");
    const rep_id rows = REP_APPEND(graph, SOFTMAX_CE, (&(rep_loss_params){.smoothing = smoothing}),
                                   io->logits, io->labels);
    io->loss = REP_APPEND(graph, REDUCE_SUM, (&(rep_reduce_params){.scale = 1.0f, .by_valid = 1}),
                          rows, io->step);
    rep_graph_set_scope(graph, NULL);
    if (io->loss) { rep_graph_keep(graph, io->loss); }
}

rep_status rep_model_build(rep_model **out, rep_graph *graph, const rep_vgg_spec *spec,
                           rep_mode mode, bool is_training, int32_t batch, int32_t height,
                           int32_t width, float smoothing) {
    REP_TRY(check_spec(spec));
    if (spec->is_deployed && is_training) {
        return rep_fail(REP_ERR_CONFIG, "RepOpt-VGG: a folded net has no BN and is not trained");
    }
    size_t block_count = 1;
    for (int i = 0; i < REP_MAX_STAGES; i++) { block_count += (size_t)spec->num_blocks[i]; }
    rep_model *model = NULL;
    REP_TRY(rep_nn_model_create(&model, block_count));
    rep_model_io *io = &model->io;
    const rep_shape picture = {batch, spec->in_channels, height, width};
    io->image = rep_graph_tensor(graph, "image", REP_F32, picture, REP_IO);
    rep_block_spec block = {.kind = rep_nn_block_kind(mode),
                            .kernel = spec->kernel_size,
                            .groups = 1,
                            .act = spec->act,
                            .has_se = spec->has_se,
                            .is_training = is_training,
                            .bn_eps = spec->bn_eps,
                            .bn_momentum = spec->bn_momentum,
                            .conv_algo = spec->conv_algo};
    if (spec->is_deployed) { block.kind = REP_BLOCK_DEPLOYED; }
    model->block = block;
    rep_id x = io->image;
    if (spec->is_half) { x = REP_APPEND(graph, CAST, &(rep_cast_params){.to_half = 1}, x); }
    x = append_stages(model, graph, spec, &block, x);
    rep_graph_set_scope(graph, "linear");
    x = REP_APPEND(graph, GLOBAL_POOL, NULL, x);
    io->logits = rep_nn_linear(graph, "linear", spec->num_classes, x);
    if (spec->is_half) { io->logits = REP_APPEND(graph, CAST, &(rep_cast_params){0}, io->logits); }
    rep_graph_set_scope(graph, NULL);
    if (io->logits) { rep_graph_keep(graph, io->logits); }
    if (is_training && smoothing >= 0.0f) { append_loss(model, graph, batch, smoothing); }
    const rep_status status = rep_graph_check(graph);
    if (status != REP_OK) {
        rep_model_destroy(model);
        return status;
    }
    *out = model;
    return REP_OK;
}
