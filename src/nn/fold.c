/* fold.c - a trained net as a net without BN: one convolution with bias per block.
 *
 * The folded net's tensors are "<block>.conv.weight" and "<block>.conv.bias", or with level norms
 * "<block>.conv.<level>.weight" and so on: what a level's BN does to the shared kernel is its own.
 * Squeeze and excite stands behind a block's activation and stays as it is.
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
            "folding: the other net has no %s of %zu values; build both from one spec, and it "
            "with is_deployed",
            name, count);
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
        return rep_fail(REP_ERR_ARGUMENT, "folding %s: the name is too long", block);
    }
    REP_TRY(find(&id, net, name, count));
    return rep_program_write_f64(net->program, id, values, count);
}

static rep_status fold_block(const rep_net *to, const rep_net *from, const rep_block_spec *spec,
                             const rep_block *block) {
    const size_t count = rep_shape_count(from->graph->tensors[block->weight].shape);
    const size_t channels = (size_t)block->c_out;
    double *weight = malloc((count + channels) * sizeof *weight);
    if (!weight) { return rep_fail(REP_ERR_MEMORY, "folding %s: out of memory", block->name); }
    double *bias = weight + count;
    rep_status status =
        rep_nn_fuse_block(weight, bias, NULL, NULL, from->graph, from->program, spec, block);
    if (status == REP_OK) { status = write_part(to, spec, block->name, "weight", weight, count); }
    if (status == REP_OK) { status = write_part(to, spec, block->name, "bias", bias, channels); }
    free(weight);
    return status;
}

/* Whether the tensor is of a block's convolution, which the fold has written. */
static bool is_folded(const rep_model *model, const char *name) {
    for (size_t i = 0; i < model->block_count; i++) {
        const size_t length = strlen(model->blocks[i].name);
        if (strncmp(name, model->blocks[i].name, length) == 0 &&
            strncmp(name + length, ".conv.", 6) == 0) {
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
        if (tensor->kind == REP_KIND_NONE || is_folded(to->model, tensor->name)) { continue; }
        REP_TRY(find(&source, from, tensor->name, count));
        double *values = malloc(count * sizeof *values);
        if (!values) { return rep_fail(REP_ERR_MEMORY, "folding: out of memory"); }
        rep_status status = rep_program_read_f64(from->program, source, values, count);
        if (status == REP_OK) { status = rep_program_write_f64(to->program, id, values, count); }
        free(values);
        REP_TRY(status);
    }
    return REP_OK;
}

rep_status rep_model_fold(const rep_net *folded, const rep_net *trained) {
    rep_block_spec block = trained->model->block;
    if (block.kind == REP_BLOCK_DEPLOYED) {
        return rep_fail(REP_ERR_ARGUMENT, "folding: the net is folded already, it has no BN");
    }
    block.has_se = false;
    for (size_t i = 0; i < trained->model->block_count; i++) {
        const rep_block *from = &trained->model->blocks[i];
        block.kernel = from->kernel;
        block.has_level_norms = from->norm_count > 1;
        for (block.level = 0; block.level < from->norm_count; block.level++) {
            REP_TRY(fold_block(folded, trained, &block, from));
        }
    }
    return copy_rest(folded, trained);
}
