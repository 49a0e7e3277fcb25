/* graph.h - the graph room's face: the structs behind repopt/graph.h, the op table, the plan. */
#ifndef REP_GRAPH_GRAPH_H
#define REP_GRAPH_GRAPH_H

#include "base/base.h"
#include "repopt/graph.h"

typedef struct rep_tensor {
    const char *name;
    rep_dtype dtype;
    rep_shape shape;
    rep_region region;
    rep_kind kind;
    int rank;             /* in PyTorch's state_dict; 4 for work tensors */
    bool is_trainable;
    bool needs_gradient;  /* a trainable tensor's value flows into it, or it was asked for */
    bool is_kept;         /* work memory is not reused (read by the host) */
    rep_id block;         /* placed inside this tensor ... */
    size_t offset;        /* ... from this element on */
    rep_id gradient;
    uint32_t producer;    /* node that created it, REP_NO_NODE for declared tensors */
} rep_tensor;
#define REP_NO_NODE 0xffffffffu

typedef struct rep_node {
    rep_op op;
    rep_phase phase;
    uint32_t in_count, out_count;
    rep_id in[REP_MAX_INPUTS];
    rep_id out[REP_MAX_OUTPUTS];
    const void *params;
    const char *name;
} rep_node;

struct rep_graph {
    rep_arena arena;
    rep_tensor *tensors; /* [0] unused */
    uint32_t tensor_count, tensor_capacity;
    rep_node *nodes;
    uint32_t node_count, node_capacity;
    rep_phase phase;
    const char *scope;
    rep_status fault;
    char fault_text[1024];
};

/* ---- op table ------------------------------------------------------------------------------- */
typedef enum rep_op_mode { REP_MODE_PURE, REP_MODE_ALIAS, REP_MODE_UPDATE } rep_op_mode;

/* What a shape rule sees: the node under construction. It fills shape[] and dtype[] of the outputs,
 * or calls rep_fail and returns the status. */
typedef struct rep_shape_call {
    const char *name; /* for messages */
    const void *params;
    rep_shape in[REP_MAX_INPUTS];
    rep_dtype in_dtype[REP_MAX_INPUTS];
    bool has_in[REP_MAX_INPUTS];
    uint32_t in_count;
    rep_shape out[REP_MAX_OUTPUTS];
    rep_dtype dtype[REP_MAX_OUTPUTS];
} rep_shape_call;
typedef rep_status (*rep_shape_rule)(rep_shape_call *call);

/* Appends the nodes that give dx[i] for every input with need[i]; dy[o] is 0 when output o has no
 * gradient. Leaves dx[i] 0 where no gradient flows. `node` is a copy. */
typedef void (*rep_grad_rule)(rep_graph *graph, const rep_node *node, const rep_id *dy,
                              const bool *need, rep_id *dx);

typedef struct rep_op_info {
    const char *name;
    uint32_t min_in, max_in, out_count;
    size_t param_bytes;
    uint32_t spec_words;
    rep_op_mode mode;
    rep_shape_rule shape;
    rep_grad_rule grad; /* NULL: none */
} rep_op_info;
const rep_op_info *rep_op_info_get(rep_op op);

/* Output size of a window op; 0 when the window does not fit. */
static inline int32_t rep_window_count(int32_t size, uint32_t kernel, uint32_t stride,
                                       uint32_t pad) {
    const int64_t room = (int64_t)size + 2 * (int64_t)pad - (int64_t)kernel;
    return room < 0 || stride == 0 ? 0 : (int32_t)(room / (int64_t)stride + 1);
}

/* ---- memory plan ---------------------------------------------------------------------------- */
typedef struct rep_plan {
    size_t *offset;         /* per tensor id: byte offset in its region */
    bool *is_shared;        /* per tensor id: a state tensor that lives in the base plan's state */
    uint32_t tensor_count;
    size_t region_bytes[3]; /* by rep_region */
    size_t unplanned_bytes; /* work without reuse */
} rep_plan;
/* Bytes; Vulkan devices may want buffer offsets to be multiples of up to 256. */
enum { REP_PLAN_ALIGN = 256 };

/* Gives every tensor an offset: state and io one after another, work by liveness and best fit.
 * Elements of REP_F32 take `real_bytes`. With `base` (and its graph), state tensors are looked up
 * there under prefix + name and get the base's offsets. */
REP_NODISCARD rep_status rep_plan_create(rep_plan **out, const rep_graph *graph, size_t real_bytes,
                                         const rep_plan *base, const rep_graph *base_graph,
                                         const char *prefix);
void rep_plan_destroy(rep_plan *plan);
size_t rep_dtype_bytes(rep_dtype dtype, size_t real_bytes);
/* The outermost block a tensor is placed in (itself when in none). */
rep_id rep_graph_root(const rep_graph *graph, rep_id tensor);

/* Text dumps for `repopt show`: one line per node / per tensor's place. */
void rep_graph_dump(const rep_graph *graph, FILE *out);
void rep_plan_dump(const rep_plan *plan, const rep_graph *graph, FILE *out);

#endif
