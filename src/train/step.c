/* step.c - one optimizer step: ACCUMULATE_STEPS batches forward and backward, one update.
 *
 * Everything that changes from step to step goes into the step block (graph.h); nothing is
 * allocated here. Forward and backward run first, so that a loss or gradient norm that is not
 * finite is found before the update spoils the weights.
 *
 *   AdamW corrections  1 - beta^t with t counted from 1
 *   EMA decay          d = EMA_DECAY * (1 - exp(-n / 2000)), n updates counted from 1
 */
#include <math.h>

#include "train/train.h"

static void fill_step(rep_trainer *t, double lr, uint64_t part, int32_t valid) {
    const double updates = (double)(t->counters.iteration + 1);
    float *step = t->step;
    step[REP_STEP_LR] = (float)lr;
    step[REP_STEP_APPLY] = part + 1 == t->accumulate ? 1 : 0;
    step[REP_STEP_FIRST] = t->counters.iteration == 0 ? 1 : 0;
    step[REP_STEP_KEEP] = part > 0 ? 1 : 0;
    step[REP_STEP_GRAD_SCALE] = (float)(1 / (double)t->accumulate);
    step[REP_STEP_BIAS1] = (float)(1 - pow(t->values->solver_beta1, updates));
    step[REP_STEP_BIAS2] = (float)(1 - pow(t->values->solver_beta2, updates));
    step[REP_STEP_EMA] = (float)(t->values->solver_ema_decay * (1 - exp(-updates / 2000)));
    step[REP_STEP_VALID] = (float)valid;
}

static rep_status write_batch(rep_trainer *t, const rep_batch *batch) {
    const rep_model_io *io = rep_model_io_get(t->model);
    REP_TRY(rep_program_write(t->program, io->image, batch->images,
                              rep_shape_count(rep_graph_shape(t->graph, io->image))));
    REP_TRY(rep_program_write(t->program, io->labels, batch->labels,
                              rep_shape_count(rep_graph_shape(t->graph, io->labels))));
    return rep_program_write(t->program, io->step, t->step, REP_STEP_WORDS);
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

rep_status rep_trainer_step(rep_trainer *t, rep_step_report *out) {
    const rep_model_io *io = rep_model_io_get(t->model);
    rep_step_report report = {0};
    REP_TRY(rep_schedule_lr(&report.lr, t->values, t->counters.iteration, t->max_iteration,
                            t->per_epoch));
    for (uint64_t part = 0; part < t->accumulate; part++) {
        const rep_batch *batch = NULL;
        REP_TRY(rep_loader_next(t->loader, &batch));
        fill_step(t, report.lr, part, batch->valid);
        REP_TRY(write_batch(t, batch));
        REP_TRY(rep_program_run(t->program, REP_FORWARD, REP_BACKWARD));
        float loss = 0, norm[2] = {0};
        REP_TRY(rep_program_read(t->program, io->loss, &loss, 1));
        REP_TRY(rep_program_read(t->program, rep_optimizer_norm(t->optimizer), norm, 2));
        if (!isfinite(loss) || !isfinite(norm[1])) {
            return rep_trainer_nonfinite(t, batch, loss, norm[1]);
        }
        t->counters.batches++;
        t->counters.tracked++;
        add_loss(t, batch->epoch, loss);
        report.loss += loss / (double)t->accumulate;
        report.grad_norm = norm[1];
        report.epoch = batch->epoch;
    }
    REP_TRY(rep_program_run(t->program, REP_UPDATE, REP_UPDATE));
    t->counters.iteration++;
    *out = report;
    return REP_OK;
}
