/* graph.c - declares tensors and appends nodes; the first fault sticks until rep_graph_check. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "graph/rules.h"

rep_status rep_graph_create(rep_graph **out) {
    rep_graph *graph = calloc(1, sizeof *graph);
    if (!graph) { return rep_fail(REP_ERR_MEMORY, "graph: out of memory"); }
    graph->tensor_count = 1; /* id 0 is no tensor */
    graph->tensor_capacity = 256;
    graph->tensors = calloc(graph->tensor_capacity, sizeof *graph->tensors);
    graph->node_capacity = 256;
    graph->nodes = calloc(graph->node_capacity, sizeof *graph->nodes);
    if (!graph->tensors || !graph->nodes) {
        rep_graph_destroy(graph);
        return rep_fail(REP_ERR_MEMORY, "graph: out of memory");
    }
    graph->tensors[0].name = "";
    *out = graph;
    return REP_OK;
}

void rep_graph_destroy(rep_graph *graph) {
    if (!graph) { return; }
    rep_arena_clear(&graph->arena);
    free(graph->tensors);
    free(graph->nodes);
    free(graph);
}

rep_id rep_graph_fault(rep_graph *graph, rep_status status, const char *format, ...) {
    if (graph->fault != REP_OK) { return 0; }
    va_list args;
    va_start(args, format);
    vsnprintf(graph->fault_text, sizeof graph->fault_text, format, args);
    va_end(args);
    graph->fault = status;
    return 0;
}

rep_status rep_graph_check(const rep_graph *graph) {
    return graph->fault == REP_OK ? REP_OK : rep_fail(graph->fault, "%s", graph->fault_text);
}

/* Makes room for one more element of an array; false when out of memory. */
static bool reserve(void **array, uint32_t count, uint32_t *capacity, size_t element) {
    if (count < *capacity) { return true; }
    void *larger = realloc(*array, 2 * (size_t)*capacity * element);
    if (!larger) { return false; }
    *array = larger;
    *capacity *= 2;
    return true;
}

static rep_id add_tensor(rep_graph *graph, const char *name, rep_dtype dtype, rep_shape shape,
                         rep_region region) {
    if (graph->fault != REP_OK) { return 0; }
    if (shape.n < 1 || shape.c < 1 || shape.h < 1 || shape.w < 1) {
        return rep_graph_fault(graph, REP_ERR_SHAPE, "%s: %d x %d x %d x %d is no shape", name,
                               shape.n, shape.c, shape.h, shape.w);
    }
    /* Kernels index with size_t, shaders with 32 bits; 2^31 elements is also PyTorch's practical
     * bound for one activation. Where addresses have 32 bits, two copies in double precision must
     * not wrap. */
    const size_t most = SIZE_MAX / 16 < INT32_MAX ? SIZE_MAX / 16 : INT32_MAX;
    const double elements = (double)shape.n * shape.c * shape.h * shape.w;
    if (elements > (double)most) {
        return rep_graph_fault(graph, REP_ERR_SHAPE,
                               "%s: %.0f elements are more than the %zu a tensor may have; "
                               "use a smaller batch or picture",
                               name, elements, most);
    }
    const char *copy = rep_arena_strdup(&graph->arena, name);
    if (!copy || !reserve((void **)&graph->tensors, graph->tensor_count, &graph->tensor_capacity,
                          sizeof *graph->tensors)) {
        return rep_graph_fault(graph, REP_ERR_MEMORY, "%s: out of memory", name);
    }
    graph->tensors[graph->tensor_count] = (rep_tensor){.name = copy,
                                                       .dtype = dtype,
                                                       .shape = shape,
                                                       .region = region,
                                                       .rank = 4,
                                                       .producer = REP_NO_NODE};
    return graph->tensor_count++;
}

rep_id rep_graph_tensor(rep_graph *graph, const char *name, rep_dtype dtype, rep_shape shape,
                        rep_region region) {
    if (region != REP_WORK && rep_graph_find(graph, name)) {
        return rep_graph_fault(graph, REP_ERR_ARGUMENT, "tensor %s is declared twice", name);
    }
    return add_tensor(graph, name, dtype, shape, region);
}

rep_id rep_graph_param(rep_graph *graph, const char *name, rep_shape shape, int rank,
                       rep_kind kind) {
    const rep_id known = rep_graph_find(graph, name);
    if (known) {
        if (rep_shape_equal(graph->tensors[known].shape, shape)) { return known; }
        return rep_graph_fault(graph, REP_ERR_SHAPE, "parameter %s is shared with another shape",
                               name);
    }
    const rep_id id = add_tensor(graph, name, REP_F32, shape, REP_STATE);
    if (!id) { return 0; }
    rep_tensor *tensor = &graph->tensors[id];
    tensor->rank = rank;
    tensor->kind = kind;
    tensor->is_trainable = kind != REP_KIND_BUFFER && kind != REP_KIND_NONE;
    tensor->needs_gradient = tensor->is_trainable;
    return id;
}

void rep_graph_freeze(rep_graph *graph, rep_id tensor) {
    graph->tensors[tensor].is_trainable = false;
    graph->tensors[tensor].needs_gradient = false;
}

void rep_graph_want_gradient(rep_graph *graph, rep_id tensor) {
    graph->tensors[tensor].needs_gradient = true;
}

/* It moves to the io region, which a device copies to the host with every run. A placed one stays
 * where its block is, for the length of the step. */
static bool has_parts(const rep_graph *graph, rep_id tensor) {
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (graph->tensors[id].block == tensor) { return true; }
    }
    return false;
}

/* A block stays where its parts are. */
void rep_graph_keep(rep_graph *graph, rep_id tensor) {
    rep_tensor *kept = &graph->tensors[tensor];
    kept->is_kept = true;
    if (kept->region == REP_WORK && !kept->block && !has_parts(graph, tensor)) {
        kept->region = REP_IO;
    }
}

rep_id rep_graph_root(const rep_graph *graph, rep_id tensor) {
    while (graph->tensors[tensor].block) { tensor = graph->tensors[tensor].block; }
    return tensor;
}

void rep_graph_place(rep_graph *graph, rep_id child, rep_id block, size_t offset) {
    if (graph->fault != REP_OK || !child || !block) { return; }
    rep_tensor *inner = &graph->tensors[child];
    const rep_tensor *outer = &graph->tensors[block];
    const size_t room = rep_shape_count(outer->shape), count = rep_shape_count(inner->shape);
    if (inner->block || inner->dtype != outer->dtype || inner->region != outer->region ||
        offset > room || count > room - offset) {
        rep_graph_fault(graph, REP_ERR_SHAPE, "%s (%zu elements) cannot be placed in %s at %zu",
                        inner->name, count, outer->name, offset);
        return;
    }
    inner->block = block;
    inner->offset = offset;
}

void rep_graph_set_phase(rep_graph *graph, rep_phase phase) { graph->phase = phase; }

void rep_graph_set_scope(rep_graph *graph, const char *scope) {
    graph->scope = scope ? rep_arena_strdup(&graph->arena, scope) : NULL;
}

/* "<scope>.<op>", or "<op>" outside a scope. */
static const char *node_name(rep_graph *graph, const char *op) {
    char name[256];
    snprintf(name, sizeof name, "%s%s%s", graph->scope ? graph->scope : "",
             graph->scope ? "." : "", op);
    const char *copy = rep_arena_strdup(&graph->arena, name);
    return copy ? copy : op;
}

static bool check_inputs(rep_graph *graph, const rep_op_info *info, const rep_node *node,
                         rep_shape_call *call) {
    for (uint32_t i = 0; i < node->in_count; i++) {
        if (node->in[i] >= graph->tensor_count || (!node->in[i] && i < info->min_in)) {
            rep_graph_fault(graph, REP_ERR_ARGUMENT, "%s: input %u is missing", node->name, i);
            return false;
        }
        call->has_in[i] = node->in[i] != 0;
        call->in[i] = graph->tensors[node->in[i]].shape;
        call->in_dtype[i] = graph->tensors[node->in[i]].dtype;
    }
    return true;
}

/* Creates the outputs that do not exist and checks those that do. */
static void make_outputs(rep_graph *graph, const rep_op_info *info, rep_node *node,
                         const rep_shape_call *call, const rep_id *out) {
    bool needs_gradient = false;
    for (uint32_t i = 0; i < node->in_count; i++) {
        needs_gradient = needs_gradient || graph->tensors[node->in[i]].needs_gradient;
    }
    for (uint32_t i = 0; i < info->out_count && graph->fault == REP_OK; i++) {
        if (out && out[i]) {
            const rep_shape have = graph->tensors[out[i]].shape;
            if (call->out[i].n && !rep_shape_equal(have, call->out[i])) {
                rep_graph_fault(graph, REP_ERR_SHAPE, "%s: output %s has another shape",
                                node->name, graph->tensors[out[i]].name);
            }
            node->out[i] = out[i];
            continue;
        }
        if (!call->out[i].n) { continue; } /* an update op's tensor that was left out */
        const rep_id id = add_tensor(graph, node->name, call->dtype[i], call->out[i], REP_WORK);
        if (!id) { return; }
        graph->tensors[id].producer = graph->node_count;
        graph->tensors[id].needs_gradient = needs_gradient && info->grad != NULL;
        node->out[i] = id;
    }
}

rep_id rep_graph_append(rep_graph *graph, rep_op op, const void *params, const rep_id *in,
                        uint32_t in_count, const rep_id *out) {
    if (graph->fault != REP_OK) { return 0; }
    const rep_op_info *info = rep_op_info_get(op);
    rep_node node = {.op = op, .phase = graph->phase, .in_count = in_count,
                     .out_count = info->out_count, .name = node_name(graph, info->name)};
    if (in_count < info->min_in || in_count > info->max_in) {
        return rep_graph_fault(graph, REP_ERR_ARGUMENT, "%s: %u inputs, wanted %u to %u", node.name,
                               in_count, info->min_in, info->max_in);
    }
    memcpy(node.in, in, in_count * sizeof *in);
    void *block = rep_arena_alloc(&graph->arena, info->param_bytes);
    if (!block || !reserve((void **)&graph->nodes, graph->node_count, &graph->node_capacity,
                           sizeof *graph->nodes)) {
        return rep_graph_fault(graph, REP_ERR_MEMORY, "%s: out of memory", node.name);
    }
    if (params) { memcpy(block, params, info->param_bytes); }
    node.params = block;
    rep_shape_call call = {.name = node.name, .params = block, .in_count = in_count};
    if (!check_inputs(graph, info, &node, &call)) { return 0; }
    if (info->shape(&call) != REP_OK) {
        return rep_graph_fault(graph, rep_last_status(), "%s", rep_last_error());
    }
    make_outputs(graph, info, &node, &call, out);
    if (graph->fault != REP_OK) { return 0; }
    graph->nodes[graph->node_count++] = node;
    return node.out[0];
}

rep_id rep_graph_gradient(const rep_graph *graph, rep_id tensor) {
    return graph->tensors[tensor].gradient;
}

rep_id rep_graph_find(const rep_graph *graph, const char *name) {
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->region != REP_WORK && strcmp(tensor->name, name) == 0) { return id; }
    }
    return 0;
}

rep_shape rep_graph_shape(const rep_graph *graph, rep_id tensor) {
    return graph->tensors[tensor].shape;
}
const char *rep_graph_name(const rep_graph *graph, rep_id tensor) {
    return graph->tensors[tensor].name;
}
uint32_t rep_graph_tensor_count(const rep_graph *graph) { return graph->tensor_count; }
uint32_t rep_graph_node_count(const rep_graph *graph) { return graph->node_count; }
