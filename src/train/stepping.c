/* stepping.c - repopt/trainer.h: what a caller who drives a run step by step sees of it. */
#include <inttypes.h>
#include <stdlib.h>

#include "train/classify.h"
#include "train/train.h"

void rep_trainer_info_get(rep_trainer_info *out, const rep_trainer *t) {
    *out = (rep_trainer_info){
        .mode = t->mode,
        .model = t->nets[0].model,
        .iteration = t->counters.iteration,
        .max_iteration = t->max_iteration,
        .param_count = rep_model_param_count(t->nets[0].model, t->nets[0].graph),
        .memory_mib = rep_trainer_memory_mib(t),
        .channels = t->task->channels,
        .height = t->task->shapes[0].height,
        .width = t->task->shapes[0].width,
        .class_count = t->task->class_count,
        .class_names = t->task->class_names,
        .has_test = t->task->has_test,
    };
}

rep_status rep_trainer_advance(rep_trainer_report *out, rep_trainer *t, uint64_t count) {
    const uint64_t left = t->max_iteration - t->counters.iteration;
    if (count == 0 || t->counters.iteration >= t->max_iteration) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "training: %" PRIu64 " steps asked for, after %" PRIu64 " of %" PRIu64
                        "; ask for at least 1, or raise SOLVER.MAX_ITER",
                        count, t->counters.iteration, t->max_iteration);
    }
    if (count > left) { count = left; }
    rep_trainer_report report = {0};
    for (uint64_t i = 0; i < count; i++) {
        rep_metrics_row row;
        REP_TRY(rep_trainer_time_step(t, &row));
        if (t->metrics != NULL) { REP_TRY(rep_metrics_write(t->metrics, &row)); }
        report.iteration = row.iteration;
        report.epoch = row.epoch;
        report.lr = row.lr;
        report.grad_norm = row.grad_norm;
        report.loss += row.loss / (double)count;
        report.ms += row.step_ms / (double)count;
    }
    *out = report;
    return REP_OK;
}

static rep_status check_evaluator(const rep_trainer *t) {
    if (t->evaluator != NULL) { return REP_OK; }
    return rep_fail(REP_ERR_CONFIG, "DATASETS.TEST: empty; name the split to test on");
}

rep_status rep_trainer_evaluate(rep_eval_result *out, rep_trainer *t) {
    REP_TRY(check_evaluator(t));
    rep_eval_result result;
    REP_TRY(rep_evaluator_run(t->evaluator, &result, t->options));
    t->score = result.score;
    *out = result;
    return REP_OK;
}

rep_status rep_trainer_visit_scales(rep_trainer *t,
                                    void (*visit)(void *context, const rep_scale_row *row),
                                    void *context) {
    const rep_step_net *net = &t->nets[0];
    rep_scales *present = NULL;
    const bool is_searched = t->mode == REP_MODE_HYPER_SEARCH || t->mode == REP_MODE_CSLA;
    if (is_searched) { REP_TRY(rep_scales_read(&present, net->model, net->program)); }
    const bool is_target = t->mode == REP_MODE_TARGET && t->rows != NULL;
    for (size_t i = 0; i < rep_model_block_count(net->model); i++) {
        if (present != NULL) {
            visit(context, rep_scales_row(present, i));
        } else if (is_target) {
            /* A row that was matched by order still says what it stands for here. */
            rep_scale_row row = *t->rows[i];
            snprintf(row.name, sizeof row.name, "%s", rep_model_block(net->model, i)->name);
            visit(context, &row);
        }
    }
    rep_scales_destroy(present);
    return REP_OK;
}

rep_shape rep_trainer_kernel_shape(const rep_trainer *t, size_t block) {
    const rep_step_net *net = &t->nets[0];
    if (block >= rep_model_block_count(net->model)) { return (rep_shape){0, 0, 0, 0}; }
    return rep_graph_shape(net->graph, rep_model_block(net->model, block)->weight);
}

rep_status rep_trainer_kernel(double *out, size_t count, rep_trainer *t, size_t block) {
    const rep_step_net *net = &t->nets[0];
    return rep_model_read_kernel(out, count, net->model, net->graph, net->program, block);
}

rep_status rep_trainer_samples(uint8_t *pixels, int32_t *labels, const rep_trainer *t,
                               uint64_t first, size_t count) {
    REP_TRY(check_evaluator(t));
    if (t->task->methods != &rep_classify) {
        return rep_fail(REP_ERR_ARGUMENT, "samples: a detector's pictures differ in size; look at "
                                          "them by rep_data_visit");
    }
    const rep_dataset *set = ((const rep_classify_data *)t->task->state)->test;
    const rep_dataset_info *info = rep_dataset_info_get(set);
    const size_t bytes = (size_t)info->height * (size_t)info->width * (size_t)info->channels;
    for (size_t i = 0; i < count; i++) {
        REP_TRY(rep_dataset_read(set, (size_t)((first + i) % info->count), pixels + i * bytes,
                                 &labels[i]));
    }
    return REP_OK;
}

rep_status rep_trainer_predict(float *probabilities, rep_trainer *t, const uint8_t *pixels,
                               size_t count) {
    REP_TRY(check_evaluator(t));
    if (t->evaluator->methods->predict == NULL) {
        return rep_fail(REP_ERR_ARGUMENT, "predict: the net is a detector; call rep_predict");
    }
    return t->evaluator->methods->predict(t->evaluator, probabilities, pixels, count);
}

rep_status rep_trainer_save(rep_trainer *t, const char *path) {
    return rep_checkpoint_save(t, path);
}
