/* test_onnx.c - ONNX files: what is written is read back, what is damaged is refused. That other
 * programs read them, too, is for test_onnx_runtime.sh. */
#include <stdlib.h>

#include "repopt/onnx.h"
#include "temp_folder.h"

/* ---- writing and reading back ------------------------------------------------------------------
 */

static const rep_onnx_dim picture[] = {{.name = "batch"}, {.size = 3}, {.size = 8}, {.size = 300}};

static rep_onnx *small_net(void) {
    rep_onnx *net = NULL;
    CHECK_OK(rep_onnx_create(&net));
    rep_onnx_input(net, "image", REP_TENSOR_F32, picture, 4);
    rep_onnx_output(net, "y", REP_TENSOR_I64, picture, 1);
    for (int i = 0; i < 2; i++) {
        REP_ONNX_NODE(net, "Conv", i == 0 ? "a" : "b", i == 0 ? "image" : "a", "conv.weight", "");
        rep_onnx_node_ints(net, "strides", (const int64_t[]){2, 1}, 2);
        rep_onnx_node_end(net);
    }
    REP_ONNX_NODE(net, "TopK", "values", "b", "count");
    rep_onnx_node_output(net, "y");
    rep_onnx_node_int(net, "axis", -1);
    rep_onnx_node_end(net);
    rep_onnx_floats(net, "conv.weight", (const float[]){1, 2, 3}, (const int64_t[]){1, 3, 1, 1}, 4);
    rep_onnx_whole(net, "count", (const int64_t[]){-7}, NULL, 0);
    rep_onnx_metadata(net, "class_names", "cat\nd\xFFg");
    return net;
}

static void test_read_back(void **state) {
    (void)state;
    const char *path = temp_path("small.onnx");
    rep_onnx *net = small_net();
    rep_onnx_file *file = NULL;
    CHECK_OK(rep_onnx_write(net, path));
    rep_onnx_destroy(net);
    assert_true(rep_onnx_file_is_like(path));
    CHECK_OK(rep_onnx_open(&file, path));
    const rep_onnx_facts *f = rep_onnx_facts_get(file);
    assert_int_equal(f->ir_version, 8);
    assert_int_equal(f->opset, 17);
    assert_string_equal(f->producer, "repopt");
    assert_int_equal(f->node_count, 3);
    assert_int_equal(f->op_count, 2);
    assert_string_equal(f->ops[0].name, "Conv");
    assert_int_equal(f->ops[0].count, 2);
    assert_int_equal(f->input_count, 1);
    assert_string_equal(f->inputs[0].name, "image");
    assert_string_equal(f->inputs[0].type, "F32");
    assert_int_equal(f->inputs[0].rank, 4);
    assert_string_equal(f->inputs[0].dims[0].name, "batch");
    assert_null(f->inputs[0].dims[3].name);
    assert_int_equal(f->inputs[0].dims[3].size, 300);
    assert_string_equal(f->outputs[0].type, "I64");
    assert_int_equal(f->initializer_count, 2);
    assert_string_equal(f->initializers[0].name, "conv.weight");
    assert_int_equal(f->initializers[0].dims[1].size, 3);
    assert_int_equal(f->initializers[1].rank, 0);
    assert_int_equal(f->metadata_count, 1);
    assert_string_equal(f->metadata[0].value, "cat\nd?g");
    rep_onnx_close(file);
}

static rep_status refuse_to_fill(void *context, void *elements, size_t count) {
    (void)context, (void)elements, (void)count;
    return rep_fail(REP_ERR_NUMERIC, "no elements today");
}

/* Nothing is written where something is wrong. */
static void test_refused(void **state) {
    (void)state;
    const char *path = temp_path("refused.onnx");
    rep_tensor_source source = {.name = "big", .rank = 2, .fill = refuse_to_fill};
    source.shape[0] = 1 << 15;
    source.shape[1] = (1 << 14) - 1; /* a little less than 2 GiB, but for the rest of the file */
    rep_onnx *net = small_net();
    rep_onnx_initializer(net, &source);
    rep_onnx_floats(net, "more", (const float[1 << 15]){0}, (const int64_t[]){1 << 15}, 1);
    CHECK_FAILS(rep_onnx_write(net, path), REP_ERR_ARGUMENT, "ends at 2 GiB");
    rep_onnx_destroy(net);

    net = small_net();
    rep_onnx_floats(net, "conv.weight", (const float[]){1}, NULL, 0);
    CHECK_FAILS(rep_onnx_write(net, path), REP_ERR_ARGUMENT, "two tensors are named");
    rep_onnx_destroy(net);

    net = small_net();
    source.shape[0] = source.shape[1] = 1;
    rep_onnx_initializer(net, &source);
    CHECK_FAILS(rep_onnx_write(net, path), REP_ERR_NUMERIC, "no elements today");
    assert_false(rep_file_exists(path));
    CHECK_FAILS(rep_onnx_write(net, temp_path("absent/x.onnx")), REP_ERR_IO, "absent/x.onnx");
    rep_onnx_destroy(net);
}

/* ---- damaged files -----------------------------------------------------------------------------
 */

static rep_status parse(const void *bytes, size_t count) {
    rep_onnx_file *file = NULL;
    const rep_status status = rep_onnx_parse(&file, "x.onnx", bytes, count);
    if (status == REP_OK) { rep_onnx_close(file); }
    return status;
}

/* The graph is the last field of the model: whatever is cut off, something is missing. */
static void test_cut(void **state) {
    (void)state;
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, temp_path("small.onnx")));
    for (size_t count = 0; count < view.count; count++) {
        uint8_t *bytes = malloc(count + 1); /* of its own, so that a sanitizer sees the end */
        assert_non_null(bytes);
        memcpy(bytes, view.bytes, count);
        CHECK_FAILS(parse(bytes, count), REP_ERR_DATA, "x.onnx: ");
        free(bytes);
    }
    CHECK_OK(parse(view.bytes, view.count));
    rep_file_close(&view);
}

/* Any byte may be anything: an answer or one sentence, and nothing else happens. */
static void test_flipped(void **state) {
    (void)state;
    rep_file_view view;
    rep_rng rng;
    size_t refused = 0;
    CHECK_OK(rep_file_open(&view, temp_path("small.onnx")));
    uint8_t *bytes = malloc(view.count);
    assert_non_null(bytes);
    rep_rng_init(&rng, 3, 3);
    for (int i = 0; i < 20000; i++) {
        memcpy(bytes, view.bytes, view.count);
        for (int k = 0; k < 3; k++) {
            bytes[rep_rng_below(&rng, (uint32_t)view.count)] = (uint8_t)rep_rng_below(&rng, 256);
        }
        if (parse(bytes, view.count) == REP_OK) { continue; }
        refused++;
        assert_null(strchr(rep_last_error(), '\n'));
    }
    assert_true(refused > 1000);
    free(bytes);
    rep_file_close(&view);
}

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
/* Version 8, then the graph's tag and length. */
#define HEAD 0x08, 8, 0x3A

static void test_absurd(void **state) {
    (void)state;
    const struct {
        const uint8_t *bytes;
        size_t count;
        const char *part;
    } rows[] = {
        {BYTES('P', 'K', 3, 4), "not the version"},
        {BYTES(0x08, 7, 0, 0, 0, 0, 0, 0, '{'), "not the version"},
        {BYTES(HEAD, 0, HEAD, 0), "two graphs"},
        {BYTES(0x08, 8, 0x08, 8), "no graph"},
        {BYTES(0x08, 8, 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1),
         "beyond"},
        {BYTES(HEAD, 5, 0x0A), "beyond"},
        {BYTES(HEAD, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1), "beyond"},
        {BYTES(HEAD, 1, 0x0B), "unknown kind"},
        {BYTES(HEAD, 2, 0x02, 0), "without a number"},
        /* An input named by a control character. */
        {BYTES(HEAD, 5, 0x5A, 3, 0x0A, 1, 7), "no UTF-8"},
        /* An initializer of -1 elements; of 9 dimensions; of a shape that overflows; of 2 elements
         * in 4 bytes. */
        {BYTES(HEAD, 13, 0x2A, 11, 0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1),
         "below 0"},
        {BYTES(HEAD, 13, 0x2A, 11, 0x0A, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1), "more than 8"},
        {BYTES(HEAD, 18, 0x2A, 16, 0x0A, 10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40,
               2, 0x10, 1, 0x4A, 0),
         "too large"},
        {BYTES(HEAD, 12, 0x2A, 10, 0x08, 2, 0x10, 1, 0x4A, 4, 0, 0, 0, 0), "not as many"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_FAILS(parse(rows[i].bytes, rows[i].count), REP_ERR_DATA, rows[i].part);
    }
    CHECK_OK(parse(BYTES(HEAD, 12, 0x2A, 10, 0x08, 1, 0x10, 1, 0x4A, 4, 0, 0, 0, 0)));
    CHECK_OK(parse(BYTES(HEAD, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_back), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),       cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_absurd),
    };
    return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
