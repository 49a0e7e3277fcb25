/* test_train.c - whole runs on the drawn set: learning, exact resume, threads, accumulation,
 * faults.
 *
 * "Same" means bit for bit everywhere but in the accumulation test, whose bound is derived there.
 * The device is the one that devices.h says.
 */
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#include "repopt/log.h"
#include "train_case.h"

/* ---- learning -----------------------------------------------------------------------------------
 */

static void test_loss_falls(void **state) {
    (void)state;
    static const char *const modes[] = {"normal", "hyper_search", "csla", "repvgg_block",
                                        "qarepvgg_block"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        char root[64];
        train_case_root(root);
        train_case c;
        train_case_init(&c, root, modes[i]);
        train_case_set(&c, "TRAINING_MODE", modes[i]);
        train_case_set(&c, "SOLVER.MAX_ITER", "30");
        /* Thirty-two pictures over and over: a net that learns has them by heart. */
        train_case_set(&c, "DATASETS.DRAWN_COUNT_TRAIN", "32");
        train_case_set(&c, "INPUT.PAD", "0");
        const rep_train_result result = train_case_run(&c);
        /* ln 10 = 2.303 is where ten classes start. */
        if (!(c.last_loss < 0.75 * c.first_loss)) {
            fail_msg("%s: loss %g at first, %g at last", modes[i], c.first_loss, c.last_loss);
        }
        assert_true(fabs(c.first_loss - 2.303) < 0.8);
        assert_int_equal(result.iterations, 30);
        assert_true(result.score >= 0 && result.score <= 1);
        assert_true(result.step_ms > 0 && result.param_count > 1000);
        train_case_clear(&c);
        train_case_remove(root);
    }
}

/* ---- the same bits ------------------------------------------------------------------------------
 */

typedef struct variant {
    const char *name;
    const char *pairs[8]; /* key, value ... NULL */
} variant;

static const variant variants[] = {
    {"sgd_search", {"TRAINING_MODE", "hyper_search"}},
    {"adamw_ema",
     {"SOLVER.OPTIMIZER", "adamw", "SOLVER.EMA_DECAY", "0.99", "SOLVER.BASE_LR", "0.002"}},
    {"target", {"TRAINING_MODE", "target", "SCALE", "searched"}},
    {"accumulate", {"SOLVER.ACCUMULATE_STEPS", "3", "SOLVER.EMA_DECAY", "0.9"}},
};
enum { VARIANT_COUNT = sizeof variants / sizeof *variants };

/* A short search whose scales have left their start; `path` gets its checkpoint. */
static void search(char path[256], const char *root) {
    train_case c;
    train_case_init(&c, root, "search");
    train_case_set(&c, "TRAINING_MODE", "hyper_search");
    train_case_set(&c, "SOLVER.MAX_ITER", "4");
    (void)train_case_run(&c);
    snprintf(path, 256, "%s/model_final.safetensors", c.folder);
    train_case_clear(&c);
}

static void init_variant(train_case *c, const char *root, const char *name, const variant *v) {
    train_case_init(c, root, name);
    for (int i = 0; i + 1 < 8 && v->pairs[i] != NULL; i += 2) {
        char scale[256];
        const bool is_searched = strcmp(v->pairs[i + 1], "searched") == 0;
        if (is_searched) { search(scale, root); }
        train_case_set(c, v->pairs[i], is_searched ? scale : v->pairs[i + 1]);
    }
}

static void join(char out[256], const char *folder, const char *name) {
    snprintf(out, 256, "%s/%s", folder, name);
}

static void expect_same_finals(const train_case *a, const train_case *b) {
    char x[256], y[256];
    join(x, a->folder, "model_final.safetensors");
    join(y, b->folder, "model_final.safetensors");
    train_case_expect_equal(x, y);
}

/* metrics.csv has its header and rows 1 .. count in order, with ten columns each. */
static void expect_every_iteration_once(const train_case *c, unsigned count) {
    char path[256], line[512];
    join(path, c->folder, "metrics.csv");
    FILE *csv = fopen(path, "r");
    assert_non_null(csv);
    assert_non_null(fgets(line, sizeof line, csv));
    assert_true(strncmp(line, "iteration,epoch,loss,lr,", 24) == 0);
    for (unsigned i = 1; i <= count; i++) {
        assert_non_null(fgets(line, sizeof line, csv));
        size_t commas = 0;
        for (const char *at = line; *at != '\0'; at++) { commas += *at == ','; }
        assert_int_equal(commas, 9);
        assert_int_equal(strtoul(line, NULL, 10), i);
    }
    assert_null(fgets(line, sizeof line, csv));
    fclose(csv);
}

/* Stops at several iterations in turn (the first, inside an epoch, at its end, the last but one),
 * changing the thread count on the way, and compares with the uninterrupted run. */
static void test_stop_and_resume(void **state) {
    (void)state;
    static const uint64_t stops[] = {1, 5, 8, 19};
    for (int v = 0; v < VARIANT_COUNT; v++) {
        char root[64];
        train_case_root(root);
        train_case whole, parts;
        init_variant(&whole, root, "whole", &variants[v]);
        const rep_train_result wanted = train_case_run(&whole);
        init_variant(&parts, root, "parts", &variants[v]);
        rep_train_result result;
        for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
            parts.stop = 0;
            parts.stop_at = stops[i];
            parts.options.threads = 1 + (int)(i % 2);
            CHECK_FAILS(rep_train(&result, &parts.options), REP_ERR_INTERRUPTED, "saved");
        }
        parts.stop = 0;
        parts.stop_at = 0;
        result = train_case_run(&parts);
        expect_same_finals(&whole, &parts);
        assert_true(result.score == wanted.score);
        assert_true(result.last_loss == wanted.last_loss);
        assert_int_equal(parts.calls, 20); /* no iteration twice */
        expect_every_iteration_once(&parts, 20);
        train_case_clear(&whole);
        train_case_clear(&parts);
        train_case_remove(root);
    }
}

/* A process that dies without a word loses at most what came after its last checkpoint. */
static void test_crash_and_resume(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case whole, crashed;
    train_case_init(&whole, root, "whole");
    (void)train_case_run(&whole);
    train_case_init(&crashed, root, "crashed");
    train_case_set(&crashed, "SOLVER.CHECKPOINT_PERIOD", "6");
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        crashed.crash_at = 15;
        rep_train_result result;
        _exit(rep_train(&result, &crashed.options) == REP_OK ? 1 : 2);
    }
    int code = 0;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 77);
    (void)train_case_run(&crashed);
    assert_int_equal(crashed.calls, 20 - 12); /* from iteration 12 on */
    expect_same_finals(&whole, &crashed);
    expect_every_iteration_once(&crashed, 20);
    train_case_clear(&whole);
    train_case_clear(&crashed);
    train_case_remove(root);
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case one, two;
    train_case_init(&one, root, "one");
    train_case_init(&two, root, "two");
    train_case_set(&one, "TRAINING_MODE", "hyper_search");
    train_case_set(&two, "TRAINING_MODE", "hyper_search");
    train_case_set(&two, "DATALOADER.NUM_WORKERS", "2");
    two.options.threads = 2;
    const rep_train_result a = train_case_run(&one), b = train_case_run(&two);
    expect_same_finals(&one, &two);
    assert_true(a.score == b.score && a.last_loss == b.last_loss);
    train_case_clear(&one);
    train_case_clear(&two);
    train_case_remove(root);
}

static volatile int raised;
static void on_signal(int number) {
    (void)number;
    raised = 1;
}
static void raise_at_seven(void *context, const rep_progress *now) {
    (void)context;
    if (now->iteration == 7 && !now->is_evaluation) { (void)raise(SIGTERM); }
}

static void test_signal_saves_and_leaves(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    train_case_init(&c, root, "signal");
    struct sigaction action = {.sa_handler = on_signal}, before;
    assert_int_equal(sigaction(SIGTERM, &action, &before), 0);
    c.options.stop = &raised;
    c.options.on_progress = raise_at_seven;
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_INTERRUPTED, "model_0000007.safetensors");
    assert_int_equal(rep_status_exit_code(REP_ERR_INTERRUPTED), 130);
    sigaction(SIGTERM, &before, NULL);
    char path[256];
    join(path, c.folder, "model_0000007.safetensors");
    assert_int_equal(access(path, F_OK), 0);
    train_case_clear(&c);
    train_case_remove(root);
}

/* ---- evaluation ---------------------------------------------------------------------------------
 */

static void test_evaluate_repeats_the_run(void **state) {
    (void)state;
    for (int with_average = 0; with_average < 2; with_average++) {
        char root[64], path[256];
        train_case_root(root);
        train_case c;
        train_case_init(&c, root, "eval");
        train_case_set(&c, "SOLVER.EMA_DECAY", with_average ? "0.9" : "0");
        const rep_train_result trained = train_case_run(&c);
        join(path, c.folder, "model_final.safetensors");
        train_case_set(&c, "MODEL.WEIGHT", path);
        rep_eval_result result;
        CHECK_OK(rep_evaluate(&result, &c.options));
        assert_true(result.top1 == trained.score);
        assert_int_equal(result.count, 40); /* 32 + a batch with 8 valid rows */
        assert_true(result.top5 >= result.top1 && result.top5 <= 1);
        assert_true(result.loss > 0 && isfinite(result.loss));
        train_case_clear(&c);
        train_case_remove(root);
    }
}

/* ---- accumulation -------------------------------------------------------------------------------
 */

/* Largest difference between one parameter of two checkpoints, and its largest value. */
static double difference(const char *a_path, const char *b_path, const char *name, double *scale) {
    rep_safetensors *a = NULL, *b = NULL;
    CHECK_OK(rep_safetensors_open(&a, a_path));
    CHECK_OK(rep_safetensors_open(&b, b_path));
    const rep_tensor_info *x = rep_safetensors_find(a, name), *y = rep_safetensors_find(b, name);
    assert_non_null(x);
    assert_non_null(y);
    float *u = malloc(x->count * sizeof *u), *v = malloc(x->count * sizeof *v);
    assert_true(u != NULL && v != NULL);
    rep_tensor_read_f32(x, u);
    rep_tensor_read_f32(y, v);
    double worst = 0;
    *scale = 0;
    for (size_t i = 0; i < x->count; i++) {
        worst = fmax(worst, fabs((double)u[i] - (double)v[i]));
        *scale = fmax(*scale, fabs((double)u[i]));
    }
    free(u);
    free(v);
    rep_safetensors_close(a);
    rep_safetensors_close(b);
    return worst;
}

/* Four equal batches accumulated are one batch. The data set is a single batch of the same pictures
 * in either case: 16 pictures, batch 16 taken once, against accumulation over 4 passes of it. Batch
 * statistics are then the same, so that only rounding of (g + g + g + g) / 4 = g is left, which is
 * exact in binary floating point but for the order of the pictures: each pass shuffles them, which
 * reorders sums of 16 * 16 * 16 terms at most: 4096 * 2^-24 relative to their absolute sum. */
static void test_accumulation_is_one_batch(void **state) {
    (void)state;
    char root[64], a[256], b[256];
    train_case_root(root);
    train_case one, four;
    train_case_init(&one, root, "one");
    train_case_init(&four, root, "four");
    train_case *both[] = {&one, &four};
    for (int i = 0; i < 2; i++) {
        train_case_set(both[i], "DATASETS.DRAWN_COUNT_TRAIN", "16");
        train_case_set(both[i], "INPUT.PAD", "0");
        train_case_set(both[i], "INPUT.FLIP_PROB_TRAIN", "0");
        train_case_set(both[i], "SOLVER.MAX_ITER", "1");
        train_case_set(both[i], "SOLVER.WARMUP_ITERS", "0");
    }
    train_case_set(&four, "SOLVER.ACCUMULATE_STEPS", "4");
    (void)train_case_run(&one);
    (void)train_case_run(&four);
    join(a, one.folder, "model_final.safetensors");
    join(b, four.folder, "model_final.safetensors");
    static const char *const names[] = {"stage0.conv.weight", "stage1.0.conv.weight",
                                        "stage4.0.conv.weight", "linear.weight", "linear.bias"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char momentum[128];
        snprintf(momentum, sizeof momentum, "optimizer.momentum.%s", names[i]);
        double scale = 0;
        const double worst = difference(a, b, momentum, &scale);
        if (!(worst <= 4096.0 / 16777216.0 * scale && scale > 0)) {
            fail_msg("%s: %g of %g", momentum, worst, scale);
        }
    }
    train_case_clear(&one);
    train_case_clear(&four);
    train_case_remove(root);
}

/* ---- numerical faults ---------------------------------------------------------------------------
 */

/* A copy of a checkpoint in which one element of one tensor has another value. */
typedef struct poisoned {
    const rep_tensor_info *info;
    bool is_poisoned;
    float value;
} poisoned;

static rep_status fill_poisoned(void *context, void *elements, size_t count) {
    const poisoned *p = context;
    if (p->info->type == REP_TENSOR_I64) { return rep_tensor_read_i64(p->info, elements); }
    rep_tensor_read_f32(p->info, elements);
    if (p->is_poisoned) { ((float *)elements)[count / 2] = p->value; }
    return REP_OK;
}

static void copy_poisoned(const char *to, const char *from, const char *name, float value) {
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, from));
    const size_t count = rep_safetensors_count(file);
    rep_tensor_source *sources = calloc(count, sizeof *sources);
    poisoned *items = calloc(count, sizeof *items);
    assert_true(sources != NULL && items != NULL);
    for (size_t i = 0; i < count; i++) {
        const rep_tensor_info *info = rep_safetensors_get(file, i);
        items[i] = (poisoned){info, strcmp(info->name, name) == 0, value};
        sources[i] = (rep_tensor_source){.name = info->name,
                                         .type = info->type,
                                         .rank = info->rank,
                                         .fill = fill_poisoned,
                                         .context = &items[i]};
        memcpy(sources[i].shape, info->shape, sizeof info->shape);
    }
    CHECK_OK(rep_safetensors_write(to, sources, count, NULL, 0));
    free(sources);
    free(items);
    rep_safetensors_close(file);
}

static void test_nonfinite_names_the_tensor(void **state) {
    (void)state;
    char root[64], good[256], bad[256], dump[256];
    train_case_root(root);
    train_case first, second;
    train_case_init(&first, root, "first");
    (void)train_case_run(&first);
    join(good, first.folder, "model_final.safetensors");
    join(bad, root, "bad.safetensors");
    copy_poisoned(bad, good, "stage2.0.conv.weight", NAN);

    train_case_init(&second, root, "second");
    train_case_set(&second, "MODEL.WEIGHT", bad);
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &second.options), REP_ERR_NUMERIC, "iteration 1: the loss is");
    assert_non_null(strstr(rep_last_error(), "\"stage2.0.conv.weight\""));
    assert_non_null(strstr(rep_last_error(), "layer \"stage2.0.conv\""));
    assert_non_null(strstr(rep_last_error(), "pictures "));
    assert_int_equal(rep_status_exit_code(REP_ERR_NUMERIC), 5);
    /* The batch is there to look at; no checkpoint was written over. */
    join(dump, second.folder, "nonfinite_batch.safetensors");
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, dump));
    const rep_tensor_info *images = rep_safetensors_find(file, "images");
    assert_non_null(images);
    assert_int_equal(images->shape[0], 16);
    assert_int_equal(images->shape[1], 3);
    assert_int_equal(images->shape[2], 32);
    assert_non_null(rep_safetensors_find(file, "labels"));
    assert_non_null(rep_safetensors_find(file, "ids"));
    rep_safetensors_close(file);
    join(dump, second.folder, "last_checkpoint");
    assert_int_equal(access(dump, F_OK), -1);
    train_case_clear(&first);
    train_case_clear(&second);
    train_case_remove(root);
}

/* A finite loss whose gradient overflows: 1e30 in the last layer. */
static void test_gradient_overflow(void **state) {
    (void)state;
    char root[64], good[256], bad[256];
    train_case_root(root);
    train_case first, second;
    train_case_init(&first, root, "first");
    (void)train_case_run(&first);
    join(good, first.folder, "model_final.safetensors");
    join(bad, root, "bad.safetensors");
    copy_poisoned(bad, good, "linear.weight", 1e30f);
    train_case_init(&second, root, "second");
    train_case_set(&second, "MODEL.WEIGHT", bad);
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &second.options), REP_ERR_NUMERIC, "the gradient norm is");
    assert_non_null(strstr(rep_last_error(), "no checkpoint yet"));
    train_case_clear(&first);
    train_case_clear(&second);
    train_case_remove(root);
}

/* A rate far too high blows the run up; what it saved before stays good. */
static void test_divergence_keeps_the_checkpoint(void **state) {
    (void)state;
    char root[64], path[256];
    train_case_root(root);
    train_case c;
    train_case_init(&c, root, "blown");
    train_case_set(&c, "SOLVER.CHECKPOINT_PERIOD", "1");
    train_case_set(&c, "SOLVER.BASE_LR", "1e30");
    train_case_set(&c, "SOLVER.SCHEDULE", "multistep");
    train_case_set(&c, "SOLVER.WARMUP_ITERS", "0");
    rep_train_result result;
    CHECK_FAILS(rep_train(&result, &c.options), REP_ERR_NUMERIC, "last checkpoint");
    join(path, c.folder, "last_checkpoint");
    assert_int_equal(access(path, F_OK), 0);
    train_case_clear(&c);
    train_case_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_falls),
        cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_crash_and_resume),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_signal_saves_and_leaves),
        cmocka_unit_test(test_evaluate_repeats_the_run),
        cmocka_unit_test(test_accumulation_is_one_batch),
        cmocka_unit_test(test_nonfinite_names_the_tensor),
        cmocka_unit_test(test_gradient_overflow),
        cmocka_unit_test(test_divergence_keeps_the_checkpoint),
    };
    /* A software driver compiles every shader anew for every run: what depends on the device, with
     * test_vulkan.c for the rest. */
    const struct CMUnitTest device_tests[] = {
        cmocka_unit_test(test_evaluate_repeats_the_run),
        cmocka_unit_test(test_accumulation_is_one_batch),
        cmocka_unit_test(test_nonfinite_names_the_tensor),
        cmocka_unit_test(test_gradient_overflow),
        cmocka_unit_test(test_divergence_keeps_the_checkpoint),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    if (test_wants_vulkan()) {
        return cmocka_run_group_tests_name("train", device_tests, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
