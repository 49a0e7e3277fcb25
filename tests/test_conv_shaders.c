/* test_conv_shaders.c - which shaders serve a convolution on a Vulkan device: the algo word, the
 * rule's shapes, the memory it takes, the runs of its sums; and that the tiles timed for it
 * change no bit.
 *
 * Runs on the driver that VK_DRIVER_FILES names; see devices.h.
 */
#include "check.h"
#include "device/device.h"

#include "devices.h"

enum { RULE, DIRECT, WINOGRAD };

static rep_vulkan_options options;

static int reset(void **state) {
    (void)state;
    options = test_vulkan_options();
    rep_vulkan_configure(&options);
    return 0;
}

/* A convolution, or the gradient of its input. */
typedef struct layer {
    rep_shape x;
    int32_t c_out, kernel;
    rep_conv2d_params params;
    bool is_back;
} layer;

/* 3x3 at stride 1 and pad 1. */
static layer plain(rep_shape x, int32_t c_out, rep_uint algo) {
    return (layer){x, c_out, 3, {.stride = 1, .pad = 1, .groups = 1, .algo = algo}, false};
}

/* The graph of one node; in[] are its inputs. */
static rep_graph *build(const layer *l, rep_id in[2], rep_id *out) {
    const rep_conv2d_params *p = &l->params;
    const int32_t groups = (int32_t)p->groups, reach = 2 * (int32_t)p->pad - l->kernel;
    const rep_shape y = {l->x.n, l->c_out, (l->x.h + reach) / (int32_t)p->stride + 1,
                         (l->x.w + reach) / (int32_t)p->stride + 1};
    const rep_shape w = {l->c_out, l->x.c / groups, l->kernel, l->kernel};
    const rep_conv2d_grad_params back = {.stride = p->stride,
                                         .pad = p->pad,
                                         .groups = p->groups,
                                         .algo = p->algo,
                                         .h = (rep_uint)l->x.h,
                                         .w = (rep_uint)l->x.w};
    rep_graph *graph = NULL;
    CHECK_OK(rep_graph_create(&graph));
    in[0] = rep_graph_tensor(graph, "in", REP_F32, l->is_back ? y : l->x, REP_IO);
    in[1] = rep_graph_tensor(graph, "w", REP_F32, w, REP_IO);
    *out = l->is_back ? REP_APPEND(graph, CONV2D_GRAD_X, &back, in[0], in[1])
                      : REP_APPEND(graph, CONV2D, p, in[0], in[1]);
    rep_graph_keep(graph, *out);
    CHECK_OK(rep_graph_check(graph));
    return graph;
}

/* What the first device would dispatch with these parts of shader names (NULL: all). */
static rep_dispatch ask(const layer *l, const char *parts) {
    rep_device *device = NULL;
    rep_dispatch dispatch;
    rep_id in[2], out;
    rep_graph *graph = build(l, in, &out);
    CHECK_OK(rep_device_open(&device, test_device_first(), 1));
    rep_vulkan_allow(device, parts);
    CHECK_OK(rep_vulkan_describe(&dispatch, device, graph, NULL, 0));
    rep_device_close(device);
    rep_graph_destroy(graph);
    return dispatch;
}

static bool is_winograd(const layer *l) {
    const rep_dispatch d = ask(l, NULL);
    const bool found = strstr(d.passes[0].shader, ".winograd") != NULL;
    assert_int_equal(d.pass_count, found ? 3 : 1);
    return found;
}

static void test_word_decides(void **state) {
    (void)state;
    layer l = plain((rep_shape){1, 5, 7, 6}, 3, WINOGRAD);
    for (int back = 0; back < 2; back++) {
        l.is_back = back;
        l.params.algo = WINOGRAD;
        const rep_dispatch d = ask(&l, ".winograd");
        assert_int_equal(d.pass_count, 3);
        const char *wanted[2][3] = {
            {"conv2d.winograd", "conv2d.winograd.2", "conv2d.winograd.3"},
            {"conv2d_grad_x.winograd", "conv2d_grad_x.winograd.2", "conv2d_grad_x.winograd.3"}};
        for (int pass = 0; pass < 3; pass++) {
            assert_string_equal(d.passes[pass].shader, wanted[back][pass]);
        }
        /* 36 points of 8 x 4 kernels, and of 4 tiles in 8 and 4 channels. */
        const rep_dispatch_binding *scratch = &d.bindings[d.binding_count - 1];
        assert_int_equal(scratch->tensor, 0);
        assert_int_equal(scratch->bytes, 36 * (8 * 4 + 4 * (8 + 4)) * sizeof(float));
        assert_null(strstr(ask(&l, "").passes[0].shader, ".winograd"));
        l.params.algo = DIRECT;
        assert_false(is_winograd(&l));
    }
}

static void test_only_what_fits(void **state) {
    (void)state;
    const rep_shape x = {2, 64, 20, 20};
    layer l = plain(x, 64, WINOGRAD);
    assert_true(is_winograd(&l));
    l.params.pad = 0;
    assert_false(is_winograd(&l));
    l = plain(x, 64, WINOGRAD);
    l.params.stride = 2;
    assert_false(is_winograd(&l));
    l = plain(x, 64, WINOGRAD);
    l.params.groups = 2;
    assert_false(is_winograd(&l));
    l = plain(x, 64, WINOGRAD);
    l.kernel = 5;
    assert_false(is_winograd(&l));
}

static bool is_chosen(rep_shape x, int32_t c_out) {
    const layer l = plain(x, c_out, RULE);
    return is_winograd(&l);
}

static void test_rule(void **state) {
    (void)state;
    assert_true(is_chosen((rep_shape){2, 64, 16, 16}, 64));  /* 32 tiles */
    assert_false(is_chosen((rep_shape){1, 64, 16, 16}, 64)); /* 16 */
    assert_false(is_chosen((rep_shape){4, 8, 64, 64}, 64));  /* few channels */
    assert_false(is_chosen((rep_shape){4, 64, 64, 64}, 8));  /* of either */
    assert_false(is_chosen((rep_shape){32, 64, 5, 5}, 64));  /* 16 pixels of a tile, 6 are there */
    assert_false(is_chosen((rep_shape){999, 64, 2, 2}, 64)); /* next to none */
    options.is_like_gpu = true;
    rep_vulkan_configure(&options);
    assert_true(is_chosen((rep_shape){2, 64, 16, 16}, 64));
    assert_false(is_chosen((rep_shape){2, 32, 16, 16}, 64));
}

/* Points take 2.25 floats for each of input and output: at 128 MiB to a binding the direct shader
 * serves, asked for or not. */
static void test_scratch_is_bounded(void **state) {
    (void)state;
    options.is_small = true;
    rep_vulkan_configure(&options);
    for (rep_uint algo = RULE; algo <= WINOGRAD; algo += WINOGRAD) {
        layer l = plain((rep_shape){1, 64, 128, 128}, 64, algo);
        assert_true(is_winograd(&l));
        l.x.n = 8;
        assert_false(is_winograd(&l));
    }
}

/* The outputs of a layer for inputs of -0.5 .. 0.523. Free them. */
static float *run(const layer *l, size_t *count) {
    rep_device *device = NULL;
    rep_program *program = NULL;
    rep_id in[2], out;
    rep_graph *graph = build(l, in, &out);
    CHECK_OK(rep_device_open(&device, test_device_first(), 1));
    CHECK_OK(rep_program_create(&program, device, graph, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        const size_t values = rep_shape_count(rep_graph_shape(graph, in[i]));
        float *value = malloc(values * sizeof *value);
        assert_non_null(value);
        for (size_t k = 0; k < values; k++) {
            value[k] = (float)(k * 2654435761u >> 16 & 1023) / 1000.0f - 0.5f;
        }
        CHECK_OK(rep_program_write(program, in[i], value, values));
        free(value);
    }
    *count = rep_shape_count(rep_graph_shape(graph, out));
    float *y = malloc(*count * sizeof *y);
    assert_non_null(y);
    CHECK_OK(rep_program_run(program, REP_FORWARD, REP_UPDATE));
    CHECK_OK(rep_program_read(program, out, y, *count));
    rep_program_destroy(program);
    rep_graph_destroy(graph);
    rep_device_close(device);
    return y;
}

/* The tile a GPU would time to be the best, and the one a software driver takes unasked. */
static void check_tiles(layer l) {
    for (int back = 0; back < 2; back++) {
        l.is_back = back;
        size_t count = 0, again = 0;
        options.is_like_gpu = false;
        rep_vulkan_configure(&options);
        float *unasked = run(&l, &count);
        options.is_like_gpu = true;
        rep_vulkan_configure(&options);
        float *timed = run(&l, &again);
        assert_int_equal(count, again);
        assert_memory_equal(unasked, timed, count * sizeof *timed);
        free(unasked);
        free(timed);
    }
}

static void test_tiles_change_no_bit(void **state) {
    (void)state;
    const layer l = plain((rep_shape){2, 64, 16, 16}, 68, RULE);
    assert_true(is_winograd(&l));
    check_tiles(l);
    check_tiles(plain((rep_shape){1, 60, 5, 6}, 60, DIRECT)); /* runs, the last of them short */
}

enum { RUN_WORD = 22, RUN = 256 };

static uint32_t run_of(rep_shape x, rep_uint algo, bool is_back, int32_t c_out) {
    layer l = plain(x, c_out, algo);
    l.is_back = is_back;
    const rep_dispatch d = ask(&l, NULL);
    assert_true(d.spec_count > RUN_WORD);
    return d.spec[RUN_WORD];
}

/* Long sums are made in runs, short ones keep the registers that takes: 56 channels make 504
 * products to a sum, 57 make 513. */
static void test_long_sums(void **state) {
    (void)state;
    assert_int_equal(run_of((rep_shape){1, 56, 5, 6}, DIRECT, false, 900), 0);
    assert_int_equal(run_of((rep_shape){1, 57, 5, 6}, DIRECT, false, 900), RUN);
    assert_int_equal(run_of((rep_shape){1, 900, 5, 6}, DIRECT, true, 56), 0);
    assert_int_equal(run_of((rep_shape){1, 900, 5, 6}, DIRECT, true, 57), RUN);
    assert_int_equal(run_of((rep_shape){1, 512, 5, 6}, WINOGRAD, false, 8), 0);
    assert_int_equal(run_of((rep_shape){1, 513, 5, 6}, WINOGRAD, false, 8), RUN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_word_decides, reset),
        cmocka_unit_test_setup(test_only_what_fits, reset),
        cmocka_unit_test_setup(test_rule, reset),
        cmocka_unit_test_setup(test_scratch_is_bounded, reset),
        cmocka_unit_test_setup(test_tiles_change_no_bit, reset),
        cmocka_unit_test_setup(test_long_sums, reset),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
