/* cpu_device.c - programs on the CPU: an array of kernel calls that all workers run in order.
 *
 * Everything is allocated when the program is made; a step only calls kernels. Workers meet at a
 * barrier after each node, so a node sees its inputs complete.
 */
#include <stdlib.h>
#include <string.h>

#include "device/device.h"

struct cpu {
    const rep_isa *isa;
    rep_pool *pool;
};

struct cpu_program {
    void *memory[3]; /* by rep_region; shared state lies in the other program's */
    void *scratch;
    rep_kernel_call *calls;                   /* by node */
    uint32_t first_node[REP_PHASE_COUNT + 1]; /* phase p: first_node[p] .. first_node[p + 1] */
    uint32_t run_begin, run_end;
    double phase_end_s[REP_PHASE_COUNT];
};

void rep_worker_sync(const rep_worker *worker) { rep_pool_sync(worker->pool); }

static void *locate(rep_program *program, rep_id tensor) {
    if (!tensor) { return NULL; }
    const struct cpu_program *cpu = program->impl;
    if (program->plan->is_shared[tensor]) { cpu = program->state_of->impl; }
    const rep_region region = program->graph->tensors[tensor].region;
    return (char *)cpu->memory[region] + program->plan->offset[tensor];
}

static void bind_node(rep_program *program, uint32_t index) {
    const struct cpu_program *cpu = program->impl;
    const rep_tensor *tensors = program->graph->tensors;
    const rep_node *node = &program->graph->nodes[index];
    rep_kernel_call *call = &cpu->calls[index];
    for (uint32_t i = 0; i < node->in_count; i++) {
        call->in[i] = (rep_operand){locate(program, node->in[i]), tensors[node->in[i]].shape};
    }
    for (uint32_t o = 0; o < node->out_count; o++) {
        call->out[o] = (rep_operand){locate(program, node->out[o]), tensors[node->out[o]].shape};
    }
    call->params = node->params;
    call->scratch = cpu->scratch;
}

static const rep_kernel *kernel_of(const rep_program *program, uint32_t node) {
    const struct cpu *device = program->device->impl;
    return device->isa->kernels[program->graph->nodes[node].op];
}

static rep_status allocate(void **out, size_t bytes) {
    *out = rep_aligned_alloc(bytes);
    if (*out) { return REP_OK; }
    return rep_fail(REP_ERR_MEMORY, "%.1f MiB cannot be allocated; use a smaller batch or picture",
                    (double)bytes / (1024.0 * 1024.0));
}

static rep_status cpu_prepare(rep_program *program) {
    const struct cpu *device = program->device->impl;
    const uint32_t count = program->graph->node_count;
    struct cpu_program *cpu = calloc(1, sizeof *cpu);
    program->impl = cpu;
    if (!cpu) { return rep_fail(REP_ERR_MEMORY, "program: out of memory"); }
    REP_TRY(rep_program_find_phases(program, cpu->first_node));
    for (rep_id id = 1; id < program->graph->tensor_count; id++) {
        if (program->graph->tensors[id].dtype == REP_F16) {
            return rep_fail(REP_ERR_DEVICE,
                            "%s: float16 needs a Vulkan device with 16-bit "
                            "storage; use DTYPE float32, or another --device",
                            program->device->info.name);
        }
    }
    for (int r = 0; r < 3; r++) {
        REP_TRY(allocate(&cpu->memory[r], program->plan->region_bytes[r]));
    }
    cpu->calls = calloc(count + 1u, sizeof *cpu->calls);
    if (!cpu->calls) { return rep_fail(REP_ERR_MEMORY, "program: out of memory"); }
    const int threads = rep_pool_threads(device->pool);
    for (uint32_t n = 0; n < count; n++) {
        bind_node(program, n);
        const rep_kernel *kernel = kernel_of(program, n);
        if (!kernel->scratch_bytes) { continue; }
        const size_t bytes = kernel->scratch_bytes(&cpu->calls[n], threads);
        if (bytes > program->scratch_bytes) { program->scratch_bytes = bytes; }
    }
    REP_TRY(allocate(&cpu->scratch, program->scratch_bytes));
    for (uint32_t n = 0; n < count; n++) { cpu->calls[n].scratch = cpu->scratch; }
    return REP_OK;
}

static void cpu_release(rep_program *program) {
    struct cpu_program *cpu = program->impl;
    if (!cpu) { return; }
    for (int r = 0; r < 3; r++) { rep_aligned_free(cpu->memory[r]); }
    rep_aligned_free(cpu->scratch);
    free(cpu->calls);
    free(cpu);
}

/* One worker's walk over the nodes; worker 0 notes when each phase ends. */
static void walk(void *context, int index, int count) {
    rep_program *program = context;
    struct cpu_program *cpu = program->impl;
    const struct cpu *device = program->device->impl;
    const rep_worker worker = {.index = index, .count = count, .pool = device->pool};
    int phase = 0;
    for (uint32_t n = cpu->run_begin; n < cpu->run_end; n++) {
        while (index == 0 && cpu->first_node[phase + 1] <= n) {
            cpu->phase_end_s[phase++] = rep_clock_s();
        }
        kernel_of(program, n)->run(&cpu->calls[n], &worker);
        rep_pool_sync(device->pool);
    }
    for (; index == 0 && phase < REP_PHASE_COUNT; phase++) {
        cpu->phase_end_s[phase] = rep_clock_s();
    }
}

static rep_status cpu_run(rep_program *program, rep_phase first, rep_phase last) {
    struct cpu_program *cpu = program->impl;
    const struct cpu *device = program->device->impl;
    cpu->run_begin = cpu->first_node[first];
    cpu->run_end = cpu->first_node[last + 1];
    double begin_s = rep_clock_s();
    rep_pool_run(device->pool, walk, program);
    for (uint32_t p = first; p <= (uint32_t)last; p++) {
        program->ms[p] = (cpu->phase_end_s[p] - begin_s) * 1e3;
        begin_s = cpu->phase_end_s[p];
    }
    return REP_OK;
}

static rep_status cpu_run_node(rep_program *program, uint32_t node) {
    struct cpu_program *cpu = program->impl;
    const struct cpu *device = program->device->impl;
    cpu->run_begin = node;
    cpu->run_end = node + 1;
    rep_pool_run(device->pool, walk, program);
    return REP_OK;
}

static rep_status cpu_write(rep_program *program, rep_id tensor, const void *data, size_t bytes) {
    memcpy(locate(program, tensor), data, bytes);
    return REP_OK;
}

static rep_status cpu_read(rep_program *program, rep_id tensor, void *data, size_t bytes) {
    memcpy(data, locate(program, tensor), bytes);
    return REP_OK;
}

/* One call of all workers, who meet behind it; a step is one call of the pool. */
static void cpu_describe_node(const rep_program *program, uint32_t node, rep_node_info *out) {
    const struct cpu *device = program->device->impl;
    (void)node;
    out->dispatch_count = 1;
    out->dispatches[0].shader = device->isa->name;
    out->dispatches[0].x = (uint32_t)rep_pool_threads(device->pool);
    out->dispatches[0].y = out->dispatches[0].z = 1;
    out->barriers = 1;
    out->submission = 0;
}

static void cpu_close(rep_device *device) {
    struct cpu *cpu = device->impl;
    if (!cpu) { return; }
    rep_pool_destroy(cpu->pool);
    free(cpu);
}

static const rep_backend backend = {.program_prepare = cpu_prepare,
                                    .program_release = cpu_release,
                                    .run = cpu_run,
                                    .run_node = cpu_run_node,
                                    .write = cpu_write,
                                    .read = cpu_read,
                                    .describe_node = cpu_describe_node,
                                    .close = cpu_close};

rep_status rep_cpu_open(rep_device *device, const rep_isa *isa, int threads) {
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) { return rep_fail(REP_ERR_MEMORY, "device: out of memory"); }
    device->backend = &backend;
    device->impl = cpu;
    cpu->isa = isa;
    REP_TRY(rep_pool_create(&cpu->pool, threads));
    device->info.threads = rep_pool_threads(cpu->pool);
    return REP_OK;
}
