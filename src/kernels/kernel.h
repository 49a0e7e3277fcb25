/* kernel.h - what a CPU kernel is handed.
 *
 * Each src/kernels/<op>.c is compiled once per instruction set with -DREP_ISA=<set> and defines one
 * table entry with REP_KERNEL(op, run, scratch_bytes). Every worker thread calls `run` with the
 * same call; the kernel divides the work by worker->index of worker->count so that results do not
 * depend on the count: outputs are divided, sums never are (or are cut at fixed places and joined
 * in order).
 */
#ifndef REP_KERNELS_KERNEL_H
#define REP_KERNELS_KERNEL_H

#include "graph/graph.h"

/* For a function handed to a loop as a constant: the loop is then compiled with it inside. */
#define REP_INLINE static inline __attribute__((always_inline))

typedef struct rep_operand {
    void *data; /* real* or int32_t*, 64-byte aligned unless it is a placed child; NULL: left out */
    rep_shape shape; /* logical dims; storage n, h, w, c */
} rep_operand;

typedef struct rep_kernel_call {
    rep_operand in[REP_MAX_INPUTS];
    rep_operand out[REP_MAX_OUTPUTS];
    const void *params; /* the op's block */
    void *scratch; /* scratch_bytes(call, threads) bytes, 64-byte aligned, shared by all workers */
} rep_kernel_call;

typedef struct rep_worker {
    int index, count;
    struct rep_pool *pool;
} rep_worker;

/* Waits until every worker of the running kernel has come here. */
void rep_worker_sync(const rep_worker *worker);

typedef struct rep_kernel {
    void (*run)(const rep_kernel_call *call, const rep_worker *worker);
    size_t (*scratch_bytes)(const rep_kernel_call *call, int threads); /* NULL: none */
} rep_kernel;

#ifdef REP_ISA
#define REP_PASTE2(a, b) a##_##b
#define REP_PASTE(a, b) REP_PASTE2(a, b)
/* A name that carries the instruction set, for functions shared between kernel files. */
#define REP_ISA_NAME(name) REP_PASTE(name, REP_ISA)
#define REP_KERNEL(op, run_, scratch_)                                        \
    extern const rep_kernel REP_ISA_NAME(rep_kernel_##op);                    \
    const rep_kernel REP_ISA_NAME(rep_kernel_##op) = {(run_), (scratch_)}
#endif

/* The part [*begin, *end) of `total` items that falls to this worker, in multiples of `grain`. */
static inline void rep_worker_range(const rep_worker *worker, size_t total, size_t grain,
                                    size_t *begin, size_t *end) {
    const size_t units = (total + grain - 1) / grain;
    const size_t index = (size_t)worker->index, count = (size_t)worker->count;
    *begin = units * index / count * grain;
    *end = units * (index + 1) / count * grain;
    if (*begin > total) { *begin = total; }
    if (*end > total) { *end = total; }
}

#endif
