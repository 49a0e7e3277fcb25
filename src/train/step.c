/* step.c - one optimizer step: ACCUMULATE_STEPS batches forward and backward, one update.
 *
 * Everything that changes from step to step goes into the step block (graph.h); nothing is
 * allocated here. Forward and backward run first, so that a loss or gradient norm that is not
 * finite is found before the update spoils the weights.
 *
 *   AdamW corrections  1 - beta^t with t counted from 1
 *   EMA decay          d = EMA_DECAY * (1 - exp(-n / 2000)), n updates counted from 1
 */
#include <inttypes.h>
#include <math.h>

#include "train/train.h"

static void fill_step(rep_trainer *t, double lr, uint64_t part, int32_t valid) {
    const uint64_t done = t->counters.iteration - t->counters.skipped;
    const uint64_t updates = done + 1;
    const double scale = (double)t->counters.loss_scale;
    float *step = t->step;
    step[REP_STEP_LR] = (float)lr;
    step[REP_STEP_APPLY] = part + 1 == t->accumulate ? 1 : 0;
    step[REP_STEP_FIRST] = done == 0 ? 1 : 0;
    step[REP_STEP_KEEP] = part > 0 ? 1 : 0;
    step[REP_STEP_GRAD_SCALE] = (float)(1 / ((double)t->accumulate * scale));
    step[REP_STEP_BIAS1] = (float)(1 - rep_exact_power(t->values->solver_beta1, updates));
    step[REP_STEP_BIAS2] = (float)(1 - rep_exact_power(t->values->solver_beta2, updates));
    step[REP_STEP_EMA] =
        (float)(t->values->solver_ema_decay * (1 - rep_exact_exp(-(double)updates / 2000)));
    step[REP_STEP_VALID] = (float)valid;
    step[REP_STEP_LOSS_SCALE] = (float)scale;
}

static rep_status write_batch(rep_trainer *t, const rep_task_batch *batch) {
    REP_TRY(rep_step_net_need(t, batch->shape));
    const rep_step_net *net = &t->nets[batch->shape];
    t->sent_batch = batch->index;
    return t->task->methods->write(t->task, net->model, net->program, batch);
}

/* Forward and backward of one batch. The next one is sent on while the device works. */
static rep_status run_batch(rep_trainer *t, const rep_task_batch *batch) {
    rep_task_batch next;
    if (t->sent_batch != batch->index) { REP_TRY(write_batch(t, batch)); }
    const rep_step_net *net = &t->nets[batch->shape];
    REP_TRY(rep_program_write(net->program, rep_model_io_get(net->model)->step, t->step,
                              REP_STEP_WORDS));
    REP_TRY(rep_program_run(net->program, REP_FORWARD, REP_BACKWARD));
    return t->task->methods->peek(t->task, &next) ? write_batch(t, &next) : REP_OK;
}

/* The mean loss of the epoch under way; the finished epoch's is kept for the final report. */
static void add_loss(rep_trainer *t, uint64_t epoch, double loss) {
    rep_counters *c = &t->counters;
    if (epoch != c->epoch) {
        c->epoch = epoch;
        c->loss_sum = 0;
        c->loss_count = 0;
    }
    c->loss_sum += loss;
    c->loss_count++;
}

/* float16: whether gradients that are not finite are an overflow that a smaller loss scale mends.
 */
static bool halve_loss_scale(rep_trainer *t) {
    rep_counters *c = &t->counters;
    if (!t->is_half || c->loss_scale <= 1) { return false; }
    c->loss_scale /= 2;
    c->good_steps = 0;
    c->skipped++;
    rep_log(REP_LOG_INFO,
            "iteration %" PRIu64 ": the gradients overflow float16; step skipped (%" PRIu64
            " so far), loss scale now %" PRIu64,
            c->iteration + 1, c->skipped, c->loss_scale);
    return true;
}

static void count_good_step(rep_trainer *t) {
    rep_counters *c = &t->counters;
    if (!t->is_half || ++c->good_steps < REP_LOSS_SCALE_STEPS) { return; }
    c->good_steps = 0;
    if (c->loss_scale < REP_MOST_LOSS_SCALE) { c->loss_scale *= 2; }
}

/* Adds the task's own numbers of a batch to the mean over all of the step. */
static rep_status add_own(rep_trainer *t, const rep_step_net *net, uint64_t part,
                          rep_step_report *report) {
    double own[REP_METRIC_COLUMNS];
    for (size_t i = 0; i < REP_METRIC_COLUMNS; i++) { own[i] = NAN; }
    if (t->task->methods->measure != NULL) {
        REP_TRY(t->task->methods->measure(t->task, net->model, net->program, own));
    }
    for (size_t i = 0; i < REP_METRIC_COLUMNS; i++) {
        report->own[i] = (part > 0 ? report->own[i] : 0) + own[i] / (double)t->accumulate;
    }
    return REP_OK;
}

rep_status rep_trainer_step(rep_trainer *t, rep_step_report *out) {
    rep_step_report report = {0};
    const rep_step_net *net = NULL;
    REP_TRY(rep_schedule_lr(&report.lr, t->values, t->counters.iteration, t->max_iteration,
                            t->per_epoch));
    for (uint64_t part = 0; part < t->accumulate; part++) {
        rep_task_batch batch;
        REP_TRY(t->task->methods->next(t->task, &batch));
        fill_step(t, report.lr, part, batch.valid);
        REP_TRY(run_batch(t, &batch));
        net = &t->nets[batch.shape];
        REP_TRY(rep_reference_batch(t, &batch));
        float loss = 0, norm[2] = {0};
        REP_TRY(rep_program_read(net->program, rep_model_io_get(net->model)->loss, &loss, 1));
        REP_TRY(rep_program_read(net->program, rep_optimizer_norm(net->optimizer), norm, 2));
        const bool is_finite = isfinite(loss) && isfinite(norm[1]);
        if (!is_finite && !report.is_skipped && !halve_loss_scale(t)) {
            REP_TRY(write_batch(t, &batch)); /* the step is run again to find out where */
            return rep_trainer_nonfinite(t, &batch, loss, norm[1]);
        }
        report.is_skipped = report.is_skipped || !is_finite;
        t->counters.batches++;
        t->counters.tracked++;
        if (isfinite(loss)) { add_loss(t, batch.epoch, loss); }
        report.loss += loss / (double)t->accumulate;
        REP_TRY(add_own(t, net, part, &report));
        report.grad_norm = norm[1];
        report.epoch = batch.epoch;
        report.shape = batch.shape;
    }
    if (!report.is_skipped) {
        REP_TRY(rep_program_run(net->program, REP_UPDATE, REP_UPDATE));
        count_good_step(t);
    }
    REP_TRY(rep_reference_update(t, &report));
    t->counters.iteration++;
    *out = report;
    return REP_OK;
}
