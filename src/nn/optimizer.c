/* optimizer.c - appends clipping, update and average to a graph that has its gradients.
 *
 * All parameters lie in one block, their gradients and moments in blocks of the same layout, so an
 * update is one node whatever the net. A table of segments says what each range is; RepOptimizer
 * (Ding et al., ICLR 2023, section 3.2) is two of its columns: where a kernel's s and t are.
 *
 *   [accumulate] -> clip_norm | -> sgd_step or adamw_step [-> ema_step]      (| ends REP_BACKWARD)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/optimizer.h"

/* Children start at multiples of the widest vector. */
static size_t aligned(size_t elements) {
    return (elements + REP_CHILD_ALIGN - 1) / REP_CHILD_ALIGN * REP_CHILD_ALIGN;
}

static rep_status check_spec(const rep_optimizer_spec *spec) {
    const rep_sgd_params *sgd = &spec->sgd;
    const rep_adamw_params *adamw = &spec->adamw;
    if (!(spec->weight_decay >= 0.0f) || !(spec->weight_decay_bias >= 0.0f) ||
        !(spec->weight_decay_norm >= 0.0f) || !(spec->lr_factor_bias >= 0.0f)) {
        return rep_fail(REP_ERR_CONFIG, "optimizer: weight decay and learning rate factors must "
                                        "not be negative");
    }
    if (!(spec->ema_decay >= 0.0f && spec->ema_decay < 1.0f)) {
        return rep_fail(REP_ERR_CONFIG, "SOLVER.EMA_DECAY: %g, wanted 0 (off) up to below 1",
                        (double)spec->ema_decay);
    }
    if (spec->is_adamw) {
        if (!(adamw->beta1 >= 0.0f && adamw->beta1 < 1.0f) ||
            !(adamw->beta2 >= 0.0f && adamw->beta2 < 1.0f) || !(adamw->eps > 0.0f) ||
            adamw->mask > 2) {
            return rep_fail(REP_ERR_CONFIG,
                            "AdamW: beta1 %g, beta2 %g, eps %g; wanted betas from 0 to below 1 and "
                            "eps above 0",
                            (double)adamw->beta1, (double)adamw->beta2, (double)adamw->eps);
        }
        return REP_OK;
    }
    if (!(sgd->momentum >= 0.0f) || !isfinite(sgd->momentum) || !isfinite(sgd->dampening)) {
        return rep_fail(REP_ERR_CONFIG, "SOLVER.MOMENTUM: %g, wanted 0 or more",
                        (double)sgd->momentum);
    }
    if (sgd->nesterov && (!(sgd->momentum > 0.0f) || sgd->dampening != 0.0f)) {
        return rep_fail(REP_ERR_CONFIG,
                        "SOLVER.NESTEROV: momentum %g and dampening %g; Nesterov's rule needs "
                        "momentum above 0 and dampening 0",
                        (double)sgd->momentum, (double)sgd->dampening);
    }
    return REP_OK;
}

/* ---- members: what lies in the model block ------------------------------------------------- */

static const char *group_of(rep_kind kind) {
    switch (kind) {
    case REP_KIND_WEIGHT:
        return "weights";
    case REP_KIND_NORM:
        return "norm";
    case REP_KIND_BIAS:
        return "biases";
    case REP_KIND_SCALE:
        return "scales";
    case REP_KIND_IDENTITY:
        return "identity";
    case REP_KIND_BUFFER:
    case REP_KIND_NONE:
        break;
    }
    return "none";
}

/* The five groups of the design; every trainable tensor falls into exactly one by its kind. */
static void set_group(rep_member *member, rep_kind kind, const rep_optimizer_spec *spec) {
    member->group = group_of(kind);
    member->weight_decay = 0.0f;
    member->lr_factor = 1.0f;
    if (kind == REP_KIND_WEIGHT || kind == REP_KIND_IDENTITY) {
        member->weight_decay = spec->weight_decay;
    } else if (kind == REP_KIND_NORM) {
        member->weight_decay = spec->weight_decay_norm;
    } else if (kind == REP_KIND_BIAS) {
        member->weight_decay = spec->weight_decay_bias;
        member->lr_factor = spec->lr_factor_bias;
    }
}

/* Parameters that are updated, then what else changes in training (an average follows it), then
 * constants. */
enum { UPDATED, CHANGED, CONSTANT, ROLES };

static int role_of(const rep_tensor *tensor) {
    if (tensor->is_trainable) { return tensor->gradient ? UPDATED : CHANGED; }
    return tensor->kind == REP_KIND_BUFFER ? CHANGED : CONSTANT;
}

static rep_status add_member(rep_optimizer *o, const rep_tensor *tensor, rep_id id) {
    rep_member *member = &o->members[o->member_count++];
    *member = (rep_member){.id = id,
                           .shape = tensor->shape,
                           .rank = tensor->rank,
                           .offset = o->model_size,
                           .is_trainable = tensor->is_trainable};
    set_group(member, tensor->kind, &o->spec);
    if (strlen(tensor->name) >= sizeof member->name) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: the name is too long", tensor->name);
    }
    snprintf(member->name, sizeof member->name, "%s", tensor->name);
    o->model_size = aligned(o->model_size + rep_shape_count(tensor->shape));
    return REP_OK;
}

/* Lists everything the net owns and gives each tensor its offset. */
static rep_status collect(rep_optimizer *o, const rep_graph *graph) {
    o->members = calloc(graph->tensor_count, sizeof *o->members);
    if (!o->members) { return rep_fail(REP_ERR_MEMORY, "optimizer: out of memory"); }
    for (int role = UPDATED; role < ROLES; role++) {
        for (rep_id id = 1; id < graph->tensor_count; id++) {
            const rep_tensor *tensor = &graph->tensors[id];
            if (tensor->region != REP_STATE || tensor->kind == REP_KIND_NONE || tensor->block ||
                role_of(tensor) != role) {
                continue;
            }
            REP_TRY(add_member(o, tensor, id));
        }
        if (role == UPDATED) {
            o->param_count = o->member_count;
            o->param_size = o->model_size;
        } else if (role == CHANGED) {
            o->average_count = o->member_count;
            o->average_size = o->model_size;
        }
    }
    if (!o->param_count) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "optimizer: no parameter has a gradient; call rep_graph_backward first");
    }
    return REP_OK;
}

static rep_id block_of(rep_graph *graph, const char *name, size_t size, rep_region region) {
    return rep_graph_tensor(graph, name, REP_F32, (rep_shape){1, (int32_t)size, 1, 1}, region);
}

/* A state block "<name>" with a child "<name>.<member>" for each of the first `count` members. */
static rep_id mirror(rep_optimizer *o, rep_graph *graph, const char *name, size_t size,
                     size_t count) {
    const rep_id block = block_of(graph, name, size, REP_STATE);
    for (size_t i = 0; i < count; i++) {
        const rep_member *member = &o->members[i];
        char child[REP_NAME_BYTES + 32];
        snprintf(child, sizeof child, "%s.%s", name, member->name);
        const rep_id id = rep_graph_tensor(graph, child, REP_F32, member->shape, REP_STATE);
        if (!id) { return 0; }
        graph->tensors[id].rank = member->rank;
        rep_graph_place(graph, id, block, member->offset);
    }
    return block;
}

/* Lays the gradients side by side. One that serves two tensors, or that the caller owns (the seed),
 * is copied first. */
static void place_gradients(rep_optimizer *o, rep_graph *graph) {
    o->gradients = block_of(graph, "gradients", o->param_size, REP_WORK);
    for (size_t i = 0; i < o->param_count && rep_graph_check(graph) == REP_OK; i++) {
        const rep_member *member = &o->members[i];
        rep_id gradient = graph->tensors[member->id].gradient;
        const rep_tensor *tensor = &graph->tensors[gradient];
        if (tensor->block || tensor->region != REP_WORK || tensor->is_kept) {
            gradient = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_NONE}, gradient);
            graph->tensors[member->id].gradient = gradient;
        }
        rep_graph_place(graph, gradient, o->gradients, member->offset);
    }
}

/* ---- scales and segments ------------------------------------------------------------------- */

static const rep_block *block_with(const rep_model *model, rep_id weight, size_t *index) {
    for (size_t i = 0; i < model->block_count; i++) {
        if (model->blocks[i].weight == weight) {
            *index = i;
            return &model->blocks[i];
        }
    }
    return NULL;
}

/* Adds one vector of scales to the block: its values and a named child. */
static rep_status add_scales(rep_optimizer *o, rep_graph *graph, const char *block,
                             const char *tensor, const float *values, int32_t channels) {
    char name[REP_NAME_BYTES + 40];
    snprintf(name, sizeof name, "scales.%s%s%s", block, *block ? "." : "", tensor);
    const rep_id id =
        rep_graph_tensor(graph, name, REP_F32, (rep_shape){1, channels, 1, 1}, REP_STATE);
    REP_TRY(rep_graph_check(graph));
    graph->tensors[id].rank = 1;
    rep_graph_place(graph, id, o->scales, o->scale_size);
    memcpy(o->scale_values + o->scale_size, values, (size_t)channels * sizeof *values);
    o->scale_size = aligned(o->scale_size + (size_t)channels);
    return rep_graph_check(graph);
}

/* Points a kernel's segment at its block's scales. */
static rep_status mask_segment(rep_optimizer *o, rep_graph *graph, rep_segment *segment,
                               const rep_block *block, const rep_scale_row *row) {
    if (row->channels != block->c_out || row->is_triple != block->has_identity) {
        return rep_fail(REP_ERR_DATA, "block %s: scales %s do not fit; match them first",
                        block->name, row->name);
    }
    segment->flags = REP_SEGMENT_MASKED;
    segment->scales = (uint32_t)o->scale_size;
    REP_TRY(add_scales(o, graph, block->name, "scale_conv.weight", row->s, row->channels));
    segment->point = REP_NO_SCALES;
    if (row->t) {
        segment->point = (uint32_t)o->scale_size;
        REP_TRY(add_scales(o, graph, block->name, "scale_1x1.weight", row->t, row->channels));
    }
    if (!row->is_triple) { return REP_OK; }
    if (!o->spec.is_identity_constant) { segment->flags |= REP_SEGMENT_IDENTITY; }
    return add_scales(o, graph, block->name, "scale_identity.weight", row->u, row->channels);
}

static rep_status make_segments(rep_optimizer *o, rep_graph *graph, const rep_model *model,
                                const rep_scale_row *const *rows) {
    size_t scale_size = REP_CHILD_ALIGN; /* never empty: the update ops take it as an input */
    for (size_t i = 0; rows && i < model->block_count; i++) {
        scale_size += 3 * aligned((size_t)model->blocks[i].c_out);
    }
    o->scale_capacity = scale_size;
    o->scale_values = calloc(scale_size, sizeof *o->scale_values);
    o->segments = calloc(o->param_count, sizeof *o->segments);
    if (!o->scale_values || !o->segments) {
        return rep_fail(REP_ERR_MEMORY, "optimizer: out of memory");
    }
    o->scales = block_of(graph, "scales", scale_size, REP_STATE);
    o->table =
        rep_graph_tensor(graph, "optimizer.segments", REP_I32,
                         (rep_shape){(int32_t)o->param_count, REP_SEGMENT_WORDS, 1, 1}, REP_STATE);
    REP_TRY(rep_graph_check(graph));
    for (size_t i = 0; i < o->param_count; i++) {
        rep_member *member = &o->members[i];
        const rep_shape shape = member->shape;
        size_t index = 0;
        o->segments[i] =
            (rep_segment){.offset = (uint32_t)member->offset,
                          .count = (uint32_t)rep_shape_count(shape),
                          .row = (uint32_t)((size_t)shape.c * (size_t)shape.h * (size_t)shape.w),
                          .centre = (uint32_t)rep_nn_centre(shape),
                          .centre_count = (uint32_t)shape.c,
                          .point = REP_NO_SCALES,
                          .weight_decay = member->weight_decay,
                          .lr_factor = member->lr_factor};
        const rep_block *block = rows ? block_with(model, member->id, &index) : NULL;
        if (block) { REP_TRY(mask_segment(o, graph, &o->segments[i], block, rows[index])); }
    }
    return REP_OK;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static rep_id step_tensor(rep_graph *graph) {
    const rep_id step = rep_graph_find(graph, "step");
    return step ? step
                : rep_graph_tensor(graph, "step", REP_F32, (rep_shape){1, REP_STEP_WORDS, 1, 1},
                                   REP_IO);
}

static void append_nodes(rep_optimizer *o, rep_graph *graph, bool is_masked) {
    const rep_optimizer_spec *spec = &o->spec;
    const rep_id step = step_tensor(graph);
    rep_id grads = o->gradients;
    if (spec->accumulates) {
        o->accumulated = mirror(o, graph, "optimizer.accumulated", o->param_size, o->param_count);
        rep_graph_append(graph, REP_OP_ACCUMULATE, NULL, (const rep_id[]){grads, step}, 2,
                         (const rep_id[]){o->accumulated});
        grads = o->accumulated;
    }
    const rep_clip_params clip = {.max_norm = spec->clip_norm,
                                  .masked = is_masked && !spec->clip_is_plain};
    o->norm = REP_APPEND(graph, CLIP_NORM, &clip, grads, o->table, o->scales, step);
    if (o->norm) { rep_graph_keep(graph, o->norm); }
    rep_graph_set_phase(graph, REP_UPDATE);
    const rep_id in[] = {grads, o->table, o->scales, step, o->norm};
    const uint32_t in_count = spec->clip_norm > 0.0f ? 5 : 4;
    if (spec->is_adamw) {
        rep_graph_append(graph, REP_OP_ADAMW_STEP, &spec->adamw, in, in_count,
                         (const rep_id[]){o->model, o->moments[0], o->moments[1]});
    } else {
        rep_graph_append(graph, REP_OP_SGD_STEP, &spec->sgd, in, in_count,
                         (const rep_id[]){o->model, o->moments[0]});
    }
    if (o->average) {
        rep_graph_append(graph, REP_OP_EMA_STEP, NULL, (const rep_id[]){o->model, step}, 2,
                         (const rep_id[]){o->average});
    }
}

static rep_status build(rep_optimizer *o, rep_graph *graph, const rep_model *model,
                        const rep_scale_row *const *rows) {
    REP_TRY(collect(o, graph));
    o->model = block_of(graph, "model", o->model_size, REP_STATE);
    for (size_t i = 0; i < o->member_count; i++) {
        rep_graph_place(graph, o->members[i].id, o->model, o->members[i].offset);
    }
    place_gradients(o, graph);
    const size_t size = o->param_size, count = o->param_count;
    if (o->spec.is_adamw) {
        o->moments[0] = mirror(o, graph, "optimizer.exp_avg", size, count);
        o->moments[1] = mirror(o, graph, "optimizer.exp_avg_sq", size, count);
    } else {
        o->moments[0] = mirror(o, graph, "optimizer.momentum", size, count);
    }
    if (o->spec.ema_decay > 0.0f) {
        o->average = mirror(o, graph, "ema", o->average_size, o->average_count);
    }
    REP_TRY(rep_graph_check(graph));
    REP_TRY(make_segments(o, graph, model, rows));
    append_nodes(o, graph, rows != NULL);
    return rep_graph_check(graph);
}

rep_status rep_optimizer_append(rep_optimizer **out, rep_graph *graph, const rep_model *model,
                                const rep_optimizer_spec *spec, const rep_scale_row *const *rows) {
    REP_TRY(rep_graph_check(graph));
    REP_TRY(check_spec(spec));
    rep_optimizer *o = calloc(1, sizeof *o);
    if (!o) { return rep_fail(REP_ERR_MEMORY, "optimizer: out of memory"); }
    o->spec = *spec;
    rep_graph_set_phase(graph, REP_BACKWARD);
    rep_graph_set_scope(graph, "optimizer");
    const rep_status status = build(o, graph, model, rows);
    rep_graph_set_scope(graph, NULL);
    if (status != REP_OK) {
        rep_optimizer_destroy(o);
        return status;
    }
    *out = o;
    return REP_OK;
}

void rep_optimizer_destroy(rep_optimizer *optimizer) {
    if (!optimizer) { return; }
    free(optimizer->members);
    free(optimizer->segments);
    free(optimizer->scale_values);
    free(optimizer);
}

rep_status rep_optimizer_upload(const rep_optimizer *optimizer, rep_program *program) {
    REP_TRY(rep_program_write(program, optimizer->table, optimizer->segments,
                              optimizer->param_count * REP_SEGMENT_WORDS));
    return rep_program_write(program, optimizer->scales, optimizer->scale_values,
                             optimizer->scale_capacity);
}

static rep_status clear(rep_program *program, rep_id tensor, const double *zeros, size_t count) {
    return tensor ? rep_program_write_f64(program, tensor, zeros, count) : REP_OK;
}

rep_status rep_optimizer_reset(const rep_optimizer *optimizer, rep_program *program) {
    double *values = calloc(optimizer->model_size, sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "optimizer: out of memory"); }
    const size_t count = optimizer->param_size;
    rep_status status = clear(program, optimizer->moments[0], values, count);
    if (status == REP_OK) { status = clear(program, optimizer->moments[1], values, count); }
    if (status == REP_OK) { status = clear(program, optimizer->accumulated, values, count); }
    if (status == REP_OK && optimizer->average) {
        status = rep_program_read_f64(program, optimizer->model, values, optimizer->model_size);
        if (status == REP_OK) {
            status =
                rep_program_write_f64(program, optimizer->average, values, optimizer->average_size);
        }
    }
    free(values);
    return status;
}

rep_id rep_optimizer_norm(const rep_optimizer *optimizer) { return optimizer->norm; }
