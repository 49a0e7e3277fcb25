/* cmd_test.c - `repopt test`: how good a trained checkpoint is on the test split. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/judged.h"
#include "repopt/detector.h"

static const char help[] =
    "usage: repopt test --config-file FILE [options] MODEL.WEIGHT CHECKPOINT [KEY VALUE]...\n\n"
    "Measures a checkpoint on the test split: top-1, top-5 and loss of a classifier; COCO's\n"
    "numbers for boxes and keypoints, VOC's AP50 and a row per class of a detector. A checkpoint\n"
    "that carries a moving average (SOLVER.EMA_DECAY) is measured by the average.\n\n"
    "  --config-file FILE  the configuration it was trained with\n" CLI_DEVICE_HELP
    "  --int8              the checkpoint must be an int8 net, as repopt quantize writes it; its\n"
    "                      whole numbers are computed exactly\n"
    "  --json              print the result as one JSON object; null: no ground truth\n"
    "  --out FOLDER        a detector's: bbox.json and keypoints.json, COCO's results as\n"
    "                      pycocotools loads them, and report.html with precision and recall\n"
    "                      per class and the best and worst pictures\n\n"
    "Examples:\n"
    "  repopt test --config-file configs/cifar10/repopt.yaml \\\n"
    "      MODEL.WEIGHT out/repopt/model_final.safetensors\n"
    "  repopt test --config-file configs/fcos/bccd_repopt.yaml --out out/bccd/test \\\n"
    "      MODEL.WEIGHT out/bccd/repopt/model_final.safetensors\n" CLI_VULKAN_HELP;

typedef struct test_run {
    rep_train_options options;
    const char *out;
    bool is_json, is_int8;
    bool is_detector;  /* on_detections was called */
    rep_status status; /* of what it did */
    cli_progress progress;
} test_run;

static rep_status show(const test_run *t, const judged *j) {
    const rep_values *v = rep_config_values(t->options.config);
    if (t->out) {
        REP_TRY(cli_folder_make(t->out));
        REP_TRY(judged_write(t->out, j, v->model_weight));
    }
    if (t->is_json) { return judged_print_json(stdout, j); }
    judged_print(stdout, j);
    return REP_OK;
}

static void take_detections(void *context, const rep_detection_set *set,
                            const rep_detection *detections, size_t count) {
    test_run *t = context;
    judged j;
    const bool has_keypoints = rep_config_values(t->options.config)->model_keypoint_on &&
                               rep_detection_set_keypoint_count(set) > 0;
    t->is_detector = true;
    t->status = judged_init(&j, set, detections, count, has_keypoints);
    if (t->status == REP_OK) { t->status = show(t, &j); }
    judged_clear(&j);
}

static void print_classifier(const rep_eval_result *r, bool is_json) {
    if (is_json) {
        printf("{\"top1\": %.9g, \"top5\": %.9g, \"loss\": %.9g, \"count\": %zu}\n", r->top1,
               r->top5, r->loss, r->count);
    } else {
        printf("top-1 %.2f %%, top-5 %.2f %%, loss %.4f over %zu pictures\n", 100 * r->top1,
               100 * r->top5, r->loss, r->count);
    }
}

/* Refuses a bad --out before the work. */
static rep_status check_out(const test_run *t) {
    if (!t->out) { return REP_OK; }
    rep_body body;
    REP_TRY(rep_body_from_config(&body, rep_config_values(t->options.config)));
    if (body == REP_BODY_YUMIN) { return cli_folder_check(t->out); }
    return rep_fail(REP_ERR_ARGUMENT, "--out: is for detectors; a classifier's result is one line");
}

/* A file says itself what it is; --int8 is for who wants to be sure. */
static rep_status check_int8(const test_run *t) {
    const char *path = rep_config_values(t->options.config)->model_weight;
    bool is_int8 = false;
    if (!t->is_int8 || path[0] == '\0') { return REP_OK; }
    REP_TRY(cli_look_at_weights(path, &is_int8));
    if (is_int8) { return REP_OK; }
    return rep_fail(REP_ERR_DATA,
                    "--int8: %s is a net in float32; make its int8 net by repopt quantize "
                    "--weights %s --out out/int8",
                    path, path);
}

static rep_status test(test_run *t) {
    REP_TRY(check_int8(t));
    REP_TRY(check_out(t));
    cli_progress_init(&t->progress, "");
    t->options.stop = cli_stop_on_signals();
    t->options.on_detections = take_detections;
    t->options.context = t;
    rep_log_set(cli_log_line, &t->progress);
    rep_eval_result r;
    const rep_status status = rep_evaluate(&r, &t->options);
    rep_log_set(NULL, NULL);
    REP_TRY(status);
    if (!t->is_detector) { print_classifier(&r, t->is_json); }
    return t->status;
}

int cmd_test(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    test_run t = {0};
    t.is_json = cli_take_flag(&words, "--json");
    t.is_int8 = cli_take_flag(&words, "--int8");
    rep_config *config = NULL;
    if (cli_take_device(&words, &t.options.device, &t.options.threads) != REP_OK ||
        cli_take_value(&words, "--out", &t.out) != REP_OK ||
        cli_take_given_config(&words, &config) != REP_OK) {
        return cli_fail();
    }
    t.options.config = config;
    const rep_status status = test(&t);
    rep_config_destroy(config);
    return status == REP_OK ? 0 : cli_fail();
}
