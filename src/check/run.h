/* run.h - what the check room's own files share: variants, the measured row, the kept dispatch. */
#ifndef REP_CHECK_RUN_H
#define REP_CHECK_RUN_H

#include "check/check.h"

/* ---- variant.c ------------------------------------------------------------------------------- */
enum { REP_MAX_VARIANTS = 16 };
/* One way a device can compute a row. */
typedef struct rep_variant {
    char allowed[48]; /* for rep_vulkan_allow */
    uint32_t half;    /* for rep_rig_options */
    char name[48], shaders[200];
    char fault[1024]; /* why it cannot run at all; "" when it can */
} rep_variant;
/* The variants a Vulkan device and its shaders have for a row; a CPU has one. A row that cannot run
 * has one too, with the reason. REP_ERR_SHADER: a source does not compile. */
rep_status rep_variant_find(rep_variant list[REP_MAX_VARIANTS], size_t *count, rep_device *device,
                            const rep_case *row);
/* The parts of the shaders' names behind the op's, pass numbers left out: ".depthwise.sub". */
void rep_variant_name(char *name, size_t bytes, const rep_dispatch *dispatch);
void rep_variant_shaders(char *text, size_t bytes, const rep_dispatch *dispatch);

/* ---- compare.c ------------------------------------------------------------------------------- */
/* Fills error, rms, max_ulp, count, worst_output, worst, got, expected of `row`. The outputs lie
 * one after another, counts[o] elements of type types[o]. */
void rep_compare(rep_check_row *row, const double *got, const double *expected,
                 const size_t *counts, const rep_dtype *types, uint32_t outputs);
/* The bound for outputs in half precision, of a row whose bound in floats is `bound`. */
double rep_half_bound(double bound, const double *expected, size_t count);
/* The sentence for a row whose error is beyond its bound. */
void rep_compare_explain(rep_check_row *row);

/* ---- measure.c ------------------------------------------------------------------------------- */
/* The reference's outputs for a row whose tensors `half` hold halves; free *values. */
rep_status rep_measure_reference(double **values, size_t *count, rep_device *reference,
                                 const rep_case *row, uint32_t half);
/* Runs one variant of a row and fills `out`, which names it already. Failures of the device are
 * findings; a status is returned for REP_ERR_LOST, REP_ERR_MEMORY of the host and REP_ERR_IO. */
rep_status rep_measure(rep_check_row *out, rep_device *device, const rep_case *row,
                       const rep_variant *variant, const double *truth, const char *folder);

/* ---- check.c --------------------------------------------------------------------------------- */
/* NULL: the first Vulkan device. */
rep_status rep_check_open(rep_device **out, const char *name);

/* ---- keep.c ---------------------------------------------------------------------------------- */
/* Writes a dispatch into `folder`: what it ran on, what came (`got`, or NULL) and what was wanted.
 * The outputs lie one after another. */
rep_status rep_keep(const char *folder, const rep_rig *rig, const rep_check_row *row,
                    const double *got, const double *expected);

/* ---- kept.c ---------------------------------------------------------------------------------- */
enum { REP_KEPT_MOST_BYTES = 1 << 30, REP_KEPT_GUARD = 256 };
/* A tensor's kind in a kept dispatch. */
typedef struct rep_kept_binding {
    bool is_output;
    uint32_t index; /* of the input or output */
    rep_dtype dtype;
    size_t count;
    double *expected; /* of an output */
} rep_kept_binding;
typedef struct rep_kept {
    char op[64], variant[48];
    int number;
    double bound;
    rep_dispatch dispatch; /* blocks with guards of REP_KEPT_GUARD bytes */
    rep_kept_binding bindings[REP_DISPATCH_BINDINGS];
    void *code[REP_DISPATCH_PASSES];
} rep_kept;
/* Reads what rep_keep wrote. REP_ERR_IO or REP_ERR_DATA names the file and the fault. */
rep_status rep_kept_open(rep_kept *out, const char *folder);
void rep_kept_close(rep_kept *kept);

#endif
