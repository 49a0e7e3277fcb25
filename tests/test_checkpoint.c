/* test_checkpoint.c - what a checkpoint holds, and every way in which one is refused. */
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "repopt/log.h"
#include "repopt/version.h"
#include "train_case.h"

static void join(char out[256], const char *folder, const char *name) {
    snprintf(out, 256, "%s/%s", folder, name);
}

/* Log lines of a run, one text. */
static char log_text[8192];
static void keep_line(void *context, rep_log_level level, const char *text) {
    (void)context;
    (void)level;
    const size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof log_text - used, "%s\n", text);
}

static void start_log(void) {
    log_text[0] = '\0';
    rep_log_set(keep_line, NULL);
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void init_short(train_case *c, const char *root, const char *name, const char *mode) {
    train_case_init(c, root, name);
    train_case_set(c, "TRAINING_MODE", mode);
    train_case_set(c, "SOLVER.MAX_ITER", "2");
}

/* Runs a case that must fail, and takes it away. */
static void expect_failure(train_case *c, rep_status status, const char *part) {
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &c->options), status, part);
    train_case_clear(c);
}

static size_t count_files(const char *folder, const char *part) {
    size_t count = 0;
    DIR *open = opendir(folder);
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        count += strstr(entry->d_name, part) != NULL;
    }
    if (open != NULL) { closedir(open); }
    return count;
}

/* ---- content ------------------------------------------------------------------------------------
 */

static void expect_shape(const rep_safetensors *file, const char *name, rep_tensor_type type,
                         int rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    const rep_tensor_info *info = rep_safetensors_find(file, name);
    if (info == NULL) { fail_msg("%s is missing", name); }
    assert_int_equal(info->type, type);
    assert_int_equal(info->rank, rank);
    const int64_t wanted[] = {a, b, c, d};
    for (int i = 0; i < rank; i++) { assert_int_equal(info->shape[i], wanted[i]); }
}

static void test_names_and_metadata(void **state) {
    (void)state;
    char root[64], path[256], text[256] = "";
    train_case_root(root);
    train_case c;
    init_short(&c, root, "content", "hyper_search");
    train_case_set(&c, "SOLVER.EMA_DECAY", "0.9");
    const rep_train_result result = train_case_run(&c);
    join(path, c.folder, "model_final.safetensors");
    assert_string_equal(result.checkpoint, path);
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, path));
    expect_shape(file, "stage0.conv.weight", REP_TENSOR_F32, 4, 8, 3, 3, 3);
    expect_shape(file, "stage3.0.conv_1x1.weight", REP_TENSOR_F32, 4, 16, 8, 1, 1);
    expect_shape(file, "stage2.1.scale_conv.weight", REP_TENSOR_F32, 1, 8, 0, 0, 0);
    expect_shape(file, "stage2.1.scale_identity.weight", REP_TENSOR_F32, 1, 8, 0, 0, 0);
    expect_shape(file, "stage2.1.bn.running_var", REP_TENSOR_F32, 1, 8, 0, 0, 0);
    expect_shape(file, "stage2.1.bn.num_batches_tracked", REP_TENSOR_I64, 0, 0, 0, 0, 0);
    expect_shape(file, "linear.weight", REP_TENSOR_F32, 2, 10, 16, 0, 0);
    expect_shape(file, "linear.bias", REP_TENSOR_F32, 1, 10, 0, 0, 0);
    expect_shape(file, "optimizer.momentum.stage0.conv.weight", REP_TENSOR_F32, 4, 8, 3, 3, 3);
    expect_shape(file, "optimizer.momentum.linear.weight", REP_TENSOR_F32, 2, 10, 16, 0, 0);
    expect_shape(file, "ema.stage0.conv.weight", REP_TENSOR_F32, 4, 8, 3, 3, 3);
    expect_shape(file, "ema.stage0.bn.running_mean", REP_TENSOR_F32, 1, 8, 0, 0, 0);
    int64_t tracked = 0;
    CHECK_OK(rep_tensor_read_i64(rep_safetensors_find(file, "stage2.1.bn.num_batches_tracked"),
                                 &tracked));
    assert_int_equal(tracked, 2);
    assert_null(rep_safetensors_find(file, "model"));
    assert_null(rep_safetensors_find(file, "optimizer.segments"));

    assert_string_equal(rep_safetensors_metadata(file, "mode"), "hyper_search");
    assert_string_equal(rep_safetensors_metadata(file, "iteration"), "2");
    assert_string_equal(rep_safetensors_metadata(file, "seed"), "3");
    assert_string_equal(rep_safetensors_metadata(file, "repopt"), REP_VERSION);
    assert_non_null(strstr(rep_safetensors_metadata(file, "config"), "EMA_DECAY: 0.9"));
    size_t names = 1;
    for (const char *n = rep_safetensors_metadata(file, "class_names"); *n != '\0'; n++) {
        names += *n == '\n';
    }
    assert_int_equal(names, 10);
    rep_safetensors_close(file);

    join(path, c.folder, "last_checkpoint");
    FILE *last = fopen(path, "r");
    assert_non_null(last);
    assert_non_null(fgets(text, sizeof text, last));
    fclose(last);
    assert_string_equal(text, result.checkpoint);
    assert_int_equal(count_files(c.folder, "events.out.tfevents"), 1);
    assert_int_equal(count_files(c.folder, ".tmp"), 0);
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_period_names(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    train_case_init(&c, root, "period");
    train_case_set(&c, "SOLVER.MAX_ITER", "5");
    train_case_set(&c, "SOLVER.CHECKPOINT_PERIOD", "2");
    (void)train_case_run(&c);
    assert_int_equal(count_files(c.folder, "model_"), 3);
    assert_int_equal(count_files(c.folder, "model_0000002.safetensors"), 1);
    assert_int_equal(count_files(c.folder, "model_0000004.safetensors"), 1);
    assert_int_equal(count_files(c.folder, "model_final.safetensors"), 1);
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_finished_run_says_so(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "done", "normal");
    const rep_train_result first = train_case_run(&c);
    c.calls = 0;
    start_log();
    const rep_train_result again = train_case_run(&c);
    rep_log_set(NULL, NULL);
    assert_int_equal(c.calls, 0);
    assert_non_null(strstr(log_text, "has all 2 iterations already"));
    assert_true(again.score == first.score && again.last_loss == first.last_loss);
    assert_string_equal(again.checkpoint, first.checkpoint);
    /* A longer run goes on from it and says what changed. */
    train_case_set(&c, "SOLVER.MAX_ITER", "3");
    start_log();
    (void)train_case_run(&c);
    rep_log_set(NULL, NULL);
    assert_int_equal(c.calls, 1);
    assert_non_null(strstr(log_text, "changed since the checkpoint: MAX_ITER: 3"));
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_moved_folder_resumes(void **state) {
    (void)state;
    char root[64], moved[256];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "here", "normal");
    (void)train_case_run(&c);
    join(moved, root, "there");
    assert_int_equal(rename(c.folder, moved), 0);
    train_case_set(&c, "OUTPUT_DIR", moved);
    c.calls = 0;
    (void)train_case_run(&c);
    assert_int_equal(c.calls, 0);
    train_case_clear(&c);
    train_case_remove(root);
}

/* ---- SCALE --------------------------------------------------------------------------------------
 */

/* A searched checkpoint with 2 iterations; `path` gets its name. */
static void search(char path[256], const char *root, const char *name, const char *seed) {
    train_case c;
    init_short(&c, root, name, "hyper_search");
    train_case_set(&c, "SEED", seed);
    (void)train_case_run(&c);
    join(path, c.folder, "model_final.safetensors");
    train_case_clear(&c);
}

static void test_scale_errors(void **state) {
    (void)state;
    char root[64], scale[256], junk[256];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "missing", "target");
    expect_failure(&c, REP_ERR_CONFIG, "SCALE: empty");
    assert_int_equal(count_files(c.folder, ""), 0); /* refused before anything was made */

    init_short(&c, root, "absent", "target");
    join(junk, root, "nowhere.safetensors");
    train_case_set(&c, "SCALE", junk);
    expect_failure(&c, REP_ERR_IO, "nowhere.safetensors");

    join(junk, root, "junk.safetensors");
    write_text(junk, "this is no checkpoint at all");
    init_short(&c, root, "unreadable", "target");
    train_case_set(&c, "SCALE", junk);
    expect_failure(&c, REP_ERR_DATA, "junk.safetensors");

    search(scale, root, "search", "3");
    init_short(&c, root, "other", "target");
    train_case_set(&c, "SCALE", scale);
    train_case_set(&c, "MODEL.VGG.WIDTHS", "(8, 16, 16, 16)");
    expect_failure(&c, REP_ERR_DATA, "another model");
    assert_int_equal(rep_status_exit_code(REP_ERR_CONFIG), 2);
    assert_int_equal(rep_status_exit_code(REP_ERR_DATA), 3);
    train_case_remove(root);
}

static void test_scale_is_kept(void **state) {
    (void)state;
    char root[64], scale[256], other[256], path[256];
    train_case_root(root);
    search(scale, root, "search", "3");
    search(other, root, "search2", "4");
    train_case c;
    init_short(&c, root, "target", "target");
    train_case_set(&c, "SCALE", scale);
    (void)train_case_run(&c);
    join(path, c.folder, "model_final.safetensors");
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, path));
    expect_shape(file, "scales.stage2.1.scale_conv.weight", REP_TENSOR_F32, 1, 8, 0, 0, 0);
    assert_null(rep_safetensors_find(file, "stage2.1.scale_conv.weight"));
    rep_safetensors_close(file);

    train_case_set(&c, "SOLVER.MAX_ITER", "3");
    train_case_set(&c, "SCALE", other);
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_CONFIG, "SCALE");
    /* The checkpoint carries its scales: without SCALE, or with the same, it goes on. */
    train_case_set(&c, "SCALE", "");
    c.calls = 0;
    (void)train_case_run(&c);
    assert_int_equal(c.calls, 1);
    train_case_set(&c, "SOLVER.MAX_ITER", "4");
    train_case_set(&c, "SCALE", scale);
    (void)train_case_run(&c);
    assert_int_equal(c.calls, 2);
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_forced_reinit(void **state) {
    (void)state;
    char root[64], scale[256], trained[256];
    train_case_root(root);
    search(scale, root, "search", "3");
    train_case c;
    init_short(&c, root, "plain", "normal");
    (void)train_case_run(&c);
    join(trained, c.folder, "model_final.safetensors");
    train_case_clear(&c);
    for (int is_forced = 0; is_forced < 2; is_forced++) {
        init_short(&c, root, is_forced ? "forced" : "refused", "target");
        train_case_set(&c, "SCALE", scale);
        train_case_set(&c, "MODEL.WEIGHT", trained);
        c.options.is_forced_reinit = is_forced != 0;
        if (is_forced) {
            (void)train_case_run(&c);
            train_case_clear(&c);
        } else {
            expect_failure(&c, REP_ERR_CONFIG, "force");
        }
    }
    train_case_remove(root);
}

/* ---- refusals -----------------------------------------------------------------------------------
 */

/* Trains 2 iterations in normal mode, then the same folder with one key changed. */
static void expect_refusal(const char *key, const char *value, rep_status status,
                           const char *part) {
    char root[64];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "run", "normal");
    (void)train_case_run(&c);
    train_case_set(&c, "SOLVER.MAX_ITER", "4");
    train_case_set(&c, key, value);
    expect_failure(&c, status, part);
    train_case_remove(root);
}

static void test_resume_refusals(void **state) {
    (void)state;
    expect_refusal("TRAINING_MODE", "hyper_search", REP_ERR_CONFIG, "TRAINING_MODE normal");
    expect_refusal("MODEL.VGG.WIDTHS", "(8, 8, 16, 24)", REP_ERR_DATA, "another model");
    expect_refusal("MODEL.VGG.NUM_BLOCKS", "(1, 2, 1, 2)", REP_ERR_DATA, "has no tensor");
    expect_refusal("SOLVER.OPTIMIZER", "adamw", REP_ERR_DATA, "optimizer.exp_avg");
}

static void test_broken_files(void **state) {
    (void)state;
    char root[64], last[256], path[256];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "run", "normal");
    (void)train_case_run(&c);
    train_case_set(&c, "SOLVER.MAX_ITER", "4");
    join(last, c.folder, "last_checkpoint");
    join(path, c.folder, "model_final.safetensors");
    rep_train_result result;

    write_text(last, "out/model_9999999.safetensors");
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_IO, "model_9999999.safetensors");
    write_text(last, "");
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_DATA, "holds no path");
    /* A foreign file without the counters. */
    const float one = 1;
    char foreign[256];
    join(foreign, c.folder, "foreign.safetensors");
    const rep_tensor_source source = {.name = "x",
                                      .type = REP_TENSOR_F32,
                                      .rank = 1,
                                      .shape = {1},
                                      .fill = rep_tensor_fill_f32,
                                      .context = (void *)(uintptr_t)&one};
    CHECK_OK(rep_safetensors_write(foreign, &source, 1, NULL, 0));
    write_text(last, foreign);
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_CONFIG, "foreign.safetensors");
    const rep_metadata_pair mode = {"mode", "normal"};
    CHECK_OK(rep_safetensors_write(foreign, &source, 1, &mode, 1));
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_DATA, "\"iteration\" is missing");
    /* A file cut short. */
    write_text(last, path);
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(truncate(path, facts.st_size / 2), 0);
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_DATA, "model_final.safetensors");
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_weight_errors(void **state) {
    (void)state;
    char root[64], path[256];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "run", "normal");
    rep_eval_result result;
    CHECK_FAILS(rep_evaluate(&result, &c.options), REP_ERR_CONFIG, "MODEL.WEIGHT: empty");
    (void)train_case_run(&c);
    join(path, c.folder, "model_final.safetensors");
    train_case_set(&c, "MODEL.WEIGHT", path);
    train_case_set(&c, "MODEL.VGG.WIDTHS", "(8, 8, 8, 16)");
    CHECK_FAILS(rep_evaluate(&result, &c.options), REP_ERR_DATA, "another model");
    train_case_set(&c, "MODEL.VGG.WIDTHS", "(8, 8, 16, 16)");
    train_case_set(&c, "TRAINING_MODE", "hyper_search");
    CHECK_FAILS(rep_evaluate(&result, &c.options), REP_ERR_DATA, "has no tensor");
    train_case_set(&c, "TRAINING_MODE", "normal");
    train_case_set(&c, "DATASETS.TEST", "()");
    CHECK_FAILS(rep_evaluate(&result, &c.options), REP_ERR_CONFIG, "DATASETS.TEST");
    train_case_clear(&c);
    train_case_remove(root);
}

static void test_run_errors(void **state) {
    (void)state;
    char root[64], file[256];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "big", "normal");
    train_case_set(&c, "SOLVER.IMS_PER_BATCH", "129");
    expect_failure(&c, REP_ERR_DATA, "129 pictures wanted, the data set has 128");
    init_short(&c, root, "none", "normal");
    train_case_set(&c, "SOLVER.MAX_ITER", "0");
    expect_failure(&c, REP_ERR_CONFIG, "SOLVER.MAX_ITER");
    init_short(&c, root, "device", "normal");
    c.options.device = "abacus";
    expect_failure(&c, REP_ERR_DEVICE, "abacus");
    /* A file where the folder should be. */
    join(file, root, "taken");
    write_text(file, "x");
    init_short(&c, root, "taken", "normal");
    expect_failure(&c, REP_ERR_IO, "taken");
    train_case_remove(root);
}

/* Files may not grow past 2 KiB, as on a disk that is full: the run fails and leaves no part of a
 * checkpoint behind. */
static void test_full_disk(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "full", "normal");
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {2048, 2048};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) { _exit(9); }
        rep_train_result result;
        _exit(rep_status_exit_code(rep_train(&result, &c.options)));
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 3);
    assert_int_equal(count_files(c.folder, "model_"), 0);
    assert_int_equal(count_files(c.folder, "last_checkpoint"), 0);
    train_case_clear(&c);
    train_case_remove(root);
}

/* Blue, green, red in 0..255 with one standard deviation of 255 per unit is the same picture with
 * its channels the other way round: a net sees the same values in reverse. */
static void test_channel_order(void **state) {
    (void)state;
    char root[64], names[2][256];
    train_case_root(root);
    static const char *const keys[2][3] = {{"false", "(0.1, 0.2, 0.4)", "(0.25, 0.25, 0.5)"},
                                           {"true", "(102, 51, 25.5)", "(127.5, 63.75, 63.75)"}};
    float *images[2] = {NULL, NULL};
    size_t count = 0;
    for (int i = 0; i < 2; i++) {
        train_case c;
        init_short(&c, root, i == 0 ? "rgb" : "bgr", "normal");
        train_case_set(&c, "INPUT.TO_BGR255", keys[i][0]);
        train_case_set(&c, "INPUT.PIXEL_MEAN", keys[i][1]);
        train_case_set(&c, "INPUT.PIXEL_STD", keys[i][2]);
        train_case_set(&c, "SOLVER.BASE_LR", "1e30"); /* the second step dumps its batch */
        train_case_set(&c, "SOLVER.WARMUP_ITERS", "0");
        join(names[i], c.folder, "nonfinite_batch.safetensors");
        expect_failure(&c, REP_ERR_NUMERIC, "iteration 2");
        rep_safetensors *file = NULL;
        CHECK_OK(rep_safetensors_open(&file, names[i]));
        const rep_tensor_info *info = rep_safetensors_find(file, "images");
        assert_non_null(info);
        count = info->count;
        images[i] = malloc(count * sizeof *images[i]);
        assert_non_null(images[i]);
        rep_tensor_read_f32(info, images[i]);
        rep_safetensors_close(file);
    }
    const size_t plane = 32 * 32;
    for (size_t i = 0; i < count; i++) {
        const size_t n = i / (3 * plane), c = i / plane % 3, pixel = i % plane;
        /* Values of at most 8 with a rounding or two of difference. */
        const float same = images[1][(n * 3 + 2 - c) * plane + pixel];
        assert_true(fabsf(images[0][i] - same) <= 4e-6f);
    }
    free(images[0]);
    free(images[1]);
    train_case_remove(root);
}

/* The warning that a search found little, and the scaled decay of small batches. */
static void test_lazy_search_is_told(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "lazy", "hyper_search");
    train_case_set(&c, "SOLVER.BASE_LR", "1e-4");
    start_log();
    (void)train_case_run(&c);
    assert_non_null(strstr(log_text, "stayed within"));
    train_case_clear(&c);
    init_short(&c, root, "eager", "hyper_search");
    train_case_set(&c, "SOLVER.BASE_LR", "1");
    train_case_set(&c, "SOLVER.WARMUP_ITERS", "0");
    start_log();
    (void)train_case_run(&c);
    rep_log_set(NULL, NULL);
    assert_null(strstr(log_text, "stayed within"));
    train_case_clear(&c);
    train_case_remove(root);
}

/* The decay that a parameter's line of the explanation ends up with. */
static void expect_decay(const char *batch, const char *scaling, const char *wanted) {
    train_case c;
    train_case_init(&c, "unused", "unused");
    train_case_set(&c, "SOLVER.IMS_PER_BATCH", batch);
    train_case_set(&c, "SOLVER.DECAY_SCALING", scaling);
    train_case_set(&c, "SOLVER.WEIGHT_DECAY", "0.5");
    char *text = NULL;
    CHECK_OK(rep_train_explain(&text, &c.options));
    const char *line = strstr(text, "linear.weight");
    assert_non_null(line);
    char first[256] = "";
    snprintf(first, sizeof first, "%.*s", (int)strcspn(line, "\n"), line);
    if (strstr(first, wanted) == NULL) { fail_msg("batch %s: no %s in: %s", batch, wanted, first); }
    free(text);
    train_case_clear(&c);
}

static void test_decay_scaling(void **state) {
    (void)state;
    expect_decay("64", "true", "0.5");
    expect_decay("16", "true", "0.5");
    expect_decay("24", "true", "0.5625"); /* 24 * round(2.67) / 64 = 1.125 */
    expect_decay("128", "true", " 1");    /* round(0.5) is 0, half to even; at least 1: 128 / 64 */
    expect_decay("128", "false", "0.5");
}

static void test_explain(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    init_short(&c, root, "explain", "hyper_search");
    char *text = NULL;
    CHECK_OK(rep_train_explain(&text, &c.options));
    assert_non_null(strstr(text, "stage2.1.scale_identity.weight"));
    assert_non_null(strstr(text, "linear.bias"));
    free(text);
    assert_int_equal(count_files(c.folder, ""), 0);
    train_case_clear(&c);
    train_case_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_metadata),
        cmocka_unit_test(test_period_names),
        cmocka_unit_test(test_finished_run_says_so),
        cmocka_unit_test(test_moved_folder_resumes),
        cmocka_unit_test(test_scale_errors),
        cmocka_unit_test(test_scale_is_kept),
        cmocka_unit_test(test_forced_reinit),
        cmocka_unit_test(test_resume_refusals),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_weight_errors),
        cmocka_unit_test(test_run_errors),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_channel_order),
        cmocka_unit_test(test_lazy_search_is_told),
        cmocka_unit_test(test_decay_scaling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
