/* deploy.c - a trained detector as a net without BN: one convolution with bias per block.
 *
 * The deployed net's tensors are "<block>.conv.weight" and "<block>.conv.bias", or with level norms
 * "<block>.conv.<level>.weight" and so on: what a level's BN does to the shared kernel is its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

/* The tensor of that name, if it has as many values. */
static rep_status find(rep_id *out, const rep_net *net, const char *name, size_t count) {
    const rep_id id = rep_graph_find(net->graph, name);
    if (!id || rep_shape_count(net->graph->tensors[id].shape) != count) {
        return rep_fail(
            REP_ERR_ARGUMENT,
            "deploying: the other net has no %s of %zu values; build both from one spec", name,
            count);
    }
    *out = id;
    return REP_OK;
}

/* Writes `count` values to "<block>.conv[.<level>].<part>". */
static rep_status write_part(const rep_net *net, const rep_block_spec *spec, const char *block,
                             const char *part, const double *values, size_t count) {
    char conv[32], prefix[REP_NAME_BYTES], name[REP_NAME_BYTES];
    rep_id id = 0;
    snprintf(conv, sizeof conv, spec->has_level_norms ? "conv.%d" : "conv", spec->level);
    if (!rep_nn_name(prefix, block, conv) || !rep_nn_name(name, prefix, part)) {
        return rep_fail(REP_ERR_ARGUMENT, "deploying %s: the name is too long", block);
    }
    REP_TRY(find(&id, net, name, count));
    return rep_program_write_f64(net->program, id, values, count);
}

static rep_status deploy_block(const rep_net *to, const rep_net *from, const rep_block_spec *spec,
                               const rep_block *block) {
    const size_t count = rep_shape_count(from->graph->tensors[block->weight].shape);
    const size_t channels = (size_t)block->c_out;
    double *weight = malloc((count + channels) * sizeof *weight);
    if (!weight) { return rep_fail(REP_ERR_MEMORY, "deploying %s: out of memory", block->name); }
    double *bias = weight + count;
    rep_status status =
        rep_nn_fuse_block(weight, bias, NULL, NULL, from->graph, from->program, spec, block);
    if (status == REP_OK) { status = write_part(to, spec, block->name, "weight", weight, count); }
    if (status == REP_OK) { status = write_part(to, spec, block->name, "bias", bias, channels); }
    free(weight);
    return status;
}

/* Whether the tensor belongs to a block, whose values the fold has written. */
static bool is_of_block(const rep_model *model, const char *name) {
    for (size_t i = 0; i < model->block_count; i++) {
        const size_t length = strlen(model->blocks[i].name);
        if (strncmp(name, model->blocks[i].name, length) == 0 && name[length] == '.') {
            return true;
        }
    }
    return false;
}

static rep_status copy_rest(const rep_net *to, const rep_net *from) {
    for (rep_id id = 1; id < to->graph->tensor_count; id++) {
        const rep_tensor *tensor = &to->graph->tensors[id];
        const size_t count = rep_shape_count(tensor->shape);
        rep_id source = 0;
        if (tensor->kind == REP_KIND_NONE || is_of_block(to->model, tensor->name)) { continue; }
        REP_TRY(find(&source, from, tensor->name, count));
        double *values = malloc(count * sizeof *values);
        if (!values) { return rep_fail(REP_ERR_MEMORY, "deploying: out of memory"); }
        rep_status status = rep_program_read_f64(from->program, source, values, count);
        if (status == REP_OK) { status = rep_program_write_f64(to->program, id, values, count); }
        free(values);
        REP_TRY(status);
    }
    return REP_OK;
}

rep_status rep_detector_deploy(const rep_net *deployed, const rep_net *trained,
                               const rep_detector_spec *spec, rep_mode mode) {
    rep_block_spec block = rep_nn_detector_block(spec, mode);
    for (size_t i = 0; i < trained->model->block_count; i++) {
        const rep_block *from = &trained->model->blocks[i];
        block.kernel = from->kernel;
        block.has_level_norms = spec->has_level_norms && strncmp(from->name, "head.", 5) == 0;
        const int32_t levels = block.has_level_norms ? REP_DETECTOR_LEVELS : 1;
        for (block.level = 0; block.level < levels; block.level++) {
            REP_TRY(deploy_block(deployed, trained, &block, from));
        }
    }
    return copy_rest(deployed, trained);
}
