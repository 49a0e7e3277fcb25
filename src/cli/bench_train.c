/* bench_train.c - the training steps of `repopt bench`: cls-small and cls-tiny, three modes each.
 *
 * gflop counts the multiply-adds of direct convolutions the plain net needs, times 2, times 3 for a
 * training step, whatever the kernels really do, so that gflop_s of two implementations compare
 * like their speed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/bench.h"
#include "cli/bench_step.h"

typedef struct bench_net {
    int32_t channels, side, batch;
    rep_mode mode;
    rep_vgg_spec spec;
} bench_net;

enum { CLASSES = 10 };

#define BENCH_VGG(in, stem, a, b, c, d)                                                            \
    {                                                                                              \
        .in_channels = (in), .num_classes = CLASSES, .stage0_width = (stem),                       \
        .widths = {(a), (b), (c), (d)}, .num_blocks = {2, 2, 2, 1}, .strides = {1, 1, 2, 2, 2},    \
        .kernel_size = 3, .act = REP_ACT_RELU, .scale_init_stage = true, .bn_eps = 1e-5f,          \
        .bn_momentum = 0.1f                                                                        \
    }
#define BENCH_SMALL(mode_)                                                                         \
    { 3, 32, 64, (mode_), BENCH_VGG(3, 64, 64, 128, 256, 512) }
#define BENCH_TINY(mode_, batch_)                                                                  \
    { 1, 28, (batch_), (mode_), BENCH_VGG(1, 16, 16, 32, 64, 128) }

static const bench_net nets[] = {
    BENCH_SMALL(REP_MODE_TARGET),          BENCH_SMALL(REP_MODE_HYPER_SEARCH),
    BENCH_SMALL(REP_MODE_REPVGG_BLOCK),    BENCH_TINY(REP_MODE_TARGET, 64),
    BENCH_TINY(REP_MODE_HYPER_SEARCH, 64), BENCH_TINY(REP_MODE_REPVGG_BLOCK, 64),
    BENCH_TINY(REP_MODE_TARGET, 8),
};

/* Everything one training step needs. */
typedef struct step_setup {
    const bench_net *net;
    rep_graph *graph;
    rep_device *device;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
    float *images;
    int32_t *labels;
    bench_rows rows;
    size_t image_count;
    float step[REP_STEP_WORDS];
} step_setup;

/* Multiply-adds of the net's convolutions and its linear layer, in units of 1e9 operations (two per
 * multiply-add), forward only. */
static double forward_gflop(const bench_net *net, const rep_model *model) {
    double operations = 0;
    int32_t side = net->side;
    for (size_t i = 0; i < rep_model_block_count(model); i++) {
        const rep_block *b = rep_model_block(model, i);
        side = (side + b->stride - 1) / b->stride;
        const double taps = (double)b->kernel * b->kernel;
        /* rep_vgg runs its 1x1 branch as a convolution of its own; the merged modes do not. */
        const double branches = net->mode == REP_MODE_REPVGG_BLOCK ? taps + 1 : taps;
        operations += 2.0 * net->batch * side * side * b->c_in * b->c_out * branches;
    }
    return operations / 1e9;
}

static rep_status build(step_setup *s, const bench_options *options) {
    const bench_net *net = s->net;
    REP_TRY(rep_device_open(&s->device, options->device, options->threads));
    REP_TRY(rep_graph_create(&s->graph));
    REP_TRY(rep_model_build(&s->model, s->graph, &net->spec, net->mode, true, net->batch, net->side,
                            net->side, 0.0f));
    REP_TRY(rep_graph_backward(s->graph, rep_model_io_get(s->model)->loss, 0));
    REP_TRY(bench_append_optimizer(&s->optimizer, &s->rows, s->graph, s->model, net->mode));
    REP_TRY(rep_graph_check(s->graph));
    REP_TRY(rep_program_create(&s->program, s->device, s->graph, NULL, NULL));
    REP_TRY(rep_model_init(s->model, s->graph, s->program, 0));
    return rep_optimizer_upload(s->optimizer, s->program);
}

static rep_status draw_batch(step_setup *s) {
    const bench_net *net = s->net;
    const size_t batch = (size_t)net->batch;
    s->image_count = batch * (size_t)net->channels * (size_t)net->side * (size_t)net->side;
    s->images = malloc(s->image_count * sizeof *s->images);
    s->labels = malloc(batch * sizeof *s->labels);
    if (!s->images || !s->labels) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    bench_noise(s->images, s->image_count, 1);
    for (size_t i = 0; i < batch; i++) { s->labels[i] = (int32_t)(i * 7 % CLASSES); }
    bench_first_step(s->step, net->batch);
    return REP_OK;
}

static rep_status write_batch(void *context) {
    const step_setup *s = context;
    const rep_model_io *io = rep_model_io_get(s->model);
    REP_TRY(rep_program_write(s->program, io->image, s->images, s->image_count));
    return rep_program_write(s->program, io->labels, s->labels, (size_t)s->net->batch);
}

static rep_status run_step(void *context, double *ms) {
    step_setup *s = context;
    return bench_step(ms, s->program, s->model, s->step, write_batch, s);
}

static rep_status measure(step_setup *s, const bench_options *options, bench_samples *samples,
                          cJSON *out) {
    REP_TRY(build(s, options));
    REP_TRY(draw_batch(s));
    REP_TRY(write_batch(s));
    REP_TRY(bench_measure(samples, options, run_step, s));
    REP_TRY(bench_check_loss(s->program, s->model));
    bench_add_phases(out, samples, options);
    bench_add_step(out, samples, s->net->batch, 3 * forward_gflop(s->net, s->model), options);
    bench_add_plan(out, s->program);
    return REP_OK;
}

static rep_status run(const bench_workload *workload, const bench_options *options, cJSON *out) {
    step_setup s = {.net = workload->detail};
    bench_samples *samples = calloc(1, sizeof *samples);
    if (!samples) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    const rep_status status = measure(&s, options, samples, out);
    free(samples);
    free(s.images);
    free(s.labels);
    bench_rows_clear(&s.rows);
    rep_optimizer_destroy(s.optimizer);
    rep_model_destroy(s.model);
    rep_program_destroy(s.program);
    rep_graph_destroy(s.graph);
    rep_device_close(s.device);
    return status;
}

const bench_workload bench_train_workloads[] = {
    {"cls-small-target", "step of a 3x32x32 classifier, batch 64, RepOptimizer", run, &nets[0], 0},
    {"cls-small-hs", "the same net searching its scales", run, &nets[1], 0},
    {"cls-small-repvgg", "the same net as RepVGG blocks", run, &nets[2], 0},
    {"cls-tiny-target", "step of a 1x28x28 classifier, batch 64, RepOptimizer", run, &nets[3], 0},
    {"cls-tiny-hs", "the same net searching its scales", run, &nets[4], 0},
    {"cls-tiny-repvgg", "the same net as RepVGG blocks", run, &nets[5], 0},
    {"cls-tiny-target-b8", "cls-tiny-target at batch 8", run, &nets[6], BENCH_NAMED_ONLY},
    {NULL, NULL, NULL, NULL, 0},
};
