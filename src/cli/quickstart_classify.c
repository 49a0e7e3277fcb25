/* quickstart_classify.c - `repopt quickstart --task classify`: ten classes of drawn pictures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/quickstart.h"

/* What the three runs share. The last epoch's learning rate is near zero, so that the accuracy at
 * the end is not one moment of a noisy walk. */
static const char shared[] = "MODEL:\n"
                             "  VGG:\n"
                             "    NUM_BLOCKS: [1, 2, 2, 1]\n"
                             "    WIDTHS: [16, 32, 64, 128]\n"
                             "    STRIDES: [1, 1, 2, 2, 2]\n"
                             "DATASETS:\n"
                             "  NAME: drawn\n"
                             "  DRAWN_COUNT_TRAIN: 8000\n"
                             "  DRAWN_COUNT_TEST: 2000\n"
                             "INPUT:\n"
                             "  TO_BGR255: false\n"
                             "  PIXEL_MEAN: [0.5, 0.5, 0.5]\n"
                             "  PIXEL_STD: [0.25, 0.25, 0.25]\n"
                             "  PAD: 2\n"
                             "  FLIP_PROB_TRAIN: 0.0\n"
                             "SOLVER:\n"
                             "  IMS_PER_BATCH: 64\n"
                             "  BASE_LR: 0.05\n"
                             "  BIAS_LR_FACTOR: 1\n"
                             "  MOMENTUM: 0.9\n"
                             "  NESTEROV: true\n"
                             "  WEIGHT_DECAY: 0.0005\n"
                             "  EPOCHS: 12\n"
                             "  SCHEDULE: cosine_shifted\n"
                             "  WARMUP_METHOD: ramp\n"
                             "  WARMUP_EPOCHS: 1\n"
                             "  CHECKPOINT_PERIOD: 0\n"
                             "TEST:\n"
                             "  IMS_PER_BATCH: 200\n";

/* A software Vulkan driver computes at a fraction of the processor's speed: its quick start shows
 * that training works there, in minutes, not how good the nets become. */
static const char software[] = "DATASETS:\n"
                               "  DRAWN_COUNT_TRAIN: 4000\n"
                               "  DRAWN_COUNT_TEST: 1000\n"
                               "SOLVER:\n"
                               "  EPOCHS: 3\n";

static rep_status open_set(report *r, const rep_values *v) {
    const rep_dataset_options options = {.kind = "drawn",
                                         .is_train = false,
                                         .seed = (uint64_t)v->datasets_drawn_seed,
                                         .count = (size_t)v->datasets_drawn_count_test};
    r->kernel = (int32_t)v->model_vgg_kernel_size;
    r->is_scale_by_stage = strcmp(v->model_vgg_scale_init, "stage") == 0;
    rep_dataset *set = NULL;
    REP_TRY(rep_dataset_open(&set, &options));
    r->test_set = set;
    r->guess_capacity = rep_dataset_info_get(set)->count;
    r->guesses = calloc(r->guess_capacity, sizeof *r->guesses);
    return r->guesses ? REP_OK : rep_fail(REP_ERR_MEMORY, "quick start: no memory");
}

static void close_set(report *r) {
    free(r->guesses);
    rep_dataset_close(r->test_set);
}

/* Keeps guess and probability (softmax of the logits) of one test picture. */
static void keep_guess(void *context, size_t index, int32_t label, const float *logits,
                       int32_t class_count) {
    report *r = context;
    if (index >= r->guess_capacity) { return; }
    int32_t guess = 0;
    for (int32_t c = 1; c < class_count; c++) {
        if (logits[c] > logits[guess]) { guess = c; }
    }
    double sum = 0;
    for (int32_t c = 0; c < class_count; c++) { sum += exp((double)(logits[c] - logits[guess])); }
    r->guesses[index] = (report_guess){label, guess, (float)(1 / sum)};
    if (index >= r->guess_count) { r->guess_count = index + 1; }
}

static void keep(rep_train_options *options, report *r) {
    options->on_prediction = keep_guess;
    options->context = r;
}

static void print_table(const report *r) {
    printf("\n%-28s %12s %10s %9s %11s %11s\n", "", "top-1 %", "train loss", "ms/step",
           "memory MiB", "parameters");
    for (int i = 0; i < REPORT_RUNS; i++) {
        const report_run *run = &r->runs[i];
        printf("%-28s %5.1f +- %3.1f %10.3f %9.1f %11.0f %11zu\n", run->title, 100 * run->test.top1,
               100 * report_half_width(run->test.top1, run->test.count), run->result.last_loss,
               run->result.step_ms, run->result.peak_memory_mib, run->result.param_count);
    }
}

static void print_verdict(const report *r) {
    const report_difference d = report_top1_difference(r);
    printf("RepOptimizer minus SGD: %+.1f points; chance alone gives +-%.1f on %zu test pictures, "
           "and each ran once%s\n",
           100 * d.difference, 100 * d.half_width, r->runs[1].test.count,
           fabs(d.difference) <= d.half_width ? ": this ranks neither" : "");
}

const quickstart_task quickstart_classify = {
    .name = "classify",
    .body = REP_BODY_VGG,
    .shared = shared,
    .software = software,
    .software_means = "4000 pictures, 3 epochs instead of 8000, 12",
    .page = &report_classify,
    .open = open_set,
    .close = close_set,
    .keep = keep,
    .print_table = print_table,
    .print_verdict = print_verdict,
};
