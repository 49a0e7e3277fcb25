/* test_config.c - options, YAML files, pairs, messages, dump, modes, and bytes that are no YAML. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "config/config.h"

#ifndef REP_TEST_DATA
#define REP_TEST_DATA "tests/data"
#endif

static char folder[] = "/tmp/repopt-config-XXXXXX";

static rep_config *new_config(void) {
    rep_config *config = NULL;
    CHECK_OK(rep_config_create(&config));
    return config;
}

static rep_status merge(rep_config *config, const char *text) {
    return rep_config_merge_text(config, "t.yaml", text, strlen(text));
}

static const char *file_in_folder(const char *name, const char *text) {
    static char path[4][256];
    static int next;
    char *out = path[next++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", folder, name);
    CHECK_OK(rep_file_write(out, text, strlen(text)));
    return out;
}

/* ---- the table ------------------------------------------------------------------------------ */

static void test_every_row_is_well_formed(void **state) {
    (void)state;
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) {
        const rep_option *option = &rep_options[i];
        assert_ptr_equal(rep_option_find(option->key), option);
        assert_true(strlen(option->key) <= 60 && strlen(option->help) >= 5);
        if (option->type == REP_OPTION_TYPE_choice) {
            /* Each word of the help is a value. */
            char words[256];
            snprintf(words, sizeof words, "%.*s", (int)strcspn(option->help, ":"), option->help);
            rep_config *config = new_config();
            for (char *word = strtok(words, " |"); word; word = strtok(NULL, " |")) {
                const char *pair[] = {option->key, word};
                CHECK_OK(rep_config_merge_pairs(config, 2, pair));
            }
            rep_config_destroy(config);
        }
    }
}

static void test_defaults_are_maskrcnn_benchmarks(void **state) {
    (void)state;
    rep_config *config = new_config();
    const rep_values *v = rep_config_values(config);
    assert_string_equal(v->training_mode, "normal");
    assert_string_equal(v->scale, "");
    assert_string_equal(v->output_dir, ".");
    assert_true(v->solver_base_lr == 0.001);
    assert_true(v->solver_momentum == 0.9);
    assert_true(v->solver_weight_decay == 0.0005);
    assert_true(v->solver_bias_lr_factor == 2);
    assert_true(v->solver_gamma == 0.1);
    assert_true(v->solver_warmup_factor == 1.0 / 3);
    assert_int_equal(v->solver_warmup_iters, 500);
    assert_string_equal(v->solver_warmup_method, "linear");
    assert_int_equal(v->solver_max_iter, 40000);
    assert_int_equal(v->solver_checkpoint_period, 2500);
    assert_int_equal(v->solver_ims_per_batch, 16);
    assert_int_equal(v->test_ims_per_batch, 8);
    assert_int_equal(v->solver_steps.count, 1);
    assert_true(v->solver_steps.items[0] == 30000);
    assert_int_equal(v->dataloader_num_workers, 4);
    assert_true(v->input_pixel_mean.items[2] == 122.7717);
    assert_int_equal(v->datasets_train.count, 1);
    assert_false(rep_config_is_set(config, "SCALE"));
    assert_false(rep_config_is_set(config, "NO.SUCH"));
    rep_config_destroy(config);
    rep_config_destroy(NULL);
}

/* ---- values --------------------------------------------------------------------------------- */

static void test_yaml_values(void **state) {
    (void)state;
    rep_config *config = new_config();
    CHECK_OK(merge(config, "# a comment\n"
                           "TRAINING_MODE: \"RepVgg\"\n"
                           "SCALE: out/search/model_final.safetensors  # another\n"
                           "SOLVER:\n"
                           "  BASE_LR: 1e-3\n"
                           "  WEIGHT_DECAY: .5\n"
                           "  MOMENTUM: 0\n"
                           "  MAX_ITER: 9e4\n"
                           "  NESTEROV: True\n"
                           "  STEPS: (60000, 80000)\n"
                           "  SCHEDULE: Cosine\n"
                           "SOLVER.GAMMA: 0.5\n"
                           "DATASETS:\n"
                           "  TRAIN: (\"voc_2007_train\", 'voc, 2012' ,)\n"
                           "  TEST: []\n"
                           "MODEL:\n"
                           "  VGG:\n"
                           "    WIDTHS: [32, 64, 128, 256]\n"
                           "    WIDTH_MUL: 2.5\n"
                           "  FCOS:\n"
                           "TEST: {}\n"
                           "INPUT: {CONTRAST: 0.4, SIZE: 32}\n"));
    const rep_values *v = rep_config_values(config);
    assert_string_equal(v->training_mode, "target");
    assert_string_equal(v->scale, "out/search/model_final.safetensors");
    assert_true(v->solver_base_lr == 1e-3 && v->solver_weight_decay == 0.5);
    assert_true(v->solver_momentum == 0 && v->solver_max_iter == 90000);
    assert_true(v->solver_nesterov);
    assert_true(v->solver_gamma == 0.5);
    assert_string_equal(v->solver_schedule, "cosine");
    assert_int_equal(v->solver_steps.count, 2);
    assert_true(v->solver_steps.items[1] == 80000);
    assert_int_equal(v->datasets_train.count, 2);
    assert_string_equal(v->datasets_train.items[0], "voc_2007_train");
    assert_string_equal(v->datasets_train.items[1], "voc, 2012");
    assert_int_equal(v->datasets_test.count, 0);
    assert_int_equal(v->model_vgg_widths.count, 4);
    assert_int_equal(v->model_vgg_width_mul.count, 1);
    assert_true(v->model_vgg_width_mul.items[0] == 2.5);
    assert_true(v->input_contrast == 0.4 && v->input_size.items[0] == 32);
    assert_true(rep_config_is_set(config, "SOLVER.GAMMA"));
    assert_true(rep_config_is_set(config, "INPUT.SIZE"));
    assert_false(rep_config_is_set(config, "SOLVER.BETA1"));
    rep_config_destroy(config);
}

static void test_pairs(void **state) {
    (void)state;
    rep_config *config = new_config();
    const char *words[] = {"SOLVER.BASE_LR",
                           "0.25",
                           "SOLVER.STEPS=(1, 2,3)",
                           "OUTPUT_DIR",
                           "a=b: [c] #d",
                           "SCALE=",
                           "MODEL.WEIGHT",
                           "'quoted'",
                           "DATASETS.TRAIN",
                           "a,b",
                           "SEED",
                           "7",
                           "SEED=8",
                           "SOLVER.NESTEROV",
                           "TRUE"};
    CHECK_OK(rep_config_merge_pairs(config, (int)(sizeof words / sizeof words[0]), words));
    const rep_values *v = rep_config_values(config);
    assert_true(v->solver_base_lr == 0.25);
    assert_int_equal(v->solver_steps.count, 3);
    assert_string_equal(v->output_dir, "a=b: [c] #d");
    assert_string_equal(v->scale, "");
    assert_string_equal(v->model_weight, "quoted");
    assert_int_equal(v->datasets_train.count, 2);
    assert_int_equal(v->seed, 8);
    assert_true(v->solver_nesterov);
    CHECK_OK(rep_config_merge_pairs(config, 0, NULL));

    static const struct {
        const char *words[3];
        int count;
        const char *message;
    } bad[] = {
        {{"SOLVER.BASE_LR", "fast"},
         2,
         "command line: SOLVER.BASE_LR: found \"fast\", wanted a number from 0 up"},
        {{"SOLVER.BASE_LRR", "1"},
         2,
         "command line: unknown key \"SOLVER.BASE_LRR\"; the nearest known key is SOLVER.BASE_LR"},
        {{"SEED=1", "SOLVER.BASE_LR"}, 2, "SOLVER.BASE_LR: no value follows"},
        {{"SCALE", "SOLVER.BASE_LR", "0.1"}, 3, "the key SOLVER.BASE_LR follows"},
        {{"=3"}, 1, "unknown key \"\""},
        {{"--fast"}, 1, "unknown option \"--fast\""},
        {{"OUTPUT_DIR", "a\nb"}, 2, "control character"},
        {{"OUTPUT_DIR", "caf\xE9"}, 2, "UTF-8"},
        {{"OUTPUT_DIR", "\xC2\x85"}, 2, "UTF-8"},
        {{"OUTPUT_DIR", "\xED\xA0\x80"}, 2, "UTF-8"},
        {{"TRAINING_MODE", "fast"}, 2, "TRAINING_MODE: found \"fast\", wanted hyper_search"},
        {{"SOLVER.OPTIMIZER", "adam"}, 2, "SOLVER.OPTIMIZER: found \"adam\", wanted sgd | adamw"},
        {{"SOLVER.OPTIMIZER", ""}, 2, "SOLVER.OPTIMIZER: found \"\""},
        {{"SOLVER.STEPS", "(1, x)"}, 2, "item 2 is \"x\""},
        {{"SOLVER.STEPS", "(1, 2"}, 2, "wanted a list of numbers"},
        {{"SOLVER.STEPS", "1,,2"}, 2, "wanted a list of numbers"},
        {{"DATASETS.TRAIN", "'a"}, 2, "wanted a list of words"},
        {{"DATASETS.TRAIN", "'a' b"}, 2, "wanted a list of words"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_FAILS(rep_config_merge_pairs(config, bad[i].count, bad[i].words), REP_ERR_CONFIG,
                    bad[i].message);
    }
    /* A failed merge changes nothing, not even what stood before the fault. */
    const char *half[] = {"SEED=99", "SOLVER.IMS_PER_BATCH=0"};
    CHECK_FAILS(rep_config_merge_pairs(config, 2, half), REP_ERR_CONFIG, "from 1 up");
    assert_int_equal(rep_config_values(config)->seed, 8);
    assert_false(rep_config_is_set(config, "SOLVER.IMS_PER_BATCH"));
    rep_config_destroy(config);
}

static void test_numbers_and_their_bounds(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
        bool is_good;
    } rows[] = {
        {"SOLVER.BASE_LR", "0", true},
        {"SOLVER.BASE_LR", "-0.1", false},
        {"SOLVER.BASE_LR", "1e400", false},
        {"SOLVER.BASE_LR", "nan", false},
        {"SOLVER.BASE_LR", ".inf", false},
        {"SOLVER.BASE_LR", "0x10", false},
        {"SOLVER.BASE_LR", "1.", true},
        {"SOLVER.BASE_LR", ".", false},
        {"SOLVER.BASE_LR", "1e", false},
        {"SOLVER.BASE_LR", "1e+", false},
        {"SOLVER.BASE_LR", "1 ", false},
        {"SOLVER.BASE_LR", "", false},
        {"SOLVER.BASE_LR", "+1E-3", true},
        {"SOLVER.BASE_LR", "1,5", false},
        {"SOLVER.MAX_ITER", "1e5", true},
        {"SOLVER.MAX_ITER", "1.5", false},
        {"SOLVER.MAX_ITER", "-1", false},
        {"SOLVER.MAX_ITER", "9223372036854775807", true},
        {"SOLVER.MAX_ITER", "9223372036854775808", false},
        {"SOLVER.MAX_ITER", "1e30", false},
        {"SOLVER.MAX_ITER", "true", false},
        {"SOLVER.IMS_PER_BATCH", "0", false},
        {"SOLVER.MOMENTUM", "1", false},
        {"SOLVER.DAMPENING", "1", true},
        {"SOLVER.DAMPENING", "1.01", false},
        {"SOLVER.ADAMW_EPS", "0", false},
        {"MODEL.GROUP_NORM.DIM_PER_GP", "-1", true},
        {"MODEL.FCOS.CENTER_SAMPLING_RADIUS", "-1.5", true},
        {"SOLVER.NESTEROV", "yes", false},
        {"SOLVER.NESTEROV", "1", false},
        {"SOLVER.NESTEROV", "False", true},
        {"MODEL.VGG.PRESET", "", true},
        {"MODEL.VGG.PRESET", "b1", true},
        {"MODEL.VGG.PRESET", "B", false},
    };
    rep_config *config = new_config();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *pair[] = {rows[i].key, rows[i].value};
        const rep_status status = rep_config_merge_pairs(config, 2, pair);
        if ((status == REP_OK) != rows[i].is_good) {
            fail_msg("%s %s: %s", rows[i].key, rows[i].value, rep_status_name(status));
        }
    }
    assert_string_equal(rep_config_values(config)->model_vgg_preset, "B1");
    rep_config_destroy(config);
}

static void test_list_limits(void **state) {
    (void)state;
    rep_config *config = new_config();
    for (int count = 1024; count <= 1025; count++) {
        char text[4096];
        size_t length = 0;
        for (int i = 0; i < count; i++) { length += (size_t)sprintf(text + length, "1,"); }
        const char *pair[] = {"SOLVER.STEPS", text};
        const rep_status status = rep_config_merge_pairs(config, 2, pair);
        assert_int_equal(status, count == 1024 ? REP_OK : REP_ERR_CONFIG);
    }
    assert_int_equal(rep_config_values(config)->solver_steps.count, 1024);
    rep_config_destroy(config);
}

static void test_modes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        rep_mode mode;
        const char *name;
    } rows[] = {
        {"hyper_search", REP_MODE_HYPER_SEARCH, "hyper_search"},
        {"HYPER_SEARCH", REP_MODE_HYPER_SEARCH, "hyper_search"},
        {"RepVgg", REP_MODE_TARGET, "target"},
        {"RepVGG", REP_MODE_TARGET, "target"},
        {"repopt", REP_MODE_TARGET, "target"},
        {"Target", REP_MODE_TARGET, "target"},
        {"normal", REP_MODE_NORMAL, "normal"},
        {"Others", REP_MODE_NORMAL, "normal"},
        {"CSLA", REP_MODE_CSLA, "csla"},
        {"repvgg_block", REP_MODE_REPVGG_BLOCK, "repvgg_block"},
        {"QARepVGGBlock", REP_MODE_QAREPVGG_BLOCK, NULL},
        {"qarepvgg_block", REP_MODE_QAREPVGG_BLOCK, "qarepvgg_block"},
        {"", REP_MODE_NORMAL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rep_mode mode = REP_MODE_CSLA;
        const rep_status status = rep_mode_parse(&mode, rows[i].text);
        assert_int_equal(status, rows[i].name ? REP_OK : REP_ERR_CONFIG);
        if (!rows[i].name) { continue; }
        assert_int_equal(mode, rows[i].mode);
        assert_string_equal(rep_mode_name(mode), rows[i].name);
    }
}

/* ---- messages ------------------------------------------------------------------------------- */

static void test_bad_yaml_names_file_line_and_remedy(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"SOLVER:\n  BASE_LR: 1\n  MOMENTUN: 0.9\n",
         "t.yaml:3: unknown key \"SOLVER.MOMENTUN\"; the nearest known key is SOLVER.MOMENTUM"},
        {"SOLVR:\n  BASE_LR: 1\n", "t.yaml:2: unknown key \"SOLVR.BASE_LR\"; the nearest known key "
                                   "is SOLVER.BASE_LR"},
        {"BASE_LR: 1", "the nearest known key is SOLVER.BASE_LR"},
        {"MODEL:\n  MAX_ITER: 1", "the nearest known key is SOLVER.MAX_ITER"},
        {"solver:\n  base_lr: 1", "the nearest known key is SOLVER.BASE_LR"},
        {"SCLAE: x", "unknown key \"SCLAE\"; the nearest known key is SCALE"},
        {"NOTHING: {}", "t.yaml:1: unknown key \"NOTHING\""},
        {"NOTHING:", "t.yaml:1: unknown key \"NOTHING\""},
        {"SOLVER: 3", "t.yaml:1: SOLVER: found a value, wanted a section"},
        {"SOLVER: [3]", "SOLVER: found a value, wanted a section"},
        {"SOLVER:\n  BASE_LR: fast",
         "t.yaml:2: SOLVER.BASE_LR: found \"fast\", wanted a number from 0 up"},
        {"SOLVER:\n  BASE_LR:\n    X: 1", "t.yaml:3: SOLVER.BASE_LR: found a section"},
        {"SOLVER:\n  BASE_LR: [1]", "t.yaml:2: SOLVER.BASE_LR: found a list"},
        {"SOLVER:\n  BASE_LR:", "t.yaml:2: SOLVER.BASE_LR: found \"\""},
        {"SOLVER:\n  STEPS: [[1]]", "SOLVER.STEPS: found a list"},
        {"SOLVER:\n  STEPS: {a: 1}", "SOLVER.STEPS: found a section"},
        {"SCALE: [a]", "SCALE: found a list, wanted text"},
        {"SCALE: \"a\\nb\"", "t.yaml:1: SCALE: byte 1 of its text is a control character"},
        {"SCALE: \"a\\0b\"", "t.yaml:1: a value contains a zero byte"},
        {"SCALE: a\nSEED: 1\nSCALE: b", "t.yaml:3: SCALE: stands already in line 1; keep one"},
        {"SOLVER: {GAMMA: 1}\nSOLVER.GAMMA: 1", "t.yaml:2: SOLVER.GAMMA: stands already in line 1"},
        {"SOLVER: {}\nSOLVER: {}", "t.yaml:2: SOLVER: stands already in line 1"},
        {"SCALE: &a x", "t.yaml:1: an anchor (&) is not supported; write the value out"},
        {"SCALE: *a", "an alias (*) is not supported"},
        {"SOLVER: &a {}", "an anchor"},
        {"SCALE: !!str x", "a tag (!) is not supported"},
        {"SOLVER:\n  STEPS: !!python/tuple [1]", "t.yaml:2: a tag (!) is not supported"},
        {"? [a]\n: b", "a key is a list or a section"},
        {"SEED: 1\n---\nSEED: 2", "t.yaml:2: a second document"},
        {"just words", "t.yaml:1: found a value, wanted lines of KEY: VALUE"},
        {"- a\n- b", "found a value, wanted lines of KEY: VALUE"},
        {"SEED: 1\n\tSCALE: 2", "t.yaml:2: no YAML"},
        {"SCALE: \"open", "no YAML"},
        {"SOLVER: {a: 1", "no YAML"},
        {"SCALE: \xFF\xFE", "no YAML at byte 7"},
        {"_BASE_: other.yaml", "t.yaml:1: _BASE_: text has no folder"},
        {"_BASE_: [a]", "t.yaml:1: _BASE_: wanted the name of one YAML file"},
    };
    rep_config *config = new_config();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_FAILS(merge(config, rows[i].text), REP_ERR_CONFIG, rows[i].message);
    }
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) { assert_false(config->is_set[i]); }
    rep_config_destroy(config);
}

static void test_yaml_limits(void **state) {
    (void)state;
    rep_config *config = new_config();
    char *text = calloc(1, (1 << 20) + 2);
    assert_non_null(text);
    /* Depth: 16 levels are the last that fit. */
    for (int depth = 16; depth <= 17; depth++) {
        char deep[64] = "SOLVER: ";
        for (int i = 1; i < depth; i++) { strcat(deep, "["); }
        for (int i = 1; i < depth; i++) { strcat(deep, "]"); }
        CHECK_FAILS(merge(config, deep), REP_ERR_CONFIG,
                    depth == 16 ? "wanted a section" : "nested deeper than 16 levels");
    }
    memset(text, '[', 100000);
    CHECK_FAILS(rep_config_merge_text(config, "t", text, 100000), REP_ERR_CONFIG, "t:1: ");
    /* Nodes. */
    size_t length = (size_t)sprintf(text, "SOLVER: [");
    for (int i = 0; i < 9000; i++) { length += (size_t)sprintf(text + length, "1,"); }
    length += (size_t)sprintf(text + length, "]");
    CHECK_FAILS(rep_config_merge_text(config, "t", text, length), REP_ERR_CONFIG, "more than 8192");
    /* Bytes. */
    memset(text, ' ', (1 << 20) + 1);
    CHECK_OK(rep_config_merge_text(config, "t", text, 1 << 20));
    CHECK_FAILS(rep_config_merge_text(config, "t", text, (1 << 20) + 1), REP_ERR_CONFIG, "bytes");
    CHECK_OK(rep_config_merge_text(config, "t", NULL, 0));
    /* A key longer than any buffer (YAML itself allows 1,024 letters). */
    memset(text, 'K', 1000);
    strcpy(text + 1000, ": {A: 1}");
    CHECK_FAILS(merge(config, text), REP_ERR_CONFIG, "unknown key \"KKKK");
    memset(text, 'K', 5000);
    text[5000] = '=';
    text[5001] = '\0';
    const char *words[] = {text};
    CHECK_FAILS(rep_config_merge_pairs(config, 1, words), REP_ERR_CONFIG, "unknown key \"KKKK");
    memset(text, 'v', 5000);
    text[5000] = '\0';
    const char *pair[] = {"OUTPUT_DIR", text};
    CHECK_FAILS(rep_config_merge_pairs(config, 2, pair), REP_ERR_CONFIG, "text of 5000 bytes");
    free(text);
    rep_config_destroy(config);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void test_base_files(void **state) {
    (void)state;
    char nested[256];
    snprintf(nested, sizeof nested, "%s/sub", folder);
    CHECK_OK(rep_folder_make(nested));
    file_in_folder("base.yaml", "SEED: 1\nSOLVER: {GAMMA: 0.5, BASE_LR: 3}\n");
    file_in_folder("sub/middle.yaml", "_BASE_: ../base.yaml\nSEED: 2\n");
    const char *top = file_in_folder("top.yaml", "SOLVER.BASE_LR: 4\n_BASE_: sub/middle.yaml\n");
    rep_config *config = new_config();
    CHECK_OK(rep_config_merge_file(config, top));
    assert_int_equal(rep_config_values(config)->seed, 2);
    assert_true(rep_config_values(config)->solver_gamma == 0.5);
    assert_true(rep_config_values(config)->solver_base_lr == 4);

    const char *path = file_in_folder("loop.yaml", "_BASE_: loop.yaml\n");
    CHECK_FAILS(rep_config_merge_file(config, path), REP_ERR_CONFIG, "does a file name itself?");
    path = file_in_folder("lost.yaml", "SEED: 3\n_BASE_: nowhere.yaml\n");
    CHECK_FAILS(rep_config_merge_file(config, path), REP_ERR_CONFIG, "lost.yaml:2: _BASE_: ");
    assert_non_null(strstr(rep_last_error(), "nowhere.yaml: cannot be opened"));
    path = file_in_folder("bad.yaml", "\nSEED: x\n");
    path = file_in_folder("over.yaml", "_BASE_: bad.yaml\n");
    CHECK_FAILS(rep_config_merge_file(config, path), REP_ERR_CONFIG, "bad.yaml:2: SEED: found");
    CHECK_FAILS(rep_config_merge_file(config, "/no/such.yaml"), REP_ERR_CONFIG,
                "/no/such.yaml: cannot be opened");
    CHECK_FAILS(rep_config_merge_file(config, folder), REP_ERR_CONFIG, "is a folder");
    assert_int_equal(rep_config_values(config)->seed, 2);
    path = file_in_folder("empty.yaml", "");
    CHECK_OK(rep_config_merge_file(config, path));
    path = file_in_folder("comment.yaml", "# nothing\n");
    CHECK_OK(rep_config_merge_file(config, path));
    rep_config_destroy(config);
}

/* Every file of configs/ is read, and a published FCOS file's keys are known. */
static void test_shipped_configs(void **state) {
    (void)state;
    static const char *const names[] = {
        "cifar10/search", "cifar10/repopt",   "cifar10/sgd",       "cifar10/repvgg",
        "cifar10/csla",   "drawn/search",     "drawn/repopt",      "drawn/sgd",
        "mnist/search",   "mnist/repopt",     "mnist/sgd",         "folder/search",
        "folder/repopt",  "folder/sgd",       "fcos/drawn_search", "fcos/drawn_repopt",
        "fcos/drawn_sgd", "fcos/bccd_search", "fcos/bccd_repopt",  "fcos/bccd_sgd",
        "fcos/bccd_large_repopt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/../../configs/%s.yaml", REP_TEST_DATA, names[i]);
        rep_config *config = new_config();
        CHECK_OK(rep_config_merge_file(config, path));
        const rep_values *v = rep_config_values(config);
        const char *last = strrchr(names[i], '/') + 1;
        if (strrchr(last, '_')) { last = strrchr(last, '_') + 1; }
        const char *mode = strcmp(last, "search") == 0   ? "hyper_search"
                           : strcmp(last, "repopt") == 0 ? "target"
                           : strcmp(last, "repvgg") == 0 ? "repvgg_block"
                           : strcmp(last, "csla") == 0   ? "csla"
                                                         : "normal";
        assert_string_equal(v->training_mode, mode);
        assert_true(v->input_pixel_mean.count == v->input_pixel_std.count);
        assert_false(v->input_to_bgr255);
        rep_config_destroy(config);
    }
}

static void test_published_detector_file(void **state) {
    (void)state;
    rep_config *config = new_config();
    CHECK_OK(rep_config_merge_file(config, REP_TEST_DATA "/fcos.yaml"));
    assert_string_equal(rep_config_values(config)->datasets_test.items[0], "coco_2014_minival");
    assert_string_equal(rep_config_values(config)->model_fcos_iou_loss_type, "giou");
    rep_config_destroy(config);
}

/* ---- dump ----------------------------------------------------------------------------------- */

static void test_dump_reads_back_the_same(void **state) {
    (void)state;
    rep_config *config = new_config();
    const char *words[] = {"OUTPUT_DIR=a \"b\" \\c: #d",  "SCALE=\xC3\xA9\xE2\x82\xAC",
                           "MODEL.WEIGHT=null",           "DATASETS.TRAIN=(yes, 'x, y', 1e-3, ~)",
                           "SOLVER.BASE_LR=0.1",          "SOLVER.GAMMA=0.30000000000000004",
                           "SOLVER.STEPS=(1, 2.5, 1e20)", "SEED=9223372036854775807",
                           "TRAINING_MODE=RepVGG",        "DATASETS.TEST=()"};
    CHECK_OK(rep_config_merge_pairs(config, (int)(sizeof words / sizeof words[0]), words));
    char *first = NULL, *second = NULL, *third = NULL;
    CHECK_OK(rep_config_dump(config, false, &first));
    assert_non_null(strstr(first, "TRAINING_MODE: target\n"));
    assert_non_null(strstr(first, "SOLVER:\n  OPTIMIZER: sgd\n  BASE_LR: 0.1\n"));
    assert_non_null(strstr(first, "\n  ADAMW_EPS: 1.0e-08\n"));
    rep_config *copy = new_config();
    CHECK_OK(rep_config_merge_text(copy, "dump", first, strlen(first)));
    CHECK_OK(rep_config_dump(copy, false, &second));
    assert_string_equal(first, second);
    const rep_values *a = rep_config_values(config), *b = rep_config_values(copy);
    assert_string_equal(a->output_dir, b->output_dir);
    assert_string_equal(b->output_dir, "a \"b\" \\c: #d");
    assert_string_equal(b->scale, "\xC3\xA9\xE2\x82\xAC");
    assert_string_equal(b->model_weight, "null");
    assert_int_equal(b->datasets_train.count, 4);
    assert_string_equal(b->datasets_train.items[3], "~");
    assert_true(b->solver_gamma == 0.30000000000000004);
    assert_true(b->solver_warmup_factor == 1.0 / 3);
    assert_true(b->solver_steps.items[2] == 1e20);
    /* With comments, too. */
    char *commented = NULL;
    CHECK_OK(rep_config_dump(config, true, &commented));
    assert_true(strlen(commented) > 2 * strlen(first));
    for (char *line = commented; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        assert_true(strcspn(line, "\n") <= 110);
    }
    rep_config *other = new_config();
    CHECK_OK(rep_config_merge_text(other, "dump", commented, strlen(commented)));
    CHECK_OK(rep_config_dump(other, false, &third));
    assert_string_equal(first, third);
    free(first);
    free(second);
    free(third);
    free(commented);
    rep_config_destroy(config);
    rep_config_destroy(copy);
    rep_config_destroy(other);
}

/* Seeded damage to a good file: every outcome is a status and one line, and the sanitizers stay
 * silent. */
static void test_damaged_yaml_never_crashes(void **state) {
    (void)state;
    rep_config *config = new_config();
    char *good = NULL;
    CHECK_OK(rep_config_dump(config, true, &good));
    const size_t whole = strlen(good), length = whole < 3000 ? whole : 3000;
    char *text = malloc(length);
    assert_non_null(text);
    static const char letters[] = "{}[]:,&*!|>'\"%@`#-? \n\t\\0a\xFF\xC3";
    rep_rng rng;
    rep_rng_init(&rng, 11, 1);
    int failures = 0;
    for (int round = 0; round < 1500; round++) {
        memcpy(text, good, length);
        const uint32_t edits = 1 + rep_rng_below(&rng, 4);
        for (uint32_t i = 0; i < edits; i++) {
            text[rep_rng_below(&rng, (uint32_t)length)] =
                letters[rep_rng_below(&rng, sizeof letters - 1)];
        }
        const size_t cut = rep_rng_below(&rng, (uint32_t)length + 1);
        const rep_status status = rep_config_merge_text(config, "t", text, cut);
        assert_true(status == REP_OK || status == REP_ERR_CONFIG);
        if (status != REP_OK) {
            failures++;
            assert_null(strchr(rep_last_error(), '\n'));
            assert_memory_equal(rep_last_error(), "t:", 2);
        }
    }
    assert_true(failures > 300);
    free(text);
    free(good);
    rep_config_destroy(config);
}

int main(void) {
    if (!mkdtemp(folder)) { return 1; }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_well_formed),
        cmocka_unit_test(test_defaults_are_maskrcnn_benchmarks),
        cmocka_unit_test(test_yaml_values),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_numbers_and_their_bounds),
        cmocka_unit_test(test_list_limits),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_bad_yaml_names_file_line_and_remedy),
        cmocka_unit_test(test_yaml_limits),
        cmocka_unit_test(test_base_files),
        cmocka_unit_test(test_shipped_configs),
        cmocka_unit_test(test_published_detector_file),
        cmocka_unit_test(test_dump_reads_back_the_same),
        cmocka_unit_test(test_damaged_yaml_never_crashes),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return failed + (system(command) != 0);
}
