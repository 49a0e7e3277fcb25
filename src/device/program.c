/* program.c - what programs of all backends share: creation, reads and writes, inspection. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"

rep_status rep_program_create(rep_program **out, rep_device *device, const rep_graph *graph,
                              rep_program *state_of, const char *prefix) {
    REP_TRY(rep_graph_check(graph));
    rep_program *program = calloc(1, sizeof *program);
    if (!program) { return rep_fail(REP_ERR_MEMORY, "program: out of memory"); }
    program->device = device;
    program->graph = graph;
    program->state_of = state_of;
    rep_status status = rep_plan_create(&program->plan, graph, device->info.real_bytes,
                                        state_of ? state_of->plan : NULL,
                                        state_of ? state_of->graph : NULL, prefix);
    if (status == REP_OK) { status = device->backend->program_prepare(program); }
    if (status != REP_OK) {
        rep_program_destroy(program);
        return status;
    }
    *out = program;
    return REP_OK;
}

rep_status rep_program_find_phases(const rep_program *program,
                                   uint32_t first_node[REP_PHASE_COUNT + 1]) {
    const rep_graph *graph = program->graph;
    uint32_t phase = REP_FORWARD;
    first_node[0] = 0;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if ((uint32_t)graph->nodes[n].phase < phase) {
            return rep_fail(REP_ERR_ARGUMENT,
                            "%s: belongs to an earlier phase than the node before it",
                            graph->nodes[n].name);
        }
        while (phase < (uint32_t)graph->nodes[n].phase) { first_node[++phase] = n; }
    }
    while (phase < REP_PHASE_COUNT) { first_node[++phase] = graph->node_count; }
    return REP_OK;
}

void rep_program_destroy(rep_program *program) {
    if (!program) { return; }
    program->device->backend->program_release(program);
    rep_plan_destroy(program->plan);
    free(program);
}

rep_status rep_program_run(rep_program *program, rep_phase first, rep_phase last) {
    if (first > last || last >= REP_PHASE_COUNT) {
        return rep_fail(REP_ERR_ARGUMENT, "program: phases %d to %d do not exist", (int)first,
                        (int)last);
    }
    return program->device->backend->run(program, first, last);
}

static bool is_double(const rep_program *program, rep_id tensor) {
    return program->graph->tensors[tensor].dtype == REP_F32 &&
           program->device->info.real_bytes == sizeof(double);
}

/* The tensor's size on the device, after the checks that reads and writes share. */
static rep_status check_tensor(const rep_program *program, rep_id tensor, size_t count,
                               bool wants_real, size_t *bytes) {
    const rep_graph *graph = program->graph;
    if (!tensor || tensor >= graph->tensor_count) {
        return rep_fail(REP_ERR_ARGUMENT, "the program has no tensor %u", tensor);
    }
    const rep_tensor *t = &graph->tensors[tensor];
    const size_t have = rep_shape_count(t->shape);
    if (count != have) {
        return rep_fail(REP_ERR_SHAPE, "%s: %zu elements given, it has %zu", t->name, count, have);
    }
    if (wants_real && t->dtype == REP_I32) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: not a floating-point tensor", t->name);
    }
    *bytes = count * rep_dtype_bytes(t->dtype, program->device->info.real_bytes);
    return REP_OK;
}

/* How elements are stored, seen from a caller with floats or doubles. */
typedef enum storage { STORED_INT, STORED_HALF, STORED_FLOAT, STORED_DOUBLE } storage;
static storage storage_of(const rep_program *program, rep_id tensor) {
    const rep_dtype dtype = program->graph->tensors[tensor].dtype;
    if (dtype == REP_I32) { return STORED_INT; }
    if (dtype == REP_F16) { return STORED_HALF; }
    return is_double(program, tensor) ? STORED_DOUBLE : STORED_FLOAT;
}

static double element(const void *bytes, storage kind, size_t i) {
    switch (kind) {
    case STORED_INT:
        return (double)((const int32_t *)bytes)[i];
    case STORED_HALF:
        return (double)rep_half_to_float(((const uint16_t *)bytes)[i]);
    case STORED_FLOAT:
        return (double)((const float *)bytes)[i];
    case STORED_DOUBLE:
        break;
    }
    return ((const double *)bytes)[i];
}

static void set_element(void *bytes, storage kind, size_t i, double value) {
    switch (kind) {
    case STORED_INT:
        ((int32_t *)bytes)[i] = (int32_t)value;
        break;
    case STORED_HALF:
        ((uint16_t *)bytes)[i] = rep_half_from_float((float)value);
        break;
    case STORED_FLOAT:
        ((float *)bytes)[i] = (float)value;
        break;
    case STORED_DOUBLE:
        ((double *)bytes)[i] = value;
        break;
    }
}

static rep_status no_memory(const rep_program *program, rep_id tensor) {
    return rep_fail(REP_ERR_MEMORY, "%s: no memory to convert it",
                    program->graph->tensors[tensor].name);
}

/* Conversions take a copy: they serve the reference device, half precision and checks. */
rep_status rep_program_write_f64(rep_program *program, rep_id tensor, const double *data,
                                 size_t count) {
    size_t bytes = 0;
    REP_TRY(check_tensor(program, tensor, count, true, &bytes));
    void *stored = malloc(bytes);
    if (!stored) { return no_memory(program, tensor); }
    const storage kind = storage_of(program, tensor);
    for (size_t i = 0; i < count; i++) { set_element(stored, kind, i, data[i]); }
    const rep_status status = program->device->backend->write(program, tensor, stored, bytes);
    free(stored);
    return status;
}

rep_status rep_program_read_f64(rep_program *program, rep_id tensor, double *data, size_t count) {
    size_t bytes = 0;
    REP_TRY(check_tensor(program, tensor, count, true, &bytes));
    void *stored = malloc(bytes);
    if (!stored) { return no_memory(program, tensor); }
    const rep_status status = program->device->backend->read(program, tensor, stored, bytes);
    const storage kind = storage_of(program, tensor);
    for (size_t i = 0; i < count && status == REP_OK; i++) { data[i] = element(stored, kind, i); }
    free(stored);
    return status;
}

rep_status rep_program_write(rep_program *program, rep_id tensor, const void *data, size_t count) {
    size_t bytes = 0;
    REP_TRY(check_tensor(program, tensor, count, false, &bytes));
    const storage kind = storage_of(program, tensor);
    if (kind == STORED_INT || kind == STORED_FLOAT) {
        return program->device->backend->write(program, tensor, data, bytes);
    }
    void *stored = malloc(bytes);
    if (!stored) { return no_memory(program, tensor); }
    for (size_t i = 0; i < count; i++) {
        set_element(stored, kind, i, (double)((const float *)data)[i]);
    }
    const rep_status status = program->device->backend->write(program, tensor, stored, bytes);
    free(stored);
    return status;
}

rep_status rep_program_read(rep_program *program, rep_id tensor, void *data, size_t count) {
    size_t bytes = 0;
    REP_TRY(check_tensor(program, tensor, count, false, &bytes));
    const storage kind = storage_of(program, tensor);
    if (kind == STORED_INT || kind == STORED_FLOAT) {
        return program->device->backend->read(program, tensor, data, bytes);
    }
    void *stored = malloc(bytes);
    if (!stored) { return no_memory(program, tensor); }
    const rep_status status = program->device->backend->read(program, tensor, stored, bytes);
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        ((float *)data)[i] = (float)element(stored, kind, i);
    }
    free(stored);
    return status;
}

rep_status rep_program_wait(rep_program *program) {
    const rep_backend *backend = program->device->backend;
    return backend->wait ? backend->wait(program) : REP_OK;
}

double rep_program_host_ms(const rep_program *program) { return program->host_ms; }

void rep_program_times(const rep_program *program, double ms[REP_PHASE_COUNT]) {
    memcpy(ms, program->ms, sizeof program->ms);
}

void rep_program_memory_get(const rep_program *program, rep_program_memory *out) {
    *out = (rep_program_memory){.state_bytes = program->plan->region_bytes[REP_STATE],
                                .work_bytes = program->plan->region_bytes[REP_WORK],
                                .io_bytes = program->plan->region_bytes[REP_IO],
                                .scratch_bytes = program->scratch_bytes,
                                .unplanned_work_bytes = program->plan->unplanned_bytes};
}

/* Whether every element is finite, in the device's own precision. */
static rep_status check_finite(rep_program *program, rep_id tensor, bool *is_finite) {
    const rep_tensor *t = &program->graph->tensors[tensor];
    const size_t count = rep_shape_count(t->shape);
    *is_finite = true;
    if (t->dtype == REP_I32) { return REP_OK; }
    double *values = malloc(count * sizeof *values);
    if (!values) { return no_memory(program, tensor); }
    const rep_status status = rep_program_read_f64(program, tensor, values, count);
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        *is_finite = *is_finite && isfinite(values[i]);
    }
    free(values);
    return status;
}

/* Whether a step starts from this tensor: one that forward and backward write (running statistics,
 * the loss) is a consequence, and a block is told by its parts. */
static bool is_start(const rep_graph *graph, rep_id tensor) {
    if (graph->tensors[tensor].region == REP_WORK) { return false; }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (graph->tensors[id].block == tensor) { return false; }
    }
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const rep_node *node = &graph->nodes[n];
        for (uint32_t o = 0; o < node->out_count && node->phase < REP_UPDATE; o++) {
            if (node->out[o] == tensor) { return false; }
        }
    }
    return true;
}

rep_status rep_program_find_nonfinite(rep_program *program, rep_id *tensor) {
    const rep_graph *graph = program->graph;
    /* What the step starts from comes before what it computes. */
    bool is_finite = true;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (!is_start(graph, id)) { continue; }
        REP_TRY(check_finite(program, id, &is_finite));
        if (!is_finite) {
            *tensor = id;
            return REP_OK;
        }
    }
    for (uint32_t n = 0; n < graph->node_count && graph->nodes[n].phase < REP_UPDATE; n++) {
        REP_TRY(program->device->backend->run_node(program, n));
        for (uint32_t o = 0; o < graph->nodes[n].out_count; o++) {
            const rep_id id = graph->nodes[n].out[o];
            if (!id) { continue; }
            REP_TRY(check_finite(program, id, &is_finite));
            if (!is_finite) {
                *tensor = id;
                return REP_OK;
            }
        }
    }
    *tensor = 0;
    return REP_OK;
}

static size_t stored_bytes(const rep_program *program, rep_id tensor) {
    const rep_tensor *t = &program->graph->tensors[tensor];
    return rep_shape_count(t->shape) * rep_dtype_bytes(t->dtype, program->device->info.real_bytes);
}

/* Moves every state tensor between device and `copy`, in order of ids; a block brings its parts. */
static rep_status copy_state(rep_program *program, char *copy, bool is_back) {
    const rep_backend *backend = program->device->backend;
    const rep_graph *graph = program->graph;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (graph->tensors[id].region != REP_STATE || graph->tensors[id].block) { continue; }
        const size_t bytes = stored_bytes(program, id);
        REP_TRY(is_back ? backend->write(program, id, copy, bytes)
                        : backend->read(program, id, copy, bytes));
        copy += bytes;
    }
    return REP_OK;
}

static rep_status time_nodes(rep_program *program, rep_node_visit visit, void *ctx) {
    const rep_graph *graph = program->graph;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const double begin_s = rep_clock_s();
        REP_TRY(program->device->backend->run_node(program, n));
        const double host_ms = (rep_clock_s() - begin_s) * 1e3;
        const rep_backend *backend = program->device->backend;
        visit(ctx, n, rep_op_info_get(graph->nodes[n].op)->name, graph->nodes[n].out[0],
              backend->node_ms ? backend->node_ms(program, n) : host_ms);
    }
    return REP_OK;
}

rep_status rep_program_profile(rep_program *program, rep_node_visit visit, void *ctx) {
    const rep_graph *graph = program->graph;
    size_t bytes = 0;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (graph->tensors[id].region != REP_STATE || graph->tensors[id].block) { continue; }
        bytes += stored_bytes(program, id);
    }
    char *copy = malloc(bytes + 1);
    if (!copy) { return rep_fail(REP_ERR_MEMORY, "profile: no memory for a copy of the state"); }
    rep_status status = copy_state(program, copy, false);
    if (status == REP_OK) {
        status = time_nodes(program, visit, ctx);
        const rep_status restored = copy_state(program, copy, true);
        if (status == REP_OK) { status = restored; }
    }
    free(copy);
    return status;
}

void rep_program_node(const rep_program *program, uint32_t node, rep_node_info *out) {
    const rep_node *n = &program->graph->nodes[node];
    const rep_op_info *op = rep_op_info_get(n->op);
    *out = (rep_node_info){.op = op->name,
                           .name = n->name,
                           .phase = n->phase,
                           .output = n->out[0],
                           .submission = REP_NOT_SUBMITTED};
    for (uint32_t i = 0; i < n->in_count; i++) {
        if (n->in[i]) { out->read_bytes += stored_bytes(program, n->in[i]); }
    }
    for (uint32_t o = 0; o < n->out_count; o++) {
        if (!n->out[o]) { continue; }
        const size_t bytes = stored_bytes(program, n->out[o]);
        out->written_bytes += bytes;
        if (op->mode == REP_MODE_UPDATE) { out->read_bytes += bytes; }
    }
    program->device->backend->describe_node(program, node, out);
}
