/* quantize.c - post-training quantisation: fold, calibrate, quantise, compare, write.
 *
 * Folding is done in double precision, as for an export; everything behind it on the device that
 * was asked for.
 */
#include "train/quantize.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of a calibration batch: kept activations of a detector would fill the memory. */
enum { MOST_PIXELS = 1 << 20, DEFAULT_PICTURES = 512 };

const char *rep_calibration_name(rep_calibration method) {
    static const char *const names[REP_CALIBRATION_COUNT] = {"percentile", "minmax", "kl"};
    return names[method];
}

/* ---- nets --------------------------------------------------------------------------------------
 */

static void keep(rep_graph *graph, rep_id id) {
    if (graph->tensors[id].region == REP_WORK) { rep_graph_keep(graph, id); }
}

static void keep_layers(rep_graph *graph) {
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].op != REP_OP_CONV2D) { continue; }
        keep(graph, graph->nodes[n].in[0]);
        keep(graph, graph->nodes[n].out[0]);
    }
}

static void keep_like(rep_graph *graph, const rep_graph *other) {
    for (rep_id id = 1; id < other->tensor_count; id++) {
        if (other->tensors[id].is_kept) { keep(graph, id); }
    }
}

rep_status rep_quantizer_build(rep_export_net *out, const rep_quantizer *q, const rep_task *task,
                               int32_t height, int32_t width, const rep_graph *like) {
    rep_task sized = *task;
    sized.shapes[0].height = height;
    sized.shapes[0].width = width;
    const rep_task_net wanted = {.mode = q->mode, .is_reference = true, .batch = q->batch};
    REP_TRY(rep_graph_create(&out->graph));
    REP_TRY(sized.methods->build(&sized, &out->model, out->graph, &wanted));
    if (like != NULL) { keep_like(out->graph, like); }
    if (!task->is_int8) { keep_layers(out->graph); }
    return rep_program_create(&out->program, q->device, out->graph, NULL, NULL);
}

rep_status rep_quantizer_tell(const rep_quantizer *q, const char *what, uint64_t done,
                              uint64_t total) {
    const rep_quantize_options *o = &q->options;
    if (o->stop != NULL && *o->stop != 0) {
        return rep_fail(REP_ERR_INTERRUPTED, "stopped by a signal; this net's file is not written");
    }
    if (o->on_progress != NULL) { o->on_progress(o->context, what, done, total); }
    return REP_OK;
}

rep_status rep_quantizer_read(rep_quantizer *q, const rep_export_net *net, rep_id tensor) {
    const size_t count = rep_shape_count(rep_graph_shape(net->graph, tensor));
    if (count > q->buffer_room) {
        float *grown = realloc(q->buffer, count * sizeof *grown);
        if (grown == NULL) { return rep_fail(REP_ERR_MEMORY, "quantize: no memory"); }
        q->buffer = grown;
        q->buffer_room = count;
    }
    return rep_program_read(net->program, tensor, q->buffer, count);
}

/* ---- before the work ---------------------------------------------------------------------------
 */

static rep_status check_options(const rep_quantize_options *o, const rep_values *v) {
    if (v->model_weight[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG, "MODEL.WEIGHT: empty, but only a trained net can be "
                                        "quantised; give MODEL.WEIGHT out/model_final.safetensors");
    }
    if (o->picture_count < 0) {
        return rep_fail(REP_ERR_ARGUMENT, "quantize: %" PRId64 " calibration pictures",
                        o->picture_count);
    }
    if (o->method == REP_CALIBRATE_PERCENTILE && !(o->percentile > 50 && o->percentile <= 100)) {
        return rep_fail(REP_ERR_ARGUMENT, "percentile %.10g, wanted above 50 up to 100",
                        o->percentile);
    }
    if (o->path == NULL) { return REP_OK; } /* none, or one that rep_export has checked */
    if (!rep_text_has_ending(o->path, ".safetensors")) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: wanted a name that ends in .safetensors", o->path);
    }
    return rep_export_check_target(o->path, v->model_weight);
}

static rep_status choose_pictures(rep_quantizer *q) {
    const size_t all = q->task->train_count;
    int64_t *wanted = &q->options.picture_count;
    if (all == 0) {
        return rep_fail(REP_ERR_CONFIG, "DATASETS.TRAIN: there are no calibration pictures");
    }
    if (*wanted == 0) { *wanted = all < DEFAULT_PICTURES ? (int64_t)all : DEFAULT_PICTURES; }
    if ((uint64_t)*wanted <= all) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT,
                    "quantize: %" PRId64 " calibration pictures, the training split has %zu",
                    *wanted, all);
}

static void choose_batch(rep_quantizer *q) {
    const rep_task *task = q->task;
    int64_t pixels = 1, batch = q->values->test_ims_per_batch;
    for (size_t i = 0; i < task->shape_count; i++) {
        const int64_t here = (int64_t)task->shapes[i].height * task->shapes[i].width;
        if (here > pixels) { pixels = here; }
    }
    if (batch > MOST_PIXELS / pixels) { batch = MOST_PIXELS / pixels; }
    if (batch > q->options.picture_count) { batch = q->options.picture_count; }
    q->batch = batch > 1 ? (int32_t)batch : 1;
}

/* ---- the steps ---------------------------------------------------------------------------------
 */

static rep_status fold(rep_quantizer *q, unsigned parts) {
    rep_exporter *e = &q->exporter;
    e->values = q->values;
    REP_TRY(rep_export_open_weights(e));
    REP_TRY(rep_export_refuse_int8(e));
    REP_TRY(rep_task_open(&q->task, q->values, parts));
    REP_TRY(choose_pictures(q));
    e->task = q->task;
    REP_TRY(rep_device_open(&e->device, "cpu:float64", q->options.threads));
    REP_TRY(rep_export_fold(&q->folding, e));
    q->task->is_folded = true;
    choose_batch(q);
    return REP_OK;
}

static rep_status list_layers(rep_quantizer *q) {
    rep_quantize_result *r = q->result;
    const rep_graph *graph = q->exporter.folded.graph;
    rep_int8_layer *layers = NULL;
    size_t count = 0;
    REP_TRY(rep_int8_layers(&layers, &count, graph));
    r->layers = calloc(count + 1, sizeof *r->layers);
    q->layers = calloc(count + 1, sizeof *q->layers);
    for (size_t i = 0; i < count && r->layers != NULL; i++) {
        memcpy(r->layers[i].name, layers[i].name, sizeof layers[i].name);
        r->layers[i].shape = layers[i].shape;
    }
    r->layer_count = count;
    free(layers);
    if (r->layers == NULL || q->layers == NULL) {
        r->layer_count = 0;
        return rep_fail(REP_ERR_MEMORY, "quantize: no memory");
    }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (graph->tensors[id].kind == REP_KIND_NONE) { continue; }
        r->weight_bytes += sizeof(float) * rep_shape_count(graph->tensors[id].shape);
    }
    return REP_OK;
}

/* The test split before or after; the net after is what the file gets. */
static rep_status test(rep_quantizer *q, rep_eval_result *out, bool is_int8) {
    rep_task task = *q->task;
    rep_evaluator *e = NULL;
    const rep_train_options options = {.config = q->options.config, .stop = q->options.stop};
    task.is_int8 = is_int8;
    REP_TRY(rep_quantizer_tell(q, is_int8 ? "int8 test" : "float32 test", 0, 1));
    REP_TRY(rep_evaluator_create(&e, &task, q->device, q->mode, NULL, NULL));
    rep_status status = rep_quantizer_write_state(q, &task, e->graph, e->program);
    if (status == REP_OK && is_int8) {
        status = rep_int8_check_sums(e->graph, e->program, rep_setup_is_double(q->device));
    }
    if (status == REP_OK) { status = rep_evaluator_run(e, out, &options); }
    if (status == REP_OK && is_int8) { status = rep_quantizer_write_file(q, e->graph, e->program); }
    rep_evaluator_destroy(e);
    return status;
}

/* Without a test split there is still a file. */
static rep_status write_untested(rep_quantizer *q) {
    rep_task task = *q->task;
    rep_export_net net = {0};
    task.is_int8 = true;
    rep_status status =
        rep_quantizer_build(&net, q, &task, task.shapes[0].height, task.shapes[0].width, NULL);
    if (status == REP_OK) { status = rep_quantizer_write_state(q, &task, net.graph, net.program); }
    if (status == REP_OK) { status = rep_quantizer_write_file(q, net.graph, net.program); }
    rep_export_net_clear(&net);
    return status;
}

rep_status rep_quantizer_open(rep_quantizer *q, unsigned parts) {
    const rep_quantize_options *o = &q->options;
    q->values = rep_config_values(o->config);
    const char *device = o->device != NULL ? o->device : q->values->device;
    if (o->percentile == 0) { q->options.percentile = REP_QUANTIZE_PERCENTILE; }
    REP_TRY(check_options(o, q->values));
    REP_TRY(rep_mode_parse(&q->mode, q->values->training_mode));
    REP_TRY(fold(q, parts));
    REP_TRY(rep_device_open(&q->device, device, o->threads));
    REP_TRY(list_layers(q));
    REP_TRY(rep_quantizer_calibrate(q));
    return rep_quantizer_take_weights(q);
}

static rep_status quantize(rep_quantizer *q) {
    const rep_export_options folding = {.config = q->options.config,
                                        .path = q->options.path != NULL ? q->options.path : "",
                                        .threads = q->options.threads};
    rep_quantize_result *r = q->result;
    q->exporter.options = &folding;
    REP_TRY(rep_quantizer_open(q, REP_TASK_TRAIN | REP_TASK_TEST));
    REP_TRY(rep_quantizer_measure(q));
    r->is_detector = q->task->methods == &rep_detect;
    r->is_tested = q->task->has_test;
    r->score_name = q->task->score;
    r->picture_count = q->picture_count;
    if (!r->is_tested) { return write_untested(q); }
    REP_TRY(test(q, &r->real, false));
    return test(q, &r->whole, true);
}

void rep_quantizer_clear(rep_quantizer *q) {
    for (size_t i = 0; i < q->result->layer_count && q->layers != NULL; i++) {
        free(q->layers[i].values.weight);
        free(q->layers[i].values.bias);
        free(q->layers[i].values.weight_scale);
    }
    free(q->layers);
    free(q->errors);
    free(q->buffer);
    for (size_t i = REP_TASK_SHAPES; i-- > 0;) { rep_export_net_clear(&q->real[i]); }
    rep_device_close(q->device);
    rep_export_net_clear(&q->exporter.folded);
    rep_export_net_clear(&q->exporter.trained);
    rep_device_close(q->exporter.device);
    rep_export_sample_clear(&q->exporter.sample);
    rep_tensors_close(q->exporter.weights);
    rep_task_close(q->task);
}

rep_status rep_quantize(rep_quantize_result *out, const rep_quantize_options *options) {
    rep_quantize_result result = {0};
    rep_quantizer *q = calloc(1, sizeof *q);
    if (q == NULL) { return rep_fail(REP_ERR_MEMORY, "quantize: no memory"); }
    q->options = *options;
    q->result = &result;
    const rep_status status = quantize(q);
    rep_quantizer_clear(q);
    free(q);
    if (status != REP_OK) {
        rep_quantize_result_clear(&result);
        return status;
    }
    *out = result;
    return REP_OK;
}

void rep_quantize_result_clear(rep_quantize_result *result) {
    free(result->layers);
    *result = (rep_quantize_result){0};
}
