/* step_net.c - the training step as programs: one per shape of pictures, all on one state.
 *
 * A program is static, shapes included. The first shape's owns parameters, momenta and averages;
 * another shape's is made when its first batch comes and shares them by name. What it needs of its
 * own is memory for activations.
 */
#include <inttypes.h>
#include <string.h>

#include "train/train.h"

static rep_status build_model(rep_step_net *out, const rep_trainer *t, size_t shape) {
    const rep_task_net net = {.mode = t->mode,
                              .is_training = true,
                              .is_reference = t->is_reference,
                              .batch = (int32_t)t->batch,
                              .shape = shape};
    REP_TRY(rep_graph_create(&out->graph));
    REP_TRY(t->task->methods->build(t->task, &out->model, out->graph, &net));
    return rep_graph_check(out->graph);
}

/* Backward and update behind the model's loss. */
static rep_status append_training(rep_step_net *net, const rep_trainer *t) {
    rep_id seed = 0;
    if (t->is_half) { /* the loss scale, which changes from step to step */
        const rep_slice_params word = {REP_STEP_LOSS_SCALE, 1, REP_STEP_WORDS};
        seed = REP_APPEND(net->graph, SLICE, &word, rep_model_io_get(net->model)->step);
    }
    REP_TRY(rep_graph_backward(net->graph, rep_model_io_get(net->model)->loss, seed));
    /* The ordinary optimizer has no rows: csla carries its scales in the model. */
    const rep_scale_row *const *rows = t->mode == REP_MODE_TARGET ? t->rows : NULL;
    REP_TRY(rep_optimizer_append(&net->optimizer, net->graph, net->model, &t->spec, rows));
    return rep_graph_check(net->graph);
}

static rep_status open_program(rep_step_net *net, const rep_trainer *t, rep_program *state_of) {
    REP_TRY(rep_program_create(&net->program, t->device, net->graph, state_of, NULL));
    return rep_optimizer_upload(net->optimizer, net->program);
}

rep_status rep_step_net_build(rep_trainer *t) {
    rep_step_net *first = &t->nets[0];
    t->is_half = strcmp(t->values->dtype, "float16") == 0 && !t->is_reference;
    t->counters.loss_scale = t->is_half ? REP_FIRST_LOSS_SCALE : 1;
    REP_TRY(build_model(first, t, 0));
    REP_TRY(rep_start_scales(t));
    return append_training(first, t);
}

rep_status rep_step_net_open(rep_trainer *t) { return open_program(&t->nets[0], t, NULL); }

/* The other shapes' programs work one at a time, but each has its activations to itself. */
rep_status rep_step_net_need(rep_trainer *t, size_t shape) {
    rep_step_net *net = &t->nets[shape];
    rep_program_memory memory;
    if (net->program != NULL) { return REP_OK; }
    REP_TRY(build_model(net, t, shape));
    REP_TRY(append_training(net, t));
    REP_TRY(open_program(net, t, t->nets[0].program));
    rep_program_memory_get(net->program, &memory);
    rep_log(REP_LOG_INFO, "pictures of %" PRId32 " x %" PRId32 " pixels: %.1f MiB more",
            t->task->shapes[shape].width, t->task->shapes[shape].height,
            (double)(memory.work_bytes + memory.io_bytes + memory.scratch_bytes) / 1048576);
    return REP_OK;
}

void rep_step_net_close(rep_trainer *t) {
    for (size_t i = REP_TASK_SHAPES; i-- > 0;) { /* the first owns what the others share */
        rep_program_destroy(t->nets[i].program);
        rep_optimizer_destroy(t->nets[i].optimizer);
        rep_model_destroy(t->nets[i].model);
        rep_graph_destroy(t->nets[i].graph);
    }
}
