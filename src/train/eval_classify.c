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

#include "train/train.h"

struct rep_evaluator {
    const rep_values *values;
    const rep_dataset *set;
    rep_graph *graph;
    rep_model *model;
    rep_program *program;
    int32_t batch;
    size_t image_count; /* floats of one batch of pictures */
    int32_t classes;
    float *logits;
};

static rep_status build(rep_evaluator *e, rep_device *device, rep_mode mode, rep_program *state_of,
                        const char *prefix) {
    const rep_dataset_info *info = rep_dataset_info_get(e->set);
    rep_vgg_spec spec;
    REP_TRY(rep_vgg_spec_from_config(&spec, e->values, info->channels, info->class_count));
    REP_TRY(rep_graph_create(&e->graph));
    REP_TRY(rep_model_build(&e->model, e->graph, &spec, mode, false, e->batch, info->height,
                            info->width, 0));
    REP_TRY(rep_graph_check(e->graph));
    REP_TRY(rep_program_create(&e->program, device, e->graph, state_of, prefix));
    e->image_count =
        (size_t)e->batch * (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    e->classes = info->class_count;
    e->logits = calloc((size_t)e->batch * (size_t)e->classes, sizeof *e->logits);
    if (e->logits == NULL) { return rep_fail(REP_ERR_MEMORY, "evaluation: no memory for logits"); }
    return REP_OK;
}

rep_status rep_evaluator_create(rep_evaluator **out, rep_device *device, const rep_values *values,
                                rep_mode mode, const rep_dataset *set, rep_program *state_of,
                                const char *prefix) {
    rep_evaluator *e = calloc(1, sizeof *e);
    if (e == NULL) { return rep_fail(REP_ERR_MEMORY, "evaluation: no memory"); }
    e->values = values;
    e->set = set;
    /* A split smaller than one batch is one short batch, not an error. */
    const size_t count = rep_dataset_info_get(set)->count;
    const size_t batch = (size_t)values->test_ims_per_batch;
    e->batch = (int32_t)(batch < count ? batch : count);
    const rep_status status = build(e, device, mode, state_of, prefix);
    if (status != REP_OK) {
        rep_evaluator_destroy(e);
        return status;
    }
    *out = e;
    return REP_OK;
}

void rep_evaluator_destroy(rep_evaluator *e) {
    if (e == NULL) { return; }
    free(e->logits);
    rep_program_destroy(e->program);
    rep_model_destroy(e->model);
    rep_graph_destroy(e->graph);
    free(e);
}

const rep_graph *rep_evaluator_graph(const rep_evaluator *e) { return e->graph; }
rep_program *rep_evaluator_program(rep_evaluator *e) { return e->program; }

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
    for (int32_t c = 0; c < count; c++) { sum += exp(logit[c] - top); }
    return log(sum) + top - logit[label];
}

static void count_batch(const rep_evaluator *e, const rep_batch *batch, rep_eval_result *sum,
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

static rep_status run_batches(rep_evaluator *e, rep_loader *loader, rep_eval_result *sum,
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
            REP_TRY(rep_program_write(e->program, io->image, batch->images, e->image_count));
        }
        REP_TRY(rep_program_run(e->program, REP_FORWARD, REP_FORWARD));
        const rep_batch *next = rep_loader_peek(loader);
        if (next != NULL) { /* on its way while the device works */
            REP_TRY(rep_program_write(e->program, io->image, next->images, e->image_count));
            sent = next->index;
        }
        REP_TRY(rep_program_read(e->program, io->logits, e->logits,
                                 (size_t)e->batch * (size_t)e->classes));
        count_batch(e, batch, sum, options);
    }
}

rep_status rep_evaluator_run(rep_evaluator *e, rep_eval_result *out,
                             const rep_train_options *options) {
    rep_loader_options loading;
    REP_TRY(rep_setup_loader(&loading, e->values, rep_dataset_info_get(e->set), false));
    loading.batch = e->batch;
    rep_loader *loader = NULL;
    REP_TRY(rep_loader_create(&loader, e->set, &loading));
    rep_eval_result sum = {0};
    const rep_status status = run_batches(e, loader, &sum, options);
    rep_loader_destroy(loader);
    REP_TRY(status);
    const double count = sum.count > 0 ? (double)sum.count : 1;
    *out = (rep_eval_result){sum.top1 / count, sum.top5 / count, sum.loss / count, sum.count};
    return REP_OK;
}

static rep_status evaluate(rep_eval_result *out, const rep_train_options *options,
                           const rep_dataset *set, rep_device *device) {
    const rep_values *v = rep_config_values(options->config);
    rep_mode mode;
    REP_TRY(rep_mode_parse(&mode, v->training_mode));
    rep_evaluator *e = NULL;
    REP_TRY(rep_evaluator_create(&e, device, v, mode, set, NULL, NULL));
    uint64_t tracked = 0;
    rep_status status =
        rep_checkpoint_load_model(e->graph, e->program, v->model_weight, true, &tracked);
    if (status == REP_OK) { status = rep_evaluator_run(e, out, options); }
    rep_evaluator_destroy(e);
    return status;
}

rep_status rep_evaluate(rep_eval_result *out, const rep_train_options *options) {
    const rep_values *v = rep_config_values(options->config);
    if (v->model_weight[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.WEIGHT: empty, but a test needs trained weights; give "
                        "MODEL.WEIGHT out/model_final.safetensors");
    }
    rep_dataset *set = NULL;
    rep_device *device = NULL;
    rep_status status = rep_setup_dataset(&set, v, false);
    if (status == REP_OK && set == NULL) {
        status = rep_fail(REP_ERR_CONFIG, "DATASETS.TEST: empty; name the split to test on");
    }
    if (status == REP_OK) {
        status = rep_device_open(&device, rep_setup_device(options), options->threads);
    }
    if (status == REP_OK) {
        rep_setup_log_device(device, rep_setup_device(options));
        status = evaluate(out, options, set, device);
    }
    rep_device_close(device);
    rep_dataset_close(set);
    return status;
}
