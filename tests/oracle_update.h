/* oracle_update.h - the update ops on a small graph: one parameter block, its momenta, its table.
 *
 * What rep_optimizer_append does for a model, this does for the few tensors of a case, so that the
 * update ops are judged by themselves.
 */
#ifndef REP_TESTS_ORACLE_UPDATE_H
#define REP_TESTS_ORACLE_UPDATE_H

#include "oracle_net.h"

enum { ORACLE_MAX_PARAMS = 16 };

/* One parameter. s NULL: not masked; t NULL: no 1x1 branch. Both are one value per output channel.
 */
typedef struct oracle_update_row {
    rep_id param; /* a state tensor */
    const double *s, *t;
    bool has_identity;
    double weight_decay, lr_factor;
} oracle_update_row;

typedef struct oracle_update_spec {
    bool is_adamw;
    rep_sgd_params sgd;
    rep_adamw_params adamw;
    bool has_clip;
    rep_clip_params clip;
} oracle_update_spec;

typedef struct oracle_update {
    oracle_net *net;
    oracle_update_spec spec;
    oracle_update_row rows[ORACLE_MAX_PARAMS];
    size_t count;
    size_t offsets[ORACLE_MAX_PARAMS]; /* of each parameter in the block, in elements */
    size_t total;
    rep_id grads;   /* what the ops read; an io tensor when the graph has no gradients */
    rep_id moments; /* momenta or first moments */
    rep_id clip;    /* {factor, norm}, 0 without has_clip */
    rep_id segments, scales, step;
    double beta1_power, beta2_power; /* beta^steps */
    int steps;
} oracle_update;

/* Reads momentum, betas, eps ... of the case's attributes. */
void oracle_update_spec_read(oracle_update_spec *out, const oracle_case *c, const char *optimizer);
/* Lays the parameters in one block and appends the update behind what the graph has. Gradients are
 * those of rep_graph_backward, or when there are none, `grads` is an io tensor to write. */
void oracle_update_append(oracle_update *out, oracle_net *net, const oracle_update_spec *spec,
                          const oracle_update_row *rows, size_t count);
/* Writes the tables into the program; call once. */
void oracle_update_upload(oracle_update *update);
/* Writes the step block for the next step. */
void oracle_update_step(oracle_update *update, double lr);
/* One tensor's part of a block (grads or moments) in the file's order, to be freed. */
double *oracle_update_read(oracle_update *update, rep_id block, size_t row);

#endif
