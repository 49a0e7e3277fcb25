/* test_torch.c - files of PyTorch's torch.save: every tensor of the good ones, one sentence about
 * each bad one, truncation and byte flips. tests/data/torch/README.md says what the files are. */
#include <cjson/cJSON.h>
#include <math.h>

#include "format/format.h"
#include "sha256.h"
#include "temp_folder.h"

/* ---- the list of files ---------------------------------------------------------------------- */

/* The folder of this clone's files, or the one that REPOPT_ORACLE_DIR names, or NULL. */
static const char *folder_of(bool is_large) {
    static char path[4096];
    const char *named = getenv("REPOPT_ORACLE_DIR");
    if (!is_large) { return REP_TEST_DATA; }
    snprintf(path, sizeof path, "%s/torch/expected.json", named ? named : "");
    return named && rep_file_exists(path) ? named : NULL;
}

static cJSON *read_expected(const char *folder) {
    char path[4096];
    rep_file_view view;
    snprintf(path, sizeof path, "%s/torch/expected.json", folder);
    CHECK_OK(rep_file_open(&view, path));
    cJSON *json = cJSON_ParseWithLength((const char *)view.bytes, view.count);
    rep_file_close(&view);
    assert_non_null(json);
    return json;
}

static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    assert_non_null(text);
    return text;
}

/* Calls check(path, entry) for every entry of a list; 77 in the end where there are none. */
static void each_file(bool is_large, const char *list,
                      void (*check)(const char *path, const cJSON *entry)) {
    const char *folder = folder_of(is_large);
    if (!folder) {
        print_message("no REPOPT_ORACLE_DIR with torch/expected.json: larger files skipped\n");
        skip();
    }
    cJSON *json = read_expected(folder);
    const cJSON *entries = cJSON_GetObjectItemCaseSensitive(json, list), *entry = NULL;
    int count = 0;
    cJSON_ArrayForEach(entry, entries) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, text_of(entry, "file"));
        check(path, entry);
        count++;
    }
    print_message("%d %s files\n", count, list);
    assert_true(count > 5);
    cJSON_Delete(json);
}

/* ---- good files ----------------------------------------------------------------------------- */

static void check_tensor(const rep_tensors *file, const rep_tensor_info *info, const cJSON *want) {
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(want, "shape");
    assert_string_equal(rep_tensor_type_name(info->type), text_of(want, "dtype"));
    assert_int_equal(info->rank, cJSON_GetArraySize(shape));
    for (int i = 0; i < info->rank; i++) {
        assert_true((double)info->shape[i] == cJSON_GetArrayItem(shape, i)->valuedouble);
    }
    const size_t bytes = info->count * rep_tensor_type_bytes(info->type);
    uint8_t *raw = malloc(bytes + 1);
    float *floats = malloc((info->count + 1) * sizeof *floats);
    assert_non_null(raw);
    assert_non_null(floats);
    CHECK_OK(rep_tensors_read_raw(file, info, raw));
    char digest[65];
    sha256_hex(digest, raw, bytes);
    assert_string_equal(digest, text_of(want, "sha256"));
    CHECK_OK(rep_tensors_read_f32(file, info, floats));
    if (info->type == REP_TENSOR_F32) { assert_memory_equal(floats, raw, bytes); }
    free(raw);
    free(floats);
}

static void check_scalars(const rep_tensors *file, const cJSON *scalars) {
    const cJSON *scalar = NULL;
    cJSON_ArrayForEach(scalar, scalars) {
        const char *got = rep_tensors_metadata(file, scalar->string);
        if (cJSON_IsNull(scalar)) {
            assert_null(got);
            continue;
        }
        assert_non_null(got);
        if (cJSON_IsString(scalar)) { assert_string_equal(got, scalar->valuestring); }
        if (cJSON_IsBool(scalar)) {
            assert_string_equal(got, cJSON_IsTrue(scalar) ? "true" : "false");
        }
        if (cJSON_IsNumber(scalar)) { assert_true(strtod(got, NULL) == scalar->valuedouble); }
    }
}

/* The net's tensors are those expected, in that order. */
static void check_good(const char *path, const cJSON *entry) {
    rep_tensors *file = NULL;
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(entry, "may_refuse"))) {
        CHECK_FAILS(rep_tensors_open(&file, path), REP_ERR_DATA, "big-endian machine");
        return;
    }
    CHECK_OK(rep_tensors_open(&file, path));
    const cJSON *tensors = cJSON_GetObjectItemCaseSensitive(entry, "tensors"), *want = NULL;
    assert_string_equal(rep_tensors_container_get(file, 0)->prefix, "");
    assert_int_equal(rep_tensors_container_get(file, 0)->count, cJSON_GetArraySize(tensors));
    size_t index = 0;
    cJSON_ArrayForEach(want, tensors) {
        const rep_tensor_info *info = rep_tensors_get(file, index++);
        assert_string_equal(info->name, want->string);
        assert_ptr_equal(rep_tensors_find(file, want->string), info);
        assert_int_equal(info->container, 0);
        check_tensor(file, info, want);
    }
    check_scalars(file, cJSON_GetObjectItemCaseSensitive(entry, "scalars"));
    rep_tensors_close(file);
}

static void test_good_files(void **state) {
    (void)state;
    each_file(false, "good", check_good);
}

static void test_large_good_files(void **state) {
    (void)state;
    each_file(true, "good", check_good);
}

/* ---- bad files ------------------------------------------------------------------------------ */

static void check_bad(const char *path, const cJSON *entry) {
    (void)entry;
    rep_tensors *file = NULL;
    CHECK_FAILS(rep_tensors_open(&file, path), REP_ERR_DATA, path);
    assert_null(file);
    /* A place and a remedy, too, behind the file's name. */
    const char *sentence = rep_last_error() + strlen(path);
    assert_non_null(strchr(sentence, ';'));
}

static void test_bad_files(void **state) {
    (void)state;
    each_file(false, "bad", check_bad);
}

static void test_large_bad_files(void **state) {
    (void)state;
    each_file(true, "bad", check_bad);
}

static void test_bad_sentences(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"bad_reduce_os_system_zip", "pickle, byte 196: asks to call os.system; repopt calls"},
        {"bad_reduce_os_system_legacy", "asks to call os.system"},
        {"bad_reduce_stack_global_zip", "asks to call os.system"},
        {"bad_reduce_inst_zip", "asks to call os.system"},
        {"bad_reduce_newobj_zip", "asks to call subprocess.Popen"},
        {"bad_reduce_eval_zip", "asks to call builtins.eval"},
        {"bad_path_traversal", "a storage has a key that is no plain name"},
        {"bad_storage_missing_zip", "storage \"0\": is not in the archive"},
        {"bad_storage_short_zip", "storage \"0\": has fewer elements"},
        {"bad_storage_count_legacy", "has not as many elements as its tensors need"},
        {"bad_storage_key_legacy", "of unknown type"},
        {"bad_shape_huge_but_valid", "repeats its storage to 1099511627776 elements"},
        {"bad_shape_negative_dim", "no whole number from 0 to 2^53"},
        {"bad_shape_many_dims", "more than 8 dimensions"},
        {"bad_shape_offset_overflow", "begins beyond its storage"},
        {"bad_shape_out_of_storage", "reaches beyond its storage"},
        {"bad_shape_unknown_storage",
         "\"w\" is a tensor of type QuantumStorage, which is not read"},
        {"bad_deep_list", "nested deeper than 100"},
        {"bad_bomb", "without tensors"},
        {"bad_cycle", "without tensors"},
        {"bad_pickle_opcode", "pickle, byte 2: opcode 0xFE"},
        {"bad_pickle_memo_huge_index", "absurd number"},
        {"bad_no_pickle", "pickle, byte 0: is cut off"},
        {"bad_plain_zip", "a zip archive without <folder>/data.pkl"},
        {"bad_zip_magic", "begins like a PyTorch file, but"},
        {"bad_zip_cd_offset", "its two end records do not agree"},
        {"bad_zip_no_eocd", "a zip archive without its end"},
        {"bad_legacy_magic", "neither a zip archive nor a stream of torch.save"},
        {"bad_random", "neither a safetensors file nor one that torch.save wrote"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[4096];
        rep_tensors *file = NULL;
        snprintf(path, sizeof path, REP_TEST_DATA "/torch/%s.pth", rows[i][0]);
        CHECK_FAILS(rep_tensors_open(&file, path), REP_ERR_DATA, rows[i][1]);
    }
}

/* ---- what a checkpoint holds ---------------------------------------------------------------- */

static const rep_tensors_container *find_container(const rep_tensors *file, const char *prefix) {
    for (size_t i = 0; i < rep_tensors_container_count(file); i++) {
        const rep_tensors_container *row = rep_tensors_container_get(file, i);
        if (strcmp(row->prefix, prefix) == 0) { return row; }
    }
    fail_msg("no container \"%s\"", prefix);
    return NULL;
}

static const char *find_skip(const rep_tensors *file, const char *path) {
    for (size_t i = 0; i < rep_tensors_skip_count(file); i++) {
        if (strcmp(rep_tensors_skip_get(file, i)->path, path) == 0) {
            return rep_tensors_skip_get(file, i)->reason;
        }
    }
    fail_msg("\"%s\" is not among what was skipped", path);
    return NULL;
}

static void test_containers(void **state) {
    (void)state;
    rep_tensors *file = NULL;
    CHECK_OK(rep_tensors_open(&file, REP_TEST_DATA "/torch/checkpoint.pth"));
    assert_string_equal(rep_tensors_format(file), "PyTorch zip");
    assert_int_equal(rep_tensors_container_count(file), 3);
    assert_true(find_container(file, "")->is_stripped);
    assert_string_equal(find_container(file, "")->kind, "state_dict");
    assert_int_equal(find_container(file, "ema.")->count, find_container(file, "")->count);
    assert_false(find_container(file, "ema.")->is_stripped);
    /* One momentum per parameter with a gradient: two convolutions, weight and bias of two norms.
     */
    assert_int_equal(find_container(file, "optimizer.")->count, 6);
    const rep_tensor_info *momentum = rep_tensors_find(file, "optimizer.state.1.momentum_buffer");
    assert_non_null(momentum);
    assert_true(momentum->rank == 4 && momentum->shape[0] == 2 && momentum->shape[1] == 3);
    float net[54], average[54];
    CHECK_OK(rep_tensors_read_f32(file, rep_tensors_find(file, "stem.conv.weight"), net));
    CHECK_OK(rep_tensors_read_f32(file, rep_tensors_find(file, "ema.stem.conv.weight"), average));
    for (int i = 0; i < 54; i++) { assert_true(average[i] == 0.5f * net[i]); }
    assert_string_equal(rep_tensors_metadata(file, "iteration"), "12");
    assert_string_equal(rep_tensors_metadata(file, "note"), "caf\xC3\xA9");
    assert_string_equal(rep_tensors_metadata(file, "lr"), "0.05");
    assert_non_null(strstr(find_skip(file, "complex"), "ComplexFloatStorage"));
    assert_non_null(strstr(find_skip(file, "optimizer.param_groups"), "a list"));
    rep_tensors_close(file);
}

static void test_whole_models(void **state) {
    (void)state;
    rep_tensors *file = NULL;
    CHECK_OK(rep_tensors_open(&file, REP_TEST_DATA "/torch/whole_model.pth"));
    assert_string_equal(rep_tensors_container_get(file, 0)->kind, "whole model nets.Net");
    assert_false(rep_tensors_container_get(file, 0)->is_stripped);
    assert_string_equal(find_skip(file, "stem.scratch"), "a buffer that the model does not save");
    rep_tensors_close(file);
    CHECK_OK(rep_tensors_open(&file, REP_TEST_DATA "/torch/parallel_legacy.pth"));
    assert_string_equal(rep_tensors_format(file), "PyTorch stream");
    assert_true(rep_tensors_container_get(file, 0)->is_stripped);
    rep_tensors_close(file);
}

/* Stored and contiguous elements are handed out where they lie. */
static void test_nothing_is_copied(void **state) {
    (void)state;
    rep_file_view view;
    rep_tensors *file = NULL;
    CHECK_OK(rep_file_open(&view, REP_TEST_DATA "/torch/sd_zip.pth"));
    CHECK_OK(rep_tensors_parse(&file, "x", view.bytes, view.count));
    const uint8_t *bytes = rep_tensors_find(file, "f32")->bytes;
    assert_true(bytes >= view.bytes && bytes + 48 <= view.bytes + view.count);
    assert_ptr_equal(rep_tensors_find(file, "alias_of_f32")->bytes, bytes);
    assert_null(rep_tensors_find(file, "transposed")->bytes);
    assert_null(rep_tensors_find(file, "expanded")->bytes);
    rep_tensors_close(file);
    rep_file_close(&view);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Reads everything that opens, as an importer would. */
static void use(const uint8_t *bytes, size_t count) {
    rep_tensors *file = NULL;
    if (rep_tensors_parse(&file, "x", bytes, count) != REP_OK) {
        assert_null(strchr(rep_last_error(), '\n'));
        return;
    }
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        float *out = malloc((info->count + 1) * sizeof *out);
        assert_non_null(out);
        (void)!rep_tensors_read_f32(file, info, out);
        free(out);
    }
    rep_tensors_close(file);
}

/* A copy that ends with its block, so that the sanitizer sees a read beyond it. */
static uint8_t *copy_of(const uint8_t *bytes, size_t count) {
    uint8_t *copy = malloc(count ? count : 1);
    assert_non_null(copy);
    if (count > 0) { memcpy(copy, bytes, count); }
    return copy;
}

static void test_truncation_and_flips(void **state) {
    (void)state;
    static const char *const names[] = {"sd_zip",           "sd_legacy",   "sd_zip_deflated",
                                        "ckpt_misc_legacy", "whole_model", "checkpoint"};
    enum { FLIPS = 4000 };
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        char path[4096];
        rep_file_view view;
        snprintf(path, sizeof path, REP_TEST_DATA "/torch/%s.pth", names[n]);
        CHECK_OK(rep_file_open(&view, path));
        for (size_t count = 0; count < view.count; count += 1 + count / 400) {
            uint8_t *cut = copy_of(view.bytes, count);
            rep_tensors *file = NULL;
            CHECK_FAILS(rep_tensors_parse(&file, "cut", cut, count), REP_ERR_DATA, "cut: ");
            free(cut);
        }
        rep_rng rng;
        rep_rng_init(&rng, 5, n);
        for (int i = 0; i < FLIPS; i++) {
            uint8_t *bad = copy_of(view.bytes, view.count);
            const uint32_t flips = 1 + rep_rng_below(&rng, 3);
            for (uint32_t k = 0; k < flips; k++) {
                bad[rep_rng_below(&rng, (uint32_t)view.count)] = (uint8_t)rep_rng_next(&rng);
            }
            use(bad, view.count);
            free(bad);
        }
        rep_file_close(&view);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_large_good_files),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_large_bad_files),
        cmocka_unit_test(test_bad_sentences),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_whole_models),
        cmocka_unit_test(test_nothing_is_copied),
        cmocka_unit_test(test_truncation_and_flips),
    };
    return cmocka_run_group_tests(tests, temp_make, temp_remove);
}
