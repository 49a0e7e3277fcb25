/* trainer.h - a training run step by step, for who draws what it does; rep_train runs one whole.
 *
 *     rep_trainer *trainer = NULL;
 *     rep_train_options options = {.config = config, .device = "cpu", .threads = 1};
 *     REP_TRY(rep_trainer_create(&trainer, &options));
 *     rep_trainer_report report;
 *     REP_TRY(rep_trainer_advance(&report, trainer, 10));
 *     REP_TRY(rep_trainer_save(trainer, "model.safetensors"));
 */
#ifndef REPOPT_TRAINER_H
#define REPOPT_TRAINER_H

#include "repopt/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rep_trainer rep_trainer;

/* Everything that a run needs before its first step. `options` and its config are borrowed and must
 * outlive the trainer. An empty OUTPUT_DIR means a run without files: nothing is resumed, logged or
 * saved but by rep_trainer_save. Otherwise it goes on from last_checkpoint, and metrics.csv and
 * TensorBoard events are written as by rep_train. Errors: those of rep_train. */
REP_NODISCARD rep_status rep_trainer_create(rep_trainer **out, const rep_train_options *options);
void rep_trainer_destroy(rep_trainer *trainer);

/* Borrowed, with all it points to, from the trainer. */
typedef struct rep_trainer_info {
    rep_mode mode;
    const rep_model *model; /* its blocks, in network order */
    uint64_t iteration, max_iteration;
    size_t param_count;
    double memory_mib; /* planned regions and scratch */
    int32_t channels, height, width;
    int32_t class_count;
    const char *const *class_names;
    bool has_test; /* there is a test split */
} rep_trainer_info;
void rep_trainer_info_get(rep_trainer_info *out, const rep_trainer *trainer);

typedef struct rep_trainer_report {
    uint64_t iteration; /* optimizer steps done */
    uint64_t epoch;     /* counted from 1 */
    double loss;        /* mean over the steps of this call */
    double lr, grad_norm;
    double ms; /* of a step, mean over this call */
} rep_trainer_report;
/* The next `count` steps, fewer where the run ends before; lr and grad_norm are the last one's.
 * Errors: REP_ERR_ARGUMENT for a count of 0 or a run that is over; those of rep_train. */
REP_NODISCARD rep_status rep_trainer_advance(rep_trainer_report *out, rep_trainer *trainer,
                                             uint64_t count);

/* The present state on the whole test split, by the moving average where there is one. Errors:
 * REP_ERR_CONFIG without a test split. */
REP_NODISCARD rep_status rep_trainer_evaluate(rep_eval_result *out, rep_trainer *trainer);

/* The scales of every block, in network order: present ones of hyper_search and csla, those that a
 * target is trained with; other modes have none and visit nothing. Rows are borrowed for the call.
 */
REP_NODISCARD rep_status rep_trainer_visit_scales(
    rep_trainer *trainer, void (*visit)(void *context, const rep_scale_row *row), void *context);

/* A block's present kernel as rep_model_read_kernel gives it. */
REP_NODISCARD rep_status rep_trainer_kernel(double *out, size_t count, rep_trainer *trainer,
                                            size_t block);
/* Its logical shape; zeros where there is no such block. */
rep_shape rep_trainer_kernel_shape(const rep_trainer *trainer, size_t block);

/* ---- classifiers on pictures -------------------------------------------------------------------
 */

/* `count` pictures of the test split from picture `first` on, which begins anew behind its end:
 * pixels[count][height][width][channels], labels[count]. Errors: REP_ERR_CONFIG without one. */
REP_NODISCARD rep_status rep_trainer_samples(uint8_t *pixels, int32_t *labels,
                                             const rep_trainer *trainer, uint64_t first,
                                             size_t count);
/* probabilities[count][class_count] of such pictures, by the net that rep_trainer_evaluate
 * evaluates. Errors: REP_ERR_CONFIG without a test split, which the net is built for. */
REP_NODISCARD rep_status rep_trainer_predict(float *probabilities, rep_trainer *trainer,
                                             const uint8_t *pixels, size_t count);

/* A checkpoint as rep_train writes it, whole or not at all. */
REP_NODISCARD rep_status rep_trainer_save(rep_trainer *trainer, const char *path);

#ifdef __cplusplus
}
#endif
#endif
