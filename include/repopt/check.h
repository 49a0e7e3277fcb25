/* check.h - one op after another on a device, against double precision: for drivers and shaders.
 *
 * Every op has rows of inputs; a row runs once per variant of the op's shaders that the device can
 * run. A row that fails leaves a folder that holds one dispatch: its SPIR-V, its buffers and what
 * was wanted. Such a folder can be run again, on another driver too.
 *
 *     rep_check_result result;
 *     REP_TRY(rep_check(&result, &(rep_check_options){.device = "vulkan", .on_row = print_row}));
 *     printf("%zu of %zu rows failed on %s\n", result.failed, result.rows, result.device.name);
 */
#ifndef REPOPT_CHECK_H
#define REPOPT_CHECK_H

#include "repopt/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rep_verdict { REP_NOT_CHECKED, REP_PASSED, REP_FAILED } rep_verdict;

/* One row in one variant. Figures are 0 where the row did not come that far. */
typedef struct rep_check_row {
    const char *op;
    int number;        /* 1, 2, ... among the rows of its op */
    char variant[48];  /* parts of its shaders' names: "", ".sub", ".depthwise.f16" */
    char shaders[200]; /* "channel_sum.sub + channel_sum.2"; "" on a CPU */
    char inputs[200];  /* their shapes {n,c,h,w} */
    bool has_passed;
    char fault[1024];    /* the first thing that is wrong, a sentence; "" when it passed */
    char folder[600];    /* where the dispatch was kept; "" when it was not */
    double error, bound; /* sum (got - expected)^2 / sum expected^2, and the most it may be */
    double rms;          /* its square root */
    double max_ulp;      /* largest difference in units in the last place of the expected value */
    size_t count;        /* elements of all outputs */
    uint32_t worst_output;
    size_t worst; /* where the difference is largest: element in storage order n, h, w, c */
    double got, expected;
    double ms;            /* of one run; below 0: not timed */
    rep_verdict guards;   /* nothing written outside the outputs */
    rep_verdict repeat;   /* a second run gives the same bits */
    rep_verdict in_place; /* and so does a run with the output in the input's memory */
    rep_verdict limits;   /* groups, bindings, shared memory and features are the device's */
} rep_check_row;

typedef struct rep_check_options {
    const char *device; /* as rep_device_open takes it; NULL: the first Vulkan device */
    const char *op;     /* this op alone; NULL: all */
    int number;         /* this row of each op alone; 0: all */
    const char *folder; /* failures are kept below it; NULL: nowhere */
    /* Called after each row; `done` of `total` cases are behind. */
    void (*on_row)(void *context, const rep_check_row *row, size_t done, size_t total);
    void *context;
    const volatile int *stop; /* not 0: REP_ERR_INTERRUPTED before the next row; NULL: never */
} rep_check_options;

typedef struct rep_check_result {
    rep_device_info device;
    size_t rows, failed;
} rep_check_result;

/* Runs the rows. A row that fails is counted and is no error. REP_ERR_ARGUMENT: no such op or row;
 * REP_ERR_DEVICE: no such device; REP_ERR_SHADER: a shader of rep_vulkan_options.shader_folder does
 * not compile; REP_ERR_IO: a folder cannot be written. */
REP_NODISCARD rep_status rep_check(rep_check_result *out, const rep_check_options *options);

/* Runs the dispatch kept in `folder` on a Vulkan device (NULL: the first one). REP_ERR_DATA when
 * the folder is damaged; the message names the file and the fault. row->op stays valid until the
 * next replay. */
REP_NODISCARD rep_status rep_check_replay(rep_check_row *row, rep_device_info *device,
                                          const char *folder, const char *device_name);

/* Calls visit for every row there is, in order. */
void rep_check_list(void (*visit)(void *context, const char *op, int number, const char *inputs),
                    void *context);

#ifdef __cplusplus
}
#endif
#endif
