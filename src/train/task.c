/* task.c - which task a configuration is, and what all of them share. */
#include <stdlib.h>

#include "nn/nn.h"
#include "train/train.h"

rep_status rep_task_open(rep_task **out, const rep_values *values, unsigned parts) {
    rep_task *task = calloc(1, sizeof *task);
    if (task == NULL) { return rep_fail(REP_ERR_MEMORY, "data: no memory"); }
    task->values = values;
    task->methods = &rep_classify;
    rep_body body = REP_BODY_VGG;
    rep_status status = rep_body_from_config(&body, values);
    if (body == REP_BODY_YUMIN) { task->methods = &rep_detect; }
    if (status == REP_OK) { status = task->methods->open(task, parts); }
    if (status != REP_OK) {
        rep_task_close(task);
        return status;
    }
    *out = task;
    return REP_OK;
}

void rep_task_close(rep_task *task) {
    if (task == NULL) { return; }
    task->methods->close(task);
    free(task);
}

rep_status rep_task_look_at_weight(rep_task *task) {
    return rep_checkpoint_look(&task->is_folded, &task->is_int8, task->values->model_weight);
}

rep_status rep_task_finish_net(const rep_task *task, rep_graph *graph) {
    return task->is_int8 ? rep_int8_rewrite(graph, task->int8_layer) : REP_OK;
}

rep_status rep_task_load_weight(const rep_task *task, rep_evaluator *e, const rep_device *device) {
    uint64_t tracked = 0;
    REP_TRY(rep_checkpoint_load_model(e->graph, e->program, task->values->model_weight, true,
                                      &tracked));
    if (!task->is_int8) { return REP_OK; }
    return rep_int8_check_sums(e->graph, e->program, rep_setup_is_double(device));
}

rep_status rep_evaluator_create(rep_evaluator **out, const rep_task *task, rep_device *device,
                                rep_mode mode, rep_program *state_of, const char *prefix) {
    return task->methods->evaluate(out, task, device, mode, state_of, prefix);
}

void rep_evaluator_destroy(rep_evaluator *e) {
    if (e != NULL) { e->methods->destroy(e); }
}

rep_status rep_evaluator_run(rep_evaluator *e, rep_eval_result *out,
                             const rep_train_options *options) {
    return e->methods->run(e, out, options);
}

/* MODEL.WEIGHT's state evaluated on the test split. */
static rep_status evaluate(rep_eval_result *out, const rep_train_options *options, rep_task *task,
                           rep_device *device) {
    const rep_values *v = task->values;
    REP_TRY(rep_task_look_at_weight(task));
    rep_mode mode;
    REP_TRY(rep_mode_parse(&mode, v->training_mode));
    rep_evaluator *e = NULL;
    REP_TRY(rep_evaluator_create(&e, task, device, mode, NULL, NULL));
    rep_status status = rep_task_load_weight(task, e, device);
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
    rep_task *task = NULL;
    rep_device *device = NULL;
    rep_status status = rep_task_open(&task, v, REP_TASK_TEST);
    if (status == REP_OK && !task->has_test) {
        status = rep_fail(REP_ERR_CONFIG, "DATASETS.TEST: empty; name the split to test on");
    }
    if (status == REP_OK) {
        status = rep_device_open(&device, rep_setup_device(options), options->threads);
    }
    if (status == REP_OK) {
        rep_setup_log_device(device, rep_setup_device(options));
        status = evaluate(out, options, task, device);
    }
    rep_device_close(device);
    rep_task_close(task);
    return status;
}
