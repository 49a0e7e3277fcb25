/* export.c - MODEL.WEIGHT's net as a file for use: folded, as ONNX.
 *
 * Everything is done in double precision on the CPU, once: what is written is the rounding of the
 * exact result, and does not depend on the machine.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "train/export.h"
#include "train/state.h"

/* ---- the file that is written ------------------------------------------------------------------
 */

bool rep_export_is_onnx(const rep_export_options *options) {
    return rep_text_has_ending(options->path, ".onnx");
}

rep_status rep_export_check_target(const char *path, const char *weights) {
    struct stat a, b;
    if (stat(path, &a) == 0 && stat(weights, &b) == 0 && a.st_dev == b.st_dev &&
        a.st_ino == b.st_ino) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: holds the weights; choose another name", path);
    }
    return REP_OK;
}

/* Before the work: a bad path costs nothing. */
static rep_status check_path(const rep_exporter *e) {
    const char *path = e->options->path;
    if (!rep_export_is_onnx(e->options) && rep_tensors_writer_of(path) == NULL) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s: ends neither in .onnx nor in .safetensors, .pth or .pt: the end says "
                        "what is written",
                        path);
    }
    return rep_export_check_target(path, e->values->model_weight);
}

static rep_status check_options(const rep_exporter *e) {
    const rep_export_options *o = e->options;
    const bool is_onnx = rep_export_is_onnx(o);
    rep_body body;
    if (e->values->model_weight[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG, "MODEL.WEIGHT: empty, but only a trained net can be "
                                        "exported; give MODEL.WEIGHT out/model_final.safetensors");
    }
    REP_TRY(check_path(e));
    if (o->is_int8 && !is_onnx && !rep_text_has_ending(o->path, ".safetensors")) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: int8 nets are written as .onnx or .safetensors",
                        o->path);
    }
    REP_TRY(rep_body_from_config(&body, e->values));
    if (o->is_decoded && body != REP_BODY_YUMIN) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "--decode: %s is a classifier's, whose logits need no decoding; leave it "
                        "out",
                        e->values->model_weight);
    }
    if ((o->is_decoded || o->takes_pixels) && !is_onnx) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: %s adds nodes, which only .onnx files have", o->path,
                        o->is_decoded ? "--decode" : "--pixels");
    }
    if (o->has_uint8_weights && !is_onnx) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s: only .onnx files take the weights of an int8 net as uint8", o->path);
    }
    return REP_OK;
}

static rep_status write_tensors(rep_export_result *out, rep_exporter *e, const rep_metadata *m) {
    const rep_tensors_writer write = rep_tensors_writer_of(e->options->path);
    rep_state_list list = {0};
    rep_status status = rep_state_list_init(&list, e->folded.graph, e->folded.program, 0);
    if (status == REP_OK) {
        status = write(e->options->path, list.sources, list.count, m->pairs, m->count);
        out->tensor_count = list.count;
    }
    rep_state_list_clear(&list);
    return status;
}

static rep_status write_file(rep_export_result *out, rep_exporter *e) {
    const bool is_folded_now = e->folded.program != NULL;
    rep_metadata m;
    REP_TRY(rep_metadata_init(&m, e->task, e->options->config));
    if (is_folded_now || e->is_folded) { rep_metadata_add_folded(&m); }
    if (e->is_int8) { rep_metadata_copy_int8(&m, e->weights, e->options->has_uint8_weights); }
    const char *names = rep_tensors_metadata(e->weights, "class_names");
    if (m.names == NULL && names != NULL) { rep_metadata_add(&m, "class_names", names); }
    const rep_status status =
        rep_export_is_onnx(e->options)
            ? rep_export_write_onnx(out, e, is_folded_now ? &e->folded : NULL, &m)
            : write_tensors(out, e, &m);
    rep_metadata_clear(&m);
    return status;
}

/* ---- the nets ----------------------------------------------------------------------------------
 */

rep_status rep_export_build(rep_export_net *out, const rep_exporter *e, const rep_task *task,
                            const rep_task_net *wanted, rep_program *state_of) {
    rep_task_net net = *wanted;
    REP_TRY(rep_mode_parse(&net.mode, e->values->training_mode));
    REP_TRY(rep_graph_create(&out->graph));
    REP_TRY(task->methods->build(task, &out->model, out->graph, &net));
    REP_TRY(rep_nn_onnx_keep(out->graph));
    return rep_program_create(&out->program, e->device, out->graph, state_of, NULL);
}

void rep_export_net_clear(rep_export_net *net) {
    rep_program_destroy(net->program);
    rep_model_destroy(net->model);
    rep_graph_destroy(net->graph);
    *net = (rep_export_net){0};
}

static rep_status build(rep_export_net *out, const rep_exporter *e, bool is_folded) {
    rep_task task = *e->task;
    task.is_folded = is_folded;
    const rep_task_net wanted = {
        .is_reference = true, .batch = e->sample.count, .shape = e->sample.shape};
    return rep_export_build(out, e, &task, &wanted, NULL);
}

/* What is judged is what the file will hold. */
static rep_status round_values(const rep_export_net *net) {
    for (rep_id id = 1; id < net->graph->tensor_count; id++) {
        const rep_tensor *tensor = &net->graph->tensors[id];
        if (tensor->kind == REP_KIND_NONE) { continue; }
        const size_t count = rep_shape_count(tensor->shape);
        float *values = malloc(count * sizeof *values);
        if (values == NULL) { return rep_fail(REP_ERR_MEMORY, "export: no memory"); }
        rep_status status = rep_program_read(net->program, id, values, count);
        if (status == REP_OK) { status = rep_program_write(net->program, id, values, count); }
        free(values);
        REP_TRY(status);
    }
    return REP_OK;
}

rep_status rep_export_fold(rep_export_result *out, rep_exporter *e) {
    uint64_t tracked = 0;
    REP_TRY(rep_export_sample_take(e));
    REP_TRY(build(&e->folded, e, true));
    if (e->is_folded) {
        return rep_state_load_model(e->folded.graph, e->folded.program, e->weights, true, &tracked);
    }
    REP_TRY(build(&e->trained, e, false));
    REP_TRY(rep_state_load_model(e->trained.graph, e->trained.program, e->weights, true, &tracked));
    const rep_net folded = rep_export_net_of(&e->folded), trained = rep_export_net_of(&e->trained);
    REP_TRY(rep_model_fold(&folded, &trained));
    REP_TRY(round_values(&e->folded));
    return rep_export_compare(out, e);
}

/* ---- what the net is --------------------------------------------------------------------------
 */

rep_status rep_export_open_weights(rep_exporter *e) {
    REP_TRY(rep_tensors_open(&e->weights, e->values->model_weight));
    e->is_folded = rep_tensors_metadata(e->weights, REP_METADATA_FOLDED) != NULL;
    e->is_int8 = rep_tensors_metadata(e->weights, REP_METADATA_INT8) != NULL;
    return REP_OK;
}

rep_status rep_export_refuse_int8(const rep_exporter *e) {
    if (!e->is_int8) { return REP_OK; }
    return rep_fail(REP_ERR_DATA,
                    "%s: is an int8 net already: `repopt convert` changes its format, .onnx holds "
                    "it as it is, and anything else takes the net that it was made of",
                    e->values->model_weight);
}

static rep_status open_weights(rep_exporter *e) {
    REP_TRY(rep_export_open_weights(e));
    const rep_export_options *o = e->options;
    if (rep_export_is_onnx(o) || (o->is_int8 && !e->is_int8)) { return REP_OK; }
    REP_TRY(rep_export_refuse_int8(e));
    if (!e->is_folded && o->is_folded) { return REP_OK; }
    if (!e->is_folded) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s: a net as it was trained is written by `repopt convert`; give --fold",
                        o->path);
    }
    return rep_fail(REP_ERR_DATA, "%s: is folded already; `repopt convert` changes its format",
                    e->values->model_weight);
}

/* A net can be exported where its data set is not: what it finds stands beside the weights. */
static rep_status open_task(rep_exporter *e) {
    if (rep_task_open(&e->task, e->values, REP_TASK_TRAIN) == REP_OK) { return REP_OK; }
    rep_log(REP_LOG_INFO, "without the training split: %s", rep_last_error());
    REP_TRY(rep_task_open(&e->task, e->values, REP_TASK_SHAPE));
    const char *text = rep_tensors_metadata(e->weights, "categories");
    if (e->task->methods != &rep_detect || text == NULL) { return REP_OK; }
    REP_TRY(rep_categories_read(&e->categories, e->values->model_weight, text));
    return rep_detect_take_categories(e->task, e->values->model_weight, e->categories.items,
                                      e->categories.count);
}

static rep_status export_net(rep_export_result *out, rep_exporter *e) {
    REP_TRY(open_weights(e));
    if (e->options->is_int8 && !e->is_int8) { return rep_export_int8(out, e->options); }
    if (e->options->has_uint8_weights && !e->is_int8) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s: is a net in float32, which has no weights to write as uint8; give "
                        "--int8 as well",
                        e->values->model_weight);
    }
    REP_TRY(open_task(e));
    REP_TRY(rep_device_open(&e->device, "cpu:float64", e->options->threads));
    out->is_folded = e->options->is_folded && !e->is_folded;
    if (out->is_folded) { REP_TRY(rep_export_fold(out, e)); }
    return write_file(out, e);
}

rep_status rep_export(rep_export_result *out, const rep_export_options *options) {
    rep_exporter e = {.options = options, .values = rep_config_values(options->config)};
    rep_export_result result = {0};
    REP_TRY(check_options(&e));
    const rep_status status = export_net(&result, &e);
    rep_export_net_clear(&e.folded);
    rep_export_net_clear(&e.trained);
    rep_device_close(e.device);
    rep_export_sample_clear(&e.sample);
    rep_task_close(e.task);
    rep_category_list_clear(&e.categories);
    rep_tensors_close(e.weights);
    REP_TRY(status);
    *out = result;
    return REP_OK;
}
