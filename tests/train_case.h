/* train_case.h - a run small enough for tests: the drawn data set, five narrow blocks, few steps.
 *
 * Every case works in its own new folder below the current one, which is removed at the end.
 */
#ifndef REP_TESTS_TRAIN_CASE_H
#define REP_TESTS_TRAIN_CASE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "devices.h"
#include "format/format.h"
#include "repopt/train.h"

/* 128 pictures in batches of 16: 8 iterations per epoch, 20 in all. */
static const char train_case_yaml[] =
    "MODEL: {VGG: {NUM_BLOCKS: [1, 2, 1, 1], WIDTHS: [8, 8, 16, 16], STRIDES: [2, 1, 2, 2, 2],"
    " STAGE0_WIDTH: 8}}\n"
    "SOLVER: {IMS_PER_BATCH: 16, MAX_ITER: 20, BASE_LR: 0.05, SCHEDULE: cosine_shifted,"
    " WARMUP_ITERS: 2, NESTEROV: true, CHECKPOINT_PERIOD: 0, BIAS_LR_FACTOR: 1}\n"
    "TEST: {IMS_PER_BATCH: 32}\n"
    "INPUT: {PAD: 4, TO_BGR255: false, PIXEL_MEAN: 0.5, PIXEL_STD: 0.25}\n"
    "DATASETS: {NAME: drawn, DRAWN_COUNT_TRAIN: 128, DRAWN_COUNT_TEST: 40}\n"
    "DATALOADER: {NUM_WORKERS: 1}\n"
    "SEED: 3\n";

typedef struct train_case {
    char root[64], folder[128];
    rep_config *config;
    rep_train_options options;
    volatile int stop;
    uint64_t stop_at;  /* iteration whose progress call asks to stop; 0: none */
    uint64_t crash_at; /* iteration whose progress call ends the process; 0: none */
    uint64_t calls;
    double first_loss, last_loss;
} train_case;

static inline void train_case_progress(void *context, const rep_progress *now) {
    train_case *c = context;
    if (now->is_evaluation) { return; }
    if (c->calls++ == 0) { c->first_loss = now->loss; }
    c->last_loss = now->loss;
    if (c->crash_at != 0 && now->iteration == c->crash_at) { _exit(77); }
    if (c->stop_at != 0 && now->iteration == c->stop_at) { c->stop = 1; }
}

/* Writes the losses down, by iteration: context is an array of all of them. */
static inline void train_case_note_loss(void *context, const rep_progress *now) {
    double *losses = context;
    if (!now->is_evaluation) { losses[now->iteration - 1] = now->loss; }
}

/* A case with the base configuration and OUTPUT_DIR <new folder>/<name>. */
static inline void train_case_init(train_case *c, const char *root, const char *name) {
    memset(c, 0, sizeof *c);
    snprintf(c->root, sizeof c->root, "%s", root);
    snprintf(c->folder, sizeof c->folder, "%s/%s", root, name);
    CHECK_OK(rep_config_create(&c->config));
    CHECK_OK(rep_config_merge_text(c->config, "case", train_case_yaml, sizeof train_case_yaml - 1));
    const char *const words[] = {"OUTPUT_DIR", c->folder};
    CHECK_OK(rep_config_merge_pairs(c->config, 2, words));
    c->options = (rep_train_options){.config = c->config,
                                     .device = test_device_first(),
                                     .threads = 1,
                                     .on_progress = train_case_progress,
                                     .context = c,
                                     .stop = &c->stop};
}

static inline void train_case_set(train_case *c, const char *key, const char *value) {
    const char *const words[] = {key, value};
    CHECK_OK(rep_config_merge_pairs(c->config, 2, words));
}

static inline void train_case_clear(train_case *c) { rep_config_destroy(c->config); }

static inline rep_train_result train_case_run(train_case *c) {
    rep_train_result result;
    CHECK_OK(rep_train(&result, &c->options));
    return result;
}

/* A new folder for one test; train_case_remove takes it away with everything in it. */
static inline void train_case_root(char root[64]) {
    snprintf(root, 64, "train_case_XXXXXX");
    assert_non_null(mkdtemp(root));
}

static inline void train_case_remove(const char *path) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) { continue; }
        char name[600];
        const int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof name) { continue; }
        if (unlink(name) != 0) { train_case_remove(name); }
    }
    if (folder != NULL) { closedir(folder); }
    (void)rmdir(path);
}

/* Fails unless both files hold the same tensors bit for bit. */
static inline void train_case_expect_equal(const char *a_path, const char *b_path) {
    rep_safetensors *a = NULL, *b = NULL;
    CHECK_OK(rep_safetensors_open(&a, a_path));
    CHECK_OK(rep_safetensors_open(&b, b_path));
    assert_int_equal(rep_safetensors_count(a), rep_safetensors_count(b));
    for (size_t i = 0; i < rep_safetensors_count(a); i++) {
        const rep_tensor_info *x = rep_safetensors_get(a, i);
        const rep_tensor_info *y = rep_safetensors_find(b, x->name);
        if (y == NULL || x->count != y->count || x->type != y->type) {
            fail_msg("%s differs in form", x->name);
        } else if (memcmp(x->bytes, y->bytes, x->count * (x->type == REP_TENSOR_I64 ? 8 : 4)) !=
                   0) {
            fail_msg("%s differs in bits between %s and %s", x->name, a_path, b_path);
        }
    }
    rep_safetensors_close(a);
    rep_safetensors_close(b);
}

#endif
