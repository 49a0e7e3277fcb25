/* export_onnx.c - a net as an ONNX file: what it is fed with, its nodes, its weights, its settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/export.h"
#include "train/metadata.h"
#include "train/state.h"

static const char image[] = "image";
enum { MOST_CHANNELS = 4, TEXT_BYTES = 256 };

/* How pictures become the net's input; channels in its order. */
typedef struct input_form {
    const char *order;
    float mean[MOST_CHANNELS], std[MOST_CHANNELS]; /* of pixels / 255 */
    char mean_text[TEXT_BYTES], std_text[TEXT_BYTES], words[TEXT_BYTES];
} input_form;

/* One file under way. */
typedef struct job {
    rep_exporter *exporter;
    rep_onnx *onnx;
    rep_export_net net; /* batch 1, of the picture size that is written */
    bool *is_used;      /* by tensor: an initializer */
    rep_state_list weights;
    rep_tensor_source *signed_weights; /* of weights written as uint8: what these are made of */
    input_form form;
    int32_t channels, height, width;
} job;

/* ---- input -------------------------------------------------------------------------------------
 */

static void print_numbers(char *text, const float *values, int32_t count) {
    size_t used = 0;
    for (int32_t i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s%.9g", i > 0 ? "," : "",
                                 (double)values[i]);
    }
}

static rep_status find_form(job *j) {
    const rep_exporter *e = j->exporter;
    const bool is_reversed = e->values->input_to_bgr255 && j->channels == 3;
    rep_augment colour = {0};
    input_form *f = &j->form;
    REP_TRY(rep_setup_normalisation(&colour, e->values, j->channels));
    for (int32_t c = 0; c < j->channels; c++) {
        const int32_t from = is_reversed ? j->channels - 1 - c : c;
        f->mean[c] = colour.mean[from];
        f->std[c] = colour.std[from];
    }
    f->order = j->channels != 3 ? "grey" : is_reversed ? "BGR" : "RGB";
    print_numbers(f->mean_text, f->mean, j->channels);
    print_numbers(f->std_text, f->std, j->channels);
    snprintf(f->words, sizeof f->words,
             e->options->takes_pixels ? "%s pixels, 0 to 255"
                                      : "%s, (pixel / 255 - input.mean) / input.std; padding is 0",
             f->order);
    return REP_OK;
}

/* (x / 255 - mean) / std as one product and one sum per channel. */
static void append_normalisation(job *j, const char *to) {
    float factor[MOST_CHANNELS], offset[MOST_CHANNELS];
    const int64_t shape[] = {1, j->channels, 1, 1};
    for (int32_t c = 0; c < j->channels; c++) {
        factor[c] = (float)(1 / (255 * (double)j->form.std[c]));
        offset[c] = (float)(-(double)j->form.mean[c] / (double)j->form.std[c]);
    }
    rep_onnx_floats(j->onnx, "input.factor", factor, shape, 4);
    rep_onnx_floats(j->onnx, "input.offset", offset, shape, 4);
    REP_ONNX_NODE(j->onnx, "Mul", "input.scaled", image, "input.factor");
    rep_onnx_node_end(j->onnx);
    REP_ONNX_NODE(j->onnx, "Add", to, "input.scaled", "input.offset");
    rep_onnx_node_end(j->onnx);
}

/* ---- the net -----------------------------------------------------------------------------------
 */

static rep_status find_size(job *j) {
    const rep_exporter *e = j->exporter;
    j->channels = e->task->channels;
    j->height = e->task->shapes[0].height;
    j->width = e->task->shapes[0].width;
    if (j->channels < 1 || j->channels > MOST_CHANNELS) {
        return rep_fail(REP_ERR_DATA, "%s: pictures of %d channels, wanted 1 to %d",
                        e->options->path, j->channels, MOST_CHANNELS);
    }
    if (e->task->methods != &rep_detect) { return REP_OK; }
    return rep_setup_detector_size(&j->height, &j->width, e->values);
}

/* Its values are those of `source`, or without one the checkpoint's. */
static rep_status build(job *j, const rep_export_net *source) {
    rep_exporter *e = j->exporter;
    rep_task task = *e->task;
    const rep_task_net wanted = {.is_reference = true, .batch = 1};
    task.shapes[0].height = j->height;
    task.shapes[0].width = j->width;
    task.is_folded = e->is_folded || source != NULL;
    task.is_int8 = e->is_int8;
    REP_TRY(rep_export_build(&j->net, e, &task, &wanted, source ? source->program : NULL));
    if (source == NULL) {
        uint64_t tracked = 0;
        REP_TRY(rep_state_load_model(j->net.graph, j->net.program, e->weights, true, &tracked));
    }
    /* Once, for what follows from parameters alone; what the picture shows plays no part. */
    return rep_program_run(j->net.program, REP_FORWARD, REP_FORWARD);
}

static rep_status fill_uint8(void *context, void *elements, size_t count) {
    const rep_tensor_source *from = context;
    uint8_t *whole = elements;
    REP_TRY(from->fill(from->context, elements, count));
    for (size_t i = 0; i < count; i++) { whole[i] = (uint8_t)(whole[i] + REP_ONNX_UINT8_ZERO); }
    return REP_OK;
}

/* Weights, and what follows from them, as initializers under their unique names. */
static rep_status append_weights(job *j) {
    rep_state_list *list = &j->weights;
    REP_TRY(rep_state_list_pick(list, j->net.graph, j->net.program, j->is_used));
    j->signed_weights = calloc(list->count + 1, sizeof *j->signed_weights);
    if (j->signed_weights == NULL) { return rep_fail(REP_ERR_MEMORY, "export: no memory"); }
    for (size_t i = 0; i < list->count; i++) {
        char name[REP_ONNX_NAME_BYTES];
        rep_tensor_source source = list->sources[i];
        rep_nn_onnx_name(name, j->net.graph, rep_state_list_tensor(list, i));
        source.name = name;
        if (source.type == REP_TENSOR_I8 && j->exporter->options->has_uint8_weights) {
            j->signed_weights[i] = list->sources[i];
            source.type = REP_TENSOR_U8;
            source.fill = fill_uint8;
            source.context = &j->signed_weights[i];
        }
        rep_onnx_initializer(j->onnx, &source);
    }
    return REP_OK;
}

/* ---- outputs -----------------------------------------------------------------------------------
 */

static void declare_outputs(job *j) {
    rep_output outputs[REP_OUTPUT_MOST];
    const size_t count = rep_nn_outputs(outputs, j->net.model);
    const bool is_map = rep_detector_io_get(j->net.model) != NULL;
    for (size_t i = 0; i < count; i++) {
        const rep_shape s = rep_graph_shape(j->net.graph, outputs[i].id);
        const rep_onnx_dim dims[] = {
            {.name = "batch"}, {.size = s.c}, {.size = s.h}, {.size = s.w}};
        rep_onnx_output(j->onnx, outputs[i].name, REP_TENSOR_F32, dims, is_map ? 4 : 2);
    }
}

static rep_status append_decoding(job *j) {
    const rep_task *task = j->exporter->task;
    const rep_detector_io *io = rep_detector_io_get(j->net.model);
    rep_fcos_level levels[REP_DETECTOR_LEVELS];
    const rep_shape logits = rep_graph_shape(j->net.graph, io->levels[0].classes);
    const rep_id points = io->levels[0].keypoints;
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_detector_level *level = &io->levels[i];
        levels[i] = (rep_fcos_level){
            .stride = level->stride_px, .height = level->height, .width = level->width};
    }
    rep_fcos_decoder decoder;
    rep_detect_decoder_init(&decoder, task->values, levels, logits.c,
                            points ? rep_graph_shape(j->net.graph, points).c / 2 : 0);
    return rep_nn_onnx_decode(j->onnx, &decoder, j->width, j->height);
}

/* ---- the file ----------------------------------------------------------------------------------
 */

static void append_metadata(job *j, const rep_metadata *m) {
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->pairs[i].key, "format") == 0) { continue; } /* of the other files */
        rep_onnx_metadata(j->onnx, m->pairs[i].key, m->pairs[i].value);
    }
    rep_onnx_metadata(j->onnx, "input", j->form.words);
    rep_onnx_metadata(j->onnx, "input.order", j->form.order);
    rep_onnx_metadata(j->onnx, "input.mean", j->form.mean_text);
    rep_onnx_metadata(j->onnx, "input.std", j->form.std_text);
}

static rep_status append_all(job *j, const rep_metadata *m) {
    const rep_export_options *o = j->exporter->options;
    const rep_onnx_dim dims[] = {
        {.name = "batch"}, {.size = j->channels}, {.size = j->height}, {.size = j->width}};
    const char *first = o->takes_pixels ? "input.normalised" : image;
    j->is_used = calloc(j->net.graph->tensor_count, sizeof *j->is_used);
    if (j->is_used == NULL) { return rep_fail(REP_ERR_MEMORY, "export: no memory"); }
    rep_onnx_input(j->onnx, image, REP_TENSOR_F32, dims, 4);
    if (o->takes_pixels) { append_normalisation(j, first); }
    REP_TRY(rep_nn_onnx_append(j->onnx, j->is_used, j->net.graph, j->net.model, first,
                               o->has_uint8_weights ? REP_TENSOR_U8 : REP_TENSOR_I8));
    REP_TRY(rep_nn_onnx_bias_scales(j->onnx, j->net.graph, j->net.program));
    if (o->is_decoded) {
        REP_TRY(append_decoding(j));
    } else {
        declare_outputs(j);
    }
    append_metadata(j, m);
    return append_weights(j);
}

static rep_status write_net(rep_export_result *out, job *j, const rep_export_net *source,
                            const rep_metadata *m) {
    REP_TRY(find_size(j));
    REP_TRY(find_form(j));
    REP_TRY(build(j, source));
    REP_TRY(rep_onnx_create(&j->onnx));
    REP_TRY(append_all(j, m));
    out->tensor_count = j->weights.count;
    out->is_int8 = j->exporter->is_int8;
    out->height = j->height;
    out->width = j->width;
    return rep_onnx_write(j->onnx, j->exporter->options->path);
}

rep_status rep_export_write_onnx(rep_export_result *out, rep_exporter *e,
                                 const rep_export_net *source, const rep_metadata *m) {
    job j = {.exporter = e};
    const rep_status status = write_net(out, &j, source, m);
    rep_onnx_destroy(j.onnx);
    rep_state_list_clear(&j.weights);
    free(j.signed_weights);
    rep_export_net_clear(&j.net);
    free(j.is_used);
    return status;
}
