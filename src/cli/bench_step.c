/* bench_step.c - what the timed training steps of `repopt bench` share; see bench_step.h. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench_step.h"

enum { STEP_MS, PHASE_MS, HOST_MS = PHASE_MS + REP_PHASE_COUNT };

static rep_status make_rows(bench_rows *rows, const rep_model *model) {
    const size_t count = rep_model_block_count(model);
    int32_t widest = 0;
    for (size_t i = 0; i < count; i++) {
        const rep_block *b = rep_model_block(model, i);
        if (b->c_out > widest) { widest = b->c_out; }
    }
    rows->ones = malloc((size_t)widest * sizeof *rows->ones);
    rows->items = calloc(count, sizeof *rows->items);
    rows->list = calloc(count, sizeof *rows->list);
    if (!rows->ones || !rows->items || !rows->list) {
        return rep_fail(REP_ERR_MEMORY, "bench: out of memory");
    }
    for (int32_t c = 0; c < widest; c++) { rows->ones[c] = 1.0f; }
    for (size_t i = 0; i < count; i++) {
        const rep_block *b = rep_model_block(model, i);
        rows->items[i] = (rep_scale_row){.channels = b->c_out,
                                         .is_triple = b->has_identity,
                                         .s = rows->ones,
                                         .t = rows->ones,
                                         .u = b->has_identity ? rows->ones : NULL};
        snprintf(rows->items[i].name, sizeof rows->items[i].name, "%s", b->name);
        rows->list[i] = &rows->items[i];
    }
    return REP_OK;
}

void bench_rows_clear(bench_rows *rows) {
    free(rows->ones);
    free(rows->items);
    free(rows->list);
}

rep_status bench_append_optimizer(rep_optimizer **out, bench_rows *rows, rep_graph *graph,
                                  const rep_model *model, rep_mode mode) {
    const rep_optimizer_spec spec = {
        .sgd = {.momentum = 0.9f, .nesterov = 1}, .lr_factor_bias = 1.0f, .weight_decay = 4e-5f};
    if (mode == REP_MODE_TARGET) { REP_TRY(make_rows(rows, model)); }
    return rep_optimizer_append(out, graph, model, &spec, rows->list);
}

void bench_first_step(float step[REP_STEP_WORDS], int32_t batch) {
    step[REP_STEP_LR] = 1e-3f;
    step[REP_STEP_APPLY] = 1;
    step[REP_STEP_FIRST] = 1;
    step[REP_STEP_GRAD_SCALE] = 1;
    step[REP_STEP_VALID] = (float)batch;
}

rep_status bench_step(double *ms, rep_program *program, const rep_model *model,
                      float step[REP_STEP_WORDS], rep_status (*write_batch)(void *context),
                      void *context) {
    const rep_model_io *io = rep_model_io_get(model);
    float loss = 0;
    const double begin = bench_clock_ms(), host = rep_program_host_ms(program);
    REP_TRY(rep_program_write(program, io->step, step, REP_STEP_WORDS));
    REP_TRY(rep_program_run(program, REP_FORWARD, REP_BACKWARD));
    REP_TRY(write_batch(context));
    REP_TRY(rep_program_read(program, io->loss, &loss, 1));
    REP_TRY(rep_program_run(program, REP_UPDATE, REP_UPDATE));
    ms[STEP_MS] = bench_clock_ms() - begin;
    rep_program_times(program, ms + PHASE_MS);
    ms[HOST_MS] = rep_program_host_ms(program) - host;
    step[REP_STEP_FIRST] = 0;
    return REP_OK;
}

rep_status bench_check_loss(rep_program *program, const rep_model *model) {
    float loss = 0;
    REP_TRY(rep_program_read(program, rep_model_io_get(model)->loss, &loss, 1));
    if (!(loss > 0 && loss < 100)) {
        return rep_fail(REP_ERR_NUMERIC, "bench: the loss became %g; the timed step is not a step",
                        (double)loss);
    }
    return REP_OK;
}

void bench_add_step(cJSON *out, const bench_samples *samples, int32_t batch, double gflop,
                    const bench_options *options) {
    const double ms = bench_median(samples->ms[STEP_MS], samples->count);
    cJSON_AddNumberToObject(out, "batch", batch);
    bench_add_summary(out, "ms", samples->ms[STEP_MS], samples->count);
    bench_add(out, "images_s", batch / ms * 1e3, 2);
    bench_add_rates(out, gflop, ms, options->peak_gflop_s);
}

void bench_add_phases(cJSON *out, const bench_samples *samples, const bench_options *options) {
    static const char *const keys[] = {"fwd_ms", "bwd_ms", "opt_ms"};
    for (int p = 0; p < REP_PHASE_COUNT; p++) {
        bench_add(out, keys[p], bench_median(samples->ms[PHASE_MS + p], samples->count), 4);
    }
    if (options->is_vulkan) {
        bench_add(out, "host_us", 1e3 * bench_median(samples->ms[HOST_MS], samples->count), 1);
    }
}
