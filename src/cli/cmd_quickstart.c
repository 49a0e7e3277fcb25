/* cmd_quickstart.c - `repopt quickstart`: the whole method on drawn pictures, in minutes.
 *
 * Three runs of one net on one data set and one schedule: (1) scaled branches, to search the
 * scales; (2) the plain net with RepOptimizer and those scales; (3) the plain net with ordinary
 * SGD, the control. Then the equality itself is checked, and a table and report.html say what came
 * out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/quickstart.h"

static const char help[] =
    "usage: repopt quickstart [--task NAME] [--out DIR] [--seed N] [--threads N] [--device NAME]\n"
    "                         [KEY VALUE]...\n\n"
    "Searches scales, trains the plain net with RepOptimizer and with ordinary SGD, on pictures "
    "it\n"
    "draws itself, and checks the equality behind the method. Ends with a table; DIR gets the "
    "three\n"
    "runs and report.html. Takes a few minutes on two cores.\n\n"
    "  --task NAME         classify (default): ten classes of pictures; detect: boxes and "
    "keypoints\n"
    "                      of arrows, houses and fish\n"
    "  --out DIR           where everything goes (default: quickstart); a quick start that is\n"
    "                      there already is replaced\n"
    "  --seed N            weights, pictures and their order (default 0)\n" CLI_DEVICE_HELP
    "  KEY VALUE           settings of all three runs, e.g. SOLVER.EPOCHS 2 for a shorter look\n\n"
    "Example:\n"
    "  repopt quickstart --out out/quickstart --seed 1\n"
    "  repopt quickstart --task detect --out out/scenes\n" CLI_VULKAN_HELP;

typedef struct quickstart {
    report report;
    const quickstart_task *task;
    const char *folder, *device;
    int threads;
    cli_words words; /* KEY VALUE pairs for all runs */
    const volatile int *stop;
} quickstart;

static rep_status merge(rep_config *config, const char *yaml) {
    return rep_config_merge_text(config, "quick start", yaml, strlen(yaml));
}

/* The configuration of one run: shared, then the caller's pairs, then what makes the run. */
static rep_status make_config(rep_config **out, const quickstart *q, const report_run *run) {
    static const char *const modes[] = {"hyper_search", "target", "normal"};
    const size_t index = (size_t)(run - q->report.runs);
    const char *scale = index == 1 ? q->report.runs[0].result.checkpoint : "";
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)q->report.seed);
    const char *const pairs[] = {"SEED",       seed,        "DATASETS.DRAWN_SEED", seed,
                                 "OUTPUT_DIR", run->folder, "TRAINING_MODE",       modes[index],
                                 "SCALE",      scale};
    rep_config *config = NULL;
    REP_TRY(rep_config_create(&config));
    rep_status status = merge(config, q->task->shared);
    if (status == REP_OK && q->report.device.is_software) {
        status = merge(config, q->task->software);
    }
    if (status == REP_OK) {
        status =
            rep_config_merge_pairs(config, q->words.count, (const char *const *)q->words.items);
    }
    /* An empty SCALE is the default already, and an empty word is no value. */
    const int count = (int)(sizeof pairs / sizeof *pairs) - (index == 1 ? 0 : 2);
    if (status == REP_OK) { status = rep_config_merge_pairs(config, count, pairs); }
    if (status != REP_OK) {
        rep_config_destroy(config);
        return status;
    }
    *out = config;
    return REP_OK;
}

/* Measures the finished run on the test split; the RepOptimizer net's answers are kept. */
static rep_status measure(quickstart *q, report_run *run, rep_config *config) {
    const char *const weight[] = {"MODEL.WEIGHT", run->result.checkpoint};
    REP_TRY(rep_config_merge_pairs(config, 2, weight));
    rep_train_options options = {
        .config = config, .device = q->device, .threads = q->threads, .stop = q->stop};
    if (run == &q->report.runs[1]) { q->task->keep(&options, &q->report); }
    REP_TRY(rep_evaluate(&run->test, &options));
    return q->report.has_lost ? rep_fail(REP_ERR_MEMORY, "quick start: no memory") : REP_OK;
}

static rep_status run_one(quickstart *q, report_run *run) {
    rep_config *config = NULL;
    REP_TRY(make_config(&config, q, run));
    char title[64];
    snprintf(title, sizeof title, "%d/3 %s", (int)(run - q->report.runs) + 1, run->name);
    fprintf(stderr, "\n%s: %s\n", title, run->how);
    cli_progress progress;
    cli_progress_init(&progress, title);
    rep_log_set(cli_log_line, &progress);
    const rep_train_options options = {.config = config,
                                       .device = q->device,
                                       .threads = q->threads,
                                       .on_progress = cli_progress_show,
                                       .context = &progress,
                                       .stop = q->stop};
    rep_status status = rep_train(&run->result, &options);
    cli_progress_clear(&progress);
    rep_log_set(NULL, NULL);
    if (status == REP_OK) { status = measure(q, run, config); }
    rep_config_destroy(config);
    return status;
}

static void keep_check(void *context, const rep_verify_row *row) {
    report *r = context;
    if (r->check_count == REPORT_MAX_CHECKS) { return; }
    report_check *check = &r->checks[r->check_count++];
    check->row = *row;
    snprintf(check->device, sizeof check->device, "%s", row->device);
}

static void print_result(const quickstart *q) {
    const report *r = &q->report;
    q->task->print_table(r);
    printf("\nequivalence: %s; target + RepOptimizer against CSLA + SGD differ by at most %.1e in "
           "float32, %.1e in double\n",
           r->has_passed ? "PASS" : "FAIL", report_worst(r, false), report_worst(r, true));
    q->task->print_verdict(r);
}

/* What the caller's pairs must leave as it is. */
static rep_status check_config(const quickstart *q, const rep_values *v) {
    rep_body body;
    REP_TRY(rep_body_from_config(&body, v));
    if (body != q->task->body) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BACKBONE.CONV_BODY: \"%s\" is not what --task %s trains",
                        v->model_backbone_conv_body, q->task->name);
    }
    if (strcmp(v->datasets_name, "drawn") == 0) { return REP_OK; }
    return rep_fail(REP_ERR_CONFIG,
                    "DATASETS.NAME: the quick start draws its own pictures; use `repopt train` for "
                    "\"%s\"",
                    v->datasets_name);
}

/* The test split itself, for the pictures in the report. */
static rep_status open_test_set(quickstart *q) {
    rep_config *config = NULL;
    REP_TRY(make_config(&config, q, &q->report.runs[0]));
    const rep_values *v = rep_config_values(config);
    rep_status status = check_config(q, v);
    if (status == REP_OK) { status = q->task->open(&q->report, v); }
    rep_config_destroy(config);
    return status;
}

static rep_status describe_device(quickstart *q) {
    rep_device *device = NULL;
    REP_TRY(rep_device_open(&device, q->device, q->threads));
    rep_device_describe(device, &q->report.device);
    rep_device_close(device);
    if (q->report.device.is_software) {
        fprintf(stderr, "%s is a software driver: %s (KEY VALUE words change that)\n",
                q->report.device.description, q->task->software_means);
    }
    return REP_OK;
}

/* The runs start anew: what is left of another seed or other settings must not be gone on from. A
 * note in the folder tells a quick start's runs, which may be replaced, from anybody else's. */
static rep_status claim_folder(const quickstart *q) {
    char note[640], path[640];
    snprintf(note, sizeof note, "%s/quickstart.txt", q->folder);
    const bool is_ours = access(note, F_OK) == 0;
    for (int i = 0; i < REPORT_RUNS; i++) {
        snprintf(path, sizeof path, "%s/last_checkpoint", q->report.runs[i].folder);
        if (!is_ours && access(path, F_OK) == 0) {
            return rep_fail(REP_ERR_ARGUMENT,
                            "--out: %s holds a run that no quick start made; choose another folder",
                            q->report.runs[i].folder);
        }
        if (is_ours) { remove(path); }
    }
    REP_TRY(cli_folder_make(q->folder));
    FILE *file = fopen(note, "w");
    if (file) {
        fprintf(file, "Made by `repopt quickstart --seed %" PRIu64 "`; the next one replaces it.\n",
                q->report.seed);
    }
    if (!file || fclose(file) != 0) {
        return rep_fail(REP_ERR_IO, "%s: cannot be written (%s)", note, strerror(errno));
    }
    return REP_OK;
}

static rep_status run_all(quickstart *q) {
    report *r = &q->report;
    const double begin = cli_clock_s();
    rep_status status = claim_folder(q);
    for (int i = 0; i < REPORT_RUNS && status == REP_OK; i++) { status = run_one(q, &r->runs[i]); }
    if (status == REP_OK) {
        fprintf(stderr, "\nchecking the equality of target + RepOptimizer and CSLA + SGD\n");
        status = rep_verify(&r->has_passed, q->device, q->threads, 10, keep_check, r);
    }
    char path[640];
    snprintf(path, sizeof path, "%s/report.html", q->folder);
    r->seconds = cli_clock_s() - begin;
    if (status == REP_OK) { status = report_write(path, r); }
    if (status == REP_OK) {
        print_result(q);
        printf("\n%.0f s; the whole report: %s\n", r->seconds, path);
    }
    return status;
}

static rep_status start(quickstart *q) {
    REP_TRY(describe_device(q));
    rep_status status = open_test_set(q);
    if (status == REP_OK) { status = run_all(q); }
    q->task->close(&q->report);
    return status;
}

static rep_status name_runs(quickstart *q) {
    static const char *const names[] = {"search", "repopt", "sgd"};
    static const char *const titles[] = {"Hyper-search", "RepOptimizer", "Ordinary SGD"};
    static const char *const hows[] = {"net of scaled branches, scales trained",
                                       "plain net, gradients masked by those scales",
                                       "the same plain net, no mask"};
    for (int i = 0; i < REPORT_RUNS; i++) {
        report_run *run = &q->report.runs[i];
        run->name = names[i];
        run->title = titles[i];
        run->how = hows[i];
        const int length = snprintf(run->folder, sizeof run->folder, "%s/%s", q->folder, names[i]);
        if (length < 0 || (size_t)length >= sizeof run->folder) {
            return rep_fail(REP_ERR_ARGUMENT, "--out: the path is longer than %zu bytes",
                            sizeof run->folder - 8);
        }
    }
    return REP_OK;
}

static rep_status take_task(quickstart *q) {
    static const quickstart_task *const tasks[] = {&quickstart_classify, &quickstart_detect};
    const char *name = tasks[0]->name;
    REP_TRY(cli_take_value(&q->words, "--task", &name));
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        if (strcmp(name, tasks[i]->name) == 0) {
            q->task = tasks[i];
            q->report.task = tasks[i]->page;
            return REP_OK;
        }
    }
    return rep_fail(REP_ERR_ARGUMENT, "--task: \"%s\" does not exist; classify and detect do",
                    name);
}

static rep_status take_options(quickstart *q) {
    int64_t seed = 0;
    REP_TRY(cli_take_value(&q->words, "--out", &q->folder));
    REP_TRY(take_task(q));
    REP_TRY(cli_take_int(&q->words, "--seed", 0, INT64_MAX, &seed));
    REP_TRY(cli_take_device(&q->words, &q->device, &q->threads));
    REP_TRY(cli_folder_check(q->folder));
    q->report.seed = (uint64_t)seed;
    return name_runs(q);
}

int cmd_quickstart(int argc, char **argv) {
    static quickstart q;
    q.folder = "quickstart";
    q.device = "auto";
    q.words = cli_words_of(argc, argv);
    if (cli_take_help(&q.words, help)) { return 0; }
    if (take_options(&q) != REP_OK) { return cli_fail(); }
    q.stop = cli_stop_on_signals();
    if (start(&q) != REP_OK) { return cli_fail(); }
    if (q.report.has_passed) { return 0; }
    (void)!rep_fail(REP_ERR_NUMERIC, "quickstart: the equality check failed; see `repopt verify`");
    return cli_fail();
}
