/* twin.c - target + RepOptimizer beside CSLA + ordinary optimizer: two nets that must stay one.
 *
 * Both see the same random batches. The branches of the CSLA net are folded on the host,
 * W = s*W_k + pad(t*W_1) [+ pad(diag(u))], and compared with the target's kernels (Ding et al.,
 * ICLR 2023, proposition and appendix A); the other parameters are compared as they are.
 */
#include "repopt/twin.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

/* One of the two nets. */
typedef struct twin_side {
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
} twin_side;

struct rep_twin {
    rep_twin_options options;
    twin_side target, csla;
    size_t block_count;
    rep_scale_row *rows;
    const rep_scale_row **row_list;
    float *scales; /* of all rows */
    float *images;
    int32_t *labels;
    uint64_t steps;
};

static void clear_side(twin_side *side) {
    rep_program_destroy(side->program);
    rep_optimizer_destroy(side->optimizer);
    rep_model_destroy(side->model);
    rep_graph_destroy(side->graph);
}

void rep_twin_destroy(rep_twin *twin) {
    if (!twin) { return; }
    clear_side(&twin->target);
    clear_side(&twin->csla);
    free(twin->rows);
    free(twin->row_list);
    free(twin->scales);
    free(twin->images);
    free(twin->labels);
    free(twin);
}

static rep_status no_memory(void) { return rep_fail(REP_ERR_MEMORY, "twin: out of memory"); }

/* ---- making ------------------------------------------------------------------------------------
 */

static rep_status build(twin_side *side, const rep_twin_options *o, bool is_csla) {
    REP_TRY(rep_graph_create(&side->graph));
    REP_TRY(rep_model_build(&side->model, side->graph, &o->net,
                            is_csla ? REP_MODE_CSLA : REP_MODE_TARGET, true, o->batch, o->height,
                            o->width, 0.0f));
    for (size_t i = 0; i < rep_model_block_count(side->model); i++) {
        const rep_block *block = rep_model_block(side->model, i);
        if (block->u && o->optimizer.is_identity_constant) {
            rep_graph_freeze(side->graph, block->u);
        }
    }
    return rep_graph_backward(side->graph, rep_model_io_get(side->model)->loss, 0);
}

/* Scales of both signs, away from zero and from one, as searched ones are. */
static rep_status draw_scales(rep_twin *twin) {
    const rep_model *model = twin->target.model;
    const size_t count = rep_model_block_count(model);
    size_t room = 0;
    for (size_t i = 0; i < count; i++) { room += 3 * (size_t)rep_model_block(model, i)->c_out; }
    twin->block_count = count;
    twin->rows = calloc(count, sizeof *twin->rows);
    twin->row_list = calloc(count, sizeof *twin->row_list);
    float *values = twin->scales = calloc(room, sizeof *values);
    if (!twin->rows || !twin->row_list || !values) { return no_memory(); }
    rep_rng rng;
    rep_rng_init(&rng, twin->options.seed, rep_hash_text("verify scales"));
    for (size_t i = 0; i < count; i++) {
        const rep_block *block = rep_model_block(model, i);
        const size_t channels = (size_t)block->c_out;
        for (size_t c = 0; c < 3 * channels; c++) {
            const float size = 0.3f + rep_rng_uniform(&rng);
            values[c] = rep_rng_below(&rng, 4) == 0 ? -size : size;
        }
        rep_scale_row *row = &twin->rows[i];
        *row = (rep_scale_row){.channels = block->c_out,
                               .is_triple = block->has_identity,
                               .s = values,
                               .t = values + channels,
                               .u = block->has_identity ? values + 2 * channels : NULL};
        memcpy(row->name, block->name, sizeof row->name);
        twin->row_list[i] = row;
        values += 3 * channels;
    }
    return REP_OK;
}

/* Sets every element of a tensor to start + factor * what it is. */
static rep_status change(const twin_side *side, rep_id tensor, double factor, double start) {
    const size_t count = rep_shape_count(rep_graph_shape(side->graph, tensor));
    double *values = malloc(count * sizeof *values);
    if (!values) { return no_memory(); }
    rep_status status = rep_program_read_f64(side->program, tensor, values, count);
    for (size_t i = 0; i < count; i++) { values[i] = start + factor * values[i]; }
    if (status == REP_OK) { status = rep_program_write_f64(side->program, tensor, values, count); }
    free(values);
    return status;
}

/* Where the nets start, beyond PyTorch's defaults: linear weights of eight times the usual size
 * give the kernels their share of the gradient's norm. */
static rep_status adjust(const twin_side *side, double norm_bias) {
    REP_TRY(change(side, rep_graph_find(side->graph, "linear.weight"), 8, 0));
    for (rep_id id = 1; id < side->graph->tensor_count; id++) {
        const rep_tensor *tensor = &side->graph->tensors[id];
        if (tensor->kind != REP_KIND_BIAS || !strstr(tensor->name, ".bn.")) { continue; }
        REP_TRY(change(side, id, 0, norm_bias));
    }
    return REP_OK;
}

static rep_status finish(twin_side *side, const rep_twin *twin, rep_device *device, bool is_csla) {
    const rep_twin_options *o = &twin->options;
    const bool is_masked = !is_csla && o->is_masked;
    REP_TRY(rep_optimizer_append(&side->optimizer, side->graph, side->model, &o->optimizer,
                                 is_masked ? twin->row_list : NULL));
    for (size_t i = 0; i < twin->block_count && !is_csla; i++) { /* the host looks at them */
        const rep_block *block = rep_model_block(side->model, i);
        rep_graph_keep(side->graph, rep_graph_gradient(side->graph, block->weight));
    }
    REP_TRY(rep_program_create(&side->program, device, side->graph, NULL, NULL));
    REP_TRY(rep_optimizer_upload(side->optimizer, side->program));
    REP_TRY(rep_model_init(side->model, side->graph, side->program, o->seed));
    REP_TRY(adjust(side, (double)o->norm_bias));
    if (is_csla) { return rep_model_set_scales(side->model, side->program, twin->row_list); }
    return rep_model_reinit(side->model, side->graph, side->program, twin->row_list, true, false,
                            o->seed);
}

static rep_status prepare(rep_twin *twin, rep_device *device) {
    const rep_twin_options *o = &twin->options;
    REP_TRY(build(&twin->target, o, false));
    REP_TRY(build(&twin->csla, o, true));
    REP_TRY(draw_scales(twin));
    REP_TRY(finish(&twin->csla, twin, device, true));
    REP_TRY(finish(&twin->target, twin, device, false));
    const rep_id image = rep_model_io_get(twin->target.model)->image;
    const size_t pixels = rep_shape_count(rep_graph_shape(twin->target.graph, image));
    twin->images = malloc(pixels * sizeof *twin->images);
    twin->labels = malloc((size_t)o->batch * sizeof *twin->labels);
    return twin->images && twin->labels ? REP_OK : no_memory();
}

rep_status rep_twin_create(rep_twin **out, rep_device *device, const rep_twin_options *options) {
    rep_twin *twin = calloc(1, sizeof *twin);
    if (!twin) { return no_memory(); }
    twin->options = *options;
    const rep_status status = prepare(twin, device);
    if (status != REP_OK) {
        rep_twin_destroy(twin);
        return status;
    }
    *out = twin;
    return REP_OK;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

static void fill_step(float block[REP_STEP_WORDS], const rep_twin *twin) {
    const rep_adamw_params *adamw = &twin->options.optimizer.adamw;
    const uint64_t n = twin->steps + 1;
    block[REP_STEP_LR] = twin->options.lr;
    block[REP_STEP_APPLY] = 1.0f;
    block[REP_STEP_FIRST] = twin->steps == 0 ? 1.0f : 0.0f;
    block[REP_STEP_GRAD_SCALE] = 1.0f;
    block[REP_STEP_BIAS1] = (float)(1.0 - rep_exact_power((double)adamw->beta1, n));
    block[REP_STEP_BIAS2] = (float)(1.0 - rep_exact_power((double)adamw->beta2, n));
    block[REP_STEP_VALID] = (float)twin->options.batch;
    block[REP_STEP_LOSS_SCALE] = 1.0f;
}

static rep_status run_side(twin_side *side, const rep_twin *twin, double *loss) {
    const rep_model_io *io = rep_model_io_get(side->model);
    float block[REP_STEP_WORDS] = {0};
    fill_step(block, twin);
    const size_t pixels = rep_shape_count(rep_graph_shape(side->graph, io->image));
    REP_TRY(rep_program_write(side->program, io->image, twin->images, pixels));
    REP_TRY(
        rep_program_write(side->program, io->labels, twin->labels, (size_t)twin->options.batch));
    REP_TRY(rep_program_write(side->program, io->step, block, REP_STEP_WORDS));
    REP_TRY(rep_program_run(side->program, REP_FORWARD, REP_UPDATE));
    return rep_program_read_f64(side->program, io->loss, loss, 1);
}

rep_status rep_twin_step(rep_twin *twin, double *loss, double *twin_loss) {
    const rep_twin_options *o = &twin->options;
    const rep_id image = rep_model_io_get(twin->target.model)->image;
    const size_t pixels = rep_shape_count(rep_graph_shape(twin->target.graph, image));
    rep_rng rng;
    rep_rng_init(&rng, o->seed, twin->steps);
    for (size_t i = 0; i < pixels; i++) { twin->images[i] = rep_rng_normal(&rng); }
    for (int32_t i = 0; i < o->batch; i++) {
        twin->labels[i] = (int32_t)rep_rng_below(&rng, (uint32_t)o->net.num_classes);
    }
    REP_TRY(run_side(&twin->csla, twin, twin_loss));
    REP_TRY(run_side(&twin->target, twin, loss));
    twin->steps++;
    return REP_OK;
}

uint64_t rep_twin_steps(const rep_twin *twin) { return twin->steps; }

/* ---- looking -----------------------------------------------------------------------------------
 */

const rep_model *rep_twin_model(const rep_twin *twin) { return twin->target.model; }

const rep_scale_row *rep_twin_row(const rep_twin *twin, size_t index) { return &twin->rows[index]; }

rep_shape rep_twin_shape(const rep_twin *twin, size_t index) {
    return rep_graph_shape(twin->target.graph, rep_model_block(twin->target.model, index)->weight);
}

rep_status rep_twin_read(double *kernel, double *folded, double *gradient, rep_twin *twin,
                         size_t index) {
    const twin_side *target = &twin->target, *csla = &twin->csla;
    const rep_id weight = rep_model_block(target->model, index)->weight;
    const size_t count = rep_shape_count(rep_graph_shape(target->graph, weight));
    if (kernel) { REP_TRY(rep_program_read_f64(target->program, weight, kernel, count)); }
    if (folded) {
        REP_TRY(
            rep_model_read_kernel(folded, count, csla->model, csla->graph, csla->program, index));
    }
    if (!gradient) { return REP_OK; }
    return rep_program_read_f64(target->program, rep_graph_gradient(target->graph, weight),
                                gradient, count);
}

/* The block a tensor belongs to; the last one for what is behind the blocks. */
static size_t owner_of(const rep_model *model, const char *name) {
    const size_t count = rep_model_block_count(model);
    for (size_t i = 0; i < count; i++) {
        const char *block = rep_model_block(model, i)->name;
        const size_t length = strlen(block);
        if (strncmp(name, block, length) == 0 && name[length] == '.') { return i; }
    }
    return count - 1;
}

/* Both nets' values of the target's tensor; *block is its owner. */
static rep_status read_both(double *mine, double *other, size_t *block, rep_twin *twin, rep_id id,
                            size_t count) {
    const char *name = rep_graph_name(twin->target.graph, id);
    *block = owner_of(twin->target.model, name);
    if (id == rep_model_block(twin->target.model, *block)->weight) {
        return rep_twin_read(mine, other, NULL, twin, *block);
    }
    REP_TRY(rep_program_read_f64(twin->target.program, id, mine, count));
    const rep_id same = rep_graph_find(twin->csla.graph, name);
    return rep_program_read_f64(twin->csla.program, same, other, count);
}

static bool is_compared(const rep_tensor *tensor) {
    return tensor->kind != REP_KIND_NONE && tensor->is_trainable;
}

rep_status rep_twin_differences(double *out, rep_twin *twin) {
    const rep_graph *graph = twin->target.graph;
    size_t most = 1;
    double largest = 0.0;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const size_t count = rep_shape_count(graph->tensors[id].shape);
        if (is_compared(&graph->tensors[id]) && count > most) { most = count; }
    }
    double *mine = malloc(2 * most * sizeof *mine);
    if (!mine) { return no_memory(); }
    double *other = mine + most;
    rep_status status = REP_OK;
    for (size_t i = 0; i < twin->block_count; i++) { out[i] = 0.0; }
    for (rep_id id = 1; id < graph->tensor_count && status == REP_OK; id++) {
        if (!is_compared(&graph->tensors[id])) { continue; }
        const size_t count = rep_shape_count(graph->tensors[id].shape);
        size_t owner = 0;
        status = read_both(mine, other, &owner, twin, id, count);
        for (size_t i = 0; status == REP_OK && i < count; i++) {
            const double d = fabs(mine[i] - other[i]);
            if (!(d <= out[owner])) { out[owner] = isnan(d) ? (double)INFINITY : d; }
            if (fabs(mine[i]) > largest) { largest = fabs(mine[i]); }
        }
    }
    free(mine);
    for (size_t i = 0; i < twin->block_count; i++) { out[i] /= largest; }
    return status;
}
