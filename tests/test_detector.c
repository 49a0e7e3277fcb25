/* test_detector.c - the detector: blocks and counts, shared towers, the method on it, deployment.
 *
 * Its numbers against PyTorch's are test_oracle_detector's, its settings test_detector_config's.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/nn.h"

enum { BATCH = 2, HEIGHT = 64, WIDTH = 80, MOST_BLOCKS = 32 };

static const rep_mode modes[] = {REP_MODE_TARGET, REP_MODE_HYPER_SEARCH, REP_MODE_CSLA,
                                 REP_MODE_NORMAL, REP_MODE_REPVGG_BLOCK, REP_MODE_QAREPVGG_BLOCK};

static rep_detector_spec narrow_spec(void) {
    rep_detector_spec spec;
    rep_detector_spec_init(&spec, 3, 5);
    const int32_t channels[] = {8, 8, 16, 16, 24}, repeats[] = {1, 1, 1, 1, 1};
    memcpy(spec.channels, channels, sizeof spec.channels);
    memcpy(spec.repeats, repeats, sizeof spec.repeats);
    spec.fpn_channels = 16;
    spec.tower_blocks = 2;
    return spec;
}

/* A net with its program; without `device` only the graph. */
struct run {
    rep_detector_spec spec;
    rep_device *device;
    rep_graph *graph;
    rep_model *model;
    const rep_detector_io *io;
    rep_optimizer *optimizer;
    rep_program *program;
};

static void make_graph(struct run *run, rep_mode mode, bool is_training, int32_t batch,
                       int32_t height, int32_t width) {
    CHECK_OK(rep_graph_create(&run->graph));
    CHECK_OK(rep_detector_build(&run->model, run->graph, &run->spec, mode, is_training, batch,
                                height, width));
    run->io = rep_detector_io_get(run->model);
    if (is_training) { CHECK_OK(rep_graph_backward(run->graph, run->io->loss, 0)); }
}

static void make_program(struct run *run, const char *device) {
    CHECK_OK(rep_device_open(&run->device, device, 1));
    CHECK_OK(rep_program_create(&run->program, run->device, run->graph, NULL, NULL));
    if (run->optimizer) { CHECK_OK(rep_optimizer_upload(run->optimizer, run->program)); }
    CHECK_OK(rep_model_init(run->model, run->graph, run->program, 7));
}

static void finish(struct run *run) {
    rep_program_destroy(run->program);
    rep_optimizer_destroy(run->optimizer);
    rep_model_destroy(run->model);
    rep_graph_destroy(run->graph);
    rep_device_close(run->device);
}

/* ---- blocks --------------------------------------------------------------------------------- */

static size_t count_of(const struct run *run, rep_id id) {
    return id ? rep_shape_count(rep_graph_shape(run->graph, id)) : 0;
}

static void test_counts(void **state) {
    (void)state;
    struct run target = {0}, search = {0};
    rep_detector_spec_init(&target.spec, 3, 5);
    search.spec = target.spec;
    make_graph(&target, REP_MODE_TARGET, true, 1, 64, 64);
    make_graph(&search, REP_MODE_HYPER_SEARCH, true, 1, 64, 64);
    size_t identities = 0, masked = 0, searched = 0;
    assert_int_equal(rep_model_block_count(target.model), 27);
    assert_int_equal(rep_model_block_count(search.model), 27);
    for (size_t i = 0; i < 27; i++) {
        const rep_block *block = rep_model_block(search.model, i);
        identities += block->has_identity;
        masked += count_of(&target, rep_model_block(target.model, i)->weight);
        searched += count_of(&search, block->weight) + count_of(&search, block->weight_1x1) +
                    count_of(&search, block->s) + count_of(&search, block->t) +
                    count_of(&search, block->u);
    }
    assert_int_equal(identities, 22);
    assert_int_equal(masked, 7585632);
    assert_int_equal(searched, 8440160);
    assert_string_equal(rep_model_block(target.model, 0)->name, "backbone.stem");
    assert_string_equal(rep_model_block(target.model, 26)->name, "head.cls.0.block.1");
    finish(&target);
    finish(&search);
}

/* Every mode and every switch of the head makes a whole training graph. */
static void test_forms(void **state) {
    (void)state;
    for (int form = 0; form < 64; form++) {
        struct run run = {.spec = narrow_spec()};
        run.spec.has_level_norms = form & 1;
        run.spec.centerness_on_reg = form & 2;
        run.spec.norm_reg_targets = form & 4;
        run.spec.is_half = form & 8;
        run.spec.num_keypoints = form & 16 ? 0 : 5;
        run.spec.tower_blocks = form & 32 ? 0 : 2;
        make_graph(&run, modes[form % 6], true, BATCH, HEIGHT, WIDTH);
        const size_t towers = run.spec.num_keypoints ? 3 : 2;
        assert_int_equal(rep_model_block_count(run.model),
                         9 + towers * (size_t)run.spec.tower_blocks);
        assert_int_equal(rep_graph_shape(run.graph, run.io->losses).c,
                         run.spec.num_keypoints ? 4 : 3);
        assert_int_equal(rep_graph_find(run.graph, "head.centerness.weight") != 0,
                         run.spec.centerness_on_reg);
        for (rep_id id = 1; id < run.graph->tensor_count; id++) {
            const rep_tensor *tensor = &run.graph->tensors[id];
            if (tensor->kind != REP_KIND_NONE && tensor->is_trainable && !tensor->gradient) {
                /* A BN identity's own weight is declared for the decay groups alone. */
                if (strstr(tensor->name, "rbr_identity.weight")) { continue; }
                fail_msg("form %d: %s gets no gradient", form, tensor->name);
            }
        }
        finish(&run);
    }
}

/* Any picture size: a level has ceil(previous / 2) cells a side. */
static void test_sizes(void **state) {
    (void)state;
    struct run run = {.spec = narrow_spec()};
    make_graph(&run, REP_MODE_TARGET, false, 1, 100, 1);
    const int32_t heights[] = {13, 7, 4, 2, 1};
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        assert_int_equal(run.io->levels[i].height, heights[i]);
        assert_int_equal(run.io->levels[i].width, 1);
        assert_int_equal(run.io->levels[i].stride_px, 8 << i);
        assert_int_equal(run.io->levels[i].labels, 0);
    }
    assert_int_equal(run.io->loss, 0);
    finish(&run);
}

static void test_bad_specs(void **state) {
    (void)state;
    static const char *const parts[] = {
        "stage 2 has 0 channels", "the stem: 1", "pyramid",      "YUMIN.ACT",     "BN", "0 classes",
        "CLS_CHANNELS: 3",        "PRIOR_PROB",  "-1 keypoints", "is not trained"};
    for (int i = 0; i < 10; i++) {
        struct run run = {.spec = narrow_spec()};
        rep_detector_spec *spec = &run.spec;
        if (i == 0) { spec->channels[2] = 0; }
        if (i == 1) { spec->repeats[0] = 2; }
        if (i == 2) { spec->fpn_channels = 0; }
        if (i == 3) { spec->act = REP_ACT_SILU; }
        if (i == 4) { spec->bn_eps = 0.0f; }
        if (i == 5) { spec->num_classes = 0; }
        if (i == 6) { spec->cls_channels = 3; }
        if (i == 7) { spec->prior_prob = 1.0f; }
        if (i == 8) { spec->num_keypoints = -1; }
        if (i == 9) { spec->is_deployed = true; }
        CHECK_OK(rep_graph_create(&run.graph));
        CHECK_FAILS(
            rep_detector_build(&run.model, run.graph, spec, REP_MODE_TARGET, true, 1, 32, 32),
            REP_ERR_CONFIG, parts[i]);
        assert_null(run.model);
        finish(&run);
    }
}

/* ---- targets -------------------------------------------------------------------------------- */

static void write_floats(struct run *run, rep_id id, rep_rng *rng, const int32_t *labels, float low,
                         float range) {
    const rep_shape shape = rep_graph_shape(run->graph, id);
    const size_t count = rep_shape_count(shape), columns = (size_t)shape.c;
    float *values = malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        const float drawn = low + range * rep_rng_uniform(rng);
        values[i] = labels && labels[i / columns] <= 0 ? 0.0f : drawn;
    }
    CHECK_OK(rep_program_write(run->program, id, values, count));
    free(values);
}

/* Drawn pictures and targets, the same for every run: one cell in four is positive. */
static void write_batch(struct run *run) {
    float norms[REP_DETECTOR_LOSSES];
    rep_rng rng;
    rep_rng_init(&rng, 3, 3);
    double positives = 0;
    write_floats(run, run->io->image, &rng, NULL, -1.0f, 2.0f);
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_detector_level *level = &run->io->levels[i];
        const size_t rows = count_of(run, level->labels);
        int32_t *labels = malloc(rows * sizeof *labels);
        for (size_t r = 0; r < rows; r++) {
            labels[r] = r % 4 ? 0 : 1 + (int32_t)(r / 4 % 3);
            positives += labels[r] > 0;
        }
        CHECK_OK(rep_program_write(run->program, level->labels, labels, rows));
        write_floats(run, level->box_targets, &rng, labels, 0.5f, 3.0f);
        write_floats(run, level->positives, &rng, labels, 1.0f, 0.0f);
        write_floats(run, level->centerness_target, &rng, labels, 0.5f, 0.0f);
        write_floats(run, level->keypoint_targets, &rng, labels, -2.0f, 4.0f);
        write_floats(run, level->keypoint_weights, &rng, labels, 1.0f, 0.0f);
        free(labels);
    }
    rep_detector_norms_get(norms, positives, positives / 2, 5 * positives);
    CHECK_OK(rep_program_write(run->program, run->io->norms, norms, REP_DETECTOR_LOSSES));
}

static void test_norms(void **state) {
    (void)state;
    float norms[REP_DETECTOR_LOSSES];
    rep_detector_norms_get(norms, 0, 0, 0);
    assert_true(norms[0] == 1 && norms[1] == 0 && norms[2] == 1 && norms[3] == 1);
    rep_detector_norms_get(norms, 8, 4, 16);
    assert_true(norms[0] == 0.125f && norms[1] == 0.25f && norms[2] == 0.125f &&
                norms[3] == 0.0625f);
}

/* ---- shared towers -------------------------------------------------------------------------- */

static double *values_of(struct run *run, rep_id id) {
    double *values = malloc(count_of(run, id) * sizeof *values);
    assert_true(id && values);
    CHECK_OK(rep_program_read_f64(run->program, id, values, count_of(run, id)));
    return values;
}

static double *named(struct run *run, const char *format, int level) {
    char name[REP_NAME_BYTES];
    snprintf(name, sizeof name, format, level);
    const rep_id id = rep_graph_find(run->graph, name);
    if (!id) { fail_msg("no tensor %s", name); }
    return values_of(run, id);
}

/* A shared BN's running mean has moved by one level after the other, finest first; level norms say
 * what each level's mean was. The gradient of the shared weight is the sum of the levels' own. */
static void test_level_norms(void **state) {
    (void)state;
    struct run own = {.spec = narrow_spec()}, shared = {.spec = narrow_spec()};
    struct run *const runs[] = {&own, &shared};
    own.spec.has_level_norms = true;
    for (int i = 0; i < 2; i++) {
        make_graph(runs[i], REP_MODE_TARGET, true, BATCH, HEIGHT, WIDTH);
        for (rep_id id = 1; id < runs[i]->graph->tensor_count; id++) {
            const rep_id gradient = rep_graph_gradient(runs[i]->graph, id);
            const bool is_norm = runs[i]->graph->tensors[id].kind == REP_KIND_NORM;
            if (is_norm) { rep_graph_keep(runs[i]->graph, gradient); }
        }
        make_program(runs[i], "cpu:float64");
        write_batch(runs[i]);
        CHECK_OK(rep_program_run(runs[i]->program, REP_FORWARD, REP_BACKWARD));
    }
    const char *const bn = "head.cls.0.conv1.bn";
    double *mean = named(&shared, "head.cls.0.conv1.bn.running_mean", 0);
    const rep_id weight = rep_graph_find(shared.graph, "head.cls.0.conv1.bn.weight");
    double *gradient = values_of(&shared, rep_graph_gradient(shared.graph, weight));
    double moved[16] = {0}, sum[16] = {0}, moment = (double)own.spec.bn_momentum;
    for (int level = 0; level < REP_DETECTOR_LEVELS; level++) {
        char name[REP_NAME_BYTES];
        snprintf(name, sizeof name, "%s.%d.weight", bn, level);
        const rep_id id = rep_graph_find(own.graph, name);
        double *of_level = named(&own, "head.cls.0.conv1.bn.%d.running_mean", level);
        double *part = values_of(&own, rep_graph_gradient(own.graph, id));
        for (int c = 0; c < 16; c++) {
            moved[c] = (1 - moment) * moved[c] + of_level[c]; /* of_level = moment * its mean */
            sum[c] += part[c];
        }
        free(of_level);
        free(part);
    }
    for (int c = 0; c < 16; c++) {
        assert_true(fabs(mean[c] - moved[c]) <= 1e-12 * (1 + fabs(mean[c])));
        assert_true(fabs(gradient[c] - sum[c]) <= 1e-12 * (1 + fabs(sum[c])));
    }
    assert_false(rep_graph_find(own.graph, "head.cls.0.conv1.bn.weight"));
    free(mean);
    free(gradient);
    finish(&own);
    finish(&shared);
}

/* ---- initial state -------------------------------------------------------------------------- */

static void test_prior(void **state) {
    (void)state;
    struct run run = {.spec = narrow_spec()};
    make_graph(&run, REP_MODE_TARGET, false, 1, 32, 32);
    make_program(&run, "cpu");
    double *bias = named(&run, "head.cls_logits.bias", 0);
    double *scale = named(&run, "head.scales.4.scale", 0);
    for (int c = 0; c < 16; c++) {
        if (c < 3) { assert_true(fabs(1.0 / (1.0 + exp(-bias[c])) - 0.01) < 1e-7); }
        if (c >= 3) { assert_true(fabs(bias[c]) <= 1.0 / 12.0); } /* 1 / sqrt(9 * 16) */
    }
    assert_true(scale[0] == 1);
    free(bias);
    free(scale);
    finish(&run);
}

/* ---- the method ----------------------------------------------------------------------------- */

static rep_optimizer_spec sgd(void) {
    return (rep_optimizer_spec){
        .sgd = {.momentum = 0.9f, .nesterov = 1}, .lr_factor_bias = 1.0f, .weight_decay = 0.01f};
}

/* Scales as a search may leave them, of either sign. */
static rep_scales *searched_scales(const rep_detector_spec *spec) {
    struct run search = {.spec = *spec};
    rep_scales *scales = NULL;
    rep_rng rng;
    rep_rng_init(&rng, 11, 11);
    make_graph(&search, REP_MODE_HYPER_SEARCH, true, BATCH, HEIGHT, WIDTH);
    make_program(&search, "cpu:float64");
    for (size_t b = 0; b < rep_model_block_count(search.model); b++) {
        const rep_block *block = rep_model_block(search.model, b);
        const rep_id ids[] = {block->s, block->t, block->u};
        for (int k = 0; k < 3; k++) {
            float values[64];
            for (int c = 0; c < 64; c++) { values[c] = 0.5f + 0.7f * rep_rng_normal(&rng); }
            if (!ids[k]) { continue; }
            CHECK_OK(rep_program_write(search.program, ids[k], values, (size_t)block->c_out));
        }
    }
    CHECK_OK(rep_scales_read(&scales, search.model, search.program));
    finish(&search);
    return scales;
}

/* A training program under SGD; `rows` as rep_optimizer_append wants them. */
static struct run start_training(rep_mode mode, const rep_detector_spec *spec,
                                 const rep_scale_row *const *rows) {
    struct run run = {.spec = *spec};
    const rep_optimizer_spec optimizer = sgd();
    make_graph(&run, mode, true, BATCH, HEIGHT, WIDTH);
    CHECK_OK(rep_optimizer_append(&run.optimizer, run.graph, run.model, &optimizer, rows));
    make_program(&run, "cpu:float64");
    CHECK_OK(rep_optimizer_reset(run.optimizer, run.program));
    write_batch(&run);
    return run;
}

static double train_step(struct run *run, bool is_first) {
    float step[REP_STEP_WORDS] = {0};
    double loss = 0;
    step[REP_STEP_LR] = 0.01f;
    step[REP_STEP_APPLY] = 1;
    step[REP_STEP_FIRST] = is_first;
    step[REP_STEP_GRAD_SCALE] = 1;
    CHECK_OK(
        rep_program_write(run->program, rep_model_io_get(run->model)->step, step, REP_STEP_WORDS));
    CHECK_OK(rep_program_run(run->program, REP_FORWARD, REP_UPDATE));
    CHECK_OK(rep_program_read_f64(run->program, run->io->loss, &loss, 1));
    return loss;
}

/* The target under RepOptimizer is the CSLA net under the ordinary one, towers shared by five
 * levels included; and the loss falls. */
static void test_equality(void **state) {
    (void)state;
    enum { STEPS = 12 };
    for (int form = 0; form < 2; form++) {
        rep_detector_spec spec = narrow_spec();
        spec.has_level_norms = form == 1;
        rep_scales *scales = searched_scales(&spec);
        const rep_scale_row *rows[MOST_BLOCKS];
        struct run plan = {.spec = spec};
        make_graph(&plan, REP_MODE_TARGET, true, BATCH, HEIGHT, WIDTH);
        CHECK_OK(rep_scales_match(scales, plan.model, rows));
        finish(&plan);
        struct run target = start_training(REP_MODE_TARGET, &spec, rows);
        struct run csla = start_training(REP_MODE_CSLA, &spec, NULL);
        CHECK_OK(
            rep_model_reinit(target.model, target.graph, target.program, rows, true, false, 7));
        CHECK_OK(rep_model_set_scales(csla.model, csla.program, rows));
        double first = 0, last = 0;
        for (int i = 0; i < STEPS; i++) {
            last = train_step(&target, i == 0);
            first = i == 0 ? last : first;
            const double twin = train_step(&csla, i == 0);
            if (!(fabs(last - twin) <= 1e-10 * twin)) {
                fail_msg("step %d: target %.15g, csla %.15g", i, last, twin);
            }
        }
        assert_true(last < 0.9 * first);
        finish(&target);
        finish(&csla);
        rep_scales_destroy(scales);
    }
}

/* ---- deployment ----------------------------------------------------------------------------- */

static rep_net net_of(const struct run *run) {
    return (rep_net){run->model, run->graph, run->program};
}

/* Running statistics, BN weights and biases as training may leave them. Variances are as small as
 * those of the drawn kernels' outputs and means lie about 0, so that signals reach the outputs. */
static void draw_norms(struct run *run) {
    rep_rng rng;
    rep_rng_init(&rng, 13, 13);
    for (rep_id id = 1; id < run->graph->tensor_count; id++) {
        const rep_tensor *tensor = &run->graph->tensors[id];
        if (tensor->kind == REP_KIND_BIAS || strstr(tensor->name, "running_mean")) {
            write_floats(run, id, &rng, NULL, -0.2f, 0.4f);
        } else if (tensor->kind == REP_KIND_BUFFER) {
            write_floats(run, id, &rng, NULL, 0.1f, 0.2f);
        } else if (tensor->kind == REP_KIND_NORM || tensor->kind == REP_KIND_SCALE) {
            write_floats(run, id, &rng, NULL, 0.5f, 1.0f);
        }
    }
}

/* An output says different things of different places; a silent net would equal any other. */
static void expect_alive(struct run *run, rep_id id) {
    double *values = values_of(run, id), low = values[0], high = values[0];
    for (size_t i = 0; i < count_of(run, id); i += (size_t)rep_graph_shape(run->graph, id).c) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    free(values);
    assert_true(high - low > 1e-3);
}

static void run_evaluation(struct run *run) {
    rep_rng rng;
    rep_rng_init(&rng, 17, 17);
    write_floats(run, run->io->image, &rng, NULL, -1.0f, 2.0f);
    CHECK_OK(rep_program_run(run->program, REP_FORWARD, REP_FORWARD));
}

static void expect_same(struct run *got, rep_id got_id, struct run *wanted, rep_id wanted_id) {
    double *a = values_of(got, got_id), *b = values_of(wanted, wanted_id);
    assert_int_equal(count_of(got, got_id), count_of(wanted, wanted_id));
    for (size_t i = 0; i < count_of(got, got_id); i++) {
        if (!(fabs(a[i] - b[i]) <= 1e-10 * (1 + fabs(b[i])))) {
            fail_msg("%s[%zu]: got %g, wanted %g", rep_graph_name(got->graph, got_id), i, a[i],
                     b[i]);
        }
    }
    free(a);
    free(b);
}

/* Every output of the deployed net is the evaluation graph's, in every mode. */
static void test_deploy(void **state) {
    (void)state;
    for (int form = 0; form < 12; form++) {
        const rep_mode mode = modes[form % 6];
        struct run trained = {.spec = narrow_spec()}, deployed = {0};
        trained.spec.has_level_norms = form >= 6;
        deployed.spec = trained.spec;
        deployed.spec.is_deployed = true;
        make_graph(&trained, mode, false, 1, HEIGHT, WIDTH);
        make_graph(&deployed, mode, false, 1, HEIGHT, WIDTH);
        make_program(&trained, "cpu:float64");
        make_program(&deployed, "cpu:float64");
        draw_norms(&trained);
        const rep_net to = net_of(&deployed), from = net_of(&trained);
        CHECK_OK(rep_model_fold(&to, &from));
        run_evaluation(&trained);
        run_evaluation(&deployed);
        expect_alive(&trained, trained.io->levels[0].classes);
        expect_alive(&trained, trained.io->levels[0].keypoints);
        for (int level = 0; level < REP_DETECTOR_LEVELS; level++) {
            const rep_detector_level *a = &deployed.io->levels[level];
            const rep_detector_level *b = &trained.io->levels[level];
            expect_same(&deployed, a->classes, &trained, b->classes);
            expect_same(&deployed, a->boxes, &trained, b->boxes);
            expect_same(&deployed, a->centerness, &trained, b->centerness);
            expect_same(&deployed, a->keypoints, &trained, b->keypoints);
        }
        assert_false(rep_graph_find(deployed.graph, "backbone.stem.bn.weight"));
        CHECK_FAILS(rep_model_fold(&from, &from), REP_ERR_ARGUMENT, ".conv");
        CHECK_FAILS(rep_model_fold(&to, &to), REP_ERR_ARGUMENT, "folded already");
        finish(&trained);
        finish(&deployed);
    }
}

/* Winograd's rounding may cross a kink, and stays a rounding in the loss. */
static void test_conv_algo(void **state) {
    (void)state;
    double losses[2];
    for (int i = 0; i < 2; i++) {
        struct run run = {.spec = narrow_spec()};
        run.spec.conv_algo = i == 0 ? 1 : 2;
        make_graph(&run, REP_MODE_TARGET, true, BATCH, HEIGHT, WIDTH);
        make_program(&run, "cpu");
        write_batch(&run);
        CHECK_OK(rep_program_run(run.program, REP_FORWARD, REP_BACKWARD));
        CHECK_OK(rep_program_read_f64(run.program, run.io->loss, &losses[i], 1));
        finish(&run);
    }
    assert_true(losses[0] > 0 && fabs(losses[1] - losses[0]) <= 1e-4 * losses[0]);
}

/* ---- memory --------------------------------------------------------------------------------- */

/* A step of batch 4 at 320 x 320 stays below 500 MiB, state and inputs included. */
static void test_memory(void **state) {
    (void)state;
    struct run run = {0};
    rep_plan *plan = NULL;
    const rep_optimizer_spec optimizer = sgd();
    rep_detector_spec_init(&run.spec, 3, 5);
    make_graph(&run, REP_MODE_HYPER_SEARCH, true, 4, 320, 320);
    CHECK_OK(rep_optimizer_append(&run.optimizer, run.graph, run.model, &optimizer, NULL));
    CHECK_OK(rep_plan_create(&plan, run.graph, sizeof(float), NULL, NULL, NULL));
    const size_t bytes =
        plan->region_bytes[REP_WORK] + plan->region_bytes[REP_STATE] + plan->region_bytes[REP_IO];
    assert_true(bytes > 0 && bytes < (size_t)500 << 20);
    rep_plan_destroy(plan);
    finish(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_forms),
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_norms),  cmocka_unit_test(test_level_norms),
        cmocka_unit_test(test_prior),  cmocka_unit_test(test_equality),
        cmocka_unit_test(test_deploy), cmocka_unit_test(test_conv_algo),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
