/* classify.h - what classify.c and eval_classify.c share. */
#ifndef REP_TRAIN_CLASSIFY_H
#define REP_TRAIN_CLASSIFY_H

#include "train/train.h"

typedef struct rep_classify_data {
    rep_dataset *train, *test; /* NULL: not opened; test: or not named */
    rep_loader *loader;        /* of the training split */
} rep_classify_data;

/* eval_classify.c: top-1, top-5 and loss. */
REP_NODISCARD rep_status rep_classify_evaluate(rep_evaluator **out, const rep_task *task,
                                               rep_device *device, rep_mode mode,
                                               rep_program *state_of, const char *prefix);

#endif
