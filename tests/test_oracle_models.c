/* test_oracle_models.c - whole RepOpt-VGG trainings against PyTorch's.
 *
 * Five steps on x {8,3,32,32}: loss and logits of each, gradients of the first, the state after the
 * first and the last, and evaluation. The pipeline goes the method's whole way: hyper-search, its
 * scales, the re-initialised target under RepOptimizer, and the CSLA net with the same scales under
 * the ordinary optimizer, which the target must follow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"
#include "oracle_model.h"

enum { MAX_BLOCKS = 128 };

static bool find_mode(const oracle_case *c, rep_mode *out) {
    static const struct {
        const char *name;
        rep_mode mode;
    } modes[] = {{"target", REP_MODE_TARGET},
                 {"csla", REP_MODE_CSLA},
                 {"hs", REP_MODE_HYPER_SEARCH},
                 {"repvgg", REP_MODE_REPVGG_BLOCK},
                 {"qarepvgg", REP_MODE_QAREPVGG_BLOCK}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, oracle_text(c, "mode")) == 0) {
            *out = modes[i].mode;
            return true;
        }
    }
    return false;
}

static void run_training(oracle_case *c, const oracle_target *target) {
    const oracle_training as = {"out.losses", "out.logits", "grad_step0.", "after_step1.", false};
    const bool is_adamw = strcmp(oracle_text(c, "optimizer"), "adamw") == 0;
    const rep_optimizer_spec optimizer = oracle_optimizer(c, is_adamw, 0);
    rep_mode mode = REP_MODE_TARGET;
    find_mode(c, &mode);
    oracle_model m;
    oracle_model_open(&m, c, target, mode, &optimizer, NULL);
    oracle_model_load(&m, "init.", false);
    oracle_model_train(&m, &as);
    oracle_model_check_state(&m, "final.");
    oracle_model_check_eval(&m, "out.logits_eval");
    oracle_model_close(&m);
}

/* ---- pipeline ------------------------------------------------------------------------------- */

static void compare_floats(oracle_case *c, const char *name, const float *got) {
    const oracle_tensor *expected = oracle_need(c, "%s", name);
    double *values = calloc(expected->count, sizeof *values);
    for (size_t i = 0; i < expected->count; i++) { values[i] = (double)got[i]; }
    oracle_compare(c, name, values);
    free(values);
}

static void check_scales(oracle_case *c, const rep_scale_row *row) {
    char name[160];
    snprintf(name, sizeof name, "scales.%s.conv", row->name);
    compare_floats(c, name, row->s);
    snprintf(name, sizeof name, "scales.%s.1x1", row->name);
    compare_floats(c, name, row->t);
    snprintf(name, sizeof name, "scales.%s.identity", row->name);
    if (row->is_triple) { compare_floats(c, name, row->u); }
    if (!row->is_triple && oracle_get(c, "%s", name)) { oracle_fail(c, "%s is missing", name); }
}

static void check_block_mask(oracle_case *c, const rep_block *block, const rep_scale_row *row,
                             rep_shape shape, rep_mask_kind kind) {
    const size_t count = rep_shape_count(shape);
    float *mask = calloc(count, sizeof *mask);
    double *stored = calloc(2 * count, sizeof *stored), *values = stored + count;
    char name[160];
    rep_scales_mask(mask, row, shape, kind, false);
    for (size_t i = 0; i < count; i++) { stored[i] = (double)mask[i]; }
    oracle_from_storage(values, stored, shape);
    snprintf(name, sizeof name, "target.mask.%s.conv.weight", block->name);
    oracle_compare(c, name, values);
    free(mask);
    free(stored);
}

/* Merges the given 1x1 kernels into the target's, where rep_model_reinit would draw its own. */
static void reinit(oracle_model *m, const rep_scale_row *const *rows) {
    const bool keeps_scales = oracle_flag(m->c, "use_identity_scales", true);
    for (size_t i = 0; i < rep_model_block_count(m->model); i++) {
        const rep_block *block = rep_model_block(m->model, i);
        const rep_shape shape = rep_graph_shape(m->graph, block->weight);
        const size_t count = rep_shape_count(shape), channels = (size_t)shape.n;
        double *w = calloc(count + channels, sizeof *w), *u = w + count;
        double *w1 = oracle_stored(oracle_need(m->c, "target.kernel_1x1.%s", block->name));
        oracle_ok(m->c, rep_program_read_f64(m->program, block->weight, w, count));
        for (size_t c = 0; rows[i]->is_triple && c < channels; c++) {
            u[c] = keeps_scales ? (double)rows[i]->u[c] : 1;
        }
        rep_nn_merge_kernel(w, shape, w1, rows[i]->s, rows[i]->t, rows[i]->is_triple ? u : NULL);
        oracle_ok(m->c, rep_program_write_f64(m->program, block->weight, w, count));
        char name[160];
        snprintf(name, sizeof name, "target.reinit.%s.conv.weight", block->name);
        oracle_check(m->c, m->graph, m->program, block->weight, name);
        free(w);
        free(w1);
    }
}

/* The target from the same kernels and scales. `is_twin`: AdamW in its exact form, which follows
 * the CSLA net; otherwise the published form, which the vectors of the target hold. */
static void run_target(oracle_case *c, const oracle_target *target,
                       const rep_scale_row *const *rows, bool is_adamw, bool is_twin) {
    const rep_optimizer_spec optimizer = oracle_optimizer(c, is_adamw, is_twin ? 0 : 1);
    oracle_model m;
    oracle_model_open(&m, c, target, REP_MODE_TARGET, &optimizer, rows);
    oracle_model_load(&m, "target.init.", false);
    reinit(&m, rows);
    if (is_twin) {
        oracle_model_train(&m, &(oracle_training){.losses = "csla_twin.losses",
                                                  .logits = "csla_twin.logits",
                                                  .is_borrowed = true});
    } else {
        for (size_t i = 0; i < rep_model_block_count(m.model); i++) {
            const rep_block *block = rep_model_block(m.model, i);
            check_block_mask(c, block, rows[i], rep_graph_shape(m.graph, block->weight),
                             is_adamw ? REP_MASK_SIGNED : REP_MASK_SQUARE);
        }
        oracle_model_train(
            &m, &(oracle_training){.losses = "target.losses", .logits = "target.logits"});
        oracle_model_check_state(&m, "target.final.");
        oracle_model_check_eval(&m, "target.logits_eval");
    }
    oracle_model_close(&m);
}

static void run_csla_twin(oracle_case *c, const oracle_target *target,
                          const rep_scale_row *const *rows, bool is_adamw) {
    const rep_optimizer_spec optimizer = oracle_optimizer(c, is_adamw, 0);
    oracle_model m;
    oracle_model_open(&m, c, target, REP_MODE_CSLA, &optimizer, NULL);
    oracle_model_load(&m, "target.init.", true);
    oracle_ok(c, rep_model_set_scales(m.model, m.program, rows));
    for (size_t i = 0; i < rep_model_block_count(m.model); i++) {
        const rep_block *block = rep_model_block(m.model, i);
        oracle_write(c, m.program, block->weight_1x1,
                     oracle_need(c, "target.kernel_1x1.%s", block->name));
    }
    oracle_model_train(
        &m, &(oracle_training){.losses = "csla_twin.losses", .logits = "csla_twin.logits"});
    oracle_model_close(&m);
}

static void run_pipeline(oracle_case *c, const oracle_target *target) {
    const bool is_adamw = strcmp(oracle_text(c, "update_rule"), "adamw") == 0;
    const rep_optimizer_spec sgd = oracle_optimizer(c, false, 0);
    rep_scales *scales = NULL;
    const rep_scale_row *rows[MAX_BLOCKS];
    oracle_model search;
    oracle_model_open(&search, c, target, REP_MODE_HYPER_SEARCH, &sgd, NULL);
    oracle_model_load(&search, "hs.init.", false);
    oracle_model_train(&search, &(oracle_training){.losses = "hs.losses", .logits = "hs.logits"});
    oracle_model_check_state(&search, "hs.final.");
    oracle_ok(c, rep_scales_read(&scales, search.model, search.program));
    const size_t count = rep_model_block_count(search.model);
    if (count > MAX_BLOCKS || rep_scales_count(scales) != count) {
        oracle_fail(c, "%zu blocks, %zu rows of scales", count, rep_scales_count(scales));
    } else {
        oracle_ok(c, rep_scales_match(scales, search.model, rows));
        for (size_t i = 0; i < count; i++) { check_scales(c, rows[i]); }
        run_target(c, target, rows, is_adamw, false);
        run_csla_twin(c, target, rows, is_adamw);
        run_target(c, target, rows, is_adamw, true);
    }
    rep_scales_destroy(scales);
    oracle_model_close(&search);
}

/* A case that only holds inputs for others. */
static void run_nothing(oracle_case *c, const oracle_target *target) {
    (void)c;
    (void)target;
}

static oracle_handler find(const oracle_case *c) {
    rep_mode mode;
    if (oracle_get(c, "init.linear.weight") && find_mode(c, &mode)) { return run_training; }
    if (oracle_get(c, "hs.init.linear.weight")) { return run_pipeline; }
    for (size_t i = 0; i < c->count; i++) {
        if (c->tensors[i].is_expected) { return NULL; }
    }
    return run_nothing;
}

int main(void) {
    /* The other programs' groups; everything else has to be known here. */
    static const char *const others[] = {"ops/",
                                         "blocks/",
                                         "rep/",
                                         "optim/",
                                         "models/detector_",
                                         "models/hash_fill",
                                         "detect/loss_",
                                         "detect/coco_",
                                         "detect/assign_",
                                         "detect/decode_",
                                         NULL};
    static const char *const later[] = {"torch/", NULL};
    const oracle_share share = {.groups = others, .is_rest = true, .later = later};
    return oracle_main("models", &share, find);
}
