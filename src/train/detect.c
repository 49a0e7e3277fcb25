/* detect.c - the task of finding objects: RepOpt-FPN-YUMIN with an FCOS head. */
#include "train/train.h"

enum { CHANNELS = 3, UNKNOWN_KEYPOINTS = -1 };

static rep_status open_data(rep_task *task, unsigned parts) {
    const rep_values *v = task->values;
    task->channels = CHANNELS;
    task->shape_count = 1;
    if (parts != REP_TASK_SHAPE) {
        return rep_fail(REP_ERR_CONFIG,
                        "MODEL.BACKBONE.CONV_BODY: %s is a detector, and DATASETS.NAME %s has no "
                        "boxes to train it with; `repopt show` describes the net",
                        v->model_backbone_conv_body, v->datasets_name);
    }
    return rep_setup_detector_size(&task->shapes[0].height, &task->shapes[0].width, v);
}

static void close_data(rep_task *task) { (void)task; }

static rep_status build(const rep_task *task, rep_model **model, rep_graph *graph,
                        const rep_task_net *net) {
    rep_detector_spec spec;
    REP_TRY(rep_detector_spec_from_config(&spec, task->values, task->channels, UNKNOWN_KEYPOINTS));
    spec.is_half = spec.is_half && !net->is_reference;
    return rep_detector_build(model, graph, &spec, net->mode, net->is_training, net->batch,
                              task->shapes[net->shape].height, task->shapes[net->shape].width);
}

const rep_task_class rep_detect = {.open = open_data, .close = close_data, .build = build};
