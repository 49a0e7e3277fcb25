/* bench_detector.c - the detector in `repopt bench`: training steps and inference at 320 x 320.
 *
 * det-320-*: one step of batch 4 as the trainer does it: write pictures, targets and the step
 * block, run forward, backward and update. det-320-infer-*: BN folded, pictures in, outputs ready
 * to be decoded. gflop counts direct convolutions, as bench_train.c's does.
 */
#include <stdlib.h>

#include "cli/bench.h"
#include "cli/bench_step.h"
#include "repopt/detector.h"

enum { SIDE_PX = 320, CLASSES = 3, KEYPOINTS = 5, INPUTS_PER_LEVEL = 6, POSITIVE_EVERY = 40 };

typedef struct bench_detector {
    rep_mode mode;
    int32_t batch;
    bool is_training;
} bench_detector;

static const bench_detector nets[] = {
    {REP_MODE_TARGET, 4, true},
    {REP_MODE_HYPER_SEARCH, 4, true},
    {REP_MODE_TARGET, 1, false},
    {REP_MODE_TARGET, 8, false},
};

/* What is written before each step: one tensor of floats, or of labels. */
typedef struct feed {
    rep_id id;
    void *values;
    size_t count;
} feed;

typedef struct detector_setup {
    const bench_detector *net;
    rep_detector_spec spec;
    rep_device *device;
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
    bench_rows rows;
    feed feeds[3 + INPUTS_PER_LEVEL * REP_DETECTOR_LEVELS];
    size_t feed_count;
    float step[REP_STEP_WORDS];
} detector_setup;

/* Multiply-adds of a 3x3 or 1x1 convolution on a square output. */
static double conv_operations(int32_t side, double c_in, double c_out, double taps) {
    return 2.0 * side * side * c_in * c_out * taps;
}

/* Of the plain net's forward pass for one picture, in units of 1e9 operations. */
static double forward_gflop(const detector_setup *s) {
    const rep_detector_io *io = rep_detector_io_get(s->model);
    const double fpn = s->spec.fpn_channels;
    const double outputs = s->spec.cls_channels + 4 + 2 * s->spec.num_keypoints;
    const size_t towers = 3 * (size_t)s->spec.tower_blocks;
    const size_t backbone = rep_model_block_count(s->model) - towers;
    double operations = 0;
    int32_t side = SIDE_PX;
    for (size_t i = 0; i < backbone; i++) {
        const rep_block *b = rep_model_block(s->model, i);
        side = (side + b->stride - 1) / b->stride;
        operations += conv_operations(side, b->c_in, b->c_out, 9);
    }
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const int32_t height = io->levels[i].height;
        if (i < 3) { operations += conv_operations(height, s->spec.channels[i + 2], fpn, 1); }
        operations += conv_operations(height, fpn, fpn, 9);
        operations += (double)towers * conv_operations(height, fpn, fpn, 9);
        operations += conv_operations(height, fpn, outputs, 9);
    }
    return operations / 1e9;
}

/* `count` values of four bytes, zero, that go into `id` before each step. */
static rep_status add_feed(detector_setup *s, rep_id id, void **values, size_t *count) {
    *count = rep_shape_count(rep_graph_shape(s->graph, id));
    *values = calloc(*count, 4);
    if (!*values) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    s->feeds[s->feed_count++] = (feed){id, *values, *count};
    return REP_OK;
}

/* Floats that are `value` at positive cells. */
static rep_status feed_cells(detector_setup *s, rep_id id, float value) {
    void *memory = NULL;
    size_t count = 0;
    REP_TRY(add_feed(s, id, &memory, &count));
    const size_t columns = (size_t)rep_graph_shape(s->graph, id).c;
    float *values = memory;
    for (size_t i = 0; i < count; i++) {
        if (i / columns % POSITIVE_EVERY == 0) { values[i] = value; }
    }
    return REP_OK;
}

static rep_status feed_level(detector_setup *s, const rep_detector_level *level,
                             double *positives) {
    void *memory = NULL;
    size_t count = 0;
    REP_TRY(add_feed(s, level->labels, &memory, &count));
    int32_t *labels = memory;
    for (size_t i = 0; i < count; i += POSITIVE_EVERY) {
        labels[i] = 1 + (int32_t)(i / POSITIVE_EVERY % CLASSES);
        *positives += 1;
    }
    REP_TRY(feed_cells(s, level->box_targets, 2.0f));
    REP_TRY(feed_cells(s, level->positives, 1.0f));
    REP_TRY(feed_cells(s, level->centerness_target, 0.5f));
    REP_TRY(feed_cells(s, level->keypoint_targets, 0.25f));
    return feed_cells(s, level->keypoint_weights, 1.0f);
}

static rep_status draw_batch(detector_setup *s) {
    const rep_detector_io *io = rep_detector_io_get(s->model);
    void *values = NULL;
    size_t count = 0;
    double positives = 0;
    REP_TRY(add_feed(s, io->image, &values, &count));
    bench_noise(values, count, 1);
    if (!s->net->is_training) { return REP_OK; }
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        REP_TRY(feed_level(s, &io->levels[i], &positives));
    }
    REP_TRY(add_feed(s, io->norms, &values, &count));
    rep_detector_norms_get(values, positives, positives / 2, positives * KEYPOINTS);
    bench_first_step(s->step, s->net->batch);
    return REP_OK;
}

static rep_status build(detector_setup *s, const bench_options *options) {
    const bench_detector *net = s->net;
    REP_TRY(rep_device_open(&s->device, options->device, options->threads));
    REP_TRY(rep_graph_create(&s->graph));
    rep_detector_spec_init(&s->spec, CLASSES, KEYPOINTS);
    s->spec.is_deployed = !net->is_training;
    REP_TRY(rep_detector_build(&s->model, s->graph, &s->spec, net->mode, net->is_training,
                               net->batch, SIDE_PX, SIDE_PX));
    if (net->is_training) {
        REP_TRY(rep_graph_backward(s->graph, rep_model_io_get(s->model)->loss, 0));
        REP_TRY(bench_append_optimizer(&s->optimizer, &s->rows, s->graph, s->model, net->mode));
    }
    REP_TRY(rep_program_create(&s->program, s->device, s->graph, NULL, NULL));
    REP_TRY(rep_model_init(s->model, s->graph, s->program, 0));
    return s->optimizer ? rep_optimizer_upload(s->optimizer, s->program) : REP_OK;
}

static rep_status write_feeds(void *context) {
    const detector_setup *s = context;
    for (size_t i = 0; i < s->feed_count; i++) {
        const feed *f = &s->feeds[i];
        REP_TRY(rep_program_write(s->program, f->id, f->values, f->count));
    }
    return REP_OK;
}

static rep_status run_step(void *context, double *ms) {
    detector_setup *s = context;
    if (s->net->is_training) {
        return bench_step(ms, s->program, s->model, s->step, write_feeds, s);
    }
    const double begin = bench_clock_ms();
    REP_TRY(write_feeds(s));
    REP_TRY(rep_program_run(s->program, REP_FORWARD, REP_FORWARD));
    REP_TRY(rep_program_wait(s->program));
    ms[0] = bench_clock_ms() - begin;
    return REP_OK;
}

static rep_status measure(detector_setup *s, const bench_options *options, bench_samples *samples,
                          cJSON *out) {
    REP_TRY(build(s, options));
    REP_TRY(draw_batch(s));
    REP_TRY(write_feeds(s));
    REP_TRY(bench_measure(samples, options, run_step, s));
    if (s->net->is_training) {
        REP_TRY(bench_check_loss(s->program, s->model));
        bench_add_phases(out, samples, options);
    }
    const double passes = s->net->is_training ? 3 : 1;
    bench_add_step(out, samples, s->net->batch, passes * s->net->batch * forward_gflop(s), options);
    bench_add_plan(out, s->program);
    return REP_OK;
}

static rep_status run(const bench_workload *workload, const bench_options *options, cJSON *out) {
    detector_setup *s = calloc(1, sizeof *s);
    bench_samples *samples = calloc(1, sizeof *samples);
    rep_status status = REP_OK;
    if (!s || !samples) {
        status = rep_fail(REP_ERR_MEMORY, "bench: out of memory");
        goto done;
    }
    s->net = workload->detail;
    status = measure(s, options, samples, out);
    for (size_t i = 0; i < s->feed_count; i++) { free(s->feeds[i].values); }
    bench_rows_clear(&s->rows);
    rep_program_destroy(s->program);
    rep_optimizer_destroy(s->optimizer);
    rep_model_destroy(s->model);
    rep_graph_destroy(s->graph);
    rep_device_close(s->device);
done:
    free(samples);
    free(s);
    return status;
}

const bench_workload bench_detector_workloads[] = {
    {"det-320-target", "step of the detector at 320x320, batch 4, RepOptimizer", run, &nets[0], 0},
    {"det-320-hs", "the same net searching its scales", run, &nets[1], 0},
    {"det-320-infer-b1", "the detector's outputs for one picture, BN folded", run, &nets[2], 0},
    {"det-320-infer-b8", "the same for eight pictures", run, &nets[3], 0},
    {NULL, NULL, NULL, NULL, 0},
};
