/* test_detect.c - whole runs of a detector: learning, exact resume, threads, shapes, accumulation,
 * what an evaluation and the files beside it say.
 *
 * "Same" means bit for bit. The device is the one that devices.h says.
 */
#include <math.h>

#include "detect_case.h"
#include "nn/nn.h"

/* ---- metrics.csv ---------------------------------------------------------------------------- */

enum { COLUMNS = 15, LOSS = 2, OWN_LOSSES = 7, AP = 11, KEYPOINT_AP = 14, MOST_ROWS = 64 };
typedef struct table {
    size_t count;
    double rows[MOST_ROWS][COLUMNS]; /* NaN: empty */
} table;

/* Reads the rows of a run, whose header is the detector's. */
static void read_table(table *out, const train_case *c) {
    char path[256], line[512];
    detect_join(path, c->folder, "metrics.csv");
    FILE *csv = fopen(path, "r");
    assert_non_null(csv);
    assert_non_null(fgets(line, sizeof line, csv));
    assert_string_equal(line, "iteration,epoch,loss,lr,grad_norm,step_ms,images_s,loss_classes,"
                              "loss_boxes,loss_centerness,loss_keypoints,ap,ap50,ap75,"
                              "keypoint_ap\n");
    for (out->count = 0; fgets(line, sizeof line, csv) != NULL; out->count++) {
        assert_true(out->count < MOST_ROWS);
        double *row = out->rows[out->count];
        char *at = line;
        for (int i = 0; i < COLUMNS; i++) {
            char *end = at;
            row[i] = strtod(at, &end);
            if (end == at) { row[i] = NAN; }
            assert_int_equal(*end, i + 1 < COLUMNS ? ',' : '\n');
            at = end + 1;
        }
    }
    fclose(csv);
}

/* The losses of their own are what the loss is the sum of; each was rounded once to float. */
static void expect_sums(const table *t) {
    for (size_t r = 0; r < t->count; r++) {
        double sum = 0;
        for (int i = 0; i < 4; i++) {
            const double loss = t->rows[r][OWN_LOSSES + i];
            sum += isnan(loss) ? 0 : loss;
        }
        if (!(fabs(sum / t->rows[r][LOSS] - 1) <= 1e-6)) {
            fail_msg("row %zu: %.9g in all, parts %.9g", r + 1, t->rows[r][LOSS], sum);
        }
    }
}

/* ---- learning ------------------------------------------------------------------------------- */

static void final_of(char path[256], const train_case *c) {
    detect_join(path, c->folder, "model_final.safetensors");
}

/* A short search on the drawn set; `path` gets its checkpoint. */
static void search(char path[256], const char *root) {
    train_case c;
    detect_case_init(&c, root, "search");
    train_case_set(&c, "TRAINING_MODE", "hyper_search");
    train_case_set(&c, "SOLVER.MAX_ITER", "3");
    (void)train_case_run(&c);
    final_of(path, &c);
    train_case_clear(&c);
}

static void test_loss_falls(void **state) {
    (void)state;
    static const char *const modes[] = {"hyper_search", "target",       "normal",
                                        "csla",         "repvgg_block", "qarepvgg_block"};
    char root[64], scale[256];
    train_case_root(root);
    search(scale, root);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        train_case c;
        table t;
        detect_case_init(&c, root, modes[i]);
        train_case_set(&c, "TRAINING_MODE", modes[i]);
        if (strcmp(modes[i], "target") == 0) { train_case_set(&c, "SCALE", scale); }
        /* Two pictures over and over. */
        train_case_set(&c, "DATASETS.DRAWN_COUNT_TRAIN", "2");
        train_case_set(&c, "SOLVER.MAX_ITER", "16");
        train_case_set(&c, "SOLVER.EVAL_PERIOD", "16");
        train_case_set(&c, "DATASETS.TEST", "()");
        const rep_train_result result = train_case_run(&c);
        read_table(&t, &c);
        assert_int_equal(t.count, 16);
        expect_sums(&t);
        if (!(c.last_loss < 0.8 * c.first_loss)) {
            fail_msg("%s: loss %g at first, %g at last", modes[i], c.first_loss, c.last_loss);
        }
        for (int k = 0; k < 4; k++) { assert_true(t.rows[0][OWN_LOSSES + k] > 0); }
        /* Without a test split there is no score. */
        assert_true(result.score == -1 && isnan(t.rows[15][AP]));
        assert_string_equal(result.score_name, "AP");
        train_case_clear(&c);
    }
    train_case_remove(root);
}

/* ---- the same bits -------------------------------------------------------------------------- */

typedef struct variant {
    const char *name;
    const char *pairs[8]; /* key, value ... NULL */
} variant;

/* All on pictures of two shapes. */
static const variant variants[] = {
    {"search", {"TRAINING_MODE", "hyper_search", "INPUT.FLIP_PROB_TRAIN", "0.5"}},
    {"average",
     {"SOLVER.OPTIMIZER", "adamw", "SOLVER.EMA_DECAY", "0.99", "SOLVER.BASE_LR", "0.002",
      "MODEL.KEYPOINT_ON", "false"}},
    {"accumulate", {"SOLVER.ACCUMULATE_STEPS", "2", "SOLVER.EMA_DECAY", "0.9"}},
    {"drawn", {"INPUT.MOSAIC_PROB", "0.5", "INPUT.ZOOM", "1.5"}},
};
enum { VARIANT_COUNT = sizeof variants / sizeof *variants };

static void init_variant(train_case *c, const char *root, const char *name, const variant *v) {
    detect_case_init_coco(c, root, name);
    for (int i = 0; i + 1 < 8 && v->pairs[i] != NULL; i += 2) {
        train_case_set(c, v->pairs[i], v->pairs[i + 1]);
    }
}

static void expect_same_finals(const train_case *a, const train_case *b) {
    char x[256], y[256];
    final_of(x, a);
    final_of(y, b);
    train_case_expect_equal(x, y);
}

static void test_stop_and_resume(void **state) {
    (void)state;
    static const uint64_t stops[] = {1, 4, 5};
    char root[64];
    train_case_root(root);
    detect_set_write_both(root);
    for (int v = 0; v < VARIANT_COUNT; v++) {
        train_case whole, parts;
        table a, b;
        char name[64];
        snprintf(name, sizeof name, "%s_whole", variants[v].name);
        init_variant(&whole, root, name, &variants[v]);
        detect_log_start();
        const rep_train_result wanted = train_case_run(&whole);
        rep_log_set(NULL, NULL);
        assert_non_null(strstr(detect_log, " pixels: ")); /* there was a second shape */
        snprintf(name, sizeof name, "%s_parts", variants[v].name);
        init_variant(&parts, root, name, &variants[v]);
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
        assert_true(result.score == wanted.score && result.last_loss == wanted.last_loss);
        read_table(&a, &whole);
        read_table(&b, &parts);
        assert_int_equal(a.count, 6);
        assert_int_equal(b.count, 6);
        for (int i = 0; i < 6; i++) { assert_true(a.rows[i][LOSS] == b.rows[i][LOSS]); }
        expect_sums(&a);
        train_case_clear(&whole);
        train_case_clear(&parts);
    }
    train_case_remove(root);
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    detect_set_write_both(root);
    train_case one, two;
    init_variant(&one, root, "one", &variants[0]);
    init_variant(&two, root, "two", &variants[0]);
    train_case_set(&two, "DATALOADER.NUM_WORKERS", "2");
    two.options.threads = 3;
    const rep_train_result a = train_case_run(&one), b = train_case_run(&two);
    expect_same_finals(&one, &two);
    assert_true(a.score == b.score && a.last_loss == b.last_loss);
    train_case_clear(&one);
    train_case_clear(&two);
    train_case_remove(root);
}

/* ---- accumulation --------------------------------------------------------------------------- */

/* A tensor of a checkpoint; malloc'd. */
static float *read_tensor(size_t *count, const char *path, const char *name) {
    rep_safetensors *file = NULL;
    CHECK_OK(rep_safetensors_open(&file, path));
    const rep_tensor_info *info = rep_safetensors_find(file, name);
    if (info == NULL) { fail_msg("%s: no %s", path, name); }
    float *values = malloc(info->count * sizeof *values);
    assert_non_null(values);
    rep_tensor_read_f32(info, values);
    *count = info->count;
    rep_safetensors_close(file);
    return values;
}

/* One update from picture 0 (wide), 1 (tall) or both, a batch each. */
static void take_step(char path[256], const char *root, const char *name, int first, int count) {
    train_case c;
    char file[64];
    snprintf(file, sizeof file, "%s.json", name);
    detect_set_write(root, file, &(detect_set){.first = first, .count = count});
    detect_case_init_coco(&c, root, name);
    train_case_set(&c, "DATASETS.ANNOTATIONS_TRAIN", file);
    train_case_set(&c, "DATASETS.TEST", "()");
    train_case_set(&c, "SOLVER.IMS_PER_BATCH", "1");
    train_case_set(&c, "SOLVER.ACCUMULATE_STEPS", count == 2 ? "2" : "1");
    train_case_set(&c, "SOLVER.MAX_ITER", "1");
    train_case_set(&c, "SOLVER.WARMUP_ITERS", "0");
    train_case_set(&c, "SOLVER.WEIGHT_DECAY", "0");
    (void)train_case_run(&c);
    final_of(path, &c);
    train_case_clear(&c);
}

/* The gradient of two batches of different shapes is the mean of theirs: the first momentum says
 * so. Sums of two floats and an exact half: one rounding, 2^-24 of the sum. */
static void test_accumulation_over_shapes(void **state) {
    (void)state;
    static const char *const names[] = {"optimizer.momentum.backbone.stem.conv.weight",
                                        "optimizer.momentum.head.bbox_pred.weight",
                                        "optimizer.momentum.head.cls_logits.bias"};
    char root[64], paths[3][256];
    train_case_root(root);
    take_step(paths[0], root, "wide", 0, 1);
    take_step(paths[1], root, "tall", 1, 1);
    take_step(paths[2], root, "both", 0, 2);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        float *values[3];
        size_t count = 0;
        double most = 0, worst = 0;
        for (int i = 0; i < 3; i++) { values[i] = read_tensor(&count, paths[i], names[n]); }
        for (size_t i = 0; i < count; i++) {
            const double a = (double)values[0][i], b = (double)values[1][i];
            most = fmax(most, fabs(a) + fabs(b));
            worst = fmax(worst, fabs((a + b) / 2 - (double)values[2][i]));
        }
        if (!(most > 0 && worst <= most / 16777216)) {
            fail_msg("%s: %g of %g", names[n], worst, most);
        }
        for (int i = 0; i < 3; i++) { free(values[i]); }
    }
    train_case_remove(root);
}

/* ---- pictures without objects --------------------------------------------------------------- */

static void test_nothing_to_find(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    detect_set_write(root, "train.json", &(detect_set){.count = 4, .has_no_objects = true});
    detect_set_write(root, "test.json", &(detect_set){.count = 2, .has_no_objects = true});
    train_case c;
    table t;
    detect_case_init_coco(&c, root, "nothing");
    const rep_train_result result = train_case_run(&c);
    read_table(&t, &c);
    assert_int_equal(t.count, 6);
    for (size_t r = 0; r < t.count; r++) {
        assert_true(t.rows[r][OWN_LOSSES] > 0 && isfinite(t.rows[r][LOSS]));
        for (int i = 1; i < 4; i++) { assert_true(t.rows[r][OWN_LOSSES + i] == 0); }
    }
    /* There is no precision without a truth. */
    assert_true(isnan(t.rows[5][AP]) && isnan(t.rows[5][KEYPOINT_AP]));
    assert_true(result.score == 0);
    train_case_clear(&c);
    train_case_remove(root);
}

/* Threads of pictures, of which a quarter is no pixel, train as they are, mosaic or not. */
static void test_threads_of_pictures(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    table t;
    detect_set_write(root, "train.json",
                     &(detect_set){.count = 4, .width = 1, .has_no_objects = true});
    detect_case_init_coco(&c, root, "threads");
    train_case_set(&c, "DATASETS.TEST", "()");
    train_case_set(&c, "INPUT.MOSAIC_PROB", "1");
    train_case_set(&c, "INPUT.ZOOM", "2");
    (void)train_case_run(&c);
    read_table(&t, &c);
    assert_int_equal(t.count, 6);
    train_case_clear(&c);
    train_case_remove(root);
}

/* ---- keypoints ------------------------------------------------------------------------------ */

static bool has_part(const char *path, const char *part) {
    rep_safetensors *file = NULL;
    bool is_found = false;
    CHECK_OK(rep_safetensors_open(&file, path));
    for (size_t i = 0; i < rep_safetensors_count(file); i++) {
        is_found = is_found || strstr(rep_safetensors_get(file, i)->name, part) != NULL;
    }
    rep_safetensors_close(file);
    return is_found;
}

static void test_keypoints_off_and_on(void **state) {
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        char root[64], path[256];
        train_case_root(root);
        train_case c;
        table t;
        detect_case_init(&c, root, "keypoints");
        train_case_set(&c, "MODEL.KEYPOINT_ON", is_on ? "True" : "False");
        train_case_set(&c, "SOLVER.MAX_ITER", "2");
        detect_log_start();
        (void)train_case_run(&c);
        rep_log_set(NULL, NULL);
        read_table(&t, &c);
        final_of(path, &c);
        assert_int_equal(has_part(path, "head.kps"), is_on);
        assert_int_equal(!isnan(t.rows[1][OWN_LOSSES + 3]), is_on);
        assert_int_equal(!isnan(t.rows[1][KEYPOINT_AP]), is_on);
        assert_true(!isnan(t.rows[1][AP]));
        assert_int_equal(strstr(detect_log, "KEYPOINT_ON is False: none are trained") != NULL,
                         !is_on);
        expect_sums(&t);
        train_case_clear(&c);
        train_case_remove(root);
    }
}

/* Keypoints that cannot be judged are told of at once, and cost neither the run nor the boxes. */
static void test_keypoints_without_sigmas(void **state) {
    (void)state;
    static const char categories[] = "{\"id\": 1, \"name\": \"post\", \"keypoints\": [\"top\", "
                                     "\"foot\"]}, {\"id\": 4, \"name\": \"box\"}";
    char root[64];
    train_case_root(root);
    train_case c;
    table t;
    detect_set_write(root, "train.json", &(detect_set){.count = 4, .categories = categories});
    detect_set_write(root, "test.json", &(detect_set){.count = 4, .categories = categories});
    detect_case_init_coco(&c, root, "sigmas");
    train_case_set(&c, "SOLVER.MAX_ITER", "1");
    detect_log_start();
    (void)train_case_run(&c);
    rep_log_set(NULL, NULL);
    assert_non_null(strstr(detect_log, "test.json: category 'post' has no sigmas"));
    read_table(&t, &c);
    assert_true(!isnan(t.rows[0][AP]) && isnan(t.rows[0][KEYPOINT_AP]));
    assert_true(t.rows[0][OWN_LOSSES + 3] > 0);
    train_case_clear(&c);
    train_case_remove(root);
}

/* ---- scales --------------------------------------------------------------------------------- */

/* Every block of backbone and head finds its searched scales by name, and the target keeps them. */
static void test_scales_go_by_name(void **state) {
    (void)state;
    char root[64], scale[256], path[256];
    train_case_root(root);
    search(scale, root);
    train_case c;
    detect_case_init(&c, root, "target");
    train_case_set(&c, "TRAINING_MODE", "target");
    train_case_set(&c, "SCALE", scale);
    train_case_set(&c, "SOLVER.MAX_ITER", "1");
    detect_log_start();
    (void)train_case_run(&c);
    rep_log_set(NULL, NULL);
    assert_null(strstr(detect_log, "matched by order"));
    final_of(path, &c);
    rep_scales *searched = NULL, *kept = NULL;
    CHECK_OK(rep_scales_load(&searched, scale));
    CHECK_OK(rep_scales_load(&kept, path));
    size_t heads = 0;
    const size_t count = rep_scales_count(searched);
    assert_int_equal(rep_scales_count(kept), count);
    for (size_t i = 0; i < count; i++) {
        const rep_scale_row *a = rep_scales_row(searched, i), *b = rep_scales_row(kept, i);
        const size_t bytes = (size_t)a->channels * sizeof *a->s;
        assert_string_equal(a->name, b->name);
        heads += strncmp(a->name, "head.", 5) == 0;
        assert_memory_equal(a->s, b->s, bytes);
        assert_memory_equal(a->t, b->t, bytes);
    }
    /* Three towers of one block; a stem and four stages of two. */
    assert_int_equal(heads, 3);
    assert_int_equal(count, 3 + 1 + 4 * 2);
    rep_scales_destroy(searched);
    rep_scales_destroy(kept);
    train_case_clear(&c);
    train_case_remove(root);
}

/* ---- evaluation ----------------------------------------------------------------------------- */

static void test_evaluate_repeats_the_run(void **state) {
    (void)state;
    char root[64], path[256];
    train_case_root(root);
    detect_set_write_both(root);
    for (int with_average = 0; with_average < 2; with_average++) {
        train_case c;
        table t;
        detect_case_init_coco(&c, root, with_average ? "average" : "plain");
        train_case_set(&c, "SOLVER.EMA_DECAY", with_average ? "0.5" : "0");
        train_case_set(&c, "SOLVER.MAX_ITER", "50");
        train_case_set(&c, "SOLVER.BASE_LR", "0.02");
        train_case_set(&c, "SOLVER.IMS_PER_BATCH", "4");
        train_case_set(&c, "MODEL.BN.MOMENTUM", "0.5");
        train_case_set(&c, "SOLVER.EVAL_PERIOD", "50");
        const rep_train_result trained = train_case_run(&c);
        final_of(path, &c);
        train_case_set(&c, "MODEL.WEIGHT", path);
        train_case_set(&c, "TEST.IMS_PER_BATCH", "8"); /* more than there are */
        rep_eval_result result;
        CHECK_OK(rep_evaluate(&result, &c.options));
        assert_true(result.score == trained.score && result.score > 0);
        assert_int_equal(result.count, 3);
        assert_int_equal(result.box_count, 12);
        assert_int_equal(result.keypoint_count, 10);
        read_table(&t, &c);
        const double *row = t.rows[49];
        for (int i = 0; i < 3; i++) {
            const double wanted = result.boxes[i].value;
            assert_true(fabs(row[AP + i] - wanted) <= 1e-8 * wanted); /* nine digits */
        }
        assert_true(fabs(row[KEYPOINT_AP] - result.keypoints[0].value) <= 1e-8);
        train_case_set(&c, "DATASETS.LIMIT_TEST", "2");
        CHECK_OK(rep_evaluate(&result, &c.options));
        assert_int_equal(result.count, 2);
        train_case_clear(&c);
    }
    train_case_remove(root);
}

/* ---- double precision beside the run -------------------------------------------------------- */

/* The run's own numbers do not change, and each loss is within a float's rounding, 2^-24 times the
 * few hundred sums on the way, of the one in double precision. */
static void test_reference_steps(void **state) {
    (void)state;
    static const char mark[] = "relative difference ";
    char root[64];
    train_case_root(root);
    detect_set_write_both(root);
    train_case with, without;
    detect_case_init_coco(&with, root, "with");
    detect_case_init_coco(&without, root, "without");
    with.options.reference_steps = 4;
    detect_log_start();
    (void)train_case_run(&with);
    rep_log_set(NULL, NULL);
    (void)train_case_run(&without);
    expect_same_finals(&with, &without);
    size_t count = 0;
    for (const char *at = detect_log; (at = strstr(at, mark)) != NULL; count++) {
        at += sizeof mark - 1;
        const double difference = strtod(at, NULL);
        if (!(difference <= 1e-4)) { fail_msg("step %zu: %g", count + 1, difference); }
    }
    assert_int_equal(count, 4);
    train_case_clear(&with);
    train_case_clear(&without);
    train_case_remove(root);
}

/* ---- on another device ---------------------------------------------------------------------- */

enum { STEPS = 8 };
static double curve[2][STEPS];

/* The same net on the same pictures of two shapes, beside the CPU's kernels; as in test_vulkan.c,
 * a small rate keeps roundings from growing. */
static void test_curve_is_the_cpu_s(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    detect_set_write_both(root);
    const char *const devices[] = {test_device_first(), "cpu"};
    for (int i = 0; i < 2; i++) {
        train_case c;
        detect_case_init_coco(&c, root, devices[i]);
        train_case_set(&c, "SOLVER.MAX_ITER", "8");
        train_case_set(&c, "SOLVER.BASE_LR", "0.001");
        train_case_set(&c, "SOLVER.EVAL_PERIOD", "8");
        c.options.device = devices[i];
        c.options.on_progress = train_case_note_loss;
        c.options.context = curve[i];
        (void)train_case_run(&c);
        train_case_clear(&c);
    }
    double worst = 0;
    for (int i = 0; i < STEPS; i++) {
        assert_true(curve[0][i] > 0);
        worst = fmax(worst, fabs(curve[0][i] / curve[1][i] - 1));
    }
    print_message("loss over %d steps: %.2g relative at most\n", STEPS, worst);
    assert_true(worst <= 1e-4);
    assert_true(curve[0][STEPS - 1] != curve[0][0]);
    train_case_remove(root);
}

static void test_half_trains(void **state) {
    (void)state;
    char root[64];
    train_case_root(root);
    train_case c;
    detect_case_init(&c, root, "half");
    train_case_set(&c, "DTYPE", "float16");
    train_case_set(&c, "DATASETS.DRAWN_COUNT_TRAIN", "2");
    train_case_set(&c, "DATASETS.TEST", "()");
    train_case_set(&c, "SOLVER.MAX_ITER", "16");
    (void)train_case_run(&c);
    if (!(c.last_loss < 0.8 * c.first_loss)) {
        fail_msg("loss %g at first, %g at last", c.first_loss, c.last_loss);
    }
    train_case_clear(&c);
    train_case_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_falls),
        cmocka_unit_test(test_stop_and_resume),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_accumulation_over_shapes),
        cmocka_unit_test(test_nothing_to_find),
        cmocka_unit_test(test_threads_of_pictures),
        cmocka_unit_test(test_keypoints_off_and_on),
        cmocka_unit_test(test_keypoints_without_sigmas),
        cmocka_unit_test(test_scales_go_by_name),
        cmocka_unit_test(test_evaluate_repeats_the_run),
        cmocka_unit_test(test_reference_steps),
    };
    const struct CMUnitTest device_tests[] = {
        cmocka_unit_test(test_curve_is_the_cpu_s),
        cmocka_unit_test(test_half_trains),
    };
    int result = 0;
    if (!test_devices_start(&result)) { return result; }
    if (test_wants_vulkan()) {
        return cmocka_run_group_tests_name("detect", device_tests, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
