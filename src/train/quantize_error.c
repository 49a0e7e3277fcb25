/* quantize_error.c - what whole numbers cost, layer by layer.
 *
 * A few calibration pictures run through the folded net, and through nets of which one layer alone
 * is in whole numbers: its input and weights are rounded, its output is not. Ids of tensors are the
 * same in all of them (rep_int8_rewrite). Pictures of several shapes come in as many batches at
 * least, whose squares are summed.
 */
#include <stdlib.h>
#include <string.h>

#include "train/quantize.h"

/* Few pictures tell, and there are as many nets as layers. */
enum { MOST_PICTURES = 32 };

typedef struct error {
    double difference, square;
} error;

/* Of one net, over all pictures so far. */
struct rep_quantizer_errors {
    error map, outputs[REP_OUTPUT_KINDS];
    bool is_there[REP_OUTPUT_KINDS];
};

static double relative(error e) { return e.square > 0 ? e.difference / e.square : 0; }

/* Adds a tensor's squares, of the pictures that count. */
static rep_status add_tensor(error *out, rep_quantizer *q, const rep_export_net *real,
                             const rep_export_net *whole, rep_id id, int32_t pictures) {
    const rep_shape shape = rep_graph_shape(real->graph, id);
    const size_t all = rep_shape_count(shape);
    const size_t count = all / (size_t)shape.n * (size_t)pictures;
    float *other = malloc(all * sizeof *other);
    if (other == NULL) { return rep_fail(REP_ERR_MEMORY, "quantize: no memory"); }
    rep_status status = rep_quantizer_read(q, real, id);
    if (status == REP_OK) { status = rep_program_read(whole->program, id, other, all); }
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        const double a = (double)q->buffer[i], d = a - (double)other[i];
        out->difference += d * d;
        out->square += a * a;
    }
    free(other);
    return status;
}

static rep_status add_outputs(rep_quantizer_errors *out, rep_quantizer *q,
                              const rep_export_net *real, const rep_export_net *whole,
                              int32_t pictures) {
    rep_output outputs[REP_OUTPUT_MOST];
    const size_t count = rep_nn_outputs(outputs, real->model);
    for (size_t i = 0; i < count; i++) {
        const int kind = outputs[i].kind;
        out->is_there[kind] = true;
        REP_TRY(add_tensor(&out->outputs[kind], q, real, whole, outputs[i].id, pictures));
    }
    return REP_OK;
}

/* The mean over the kinds of outputs that there are. */
static double output_error(const rep_quantizer_errors *e) {
    double sum = 0;
    int used = 0;
    for (int k = 0; k < REP_OUTPUT_KINDS; k++) {
        if (!e->is_there[k]) { continue; }
        sum += relative(e->outputs[k]);
        used++;
    }
    return used > 0 ? sum / used : 0;
}

static rep_status add_map(error *out, rep_quantizer *q, const rep_export_net *real,
                          const rep_export_net *whole, size_t layer, int32_t pictures) {
    rep_int8_layer *layers = NULL;
    size_t count = 0;
    REP_TRY(rep_int8_layers(&layers, &count, real->graph));
    rep_status status = REP_OK;
    for (uint32_t n = 0; n < real->graph->node_count && status == REP_OK; n++) {
        const rep_node *node = &real->graph->nodes[n];
        if (rep_int8_layer_of(layers, count, node) != layer) { continue; }
        status = add_tensor(out, q, real, whole, node->out[0], pictures);
    }
    free(layers);
    return status;
}

/* Runs a net with `layer` in whole numbers, or all of them (layer == layer_count). */
static rep_status measure_net(rep_quantizer *q, rep_export_net *net, const rep_export_net *real,
                              const rep_quantizer_batch *batch, size_t layer) {
    const rep_quantize_result *r = q->result;
    rep_quantizer_errors *e = &q->errors[layer];
    rep_task task = *q->task;
    task.is_int8 = true;
    task.int8_layer = layer < r->layer_count ? r->layers[layer].name : NULL;
    const rep_graph *like = layer < r->layer_count ? real->graph : NULL;
    REP_TRY(rep_quantizer_build(net, q, &task, batch->height, batch->width, like));
    REP_TRY(rep_quantizer_write_state(q, &task, net->graph, net->program));
    REP_TRY(rep_int8_check_sums(net->graph, net->program, rep_setup_is_double(q->device)));
    const rep_id image = rep_model_io_get(net->model)->image;
    REP_TRY(rep_program_write(net->program, image, batch->images,
                              rep_shape_count(rep_graph_shape(net->graph, image))));
    REP_TRY(rep_program_run(net->program, REP_FORWARD, REP_FORWARD));
    REP_TRY(add_outputs(e, q, real, net, batch->count));
    if (layer == r->layer_count) { return REP_OK; }
    return add_map(&e->map, q, real, net, layer, batch->count);
}

static int64_t picture_count(const rep_quantizer *q) {
    const int64_t count = q->batch < MOST_PICTURES ? q->batch : MOST_PICTURES;
    return count < q->picture_count ? count : q->picture_count;
}

static const char what[] = "errors by layer";

static rep_status measure(rep_quantizer *q, rep_export_net *real,
                          const rep_quantizer_batch *batch) {
    const uint64_t nets = q->result->layer_count + 1, all = nets * (uint64_t)picture_count(q);
    const uint64_t done = nets * (uint64_t)q->result->error_picture_count;
    for (uint64_t i = 0; i < nets; i++) {
        rep_export_net net = {0};
        REP_TRY(rep_quantizer_tell(q, what, done + i * (uint64_t)batch->count, all));
        const rep_status status = measure_net(q, &net, real, batch, i);
        rep_export_net_clear(&net);
        REP_TRY(status);
    }
    q->result->error_picture_count += batch->count;
    return REP_OK;
}

rep_status rep_quantizer_measure(rep_quantizer *q) {
    rep_quantize_result *r = q->result;
    q->errors = calloc(r->layer_count + 1, sizeof *q->errors);
    if (q->errors == NULL) { return rep_fail(REP_ERR_MEMORY, "quantize: no memory"); }
    int64_t seen = 0;
    REP_TRY(rep_quantizer_each(&seen, q, picture_count(q), what, measure));
    for (size_t i = 0; i < r->layer_count; i++) {
        r->layers[i].map_error = relative(q->errors[i].map);
        r->layers[i].output_error = output_error(&q->errors[i]);
    }
    r->output_error = output_error(&q->errors[r->layer_count]);
    return REP_OK;
}
