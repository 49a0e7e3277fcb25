/* device.h - the device room's face: what a backend provides behind repopt/device.h. */
#ifndef REP_DEVICE_DEVICE_H
#define REP_DEVICE_DEVICE_H

#include "graph/graph.h"
#include "kernels/kernel.h"
#include "repopt/device.h"

/* A backend's functions; device.c checks arguments and dispatches. */
typedef struct rep_backend {
    rep_status (*program_prepare)(rep_program *program); /* after the plan: allocates, records */
    void (*program_release)(rep_program *program);
    /* May return while the device works; `wait` (NULL: never needed) returns when it is done. */
    rep_status (*run)(rep_program *program, rep_phase first, rep_phase last);
    rep_status (*wait)(rep_program *program);
    rep_status (*run_node)(rep_program *program, uint32_t node);
    /* All bytes of a tensor, as the device stores them. */
    rep_status (*write)(rep_program *program, rep_id tensor, const void *data, size_t bytes);
    rep_status (*read)(rep_program *program, rep_id tensor, void *data, size_t bytes);
    /* What the node's last run_node took on the device; NULL: the host's clock tells. */
    double (*node_ms)(const rep_program *program, uint32_t node);
    /* Dispatches, barriers and submission of a node. */
    void (*describe_node)(const rep_program *program, uint32_t node, rep_node_info *out);
    void (*close)(rep_device *device);
} rep_backend;

struct rep_device {
    const rep_backend *backend;
    rep_device_info info;
    void *impl;
};

struct rep_program {
    rep_device *device;
    const rep_graph *graph;
    rep_program *state_of;
    rep_plan *plan;
    double ms[REP_PHASE_COUNT];
    double host_ms; /* the host's share of all runs so far: handing work to the device */
    size_t scratch_bytes;
    void *impl;
};

/* One instruction set of the CPU kernels. */
typedef struct rep_isa {
    const char *name;
    const rep_kernel *const *kernels; /* by op */
    size_t real_bytes;
    bool (*is_usable)(void);
} rep_isa;
/* Best first; the float64 reference last. */
const rep_isa *rep_isa_list(size_t *count);

/* Phases must ascend over the nodes: phase p is then nodes first_node[p] .. first_node[p + 1]. */
rep_status rep_program_find_phases(const rep_program *program,
                                   uint32_t first_node[REP_PHASE_COUNT + 1]);

/* The Vulkan devices of this machine (vk_list.c): fills info[0..capacity), returns how many there
 * are, 0 without Vulkan. */
size_t rep_vulkan_list(rep_device_info *info, size_t capacity);
rep_status rep_vulkan_open(rep_device *device, uint32_t index);
/* Why that list is empty: a part of a sentence. */
void rep_vulkan_explain_none(char *out, size_t bytes);

/* ---- one node's dispatch, for src/check (vk_dispatch.c) -------------------------------------- */
enum {
    REP_DISPATCH_PASSES = 4,
    REP_DISPATCH_BINDINGS = 16,
    REP_DISPATCH_SPEC = 24,
    REP_DISPATCH_PUSH = 128
};
/* What is bound: one range of a block of its own. */
typedef struct rep_dispatch_binding {
    rep_id tensor;    /* 0: scratch */
    uint32_t same_as; /* the first binding of this tensor: its own index, unless one is shared */
    size_t bytes;
    void *block; /* for rep_vulkan_dispatch: the block's bytes, in and out; NULL: zeros */
    size_t block_bytes, offset;
} rep_dispatch_binding;
typedef struct rep_dispatch_pass {
    char shader[64];
    const uint32_t *words; /* SPIR-V, borrowed */
    size_t bytes;
    uint32_t groups[3];
} rep_dispatch_pass;
typedef struct rep_dispatch {
    uint32_t pass_count, spec_count, push_bytes, binding_count;
    rep_dispatch_pass passes[REP_DISPATCH_PASSES];
    uint32_t spec[REP_DISPATCH_SPEC]; /* by constant id */
    uint8_t push[REP_DISPATCH_PUSH];
    rep_dispatch_binding bindings[REP_DISPATCH_BINDINGS];
} rep_dispatch;

/* Limits which shaders programs made from now on may use: a part of a name (".sub", ".coop") is
 * taken only when it stands in `parts`, a string such as ".sub.coop" that is kept by the caller.
 * NULL: whatever the device can run, as ever. */
void rep_vulkan_allow(rep_device *device, const char *parts);
/* What a program dispatches for a node; `program` NULL: what one would. REP_ERR_SHADER only when a
 * source of shader_folder does not compile, REP_ERR_DEVICE when there is no such shader or the
 * device's limits forbid it. */
rep_status rep_vulkan_describe(rep_dispatch *out, rep_device *device, const rep_graph *graph,
                               const rep_program *program, uint32_t node);
/* Bit b: binding b is declared with elements of 16 bits (halves), with others (words), or, where
 * a pass uses it so, with both. REP_ERR_DATA for what is no SPIR-V. */
rep_status rep_vulkan_find_types(uint32_t *halves, uint32_t *words, const rep_dispatch *dispatch);
/* REP_ERR_DEVICE names the limit or feature the dispatch goes beyond. */
rep_status rep_vulkan_check_limits(const rep_device *device, const rep_dispatch *dispatch);
/* Runs it once; *ms is its time on the device. */
rep_status rep_vulkan_dispatch(double *ms, rep_device *device, const rep_dispatch *dispatch);

/* Opens the CPU with one instruction set. */
rep_status rep_cpu_open(rep_device *device, const rep_isa *isa, int threads);

#endif
