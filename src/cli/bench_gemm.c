/* bench_gemm.c - one large matrix product on any device: a 1x1 convolution of many channels.
 *
 * On a GPU its rate stands in for the peak that peak_share is a share of: what this program's own
 * tiles reach at their best, not what the card's data sheet says.
 */
#include <stdlib.h>

#include "cli/bench.h"

typedef struct gemm_setup {
    rep_device *device;
    rep_graph *graph;
    rep_program *program;
    int32_t channels, rows;
} gemm_setup;

static rep_status write_noise(const gemm_setup *s, rep_id tensor) {
    const size_t count = rep_shape_count(rep_graph_shape(s->graph, tensor));
    float *values = malloc(count * sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    bench_noise(values, count, tensor);
    const rep_status status = rep_program_write(s->program, tensor, values, count);
    free(values);
    return status;
}

/* y[rows][channels] = x[rows][channels] * w[channels][channels] */
static rep_status build(gemm_setup *s, const char *device, int threads) {
    const rep_conv2d_params params = {.stride = 1, .groups = 1};
    const rep_shape picture = {1, s->channels, s->rows, 1};
    const rep_shape kernel = {s->channels, s->channels, 1, 1};
    REP_TRY(rep_device_open(&s->device, device, threads));
    REP_TRY(rep_graph_create(&s->graph));
    const rep_id x = rep_graph_tensor(s->graph, "x", REP_F32, picture, REP_STATE);
    const rep_id w = rep_graph_tensor(s->graph, "w", REP_F32, kernel, REP_STATE);
    REP_APPEND(s->graph, CONV2D, &params, x, w);
    REP_TRY(rep_program_create(&s->program, s->device, s->graph, NULL, NULL));
    REP_TRY(write_noise(s, x));
    return write_noise(s, w);
}

static void clear(gemm_setup *s) {
    rep_program_destroy(s->program);
    rep_graph_destroy(s->graph);
    rep_device_close(s->device);
}

/* By the device's clock where it has one, so that a submission's cost is not counted. */
static rep_status run_product(void *context, double *ms) {
    gemm_setup *s = context;
    double phases[REP_PHASE_COUNT];
    REP_TRY(rep_program_run(s->program, REP_FORWARD, REP_FORWARD));
    REP_TRY(rep_program_wait(s->program));
    rep_program_times(s->program, phases);
    ms[0] = phases[REP_FORWARD];
    return REP_OK;
}

static double gflop_of(const gemm_setup *s) {
    return 2.0 * s->rows * s->channels * s->channels / 1e9;
}

/* A software driver would take minutes for what a card does in a millisecond. */
static gemm_setup size_for(bool is_slow) {
    return is_slow ? (gemm_setup){.channels = 512, .rows = 512}
                   : (gemm_setup){.channels = 2048, .rows = 4096};
}

rep_status bench_gemm_gflop_s(double *out, const rep_device_info *device) {
    gemm_setup s = size_for(device->is_software);
    double least = 0;
    rep_status status = build(&s, device->name, 0);
    for (int i = 0; i < 5 && status == REP_OK; i++) {
        double ms = 0;
        status = run_product(&s, &ms);
        if (i > 0 && ms > 0 && (least == 0 || ms < least)) { least = ms; }
    }
    if (status == REP_OK) { *out = least > 0 ? gflop_of(&s) / least * 1e3 : 0; }
    clear(&s);
    return status;
}

static rep_status measure(gemm_setup *s, const bench_options *options, bench_samples *samples,
                          cJSON *out) {
    REP_TRY(build(s, options->device, options->threads));
    REP_TRY(bench_measure(samples, options, run_product, s));
    bench_add_summary(out, "ms", samples->ms[0], samples->count);
    bench_add_rates(out, gflop_of(s), bench_median(samples->ms[0], samples->count),
                    options->peak_gflop_s);
    cJSON_AddNumberToObject(out, "channels", s->channels);
    cJSON_AddNumberToObject(out, "rows", s->rows);
    return REP_OK;
}

static rep_status run_gemm(const bench_workload *workload, const bench_options *options,
                           cJSON *out) {
    (void)workload;
    rep_device_info info = {.is_software = true};
    rep_device *device = NULL;
    REP_TRY(rep_device_open(&device, options->device, 1));
    rep_device_describe(device, &info);
    rep_device_close(device);
    gemm_setup s = size_for(!info.is_vulkan || info.is_software);
    bench_samples *samples = calloc(1, sizeof *samples);
    if (!samples) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    const rep_status status = measure(&s, options, samples, out);
    free(samples);
    clear(&s);
    return status;
}

const bench_workload bench_gemm_workloads[] = {
    {"peak-gemm", "one matrix product of many channels: the tiles' ceiling", run_gemm, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
