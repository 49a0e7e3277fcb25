/* graph.h - tensors, nodes and gradients: one list that is a whole training step.
 *
 * A graph is two flat arrays: tensors and nodes. Append order is execution order. A tensor is
 * contiguous and channels last (stored n, h, w, c); its shape names the logical dims. Builders make
 * errors sticky: after the first fault they return id 0 and do nothing; rep_graph_check reports it.
 *
 *     rep_id x = rep_graph_tensor(g, "x", REP_F32, (rep_shape){64, 3, 32, 32}, REP_IO);
 *     rep_id w = rep_graph_param(g, "conv.weight", (rep_shape){16, 3, 3, 3}, 4, REP_KIND_WEIGHT);
 *     rep_id y = REP_APPEND(g, CONV2D, (&(rep_conv2d_params){.stride = 1, .pad = 1}), x, w);
 *     REP_TRY(rep_graph_check(g));
 */
#ifndef REPOPT_GRAPH_H
#define REPOPT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repopt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t rep_id; /* index of a tensor; 0 is "no tensor" */
typedef struct rep_graph rep_graph;

/* Element types. REP_F32 is the device's working precision: the float64 reference device stores it
 * as double. */
typedef enum rep_dtype { REP_F32, REP_F16, REP_I32 } rep_dtype;

/* Logical dims; unused ones are 1. A vector is {1, c, 1, 1}; a convolution's weight is
 * {c_out, c_in / groups, kh, kw}, stored c_out, kh, kw, c_in. */
typedef struct rep_shape {
    int32_t n, c, h, w;
} rep_shape;

static inline size_t rep_shape_count(rep_shape s) {
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}
static inline bool rep_shape_equal(rep_shape a, rep_shape b) {
    return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
}

/* Where a tensor lives: named state kept between steps, planned and reused scratch, or host-visible
 * input and output of a step. */
typedef enum rep_region { REP_WORK, REP_STATE, REP_IO } rep_region;

/* What a state tensor is; the optimizer groups parameters by it (design: weight decay). */
typedef enum rep_kind {
    REP_KIND_NONE,
    REP_KIND_WEIGHT,   /* kernels and matrices: decay */
    REP_KIND_NORM,     /* normalisation weights: no decay */
    REP_KIND_BIAS,     /* biases: no decay */
    REP_KIND_SCALE,    /* branch or level scales: no decay */
    REP_KIND_IDENTITY, /* identity scale u: decay, it stands for a kernel */
    REP_KIND_BUFFER    /* running statistics: not trained */
} rep_kind;

/* Parts of a step, in order; a program can run them apart. */
typedef enum rep_phase { REP_FORWARD, REP_BACKWARD, REP_UPDATE, REP_PHASE_COUNT } rep_phase;

/* Parameter blocks (structs rep_<op>_params) and the ops (REP_OP_CONV2D, ...): see ops.def. */
typedef uint32_t rep_uint; /* `uint` of ops.def, which C libraries may define differently */
#define uint rep_uint
#define REP_BLOCK(name) typedef struct name {
#define REP_BLOCK_END(name)                                                                        \
    }                                                                                              \
    name;
#include "repopt/ops.def"
#undef REP_BLOCK
#undef REP_BLOCK_END
#undef uint

typedef enum rep_op {
    REP_OP_NONE,
#define REP_OP(name, NAME, min_in, max_in, out, params, spec, shape, grid, mode, grad)             \
    REP_OP_##NAME,
#include "repopt/ops.def"
#undef REP_OP
    REP_OP_COUNT
} rep_op;

/* Activations: values of the `act` words. */
typedef enum rep_act {
    REP_ACT_NONE,
    REP_ACT_RELU,
    REP_ACT_RELU6,
    REP_ACT_SILU,
    REP_ACT_HARDSWISH,
    REP_ACT_SIGMOID,
    REP_ACT_EXP
} rep_act;

/* The step block: what changes from step to step, an io tensor {1, REP_STEP_WORDS, 1, 1}. */
enum {
    REP_STEP_LR,         /* learning rate of this step */
    REP_STEP_APPLY,      /* 0: update ops leave everything as it is (mid-accumulation) */
    REP_STEP_FIRST,      /* 1: the momentum buffer starts as the gradient */
    REP_STEP_KEEP,       /* accumulate: 0 starts a new sum, 1 adds to it */
    REP_STEP_GRAD_SCALE, /* gradients are multiplied by this first (1 / accumulated batches) */
    REP_STEP_BIAS1,      /* AdamW: 1 - beta1^t */
    REP_STEP_BIAS2,      /* AdamW: 1 - beta2^t */
    REP_STEP_EMA,        /* EMA: d = decay * (1 - exp(-n / 2000)) */
    REP_STEP_VALID,      /* rows of the batch that count */
    REP_STEP_LOSS_SCALE, /* mixed precision: the loss's own gradient (1 otherwise) */
    REP_STEP_WORDS = 16
};

/* One parameter inside the parameter block, as the update ops see it. A table of them is an i32
 * state tensor of REP_SEGMENT_WORDS words each, sorted by offset, without gaps but for padding. */
typedef struct rep_segment {
    uint32_t offset, count; /* elements in the parameter block */
    uint32_t row;           /* elements per output channel: kh * kw * c_in / groups */
    uint32_t centre;        /* first element of the centre tap within a row */
    uint32_t centre_count;  /* elements of the centre tap: c_in / groups */
    uint32_t scales;        /* first element of s in the scale block */
    uint32_t point;         /* first element of t in the scale block, or REP_NO_SCALES */
    uint32_t flags;         /* REP_SEGMENT_MASKED, REP_SEGMENT_IDENTITY */
    float weight_decay;     /* already multiplied out */
    float lr_factor;
} rep_segment;
enum {
    REP_SEGMENT_WORDS = sizeof(rep_segment) / 4,
    REP_SEGMENT_MASKED = 1,  /* the gradient is masked by s^2 (+ t^2 at the centre tap) */
    REP_SEGMENT_IDENTITY = 2 /* + 1 where the centre tap's input is output i mod centre_count */
};
#define REP_NO_SCALES 0xffffffffu

typedef struct rep_no_params {
    uint32_t unused;
} rep_no_params;

enum { REP_MAX_INPUTS = 8, REP_MAX_OUTPUTS = 5, REP_MAX_PARAM_BYTES = 80 };

/* Creates an empty graph; destroy frees it (NULL is fine). */
REP_NODISCARD rep_status rep_graph_create(rep_graph **out);
void rep_graph_destroy(rep_graph *graph);

/* REP_OK, or the first fault any builder met (its sentence becomes the last error again). */
REP_NODISCARD rep_status rep_graph_check(const rep_graph *graph);
/* Makes the graph faulty from outside (model code that met a bad configuration). Returns 0. */
rep_id rep_graph_fault(rep_graph *graph, rep_status status, const char *format, ...)
    REP_PRINTF(3, 4);

/* Declares a tensor. Names of state and io tensors are unique; `name` is copied. */
rep_id rep_graph_tensor(rep_graph *graph, const char *name, rep_dtype dtype, rep_shape shape,
                        rep_region region);
/* Declares a state tensor that a model owns. `rank` is the rank it has in PyTorch's state_dict
 * (0, 1, 2 or 4). Every kind but BUFFER is trainable; rep_graph_freeze takes that back. A second
 * call with the same name and shape returns the first id: layers may share parameters. */
rep_id rep_graph_param(rep_graph *graph, const char *name, rep_shape shape, int rank,
                       rep_kind kind);
void rep_graph_freeze(rep_graph *graph, rep_id tensor);
/* Lays `child` inside `block` from element `offset` on (dtype equal, range inside, no producer
 * that reads the block). Both then name the same memory. */
void rep_graph_place(rep_graph *graph, rep_id child, rep_id block, size_t offset);

/* Appends one node of `op`. `params` points to the op's block (NULL when it has none) and is
 * copied. in[0..in_count): input ids, 0 for an optional input left out. out: NULL, or one id per
 * output: 0 creates a new work tensor, another id is written in place. Returns the id of output 0;
 * outputs created by one append have consecutive ids. */
rep_id rep_graph_append(rep_graph *graph, rep_op op, const void *params, const rep_id *in,
                        uint32_t in_count, const rep_id *out);
#define REP_APPEND(graph, NAME, params, ...)                                                       \
    rep_graph_append(graph, REP_OP_##NAME, params, (const rep_id[]){__VA_ARGS__},                  \
                     (uint32_t)(sizeof((const rep_id[]){__VA_ARGS__}) / sizeof(rep_id)), NULL)

/* Nodes appended from now on belong to `phase` (REP_FORWARD at first). */
void rep_graph_set_phase(rep_graph *graph, rep_phase phase);
/* Names the tensors appended from now on "<scope>.<op>" in dumps and messages; NULL ends it. */
void rep_graph_set_scope(rep_graph *graph, const char *scope);

/* Appends the gradient of the scalar `loss` with respect to every trainable parameter, in phase
 * REP_BACKWARD. `seed` is the upstream gradient tensor of the loss, or 0 for one. */
REP_NODISCARD rep_status rep_graph_backward(rep_graph *graph, rep_id loss, rep_id seed);
/* The gradient of a tensor after rep_graph_backward, 0 when it has none. */
rep_id rep_graph_gradient(const rep_graph *graph, rep_id tensor);
/* Asks for the gradient of a tensor that is no parameter; call before rep_graph_backward. */
void rep_graph_want_gradient(rep_graph *graph, rep_id tensor);

/* Keeps a work tensor to itself until the step ends, in host-visible memory, so that the host can
 * read it. */
void rep_graph_keep(rep_graph *graph, rep_id tensor);

/* Looks a state or io tensor up by name; 0 when there is none. */
rep_id rep_graph_find(const rep_graph *graph, const char *name);
rep_shape rep_graph_shape(const rep_graph *graph, rep_id tensor);
const char *rep_graph_name(const rep_graph *graph, rep_id tensor);
uint32_t rep_graph_tensor_count(const rep_graph *graph); /* ids are 1 .. count - 1 */
uint32_t rep_graph_node_count(const rep_graph *graph);

#ifdef __cplusplus
}
#endif
#endif
