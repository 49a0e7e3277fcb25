/* test_torch_scales.c - RepOpt-VGG-B1's published scales, a file of PyTorch's own: read, and a B1
 * re-initialised from them. The file is not part of a clone: REPOPT_ORACLE_DIR names its folder. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "check.h"
#include "repopt/model.h"
#include "repopt/tensors.h"
#include "sha256.h"

/* The path of a file in the folder, or a test that is skipped. */
static void find_file(char path[4096], const char *name) {
    const char *folder = getenv("REPOPT_ORACLE_DIR");
    snprintf(path, 4096, "%s/torch/%s", folder ? folder : "", name);
    if (folder && rep_file_exists(path)) { return; }
    print_message("no REPOPT_ORACLE_DIR with torch/%s: skipped\n", name);
    skip();
}

/* Every block's vectors are those that PyTorch read, in block order. */
static void test_published_scales(void **state) {
    (void)state;
    char path[4096], expected[4096];
    find_file(path, "RepOpt-VGG-B1-scales.pth");
    find_file(expected, "RepOpt-VGG-B1-scales.expected.safetensors");
    rep_scales *scales = NULL;
    rep_tensors *want = NULL;
    CHECK_OK(rep_scales_load(&scales, path));
    CHECK_OK(rep_tensors_open(&want, expected));
    size_t compared = 0;
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        const rep_scale_row *row = rep_scales_row(scales, i);
        const float *const vectors[] = {row->s, row->t, row->u};
        static const char *const names[] = {"conv", "1x1", "identity"};
        for (int v = 0; v < 3; v++) {
            char name[64];
            snprintf(name, sizeof name, "out.scales.%zu.%s", i, names[v]);
            const rep_tensor_info *info = rep_tensors_find(want, name);
            assert_true((info != NULL) == (vectors[v] != NULL));
            if (!info) { continue; }
            assert_int_equal(info->count, row->channels);
            assert_memory_equal(info->bytes, vectors[v], info->count * sizeof(float));
            compared++;
        }
    }
    assert_int_equal(rep_scales_count(scales), 28);
    assert_int_equal(compared, rep_tensors_count(want));
    rep_tensors_close(want);
    rep_scales_destroy(scales);
}

/* ---- a search pickled whole ----------------------------------------------------------------- */

static void check_vector(const cJSON *block, const char *key, const float *values, int32_t count) {
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(block, key);
    assert_true(cJSON_IsObject(want) == (values != NULL));
    if (!values) { return; }
    char digest[65];
    sha256_hex(digest, values, (size_t)count * sizeof *values);
    assert_string_equal(digest, cJSON_GetObjectItemCaseSensitive(want, "sha256")->valuestring);
}

/* Every row of a file's scales is one that expected.json lists. */
static void check_model(const cJSON *entry) {
    char path[4096];
    find_file(path, strchr(cJSON_GetObjectItemCaseSensitive(entry, "file")->valuestring, '/') + 1);
    rep_scales *scales = NULL;
    CHECK_OK(rep_scales_load(&scales, path));
    const cJSON *blocks = cJSON_GetObjectItemCaseSensitive(entry, "scales"), *block = NULL;
    assert_int_equal(rep_scales_count(scales), cJSON_GetArraySize(blocks));
    cJSON_ArrayForEach(block, blocks) {
        const char *name = cJSON_GetObjectItemCaseSensitive(block, "block")->valuestring;
        size_t i = 0;
        while (i < rep_scales_count(scales) && strcmp(rep_scales_row(scales, i)->name, name) != 0) {
            i++;
        }
        if (i == rep_scales_count(scales)) { fail_msg("%s: no block %s", path, name); }
        const rep_scale_row *row = rep_scales_row(scales, i);
        check_vector(block, "scale_conv", row->s, row->channels);
        check_vector(block, "scale_1x1", row->t, row->channels);
        check_vector(block, "identity", row->u, row->channels);
    }
    rep_scales_destroy(scales);
}

static void test_whole_models(void **state) {
    (void)state;
    char path[4096];
    find_file(path, "expected.json");
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, path));
    cJSON *json = cJSON_ParseWithLength((const char *)view.bytes, view.count);
    rep_file_close(&view);
    const cJSON *entry = NULL;
    int count = 0;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(json, "good")) {
        const bool is_model = cJSON_GetObjectItemCaseSensitive(entry, "module_class") != NULL;
        if (!is_model || !cJSON_GetObjectItemCaseSensitive(entry, "scales")) { continue; }
        check_model(entry);
        count++;
    }
    assert_int_equal(count, 2);
    cJSON_Delete(json);
}

/* ---- a re-initialised B1 -------------------------------------------------------------------- */

typedef struct net {
    rep_device *device;
    rep_graph *graph;
    rep_model *model;
    rep_program *program;
} net;

static net make_b1(void) {
    net n = {0};
    rep_vgg_spec spec;
    CHECK_OK(rep_vgg_preset(&spec, "B1"));
    spec.bn_eps = 1e-5f;
    spec.bn_momentum = 0.1f;
    CHECK_OK(rep_device_open(&n.device, "cpu", 1));
    CHECK_OK(rep_graph_create(&n.graph));
    CHECK_OK(rep_model_build(&n.model, n.graph, &spec, REP_MODE_TARGET, false, 1, 32, 32, -1.0f));
    CHECK_OK(rep_program_create(&n.program, n.device, n.graph, NULL, NULL));
    CHECK_OK(rep_model_init(n.model, n.graph, n.program, 5));
    return n;
}

static void destroy(net *n) {
    rep_program_destroy(n->program);
    rep_model_destroy(n->model);
    rep_graph_destroy(n->graph);
    rep_device_close(n->device);
}

static float *read_kernel(const net *n, const rep_block *block, size_t *count) {
    *count = rep_shape_count(rep_graph_shape(n->graph, block->weight));
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    CHECK_OK(rep_program_read(n->program, block->weight, values, *count));
    return values;
}

/* W = s*W_k + centre(t*W_1) + centre(diag(u)): taps off the centre are s*W_k to a rounding; the
 * rest at the centre is t*W_1, W_1 uniform in +-1/sqrt(c_in), whose mean square is 1/(3 c_in). */
static void check_kernel(const rep_block *block, const rep_scale_row *row, const float *before,
                         const float *after) {
    const size_t c_in = (size_t)block->c_in, c_out = (size_t)block->c_out;
    double squares = 0, counted = 0;
    for (size_t i = 0; i < 9 * c_in * c_out; i++) {
        const size_t o = i / (9 * c_in), tap = i / c_in % 9, c = i % c_in;
        double rest = (double)after[i] - (double)row->s[o] * (double)before[i];
        const double slack = 1e-6 * (fabs((double)after[i]) + fabs((double)before[i]) + 1);
        if (tap != 4) {
            assert_true(fabs(rest) <= slack);
            continue;
        }
        if (row->is_triple && c == o) { rest -= (double)row->u[o]; }
        const double t = fabs((double)row->t[o]);
        assert_true(fabs(rest) <= t / sqrt((double)c_in) + slack);
        if (t < 1e-2) { continue; }
        squares += rest * rest / (t * t) * (double)c_in;
        counted++;
    }
    /* The spread of a mean of n squares of uniform numbers is sqrt(4/45/n); five of it. */
    assert_true(fabs(squares / counted - 1.0 / 3) < 5 * sqrt(4.0 / 45 / counted));
}

static void test_b1_starts_from_them(void **state) {
    (void)state;
    char path[4096];
    find_file(path, "RepOpt-VGG-B1-scales.pth");
    rep_scales *scales = NULL;
    CHECK_OK(rep_scales_load(&scales, path));
    net n = make_b1();
    const size_t blocks = rep_model_block_count(n.model);
    const rep_scale_row *rows[64];
    assert_true(blocks == rep_scales_count(scales) && blocks <= 64);
    CHECK_OK(rep_scales_match(scales, n.model, rows));
    float *before[64];
    size_t count = 0;
    for (size_t b = 0; b < blocks; b++) {
        before[b] = read_kernel(&n, rep_model_block(n.model, b), &count);
    }
    CHECK_OK(rep_model_reinit(n.model, n.graph, n.program, rows, true, false, 5));
    for (size_t b = 0; b < blocks; b++) {
        const rep_block *block = rep_model_block(n.model, b);
        assert_string_equal(rows[b]->name, block->name);
        assert_true(rows[b]->is_triple == block->has_identity);
        float *after = read_kernel(&n, block, &count);
        check_kernel(block, rows[b], before[b], after);
        free(before[b]);
        free(after);
    }
    destroy(&n);
    rep_scales_destroy(scales);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_scales),
        cmocka_unit_test(test_whole_models),
        cmocka_unit_test(test_b1_starts_from_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
