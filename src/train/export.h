/* export.h - what the files of the export share. Private to the train room. */
#ifndef REP_TRAIN_EXPORT_H
#define REP_TRAIN_EXPORT_H

#include "repopt/export.h"
#include "repopt/tensors.h"
#include "train/detect.h"
#include "train/metadata.h"

typedef struct rep_export_net {
    rep_graph *graph;
    rep_model *model;
    rep_program *program;
} rep_export_net;
static inline rep_net rep_export_net_of(const rep_export_net *net) {
    return (rep_net){net->model, net->graph, net->program};
}

/* What a net is judged by: normalised pictures, batch x height x width x channels. */
typedef struct rep_export_sample {
    const float *images;
    float *noise; /* images, where no data set could be opened */
    int32_t count;
    size_t shape; /* of the task's */
} rep_export_sample;

/* One export under way. */
typedef struct rep_exporter {
    const rep_export_options *options;
    const rep_values *values;
    rep_tensors *weights;
    rep_category_list categories; /* of the weights, where the data set was not opened */
    rep_task *task;
    rep_device *device; /* double precision */
    bool is_folded;     /* the weights are a folded net's */
    bool is_int8;       /* and in whole numbers */
    rep_export_sample sample;
    rep_export_net trained, folded;
} rep_exporter;

/* export.c: whether options->path is an .onnx. */
bool rep_export_is_onnx(const rep_export_options *options);
/* An evaluation net on the exporter's device, with the state of another program or its
 * own. The graph's constants are kept. */
REP_NODISCARD rep_status rep_export_build(rep_export_net *out, const rep_exporter *exporter,
                                          const rep_task *task, const rep_task_net *wanted,
                                          rep_program *state_of);
void rep_export_net_clear(rep_export_net *net);
/* REP_ERR_ARGUMENT where `path`, to be written, is the file of the weights. */
REP_NODISCARD rep_status rep_export_check_target(const char *path, const char *weights);
/* Opens values->model_weight. */
REP_NODISCARD rep_status rep_export_open_weights(rep_exporter *exporter);
/* REP_ERR_DATA where it is an int8 net. */
REP_NODISCARD rep_status rep_export_refuse_int8(const rep_exporter *exporter);
/* Makes exporter->folded of the opened weights, for the task and device that are there; *out gets
 * what rep_export_compare says where they are folded now. */
REP_NODISCARD rep_status rep_export_fold(rep_export_result *out, rep_exporter *exporter);

/* export_onnx.c: writes options->path; the values are those of `source`, a folded net, or without
 * one the checkpoint's own. */
REP_NODISCARD rep_status rep_export_write_onnx(rep_export_result *out, rep_exporter *exporter,
                                               const rep_export_net *source,
                                               const rep_metadata *metadata);

/* quantize_export.c: rep_export of a net that is to be quantised first. */
REP_NODISCARD rep_status rep_export_int8(rep_export_result *out, const rep_export_options *options);

/* export_sample.c: the first pictures of the training split, or noise. */
REP_NODISCARD rep_status rep_export_sample_take(rep_exporter *exporter);
void rep_export_sample_clear(rep_export_sample *sample);
/* Runs both nets on the sample; REP_ERR_NUMERIC above REP_FOLD_BOUND. */
REP_NODISCARD rep_status rep_export_compare(rep_export_result *out, rep_exporter *exporter);

#endif
