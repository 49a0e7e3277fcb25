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

/* The tensor's bytes, after the checks that reads and writes share. */
static rep_status open_tensor(rep_program *program, rep_id tensor, size_t count, bool wants_real,
                              void **bytes) {
    const rep_graph *graph = program->graph;
    if (!tensor || tensor >= graph->tensor_count) {
        return rep_fail(REP_ERR_ARGUMENT, "the program has no tensor %u", tensor);
    }
    const rep_tensor *t = &graph->tensors[tensor];
    const size_t have = rep_shape_count(t->shape);
    if (count != have) {
        return rep_fail(REP_ERR_SHAPE, "%s: %zu elements given, it has %zu", t->name, count, have);
    }
    if (wants_real && t->dtype != REP_F32) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: not a floating-point tensor", t->name);
    }
    *bytes = program->device->backend->map(program, tensor);
    return REP_OK;
}

rep_status rep_program_write(rep_program *program, rep_id tensor, const void *data, size_t count) {
    void *bytes = NULL;
    REP_TRY(open_tensor(program, tensor, count, false, &bytes));
    if (!is_double(program, tensor)) {
        memcpy(bytes, data, count * rep_dtype_bytes(program->graph->tensors[tensor].dtype, 4));
        return REP_OK;
    }
    for (size_t i = 0; i < count; i++) { ((double *)bytes)[i] = (double)((const float *)data)[i]; }
    return REP_OK;
}

rep_status rep_program_read(rep_program *program, rep_id tensor, void *data, size_t count) {
    void *bytes = NULL;
    REP_TRY(open_tensor(program, tensor, count, false, &bytes));
    if (!is_double(program, tensor)) {
        memcpy(data, bytes, count * rep_dtype_bytes(program->graph->tensors[tensor].dtype, 4));
        return REP_OK;
    }
    for (size_t i = 0; i < count; i++) { ((float *)data)[i] = (float)((const double *)bytes)[i]; }
    return REP_OK;
}

rep_status rep_program_read_f64(rep_program *program, rep_id tensor, double *data, size_t count) {
    void *bytes = NULL;
    REP_TRY(open_tensor(program, tensor, count, true, &bytes));
    for (size_t i = 0; i < count; i++) {
        data[i] = is_double(program, tensor) ? ((const double *)bytes)[i]
                                             : (double)((const float *)bytes)[i];
    }
    return REP_OK;
}

rep_status rep_program_write_f64(rep_program *program, rep_id tensor, const double *data,
                                 size_t count) {
    void *bytes = NULL;
    REP_TRY(open_tensor(program, tensor, count, true, &bytes));
    for (size_t i = 0; i < count; i++) {
        if (is_double(program, tensor)) {
            ((double *)bytes)[i] = data[i];
        } else {
            ((float *)bytes)[i] = (float)data[i];
        }
    }
    return REP_OK;
}

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
static bool is_finite(rep_program *program, rep_id tensor) {
    const rep_tensor *t = &program->graph->tensors[tensor];
    if (t->dtype != REP_F32) { return true; }
    const void *bytes = program->device->backend->map(program, tensor);
    const size_t count = rep_shape_count(t->shape);
    const bool is_wide = is_double(program, tensor);
    for (size_t i = 0; i < count; i++) {
        const double x = is_wide ? ((const double *)bytes)[i] : (double)((const float *)bytes)[i];
        if (!isfinite(x)) { return false; }
    }
    return true;
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
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (is_start(graph, id) && !is_finite(program, id)) {
            *tensor = id;
            return REP_OK;
        }
    }
    for (uint32_t n = 0; n < graph->node_count && graph->nodes[n].phase < REP_UPDATE; n++) {
        REP_TRY(program->device->backend->run_node(program, n));
        for (uint32_t o = 0; o < graph->nodes[n].out_count; o++) {
            const rep_id id = graph->nodes[n].out[o];
            if (id && !is_finite(program, id)) {
                *tensor = id;
                return REP_OK;
            }
        }
    }
    *tensor = 0;
    return REP_OK;
}

rep_status rep_program_profile(rep_program *program, rep_node_visit visit, void *ctx) {
    const rep_graph *graph = program->graph;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const double begin_s = rep_clock_s();
        REP_TRY(program->device->backend->run_node(program, n));
        visit(ctx, n, rep_op_info_get(graph->nodes[n].op)->name, graph->nodes[n].out[0],
              (rep_clock_s() - begin_s) * 1e3);
    }
    return REP_OK;
}
