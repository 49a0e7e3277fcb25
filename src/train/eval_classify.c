/* eval_classify.c - top-1, top-5 and loss of a classifier over the test split.
 *
 * The network runs on its own evaluation graph (frozen batch statistics), whose state is that of
 * the training program, of its moving average, or of a checkpoint. Logits {n,c,1,1} come to the
 * host, where every picture counts once:
 *
 *   rank = #{c : logit[c] > logit[label]} + #{c < label : logit[c] == logit[label]}
 *   top-k: rank < k;   loss = log sum exp(logit) - logit[label]
 *
 * MODEL.WEIGHT rule: a checkpoint that carries a moving average ("ema." tensors) is evaluated by
 * it, because that is what its training run reported; otherwise by the plain weights.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "train/classify.h"

typedef struct evaluator {
    rep_evaluator base; /* first: the task sees this part alone */
    const rep_task *task;
    rep_model *model;
    int32_t batch;
    size_t image_count; /* floats of one batch of pictures */
    int32_t classes;
    float *logits;
} evaluator;

static const rep_dataset *set_of(const rep_task *task) {
    return ((const rep_classify_data *)task->state)->test;
}

static rep_status build(evaluator *e, rep_device *device, rep_mode mode, rep_program *state_of,
                        const char *prefix) {
    const rep_task *task = e->task;
    const rep_task_net net = {.mode = mode, .batch = e->batch};
    REP_TRY(rep_graph_create(&e->base.graph));
    REP_TRY(task->methods->build(task, &e->model, e->base.graph, &net));
    REP_TRY(rep_graph_check(e->base.graph));
    REP_TRY(rep_program_create(&e->base.program, device, e->base.graph, state_of, prefix));
    e->image_count =
        rep_shape_count(rep_graph_shape(e->base.graph, rep_model_io_get(e->model)->image));
    e->classes = task->class_count;
    e->logits = calloc((size_t)e->batch * (size_t)e->classes, sizeof *e->logits);
    if (e->logits == NULL) { return rep_fail(REP_ERR_MEMORY, "evaluation: no memory for logits"); }
    return REP_OK;
}

static void destroy(rep_evaluator *base) {
    evaluator *e = (evaluator *)base;
    free(e->logits);
    rep_program_destroy(e->base.program);
    rep_model_destroy(e->model);
    rep_graph_destroy(e->base.graph);
    free(e);
}

/* How many classes stand before the label; `count` when a logit is not a number. */
static int32_t rank_of(const float *logit, int32_t count, int32_t label) {
    int32_t rank = 0;
    const float mine = logit[label];
    for (int32_t c = 0; c < count; c++) {
        if (isnan(logit[c])) { return count; }
        rank += logit[c] > mine || (logit[c] == mine && c < label);
    }
    return rank;
}

static double loss_of(const float *logit, int32_t count, int32_t label) {
    double top = -INFINITY, sum = 0;
    for (int32_t c = 0; c < count; c++) { top = fmax(top, logit[c]); }
    for (int32_t c = 0; c < count; c++) { sum += rep_exact_exp(logit[c] - top); }
    return rep_exact_log(sum) + top - logit[label];
}

static void count_batch(const evaluator *e, const rep_batch *batch, rep_eval_result *sum,
                        const rep_train_options *options) {
    for (int32_t i = 0; i < batch->valid; i++) {
        const float *logit = e->logits + (size_t)i * (size_t)e->classes;
        const int32_t rank = rank_of(logit, e->classes, batch->labels[i]);
        sum->top1 += rank < 1;
        sum->top5 += rank < 5;
        sum->loss += loss_of(logit, e->classes, batch->labels[i]);
        sum->count++;
        if (options->on_prediction != NULL) {
            options->on_prediction(options->context, batch->ids[i], batch->labels[i], logit,
                                   e->classes);
        }
    }
}

static rep_status run_batches(evaluator *e, rep_loader *loader, rep_eval_result *sum,
                              const rep_train_options *options) {
    const rep_model_io *io = rep_model_io_get(e->model);
    uint64_t sent = UINT64_MAX; /* the batch that was written last */
    for (;;) {
        if (options->stop != NULL && *options->stop != 0) {
            return rep_fail(REP_ERR_INTERRUPTED, "evaluation: stopped by a signal");
        }
        const rep_batch *batch = NULL;
        REP_TRY(rep_loader_next(loader, &batch));
        if (batch == NULL) { return REP_OK; }
        if (sent != batch->index) {
            REP_TRY(rep_program_write(e->base.program, io->image, batch->images, e->image_count));
        }
        REP_TRY(rep_program_run(e->base.program, REP_FORWARD, REP_FORWARD));
        const rep_batch *next = rep_loader_peek(loader);
        if (next != NULL) { /* on its way while the device works */
            REP_TRY(rep_program_write(e->base.program, io->image, next->images, e->image_count));
            sent = next->index;
        }
        REP_TRY(rep_program_read(e->base.program, io->logits, e->logits,
                                 (size_t)e->batch * (size_t)e->classes));
        count_batch(e, batch, sum, options);
    }
}

/* ---- pictures from outside ----------------------------------------------------------------------
 */

/* exp(logit) / sum exp(logit). */
static void soften(float *probability, const float *logit, int32_t count) {
    double top = -INFINITY, sum = 0;
    for (int32_t c = 0; c < count; c++) { top = fmax(top, logit[c]); }
    for (int32_t c = 0; c < count; c++) { sum += rep_exact_exp(logit[c] - top); }
    for (int32_t c = 0; c < count; c++) {
        probability[c] = (float)(rep_exact_exp(logit[c] - top) / sum);
    }
}

/* Up to a batch of pictures; rows beyond `count` keep what they held. */
static rep_status predict_batch(evaluator *e, const rep_augmenter *augmenter, float *images,
                                float *probabilities, const uint8_t *pixels, size_t count) {
    const rep_model_io *io = rep_model_io_get(e->model);
    const size_t values = e->image_count / (size_t)e->batch, classes = (size_t)e->classes;
    for (size_t i = 0; i < count; i++) {
        rep_augment_plain(augmenter, pixels + i * values, images + i * values);
    }
    REP_TRY(rep_program_write(e->base.program, io->image, images, e->image_count));
    REP_TRY(rep_program_run(e->base.program, REP_FORWARD, REP_FORWARD));
    REP_TRY(rep_program_read(e->base.program, io->logits, e->logits, (size_t)e->batch * classes));
    for (size_t i = 0; i < count; i++) {
        soften(probabilities + i * classes, e->logits + i * classes, e->classes);
    }
    return REP_OK;
}

static rep_status predict(rep_evaluator *base, float *probabilities, const uint8_t *pixels,
                          size_t count) {
    evaluator *e = (evaluator *)base;
    const rep_dataset_info *info = rep_dataset_info_get(set_of(e->task));
    const size_t values = e->image_count / (size_t)e->batch, batch = (size_t)e->batch;
    rep_loader_options loading;
    rep_augmenter augmenter;
    REP_TRY(rep_setup_loader(&loading, e->task->values, info, false));
    REP_TRY(rep_augmenter_init(&augmenter, &loading.augment, info));
    float *images = calloc(e->image_count, sizeof *images);
    if (images == NULL) { return rep_fail(REP_ERR_MEMORY, "prediction: no memory"); }
    rep_status status = REP_OK;
    for (size_t first = 0; first < count && status == REP_OK; first += batch) {
        const size_t left = count - first, taken = left < batch ? left : batch;
        status = predict_batch(e, &augmenter, images, probabilities + first * (size_t)e->classes,
                               pixels + first * values, taken);
    }
    free(images);
    return status;
}

static rep_status run(rep_evaluator *base, rep_eval_result *out, const rep_train_options *options) {
    evaluator *e = (evaluator *)base;
    const rep_dataset *set = set_of(e->task);
    rep_loader_options loading;
    REP_TRY(rep_setup_loader(&loading, e->task->values, rep_dataset_info_get(set), false));
    loading.batch = e->batch;
    rep_loader *loader = NULL;
    REP_TRY(rep_loader_create(&loader, set, &loading));
    rep_eval_result sum = {0};
    const rep_status status = run_batches(e, loader, &sum, options);
    rep_loader_destroy(loader);
    REP_TRY(status);
    const double count = sum.count > 0 ? (double)sum.count : 1;
    *out = (rep_eval_result){.score = sum.top1 / count,
                             .top1 = sum.top1 / count,
                             .top5 = sum.top5 / count,
                             .loss = sum.loss / count,
                             .count = sum.count};
    return REP_OK;
}

rep_status rep_classify_evaluate(rep_evaluator **out, const rep_task *task, rep_device *device,
                                 rep_mode mode, rep_program *state_of, const char *prefix) {
    static const rep_evaluator_class methods = {.run = run, .destroy = destroy, .predict = predict};
    evaluator *e = calloc(1, sizeof *e);
    if (e == NULL) { return rep_fail(REP_ERR_MEMORY, "evaluation: no memory"); }
    e->base.methods = &methods;
    e->task = task;
    /* A split smaller than one batch is one short batch, not an error. */
    const size_t count = rep_dataset_info_get(set_of(task))->count;
    const size_t batch = (size_t)task->values->test_ims_per_batch;
    e->batch = (int32_t)(batch < count ? batch : count);
    const rep_status status = build(e, device, mode, state_of, prefix);
    if (status != REP_OK) {
        destroy(&e->base);
        return status;
    }
    *out = &e->base;
    return REP_OK;
}
