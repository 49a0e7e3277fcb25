/* trainer.c - puts a run together from its configuration and drives it to the end.
 *
 *   config -> data sets, model graph -> backward -> optimizer -> program -> start -> steps
 *
 * The evaluation program shares the training program's state; under EMA_DECAY it reads the average.
 * A stop request is honoured between steps: the state is saved and the run can go on later.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

/* Iterations in all: SOLVER.EPOCHS passes over the data, or SOLVER.MAX_ITER. */
static rep_status count_iterations(rep_trainer *t) {
    const rep_values *v = t->values;
    const size_t pictures = t->task->train_count;
    const uint64_t epoch_batches = pictures / t->batch;
    if (epoch_batches == 0) {
        return rep_fail(REP_ERR_DATA,
                        "SOLVER.IMS_PER_BATCH: %" PRIu64 " pictures wanted, the data set has %zu; "
                        "choose a smaller batch",
                        t->batch, pictures);
    }
    t->per_epoch = epoch_batches / t->accumulate > 0 ? epoch_batches / t->accumulate : 1;
    if (v->solver_epochs > 0) {
        const double steps = v->solver_epochs * (double)epoch_batches / (double)t->accumulate;
        t->max_iteration = steps >= 1 ? (uint64_t)floor(steps) : 1;
    } else if (v->solver_max_iter > 0) {
        t->max_iteration = (uint64_t)v->solver_max_iter;
    } else {
        return rep_fail(REP_ERR_CONFIG,
                        "SOLVER.MAX_ITER: found %lld; wanted 1 or more, or give "
                        "SOLVER.EPOCHS",
                        (long long)v->solver_max_iter);
    }
    t->eval_period = v->solver_eval_period > 0 ? v->solver_eval_period : (int64_t)t->per_epoch;
    t->max_epoch = (t->max_iteration * t->accumulate + epoch_batches - 1) / epoch_batches;
    return REP_OK;
}

/* What can be refused before any file is touched. */
static rep_status check_values(rep_trainer *t) {
    const rep_values *v = t->values;
    REP_TRY(rep_mode_parse(&t->mode, v->training_mode));
    t->batch = (uint64_t)v->solver_ims_per_batch;
    t->accumulate = (uint64_t)v->solver_accumulate_steps;
    double lr = 0;
    REP_TRY(rep_schedule_lr(&lr, v, 0, 1, 1));
    rep_setup_optimizer(&t->spec, v);
    return REP_OK;
}

/* Everything but memory on a device: enough for --explain-params. The data are opened only where
 * the net's input and classes follow from them. */
static rep_status describe(rep_trainer *t) {
    REP_TRY(check_values(t));
    REP_TRY(rep_task_open(&t->task, t->values, REP_TASK_SHAPE));
    return rep_step_net_build(t);
}

static void lint_line(void *context, const char *text) {
    (void)context;
    rep_log(REP_LOG_WARNING, "%s", text);
}

rep_status rep_trainer_open_device(rep_trainer *t) {
    REP_TRY(rep_device_open(&t->device, rep_setup_device(t->options), t->options->threads));
    rep_setup_log_device(t->device, rep_setup_device(t->options));
    return rep_step_net_open(t);
}

/* Only what the step's graph needs; scales come from the checkpoint again where they did before. */
rep_status rep_trainer_create_reference(rep_trainer **out, const rep_trainer *of) {
    rep_trainer *t = calloc(1, sizeof *t);
    if (t == NULL) { return rep_fail(REP_ERR_MEMORY, "reference: no memory"); }
    t->options = of->options;
    t->values = of->values;
    t->is_reference = true;
    t->task = of->task; /* borrowed */
    memcpy(t->checkpoint, of->checkpoint, sizeof t->checkpoint);
    rep_status status = check_values(t);
    if (status == REP_OK) { status = rep_step_net_build(t); }
    if (status == REP_OK) {
        status = rep_device_open(&t->device, "cpu:float64", of->options->threads);
    }
    if (status == REP_OK) { status = rep_step_net_open(t); }
    if (status != REP_OK) {
        rep_trainer_destroy(t);
        return status;
    }
    *out = t;
    return REP_OK;
}

static void log_run(const rep_trainer *t) {
    rep_log(REP_LOG_INFO,
            "TRAINING_MODE %s: %zu parameters, %zu pictures of %" PRId32 " classes (%s), "
            "%" PRIu64 " iterations of %" PRIu64 " pictures, seed %lld",
            rep_mode_name(t->mode), rep_model_param_count(t->nets[0].model, t->nets[0].graph),
            t->task->train_count, t->task->class_count, t->task->kind, t->max_iteration,
            t->batch * t->accumulate, (long long)t->values->seed);
    rep_program_memory memory;
    rep_program_memory_get(t->nets[0].program, &memory);
    rep_log(REP_LOG_INFO,
            "memory: state %.1f, work %.1f (%.1f without reuse), io %.1f, scratch %.1f MiB",
            (double)memory.state_bytes / 1048576, (double)memory.work_bytes / 1048576,
            (double)memory.unplanned_work_bytes / 1048576, (double)memory.io_bytes / 1048576,
            (double)memory.scratch_bytes / 1048576);
}

/* Without one the run reads and writes nothing of its own. */
static bool has_folder(const rep_trainer *t) { return t->values->output_dir[0] != '\0'; }

static rep_status prepare(rep_trainer *t) {
    REP_TRY(check_values(t));
    REP_TRY(rep_task_open(&t->task, t->values, REP_TASK_TRAIN | REP_TASK_TEST));
    REP_TRY(count_iterations(t));
    if (has_folder(t)) { REP_TRY(rep_checkpoint_find(t)); }
    REP_TRY(rep_step_net_build(t));
    (void)rep_lint(t->values, t->mode, lint_line, NULL);
    REP_TRY(rep_trainer_open_device(t));
    REP_TRY(rep_start_state(t));
    if (t->task->has_test) {
        REP_TRY(rep_evaluator_create(&t->evaluator, t->task, t->device, t->mode, t->nets[0].program,
                                     t->spec.ema_decay > 0 ? "ema." : NULL));
    }
    REP_TRY(rep_reference_open(t));
    REP_TRY(t->task->methods->start(t->task, t->counters.batches));
    t->step_ms = calloc(REP_STEP_MS_KEPT, sizeof *t->step_ms);
    if (t->step_ms == NULL) { return rep_fail(REP_ERR_MEMORY, "training: no memory"); }
    if (has_folder(t)) {
        REP_TRY(rep_folder_make(t->values->output_dir));
        REP_TRY(rep_metrics_open(&t->metrics, t->values->output_dir, t->counters.iteration,
                                 t->task->columns, t->task->column_count));
    }
    log_run(t);
    return REP_OK;
}

static rep_status create(rep_trainer **out, const rep_train_options *options,
                         rep_status (*fill)(rep_trainer *)) {
    rep_trainer *t = calloc(1, sizeof *t);
    if (t == NULL) { return rep_fail(REP_ERR_MEMORY, "training: no memory"); }
    t->options = options;
    t->values = rep_config_values(options->config);
    t->score = -1;
    t->sent_batch = UINT64_MAX;
    const rep_status status = fill(t);
    if (status != REP_OK) {
        rep_trainer_destroy(t);
        return status;
    }
    *out = t;
    return REP_OK;
}

rep_status rep_trainer_create(rep_trainer **out, const rep_train_options *options) {
    return create(out, options, prepare);
}

rep_status rep_trainer_describe(rep_trainer **out, const rep_train_options *options) {
    return create(out, options, describe);
}

void rep_trainer_destroy(rep_trainer *t) {
    if (t == NULL) { return; }
    rep_trainer_destroy(t->reference);
    rep_metrics_close(t->metrics);
    rep_evaluator_destroy(t->evaluator);
    rep_step_net_close(t);
    rep_scales_destroy(t->scales);
    rep_device_close(t->device);
    if (!t->is_reference) { rep_task_close(t->task); }
    free(t->rows);
    free(t->step_ms);
    free(t);
}

rep_status rep_train_explain(char **out, const rep_train_options *options) {
    rep_trainer *t = NULL;
    REP_TRY(rep_trainer_describe(&t, options));
    const rep_status status = rep_optimizer_explain(t->nets[0].optimizer, out);
    rep_trainer_destroy(t);
    return status;
}
