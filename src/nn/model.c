/* model.c - what every network is once it is built: its blocks, its inputs and outputs. */
#include <stdio.h>
#include <stdlib.h>

#include "nn/nn.h"

rep_status rep_nn_model_create(rep_model **out, size_t block_capacity) {
    rep_model *model = calloc(1, sizeof *model);
    if (model) { model->blocks = calloc(block_capacity, sizeof *model->blocks); }
    if (!model || !model->blocks) {
        rep_model_destroy(model);
        return rep_fail(REP_ERR_MEMORY, "model: out of memory");
    }
    *out = model;
    return REP_OK;
}

void rep_model_destroy(rep_model *model) {
    if (!model) { return; }
    free(model->detector);
    free(model->blocks);
    free(model);
}

const rep_model_io *rep_model_io_get(const rep_model *model) { return &model->io; }
size_t rep_model_block_count(const rep_model *model) { return model->block_count; }
const rep_block *rep_model_block(const rep_model *model, size_t index) {
    return &model->blocks[index];
}

size_t rep_nn_outputs(rep_output *out, const rep_model *model) {
    static const char *const kinds[REP_OUTPUT_KINDS] = {"classes", "boxes", "centerness",
                                                        "keypoints"};
    size_t count = 0;
    if (!model->detector) {
        out[0] = (rep_output){.name = "logits", .id = model->io.logits};
        return 1;
    }
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_detector_level *level = &model->detector->levels[i];
        const rep_id ids[REP_OUTPUT_KINDS] = {level->classes, level->boxes, level->centerness,
                                              level->keypoints};
        for (int kind = 0; kind < REP_OUTPUT_KINDS; kind++) {
            if (!ids[kind]) { continue; }
            rep_output *output = &out[count++];
            *output = (rep_output){.kind = kind, .id = ids[kind]};
            snprintf(output->name, sizeof output->name, "P%d.%s", i + 3, kinds[kind]);
        }
    }
    return count;
}

size_t rep_model_param_count(const rep_model *model, const rep_graph *graph) {
    (void)model;
    size_t count = 0;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->kind != REP_KIND_NONE && tensor->is_trainable) {
            count += rep_shape_count(tensor->shape);
        }
    }
    return count;
}
