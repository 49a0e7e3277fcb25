/* test_optimizer.c - groups, layout, accumulation, averages; whole steps against plain formulas. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/optimizer.h"

struct run {
    rep_device *device;
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
};

static rep_vgg_spec small_spec(void) {
    return (rep_vgg_spec){.in_channels = 4,
                          .num_classes = 3,
                          .stage0_width = 8,
                          .widths = {8, 8, 8, 8},
                          .num_blocks = {1, 0, 0, 0},
                          .strides = {1, 1, 1, 1, 1},
                          .kernel_size = 3,
                          .act = REP_ACT_RELU,
                          .has_se = true,
                          .bn_eps = 1e-5f,
                          .bn_momentum = 0.1f};
}

static rep_optimizer_spec sgd(void) {
    return (rep_optimizer_spec){.sgd = {.momentum = 0.9f},
                                .lr_factor_bias = 2.0f,
                                .weight_decay = 0.1f,
                                .weight_decay_norm = 0.01f,
                                .weight_decay_bias = 0.001f};
}

static void build_graph(struct run *run, rep_mode mode) {
    const rep_vgg_spec vgg = small_spec();
    CHECK_OK(rep_graph_create(&run->graph));
    CHECK_OK(rep_model_build(&run->model, run->graph, &vgg, mode, true, 2, 6, 6, 0.0f));
    CHECK_OK(rep_graph_backward(run->graph, rep_model_io_get(run->model)->loss, 0));
}

static struct run start(rep_mode mode, const rep_optimizer_spec *spec) {
    struct run run = {0};
    build_graph(&run, mode);
    CHECK_OK(rep_optimizer_append(&run.optimizer, run.graph, run.model, spec, NULL));
    CHECK_OK(rep_device_open(&run.device, "cpu:float64", 1));
    CHECK_OK(rep_program_create(&run.program, run.device, run.graph, NULL, NULL));
    CHECK_OK(rep_optimizer_upload(run.optimizer, run.program));
    CHECK_OK(rep_model_init(run.model, run.graph, run.program, 5));
    CHECK_OK(rep_optimizer_reset(run.optimizer, run.program));
    return run;
}

static void finish(struct run *run) {
    rep_program_destroy(run->program);
    rep_device_close(run->device);
    rep_optimizer_destroy(run->optimizer);
    rep_model_destroy(run->model);
    rep_graph_destroy(run->graph);
}

static double *read_id(struct run *run, rep_id id, size_t *count) {
    *count = rep_shape_count(rep_graph_shape(run->graph, id));
    double *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    CHECK_OK(rep_program_read_f64(run->program, id, values, *count));
    return values;
}

static double *read_name(struct run *run, const char *name, size_t *count) {
    const rep_id id = rep_graph_find(run->graph, name);
    if (!id) { fail_msg("no tensor %s", name); }
    return read_id(run, id, count);
}

struct words {
    float v[REP_STEP_WORDS];
};
static struct words step_words(void) {
    struct words w = {{0}};
    w.v[REP_STEP_LR] = 0.1f;
    w.v[REP_STEP_APPLY] = 1.0f;
    w.v[REP_STEP_GRAD_SCALE] = 1.0f;
    w.v[REP_STEP_VALID] = 2.0f;
    return w;
}

static void feed(struct run *run, uint64_t batch, const struct words *words, rep_phase last) {
    const rep_model_io *io = rep_model_io_get(run->model);
    float image[2 * 4 * 6 * 6];
    int32_t labels[2];
    rep_rng rng;
    rep_rng_init(&rng, 2, batch);
    for (size_t i = 0; i < sizeof image / sizeof *image; i++) { image[i] = rep_rng_normal(&rng); }
    for (int i = 0; i < 2; i++) { labels[i] = (int32_t)rep_rng_below(&rng, 3); }
    CHECK_OK(rep_program_write(run->program, io->image, image, sizeof image / sizeof *image));
    CHECK_OK(rep_program_write(run->program, io->labels, labels, 2));
    CHECK_OK(rep_program_write(run->program, io->step, words->v, REP_STEP_WORDS));
    CHECK_OK(rep_program_run(run->program, REP_FORWARD, last));
}

/* ---- groups
 * ---------------------------------------------------------------------------------------- */

/* What a tensor's name says of its group. RepVGG's identity BN decays, as the published rule takes
 * "identity.weight" for a kernel wherever it stands. */
static void expect_group(const rep_member *member, const rep_optimizer_spec *spec) {
    const char *name = member->name;
    float decay = spec->weight_decay, factor = 1.0f;
    if (strstr(name, "bias")) {
        decay = spec->weight_decay_bias;
        factor = spec->lr_factor_bias;
    } else if (strstr(name, "scale_conv") || strstr(name, "scale_1x1")) {
        decay = 0.0f;
    } else if (strstr(name, ".bn") && !strstr(name, "bn_identity.weight")) {
        decay = spec->weight_decay_norm;
    }
    if (member->weight_decay != decay || member->lr_factor != factor) {
        fail_msg("%s: decay %g, factor %g", name, (double)member->weight_decay,
                 (double)member->lr_factor);
    }
}

static void test_groups(void **state) {
    (void)state;
    static const rep_mode modes[] = {REP_MODE_NORMAL,       REP_MODE_TARGET,
                                     REP_MODE_HYPER_SEARCH, REP_MODE_CSLA,
                                     REP_MODE_REPVGG_BLOCK, REP_MODE_QAREPVGG_BLOCK};
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
        const rep_optimizer_spec spec = sgd();
        struct run run = start(modes[m], &spec);
        const rep_optimizer *o = run.optimizer;
        size_t trainable = 0, end = 0;
        for (rep_id id = 1; id < run.graph->tensor_count; id++) {
            const rep_tensor *tensor = &run.graph->tensors[id];
            if (tensor->kind == REP_KIND_NONE || !tensor->is_trainable) { continue; }
            size_t found = 0;
            trainable++;
            for (size_t i = 0; i < o->param_count; i++) { found += o->members[i].id == id; }
            assert_int_equal(found, 1);
        }
        assert_int_equal(trainable, o->param_count);
        for (size_t i = 0; i < o->param_count; i++) {
            const rep_member *member = &o->members[i];
            expect_group(member, &spec);
            assert_true(member->offset >= end && member->offset % 16 == 0);
            assert_int_equal(o->segments[i].offset, member->offset);
            assert_int_equal(o->segments[i].flags, 0);
            end = member->offset + rep_shape_count(member->shape);
        }
        assert_true(end <= o->param_size && o->param_size <= o->average_size);
        finish(&run);
    }
}

static void test_explain(void **state) {
    (void)state;
    const rep_optimizer_spec spec = sgd();
    struct run run = start(REP_MODE_CSLA, &spec);
    char *text = NULL;
    CHECK_OK(rep_optimizer_explain(run.optimizer, &text));
    size_t lines = 0;
    for (const char *p = text; *p; p++) { lines += *p == '\n'; }
    assert_int_equal(lines, 1 + run.optimizer->param_count);
    assert_non_null(
        strstr(text, "stage1.0.scale_identity.weight           8                    identity"));
    assert_null(strstr(text, "scale_conv")); /* constant in this mode */
    free(text);
    finish(&run);
    /* Under RepOptimizer the masks are named. */
    struct run target = {0};
    const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    const rep_scale_row rows[2] = {
        {.channels = 8, .s = ones, .t = ones},
        {.channels = 8, .is_triple = true, .s = ones, .t = ones, .u = ones}};
    const rep_scale_row *list[2] = {&rows[0], &rows[1]};
    build_graph(&target, REP_MODE_TARGET);
    CHECK_OK(rep_optimizer_append(&target.optimizer, target.graph, target.model, &spec, list));
    CHECK_OK(rep_optimizer_explain(target.optimizer, &text));
    assert_non_null(strstr(text, "s^2 + t^2 centre\n"));
    assert_non_null(strstr(text, "s^2 + t^2 centre + 1 diagonal\n"));
    assert_true(rep_graph_find(target.graph, "scales.stage1.0.scale_identity.weight") != 0);
    assert_true(rep_graph_find(target.graph, "scales.stage0.scale_conv.weight") != 0);
    assert_false(rep_graph_find(target.graph, "scales.stage0.scale_identity.weight"));
    free(text);
    finish(&target);
    target = (struct run){0};
    list[0] = &rows[1];
    build_graph(&target, REP_MODE_TARGET);
    CHECK_FAILS(rep_optimizer_append(&target.optimizer, target.graph, target.model, &spec, list),
                REP_ERR_DATA, "stage0");
    finish(&target);
}

static void test_refused_settings(void **state) {
    (void)state;
    static const char *const parts[] = {"NESTEROV", "NESTEROV", "MOMENTUM", "EMA_DECAY",
                                        "AdamW",    "AdamW",    "negative"};
    for (int i = 0; i < 7; i++) {
        rep_optimizer_spec spec = sgd();
        struct run run = {0};
        if (i < 2) { spec.sgd.nesterov = 1; }
        if (i == 0) { spec.sgd.momentum = 0.0f; }
        if (i == 1) { spec.sgd.dampening = 0.1f; }
        if (i == 2) { spec.sgd.momentum = -0.1f; }
        if (i == 3) { spec.ema_decay = 1.0f; }
        spec.is_adamw = i == 4 || i == 5;
        spec.adamw = (rep_adamw_params){
            .beta1 = 0.9f, .beta2 = i == 4 ? 1.0f : 0.999f, .eps = i == 5 ? 0.0f : 1e-8f};
        if (i == 6) { spec.weight_decay = NAN; }
        build_graph(&run, REP_MODE_NORMAL);
        CHECK_FAILS(rep_optimizer_append(&run.optimizer, run.graph, run.model, &spec, NULL),
                    REP_ERR_CONFIG, parts[i]);
        finish(&run);
    }
    struct run run = {0}; /* without a backward walk there is nothing to update */
    const rep_vgg_spec vgg = small_spec();
    const rep_optimizer_spec spec = sgd();
    CHECK_OK(rep_graph_create(&run.graph));
    CHECK_OK(rep_model_build(&run.model, run.graph, &vgg, REP_MODE_NORMAL, true, 2, 6, 6, 0.0f));
    CHECK_FAILS(rep_optimizer_append(&run.optimizer, run.graph, run.model, &spec, NULL),
                REP_ERR_ARGUMENT, "rep_graph_backward");
    finish(&run);
}

/* ---- steps
 * ----------------------------------------------------------------------------------------- */

/* Two Nesterov steps of every parameter by torch.optim.SGD's formula, and its momentum by name. */
static void test_sgd_steps(void **state) {
    (void)state;
    rep_optimizer_spec spec = sgd();
    spec.sgd.nesterov = 1;
    struct run run = start(REP_MODE_HYPER_SEARCH, &spec);
    const rep_optimizer *o = run.optimizer;
    double *buf = calloc(o->model_size, sizeof *buf);
    for (int t = 0; t < 2; t++) {
        struct words words = step_words();
        words.v[REP_STEP_FIRST] = t == 0;
        size_t count = 0;
        double *w = read_id(&run, o->model, &count);
        feed(&run, (uint64_t)t, &words, REP_UPDATE);
        double *after = read_id(&run, o->model, &count);
        for (size_t i = 0; i < o->param_count; i++) {
            const rep_member *member = &o->members[i];
            char name[160];
            size_t n = 0;
            double *g = read_id(&run, rep_graph_gradient(run.graph, member->id), &n);
            snprintf(name, sizeof name, "optimizer.momentum.%s", member->name);
            double *momentum = read_name(&run, name, &n);
            for (size_t j = 0; j < n; j++) {
                const size_t at = member->offset + j;
                const double d = g[j] + (double)member->weight_decay * w[at];
                buf[at] = t == 0 ? d : (double)0.9f * buf[at] + d;
                const double lr = (double)0.1f * (double)member->lr_factor;
                const double wanted = w[at] - lr * (d + (double)0.9f * buf[at]);
                assert_true(fabs(after[at] - wanted) <= 1e-13 * (1.0 + fabs(wanted)));
                assert_true(fabs(momentum[j] - buf[at]) <= 1e-13 * (1.0 + fabs(buf[at])));
            }
            free(g);
            free(momentum);
        }
        free(w);
        free(after);
    }
    free(buf);
    finish(&run);
}

/* The norm is there before the update runs, so that a bad step can be refused. */
static void test_norm(void **state) {
    (void)state;
    rep_optimizer_spec spec = sgd();
    spec.clip_norm = 0.01f;
    struct run run = start(REP_MODE_NORMAL, &spec);
    const rep_optimizer *o = run.optimizer;
    const struct words words = step_words();
    size_t count = 0;
    double *before = read_id(&run, o->model, &count);
    feed(&run, 0, &words, REP_BACKWARD);
    double *after = read_id(&run, o->model, &count), squares = 0.0, pair[2];
    for (size_t i = 0; i < o->param_count; i++) {
        size_t n = 0;
        double *g = read_id(&run, rep_graph_gradient(run.graph, o->members[i].id), &n);
        for (size_t j = 0; j < n; j++) { squares += g[j] * g[j]; }
        free(g);
    }
    CHECK_OK(rep_program_read_f64(run.program, rep_optimizer_norm(o), pair, 2));
    assert_true(fabs(pair[1] - sqrt(squares)) <= 1e-12 * pair[1] && pair[1] > 0.01);
    assert_true(fabs(pair[0] - (double)0.01f / (pair[1] + 1e-6)) <= 1e-12);
    assert_memory_equal(before, after, o->param_size * sizeof *before);
    free(before);
    free(after);
    finish(&run);
}

/* Two batches accumulated at half weight move the net like one step on the mean of their gradients.
 */
static void test_accumulation(void **state) {
    (void)state;
    rep_optimizer_spec spec = sgd();
    struct run plain = start(REP_MODE_NORMAL, &spec);
    spec.accumulates = true;
    struct run run = start(REP_MODE_NORMAL, &spec);
    const rep_optimizer *o = run.optimizer;
    struct words words = step_words();
    double *mean = calloc(o->param_size, sizeof *mean);
    size_t count = 0, n = 0;
    double *w = read_id(&run, o->model, &count);
    for (uint64_t batch = 0; batch < 2; batch++) {
        feed(&plain, batch, &words, REP_BACKWARD);
        for (size_t i = 0; i < o->param_count; i++) {
            const rep_member *member = &o->members[i];
            double *g = read_id(&plain, rep_graph_gradient(plain.graph, member->id), &n);
            for (size_t j = 0; j < n; j++) { mean[member->offset + j] += 0.5 * g[j]; }
            free(g);
        }
    }
    words.v[REP_STEP_FIRST] = 1.0f;
    words.v[REP_STEP_GRAD_SCALE] = 0.5f;
    words.v[REP_STEP_APPLY] = 0.0f; /* first batch: gather only */
    feed(&run, 0, &words, REP_UPDATE);
    double *between = read_id(&run, o->model, &count);
    assert_memory_equal(between, w, o->param_size * sizeof *w);
    words.v[REP_STEP_APPLY] = words.v[REP_STEP_KEEP] = 1.0f;
    feed(&run, 1, &words, REP_UPDATE);
    double *after = read_id(&run, o->model, &count);
    for (size_t i = 0; i < o->param_count; i++) {
        const rep_member *member = &o->members[i];
        for (size_t j = 0; j < rep_shape_count(member->shape); j++) {
            const size_t at = member->offset + j;
            const double d = mean[at] + (double)member->weight_decay * w[at];
            const double wanted = w[at] - (double)0.1f * (double)member->lr_factor * d;
            assert_true(fabs(after[at] - wanted) <= 1e-13 * (1.0 + fabs(wanted)));
        }
    }
    assert_true(rep_graph_find(run.graph, "optimizer.accumulated.stage0.conv.weight") != 0);
    free(mean);
    free(w);
    free(between);
    free(after);
    finish(&run);
    finish(&plain);
}

/* The average covers parameters and running statistics, and leaves constants alone. */
static void test_average(void **state) {
    (void)state;
    rep_optimizer_spec spec = sgd();
    spec.ema_decay = 0.99f;
    struct run run = start(REP_MODE_CSLA, &spec);
    struct words words = step_words();
    words.v[REP_STEP_FIRST] = 1.0f;
    words.v[REP_STEP_EMA] = 0.75f;
    static const char *const names[] = {"stage0.conv.weight", "stage1.0.bn.running_var",
                                        "stage1.0.scale_identity.weight"};
    size_t n = 0;
    double *start_of[3];
    for (int i = 0; i < 3; i++) { start_of[i] = read_name(&run, names[i], &n); }
    feed(&run, 0, &words, REP_UPDATE);
    for (int i = 0; i < 3; i++) {
        char name[96];
        snprintf(name, sizeof name, "ema.%s", names[i]);
        double *x = read_name(&run, names[i], &n), *average = read_name(&run, name, &n);
        double moved = 0.0;
        for (size_t j = 0; j < n; j++) {
            assert_true(fabs(average[j] - (0.75 * start_of[i][j] + 0.25 * x[j])) < 1e-14);
            moved = fmax(moved, fabs(x[j] - start_of[i][j]));
        }
        assert_true(moved > 0.0);
        free(x);
        free(average);
        free(start_of[i]);
    }
    assert_false(rep_graph_find(run.graph, "ema.stage0.scale_conv.weight"));
    assert_true(rep_graph_find(run.graph, "ema.stage0.bn.running_mean") != 0);
    /* An evaluation program takes the average by name, constants from the net itself. */
    struct run eval = {0};
    rep_program *program = NULL;
    const rep_vgg_spec vgg = small_spec();
    CHECK_OK(rep_graph_create(&eval.graph));
    CHECK_OK(rep_model_build(&eval.model, eval.graph, &vgg, REP_MODE_CSLA, false, 2, 6, 6, 0.0f));
    CHECK_OK(rep_program_create(&program, run.device, eval.graph, run.program, "ema."));
    const rep_id id = rep_graph_find(eval.graph, "stage0.conv.weight");
    double shared[8 * 4 * 9];
    CHECK_OK(rep_program_read_f64(program, id, shared, sizeof shared / sizeof *shared));
    double *average = read_name(&run, "ema.stage0.conv.weight", &n);
    assert_memory_equal(shared, average, sizeof shared);
    free(average);
    rep_program_destroy(program);
    rep_model_destroy(eval.model);
    rep_graph_destroy(eval.graph);
    finish(&run);
}

/* AdamW's first step is lr * sign(g) nearly, whatever the gradient's size; decay comes first. */
static void test_adamw_step(void **state) {
    (void)state;
    rep_optimizer_spec spec = sgd();
    spec.is_adamw = true;
    spec.adamw = (rep_adamw_params){.beta1 = 0.5f, .beta2 = 0.75f, .eps = 1e-3f};
    struct run run = start(REP_MODE_NORMAL, &spec);
    const rep_optimizer *o = run.optimizer;
    struct words words = step_words();
    words.v[REP_STEP_BIAS1] = 0.5f;
    words.v[REP_STEP_BIAS2] = 0.25f;
    size_t count = 0, n = 0;
    double *w = read_id(&run, o->model, &count);
    feed(&run, 0, &words, REP_UPDATE);
    double *after = read_id(&run, o->model, &count);
    for (size_t i = 0; i < o->param_count; i++) {
        const rep_member *member = &o->members[i];
        double *g = read_id(&run, rep_graph_gradient(run.graph, member->id), &n);
        const double lr = (double)0.1f * (double)member->lr_factor;
        for (size_t j = 0; j < n; j++) {
            const size_t at = member->offset + j;
            const double wanted = w[at] * (1.0 - lr * (double)member->weight_decay) -
                                  lr * g[j] / (fabs(g[j]) + (double)1e-3f);
            assert_true(fabs(after[at] - wanted) <= 1e-12);
        }
        free(g);
    }
    assert_true(rep_graph_find(run.graph, "optimizer.exp_avg.linear.bias") != 0);
    assert_true(rep_graph_find(run.graph, "optimizer.exp_avg_sq.linear.bias") != 0);
    free(w);
    free(after);
    finish(&run);
}

/* One gradient tensor that serves two parameters is copied; a parameter off the loss's path is left
 * alone and said to be. */
static void test_shared_gradient(void **state) {
    (void)state;
    struct run run = {0};
    const rep_shape c = {1, 4, 1, 1};
    CHECK_OK(rep_graph_create(&run.graph));
    const rep_id a = rep_graph_param(run.graph, "a", c, 1, REP_KIND_WEIGHT);
    const rep_id b = rep_graph_param(run.graph, "b", c, 1, REP_KIND_WEIGHT);
    const rep_id lost = rep_graph_param(run.graph, "lost", c, 1, REP_KIND_WEIGHT);
    const rep_id sum = REP_APPEND(run.graph, ADD, NULL, a, b);
    const rep_id loss = REP_APPEND(run.graph, REDUCE_SUM, &(rep_reduce_params){.scale = 2.0f}, sum);
    const rep_optimizer_spec spec = {.lr_factor_bias = 1.0f};
    CHECK_OK(rep_graph_backward(run.graph, loss, 0));
    CHECK_OK(rep_optimizer_append(&run.optimizer, run.graph, NULL, &spec, NULL));
    char *text = NULL;
    CHECK_OK(rep_optimizer_explain(run.optimizer, &text));
    assert_non_null(strstr(text, "not updated: the loss does not depend on it"));
    free(text);
    CHECK_OK(rep_device_open(&run.device, "cpu:float64", 1));
    CHECK_OK(rep_program_create(&run.program, run.device, run.graph, NULL, NULL));
    CHECK_OK(rep_optimizer_upload(run.optimizer, run.program));
    const struct words words = step_words();
    CHECK_OK(
        rep_program_write(run.program, rep_graph_find(run.graph, "step"), words.v, REP_STEP_WORDS));
    CHECK_OK(rep_program_run(run.program, REP_FORWARD, REP_UPDATE));
    const rep_id ids[] = {a, b, lost};
    for (int i = 0; i < 3; i++) {
        size_t n = 0;
        double *values = read_id(&run, ids[i], &n);
        for (size_t j = 0; j < n; j++) {
            assert_true(fabs(values[j] - (i < 2 ? -2.0 * (double)0.1f : 0.0)) < 1e-15);
        }
        free(values);
    }
    finish(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_refused_settings),
        cmocka_unit_test(test_sgd_steps),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_adamw_step),
        cmocka_unit_test(test_shared_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
