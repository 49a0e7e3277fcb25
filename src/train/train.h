/* train.h - the train room's face: the trainer, its start, its checkpoints, metrics and evaluation.
 *
 * A trainer owns everything one run needs. It is made whole before the first step (datasets, graph,
 * program, loader), so that whatever can be refused is refused before anything is written.
 */
#ifndef REP_TRAIN_TRAIN_H
#define REP_TRAIN_TRAIN_H

#include <stdio.h>

#include "base/base.h"
#include "repopt/detection_data.h"
#include "repopt/detector.h"
#include "repopt/train.h"
#include "repopt/trainer.h"
#include "train/task.h"

enum {
    REP_PATH_BYTES = 512,
    REP_STEP_MS_KEPT = 8192 /* step times the median is taken of */
};

/* ---- setup.c: the configuration as the structs of the other rooms ------------------------------
 */
/* The training or the test split; NULL when DATASETS.TEST names none. */
REP_NODISCARD rep_status rep_setup_dataset(rep_dataset **out, const rep_values *values,
                                           bool is_train);
REP_NODISCARD rep_status rep_setup_loader(rep_loader_options *out, const rep_values *values,
                                          const rep_dataset_info *info, bool is_train);
/* Sides of a detector's training pictures: INPUT.SIZE, or without it the first INPUT.MIN_SIZE_TRAIN
 * by INPUT.MAX_SIZE_TRAIN, padded to DATALOADER.SIZE_DIVISIBILITY. */
REP_NODISCARD rep_status rep_setup_detector_size(int32_t *height, int32_t *width,
                                                 const rep_values *values);
/* PIXEL_MEAN and PIXEL_STD in the order and units of INPUT.TO_BGR255, as 0..1 RGB. */
REP_NODISCARD rep_status rep_setup_normalisation(rep_augment *out, const rep_values *values,
                                                 int32_t channels);
/* DATALOADER.NUM_WORKERS, at most one per core and at least one. */
int rep_setup_workers(const rep_values *values);
/* INPUT.SIZE, a side or height and width, which must not be empty. */
REP_NODISCARD rep_status rep_setup_size(int32_t *height, int32_t *width, const rep_values *values);
/* detection_setup.c: the same for pictures with boxes. A split of DATASETS.NAME coco or voc. */
REP_NODISCARD rep_status rep_setup_detection_set(rep_detection_set **out, const rep_values *values,
                                                 bool is_train);
/* Its loader's options, with the arrays they point to: not to be copied. */
enum { REP_SETUP_NUMBERS = 128 };
typedef struct rep_detection_setup {
    rep_detection_loader_options options;
    int32_t min_sizes[REP_SETUP_NUMBERS], buckets[REP_SETUP_NUMBERS];
    rep_fcos_level levels[REP_DETECTION_LEVELS];
} rep_detection_setup;
REP_NODISCARD rep_status rep_setup_detection(rep_detection_setup *out, const rep_values *values,
                                             bool is_train);
void rep_setup_optimizer(rep_optimizer_spec *out, const rep_values *values);
/* --device of the options, else DEVICE of the configuration. */
const char *rep_setup_device(const rep_train_options *options);
/* One line: the device, what it is, and why it was taken; `asked` is the name it was opened by. */
void rep_setup_log_device(const rep_device *device, const char *asked);
/* "folder/name" into path[REP_PATH_BYTES]; REP_ERR_ARGUMENT when it does not fit. */
REP_NODISCARD rep_status rep_path_join(char *path, const char *folder, const char *name);

/* ---- metrics.c: metrics.csv and the TensorBoard file that is drawn from it ----------------------
 */
typedef struct rep_metrics rep_metrics;
typedef struct rep_metrics_row {
    uint64_t iteration, epoch; /* iterations done, epoch of the batch */
    double loss, lr, grad_norm, step_ms, images_s;
    double own[REP_METRIC_COLUMNS]; /* the task's; NaN: not measured at this iteration */
} rep_metrics_row;
/* Opens OUTPUT_DIR/metrics.csv for appending; rows after `iteration` are dropped first, because a
 * resumed run writes them again. `columns` are borrowed. */
REP_NODISCARD rep_status rep_metrics_open(rep_metrics **out, const char *folder, uint64_t iteration,
                                          const rep_metric_column *columns, size_t column_count);
REP_NODISCARD rep_status rep_metrics_write(rep_metrics *metrics, const rep_metrics_row *row);
/* Hands everything written to the system; REP_ERR_IO when it could not be kept. */
REP_NODISCARD rep_status rep_metrics_flush(rep_metrics *metrics);
void rep_metrics_close(rep_metrics *metrics);

/* ---- the trainer --------------------------------------------------------------------------------
 */
/* What a checkpoint keeps beside tensors, so that a resumed run is the uninterrupted one. */
typedef struct rep_counters {
    uint64_t iteration; /* optimizer steps done */
    uint64_t batches;   /* batches taken from the loader */
    uint64_t tracked;   /* training forwards since initialisation (num_batches_tracked) */
    uint64_t epoch;     /* epoch whose loss is being summed */
    double loss_sum;    /* training loss over the batches of that epoch */
    uint64_t loss_count;
    /* float16: gradients are computed of loss_scale * loss, a power of two that is halved when they
     * overflow and doubled after so many steps that went well (Micikevicius et al., ICLR 2018). */
    uint64_t loss_scale, good_steps;
    uint64_t skipped; /* steps without an update because of that */
} rep_counters;

/* A training step for pictures of one shape. */
typedef struct rep_step_net {
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
} rep_step_net;

struct rep_trainer {
    const rep_train_options *options;
    const rep_values *values;
    rep_mode mode;
    char checkpoint[REP_PATH_BYTES]; /* the newest one; "" before the first */
    rep_task *task;
    rep_device *device;
    rep_step_net nets[REP_TASK_SHAPES]; /* by shape; all but the first only when needed */
    rep_scales *scales;
    const rep_scale_row **rows; /* one per block, borrowed from scales; NULL without */
    rep_optimizer_spec spec;
    rep_evaluator *evaluator; /* NULL: nothing to evaluate on */
    rep_metrics *metrics;     /* NULL: OUTPUT_DIR is empty, the run writes no files */
    rep_counters counters;
    bool is_half; /* DTYPE float16 */
    uint64_t max_iteration, max_epoch, per_epoch, batch, accumulate;
    int64_t eval_period;
    double *step_ms; /* ring of the latest step times */
    uint64_t step_count;
    double score;        /* of the last evaluation, -1 before one */
    uint64_t sent_batch; /* index of the batch that the program was given last */
    float step[REP_STEP_WORDS];
    struct rep_trainer *reference; /* the same net on cpu:float64 while reference_left > 0 */
    bool is_reference;             /* this is that one */
    uint64_t reference_left;
    double reference_loss; /* of the step under way */
};

/* step_net.c: graph, model and optimizer of the first shape; its program on the trainer's device;
 * another shape's, where it is not there yet; the end of all. */
REP_NODISCARD rep_status rep_step_net_build(rep_trainer *trainer);
REP_NODISCARD rep_status rep_step_net_open(rep_trainer *trainer);
REP_NODISCARD rep_status rep_step_net_need(rep_trainer *trainer, size_t shape);
void rep_step_net_close(rep_trainer *trainer);

/* trainer.c */
/* Only as far as the step's graph: nothing is opened on a device and nothing is written. */
REP_NODISCARD rep_status rep_trainer_describe(rep_trainer **out, const rep_train_options *options);
/* The device, and the step's program with the optimizer's constants. */
REP_NODISCARD rep_status rep_trainer_open_device(rep_trainer *trainer);

/* A second trainer for the same net without data: only its step on the device. */
REP_NODISCARD rep_status rep_trainer_create_reference(rep_trainer **out, const rep_trainer *of);

/* profile.c: tells options->on_profile of every node of one step. */
REP_NODISCARD rep_status rep_trainer_profile(rep_trainer *trainer);

/* start.c: scales for the target, initial weights, re-initialisation, or the resumed state. */
REP_NODISCARD rep_status rep_start_scales(rep_trainer *trainer);
REP_NODISCARD rep_status rep_start_state(rep_trainer *trainer);
/* Warns when the searched scales are still within 0.05 of where they started. */
REP_NODISCARD rep_status rep_start_check_search(const rep_trainer *trainer);

/* run.c: a step as a row of metrics.csv; the step's time is noted for the median. */
REP_NODISCARD rep_status rep_trainer_time_step(rep_trainer *trainer, rep_metrics_row *out);
/* Of the programs there are by now, in MiB. */
double rep_trainer_memory_mib(const rep_trainer *trainer);

/* step.c: one optimizer step of ACCUMULATE_STEPS batches. */
enum { REP_FIRST_LOSS_SCALE = 65536, REP_MOST_LOSS_SCALE = 1 << 24, REP_LOSS_SCALE_STEPS = 2000 };
typedef struct rep_step_report {
    double loss, lr, grad_norm;
    uint64_t epoch;
    size_t shape;                   /* of the last batch */
    bool is_skipped;                /* float16: the gradients overflowed, nothing was updated */
    double own[REP_METRIC_COLUMNS]; /* the task's columns, mean over the batches */
} rep_step_report;
REP_NODISCARD rep_status rep_trainer_step(rep_trainer *trainer, rep_step_report *out);

/* reference.c: the first steps in double precision beside the device. All do nothing when there is
 * no reference. */
REP_NODISCARD rep_status rep_reference_open(rep_trainer *trainer);
/* One batch forward and backward; the trainer's step block says how. */
REP_NODISCARD rep_status rep_reference_batch(rep_trainer *trainer, const rep_task_batch *batch);
/* The update, the comparison, and after the last step the end. */
REP_NODISCARD rep_status rep_reference_update(rep_trainer *trainer, const rep_step_report *step);

/* nonfinite.c: dumps the batch, which its program still has, and fails with a sentence that names
 * layer, tensor and pictures. */
rep_status rep_trainer_nonfinite(rep_trainer *trainer, const rep_task_batch *batch, double loss,
                                 double grad_norm);

/* checkpoint.c */
REP_NODISCARD rep_status rep_checkpoint_save(rep_trainer *trainer, const char *path);
/* Fills trainer->checkpoint from OUTPUT_DIR/last_checkpoint; "" when there is none. */
REP_NODISCARD rep_status rep_checkpoint_find(rep_trainer *trainer);
/* Everything a run needs to go on; refuses another model, mode or SCALE. */
REP_NODISCARD rep_status rep_checkpoint_resume(rep_trainer *trainer, const char *path);
/* Model tensors alone into a program of `graph`; `use_average` takes "ema." tensors where the file
 * has them. */
REP_NODISCARD rep_status rep_checkpoint_load_model(const rep_graph *graph, rep_program *program,
                                                   const char *path, bool use_average,
                                                   uint64_t *tracked);
/* Whether the file holds a folded net (rep_model_fold), and one in whole numbers (rep_quantize). */
REP_NODISCARD rep_status rep_checkpoint_look(bool *is_folded, bool *is_int8, const char *path);

#endif
