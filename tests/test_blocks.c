/* test_blocks.c - layers and blocks against plain sums in double precision. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/nn.h"

/* The reference device computes in double; its sums differ from these by their order alone. */
static const double tolerance = 1e-12;

enum { MOST = 4096 };

/* ---- plain sums: tensors are [n][h][w][c], kernels [o][p][q][c]
 * ---------------------------------- */

struct array {
    rep_shape shape;
    double v[MOST];
};

static double at(const struct array *a, int n, int c, int h, int w) {
    const rep_shape s = a->shape;
    if (h < 0 || w < 0 || h >= s.h || w >= s.w) { return 0.0; }
    return a->v[((n * s.h + h) * s.w + w) * s.c + c];
}

static struct array plain_conv(const struct array *x, const struct array *k, int stride,
                               int groups) {
    const int pad = k->shape.h / 2, c_out = k->shape.n, per_group = k->shape.c;
    struct array y = {.shape = {x->shape.n, c_out, (x->shape.h + 2 * pad - k->shape.h) / stride + 1,
                                (x->shape.w + 2 * pad - k->shape.w) / stride + 1}};
    size_t i = 0;
    for (int n = 0; n < y.shape.n; n++) {
        for (int h = 0; h < y.shape.h; h++) {
            for (int w = 0; w < y.shape.w; w++) {
                for (int o = 0; o < c_out; o++, i++) {
                    const int first = o / (c_out / groups) * per_group;
                    for (int p = 0; p < k->shape.h; p++) {
                        for (int q = 0; q < k->shape.w; q++) {
                            for (int c = 0; c < per_group; c++) {
                                y.v[i] +=
                                    at(k, o, c, p, q) *
                                    at(x, n, first + c, h * stride + p - pad, w * stride + q - pad);
                            }
                        }
                    }
                }
            }
        }
    }
    return y;
}

static size_t length(const struct array *a) { return rep_shape_count(a->shape); }

/* y[c] = a[c] * x + b: a NULL is 1. */
static void add_scaled(struct array *y, const struct array *x, const struct array *a) {
    if (!length(y)) { y->shape = x->shape; }
    for (size_t i = 0; i < length(x); i++) {
        y->v[i] += x->v[i] * (a ? a->v[i % (size_t)x->shape.c] : 1.0);
    }
}

/* ---- a graph with one block
 * ---------------------------------------------------------------------- */

struct net {
    rep_device *device;
    rep_graph *graph;
    rep_program *program;
    rep_id x, y;
    rep_block block;
    rep_block_spec spec;
};

/* Every parameter and buffer gets values of a fixed stream; variances are positive. */
static void fill(struct net *net) {
    for (rep_id id = 1; id < net->graph->tensor_count; id++) {
        const rep_tensor *tensor = &net->graph->tensors[id];
        double values[MOST];
        rep_rng rng;
        if (tensor->region == REP_WORK) { continue; }
        const size_t count = rep_shape_count(tensor->shape);
        assert_true(count <= MOST);
        rep_rng_init(&rng, 7, rep_hash_text(tensor->name));
        for (size_t i = 0; i < count; i++) {
            values[i] = (double)rep_rng_normal(&rng);
            if (strstr(tensor->name, "running_var")) { values[i] = 0.5 + fabs(values[i]); }
        }
        CHECK_OK(rep_program_write_f64(net->program, id, values, count));
    }
}

static void make(struct net *net, const rep_block_spec *spec, int32_t c_in) {
    memset(net, 0, sizeof *net);
    net->spec = *spec;
    CHECK_OK(rep_device_open(&net->device, "cpu:float64", 1));
    CHECK_OK(rep_graph_create(&net->graph));
    net->x = rep_graph_tensor(net->graph, "x", REP_F32, (rep_shape){2, c_in, 6, 5}, REP_IO);
    net->y = rep_nn_block(net->graph, spec, net->x, &net->block);
    rep_graph_keep(net->graph, net->y);
    CHECK_OK(rep_program_create(&net->program, net->device, net->graph, NULL, NULL));
    fill(net);
}

static void drop(struct net *net) {
    rep_program_destroy(net->program);
    rep_graph_destroy(net->graph);
    rep_device_close(net->device);
}

static struct array get(struct net *net, rep_id id) {
    struct array a = {.shape = rep_graph_shape(net->graph, id)};
    CHECK_OK(rep_program_read_f64(net->program, id, a.v, length(&a)));
    return a;
}

static struct array named(struct net *net, const char *name) {
    const rep_id id = rep_graph_find(net->graph, name);
    if (!id) { fail_msg("no tensor %s", name); }
    return get(net, id);
}

/* BN by its definition; in training with the batch's biased variance. */
static struct array plain_norm(struct net *net, const struct array *x, const char *bn) {
    char name[64];
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    struct array p[4], y = {.shape = x->shape};
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.%s", bn, parts[i]);
        p[i] = named(net, name);
    }
    const size_t c_count = (size_t)x->shape.c, rows = length(x) / c_count;
    for (size_t c = 0; c < c_count; c++) {
        double mean = p[2].v[c], var = p[3].v[c];
        if (net->spec.is_training) {
            mean = var = 0.0;
            for (size_t i = 0; i < rows; i++) { mean += x->v[i * c_count + c] / (double)rows; }
            for (size_t i = 0; i < rows; i++) {
                const double d = x->v[i * c_count + c] - mean;
                var += d * d / (double)rows;
            }
        }
        const double g = p[0].v[c] / sqrt(var + (double)net->spec.bn_eps);
        for (size_t i = 0; i < rows; i++) {
            y.v[i * c_count + c] = (x->v[i * c_count + c] - mean) * g + p[1].v[c];
        }
    }
    return y;
}

static void plain_act(struct array *y, rep_act act) {
    for (size_t i = 0; i < length(y); i++) {
        if (act != REP_ACT_NONE && y->v[i] < 0.0) { y->v[i] = 0.0; }
        if (act == REP_ACT_RELU6 && y->v[i] > 6.0) { y->v[i] = 6.0; }
    }
}

/* The block by its definition, branch by branch. */
static struct array plain_block(struct net *net) {
    const rep_block_spec *spec = &net->spec;
    const struct array x = get(net, net->x), k = get(net, net->block.weight);
    struct array dense = plain_conv(&x, &k, spec->stride, spec->groups), point = {0}, sum = {0};
    if (net->block.weight_1x1) {
        const struct array k1 = get(net, net->block.weight_1x1);
        point = plain_conv(&x, &k1, spec->stride, spec->groups);
    }
    if (spec->kind == REP_BLOCK_REAL_VGG) {
        sum = plain_norm(net, &dense, "bn");
    } else if (spec->kind == REP_BLOCK_LINEAR_ADD || spec->kind == REP_BLOCK_CSLA) {
        const struct array s = named(net, "scale_conv.weight"), t = named(net, "scale_1x1.weight");
        add_scaled(&sum, &dense, &s);
        add_scaled(&sum, &point, &t);
        if (net->block.has_identity) {
            const struct array u = named(net, "scale_identity.weight");
            add_scaled(&sum, &x, &u);
        }
        sum = plain_norm(net, &sum, "bn");
    } else if (spec->kind == REP_BLOCK_REP_VGG) {
        char bn[16];
        snprintf(bn, sizeof bn, "bn_%dx%d", spec->kernel, spec->kernel);
        sum = plain_norm(net, &dense, spec->has_rbr_names ? "rbr_dense.bn" : bn);
        const struct array b1 =
            plain_norm(net, &point, spec->has_rbr_names ? "rbr_1x1.bn" : "bn_1x1");
        add_scaled(&sum, &b1, NULL);
        if (net->block.has_identity) {
            const struct array b0 =
                plain_norm(net, &x, spec->has_rbr_names ? "rbr_identity" : "bn_identity");
            add_scaled(&sum, &b0, NULL);
        }
    } else {
        sum = plain_norm(net, &dense, "rbr_dense.bn");
        add_scaled(&sum, &point, NULL);
        if (net->block.has_identity) { add_scaled(&sum, &x, NULL); }
        sum = plain_norm(net, &sum, "bn");
    }
    plain_act(&sum, spec->act);
    return sum;
}

static void expect_close(const struct array *got, const struct array *wanted) {
    assert_true(rep_shape_equal(got->shape, wanted->shape));
    for (size_t i = 0; i < length(got); i++) {
        if (!(fabs(got->v[i] - wanted->v[i]) <= tolerance * (1.0 + fabs(wanted->v[i])))) {
            fail_msg("element %zu: %.17g, wanted %.17g", i, got->v[i], wanted->v[i]);
        }
    }
}

/* The deployed convolution gives what the block gives in evaluation. */
static void expect_fused(struct net *net, const struct array *wanted) {
    struct array k = {.shape = rep_graph_shape(net->graph, net->block.weight)}, bias = {0};
    CHECK_OK(rep_nn_fuse_block(k.v, bias.v, NULL, NULL, net->graph, net->program, &net->spec,
                               &net->block));
    const struct array x = get(net, net->x);
    struct array y = plain_conv(&x, &k, net->spec.stride, net->spec.groups);
    for (size_t i = 0; i < length(&y); i++) { y.v[i] += bias.v[i % (size_t)y.shape.c]; }
    plain_act(&y, net->spec.act);
    expect_close(&y, wanted);
}

static void test_blocks(void **state) {
    (void)state;
    static const struct {
        int32_t c_in, c_out, kernel, stride, groups;
    } shapes[] = {{6, 6, 3, 1, 1}, {5, 8, 3, 2, 1}, {6, 6, 3, 2, 1}, {4, 4, 1, 1, 1},
                  {4, 4, 5, 1, 1}, {3, 4, 7, 1, 1}, {6, 6, 3, 1, 3}};
    for (rep_block_kind kind = REP_BLOCK_REAL_VGG; kind <= REP_BLOCK_QAREP_VGG; kind++) {
        for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
            const rep_block_spec spec = {.name = "",
                                         .kind = kind,
                                         .c_out = shapes[i / 2].c_out,
                                         .kernel = shapes[i / 2].kernel,
                                         .stride = shapes[i / 2].stride,
                                         .groups = shapes[i / 2].groups,
                                         .act = i % 4 < 2 ? REP_ACT_RELU : REP_ACT_RELU6,
                                         .is_training = i % 2 == 0,
                                         .has_rbr_names = shapes[i / 2].kernel == 1,
                                         .bn_eps = 1e-3f,
                                         .bn_momentum = 0.1f};
            struct net net;
            make(&net, &spec, shapes[i / 2].c_in);
            const struct array wanted = plain_block(&net);
            CHECK_OK(rep_program_run(net.program, REP_FORWARD, REP_FORWARD));
            const struct array got = get(&net, net.y);
            expect_close(&got, &wanted);
            if (!spec.is_training) { expect_fused(&net, &wanted); }
            drop(&net);
        }
    }
}

/* running <- 0.9 running + 0.1 batch, the variance unbiased; an evaluation leaves them alone. */
static void test_running_statistics(void **state) {
    (void)state;
    for (int is_training = 0; is_training < 2; is_training++) {
        const rep_block_spec spec = {.name = "",
                                     .kind = REP_BLOCK_REAL_VGG,
                                     .c_out = 3,
                                     .kernel = 1,
                                     .stride = 1,
                                     .groups = 1,
                                     .act = REP_ACT_RELU,
                                     .is_training = is_training,
                                     .bn_eps = 1e-5f,
                                     .bn_momentum = 0.25f};
        struct net net;
        make(&net, &spec, 3);
        const struct array x = get(&net, net.x), k = get(&net, net.block.weight);
        const struct array dense = plain_conv(&x, &k, 1, 1);
        const struct array mean = named(&net, "bn.running_mean"),
                           var = named(&net, "bn.running_var");
        CHECK_OK(rep_program_run(net.program, REP_FORWARD, REP_FORWARD));
        const struct array mean_after = named(&net, "bn.running_mean");
        const struct array var_after = named(&net, "bn.running_var");
        for (size_t c = 0; c < 3; c++) {
            double batch_mean = 0.0, batch_var = 0.0;
            for (size_t i = c; i < length(&dense); i += 3) { batch_mean += dense.v[i] / 60.0; }
            for (size_t i = c; i < length(&dense); i += 3) {
                batch_var += (dense.v[i] - batch_mean) * (dense.v[i] - batch_mean) / 59.0;
            }
            const double share = is_training ? 0.25 : 0.0;
            assert_true(fabs(mean_after.v[c] - (mean.v[c] + share * (batch_mean - mean.v[c]))) <
                        tolerance);
            assert_true(fabs(var_after.v[c] - (var.v[c] + share * (batch_var - var.v[c]))) <
                        tolerance);
        }
        drop(&net);
    }
}

static void test_squeeze_excite(void **state) {
    (void)state;
    const rep_block_spec spec = {.name = "",
                                 .kind = REP_BLOCK_REAL_VGG,
                                 .c_out = 8,
                                 .kernel = 3,
                                 .stride = 1,
                                 .groups = 1,
                                 .act = REP_ACT_RELU,
                                 .has_se = true,
                                 .bn_eps = 1e-5f,
                                 .bn_momentum = 0.1f};
    struct net net;
    make(&net, &spec, 4);
    struct array wanted = plain_block(&net);
    const struct array down = named(&net, "post_se.down.weight"),
                       down_b = named(&net, "post_se.down.bias");
    const struct array up = named(&net, "post_se.up.weight"), up_b = named(&net, "post_se.up.bias");
    assert_true(rep_shape_equal(down.shape, (rep_shape){2, 8, 1, 1}));
    for (size_t n = 0; n < 2; n++) {
        double mean[8] = {0}, inner[2];
        for (size_t i = 0; i < 240; i++) { mean[i % 8] += wanted.v[n * 240 + i] / 30.0; }
        for (size_t o = 0; o < 2; o++) {
            inner[o] = down_b.v[o];
            for (size_t c = 0; c < 8; c++) { inner[o] += down.v[o * 8 + c] * mean[c]; }
            inner[o] = inner[o] > 0.0 ? inner[o] : 0.0;
        }
        for (size_t c = 0; c < 8; c++) {
            const double z = up_b.v[c] + up.v[c * 2] * inner[0] + up.v[c * 2 + 1] * inner[1];
            for (size_t i = c; i < 240; i += 8) { wanted.v[n * 240 + i] /= 1.0 + exp(-z); }
        }
    }
    CHECK_OK(rep_program_run(net.program, REP_FORWARD, REP_FORWARD));
    const struct array got = get(&net, net.y);
    expect_close(&got, &wanted);
    double unused[MOST];
    CHECK_FAILS(rep_nn_fuse_block(unused, unused, NULL, NULL, net.graph, net.program, &net.spec,
                                  &net.block),
                REP_ERR_ARGUMENT, "cannot be fused");
    drop(&net);
}

/* RepBlock(3): conv1 with the stride, then block.0 and block.1; one graph equals three in a row. */
static void test_rep_block(void **state) {
    (void)state;
    rep_graph *graph = NULL;
    rep_block blocks[3];
    CHECK_OK(rep_graph_create(&graph));
    const rep_id x = rep_graph_tensor(graph, "x", REP_F32, (rep_shape){1, 5, 8, 8}, REP_IO);
    const rep_block_spec spec = {.name = "tower",
                                 .kind = REP_BLOCK_LINEAR_ADD,
                                 .c_out = 8,
                                 .kernel = 3,
                                 .stride = 2,
                                 .groups = 1,
                                 .act = REP_ACT_RELU,
                                 .is_training = true,
                                 .bn_eps = 1e-5f,
                                 .bn_momentum = 0.1f};
    const rep_id y = rep_nn_rep_block(graph, &spec, 3, x, blocks);
    CHECK_OK(rep_graph_check(graph));
    assert_true(rep_shape_equal(rep_graph_shape(graph, y), (rep_shape){1, 8, 4, 4}));
    assert_string_equal(blocks[0].name, "tower.conv1");
    assert_string_equal(blocks[2].name, "tower.block.1");
    assert_false(blocks[0].has_identity);
    assert_true(blocks[1].has_identity && blocks[1].u);
    assert_int_equal(rep_graph_find(graph, "tower.block.0.scale_identity.weight"), blocks[1].u);
    rep_graph_destroy(graph);
}

static void test_bad_blocks(void **state) {
    (void)state;
    static const struct {
        int32_t kernel, stride, groups, c_in;
        rep_block_kind kind;
        const char *part;
    } cases[] = {{2, 1, 1, 4, REP_BLOCK_REAL_VGG, "odd"},
                 {9, 1, 1, 4, REP_BLOCK_REAL_VGG, "up to 7"},
                 {3, 0, 1, 4, REP_BLOCK_REAL_VGG, "stride"},
                 {3, 1, 3, 4, REP_BLOCK_REAL_VGG, "groups"},
                 {1, 1, 1, 4, REP_BLOCK_REP_VGG, "conv_1x1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rep_graph *graph = NULL;
        CHECK_OK(rep_graph_create(&graph));
        const rep_id x =
            rep_graph_tensor(graph, "x", REP_F32, (rep_shape){1, cases[i].c_in, 8, 8}, REP_IO);
        const rep_block_spec spec = {.name = "stage1.0",
                                     .kind = cases[i].kind,
                                     .c_out = 4,
                                     .kernel = cases[i].kernel,
                                     .stride = cases[i].stride,
                                     .groups = cases[i].groups,
                                     .bn_eps = 1e-5f};
        assert_int_equal(rep_nn_block(graph, &spec, x, NULL), 0);
        CHECK_FAILS(rep_graph_check(graph), REP_ERR_CONFIG, cases[i].part);
        assert_non_null(strstr(rep_last_error(), "stage1.0"));
        rep_graph_destroy(graph);
    }
}

static void test_long_names(void **state) {
    (void)state;
    char name[REP_NAME_BYTES];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    rep_graph *graph = NULL;
    CHECK_OK(rep_graph_create(&graph));
    const rep_id x = rep_graph_tensor(graph, "x", REP_F32, (rep_shape){1, 4, 8, 8}, REP_IO);
    const rep_block_spec spec = {.name = name,
                                 .kind = REP_BLOCK_CSLA,
                                 .c_out = 4,
                                 .kernel = 3,
                                 .stride = 1,
                                 .groups = 1,
                                 .bn_eps = 1e-5f};
    rep_nn_block(graph, &spec, x, NULL);
    CHECK_FAILS(rep_graph_check(graph), REP_ERR_ARGUMENT, "name");
    rep_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),         cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_squeeze_excite), cmocka_unit_test(test_rep_block),
        cmocka_unit_test(test_bad_blocks),     cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
