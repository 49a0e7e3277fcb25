/* bench_step.h - what the timed training steps of `repopt bench` share: scales, optimizer, result.
 */
#ifndef REP_CLI_BENCH_STEP_H
#define REP_CLI_BENCH_STEP_H

#include "cli/bench.h"
#include "repopt/model.h"

/* Scales of a target: ones, so that the same gradients masked again and again do not grow. */
typedef struct bench_rows {
    float *ones;
    rep_scale_row *items;
    const rep_scale_row **list; /* one per block; NULL: none are needed */
} bench_rows;
void bench_rows_clear(bench_rows *rows);

/* SGD with Nesterov's momentum behind the graph's gradients; RepOptimizer, with rows of ones, in
 * target mode. */
REP_NODISCARD rep_status bench_append_optimizer(rep_optimizer **out, bench_rows *rows,
                                                rep_graph *graph, const rep_model *model,
                                                rep_mode mode);
/* The step block of a first step; later ones have REP_STEP_FIRST 0. */
void bench_first_step(float step[REP_STEP_WORDS], int32_t batch);
/* A training step as the trainer makes it, timed into ms[0 .. BENCH_SERIES): the step block in,
 * forward and backward, the next batch in meanwhile (`write_batch`, which is also to be called once
 * before the first step), the loss out, the update. */
REP_NODISCARD rep_status bench_step(double *ms, rep_program *program, const rep_model *model,
                                    float step[REP_STEP_WORDS],
                                    rep_status (*write_batch)(void *context), void *context);
/* A loss out of range: what was timed was no step. */
REP_NODISCARD rep_status bench_check_loss(rep_program *program, const rep_model *model);
/* Adds batch, ms, images_s and rates. */
void bench_add_step(cJSON *out, const bench_samples *samples, int32_t batch, double gflop,
                    const bench_options *options);
/* Adds fwd_ms, bwd_ms and opt_ms, and host_us, on a Vulkan device the host's share: handing
 * recorded work over, submissions included. */
void bench_add_phases(cJSON *out, const bench_samples *samples, const bench_options *options);

#endif
