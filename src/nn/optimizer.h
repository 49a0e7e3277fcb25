/* optimizer.h - what an optimizer remembers of the nodes it appended. */
#ifndef REP_NN_OPTIMIZER_H
#define REP_NN_OPTIMIZER_H

#include "nn/nn.h"

enum { REP_CHILD_ALIGN = 64 }; /* elements: 256 bytes, what a Vulkan binding may ask for at most */

/* One tensor of the model block. */
typedef struct rep_member {
    char name[REP_NAME_BYTES];
    rep_id id;
    rep_shape shape;
    int rank;
    size_t offset; /* elements */
    bool is_trainable;
    const char *group;
    float weight_decay, lr_factor;
} rep_member;

struct rep_optimizer {
    rep_optimizer_spec spec;
    rep_member *members; /* updated parameters, then what else changes, then constants */
    size_t param_count, average_count, member_count; /* where each of these three parts ends */
    size_t param_size, average_size, model_size;     /* the same in elements of the model block */
    rep_segment *segments;                           /* param_count */
    float *scale_values; /* scale_capacity; scale_size of them are used */
    size_t scale_size, scale_capacity;
    rep_id model, gradients, moments[2], accumulated, average, table, scales, norm;
};

#endif
