/* detect.c - the task of finding objects: RepOpt-FPN-YUMIN with an FCOS head on pictures with
 * boxes.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/detect.h"

enum { CHANNELS = 3, UNKNOWN_KEYPOINTS = -1 };

static const rep_metric_column columns[] = {
    {"loss_classes", "train/loss_classes"},
    {"loss_boxes", "train/loss_boxes"},
    {"loss_centerness", "train/loss_centerness"},
    {"loss_keypoints", "train/loss_keypoints"},
    {"ap", "test/ap"},
    {"ap50", "test/ap50"},
    {"ap75", "test/ap75"},
    {"keypoint_ap", "test/keypoint_ap"},
};
enum { COLUMN_LOSSES = 0, COLUMN_AP = 4, COLUMN_KEYPOINTS = 7 };

/* ---- data ------------------------------------------------------------------------------------ */

/* The background stands in NUM_CLASSES, as maskrcnn-benchmark counts. */
static rep_status check_classes(const rep_task *task, const char *source, size_t count) {
    const int64_t wanted = (int64_t)count + 1;
    if (task->values->model_fcos_num_classes == wanted) { return REP_OK; }
    return rep_fail(REP_ERR_CONFIG,
                    "MODEL.FCOS.NUM_CLASSES: %" PRId64 ", but %s has %zu categories, and the "
                    "background is counted: give %" PRId64,
                    task->values->model_fcos_num_classes, source, count, wanted);
}

/* What is found has the keypoints of the training set; the evaluation reads those of the test set.
 */
static rep_status check_same(const rep_annotations *train, const rep_annotations *test) {
    if (train->category_count != test->category_count) {
        return rep_fail(REP_ERR_DATA,
                        "%s: has %zu categories, %s, which the net is trained on, has %zu; give "
                        "both the same",
                        test->source, test->category_count, train->source, train->category_count);
    }
    for (size_t i = 0; i < train->category_count; i++) {
        const rep_category *a = &train->categories[i], *b = &test->categories[i];
        if (strcmp(a->name, b->name) == 0 && a->keypoint_count == b->keypoint_count) { continue; }
        return rep_fail(REP_ERR_DATA,
                        "%s: category %zu is '%s' with %" PRId32 " keypoints, in %s, which the net "
                        "is trained on, '%s' with %" PRId32 "; give both the same",
                        test->source, i + 1, b->name, b->keypoint_count, train->source, a->name,
                        a->keypoint_count);
    }
    return REP_OK;
}

rep_status rep_detect_take_categories(rep_task *task, const char *source,
                                      const rep_category *categories, size_t count) {
    rep_detect_data *data = task->state;
    REP_TRY(check_classes(task, source, count));
    const char **names = calloc(count + 1, sizeof *names);
    if (names == NULL) { return rep_fail(REP_ERR_MEMORY, "data: no memory"); }
    data->keypoint_count = 0;
    for (size_t i = 0; i < count; i++) {
        const int32_t points = task->values->model_keypoint_on ? categories[i].keypoint_count : 0;
        names[i] = categories[i].name;
        if (points > data->keypoint_count) { data->keypoint_count = points; }
    }
    if (task->values->model_keypoint_on && data->keypoint_count == 0) {
        free(names);
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.KEYPOINT_ON: True, but %s has no keypoints; set it False, or give "
                        "annotations that have them",
                        source);
    }
    free((void *)task->class_names);
    task->class_names = names;
    task->categories = categories;
    task->class_count = (int32_t)count;
    return REP_OK;
}

static rep_status take_set(rep_task *task, const rep_detection_set *set) {
    const rep_annotations *face = rep_detection_set_annotations(set);
    return rep_detect_take_categories(task, face->source, face->categories, face->category_count);
}

static rep_status find_shapes(rep_task *task) {
    rep_detect_data *data = task->state;
    rep_detection_shape shapes[REP_TASK_SHAPES];
    REP_TRY(rep_detection_shapes(shapes, REP_TASK_SHAPES, &task->shape_count, data->train,
                                 &data->setup.options.sizes));
    if (task->shape_count > REP_TASK_SHAPES) {
        return rep_fail(REP_ERR_CONFIG, "INPUT.BUCKETS: %zu shapes, wanted at most %d",
                        task->shape_count, REP_TASK_SHAPES);
    }
    for (size_t i = 0; i < task->shape_count; i++) {
        task->shapes[i].height = shapes[i].height;
        task->shapes[i].width = shapes[i].width;
    }
    return REP_OK;
}

static void log_odd(const char *what, const rep_odd *odd, const char *fate) {
    if (odd->count == 0) { return; }
    rep_log(REP_LOG_INFO, "%zu annotations %s (the first has id %" PRId64 "): %s", odd->count, what,
            odd->ids[0], fate);
}

static rep_status open_train(rep_task *task) {
    rep_detect_data *data = task->state;
    REP_TRY(rep_setup_detection_set(&data->train, task->values, true));
    REP_TRY(take_set(task, data->train));
    const rep_annotations *set = rep_detection_set_annotations(data->train);
    const int32_t keypoints = rep_detection_set_keypoint_count(data->train);
    if (!task->values->model_keypoint_on && keypoints > 0) {
        rep_log(REP_LOG_INFO,
                "%s has %" PRId32 " keypoints and MODEL.KEYPOINT_ON is False: none are trained",
                set->source, keypoints);
    }
    task->train_count = set->picture_count;
    log_odd("are of crowds", &set->crowd, "not trained on");
    log_odd("have no area", &set->degenerate, "not trained on");
    log_odd("lie outside their picture", &set->outside, "not trained on");
    log_odd("reach over their picture's edge", &set->beyond, "cut");
    REP_TRY(rep_setup_detection(&data->setup, task->values, true));
    data->ids = calloc((size_t)data->setup.options.batch, sizeof *data->ids);
    if (data->ids == NULL) { return rep_fail(REP_ERR_MEMORY, "data: no memory"); }
    return find_shapes(task);
}

static rep_status open_test(rep_task *task) {
    rep_detect_data *data = task->state;
    if (task->values->datasets_test.count == 0) { return REP_OK; }
    REP_TRY(rep_setup_detection_set(&data->test, task->values, false));
    task->has_test = true;
    if (data->train == NULL) { return take_set(task, data->test); }
    return check_same(rep_detection_set_annotations(data->train),
                      rep_detection_set_annotations(data->test));
}

static rep_status open_data(rep_task *task, unsigned parts) {
    const rep_values *v = task->values;
    rep_detect_data *data = calloc(1, sizeof *data);
    if (data == NULL) { return rep_fail(REP_ERR_MEMORY, "data: no memory"); }
    task->state = data;
    task->score = "AP";
    task->columns = columns;
    task->column_count = sizeof columns / sizeof *columns;
    task->kind = v->datasets_name;
    task->channels = CHANNELS;
    data->keypoint_count = UNKNOWN_KEYPOINTS;
    if (parts == REP_TASK_SHAPE) { /* the net alone: no data are needed to describe it */
        task->shape_count = 1;
        return rep_setup_detector_size(&task->shapes[0].height, &task->shapes[0].width, v);
    }
    if (parts & REP_TASK_TRAIN) { REP_TRY(open_train(task)); }
    return parts & REP_TASK_TEST ? open_test(task) : REP_OK;
}

static void close_data(rep_task *task) {
    rep_detect_data *data = task->state;
    if (data == NULL) { return; }
    rep_detection_loader_destroy(data->loader);
    rep_detection_set_close(data->test);
    rep_detection_set_close(data->train);
    free((void *)task->class_names);
    free(data->ids);
    free(data);
}

/* ---- the net --------------------------------------------------------------------------------- */

static rep_status build(const rep_task *task, rep_model **model, rep_graph *graph,
                        const rep_task_net *net) {
    const rep_detect_data *data = task->state;
    rep_detector_spec spec;
    REP_TRY(
        rep_detector_spec_from_config(&spec, task->values, task->channels, data->keypoint_count));
    spec.is_half = spec.is_half && !net->is_reference && !task->is_int8;
    spec.is_deployed = task->is_folded;
    REP_TRY(rep_detector_build(model, graph, &spec, net->mode, net->is_training, net->batch,
                               task->shapes[net->shape].height, task->shapes[net->shape].width));
    return rep_task_finish_net(task, graph);
}

/* ---- batches --------------------------------------------------------------------------------- */

static rep_status start(rep_task *task, uint64_t first_batch) {
    rep_detect_data *data = task->state;
    data->setup.options.first_batch = first_batch;
    return rep_detection_loader_create(&data->loader, data->train, &data->setup.options);
}

static rep_task_batch wrap(const rep_detection_batch *batch) {
    return (rep_task_batch){.index = batch->index,
                            .epoch = batch->epoch,
                            .valid = batch->valid,
                            .images = batch->images,
                            .shape = (size_t)batch->bucket,
                            .content = batch};
}

static rep_status next(rep_task *task, rep_task_batch *out) {
    const rep_detect_data *data = task->state;
    const rep_detection_batch *batch = NULL;
    REP_TRY(rep_detection_loader_next(data->loader, &batch));
    *out = wrap(batch);
    for (int32_t i = 0; i < batch->valid; i++) { data->ids[i] = batch->pictures[i].index; }
    out->ids = data->ids;
    return REP_OK;
}

static bool peek(rep_task *task, rep_task_batch *out) {
    const rep_detect_data *data = task->state;
    const rep_detection_batch *batch = rep_detection_loader_peek(data->loader);
    if (batch != NULL) { *out = wrap(batch); }
    return batch != NULL;
}

static rep_status write_level(rep_program *program, const rep_detector_level *to,
                              const rep_detection_level *from, size_t batch, size_t keypoints) {
    const size_t cells = batch * (size_t)to->height * (size_t)to->width;
    if (from->height != to->height || from->width != to->width || from->stride != to->stride_px) {
        return rep_fail(
            REP_ERR_CONFIG,
            "MODEL.FCOS.FPN_STRIDES: targets of %" PRId32 " x %" PRId32 " cells of %" PRId32
            " pixels, the net has %" PRId32 " x %" PRId32 " of %" PRId32,
            from->width, from->height, from->stride, to->width, to->height, to->stride_px);
    }
    REP_TRY(rep_program_write(program, to->labels, from->labels, cells));
    REP_TRY(rep_program_write(program, to->box_targets, from->box_targets, 4 * cells));
    REP_TRY(rep_program_write(program, to->positives, from->positives, cells));
    REP_TRY(rep_program_write(program, to->centerness_target, from->centerness, cells));
    if (to->keypoint_targets == 0) { return REP_OK; }
    const size_t points = 2 * keypoints * cells;
    REP_TRY(rep_program_write(program, to->keypoint_targets, from->keypoint_targets, points));
    return rep_program_write(program, to->keypoint_weights, from->keypoint_weights, points);
}

static rep_status write(const rep_task *task, const rep_model *model, rep_program *program,
                        const rep_task_batch *batch) {
    const rep_detect_data *data = task->state;
    const rep_detector_io *io = rep_detector_io_get(model);
    const rep_detection_batch *own = batch->content;
    const size_t count = (size_t)data->setup.options.batch;
    const size_t values = (size_t)own->height * (size_t)own->width * CHANNELS;
    float norms[REP_DETECTOR_LOSSES];
    REP_TRY(rep_program_write(program, io->image, own->images, count * values));
    for (size_t i = 0; i < REP_DETECTOR_LEVELS; i++) {
        REP_TRY(write_level(program, &io->levels[i], &own->levels[i], count,
                            (size_t)data->keypoint_count));
    }
    rep_detector_norms_get(norms, own->positives, own->centerness, own->visible);
    const bool has_keypoints = io->levels[0].keypoint_targets != 0;
    return rep_program_write(program, io->norms, norms, has_keypoints ? 4 : 3);
}

/* ---- results --------------------------------------------------------------------------------- */

static rep_status measure(const rep_task *task, const rep_model *model, rep_program *program,
                          double *own) {
    (void)task;
    const rep_detector_io *io = rep_detector_io_get(model);
    const size_t count = io->levels[0].keypoint_targets != 0 ? 4 : 3;
    float losses[REP_DETECTOR_LOSSES];
    REP_TRY(rep_program_read(program, io->losses, losses, count));
    for (size_t i = 0; i < count; i++) { own[COLUMN_LOSSES + i] = (double)losses[i]; }
    return REP_OK;
}

static double value_of(const rep_coco_number *number) {
    return number->is_known ? number->value : (double)NAN;
}

static void tabulate(const rep_task *task, const rep_eval_result *result, double *own) {
    (void)task;
    for (int i = 0; i < 3; i++) { own[COLUMN_AP + i] = value_of(&result->boxes[i]); }
    if (result->keypoint_count > 0) { own[COLUMN_KEYPOINTS] = value_of(&result->keypoints[0]); }
}

const rep_task_class rep_detect = {.open = open_data,
                                   .close = close_data,
                                   .build = build,
                                   .start = start,
                                   .next = next,
                                   .peek = peek,
                                   .write = write,
                                   .measure = measure,
                                   .tabulate = tabulate,
                                   .evaluate = rep_detect_evaluate};
