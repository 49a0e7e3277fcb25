/* bench.h - what the workloads of `repopt bench` share: options, samples, the JSON line.
 *
 * Every workload runs in a process of its own, so that its peak memory is its own and one
 * workload's heap cannot speed up the next. It fills a JSON object; cmd_bench.c adds name, device
 * and memory.
 */
#ifndef REP_CLI_BENCH_H
#define REP_CLI_BENCH_H

#include <cjson/cJSON.h>

#include "repopt/device.h"

typedef struct bench_options {
    const char *device, *description;
    bool is_vulkan;
    int threads;
    int warmup, steps;   /* untimed steps; timed ones, at least */
    double min_ms;       /* and at least this much timed work */
    double peak_gflop_s; /* the measured ceiling peak_share is a share of; 0: not measured */
} bench_options;

enum {
    BENCH_CPU_ONLY = 1,  /* says nothing about another device */
    BENCH_NAMED_ONLY = 2 /* takes long, or says little by itself: not among "all" */
};

typedef struct bench_workload {
    const char *name, *summary;
    rep_status (*run)(const struct bench_workload *workload, const bench_options *options,
                      cJSON *out);
    const void *detail; /* what `run` makes of it */
    unsigned flags;     /* BENCH_CPU_ONLY, ... */
} bench_workload;

/* The tables of bench_train.c, bench_detector.c, bench_parts.c, bench_gemm.c, bench_peak.c and
 * bench_data.c, each ended by a NULL name. */
extern const bench_workload bench_train_workloads[];
extern const bench_workload bench_detector_workloads[];
extern const bench_workload bench_part_workloads[];
extern const bench_workload bench_gemm_workloads[];
extern const bench_workload bench_peak_workloads[];
extern const bench_workload bench_data_workloads[];

/* bench_run.c. Fills device, description, threads and peak of the options from options->device, any
 * name of one; `info` keeps the strings. Returns an exit code, 0 when all is well. */
int bench_open(bench_options *options, rep_device_info *info);
/* Runs one workload in a process of its own and prints its line; returns its exit code. */
int bench_run_apart(const bench_workload *workload, const bench_options *options);

/* bench_samples.c */
/* Most times one step reports: the whole, forward, backward, update, the host's share. */
enum { BENCH_SERIES = 5, BENCH_MAX_SAMPLES = 2000 };

/* Sampled times; series 0 is the whole step. */
typedef struct bench_samples {
    double ms[BENCH_SERIES][BENCH_MAX_SAMPLES];
    size_t count;
} bench_samples;

/* Calls step(context, ms) - which times itself into ms[0..BENCH_SERIES) - until both floors of the
 * options are met. */
REP_NODISCARD rep_status bench_measure(bench_samples *out, const bench_options *options,
                                       rep_status (*step)(void *context, double *ms),
                                       void *context);
double bench_median(const double *values, size_t count);
double bench_clock_ms(void);

/* Adds a number rounded to `digits` decimals. */
void bench_add(cJSON *out, const char *key, double value, int digits);
/* Adds <prefix>, <prefix>_min, _p10, _p90 and n of one series. */
void bench_add_summary(cJSON *out, const char *prefix, const double *values, size_t count);
/* Adds gflop, gflop_s and peak_share of `ms`. */
void bench_add_rates(cJSON *out, double gflop, double ms, double peak_gflop_s);
/* Adds planned_mib and its parts. */
void bench_add_plan(cJSON *out, const rep_program *program);

/* The rate of a large matrix product on an opened kind of device, in GFLOP/s. */
REP_NODISCARD rep_status bench_gemm_gflop_s(double *out, const rep_device_info *device);
/* The machine's own multiply-add rate on `threads` pinned threads with the instruction set of
 * `device`, in GFLOP/s. */
double bench_fma_gflop_s(const char *device, int threads);
/* `threads`, or for <= 0 the cores this process may use. */
int bench_thread_count(int threads);

/* Prints what a workload said as its line, and takes it: the keys every line has in one order, null
 * where it says nothing, then its own. */
void bench_print_line(cJSON *body, const char *name, const bench_options *options);

/* Fills `count` floats with repeatable values in [-1, 1). */
void bench_noise(float *values, size_t count, uint32_t seed);

#endif
