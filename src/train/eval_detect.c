/* eval_detect.c - a detector's answers on the test split, and COCO's and VOC's numbers of them.
 *
 * Pictures come resized into a few shapes, each with an evaluation program of its own on one state.
 * The levels' outputs are decoded on the host (nn/fcos_decode.c), scaled back to the pictures'
 * files and evaluated together at the end (coco_eval.c, voc_eval.c).
 */
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"
#include "train/detect.h"

/* One shape's program and what is read from it. */
typedef struct shape_net {
    rep_graph *graph;
    rep_model *model;
    rep_program *program;
    rep_detection_shape shape;
} shape_net;

typedef struct evaluator {
    rep_evaluator base; /* first: the task sees this part alone */
    const rep_task *task;
    rep_device *device;
    rep_mode mode;
    const rep_detection_set *set;
    const rep_predict_options *predict; /* who is told of each picture; NULL: all are judged */
    rep_detection_setup setup;
    int32_t keypoint_count;
    bool has_sigmas; /* of all keypoints: how well they are found can be said */
    shape_net nets[REP_TASK_SHAPES];
    size_t shape_count;
    rep_program *state_of;
    const char *prefix;
    float *outputs[REP_DETECTOR_LEVELS][4]; /* classes, boxes, centerness, keypoints; the largest */
    size_t output_room[REP_DETECTOR_LEVELS][4];
    rep_fcos_found *found; /* TEST.DETECTIONS_PER_IMG */
    float *points;
} evaluator;

/* ---- programs -------------------------------------------------------------------------------- */

static rep_status build_net(evaluator *e, size_t shape) {
    shape_net *net = &e->nets[shape];
    /* The task's shapes are those of training; these are the evaluation's own. */
    rep_task task = *e->task;
    task.shapes[0].height = net->shape.height;
    task.shapes[0].width = net->shape.width;
    const rep_task_net wanted = {.mode = e->mode, .batch = e->setup.options.batch};
    REP_TRY(rep_graph_create(&net->graph));
    REP_TRY(task.methods->build(&task, &net->model, net->graph, &wanted));
    REP_TRY(rep_graph_check(net->graph));
    /* Without a training program the first shape's owns the state. */
    const bool is_owner = shape == 0 || e->state_of != NULL;
    rep_program *state_of = is_owner ? e->state_of : e->nets[0].program;
    return rep_program_create(&net->program, e->device, net->graph, state_of,
                              is_owner ? e->prefix : NULL);
}

static rep_id output_of(const rep_detector_level *level, int which) {
    const rep_id ids[4] = {level->classes, level->boxes, level->centerness, level->keypoints};
    return ids[which];
}

/* Room for the outputs of the largest shape. */
static rep_status make_room(evaluator *e, const shape_net *net) {
    const rep_detector_io *io = rep_detector_io_get(net->model);
    for (int l = 0; l < REP_DETECTOR_LEVELS; l++) {
        for (int which = 0; which < 4; which++) {
            const rep_id id = output_of(&io->levels[l], which);
            if (id == 0) { continue; }
            const size_t count = rep_shape_count(rep_graph_shape(net->graph, id));
            if (count <= e->output_room[l][which]) { continue; }
            float *grown = realloc(e->outputs[l][which], count * sizeof *grown);
            if (grown == NULL) { return rep_fail(REP_ERR_MEMORY, "evaluation: no memory"); }
            e->outputs[l][which] = grown;
            e->output_room[l][which] = count;
        }
    }
    return REP_OK;
}

static rep_status need_net(evaluator *e, size_t shape) {
    if (e->nets[shape].program != NULL) { return REP_OK; }
    REP_TRY(build_net(e, shape));
    return make_room(e, &e->nets[shape]);
}

static void destroy(rep_evaluator *base) {
    evaluator *e = (evaluator *)base;
    for (size_t i = REP_TASK_SHAPES; i-- > 0;) {
        rep_program_destroy(e->nets[i].program);
        rep_model_destroy(e->nets[i].model);
        rep_graph_destroy(e->nets[i].graph);
    }
    for (int l = 0; l < REP_DETECTOR_LEVELS; l++) {
        for (int which = 0; which < 4; which++) { free(e->outputs[l][which]); }
    }
    free(e->found);
    free(e->points);
    free(e);
}

/* ---- finding --------------------------------------------------------------------------------- */

static rep_status read_outputs(evaluator *e, const shape_net *net) {
    const rep_detector_io *io = rep_detector_io_get(net->model);
    for (int l = 0; l < REP_DETECTOR_LEVELS; l++) {
        for (int which = 0; which < 4; which++) {
            const rep_id id = output_of(&io->levels[l], which);
            if (id == 0) { continue; }
            REP_TRY(rep_program_read(net->program, id, e->outputs[l][which],
                                     rep_shape_count(rep_graph_shape(net->graph, id))));
        }
    }
    return REP_OK;
}

/* Outputs of picture `row` of the batch. */
static void point_at(const evaluator *e, const rep_detector_io *io, size_t row,
                     rep_fcos_level levels[REP_DETECTOR_LEVELS],
                     rep_fcos_output outputs[REP_DETECTOR_LEVELS]) {
    const size_t classes = (size_t)e->task->class_count, points = 2 * (size_t)e->keypoint_count;
    for (int l = 0; l < REP_DETECTOR_LEVELS; l++) {
        const rep_detector_level *level = &io->levels[l];
        const size_t first = row * (size_t)level->height * (size_t)level->width;
        levels[l] = (rep_fcos_level){
            .stride = level->stride_px, .height = level->height, .width = level->width};
        outputs[l] = (rep_fcos_output){
            .logits = e->outputs[l][0] + first * classes,
            .distances = e->outputs[l][1] + first * 4,
            .centerness = e->outputs[l][2] + first,
            .keypoints = points > 0 ? e->outputs[l][3] + first * points : NULL,
            .logit_pitch = classes,
            .distance_pitch = 4,
            .centerness_pitch = 1,
            .keypoint_pitch = points,
        };
    }
}

void rep_detect_decoder_init(rep_fcos_decoder *out, const rep_values *v,
                             const rep_fcos_level *levels, int32_t class_count,
                             int32_t keypoint_count) {
    *out = (rep_fcos_decoder){.levels = levels,
                              .level_count = REP_DETECTOR_LEVELS,
                              .class_count = class_count,
                              .keypoint_count = keypoint_count,
                              .score_threshold = (float)v->model_fcos_inference_th,
                              .nms_threshold = (float)v->model_fcos_nms_th,
                              .level_most = (size_t)v->model_fcos_pre_nms_top_n,
                              .most = (size_t)v->test_detections_per_img};
}

static rep_status decode_picture(evaluator *e, const shape_net *net, size_t row,
                                 const rep_detection_picture *picture, rep_detection_list *list) {
    rep_fcos_level levels[REP_DETECTOR_LEVELS];
    rep_fcos_output outputs[REP_DETECTOR_LEVELS];
    point_at(e, rep_detector_io_get(net->model), row, levels, outputs);
    rep_fcos_decoder decoder;
    rep_detect_decoder_init(&decoder, e->task->values, levels, e->task->class_count,
                            e->keypoint_count);
    size_t count = 0;
    float *points = e->keypoint_count > 0 ? e->points : NULL;
    REP_TRY(rep_fcos_decode(e->found, points, &count, &decoder, outputs, picture->width,
                            picture->height));
    return rep_detection_list_add(list, picture, e->found, points, count);
}

/* Hands over what was found on one picture, and forgets it. */
static rep_status tell(const evaluator *e, const rep_detection_picture *picture,
                       rep_detection_list *list) {
    const rep_predict_options *o = e->predict;
    rep_detection_list_close(list);
    const size_t count = list->count;
    list->count = 0;
    if (!picture->is_bad) {
        return o->on_picture(o->context, e->set, picture->index, list->items, count);
    }
    const rep_annotations *set = rep_detection_set_annotations(e->set);
    const char *file = set->pictures[picture->index].file_name;
    char reason[REP_PATH_BYTES];
    (void)snprintf(reason, sizeof reason, "%s: its pixels cannot be read", file);
    o->on_bad(o->context, file, reason);
    return REP_OK;
}

static rep_status find_all(evaluator *e, rep_detection_loader *loader, rep_detection_list *list,
                           const rep_train_options *options) {
    const rep_detection_batch *batch = NULL;
    for (;;) {
        if (options->stop != NULL && *options->stop != 0) {
            return rep_fail(REP_ERR_INTERRUPTED, "evaluation: stopped by a signal");
        }
        REP_TRY(rep_detection_loader_next(loader, &batch));
        if (batch == NULL) { return REP_OK; }
        REP_TRY(need_net(e, (size_t)batch->bucket));
        const shape_net *net = &e->nets[batch->bucket];
        const size_t values = (size_t)e->setup.options.batch * (size_t)batch->height *
                              (size_t)batch->width * (size_t)e->task->channels;
        REP_TRY(rep_program_write(net->program, rep_detector_io_get(net->model)->image,
                                  batch->images, values));
        REP_TRY(rep_program_run(net->program, REP_FORWARD, REP_FORWARD));
        REP_TRY(read_outputs(e, net));
        for (int32_t i = 0; i < batch->valid; i++) {
            const rep_detection_picture *picture = &batch->pictures[i];
            if (!picture->is_bad) { REP_TRY(decode_picture(e, net, (size_t)i, picture, list)); }
            if (e->predict != NULL) { REP_TRY(tell(e, picture, list)); }
        }
    }
}

/* ---- judging --------------------------------------------------------------------------------- */

static rep_status judge(size_t *count, rep_coco_number numbers[REP_COCO_NUMBERS],
                        const evaluator *e, const rep_detection_list *list, rep_coco_kind kind) {
    const rep_coco_options options = {.kind = kind, .category = -1};
    rep_coco_eval *eval = NULL;
    REP_TRY(rep_coco_eval_create(&eval, rep_detection_set_annotations(e->set), list->items,
                                 list->count, &options));
    *count = rep_coco_eval_numbers(numbers, eval);
    rep_coco_eval_destroy(eval);
    return REP_OK;
}

/* The similarity of keypoints needs sigmas, which few annotation files have. Said at the start: the
 * evaluation comes an epoch later. */
static bool find_sigmas(const evaluator *e) {
    const rep_annotations *truth = rep_detection_set_annotations(e->set);
    for (size_t i = 0; i < truth->category_count && e->keypoint_count > 0; i++) {
        const rep_category *c = &truth->categories[i];
        if (c->keypoint_count == 0 || c->sigmas != NULL) { continue; }
        rep_log(REP_LOG_WARNING,
                "%s: category '%s' has no sigmas for its keypoints: only boxes are evaluated; add "
                "\"sigmas\" to the category",
                truth->source, c->name);
        return false;
    }
    return e->keypoint_count > 0;
}

static rep_status judge_all(const evaluator *e, const rep_detection_list *list,
                            rep_eval_result *out) {
    const rep_annotations *truth = rep_detection_set_annotations(e->set);
    REP_TRY(judge(&out->box_count, out->boxes, e, list, REP_COCO_BOX));
    if (e->has_sigmas) {
        REP_TRY(judge(&out->keypoint_count, out->keypoints, e, list, REP_COCO_KEYPOINT));
    }
    REP_TRY(rep_voc_eval(&out->voc_ap50, NULL, truth, list->items, list->count, 0.5));
    out->score = out->boxes[0].value;
    out->count = truth->picture_count;
    return REP_OK;
}

static rep_status run(rep_evaluator *base, rep_eval_result *out, const rep_train_options *options) {
    evaluator *e = (evaluator *)base;
    rep_detection_loader *loader = NULL;
    rep_detection_list list = {.keypoint_count = e->keypoint_count};
    rep_eval_result result = {0};
    REP_TRY(rep_detection_loader_create(&loader, e->set, &e->setup.options));
    rep_status status = find_all(e, loader, &list, options);
    rep_detection_loader_destroy(loader);
    rep_detection_list_close(&list);
    if (status == REP_OK && e->predict == NULL) { status = judge_all(e, &list, &result); }
    if (status == REP_OK && options->on_detections != NULL) {
        options->on_detections(options->context, e->set, list.items, list.count);
    }
    rep_detection_list_clear(&list);
    REP_TRY(status);
    *out = result;
    return REP_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

static rep_status open_shapes(evaluator *e) {
    rep_detection_shape shapes[REP_TASK_SHAPES];
    REP_TRY(rep_setup_detection(&e->setup, e->task->values, false));
    /* A split smaller than one batch is one short batch, not an error. */
    const size_t count = rep_detection_set_annotations(e->set)->picture_count;
    if (e->predict != NULL) { e->setup.options.is_bad_skipped = e->predict->is_bad_skipped; }
    if (count < (size_t)e->setup.options.batch) { e->setup.options.batch = (int32_t)count; }
    REP_TRY(rep_detection_shapes(shapes, REP_TASK_SHAPES, &e->shape_count, e->set,
                                 &e->setup.options.sizes));
    if (e->shape_count > REP_TASK_SHAPES) {
        return rep_fail(REP_ERR_CONFIG, "INPUT.BUCKETS: %zu shapes, wanted at most %d",
                        e->shape_count, REP_TASK_SHAPES);
    }
    for (size_t i = 0; i < e->shape_count; i++) { e->nets[i].shape = shapes[i]; }
    const size_t most = (size_t)e->task->values->test_detections_per_img;
    e->found = calloc(most, sizeof *e->found);
    e->points = calloc(most * 2 * (size_t)e->keypoint_count + 1, sizeof *e->points);
    if (e->found == NULL || e->points == NULL) {
        return rep_fail(REP_ERR_MEMORY, "evaluation: no memory for %zu detections", most);
    }
    return need_net(e, 0);
}

rep_status rep_detect_evaluator_create(rep_evaluator **out, const rep_task *task,
                                       const rep_detection_set *set,
                                       const rep_predict_options *predict, rep_device *device,
                                       rep_mode mode, rep_program *state_of, const char *prefix) {
    static const rep_evaluator_class methods = {.run = run, .destroy = destroy};
    evaluator *e = calloc(1, sizeof *e);
    if (e == NULL) { return rep_fail(REP_ERR_MEMORY, "evaluation: no memory"); }
    e->base.methods = &methods;
    e->task = task;
    e->set = set;
    e->predict = predict;
    e->device = device;
    e->mode = mode;
    e->state_of = state_of;
    e->prefix = prefix;
    e->keypoint_count = ((const rep_detect_data *)task->state)->keypoint_count;
    e->has_sigmas = predict == NULL && find_sigmas(e);
    const rep_status status = open_shapes(e);
    if (status != REP_OK) {
        destroy(&e->base);
        return status;
    }
    e->base.graph = e->nets[0].graph;
    e->base.program = e->nets[0].program;
    *out = &e->base;
    return REP_OK;
}

rep_status rep_detect_evaluate(rep_evaluator **out, const rep_task *task, rep_device *device,
                               rep_mode mode, rep_program *state_of, const char *prefix) {
    const rep_detect_data *data = task->state;
    return rep_detect_evaluator_create(out, task, data->test, NULL, device, mode, state_of, prefix);
}
