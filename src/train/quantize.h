/* quantize.h - what the files of the quantisation share. Private to the train room. */
#ifndef REP_TRAIN_QUANTIZE_H
#define REP_TRAIN_QUANTIZE_H

#include "nn/nn.h"
#include "train/calibrate.h"
#include "train/export.h"
#include "train/state.h"

/* One layer under way. */
typedef struct rep_quantizing {
    rep_histogram histogram;
    rep_int8_values values; /* arrays malloc'd */
} rep_quantizing;

/* Sums of squares; quantize_error.c. */
typedef struct rep_quantizer_errors rep_quantizer_errors;

typedef struct rep_quantizer {
    rep_quantize_options options; /* in the end with defaults filled in */
    const rep_values *values;
    rep_quantize_result *result; /* layers are filled as they become known */
    rep_task *task;              /* of folded nets */
    rep_device *device;
    rep_mode mode;
    rep_exporter exporter;
    rep_export_result folding;            /* what the fold changed */
    rep_export_net real[REP_TASK_SHAPES]; /* the folded net by shape; the first has the state */
    int32_t batch;
    int64_t picture_count; /* of options.picture_count those that could be read */
    rep_quantizing *layers;
    rep_quantizer_errors *errors; /* by layer, and of all layers together */
    float *buffer;                /* of the largest tensor read so far */
    size_t buffer_room;
} rep_quantizer;

/* quantize.c: of options->config's net everything but what is done with it: folded, calibrated on
 * options->device, weights quantised. quantizer->options and ->result are set, and
 * ->exporter.options. `parts` of the data as rep_task_open, REP_TASK_TRAIN among them. */
REP_NODISCARD rep_status rep_quantizer_open(rep_quantizer *quantizer, unsigned parts);
/* Frees everything but quantizer->result. */
void rep_quantizer_clear(rep_quantizer *quantizer);
/* A folded net for pictures of height x width, in whole numbers where the task says so.
 * One in values keeps what goes into layers and comes out of them; any keeps what `like` (NULL:
 * nothing), the graph of another net of the same model, keeps. */
REP_NODISCARD rep_status rep_quantizer_build(rep_export_net *out, const rep_quantizer *quantizer,
                                             const rep_task *task, int32_t height, int32_t width,
                                             const rep_graph *like);
/* Says what is under way; REP_ERR_INTERRUPTED when it shall end. */
REP_NODISCARD rep_status rep_quantizer_tell(const rep_quantizer *quantizer, const char *what,
                                            uint64_t done, uint64_t total);
/* A tensor in quantizer->buffer; the rows of `pictures` of them come first. */
REP_NODISCARD rep_status rep_quantizer_read(rep_quantizer *quantizer, const rep_export_net *net,
                                            rep_id tensor);
/* quantize_state.c: the folded net's state into a net of the same task, the layers that the task
 * has in whole numbers quantised. */
REP_NODISCARD rep_status rep_quantizer_write_state(rep_quantizer *quantizer, const rep_task *task,
                                                   const rep_graph *graph, rep_program *program);
/* Quantises the weights and fills the layers' figures. The ranges are known. */
REP_NODISCARD rep_status rep_quantizer_take_weights(rep_quantizer *quantizer);
/* What the file of such a net says beside rep_metadata_init's pairs. */
void rep_quantizer_describe(rep_metadata *metadata, const rep_quantizer *quantizer);
/* Writes the file of a program in whole numbers. */
REP_NODISCARD rep_status rep_quantizer_write_file(rep_quantizer *quantizer, const rep_graph *graph,
                                                  rep_program *program);

/* quantize_pass.c: runs the folded net over the calibration pictures and finds the ranges. */
REP_NODISCARD rep_status rep_quantizer_calibrate(rep_quantizer *quantizer);
/* Pictures of one shape, borrowed during the call. */
typedef struct rep_quantizer_batch {
    const float *images;
    int32_t count, height, width; /* pictures that count of the net's batch */
    size_t shape;
} rep_quantizer_batch;
typedef rep_status (*rep_quantizer_visit)(rep_quantizer *quantizer, rep_export_net *net,
                                          const rep_quantizer_batch *batch);
/* Runs the folded net on the first `pictures` calibration pictures that can be read, batch by
 * batch; pictures of another shape are another batch. *count gets how many there were. */
REP_NODISCARD rep_status rep_quantizer_each(int64_t *count, rep_quantizer *quantizer,
                                            int64_t pictures, const char *what,
                                            rep_quantizer_visit visit);

/* quantize_error.c: what each layer alone costs, and all together. */
REP_NODISCARD rep_status rep_quantizer_measure(rep_quantizer *quantizer);

#endif
