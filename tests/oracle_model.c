/* oracle_model.c - builds, feeds and compares a whole training; see oracle_model.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "oracle_model.h"
#include "train/state.h"

/* The images and labels of every step. */
static const oracle_tensor *images_of(const oracle_case *c) { return oracle_need(c, "in.images"); }

static rep_vgg_spec spec_of(const oracle_case *c) {
    rep_vgg_spec spec = {.in_channels = (int32_t)oracle_number(c, "in_channels", 3),
                         .num_classes = (int32_t)oracle_number(c, "num_classes", 10),
                         .stage0_width = (int32_t)oracle_number(c, "stage0_width", 0),
                         .kernel_size = (int32_t)oracle_number(c, "kernel_size", 3),
                         .act = strcmp(oracle_text(c, "act"), "relu6") == 0 ? REP_ACT_RELU6
                                                                            : REP_ACT_RELU,
                         .has_se = oracle_flag(c, "post_se", false),
                         .bn_eps = (float)oracle_number(c, "bn_eps", 1e-5),
                         .bn_momentum = (float)oracle_number(c, "bn_momentum", 0.1)};
    for (int i = 0; i < REP_MAX_STAGES; i++) {
        spec.widths[i] = (int32_t)oracle_item(c, "widths", i);
        spec.num_blocks[i] = (int32_t)oracle_item(c, "num_blocks", i);
    }
    for (int i = 0; i <= REP_MAX_STAGES; i++) {
        spec.strides[i] = (int32_t)oracle_item(c, "strides", i);
    }
    return spec;
}

rep_optimizer_spec oracle_optimizer(const oracle_case *c, bool is_adamw, rep_uint mask) {
    return (rep_optimizer_spec){.is_adamw = is_adamw,
                                .sgd = {.momentum = (float)oracle_number(c, "momentum", 0),
                                        .dampening = (float)oracle_number(c, "dampening", 0),
                                        .nesterov = oracle_flag(c, "nesterov", false)},
                                .adamw = {.beta1 = (float)oracle_number(c, "beta1", 0.9),
                                          .beta2 = (float)oracle_number(c, "beta2", 0.999),
                                          .eps = (float)oracle_number(c, "adamw_eps", 1e-8),
                                          .mask = mask},
                                .lr_factor_bias = 1,
                                .weight_decay = (float)oracle_number(c, "weight_decay", 0)};
}

/* ---- nets ----------------------------------------------------------------------------------- */

/* Builds graph, gradients and update. The optimizer needs scales for a masked target (rows). */
void oracle_model_open(oracle_model *m, oracle_case *c, const oracle_target *target, rep_mode mode,
                       const rep_optimizer_spec *optimizer, const rep_scale_row *const *rows) {
    const oracle_tensor one = oracle_step(images_of(c), 0);
    const rep_shape picture = oracle_shape(&one);
    *m = (oracle_model){.c = c,
                        .target = target,
                        .spec = spec_of(c),
                        .mode = mode,
                        .is_adamw = optimizer->is_adamw,
                        .beta1_power = 1,
                        .beta2_power = 1};
    oracle_ok(c, rep_graph_create(&m->graph));
    oracle_ok(c, rep_model_build(&m->model, m->graph, &m->spec, mode, true, picture.n, picture.h,
                                 picture.w, (float)oracle_number(c, "label_smoothing", 0)));
    oracle_ok(c, rep_graph_backward(m->graph, rep_model_io_get(m->model)->loss, 0));
    oracle_ok(c, rep_optimizer_append(&m->optimizer, m->graph, m->model, optimizer, rows));
    for (rep_id id = 1; id < rep_graph_tensor_count(m->graph); id++) {
        const rep_id gradient = rep_graph_gradient(m->graph, id);
        if (gradient && m->graph->tensors[id].is_trainable) { rep_graph_keep(m->graph, gradient); }
    }
    oracle_ok(c, rep_program_create(&m->program, target->device, m->graph, NULL, NULL));
    oracle_ok(c, rep_optimizer_upload(m->optimizer, m->program));
}

void oracle_model_close(oracle_model *m) {
    rep_program_destroy(m->program);
    rep_optimizer_destroy(m->optimizer);
    rep_model_destroy(m->model);
    rep_graph_destroy(m->graph);
}

/* Writes every tensor of the net that the vectors hold under `prefix`; those that only the
 * counterpart net has (the scaled branches) may be left out. */
void oracle_model_load(oracle_model *m, const char *prefix, bool may_lack_branches) {
    for (rep_id id = 1; id < rep_graph_tensor_count(m->graph); id++) {
        const rep_tensor *tensor = &m->graph->tensors[id];
        if (tensor->region != REP_STATE || tensor->kind == REP_KIND_NONE) { continue; }
        const oracle_tensor *value = oracle_get(m->c, "%s%s", prefix, tensor->name);
        const bool is_branch =
            strstr(tensor->name, ".scale_") || strstr(tensor->name, ".conv_1x1.");
        if (value) {
            oracle_write(m->c, m->program, id, value);
        } else if (!may_lack_branches || !is_branch) {
            oracle_fail(m->c, "%s%s is not among the vectors", prefix, tensor->name);
        }
    }
}

/* Compares the state as a checkpoint would hold it: names, shapes and order of elements included.
 */
void oracle_model_check_state(oracle_model *m, const char *prefix) {
    rep_state_list list;
    oracle_ok(m->c, rep_state_list_init(&list, m->graph, m->program, (uint64_t)m->steps));
    for (size_t i = 0; i < list.count; i++) {
        const rep_tensor_source *source = &list.sources[i];
        if (strncmp(source->name, "optimizer.", 10) == 0 ||
            strncmp(source->name, "scales.", 7) == 0) {
            continue;
        }
        const oracle_tensor *expected = oracle_get(m->c, "%s%s", prefix, source->name);
        bool fits = expected && expected->rank == source->rank;
        for (int d = 0; fits && d < source->rank; d++) {
            fits = source->shape[d] == expected->dims[d];
        }
        if (!fits) {
            oracle_fail(m->c, "%s%s is not expected, or not in this shape", prefix, source->name);
            continue;
        }
        const bool is_count = source->type == REP_TENSOR_I64;
        void *raw = calloc(expected->count, is_count ? sizeof(int64_t) : sizeof(float));
        double *values = calloc(expected->count, sizeof *values);
        oracle_ok(m->c, source->fill(source->context, raw, expected->count));
        for (size_t e = 0; e < expected->count; e++) {
            values[e] = is_count ? (double)((int64_t *)raw)[e] : (double)((float *)raw)[e];
        }
        oracle_compare(m->c, expected->name, values);
        free(raw);
        free(values);
    }
    rep_state_list_clear(&list);
}

static void check_gradients(oracle_model *m, const char *prefix) {
    for (rep_id id = 1; id < rep_graph_tensor_count(m->graph); id++) {
        const rep_tensor *tensor = &m->graph->tensors[id];
        if (tensor->kind == REP_KIND_NONE || !tensor->is_trainable) { continue; }
        const oracle_tensor *expected = oracle_get(m->c, "%s%s", prefix, tensor->name);
        if (expected) {
            oracle_check(m->c, m->graph, m->program, rep_graph_gradient(m->graph, id),
                         expected->name);
        }
    }
}

/* ---- training ------------------------------------------------------------------------------- */

static void write_step(oracle_model *m) {
    const double base = oracle_number(m->c, "lr", 0);
    const double lr = m->is_adamw ? oracle_number(m->c, "adamw_lr", base) : base;
    const rep_model_io *io = rep_model_io_get(m->model);
    const oracle_tensor images = oracle_step(images_of(m->c), m->steps);
    const oracle_tensor labels = oracle_step(oracle_need(m->c, "in.labels"), m->steps);
    m->beta1_power *= (double)(float)oracle_number(m->c, "beta1", 0.9);
    m->beta2_power *= (double)(float)oracle_number(m->c, "beta2", 0.999);
    double step[REP_STEP_WORDS] = {0};
    step[REP_STEP_LR] = lr;
    step[REP_STEP_APPLY] = 1;
    step[REP_STEP_FIRST] = m->steps == 0;
    step[REP_STEP_GRAD_SCALE] = 1;
    step[REP_STEP_BIAS1] = 1 - m->beta1_power;
    step[REP_STEP_BIAS2] = 1 - m->beta2_power;
    step[REP_STEP_VALID] = (double)labels.count;
    int32_t *classes = calloc(labels.count, sizeof *classes);
    for (size_t i = 0; i < labels.count; i++) { classes[i] = (int32_t)labels.values[i]; }
    oracle_write(m->c, m->program, io->image, &images);
    oracle_ok(m->c, rep_program_write(m->program, io->labels, classes, labels.count));
    oracle_ok(m->c, rep_program_write_f64(m->program, io->step, step, REP_STEP_WORDS));
    free(classes);
}

/* `is_borrowed`: the net must come to what another net's tensors hold, so they are only borrowed.
 */
static void compare_step(oracle_model *m, const char *name, const double *got, bool is_borrowed) {
    if (!is_borrowed) {
        oracle_compare_part(m->c, name, m->steps, got);
        return;
    }
    const oracle_tensor part = oracle_step(oracle_need(m->c, "%s", name), m->steps);
    char what[160];
    snprintf(what, sizeof what, "the exact target against %s at step %d", name, m->steps);
    oracle_compare_as(m->c, what, &part, got);
}

void oracle_model_train(oracle_model *m, const oracle_training *as) {
    const rep_model_io *io = rep_model_io_get(m->model);
    const int count = (int)oracle_number(m->c, "steps", 0);
    for (int step = 0; step < count; step++) {
        write_step(m);
        oracle_ok(m->c, rep_program_run(m->program, REP_FORWARD, REP_BACKWARD));
        double loss = 0, *logits = oracle_read(m->c, m->graph, m->program, io->logits);
        oracle_ok(m->c, rep_program_read_f64(m->program, io->loss, &loss, 1));
        compare_step(m, as->losses, &loss, as->is_borrowed);
        compare_step(m, as->logits, logits, as->is_borrowed);
        free(logits);
        if (step == 0 && as->gradients) { check_gradients(m, as->gradients); }
        oracle_ok(m->c, rep_program_run(m->program, REP_UPDATE, REP_UPDATE));
        m->steps++;
        if (step == 0 && as->after_first) { oracle_model_check_state(m, as->after_first); }
    }
}

/* Logits of the first step's images with running statistics, on the trained program's state. */
void oracle_model_check_eval(oracle_model *trained, const char *name) {
    oracle_case *c = trained->c;
    const oracle_tensor images = oracle_step(images_of(c), 0);
    const rep_shape picture = oracle_shape(&images);
    rep_graph *graph = NULL;
    rep_model *model = NULL;
    rep_program *program = NULL;
    oracle_ok(c, rep_graph_create(&graph));
    oracle_ok(c, rep_model_build(&model, graph, &trained->spec, trained->mode, false, picture.n,
                                 picture.h, picture.w, -1));
    oracle_ok(c,
              rep_program_create(&program, trained->target->device, graph, trained->program, NULL));
    oracle_write(c, program, rep_model_io_get(model)->image, &images);
    oracle_ok(c, rep_program_run(program, REP_FORWARD, REP_FORWARD));
    oracle_check(c, graph, program, rep_model_io_get(model)->logits, name);
    rep_program_destroy(program);
    rep_model_destroy(model);
    rep_graph_destroy(graph);
}
