/* reference.c - the first steps of a run in double precision beside the device.
 *
 * The same graph runs on cpu:float64 from the same state on the same batches. It only listens: the
 * run's own numbers do not change.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "train/train.h"

/* One state tensor of the reference from the run's tensor of the same name. */
static rep_status copy_tensor(rep_trainer *t, rep_id to, void *buffer) {
    rep_trainer *r = t->reference;
    const char *name = rep_graph_name(r->nets[0].graph, to);
    const rep_id from = rep_graph_find(t->nets[0].graph, name);
    const size_t count = rep_shape_count(rep_graph_shape(r->nets[0].graph, to));
    if (from == 0) { return rep_fail(REP_ERR_ARGUMENT, "reference: the run has no %s", name); }
    REP_TRY(rep_program_read(t->nets[0].program, from, buffer, count));
    return rep_program_write(r->nets[0].program, to, buffer, count);
}

static bool is_own_state(const rep_tensor *tensor) {
    return tensor->region == REP_STATE && tensor->block == 0;
}

static rep_status copy_state(rep_trainer *t) {
    const rep_graph *graph = t->reference->nets[0].graph;
    size_t most = 1;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const size_t count = rep_shape_count(graph->tensors[id].shape);
        if (is_own_state(&graph->tensors[id]) && count > most) { most = count; }
    }
    float *buffer = malloc(most * sizeof *buffer);
    if (buffer == NULL) { return rep_fail(REP_ERR_MEMORY, "reference: no memory"); }
    rep_status status = REP_OK;
    for (rep_id id = 1; id < graph->tensor_count && status == REP_OK; id++) {
        if (is_own_state(&graph->tensors[id])) { status = copy_tensor(t, id, buffer); }
    }
    free(buffer);
    return status;
}

rep_status rep_reference_open(rep_trainer *t) {
    t->reference_left = t->options->reference_steps;
    if (t->reference_left == 0) { return REP_OK; }
    REP_TRY(rep_trainer_create_reference(&t->reference, t));
    return copy_state(t);
}

rep_status rep_reference_batch(rep_trainer *t, const rep_task_batch *batch) {
    rep_trainer *r = t->reference;
    if (r == NULL) { return REP_OK; }
    REP_TRY(rep_step_net_need(r, batch->shape));
    const rep_step_net *net = &r->nets[batch->shape];
    const rep_model_io *io = rep_model_io_get(net->model);
    REP_TRY(t->task->methods->write(t->task, net->model, net->program, batch));
    float step[REP_STEP_WORDS];
    memcpy(step, t->step, sizeof step);
    step[REP_STEP_GRAD_SCALE] = (float)(1 / (double)t->accumulate); /* it needs no loss scale */
    step[REP_STEP_LOSS_SCALE] = 1;
    REP_TRY(rep_program_write(net->program, io->step, step, REP_STEP_WORDS));
    REP_TRY(rep_program_run(net->program, REP_FORWARD, REP_BACKWARD));
    double loss = 0;
    REP_TRY(rep_program_read_f64(net->program, io->loss, &loss, 1));
    t->reference_loss += loss / (double)t->accumulate;
    return REP_OK;
}

rep_status rep_reference_update(rep_trainer *t, const rep_step_report *step) {
    if (t->reference == NULL) { return REP_OK; }
    if (!step->is_skipped) {
        REP_TRY(rep_program_run(t->reference->nets[step->shape].program, REP_UPDATE, REP_UPDATE));
    }
    const double loss = step->loss, wanted = t->reference_loss;
    t->reference_loss = 0;
    rep_log(REP_LOG_INFO,
            "iteration %" PRIu64 ": loss %.9g, float64 reference %.9g, relative difference %.1e",
            t->counters.iteration + 1, loss, wanted, fabs(loss - wanted) / fabs(wanted));
    if (--t->reference_left == 0) {
        rep_trainer_destroy(t->reference);
        t->reference = NULL;
    }
    return REP_OK;
}
