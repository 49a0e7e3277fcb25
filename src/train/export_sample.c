/* export_sample.c - whether a folded net still says what the trained one said.
 *
 * Both see the same pictures in double precision. Differences count relative to the largest output
 * of their kind: a box of 300 pixels may be off by more of them than one of 3, and a level may have
 * nothing but zeros.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/export.h"

/* Enough for every channel to be seen at work, and few enough for double precision. */
enum { MOST_PICTURES = 8, MOST_PIXELS = 1 << 19 };

static int32_t picture_count(const rep_task *task, size_t shape, int32_t there) {
    const int64_t pixels = (int64_t)task->shapes[shape].height * task->shapes[shape].width;
    int64_t count = MOST_PIXELS / (pixels > 0 ? pixels : 1);
    if (count > MOST_PICTURES) { count = MOST_PICTURES; }
    if (count > there) { count = there; }
    return count > 1 ? (int32_t)count : 1;
}

/* Normalised pictures have about unit variance. */
static rep_status draw_noise(rep_exporter *e) {
    const rep_task *task = e->task;
    rep_export_sample *sample = &e->sample;
    sample->count = picture_count(task, 0, MOST_PICTURES);
    const size_t count = (size_t)sample->count * (size_t)task->channels *
                         (size_t)task->shapes[0].height * (size_t)task->shapes[0].width;
    sample->noise = malloc(count * sizeof *sample->noise);
    if (sample->noise == NULL) { return rep_fail(REP_ERR_MEMORY, "export: no memory for noise"); }
    rep_rng rng;
    rep_rng_init(&rng, (uint64_t)e->values->seed, 0);
    for (size_t i = 0; i < count; i++) { sample->noise[i] = rep_rng_normal(&rng); }
    sample->images = sample->noise;
    return REP_OK;
}

rep_status rep_export_sample_take(rep_exporter *e) {
    if (e->task->train_count == 0) { return draw_noise(e); }
    rep_task_batch batch;
    REP_TRY(e->task->methods->start(e->task, 0));
    REP_TRY(e->task->methods->next(e->task, &batch));
    e->sample = (rep_export_sample){.images = batch.images,
                                    .shape = batch.shape,
                                    .count = picture_count(e->task, batch.shape, batch.valid)};
    return REP_OK;
}

void rep_export_sample_clear(rep_export_sample *sample) {
    free(sample->noise);
    *sample = (rep_export_sample){0};
}

static rep_status run(const rep_export_net *net, const rep_export_sample *sample) {
    const rep_id image = rep_model_io_get(net->model)->image;
    REP_TRY(rep_program_write(net->program, image, sample->images,
                              rep_shape_count(rep_graph_shape(net->graph, image))));
    return rep_program_run(net->program, REP_FORWARD, REP_FORWARD);
}

/* An output of both nets and how far they are apart. */
typedef struct gap {
    double difference, largest;
} gap;

static rep_status measure(gap *out, const rep_exporter *e, rep_id trained, rep_id folded) {
    const size_t count = rep_shape_count(rep_graph_shape(e->folded.graph, folded));
    double *a = malloc(2 * count * sizeof *a), *b = a != NULL ? a + count : NULL;
    if (a == NULL) { return rep_fail(REP_ERR_MEMORY, "export: no memory for outputs"); }
    rep_status status = rep_program_read_f64(e->trained.program, trained, a, count);
    if (status == REP_OK) { status = rep_program_read_f64(e->folded.program, folded, b, count); }
    gap g = {0};
    for (size_t i = 0; status == REP_OK && i < count; i++) {
        const double difference = fabs(a[i] - b[i]);
        /* What is not a number stays, where fmax would take it away. */
        if (!(difference <= g.difference)) { g.difference = difference; }
        g.largest = fmax(g.largest, fabs(a[i]));
    }
    free(a);
    *out = g;
    return status;
}

static rep_status judge(rep_export_result *out, const rep_output *outputs, const gap *gaps,
                        size_t count) {
    double largest[REP_OUTPUT_KINDS] = {0};
    for (size_t i = 0; i < count; i++) {
        largest[outputs[i].kind] = fmax(largest[outputs[i].kind], gaps[i].largest);
    }
    for (size_t i = 0; i < count; i++) {
        double relative = gaps[i].difference;
        if (largest[outputs[i].kind] > 0) { relative /= largest[outputs[i].kind]; }
        if (i > 0 && relative <= out->difference) { continue; }
        out->difference = relative;
        memcpy(out->output, outputs[i].name, sizeof out->output);
        if (isnan(relative)) { break; }
    }
    if (out->difference <= REP_FOLD_BOUND) { return REP_OK; }
    return rep_fail(REP_ERR_NUMERIC,
                    "folding: output %s moves by %.3g of its largest value, wanted at most %.0e: "
                    "the weights hold values that are not finite, or a BN with hardly any variance",
                    out->output, out->difference, REP_FOLD_BOUND);
}

rep_status rep_export_compare(rep_export_result *out, rep_exporter *e) {
    rep_output trained[REP_OUTPUT_MOST], folded[REP_OUTPUT_MOST];
    gap gaps[REP_OUTPUT_MOST];
    const size_t count = rep_nn_outputs(folded, e->folded.model);
    (void)rep_nn_outputs(trained, e->trained.model);
    REP_TRY(run(&e->trained, &e->sample));
    REP_TRY(run(&e->folded, &e->sample));
    for (size_t i = 0; i < count; i++) {
        REP_TRY(measure(&gaps[i], e, trained[i].id, folded[i].id));
    }
    out->picture_count = e->sample.count;
    out->is_noise = e->sample.noise != NULL;
    return judge(out, folded, gaps, count);
}
