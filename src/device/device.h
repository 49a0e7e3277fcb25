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
    rep_status (*run)(rep_program *program, rep_phase first, rep_phase last);
    rep_status (*run_node)(rep_program *program, uint32_t node);
    void *(*map)(rep_program *program, rep_id tensor); /* host-visible bytes of a tensor */
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

/* Opens the CPU with one instruction set. */
rep_status rep_cpu_open(rep_device *device, const rep_isa *isa, int threads);

#endif
