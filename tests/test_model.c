/* test_model.c - whole nets: names, parameter counts, initial state, settings, linter. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/nn.h"

/* ---- whole nets
 * ---------------------------------------------------------------------------------- */

static rep_vgg_spec small_spec(void) {
    rep_vgg_spec spec;
    CHECK_OK(rep_vgg_preset(&spec, "tiny"));
    spec.num_classes = 10;
    return spec;
}

struct vgg {
    rep_graph *graph;
    rep_model *model;
};

static struct vgg build(const rep_vgg_spec *spec, rep_mode mode, bool is_training) {
    struct vgg net = {0};
    CHECK_OK(rep_graph_create(&net.graph));
    CHECK_OK(rep_model_build(&net.model, net.graph, spec, mode, is_training, 2, 16, 16, 0.1f));
    return net;
}

static void release(struct vgg *net) {
    rep_model_destroy(net->model);
    rep_graph_destroy(net->graph);
}

static void expect_tensor(const struct vgg *net, const char *name, int rank, rep_shape shape) {
    const rep_id id = rep_graph_find(net->graph, name);
    if (!id) { fail_msg("no tensor %s", name); }
    assert_int_equal(net->graph->tensors[id].rank, rank);
    assert_true(rep_shape_equal(rep_graph_shape(net->graph, id), shape));
}

static void test_names(void **state) {
    (void)state;
    rep_vgg_spec spec = small_spec();
    struct vgg net = build(&spec, REP_MODE_HYPER_SEARCH, true);
    assert_int_equal(rep_model_block_count(net.model), 8);
    assert_string_equal(rep_model_block(net.model, 0)->name, "stage0");
    assert_string_equal(rep_model_block(net.model, 7)->name, "stage4.0");
    expect_tensor(&net, "stage0.conv.weight", 4, (rep_shape){16, 3, 3, 3});
    expect_tensor(&net, "stage1.1.scale_identity.weight", 1, (rep_shape){1, 16, 1, 1});
    expect_tensor(&net, "stage2.0.conv_1x1.weight", 4, (rep_shape){32, 16, 1, 1});
    expect_tensor(&net, "stage4.0.bn.running_var", 1, (rep_shape){1, 128, 1, 1});
    expect_tensor(&net, "linear.weight", 2, (rep_shape){10, 128, 1, 1});
    expect_tensor(&net, "linear.bias", 1, (rep_shape){1, 10, 1, 1});
    assert_false(rep_graph_find(net.graph, "stage2.0.scale_identity.weight")); /* stride 2 */
    assert_false(rep_graph_find(net.graph, "stage0.scale_identity.weight"));   /* 3 to 16 */
    release(&net);
    net = build(&spec, REP_MODE_REPVGG_BLOCK, false);
    expect_tensor(&net, "stage1.0.conv_3x3.weight", 4, (rep_shape){16, 16, 3, 3});
    expect_tensor(&net, "stage1.0.bn_identity.running_mean", 1, (rep_shape){1, 16, 1, 1});
    assert_int_equal(rep_model_io_get(net.model)->loss, 0);
    assert_int_equal(rep_model_io_get(net.model)->labels, 0);
    release(&net);
}

/* Trainable parameters by hand: kernels, two BN values per channel, the classifier; a pair adds a
 * 1x1 kernel and two scales per channel, a triple three. */
static void test_param_counts(void **state) {
    (void)state;
    rep_vgg_spec spec = small_spec();
    const size_t in[] = {3, 16, 16, 16, 32, 32, 64, 64}, out[] = {16, 16, 16, 32, 32, 64, 64, 128};
    const bool triple[] = {false, true, true, false, true, false, true, false};
    size_t plain = 128 * 10 + 10, search = plain, csla = plain;
    for (size_t i = 0; i < 8; i++) {
        plain += 9 * in[i] * out[i] + 2 * out[i];
        csla += 10 * in[i] * out[i] + 2 * out[i] + (triple[i] ? out[i] : 0);
        search += 10 * in[i] * out[i] + (triple[i] ? 5 : 4) * out[i];
    }
    const struct {
        rep_mode mode;
        size_t count;
    } cases[] = {{REP_MODE_TARGET, plain},
                 {REP_MODE_NORMAL, plain},
                 {REP_MODE_CSLA, csla},
                 {REP_MODE_HYPER_SEARCH, search}};
    for (size_t i = 0; i < 4; i++) {
        struct vgg net = build(&spec, cases[i].mode, true);
        assert_int_equal(rep_model_param_count(net.model, net.graph), cases[i].count);
        release(&net);
    }
}

/* The paper's table gives 51.8 M parameters for RepOpt-VGG-B1, whose BN is folded there. */
static void test_presets(void **state) {
    (void)state;
    rep_vgg_spec spec;
    CHECK_OK(rep_vgg_preset(&spec, "B1"));
    rep_graph *graph = NULL;
    rep_model *model = NULL;
    CHECK_OK(rep_graph_create(&graph));
    CHECK_OK(rep_model_build(&model, graph, &spec, REP_MODE_TARGET, false, 1, 224, 224, 0.0f));
    const double millions = (double)rep_model_param_count(model, graph) / 1e6;
    assert_true(fabs(millions - 51.85) < 0.05);
    assert_int_equal(rep_model_block_count(model), 28);
    rep_model_destroy(model);
    rep_graph_destroy(graph);
    CHECK_FAILS(rep_vgg_preset(&spec, "B7"), REP_ERR_CONFIG, "B1, B2, L1, L2");
}

static void test_bad_specs(void **state) {
    (void)state;
    static const char *const parts[] = {"KERNEL_SIZE", "ACT",     "classes", "STRIDES",
                                        "stage 2",     "stage 0", "BN"};
    for (int i = 0; i < 7; i++) {
        rep_vgg_spec spec = small_spec();
        rep_graph *graph = NULL;
        rep_model *model = NULL;
        if (i == 0) { spec.kernel_size = 4; }
        if (i == 1) { spec.act = REP_ACT_SILU; }
        if (i == 2) { spec.num_classes = 0; }
        if (i == 3) { spec.strides[4] = 0; }
        if (i == 4) { spec.widths[1] = -8; }
        if (i == 5) { spec.stage0_width = 0; }
        if (i == 6) { spec.bn_eps = 0.0f; }
        CHECK_OK(rep_graph_create(&graph));
        CHECK_FAILS(rep_model_build(&model, graph, &spec, REP_MODE_TARGET, true, 2, 16, 16, 0.0f),
                    REP_ERR_CONFIG, parts[i]);
        assert_null(model);
        rep_graph_destroy(graph);
    }
}

/* A picture that shrinks to nothing is the graph's fault, reported once. */
static void test_small_picture(void **state) {
    (void)state;
    rep_vgg_spec spec = small_spec();
    rep_graph *graph = NULL;
    rep_model *model = NULL;
    spec.num_blocks[3] = 0; /* a stage may be left out */
    CHECK_OK(rep_graph_create(&graph));
    CHECK_OK(rep_model_build(&model, graph, &spec, REP_MODE_TARGET, true, 1, 1, 1, 0.0f));
    assert_int_equal(rep_model_block_count(model), 7);
    rep_model_destroy(model);
    model = NULL;
    rep_graph_destroy(graph);
    CHECK_OK(rep_graph_create(&graph));
    CHECK_FAILS(rep_model_build(&model, graph, &spec, REP_MODE_TARGET, true, 0, 8, 8, 0.0f),
                REP_ERR_SHAPE, "image");
    rep_graph_destroy(graph);
}

/* ---- initial state
 * ------------------------------------------------------------------------------- */

struct run {
    struct vgg net;
    rep_device *device;
    rep_program *program;
};

static struct run start(const rep_vgg_spec *spec, rep_mode mode, uint64_t seed) {
    struct run run = {.net = build(spec, mode, true)};
    CHECK_OK(rep_device_open(&run.device, "cpu", 1));
    CHECK_OK(rep_program_create(&run.program, run.device, run.net.graph, NULL, NULL));
    CHECK_OK(rep_model_init(run.net.model, run.net.graph, run.program, seed));
    return run;
}

static void finish(struct run *run) {
    rep_program_destroy(run->program);
    rep_device_close(run->device);
    release(&run->net);
}

static float *values_of(struct run *run, const char *name, size_t *count) {
    const rep_id id = rep_graph_find(run->net.graph, name);
    if (!id) { fail_msg("no tensor %s", name); }
    *count = rep_shape_count(rep_graph_shape(run->net.graph, id));
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    CHECK_OK(rep_program_read(run->program, id, values, *count));
    return values;
}

static void expect_all(struct run *run, const char *name, float value) {
    size_t count = 0;
    float *values = values_of(run, name, &count);
    for (size_t i = 0; i < count; i++) { assert_true(values[i] == value); }
    free(values);
}

/* Uniform on (-bound, bound): inside, and mean and variance as they should be within 5 sigma. */
static void expect_uniform(struct run *run, const char *name, double bound) {
    size_t count = 0;
    float *values = values_of(run, name, &count);
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; i++) {
        const double x = (double)values[i] / bound;
        assert_true(x >= -1.0 && x <= 1.0);
        sum += x;
        squares += x * x;
    }
    const double n = (double)count;
    assert_true(fabs(sum / n) < 5.0 * sqrt(1.0 / 3.0 / n));
    assert_true(fabs(squares / n - 1.0 / 3.0) < 5.0 * sqrt(4.0 / 45.0 / n));
    free(values);
}

static void test_initial_values(void **state) {
    (void)state;
    rep_vgg_spec spec = small_spec();
    spec.num_blocks[0] = 3;
    spec.has_se = true;
    struct run run = start(&spec, REP_MODE_HYPER_SEARCH, 3);
    expect_uniform(&run, "stage4.0.conv.weight", 1.0 / sqrt(64.0 * 9.0));
    expect_uniform(&run, "stage4.0.conv_1x1.weight", 1.0 / sqrt(64.0));
    expect_uniform(&run, "stage4.0.post_se.up.bias", 1.0 / sqrt(32.0));
    expect_uniform(&run, "linear.weight", 1.0 / sqrt(128.0));
    expect_uniform(&run, "linear.bias", 1.0 / sqrt(128.0));
    expect_all(&run, "stage2.0.bn.weight", 1.0f);
    expect_all(&run, "stage2.0.bn.bias", 0.0f);
    expect_all(&run, "stage2.0.bn.running_mean", 0.0f);
    expect_all(&run, "stage2.0.bn.running_var", 1.0f);
    expect_all(&run, "stage1.0.scale_conv.weight", 1.0f);
    expect_all(&run, "stage1.1.scale_conv.weight", sqrtf(2.0f));
    expect_all(&run, "stage1.2.scale_1x1.weight", 1.0f);
    expect_all(&run, "stage1.1.scale_identity.weight", 1.0f);
    finish(&run);
    spec.scale_init_stage = false;
    run = start(&spec, REP_MODE_HYPER_SEARCH, 3);
    expect_all(&run, "stage1.1.scale_conv.weight", 1.0f);
    finish(&run);
}

/* Modes that share a name start equal; another seed or another name does not. */
static void test_shared_names(void **state) {
    (void)state;
    const rep_vgg_spec spec = small_spec();
    struct run search = start(&spec, REP_MODE_HYPER_SEARCH, 3);
    struct run target = start(&spec, REP_MODE_TARGET, 3);
    struct run other = start(&spec, REP_MODE_TARGET, 4);
    static const char *const names[] = {"stage0.conv.weight", "stage3.1.conv.weight",
                                        "linear.weight", "linear.bias"};
    for (size_t i = 0; i < 4; i++) {
        size_t count = 0;
        float *a = values_of(&search, names[i], &count), *b = values_of(&target, names[i], &count);
        float *c = values_of(&other, names[i], &count);
        assert_memory_equal(a, b, count * sizeof *a);
        assert_memory_not_equal(a, c, count * sizeof *a);
        free(a);
        free(b);
        free(c);
    }
    size_t count = 0;
    float *a = values_of(&target, "stage1.0.conv.weight", &count);
    float *b = values_of(&target, "stage1.1.conv.weight", &count);
    assert_memory_not_equal(a, b, count * sizeof *a);
    free(a);
    free(b);
    finish(&search);
    finish(&target);
    finish(&other);
}

/* ---- settings
 * ------------------------------------------------------------------------------------ */

static rep_values default_values(void) {
    static const double blocks[] = {2, 4, 1, 1}, widths[] = {64, 128, 256, 512};
    static const double strides[] = {1, 1, 2, 2, 2}, one[] = {1};
    rep_values v = {0};
    v.model_backbone_conv_body = "RepOpt-VGG";
    v.model_vgg_preset = "";
    v.model_vgg_num_blocks = (rep_numbers){blocks, 4};
    v.model_vgg_widths = (rep_numbers){widths, 4};
    v.model_vgg_strides = (rep_numbers){strides, 5};
    v.model_vgg_width_mul = (rep_numbers){one, 1};
    v.model_vgg_depth_mul = 1.0;
    v.model_vgg_kernel_size = 3;
    v.model_vgg_act = "relu6";
    v.model_vgg_scale_init = "stage";
    v.conv_algo = "direct";
    v.dtype = "float32";
    v.model_bn_eps = 1e-5;
    v.model_bn_momentum = 0.1;
    v.solver_optimizer = "sgd";
    v.adamw_mask = "exact";
    v.scale = "";
    v.model_weight = "";
    return v;
}

static void test_settings(void **state) {
    (void)state;
    rep_vgg_spec spec;
    rep_values v = default_values();
    CHECK_OK(rep_vgg_spec_from_config(&spec, &v, 1, 7));
    assert_int_equal(spec.in_channels, 1);
    assert_int_equal(spec.num_classes, 7);
    assert_int_equal(spec.stage0_width, 64);
    assert_int_equal(spec.act, REP_ACT_RELU6);
    assert_int_equal(spec.conv_algo, 1);
    const double third[] = {0.3};
    v.model_vgg_width_mul = (rep_numbers){third, 1};
    v.model_vgg_depth_mul = 0.6;
    CHECK_OK(rep_vgg_spec_from_config(&spec, &v, 3, 10));
    /* ceil(c * 0.3 / 8) * 8, round(r * 0.6) at least 1 */
    assert_int_equal(spec.widths[0], 24);
    assert_int_equal(spec.widths[1], 40);
    assert_int_equal(spec.widths[2], 80);
    assert_int_equal(spec.widths[3], 160);
    assert_int_equal(spec.num_blocks[0], 1);
    assert_int_equal(spec.num_blocks[1], 2);
    assert_int_equal(spec.num_blocks[2], 1);
    assert_int_equal(spec.stage0_width, 24);
    v.model_vgg_preset = "L1";
    v.model_vgg_stage0_width = 48;
    CHECK_OK(rep_vgg_spec_from_config(&spec, &v, 3, 10));
    assert_int_equal(spec.num_blocks[2], 14);
    assert_int_equal(spec.stage0_width, 48);
}

static void test_bad_settings(void **state) {
    (void)state;
    static const double short_list[] = {1, 2, 3}, odd[] = {1, 2.5, 3, 4}, minus[] = {-1};
    rep_vgg_spec spec;
    rep_values v = default_values();
    v.model_vgg_num_blocks = (rep_numbers){short_list, 3};
    CHECK_FAILS(rep_vgg_spec_from_config(&spec, &v, 3, 10), REP_ERR_CONFIG,
                "NUM_BLOCKS: 3 numbers");
    v = default_values();
    v.model_vgg_widths = (rep_numbers){odd, 4};
    CHECK_FAILS(rep_vgg_spec_from_config(&spec, &v, 3, 10), REP_ERR_CONFIG, "2.5");
    v = default_values();
    v.model_vgg_width_mul = (rep_numbers){minus, 1};
    CHECK_FAILS(rep_vgg_spec_from_config(&spec, &v, 3, 10), REP_ERR_CONFIG, "WIDTH_MUL");
    v.model_vgg_width_mul = (rep_numbers){odd, 3};
    CHECK_FAILS(rep_vgg_spec_from_config(&spec, &v, 3, 10), REP_ERR_CONFIG, "wanted 1 or 4");
    v = default_values();
    v.model_backbone_conv_body = "R-50-FPN";
    CHECK_FAILS(rep_vgg_spec_from_config(&spec, &v, 3, 10), REP_ERR_CONFIG, "R-50-FPN");
}

static void remember(void *context, const char *text) {
    char *all = context;
    strcat(all, text);
    strcat(all, "\n");
}

static void test_linter(void **state) {
    (void)state;
    char found[4096] = "";
    rep_values v = default_values();
    assert_int_equal(rep_lint(&v, REP_MODE_TARGET, remember, found), 0);
    v.solver_clip_grad =
        1.0; /* masked clipping, averages, decay and bias rates keep the equality */
    v.solver_ema_decay = 0.99;
    v.solver_weight_decay = 0.1;
    v.solver_bias_lr_factor = 2.0;
    assert_int_equal(rep_lint(&v, REP_MODE_TARGET, remember, found), 0);
    v.solver_clip_plain = true;
    assert_int_equal(rep_lint(&v, REP_MODE_TARGET, remember, found), 1);
    assert_non_null(strstr(found, "CLIP_PLAIN"));
    assert_int_equal(rep_lint(&v, REP_MODE_NORMAL, NULL, NULL), 0);
    v.solver_optimizer = "adamw";
    v.adamw_mask = "signed";
    v.model_weight = "x.safetensors";
    assert_int_equal(rep_lint(&v, REP_MODE_TARGET, remember, found), 3);
    assert_non_null(strstr(found, "signed is the published form"));
    v.adamw_mask = "abs";
    assert_int_equal(rep_lint(&v, REP_MODE_TARGET, remember, found), 3);
    assert_non_null(strstr(found, "up to eps"));
    v = default_values();
    v.scale = "search.safetensors";
    assert_int_equal(rep_lint(&v, REP_MODE_HYPER_SEARCH, remember, found), 1);
    assert_non_null(strstr(found, "SCALE: this mode"));
    assert_int_equal(rep_lint(&v, REP_MODE_CSLA, remember, found), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_param_counts),
        cmocka_unit_test(test_presets),       cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_small_picture), cmocka_unit_test(test_initial_values),
        cmocka_unit_test(test_shared_names),  cmocka_unit_test(test_settings),
        cmocka_unit_test(test_bad_settings),  cmocka_unit_test(test_linter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
