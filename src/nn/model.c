/* model.c - what every network is once it is built: its blocks, its inputs and outputs. */
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
