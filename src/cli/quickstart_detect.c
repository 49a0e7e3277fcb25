/* quickstart_detect.c - `repopt quickstart --task detect`: boxes and keypoints of drawn scenes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/quickstart.h"

/* configs/fcos/drawn_base.yaml with two blocks per tower and a shorter schedule. */
static const char shared[] = "MODEL:\n"
                             "  BACKBONE:\n"
                             "    CONV_BODY: RepOpt-FPN-YUMIN\n"
                             "  KEYPOINT_ON: true\n"
                             "  YUMIN:\n"
                             "    CHANNELS: [16, 24, 48, 64, 96]\n"
                             "    REPEATS: [1, 1, 2, 2, 1]\n"
                             "    FPN_CHANNELS: 48\n"
                             "    ACT: relu6\n"
                             "  FCOS:\n"
                             "    NUM_CLASSES: 4\n"
                             "    NUM_CONVS: 2\n"
                             "    CENTER_SAMPLING_RADIUS: 1.5\n"
                             "    IOU_LOSS_TYPE: giou\n"
                             "    NORM_REG_TARGETS: true\n"
                             "    HEAD_BN: per_level\n"
                             "    LOSS_WEIGHTS: [1, 1, 1, 2]\n"
                             "DATASETS:\n"
                             "  NAME: drawn\n"
                             "  DRAWN_COUNT_TRAIN: 4000\n"
                             "  DRAWN_COUNT_TEST: 500\n"
                             "INPUT:\n"
                             "  SIZE: [160, 160]\n"
                             "  TO_BGR255: false\n"
                             "  PIXEL_MEAN: [0.5, 0.5, 0.5]\n"
                             "  PIXEL_STD: [0.25, 0.25, 0.25]\n"
                             "  FLIP_PROB_TRAIN: 0.0\n"
                             "DATALOADER:\n"
                             "  NUM_WORKERS: 1\n"
                             "SOLVER:\n"
                             "  IMS_PER_BATCH: 16\n"
                             "  BASE_LR: 0.05\n"
                             "  BIAS_LR_FACTOR: 1\n"
                             "  MOMENTUM: 0.9\n"
                             "  NESTEROV: true\n"
                             "  WEIGHT_DECAY: 0.0001\n"
                             "  EPOCHS: 4\n"
                             "  SCHEDULE: cosine_shifted\n"
                             "  WARMUP_METHOD: ramp\n"
                             "  WARMUP_EPOCHS: 0.2\n"
                             "  CHECKPOINT_PERIOD: 0\n"
                             "TEST:\n"
                             "  IMS_PER_BATCH: 20\n";

/* As of the classifier: it shows that training works there, not how good the nets become. */
static const char software[] = "DATASETS:\n"
                               "  DRAWN_COUNT_TRAIN: 800\n"
                               "  DRAWN_COUNT_TEST: 100\n"
                               "SOLVER:\n"
                               "  EPOCHS: 1\n";

static rep_status open_set(report *r, const rep_values *v) {
    const rep_detection_set_options options = {.kind = "drawn",
                                               .seed = (uint64_t)v->datasets_drawn_seed,
                                               .is_train = false,
                                               .count = (size_t)v->datasets_drawn_count_test};
    if (!v->model_keypoint_on) {
        return rep_fail(REP_ERR_CONFIG, "MODEL.KEYPOINT_ON: found false; the quick start shows "
                                        "keypoints, use `repopt train` for boxes alone");
    }
    r->kernel = 3;
    r->is_scale_by_stage = false;
    return rep_detection_set_open(&r->scenes, &options);
}

static void close_set(report *r) {
    free(r->found);
    free(r->found_points);
    rep_detection_set_close(r->scenes);
}

/* Keeps all that was found; it is the evaluation's, and goes when that ends. */
static void keep_found(void *context, const rep_detection_set *set, const rep_detection *detections,
                       size_t count) {
    report *r = context;
    const size_t values = 2 * (size_t)rep_detection_set_keypoint_count(set);
    r->found = malloc((count + 1) * sizeof *r->found);
    r->found_points = malloc((count + 1) * values * sizeof *r->found_points);
    r->has_lost = r->found == NULL || r->found_points == NULL;
    for (size_t i = 0; i < count && !r->has_lost; i++) {
        double *points = r->found_points + i * values;
        memcpy(points, detections[i].keypoints, values * sizeof *points);
        r->found[i] = detections[i];
        r->found[i].keypoints = points;
        r->found_count = i + 1;
    }
}

static void keep(rep_train_options *options, report *r) {
    options->on_detections = keep_found;
    options->context = r;
}

static void print_table(const report *r) {
    printf("\n%-20s %8s %8s %13s %10s %9s %11s %11s\n", "", "AP %", "AP50 %", "keypoint AP %",
           "train loss", "ms/step", "memory MiB", "parameters");
    for (int i = 0; i < REPORT_RUNS; i++) {
        const rep_eval_result *test = &r->runs[i].test;
        const rep_train_result *t = &r->runs[i].result;
        printf("%-20s %8.1f %8.1f %13.1f %10.3f %9.1f %11.0f %11zu\n", r->runs[i].title,
               100 * test->boxes[0].value, 100 * test->boxes[1].value,
               100 * test->keypoints[0].value, t->last_loss, t->step_ms, t->peak_memory_mib,
               t->param_count);
    }
}

static void print_verdict(const report *r) {
    const rep_eval_result *a = &r->runs[1].test, *b = &r->runs[2].test;
    printf("RepOptimizer minus SGD: %+.1f AP of boxes, %+.1f AP of keypoints; each ran once, on "
           "one seed, and a point or two may be chance\n",
           100 * (a->boxes[0].value - b->boxes[0].value),
           100 * (a->keypoints[0].value - b->keypoints[0].value));
}

const quickstart_task quickstart_detect = {
    .name = "detect",
    .body = REP_BODY_YUMIN,
    .shared = shared,
    .software = software,
    .software_means = "800 pictures, 1 epoch instead of 4000, 4",
    .page = &report_detect,
    .open = open_set,
    .close = close_set,
    .keep = keep,
    .print_table = print_table,
    .print_verdict = print_verdict,
};
