/* quantize_state.c - the folded net's parameters as whole numbers: into programs, into the file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/quantize.h"

/* ---- weights -----------------------------------------------------------------------------------
 */

/* A parameter of the folded net, in storage order; malloc'd. */
static rep_status read_parameter(float **out, const rep_quantizer *q, rep_id id) {
    const rep_export_net *net = &q->exporter.folded;
    const size_t count = rep_shape_count(rep_graph_shape(net->graph, id));
    float *values = malloc(count * sizeof *values);
    if (values == NULL) { return rep_fail(REP_ERR_MEMORY, "quantize: no memory"); }
    const rep_status status = rep_program_read(net->program, id, values, count);
    if (status != REP_OK) {
        free(values);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        if (isfinite(values[i])) { continue; }
        free(values);
        return rep_fail(REP_ERR_NUMERIC, "%s: value %zu is not finite: the weights are broken",
                        rep_graph_name(net->graph, id), i);
    }
    *out = values;
    return REP_OK;
}

static void count_weights(rep_quantize_layer *layer, const float *weight, size_t count) {
    for (size_t i = 0; i < count; i++) {
        layer->weight_most = fmax(layer->weight_most, fabs((double)weight[i]));
    }
    if (!(layer->weight_most > 0)) { return; }
    for (size_t i = 0; i < count; i++) {
        const double at = ((double)weight[i] / layer->weight_most + 1) / 2 * REP_QUANTIZE_BINS;
        layer->weights[at < REP_QUANTIZE_BINS ? (size_t)at : REP_QUANTIZE_BINS - 1]++;
    }
}

static void describe(rep_quantize_layer *layer, const rep_int8_values *v, size_t n, size_t row,
                     bool has_bias) {
    layer->scale_least = layer->scale_most = (double)v->weight_scale[0];
    for (size_t c = 0; c < n; c++) {
        layer->scale_least = fmin(layer->scale_least, (double)v->weight_scale[c]);
        layer->scale_most = fmax(layer->scale_most, (double)v->weight_scale[c]);
    }
    layer->input_scale = v->input_scale;
    layer->input_zero = (int32_t)v->input_zero;
    layer->sum_bound =
        rep_int8_sum_bound(v->weight, has_bias ? v->bias : NULL, n, row, v->input_zero);
}

static rep_status take_layer(const rep_quantizer *q, rep_quantize_layer *layer, rep_int8_values *v,
                             const rep_int8_layer *from) {
    const size_t n = (size_t)from->shape.n, all = rep_shape_count(from->shape);
    float *weight = NULL, *bias = NULL;
    v->weight = malloc(all * sizeof *v->weight);
    v->bias = calloc(n, sizeof *v->bias);
    v->weight_scale = malloc(n * sizeof *v->weight_scale);
    rep_status status = v->weight != NULL && v->bias != NULL && v->weight_scale != NULL
                            ? read_parameter(&weight, q, from->weight)
                            : rep_fail(REP_ERR_MEMORY, "quantize: no memory");
    if (status == REP_OK && from->bias != 0) { status = read_parameter(&bias, q, from->bias); }
    if (status == REP_OK) {
        count_weights(layer, weight, all);
        rep_int8_quantize(v, weight, bias, n, all / n, layer->low, layer->high);
        describe(layer, v, n, all / n, bias != NULL);
    }
    free(bias);
    free(weight);
    return status;
}

rep_status rep_quantizer_take_weights(rep_quantizer *q) {
    rep_int8_layer *layers = NULL;
    size_t count = 0;
    REP_TRY(rep_int8_layers(&layers, &count, q->exporter.folded.graph));
    rep_status status = REP_OK;
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        status = take_layer(q, &q->result->layers[i], &q->layers[i].values, &layers[i]);
    }
    free(layers);
    return status;
}

/* ---- programs ----------------------------------------------------------------------------------
 */

/* Tensors that both nets have by one name. */
static rep_status copy_real(const rep_quantizer *q, const rep_graph *graph, rep_program *program) {
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->kind == REP_KIND_NONE) { continue; }
        const rep_id from = rep_graph_find(q->exporter.folded.graph, tensor->name);
        float *values = NULL;
        if (from == 0) { continue; }
        REP_TRY(read_parameter(&values, q, from));
        const rep_status status =
            rep_program_write(program, id, values, rep_shape_count(tensor->shape));
        free(values);
        REP_TRY(status);
    }
    return REP_OK;
}

static rep_status write_part(const rep_graph *graph, rep_program *program, const char *layer,
                             const char *part, const float *values) {
    char name[REP_NAME_BYTES];
    const rep_id id = rep_nn_name(name, layer, part) ? rep_graph_find(graph, name) : 0;
    if (id == 0) { return REP_OK; } /* a layer without bias */
    return rep_program_write(program, id, values, rep_shape_count(rep_graph_shape(graph, id)));
}

rep_status rep_quantizer_write_state(rep_quantizer *q, const rep_task *task, const rep_graph *graph,
                                     rep_program *program) {
    REP_TRY(copy_real(q, graph, program));
    for (size_t i = 0; i < q->result->layer_count && task->is_int8; i++) {
        const char *layer = q->result->layers[i].name;
        const rep_int8_values *v = &q->layers[i].values;
        if (task->int8_layer != NULL && strcmp(task->int8_layer, layer) != 0) { continue; }
        REP_TRY(write_part(graph, program, layer, "weight", v->weight));
        REP_TRY(write_part(graph, program, layer, "bias", v->bias));
        REP_TRY(write_part(graph, program, layer, "weight_scale", v->weight_scale));
        REP_TRY(write_part(graph, program, layer, "input_scale", &v->input_scale));
        REP_TRY(write_part(graph, program, layer, "input_zero_point", &v->input_zero));
    }
    return REP_OK;
}

/* ---- the file ----------------------------------------------------------------------------------
 */

void rep_quantizer_describe(rep_metadata *m, const rep_quantizer *q) {
    const rep_quantize_options *o = &q->options;
    rep_metadata_add_folded(m);
    rep_metadata_add_int8(m, q->exporter.options->has_uint8_weights);
    rep_metadata_add(m, REP_METADATA_CALIBRATION, rep_calibration_name(o->method));
    if (o->method == REP_CALIBRATE_PERCENTILE) {
        rep_metadata_add_real(m, REP_METADATA_PERCENTILE, o->percentile);
    }
    rep_metadata_add_number(m, REP_METADATA_PICTURES, (uint64_t)q->picture_count);
}

rep_status rep_quantizer_write_file(rep_quantizer *q, const rep_graph *graph,
                                    rep_program *program) {
    rep_state_list list = {0};
    rep_metadata metadata;
    REP_TRY(rep_metadata_init(&metadata, q->task, q->options.config));
    rep_quantizer_describe(&metadata, q);
    rep_status status = rep_state_list_init(&list, graph, program, 0);
    q->result->tensor_count = list.count;
    for (size_t i = 0; i < list.count; i++) {
        uint64_t bytes = rep_tensor_type_bytes(list.sources[i].type);
        for (int32_t d = 0; d < list.sources[i].rank; d++) {
            bytes *= (uint64_t)list.sources[i].shape[d];
        }
        q->result->int8_bytes += bytes;
    }
    if (status == REP_OK && q->options.path != NULL) {
        status = rep_safetensors_write(q->options.path, list.sources, list.count, metadata.pairs,
                                       metadata.count);
    }
    rep_state_list_clear(&list);
    rep_metadata_clear(&metadata);
    return status;
}
