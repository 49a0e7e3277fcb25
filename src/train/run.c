/* run.c - the loop: steps, evaluations, checkpoints, metrics, until the end or a signal. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

static bool is_due(uint64_t iteration, int64_t period) {
    return period > 0 && iteration % (uint64_t)period == 0;
}

static bool is_stopped(const rep_trainer *t) {
    return t->options->stop != NULL && *t->options->stop != 0;
}

static void add_step_ms(rep_trainer *t, double ms) {
    t->step_ms[t->step_count % REP_STEP_MS_KEPT] = ms;
    t->step_count++;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the ring; call when no more steps follow. */
static double median_ms(rep_trainer *t) {
    const uint64_t kept = t->step_count < REP_STEP_MS_KEPT ? t->step_count : REP_STEP_MS_KEPT;
    if (kept == 0) { return 0; }
    qsort(t->step_ms, (size_t)kept, sizeof *t->step_ms, by_value);
    return 0.5 * (t->step_ms[(kept - 1) / 2] + t->step_ms[kept / 2]);
}

/* Of the programs there are by now; the state is the first one's. */
double rep_trainer_memory_mib(const rep_trainer *t) {
    double bytes = 0;
    for (size_t i = 0; i < REP_TASK_SHAPES; i++) {
        rep_program_memory m;
        if (t->nets[i].program == NULL) { continue; }
        rep_program_memory_get(t->nets[i].program, &m);
        bytes += (double)((i == 0 ? m.state_bytes : 0) + m.work_bytes + m.io_bytes);
        bytes += (double)m.scratch_bytes;
    }
    return bytes / 1048576;
}

static void report(rep_trainer *t, const rep_metrics_row *row, double elapsed_s, uint64_t steps,
                   bool is_evaluation) {
    if (t->options->on_progress == NULL) { return; }
    const double left = (double)(t->max_iteration - t->counters.iteration);
    const rep_progress progress = {
        .iteration = row->iteration,
        .max_iteration = t->max_iteration,
        .epoch = row->epoch,
        .max_epoch = t->max_epoch,
        .loss = row->loss,
        .lr = row->lr,
        .grad_norm = row->grad_norm,
        .images_per_s = row->images_s,
        .step_ms = row->step_ms,
        .eta_s = steps > 0 ? elapsed_s / (double)steps * left : 0,
        .memory_mib = rep_trainer_memory_mib(t),
        .score = t->score,
        .score_name = t->task->score,
        .is_evaluation = is_evaluation,
    };
    t->options->on_progress(t->options->context, &progress);
}

static rep_status save(rep_trainer *t, bool is_final, char *path) {
    char name[64];
    if (is_final) {
        snprintf(name, sizeof name, "model_final.safetensors");
    } else {
        snprintf(name, sizeof name, "model_%07" PRIu64 ".safetensors", t->counters.iteration);
    }
    REP_TRY(rep_path_join(path, t->values->output_dir, name));
    REP_TRY(rep_metrics_flush(t->metrics));
    REP_TRY(rep_checkpoint_save(t, path));
    return REP_OK;
}

/* Evaluates and fills the row's last columns. A stop request leaves them empty. */
static rep_status evaluate(rep_trainer *t, rep_metrics_row *row, bool *is_evaluated) {
    if (t->evaluator == NULL) { return REP_OK; }
    rep_eval_result result;
    const rep_status status = rep_evaluator_run(t->evaluator, &result, t->options);
    if (status == REP_ERR_INTERRUPTED) { return REP_OK; }
    REP_TRY(status);
    t->score = result.score;
    t->task->methods->tabulate(t->task, &result, row->own);
    *is_evaluated = true;
    return REP_OK;
}

static rep_status interrupted(rep_trainer *t, char *path) {
    if (strstr(path, "model_") == NULL) { REP_TRY(save(t, false, path)); }
    return rep_fail(REP_ERR_INTERRUPTED,
                    "training: stopped by a signal at iteration %" PRIu64 " of %" PRIu64
                    "; saved %s; the same command goes on from there",
                    t->counters.iteration, t->max_iteration, path);
}

rep_status rep_trainer_time_step(rep_trainer *t, rep_metrics_row *out) {
    const double begin_s = rep_clock_s();
    rep_step_report step;
    REP_TRY(rep_trainer_step(t, &step));
    const double ms = (rep_clock_s() - begin_s) * 1e3;
    add_step_ms(t, ms);
    *out = (rep_metrics_row){
        .iteration = t->counters.iteration,
        .epoch = step.epoch + 1,
        .loss = step.loss,
        .lr = step.lr,
        .grad_norm = step.grad_norm,
        .step_ms = ms,
        .images_s = (double)(t->batch * t->accumulate) / ms * 1e3,
    };
    memcpy(out->own, step.own, sizeof out->own);
    return REP_OK;
}

/* One iteration with all that is due behind it. `path` is the checkpoint it left, "" for none. */
static rep_status iterate(rep_trainer *t, double begin_s, uint64_t first, char *path) {
    rep_metrics_row row;
    REP_TRY(rep_trainer_time_step(t, &row));
    bool is_evaluated = false;
    const uint64_t done = t->counters.iteration;
    const bool is_last = done == t->max_iteration;
    report(t, &row, rep_clock_s() - begin_s, done - first, false);
    /* A test split that cannot be read must not cost the training: save first, then fail. */
    rep_status evaluated = REP_OK;
    if (is_last || is_due(done, t->eval_period)) { evaluated = evaluate(t, &row, &is_evaluated); }
    if (is_evaluated) { report(t, &row, rep_clock_s() - begin_s, done - first, true); }
    /* A lost device has no state left to save. */
    if (evaluated == REP_ERR_LOST) { return evaluated; }
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", rep_last_error());
    REP_TRY(rep_metrics_write(t->metrics, &row));
    path[0] = '\0';
    if (is_last || is_due(done, t->values->solver_checkpoint_period) || evaluated != REP_OK) {
        REP_TRY(save(t, is_last, path));
    }
    return evaluated == REP_OK ? REP_OK : rep_fail(evaluated, "%s", reason);
}

/* By then a step's memory is warm and its submissions are recorded. */
enum { PROFILE_AFTER = 5 };

static rep_status loop(rep_trainer *t, char *path) {
    const double begin_s = rep_clock_s();
    const uint64_t first = t->counters.iteration;
    while (t->counters.iteration < t->max_iteration) {
        if (is_stopped(t)) { return interrupted(t, path); }
        REP_TRY(iterate(t, begin_s, first, path));
        const uint64_t done = t->counters.iteration;
        const bool is_time = done - first == PROFILE_AFTER ||
                             (done == t->max_iteration && done - first < PROFILE_AFTER);
        if (t->options->on_profile != NULL && is_time) { REP_TRY(rep_trainer_profile(t)); }
    }
    return REP_OK;
}

/* A run that was finished before, or stopped in its last evaluation, still owes its score. */
static rep_status finish(rep_trainer *t, rep_train_result *out, const char *path) {
    if (t->evaluator != NULL && t->score < 0) {
        rep_eval_result result;
        REP_TRY(rep_evaluator_run(t->evaluator, &result, t->options));
        t->score = result.score;
    }
    REP_TRY(rep_start_check_search(t));
    const rep_counters *c = &t->counters;
    rep_train_result result = {
        .iterations = c->iteration,
        .last_loss = c->loss_count > 0 ? c->loss_sum / (double)c->loss_count : 0,
        .score = t->score,
        .score_name = t->task->score,
        .step_ms = median_ms(t),
        .peak_memory_mib = rep_trainer_memory_mib(t),
        .param_count = rep_model_param_count(t->nets[0].model, t->nets[0].graph),
    };
    snprintf(result.checkpoint, sizeof result.checkpoint, "%s", path);
    *out = result;
    return REP_OK;
}

static rep_status train(rep_trainer *t, rep_train_result *out) {
    char path[REP_PATH_BYTES] = "";
    if (t->counters.iteration >= t->max_iteration) {
        snprintf(path, sizeof path, "%s", t->checkpoint);
        rep_log(REP_LOG_INFO,
                "%s has all %" PRIu64
                " iterations already; raise SOLVER.MAX_ITER or EPOCHS to train "
                "on, or choose another OUTPUT_DIR to start anew",
                path, t->counters.iteration);
    } else {
        REP_TRY(loop(t, path));
    }
    return finish(t, out, path);
}

/* Says where a lost device left the run. */
static rep_status add_place(const rep_trainer *t, rep_status status) {
    if (status != REP_ERR_LOST) { return status; }
    const bool has_checkpoint = t->checkpoint[0] != '\0';
    return rep_fail(status, "training: after iteration %" PRIu64 " of %" PRIu64 ": %s (%s%s)",
                    t->counters.iteration, t->max_iteration, rep_last_error(),
                    has_checkpoint ? "checkpoint " : "there is no checkpoint yet", t->checkpoint);
}

static rep_status train_once(rep_train_result *out, const rep_train_options *options) {
    rep_trainer *t = NULL;
    REP_TRY(rep_trainer_create(&t, options));
    const rep_status status = add_place(t, train(t, out));
    rep_trainer_destroy(t);
    return status;
}

/* A misspelt name must not wait for the loss to come out. */
static rep_status check_fallback(const char *name) {
    rep_device *device = NULL;
    if (name == NULL) { return REP_OK; }
    if (rep_device_open(&device, name, 1) != REP_OK) { return rep_fail_prefix("fallback: "); }
    rep_device_close(device);
    return REP_OK;
}

rep_status rep_train(rep_train_result *out, const rep_train_options *options) {
    if (rep_config_values(options->config)->output_dir[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG, "OUTPUT_DIR: empty; name a folder for the results");
    }
    REP_TRY(check_fallback(options->fallback));
    const rep_status status = train_once(out, options);
    if (status != REP_ERR_LOST || options->fallback == NULL) { return status; }
    rep_log(REP_LOG_WARNING, "%s; going on on %s", rep_last_error(), options->fallback);
    rep_train_options again = *options;
    again.device = options->fallback;
    again.fallback = NULL;
    again.on_profile = NULL;
    return train_once(out, &again);
}
