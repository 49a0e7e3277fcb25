/* classify.c - the task of telling a picture's class: RepOpt-VGG on labelled pictures. */
#include <stdlib.h>

#include "train/classify.h"

static const rep_metric_column columns[] = {
    {"accuracy", "test/accuracy"}, {"top5", "test/top5"}, {"test_loss", "test/loss"}};

static void take_info(rep_task *task, const rep_dataset_info *info) {
    task->kind = info->kind;
    task->channels = info->channels;
    task->class_count = info->class_count;
    task->class_names = info->class_names;
    task->shape_count = 1;
    task->shapes[0].height = info->height;
    task->shapes[0].width = info->width;
}

static rep_status open_data(rep_task *task, unsigned parts) {
    const rep_values *v = task->values;
    rep_classify_data *data = calloc(1, sizeof *data);
    if (data == NULL) { return rep_fail(REP_ERR_MEMORY, "data: no memory"); }
    task->state = data;
    task->score = "top-1";
    task->columns = columns;
    task->column_count = sizeof columns / sizeof *columns;
    rep_dataset_info info;
    if (parts == REP_TASK_SHAPE && rep_dataset_info_known(&info, v->datasets_name)) {
        take_info(task, &info);
        return REP_OK;
    }
    if (parts == REP_TASK_SHAPE || (parts & REP_TASK_TRAIN)) {
        REP_TRY(rep_setup_dataset(&data->train, v, true));
        take_info(task, rep_dataset_info_get(data->train));
        task->train_count = rep_dataset_info_get(data->train)->count;
    }
    if (parts & REP_TASK_TEST) {
        REP_TRY(rep_setup_dataset(&data->test, v, false));
        task->has_test = data->test != NULL;
        if (data->test != NULL && data->train == NULL) {
            take_info(task, rep_dataset_info_get(data->test));
        }
    }
    return REP_OK;
}

static void close_data(rep_task *task) {
    rep_classify_data *data = task->state;
    if (data == NULL) { return; }
    rep_loader_destroy(data->loader);
    rep_dataset_close(data->test);
    rep_dataset_close(data->train);
    free(data);
}

static rep_status build(const rep_task *task, rep_model **model, rep_graph *graph,
                        const rep_task_net *net) {
    const rep_values *v = task->values;
    rep_vgg_spec spec;
    REP_TRY(rep_vgg_spec_from_config(&spec, v, task->channels, task->class_count));
    spec.is_half = spec.is_half && !net->is_reference && !task->is_int8;
    spec.is_deployed = task->is_folded;
    const double smoothing = net->is_training ? v->solver_label_smoothing : 0;
    REP_TRY(rep_model_build(model, graph, &spec, net->mode, net->is_training, net->batch,
                            task->shapes[net->shape].height, task->shapes[net->shape].width,
                            (float)smoothing));
    return rep_task_finish_net(task, graph);
}

static rep_status start(rep_task *task, uint64_t first_batch) {
    rep_classify_data *data = task->state;
    rep_loader_options options;
    REP_TRY(rep_setup_loader(&options, task->values, rep_dataset_info_get(data->train), true));
    options.first_batch = first_batch;
    return rep_loader_create(&data->loader, data->train, &options);
}

static rep_task_batch wrap(const rep_batch *batch) {
    return (rep_task_batch){.index = batch->index,
                            .epoch = batch->epoch,
                            .valid = batch->valid,
                            .ids = batch->ids,
                            .images = batch->images,
                            .labels = batch->labels,
                            .content = batch};
}

static rep_status next(rep_task *task, rep_task_batch *out) {
    const rep_classify_data *data = task->state;
    const rep_batch *batch = NULL;
    REP_TRY(rep_loader_next(data->loader, &batch));
    *out = wrap(batch);
    return REP_OK;
}

static bool peek(rep_task *task, rep_task_batch *out) {
    const rep_classify_data *data = task->state;
    const rep_batch *batch = rep_loader_peek(data->loader);
    if (batch != NULL) { *out = wrap(batch); }
    return batch != NULL;
}

static rep_status write(const rep_task *task, const rep_model *model, rep_program *program,
                        const rep_task_batch *batch) {
    const rep_model_io *io = rep_model_io_get(model);
    const rep_batch *own = batch->content;
    const size_t count = (size_t)task->values->solver_ims_per_batch;
    const size_t values =
        (size_t)task->shapes[0].height * (size_t)task->shapes[0].width * (size_t)task->channels;
    REP_TRY(rep_program_write(program, io->image, own->images, count * values));
    return rep_program_write(program, io->labels, own->labels, count);
}

static void tabulate(const rep_task *task, const rep_eval_result *result, double *own) {
    (void)task;
    own[0] = result->top1;
    own[1] = result->top5;
    own[2] = result->loss;
}

const rep_task_class rep_classify = {.open = open_data,
                                     .close = close_data,
                                     .build = build,
                                     .start = start,
                                     .next = next,
                                     .peek = peek,
                                     .write = write,
                                     .tabulate = tabulate,
                                     .evaluate = rep_classify_evaluate};
