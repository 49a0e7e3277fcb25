/* quantize_pass.c - the calibration pictures through the folded net: extremes, then histograms.
 *
 * Pictures come without augmentation: a classifier's shuffled by the seed, for a split may be
 * sorted by class, a detector's in order. Two passes, so that bins divide what is really there.
 */
#include <stdlib.h>
#include <string.h>

#include "train/classify.h"
#include "train/quantize.h"

/* The pictures of either task. */
typedef struct source {
    rep_loader *pictures;
    rep_detection_loader *scenes;
    rep_detection_setup setup;
    float *packed; /* a batch without those of its pictures that cannot be read */
} source;

static rep_status open_pictures(source *s, const rep_quantizer *q) {
    const rep_dataset *set = ((const rep_classify_data *)q->task->state)->train;
    rep_loader_options options;
    REP_TRY(rep_setup_loader(&options, q->values, rep_dataset_info_get(set), false));
    rep_augment plain = {.is_reversed = options.augment.is_reversed};
    memcpy(plain.mean, options.augment.mean, sizeof plain.mean);
    memcpy(plain.std, options.augment.std, sizeof plain.std);
    options.augment = plain;
    options.is_train = true; /* shuffles */
    options.batch = q->batch;
    return rep_loader_create(&s->pictures, set, &options);
}

static rep_status open_scenes(source *s, const rep_quantizer *q) {
    const rep_detect_data *data = q->task->state;
    REP_TRY(rep_setup_detection(&s->setup, q->values, false));
    s->setup.options.batch = q->batch;
    return rep_detection_loader_create(&s->scenes, data->train, &s->setup.options);
}

static void close_source(source *s) {
    rep_loader_destroy(s->pictures);
    rep_detection_loader_destroy(s->scenes);
    free(s->packed);
}

/* Pictures that cannot be read are all 0 and no picture: those behind them move up. */
static rep_status pack(rep_quantizer_batch *out, source *s, const rep_quantizer *q,
                       const rep_detection_batch *batch) {
    const size_t values = 3 * (size_t)batch->height * (size_t)batch->width;
    free(s->packed);
    s->packed = calloc((size_t)q->batch * values, sizeof *s->packed);
    if (s->packed == NULL) { return rep_fail(REP_ERR_MEMORY, "quantize: no memory"); }
    out->images = s->packed;
    out->count = 0;
    for (size_t i = 0; i < (size_t)batch->valid; i++) {
        if (batch->pictures[i].is_bad) { continue; }
        memcpy(s->packed + (size_t)out->count++ * values, batch->images + i * values,
               values * sizeof *s->packed);
    }
    return REP_OK;
}

/* A batch that may have no pictures; *is_end: there are no more. */
static rep_status next(rep_quantizer_batch *out, bool *is_end, source *s, const rep_quantizer *q) {
    *out = (rep_quantizer_batch){.count = 0};
    *is_end = false;
    if (s->pictures != NULL) {
        const rep_batch *batch = NULL;
        REP_TRY(rep_loader_next(s->pictures, &batch));
        *out = (rep_quantizer_batch){.images = batch->images,
                                     .count = batch->valid,
                                     .height = q->task->shapes[0].height,
                                     .width = q->task->shapes[0].width};
        return REP_OK;
    }
    const rep_detection_batch *batch = NULL;
    REP_TRY(rep_detection_loader_next(s->scenes, &batch));
    *is_end = batch == NULL;
    if (batch == NULL) { return REP_OK; }
    *out = (rep_quantizer_batch){.images = batch->images,
                                 .count = batch->valid,
                                 .height = batch->height,
                                 .width = batch->width,
                                 .shape = (size_t)batch->bucket};
    return batch->bad_count > 0 ? pack(out, s, q, batch) : REP_OK;
}

static rep_status run(rep_quantizer *q, const rep_quantizer_batch *batch,
                      rep_quantizer_visit visit) {
    if (batch->shape >= REP_TASK_SHAPES) {
        return rep_fail(REP_ERR_CONFIG, "INPUT.BUCKETS: wanted at most %d shapes", REP_TASK_SHAPES);
    }
    rep_export_net *net = &q->real[batch->shape];
    if (net->program == NULL) {
        REP_TRY(rep_quantizer_build(net, q, q->task, batch->height, batch->width, NULL));
        REP_TRY(rep_quantizer_write_state(q, q->task, net->graph, net->program));
    }
    const rep_id image = rep_model_io_get(net->model)->image;
    const size_t values = rep_shape_count(rep_graph_shape(net->graph, image));
    REP_TRY(rep_program_write(net->program, image, batch->images, values));
    REP_TRY(rep_program_run(net->program, REP_FORWARD, REP_FORWARD));
    return visit(q, net, batch);
}

static rep_status run_all(int64_t *done, rep_quantizer *q, source *s, int64_t pictures,
                          const char *what, rep_quantizer_visit visit) {
    bool is_end = false;
    while (*done < pictures) {
        rep_quantizer_batch batch;
        REP_TRY(rep_quantizer_tell(q, what, (uint64_t)*done, (uint64_t)pictures));
        REP_TRY(next(&batch, &is_end, s, q));
        if (is_end) { break; }
        if (batch.count > pictures - *done) { batch.count = (int32_t)(pictures - *done); }
        if (batch.count > 0) { REP_TRY(run(q, &batch, visit)); }
        *done += batch.count;
    }
    return rep_quantizer_tell(q, what, (uint64_t)pictures, (uint64_t)pictures);
}

rep_status rep_quantizer_each(int64_t *count, rep_quantizer *q, int64_t pictures, const char *what,
                              rep_quantizer_visit visit) {
    source s = {0};
    *count = 0;
    rep_status status = q->task->methods == &rep_detect ? open_scenes(&s, q) : open_pictures(&s, q);
    if (status == REP_OK) { status = run_all(count, q, &s, pictures, what, visit); }
    close_source(&s);
    return status;
}

/* ---- what is seen ------------------------------------------------------------------------------
 */

/* Calls take(histogram, values, count) with every layer's inputs of the pictures that count. */
static rep_status each_input(rep_quantizer *q, rep_export_net *net,
                             const rep_quantizer_batch *batch,
                             void (*take)(rep_histogram *, const float *, size_t)) {
    rep_int8_layer *layers = NULL;
    size_t count = 0;
    REP_TRY(rep_int8_layers(&layers, &count, net->graph));
    rep_status status = REP_OK;
    for (uint32_t n = 0; n < net->graph->node_count && status == REP_OK; n++) {
        const rep_node *node = &net->graph->nodes[n];
        const size_t layer = rep_int8_layer_of(layers, count, node);
        if (layer == count) { continue; }
        const rep_shape shape = rep_graph_shape(net->graph, node->in[0]);
        status = rep_quantizer_read(q, net, node->in[0]);
        if (status != REP_OK) { break; }
        take(&q->layers[layer].histogram, q->buffer,
             rep_shape_count(shape) / (size_t)shape.n * (size_t)batch->count);
    }
    free(layers);
    return status;
}

static rep_status stretch(rep_quantizer *q, rep_export_net *net, const rep_quantizer_batch *batch) {
    REP_TRY(each_input(q, net, batch, rep_histogram_stretch));
    for (size_t i = 0; i < q->result->layer_count; i++) {
        if (q->layers[i].histogram.bad == 0) { continue; }
        return rep_fail(REP_ERR_NUMERIC,
                        "%s: of the layer's inputs %llu are not finite: the weights are broken, or "
                        "a layer in front of it overflows",
                        q->result->layers[i].name, (unsigned long long)q->layers[i].histogram.bad);
    }
    return REP_OK;
}

static rep_status count(rep_quantizer *q, rep_export_net *net, const rep_quantizer_batch *batch) {
    return each_input(q, net, batch, rep_histogram_add);
}

/* Bins for the page: the histogram's own, joined; an entropy histogram counts magnitudes. */
static void show_inputs(rep_quantize_layer *to, const rep_histogram *h) {
    const size_t step = REP_HISTOGRAM_BINS / REP_QUANTIZE_BINS;
    for (size_t i = 0; i < REP_HISTOGRAM_BINS; i++) { to->inputs[i / step] += h->bins[i]; }
    to->seen_low = h->low;
    to->seen_high = h->high;
    to->bin_low = h->first;
    to->bin_high = h->last;
}

rep_status rep_quantizer_calibrate(rep_quantizer *q) {
    const rep_quantize_options *o = &q->options;
    REP_TRY(rep_quantizer_each(&q->picture_count, q, o->picture_count, "ranges", stretch));
    if (q->picture_count == 0) {
        return rep_fail(REP_ERR_DATA, "DATASETS.TRAIN: no calibration picture can be read");
    }
    for (size_t i = 0; i < q->result->layer_count; i++) {
        rep_histogram_open(&q->layers[i].histogram, o->method);
    }
    int64_t again = 0;
    REP_TRY(rep_quantizer_each(&again, q, q->picture_count, "histograms", count));
    for (size_t i = 0; i < q->result->layer_count; i++) {
        rep_quantize_layer *layer = &q->result->layers[i];
        show_inputs(layer, &q->layers[i].histogram);
        rep_calibrate(&layer->low, &layer->high, &q->layers[i].histogram, o->method, o->percentile);
    }
    return REP_OK;
}
