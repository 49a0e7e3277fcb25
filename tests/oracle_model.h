/* oracle_model.h - a RepOpt-VGG in training, compared with PyTorch's step by step. */
#ifndef REP_TESTS_ORACLE_MODEL_H
#define REP_TESTS_ORACLE_MODEL_H

#include "oracle.h"
#include "repopt/model.h"

typedef struct oracle_model {
    oracle_case *c;
    const oracle_target *target;
    rep_vgg_spec spec;
    rep_mode mode;
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
    bool is_adamw;
    double beta1_power, beta2_power; /* beta^steps */
    int steps;
} oracle_model;

/* What a training's tensors are called; gradients and after_first may be NULL: not in the case. */
typedef struct oracle_training {
    const char *losses, *logits;
    const char *gradients;   /* prefix of the first step's gradients */
    const char *after_first; /* prefix of the state after the first step */
    bool is_borrowed; /* the net must come to what another net's tensors hold: compared, but those
                       * tensors do not count as compared */
} oracle_training;

/* The optimizer of the case's attributes; `mask` is the AdamW form (0 exact, 1 published). */
rep_optimizer_spec oracle_optimizer(const oracle_case *c, bool is_adamw, rep_uint mask);
/* Builds net, gradients and update for the case's pictures. rows: the scales of a masked target. */
void oracle_model_open(oracle_model *out, oracle_case *c, const oracle_target *target,
                       rep_mode mode, const rep_optimizer_spec *optimizer,
                       const rep_scale_row *const *rows);
void oracle_model_close(oracle_model *m);
/* Writes every tensor of the net that the vectors hold under `prefix`; those of the scaled
 * branches, which a plain net's vectors lack, may be missing on demand. */
void oracle_model_load(oracle_model *m, const char *prefix, bool may_lack_branches);
/* Takes the case's steps: loss and logits of each, what else `as` names. */
void oracle_model_train(oracle_model *m, const oracle_training *as);
/* Compares the state as a checkpoint would hold it: names, shapes and element order included. */
void oracle_model_check_state(oracle_model *m, const char *prefix);
/* Compares the logits of the first step's pictures with running statistics. */
void oracle_model_check_eval(oracle_model *m, const char *name);

#endif
