/* device.h - where a graph runs: devices and the programs they run.
 *
 * A device turns a graph into a program once: memory is planned and allocated, kernels chosen. A
 * step then is one call without allocation.
 *
 *     rep_device *device = NULL;
 *     rep_program *train = NULL;
 *     REP_TRY(rep_device_open(&device, "auto", 2));
 *     REP_TRY(rep_program_create(&train, device, graph, NULL, NULL));
 *     REP_TRY(rep_program_write(train, x, batch, bytes));
 *     REP_TRY(rep_program_run(train, REP_FORWARD, REP_UPDATE));
 */
#ifndef REPOPT_DEVICE_H
#define REPOPT_DEVICE_H

#include "repopt/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rep_device rep_device;
typedef struct rep_program rep_program;

/* Opens a device. `name`: "auto" (a discrete, else an integrated GPU, else the CPU), "cpu",
 * "cpu:<set>" with an instruction set of rep_device_list ("cpu:avx2", "cpu:float64" the double
 * precision reference), "vulkan:<index>", or a Vulkan device's UUID or a part of its name or driver
 * in any case. threads <= 0 takes every core of the machine; it is for the CPU. Errors:
 * REP_ERR_DEVICE names what there is instead. */
REP_NODISCARD rep_status rep_device_open(rep_device **out, const char *name, int threads);
void rep_device_close(rep_device *device);

typedef struct rep_device_info {
    char name[64]; /* what rep_device_open takes, "cpu:avx512" */
    char description[256];
    size_t real_bytes; /* of one REP_F32 element on this device: 4, or 8 for the reference */
    int threads;
    bool is_default; /* `auto` takes it */
    bool is_usable;  /* this machine can run it */
    /* Vulkan devices only: */
    bool is_vulkan, is_software;
    char kind[16]; /* "discrete", "integrated", "virtual", "software", "other" */
    char driver[304], uuid[37], api[16];
    uint64_t memory_bytes, binding_bytes; /* device-local memory; the largest binding */
    uint32_t subgroup_size;               /* 0: no arithmetic within subgroups */
    uint32_t invocations, shared_bytes;   /* of one workgroup */
    bool has_f16, has_matrix;             /* 16-bit storage; matrix units */
} rep_device_info;

/* Why `auto` takes the device it takes: a sentence. */
void rep_device_explain_auto(char *out, size_t bytes);

/* Every device this build knows: fills info[0..capacity) and returns how many there are. */
size_t rep_device_list(rep_device_info *info, size_t capacity);
void rep_device_describe(const rep_device *device, rep_device_info *info);

/* Makes a program of a checked graph. State tensors of `state_of` (a program of the same device, or
 * NULL) with the same names are shared instead of allocated; `prefix` ("ema." or NULL) goes before
 * the names looked up there, and every state tensor must then be found. The graph is borrowed and
 * must outlive the program; so must `state_of`. State starts as zeros. */
REP_NODISCARD rep_status rep_program_create(rep_program **out, rep_device *device,
                                            const rep_graph *graph, rep_program *state_of,
                                            const char *prefix);
void rep_program_destroy(rep_program *program);

/* Runs the nodes of phases first .. last. A Vulkan device may still be at work when this returns:
 * reads and rep_program_wait wait for it and report its errors. io tensors that are written in the
 * meantime are the next run's. */
REP_NODISCARD rep_status rep_program_run(rep_program *program, rep_phase first, rep_phase last);
REP_NODISCARD rep_status rep_program_wait(rep_program *program);

/* Copies a tensor in or out, in storage order (n, h, w, c), as float or int32_t; `count` elements
 * must be the tensor's. The float64 device converts. Any state or io tensor, and any work tensor
 * whose memory no later node reuses. */
REP_NODISCARD rep_status rep_program_write(rep_program *program, rep_id tensor, const void *data,
                                           size_t count);
REP_NODISCARD rep_status rep_program_read(rep_program *program, rep_id tensor, void *data,
                                          size_t count);
/* As rep_program_read / _write for REP_F32 tensors, in double precision. */
REP_NODISCARD rep_status rep_program_read_f64(rep_program *program, rep_id tensor, double *data,
                                              size_t count);
REP_NODISCARD rep_status rep_program_write_f64(rep_program *program, rep_id tensor,
                                               const double *data, size_t count);

/* Milliseconds each phase of the last runs took, those of them that were waited for; phases not run
 * keep their last figure. */
void rep_program_times(const rep_program *program, double ms[REP_PHASE_COUNT]);
/* Milliseconds the host has spent in all on handing recorded work to the device: 0 on the CPU. */
double rep_program_host_ms(const rep_program *program);

typedef struct rep_program_memory {
    size_t state_bytes, work_bytes, io_bytes, scratch_bytes;
    size_t unplanned_work_bytes; /* what work would take without reuse */
} rep_program_memory;
void rep_program_memory_get(const rep_program *program, rep_program_memory *out);

/* Runs forward and backward again, node by node, and finds the first node that writes a value that
 * is not finite. Sets *tensor to that output's id, or to 0 when there is none. */
REP_NODISCARD rep_status rep_program_find_nonfinite(rep_program *program, rep_id *tensor);

/* Times each node of one run: visit(ctx, node index, op name, output tensor, milliseconds). State
 * tensors are put back behind it, bit by bit, so that a training goes on as if nothing had been. */
typedef void (*rep_node_visit)(void *ctx, uint32_t node, const char *op, rep_id tensor, double ms);
REP_NODISCARD rep_status rep_program_profile(rep_program *program, rep_node_visit visit, void *ctx);

/* What a program does for one node. Strings are borrowed from program and graph. */
typedef struct rep_node_info {
    const char *op, *name;
    rep_phase phase;
    rep_id output;                      /* its first output */
    uint64_t read_bytes, written_bytes; /* tensors in and out, each counted once */
    uint32_t dispatch_count;            /* passes over the data */
    struct {
        const char *shader; /* its module, or the CPU kernel's instruction set */
        uint32_t x, y, z;   /* workgroups, or threads */
    } dispatches[4];
    uint32_t barriers;   /* before it and between its passes */
    uint32_t submission; /* which one of a step it is part of, 0 first; REP_NOT_SUBMITTED before
                            its phase has run once */
} rep_node_info;
#define REP_NOT_SUBMITTED 0xffffffffu
/* `node` is below rep_graph_node_count of the program's graph. */
void rep_program_node(const rep_program *program, uint32_t node, rep_node_info *out);

/* ---- Vulkan ---------------------------------------------------------------------------------- */

/* Settings of all Vulkan devices; zeros are the defaults. Strings are borrowed: keep them. */
typedef struct rep_vulkan_options {
    const char *cache_folder;  /* compiled pipelines are kept there; NULL: nowhere */
    bool has_validation;       /* the Khronos validation layer; its first message fails the call */
    bool has_gpu_validation;   /* with its GPU-assisted checks */
    bool is_small;             /* simulate the smallest device: guaranteed limits, nothing more */
    bool is_like_gpu;          /* software drivers as if they were GPUs: tiled convolutions, timed,
                                  and a memory of their own */
    uint64_t lose_after;       /* tests: the device is lost after so many submissions; 0: never */
    const char *fail_shader;   /* tests: this shader does not compile */
    const char *shader_folder; /* GLSL compiled at run time instead of the build's shaders */
} rep_vulkan_options;
/* Call before devices are listed or opened. NULL: the defaults. */
void rep_vulkan_configure(const rep_vulkan_options *options);

#ifdef __cplusplus
}
#endif
#endif
