/* train.h - the step loop, checkpoints, evaluation.
 *
 *     rep_train_options options = {.config = config, .on_progress = draw, .context = &bar};
 *     rep_train_result result;
 *     REP_TRY(rep_train(&result, &options));
 */
#ifndef REPOPT_TRAIN_H
#define REPOPT_TRAIN_H

#include <stdio.h>

#include "repopt/data.h"
#include "repopt/detection_data.h"
#include "repopt/device.h"
#include "repopt/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a progress display needs, once per step and evaluation. */
typedef struct rep_progress {
    uint64_t iteration, max_iteration; /* optimizer steps done, and in all */
    uint64_t epoch, max_epoch;         /* counted from 1 */
    double loss, lr, grad_norm, images_per_s, step_ms, eta_s, memory_mib;
    double score;           /* of the last evaluation, in [0, 1]; -1 before one */
    const char *score_name; /* "top-1", a detector's "AP" */
    bool is_evaluation;     /* this call reports an evaluation */
} rep_progress;

/* One node of a training step, timed by itself (rep_program_profile). */
typedef struct rep_profile_row {
    uint32_t node, node_count; /* node_count - 1 is the last one */
    uint64_t iteration;        /* the step before which it was timed, counted from 0 */
    rep_node_info info;
    rep_shape shape; /* of the node's first output */
    double ms;
} rep_profile_row;

typedef struct rep_train_options {
    const rep_config *config;
    const char *device;    /* as rep_device_open; NULL: the configuration's DEVICE */
    int threads;           /* <= 0: all */
    bool is_forced_reinit; /* re-initialise from SCALE though MODEL.WEIGHT is a trained net */
    void (*on_progress)(void *context, const rep_progress *progress);
    void *context;
    /* rep_evaluate only, may be NULL: what the net says about picture `index` of the test split. */
    void (*on_prediction)(void *context, size_t index, int32_t label, const float *logits,
                          int32_t class_count);
    /* A detector's evaluation, may be NULL: everything it found, by picture of the test split. */
    void (*on_detections)(void *context, const rep_detection_set *set,
                          const rep_detection *detections, size_t count);
    const volatile int *stop; /* becomes non-zero on SIGINT/SIGTERM: save and leave */
    const char *fallback; /* goes on there from the last checkpoint after REP_ERR_LOST; NULL: no */
    /* The first steps are computed on cpu:float64 beside the device, and both losses logged. */
    uint64_t reference_steps;
    /* May be NULL: told once per node, in order, of one early step; results do not change. */
    void (*on_profile)(void *context, const rep_device_info *device, const rep_profile_row *row);
    void *profile_context;
} rep_train_options;

typedef struct rep_train_result {
    uint64_t iterations;
    double last_loss; /* mean training loss of the last epoch */
    double score;     /* as in rep_progress, at the end; -1 without a test split */
    const char *score_name;
    double step_ms;         /* median */
    double peak_memory_mib; /* planned regions and scratch of the training programs */
    size_t param_count;
    char checkpoint[512]; /* path of the final checkpoint */
} rep_train_result;

/* Trains as the config says. OUTPUT_DIR gets model_<iteration>.safetensors every CHECKPOINT_PERIOD,
 * model_final.safetensors, last_checkpoint (the newest one's path), metrics.csv and TensorBoard
 * events. When last_checkpoint is there already, the run goes on from it and ends with the bits of
 * an uninterrupted run, on any thread count; a finished run is only evaluated.
 *
 * Errors, beside those of the rooms below: REP_ERR_CONFIG for a target without SCALE, or another
 * SCALE or TRAINING_MODE than the checkpoint's; REP_ERR_DATA for a checkpoint of another model;
 * REP_ERR_NUMERIC when loss or gradient stop being finite, with layer, tensor, pictures and the
 * dumped batch named; REP_ERR_INTERRUPTED after *stop became non-zero and the state was saved;
 * REP_ERR_LOST when the device went away, REP_ERR_MEMORY when the step does not fit it: nothing is
 * written then, and the last checkpoint is whole. */
REP_NODISCARD rep_status rep_train(rep_train_result *out, const rep_train_options *options);

typedef struct rep_eval_result {
    double score;            /* top1, or the AP of boxes */
    size_t count;            /* pictures */
    double top1, top5, loss; /* classifiers */
    /* Detectors: pycocotools' numbers, and how many there are; keypoints 0 where nobody has any or
     * their sigmas are not known. */
    rep_coco_number boxes[REP_COCO_NUMBERS], keypoints[REP_COCO_NUMBERS];
    size_t box_count, keypoint_count;
    rep_coco_number voc_ap50;
} rep_eval_result;
/* Evaluates MODEL.WEIGHT on the test split, by its moving average where the file carries one. */
REP_NODISCARD rep_status rep_evaluate(rep_eval_result *out, const rep_train_options *options);

/* One line per trainable tensor of the run: group, decay, learning rate factor, mask. *out is
 * malloc'd. Nothing is trained or written. */
REP_NODISCARD rep_status rep_train_explain(char **out, const rep_train_options *options);

/* Prints one stage on the way from configuration to training step; trains and writes nothing. */
typedef enum rep_stage {
    REP_STAGE_MODEL,  /* blocks, tensors, parameter counts */
    REP_STAGE_GRAPH,  /* every node of a step */
    REP_STAGE_PLAN,   /* where each tensor lies, memory in all */
    REP_STAGE_PROGRAM /* one step, node by node, with times */
} rep_stage;
REP_NODISCARD rep_status rep_train_show(FILE *out, rep_stage stage,
                                        const rep_train_options *options);

/* Learning rate of training iteration `iteration` (0 first) of `total`, `per_epoch` batches. */
REP_NODISCARD rep_status rep_schedule_lr(double *out, const rep_values *values, uint64_t iteration,
                                         uint64_t total, uint64_t per_epoch);

/* ---- a detector on pictures --------------------------------------------------------------------
 */

/* Merges the settings that a checkpoint of repopt train carries, and makes `path` MODEL.WEIGHT.
 * REP_ERR_IO; REP_ERR_DATA for another file, or one without settings. */
REP_NODISCARD rep_status rep_config_merge_checkpoint(rep_config *config, const char *path);

typedef struct rep_predict_options {
    const rep_config *config; /* MODEL.WEIGHT names the weights, a checkpoint of repopt train */
    const char *device;       /* as rep_device_open; NULL: the configuration's DEVICE */
    int threads;              /* <= 0: all */
    const char *const *files; /* file_count JPEG or PNG pictures */
    size_t file_count;
    /* Once per picture, in any order: what was found on picture `index` of the set, whose id is the
     * place in `files`, 1 first. Borrowed for the call. A failure ends the work. Not NULL. */
    rep_status (*on_picture)(void *context, const rep_detection_set *set, size_t index,
                             const rep_detection *detections, size_t count);
    bool is_bad_skipped; /* a picture that cannot be read is no error */
    /* Told of such a picture; the reason is a sentence that names it. Not NULL then. */
    void (*on_bad)(void *context, const char *file, const char *reason);
    void *context;
    const volatile int *stop; /* as in rep_train_options */
} rep_predict_options;
/* What MODEL.WEIGHT finds, by its moving average where the file carries one, scores from
 * MODEL.FCOS.INFERENCE_TH on. Errors, beside those of the rooms below: REP_ERR_CONFIG for a
 * classifier; REP_ERR_DATA for a picture that cannot be read, or none that can; for weights that
 * say not what they find. */
REP_NODISCARD rep_status rep_predict(const rep_predict_options *options);

/* ---- a detector's data ------------------------------------------------------------------------
 */

/* Borrowed for the visit. */
typedef struct rep_data_view {
    const rep_detection_set *train, *test;       /* test: NULL where DATASETS.TEST is empty */
    const rep_detection_loader_options *options; /* of training; bad pictures are skipped */
    rep_detection_loader *loader;                /* at its first batch */
} rep_data_view;
/* Opens the data that the configuration trains a detector on and hands them to `visit`. Errors:
 * those of opening; REP_ERR_CONFIG for a classifier; what `visit` returns. */
REP_NODISCARD rep_status rep_data_visit(const rep_config *config,
                                        rep_status (*visit)(void *context,
                                                            const rep_data_view *view),
                                        void *context);

/* ---- proof of the method ------------------------------------------------------------------ */

typedef struct rep_verify_row {
    char name[96];         /* "triple k3 SGD nesterov decay" */
    const char *device;    /* "cpu:avx512", "cpu:float64" */
    double max_difference; /* largest |target - folded CSLA| over all kernels and steps, relative
                              to the largest kernel entry */
    double bound;
    bool is_expected_equal; /* false: a control that must differ */
    bool has_passed;
} rep_verify_row;
/* Trains CSLA + ordinary optimizer beside target + RepOptimizer and compares them after every step:
 * on `device` (NULL: "auto") and then in double precision on "cpu:float64". visit (may be NULL) is
 * called per block of each small net; *all_passed tells the verdict. steps: 10 to 100. */
REP_NODISCARD rep_status rep_verify(bool *all_passed, const char *device, int threads, int steps,
                                    void (*visit)(void *context, const rep_verify_row *row),
                                    void *context);

#ifdef __cplusplus
}
#endif
#endif
