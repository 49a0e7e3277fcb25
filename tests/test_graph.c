/* test_graph.c - builders, sticky faults, the backward walk, and the memory plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"

static rep_graph *make(void) {
    rep_graph *graph = NULL;
    assert_int_equal(rep_graph_create(&graph), REP_OK);
    return graph;
}

static rep_id image(rep_graph *graph, int32_t n, int32_t c, int32_t size) {
    return rep_graph_tensor(graph, "x", REP_F32, (rep_shape){n, c, size, size}, REP_IO);
}

static rep_id conv(rep_graph *graph, const char *name, rep_id x, int32_t c_out, uint32_t stride) {
    const rep_shape s = {c_out, rep_graph_shape(graph, x).c, 3, 3};
    const rep_id w = rep_graph_param(graph, name, s, 4, REP_KIND_WEIGHT);
    const rep_conv2d_params p = {.stride = stride, .pad = 1, .groups = 1};
    return REP_APPEND(graph, CONV2D, &p, x, w);
}

static void test_shapes(void **state) {
    (void)state;
    rep_graph *graph = make();
    const rep_id y = conv(graph, "w", image(graph, 2, 3, 9), 5, 2);
    const rep_shape shape = rep_graph_shape(graph, y);
    assert_true(rep_shape_equal(shape, (rep_shape){2, 5, 5, 5}));
    assert_int_equal(rep_graph_check(graph), REP_OK);
    rep_graph_destroy(graph);
}

static void test_first_fault_sticks(void **state) {
    (void)state;
    rep_graph *graph = make();
    const rep_id x = image(graph, 1, 3, 8);
    const rep_id w = rep_graph_param(graph, "w", (rep_shape){4, 2, 3, 3}, 4, REP_KIND_WEIGHT);
    const rep_conv2d_params p = {.stride = 1, .pad = 1, .groups = 1};
    assert_int_equal(REP_APPEND(graph, CONV2D, &p, x, w), 0);
    assert_int_equal(REP_APPEND(graph, ADD, NULL, x, x), 0);
    assert_int_equal(rep_graph_node_count(graph), 0);
    assert_int_equal(rep_graph_check(graph), REP_ERR_SHAPE);
    assert_non_null(strstr(rep_last_error(), "conv2d"));
    rep_graph_destroy(graph);
}

static void test_bad_windows(void **state) {
    (void)state;
    static const rep_conv2d_params bad[] = {
        {.stride = 0, .pad = 1, .groups = 1}, /* would divide by zero */
        {.stride = 1, .pad = 0, .groups = 0},
        {.stride = 1, .pad = 0, .groups = 1}, /* 3x3 does not fit 2x2 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rep_graph *graph = make();
        const rep_id x = image(graph, 1, 2, 2);
        const rep_id w = rep_graph_param(graph, "w", (rep_shape){2, 2, 3, 3}, 4, REP_KIND_WEIGHT);
        assert_int_equal(REP_APPEND(graph, CONV2D, &bad[i], x, w), 0);
        assert_int_equal(rep_graph_check(graph), REP_ERR_SHAPE);
        rep_graph_destroy(graph);
    }
}

/* A kernel trusts its shapes: what it would read past must be refused here. */
static void test_wrong_second_inputs(void **state) {
    (void)state;
    static const struct {
        rep_op op;
        rep_shape second;
        bool is_right;
    } cases[] = {
        {REP_OP_ADD, {2, 7, 4, 4}, true},        {REP_OP_ADD, {1, 7, 1, 1}, false},
        {REP_OP_BIAS, {1, 7, 1, 1}, true},       {REP_OP_BIAS, {1, 5, 1, 1}, false},
        {REP_OP_BIAS, {1, 1, 1, 1}, false},      {REP_OP_SCALE, {1, 1, 1, 1}, true},
        {REP_OP_SCALE, {1, 7, 1, 1}, true},      {REP_OP_SCALE, {2, 7, 1, 1}, false},
        {REP_OP_GATE, {2, 7, 1, 1}, true},       {REP_OP_GATE, {1, 7, 1, 1}, false},
        {REP_OP_SMOOTH_L1, {2, 7, 4, 4}, true},  {REP_OP_SMOOTH_L1, {2, 7, 1, 1}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rep_graph *graph = make();
        const rep_id x = rep_graph_tensor(graph, "x", REP_F32, (rep_shape){2, 7, 4, 4}, REP_IO);
        const rep_id y = rep_graph_tensor(graph, "y", REP_F32, cases[i].second, REP_IO);
        const rep_id in[] = {x, y};
        const rep_id out = rep_graph_append(graph, cases[i].op, NULL, in, 2, NULL);
        assert_int_equal(out != 0, cases[i].is_right);
        assert_int_equal(rep_graph_check(graph), cases[i].is_right ? REP_OK : REP_ERR_SHAPE);
        rep_graph_destroy(graph);
    }
}

static void test_labels_are_integers(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        rep_graph *graph = make();
        const rep_id x = rep_graph_tensor(graph, "x", REP_F32, (rep_shape){4, 3, 1, 1}, REP_IO);
        const rep_id labels = rep_graph_tensor(graph, "labels", i == 0 ? REP_I32 : REP_F32,
                                               (rep_shape){4, 1, 1, 1}, REP_IO);
        assert_int_equal(REP_APPEND(graph, SOFTMAX_CE, NULL, x, labels) != 0, i == 0);
        rep_graph_destroy(graph);
    }
}

static void test_huge_tensor_refused(void **state) {
    (void)state;
    rep_graph *graph = make();
    assert_int_equal(rep_graph_tensor(graph, "x", REP_F32, (rep_shape){65536, 65536, 8, 8}, REP_IO),
                     0);
    assert_int_equal(rep_graph_check(graph), REP_ERR_SHAPE);
    rep_graph_destroy(graph);
}

static void test_names(void **state) {
    (void)state;
    rep_graph *graph = make();
    const rep_shape shape = {1, 4, 1, 1};
    const rep_id a = rep_graph_param(graph, "shared", shape, 1, REP_KIND_BIAS);
    assert_int_equal(rep_graph_param(graph, "shared", shape, 1, REP_KIND_BIAS), a);
    assert_int_equal(rep_graph_find(graph, "shared"), a);
    assert_int_equal(rep_graph_find(graph, "nobody"), 0);
    assert_int_equal(rep_graph_tensor(graph, "shared", REP_F32, shape, REP_STATE), 0);
    assert_int_equal(rep_graph_check(graph), REP_ERR_ARGUMENT);
    rep_graph_destroy(graph);
}

static void test_placing(void **state) {
    (void)state;
    rep_graph *graph = make();
    const rep_id block =
        rep_graph_tensor(graph, "block", REP_F32, (rep_shape){1, 8, 1, 1}, REP_STATE);
    const rep_id child = rep_graph_param(graph, "w", (rep_shape){1, 4, 1, 1}, 1, REP_KIND_BIAS);
    rep_graph_place(graph, child, block, 4);
    assert_int_equal(rep_graph_check(graph), REP_OK);
    assert_int_equal(rep_graph_root(graph, child), block);
    rep_plan *plan = NULL;
    assert_int_equal(rep_plan_create(&plan, graph, 4, NULL, NULL, NULL), REP_OK);
    assert_int_equal(plan->offset[child], plan->offset[block] + 16);
    rep_plan_destroy(plan);
    const rep_id late = rep_graph_param(graph, "v", (rep_shape){1, 5, 1, 1}, 1, REP_KIND_BIAS);
    rep_graph_place(graph, late, block, 4);
    assert_int_equal(rep_graph_check(graph), REP_ERR_SHAPE);
    rep_graph_destroy(graph);
}

/* A small net with a branch, so that one gradient is a sum. */
static rep_graph *branched(rep_id *loss) {
    rep_graph *graph = make();
    const rep_id x = image(graph, 2, 4, 8);
    const rep_id a = conv(graph, "a", x, 4, 1);
    const rep_id b = conv(graph, "b", a, 4, 1);
    const rep_id c = REP_APPEND(graph, ADD, NULL, a, b);
    const rep_id d = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_RELU}, c);
    *loss = REP_APPEND(graph, REDUCE_SUM, (&(rep_reduce_params){.scale = 0.5f}), d);
    return graph;
}

static void test_backward(void **state) {
    (void)state;
    rep_id loss = 0;
    rep_graph *graph = branched(&loss);
    assert_int_equal(rep_graph_backward(graph, loss, 0), REP_OK);
    const rep_id a = rep_graph_find(graph, "a"), b = rep_graph_find(graph, "b");
    const rep_id da = rep_graph_gradient(graph, a), db = rep_graph_gradient(graph, b);
    assert_true(da && db && da != db);
    assert_true(rep_shape_equal(rep_graph_shape(graph, da), rep_graph_shape(graph, a)));
    assert_int_equal(rep_graph_gradient(graph, rep_graph_find(graph, "x")), 0);
    rep_graph_destroy(graph);
}

static void test_backward_needs_scalar(void **state) {
    (void)state;
    rep_graph *graph = make();
    const rep_id y = conv(graph, "w", image(graph, 1, 3, 4), 2, 1);
    assert_int_equal(rep_graph_backward(graph, y, 0), REP_ERR_SHAPE);
    assert_int_equal(rep_graph_backward(graph, 0, 0), REP_ERR_ARGUMENT);
    rep_graph_destroy(graph);
}

static void test_fused_act_has_no_gradient(void **state) {
    (void)state;
    rep_graph *graph = make();
    const rep_id x = image(graph, 1, 3, 4);
    const rep_id w = rep_graph_param(graph, "w", (rep_shape){2, 3, 1, 1}, 4, REP_KIND_WEIGHT);
    const rep_conv2d_params p = {.stride = 1, .groups = 1, .act = REP_ACT_RELU};
    const rep_id y = REP_APPEND(graph, CONV2D, &p, x, w);
    const rep_id loss = REP_APPEND(graph, REDUCE_SUM, (&(rep_reduce_params){.scale = 1.0f}), y);
    assert_int_equal(rep_graph_backward(graph, loss, 0), REP_ERR_ARGUMENT);
    rep_graph_destroy(graph);
}

/* First and last node that touch a tensor. */
static void life_of(const rep_graph *graph, rep_id id, uint32_t *first, uint32_t *last) {
    *first = REP_NO_NODE;
    *last = 0;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        bool is_touched = false;
        for (uint32_t i = 0; i < node->in_count; i++) { is_touched |= node->in[i] == id; }
        for (uint32_t o = 0; o < node->out_count; o++) { is_touched |= node->out[o] == id; }
        if (!is_touched) { continue; }
        if (*first == REP_NO_NODE) { *first = n; }
        *last = n;
    }
}

/* Two work tensors whose bytes meet must not be alive together, but for an in-place pair. */
static void test_plan_never_overlaps(void **state) {
    (void)state;
    rep_id loss = 0;
    rep_graph *graph = branched(&loss);
    assert_int_equal(rep_graph_backward(graph, loss, 0), REP_OK);
    rep_plan *plan = NULL;
    assert_int_equal(rep_plan_create(&plan, graph, 4, NULL, NULL, NULL), REP_OK);
    assert_true(plan->region_bytes[REP_WORK] < plan->unplanned_bytes);
    for (rep_id p = 1; p < graph->tensor_count; p++) {
        for (rep_id q = p + 1; q < graph->tensor_count; q++) {
            const rep_tensor *a = &graph->tensors[p], *b = &graph->tensors[q];
            if (a->region != REP_WORK || b->region != REP_WORK) { continue; }
            const size_t a_end = plan->offset[p] + 4 * rep_shape_count(a->shape);
            const size_t b_end = plan->offset[q] + 4 * rep_shape_count(b->shape);
            if (a_end <= plan->offset[q] || b_end <= plan->offset[p]) { continue; }
            uint32_t a_first, a_last, b_first, b_last;
            life_of(graph, p, &a_first, &a_last);
            life_of(graph, q, &b_first, &b_last);
            assert_true(a_last <= b_first || b_last <= a_first);
            if (a_last == b_first || b_last == a_first) {
                const uint32_t meet = a_last == b_first ? a_last : b_last;
                const rep_op_mode mode = rep_op_info_get(graph->nodes[meet].op)->mode;
                assert_int_equal(mode, REP_MODE_ALIAS);
            }
        }
    }
    rep_plan_destroy(plan);
    rep_graph_destroy(graph);
}

static void test_kept_tensor_lives_on(void **state) {
    (void)state;
    rep_graph *graph = make();
    rep_id x = image(graph, 1, 8, 16);
    const rep_id kept = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_RELU}, x);
    rep_graph_keep(graph, kept);
    x = kept;
    rep_id others[6];
    for (int i = 0; i < 6; i++) {
        x = others[i] = REP_APPEND(graph, ACT, &(rep_act_params){.act = REP_ACT_SILU}, x);
    }
    rep_plan *plan = NULL;
    assert_int_equal(rep_plan_create(&plan, graph, 4, NULL, NULL, NULL), REP_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_not_equal(plan->offset[others[i]], plan->offset[kept]);
    }
    rep_plan_destroy(plan);
    rep_graph_destroy(graph);
}

static void test_shared_state_by_prefix(void **state) {
    (void)state;
    rep_graph *train = make(), *eval = make();
    const rep_shape shape = {1, 16, 1, 1};
    rep_graph_param(train, "w", shape, 1, REP_KIND_BIAS);
    const rep_id average = rep_graph_tensor(train, "ema.w", REP_F32, shape, REP_STATE);
    const rep_id w = rep_graph_param(eval, "w", shape, 1, REP_KIND_BIAS);
    rep_plan *base = NULL, *plan = NULL;
    assert_int_equal(rep_plan_create(&base, train, 4, NULL, NULL, NULL), REP_OK);
    assert_int_equal(rep_plan_create(&plan, eval, 4, base, train, "ema."), REP_OK);
    assert_true(plan->is_shared[w]);
    assert_int_equal(plan->offset[w], base->offset[average]);
    rep_plan_destroy(plan);
    plan = NULL;
    rep_graph_param(eval, "unknown", shape, 1, REP_KIND_BIAS);
    assert_int_equal(rep_plan_create(&plan, eval, 4, base, train, "ema."), REP_ERR_SHAPE);
    assert_null(plan);
    rep_plan_destroy(base);
    rep_graph_destroy(train);
    rep_graph_destroy(eval);
}

static void test_dumps_name_nodes(void **state) {
    (void)state;
    rep_id loss = 0;
    rep_graph *graph = branched(&loss);
    rep_plan *plan = NULL;
    assert_int_equal(rep_plan_create(&plan, graph, 4, NULL, NULL, NULL), REP_OK);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    rep_graph_dump(graph, out);
    rep_plan_dump(plan, graph, out);
    fclose(out);
    assert_non_null(strstr(text, "conv2d"));
    assert_non_null(strstr(text, "without reuse"));
    free(text);
    rep_plan_destroy(plan);
    rep_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_first_fault_sticks),
        cmocka_unit_test(test_bad_windows),
        cmocka_unit_test(test_wrong_second_inputs),
        cmocka_unit_test(test_labels_are_integers),
        cmocka_unit_test(test_huge_tensor_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_placing),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_backward_needs_scalar),
        cmocka_unit_test(test_fused_act_has_no_gradient),
        cmocka_unit_test(test_plan_never_overlaps),
        cmocka_unit_test(test_kept_tensor_lives_on),
        cmocka_unit_test(test_shared_state_by_prefix),
        cmocka_unit_test(test_dumps_name_nodes),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
