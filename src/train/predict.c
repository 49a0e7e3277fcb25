/* predict.c - what a trained detector finds on pictures that nobody annotated.
 *
 * Our checkpoints' metadata say what there is to find, so that no data set is needed; for those of
 * others the data set's annotations say it. The pictures go the way of a test split
 * (eval_detect.c), without its judgement.
 */
#include <stdio.h>
#include <string.h>

#include "format/format.h"
#include "train/detect.h"
#include "train/train.h"

rep_status rep_config_merge_checkpoint(rep_config *config, const char *path) {
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    const char *yaml = rep_tensors_metadata(file, "config");
    rep_status status = REP_OK;
    if (yaml == NULL) {
        status = rep_fail(REP_ERR_DATA,
                          "%s: metadata \"config\" is missing; give the configuration that the net "
                          "was trained with (--config-file)",
                          path);
    } else if (rep_config_merge_text(config, path, yaml, strlen(yaml)) != REP_OK) {
        status = rep_fail_prefix("metadata \"config\" of ");
    }
    rep_tensors_close(file);
    REP_TRY(status);
    return rep_config_merge_pairs(config, 2, (const char *const[]){"MODEL.WEIGHT", path});
}

static rep_status check_options(const rep_predict_options *o, const rep_values *v) {
    rep_body body;
    if (v->model_weight[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG, "MODEL.WEIGHT: empty, but only a trained net can find "
                                        "something; give MODEL.WEIGHT out/model_final.safetensors");
    }
    REP_TRY(rep_body_from_config(&body, v));
    if (body != REP_BODY_YUMIN) {
        return rep_fail(REP_ERR_CONFIG,
                        "%s: MODEL.BACKBONE.CONV_BODY is %s, a classifier, which finds nothing in "
                        "a picture; take a detector's checkpoint and configuration, or repopt test",
                        v->model_weight, v->model_backbone_conv_body);
    }
    if (o->file_count > 0) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "predict: no pictures given; name at least one");
}

/* What the net finds: it stands beside the weights that we wrote; of others the annotations of the
 * configuration's data set say it, for which `data` is held open. */
typedef struct findings {
    rep_category_list list;
    rep_task *data;
    const rep_category *items; /* borrowed from one of them */
    size_t count;
    const char *source;
} findings;

static rep_status open_annotations(findings *f, const rep_values *v) {
    if (rep_task_open(&f->data, v, REP_TASK_TRAIN) != REP_OK) {
        char why[256];
        snprintf(why, sizeof why, "%s", rep_last_error());
        return rep_fail(REP_ERR_DATA,
                        "%s: does not say what the net finds (metadata \"categories\"), and the "
                        "annotations cannot be asked: %s; give a --config-file whose DATASETS name "
                        "them, or a checkpoint that repopt train wrote",
                        v->model_weight, why);
    }
    f->items = f->data->categories;
    f->count = (size_t)f->data->class_count;
    f->source = "the annotations";
    return REP_OK;
}

static rep_status find_categories(findings *f, const rep_values *v) {
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, v->model_weight));
    const char *text = rep_tensors_metadata(file, "categories");
    const rep_status status = text != NULL ? rep_categories_read(&f->list, v->model_weight, text)
                                           : open_annotations(f, v);
    rep_tensors_close(file);
    if (text == NULL || status != REP_OK) { return status; }
    f->items = f->list.items;
    f->count = f->list.count;
    f->source = v->model_weight;
    return REP_OK;
}

static void clear_findings(findings *f) {
    rep_task_close(f->data);
    rep_category_list_clear(&f->list);
}

static rep_status open_pictures(rep_detection_set **out, const rep_predict_options *o,
                                const findings *categories) {
    const rep_detection_set_options options = {.kind = "files",
                                               .files = o->files,
                                               .file_count = o->file_count,
                                               .categories = categories->items,
                                               .category_count = categories->count,
                                               .on_bad = o->is_bad_skipped ? o->on_bad : NULL,
                                               .context = o->context};
    return rep_detection_set_open(out, &options);
}

static rep_status find(const rep_predict_options *o, rep_task *task, const rep_detection_set *set,
                       rep_device *device) {
    const rep_values *v = task->values;
    rep_mode mode;
    rep_evaluator *e = NULL;
    REP_TRY(rep_mode_parse(&mode, v->training_mode));
    REP_TRY(rep_task_look_at_weight(task));
    REP_TRY(rep_detect_evaluator_create(&e, task, set, o, device, mode, NULL, NULL));
    rep_eval_result result;
    const rep_train_options options = {.config = o->config, .stop = o->stop};
    rep_status status = rep_task_load_weight(task, e, device);
    if (status == REP_OK) { status = rep_evaluator_run(e, &result, &options); }
    rep_evaluator_destroy(e);
    return status;
}

rep_status rep_predict(const rep_predict_options *o) {
    const rep_values *v = rep_config_values(o->config);
    const char *name = o->device != NULL ? o->device : v->device;
    findings categories = {0};
    rep_detection_set *set = NULL;
    rep_task *task = NULL;
    rep_device *device = NULL;
    REP_TRY(check_options(o, v));
    rep_status status = find_categories(&categories, v);
    if (status == REP_OK) { status = rep_task_open(&task, v, REP_TASK_SHAPE); }
    if (status == REP_OK) {
        status =
            rep_detect_take_categories(task, categories.source, categories.items, categories.count);
    }
    if (status == REP_OK) { status = open_pictures(&set, o, &categories); }
    if (status == REP_OK) { status = rep_device_open(&device, name, o->threads); }
    if (status == REP_OK) { status = find(o, task, set, device); }
    rep_device_close(device);
    rep_detection_set_close(set);
    rep_task_close(task);
    clear_findings(&categories);
    return status;
}
