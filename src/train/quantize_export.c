/* quantize_export.c - a trained net as an int8 file at once, without the figures of `quantize.c`.
 */
#include <stdlib.h>

#include "train/metadata.h"
#include "train/quantize.h"

/* Readers of .onnx sum in 32 bits, programs here in float32 or float64: what float32 cannot do is
 * told, what 32 bits cannot do is refused. */
static rep_status look_at_sums(const rep_quantizer *q) {
    const double most = 2147483647;
    for (size_t i = 0; i < q->result->layer_count; i++) {
        const rep_quantize_layer *layer = &q->result->layers[i];
        if (layer->sum_bound > most) {
            return rep_fail(REP_ERR_NUMERIC,
                            "%s: its sums may come to %.0f, and int8 nets are summed in 32 bits, "
                            "up to %.0f; its weights or biases are out of proportion",
                            layer->name, layer->sum_bound, most);
        }
    }
    for (size_t i = 0; i < q->result->layer_count; i++) {
        const rep_quantize_layer *layer = &q->result->layers[i];
        if (!(layer->sum_bound > REP_INT8_SUM_MOST)) { continue; }
        rep_log(REP_LOG_WARNING,
                "%s: its sums may come to %.0f, which float32 cannot hold: sums in 32 bits are "
                "exact, and `repopt test` wants --device cpu:float64",
                layer->name, layer->sum_bound);
        break;
    }
    return REP_OK;
}

static rep_status write_onnx(rep_export_result *out, rep_quantizer *q, const rep_export_net *net) {
    rep_metadata m;
    REP_TRY(rep_metadata_init(&m, q->task, q->options.config));
    rep_quantizer_describe(&m, q);
    const rep_status status = rep_export_write_onnx(out, &q->exporter, net, &m);
    rep_metadata_clear(&m);
    return status;
}

static rep_status write_net(rep_export_result *out, rep_quantizer *q, rep_export_net *net) {
    rep_exporter *e = &q->exporter;
    rep_task task = *q->task;
    const rep_task_net wanted = {.is_reference = true, .batch = 1};
    REP_TRY(look_at_sums(q));
    task.is_int8 = e->is_int8 = true;
    *out = q->folding;
    out->is_folded = !e->is_folded;
    REP_TRY(rep_export_build(net, e, &task, &wanted, NULL));
    REP_TRY(rep_quantizer_write_state(q, &task, net->graph, net->program));
    if (rep_export_is_onnx(e->options)) { return write_onnx(out, q, net); }
    REP_TRY(rep_quantizer_write_file(q, net->graph, net->program));
    out->tensor_count = q->result->tensor_count;
    return REP_OK;
}

rep_status rep_export_int8(rep_export_result *out, const rep_export_options *options) {
    rep_quantize_result figures = {0};
    rep_export_net net = {0};
    rep_quantizer *q = calloc(1, sizeof *q);
    if (q == NULL) { return rep_fail(REP_ERR_MEMORY, "export: no memory"); }
    q->options = (rep_quantize_options){
        .config = options->config,
        .path = rep_export_is_onnx(options) ? NULL : options->path,
        .picture_count = options->picture_count,
        .device = "cpu",
        .threads = options->threads,
        .stop = options->stop,
        .on_progress = options->on_progress,
        .context = options->context,
    };
    q->result = &figures;
    q->exporter.options = options;
    rep_status status = rep_quantizer_open(q, REP_TASK_TRAIN);
    if (status == REP_OK) { status = write_net(out, q, &net); }
    rep_export_net_clear(&net);
    rep_quantizer_clear(q);
    rep_quantize_result_clear(&figures);
    free(q);
    return status;
}
