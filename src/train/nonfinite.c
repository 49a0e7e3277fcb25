/* nonfinite.c - what a run says when its loss or gradient norm stops being a number.
 *
 * The first tensor that is not finite is searched node by node. Where that tensor has a row per
 * picture, the rows tell which pictures are to blame; otherwise the whole batch is named. The batch
 * is written to OUTPUT_DIR/nonfinite_batch.safetensors; checkpoints stay as they are.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "train/train.h"

static bool is_row_finite(const float *row, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(row[i])) { return false; }
    }
    return true;
}

/* Marks the pictures whose rows are not finite. All of them when the tensor has no such rows. */
static void find_pictures(rep_trainer *t, rep_id tensor, const rep_task_batch *batch,
                          bool *is_bad) {
    const int32_t n = (int32_t)t->batch;
    for (int32_t i = 0; i < n; i++) { is_bad[i] = i < batch->valid; }
    const rep_shape shape = rep_graph_shape(t->nets[batch->shape].graph, tensor);
    if (tensor == 0 || shape.n != n) { return; }
    const size_t count = rep_shape_count(shape), row = count / (size_t)n;
    float *values = malloc(count * sizeof *values);
    if (values != NULL &&
        rep_program_read(t->nets[batch->shape].program, tensor, values, count) == REP_OK) {
        bool has_any = false;
        for (int32_t i = 0; i < n; i++) {
            is_bad[i] = i < batch->valid && !is_row_finite(values + (size_t)i * row, row);
            has_any = has_any || is_bad[i];
        }
        for (int32_t i = 0; i < n && !has_any; i++) { is_bad[i] = i < batch->valid; }
    }
    free(values);
}

/* "12, 40, 77" and, past a few, " and 61 more". */
static void list_pictures(char *text, size_t bytes, const rep_task_batch *batch, const bool *is_bad,
                          int32_t n) {
    enum { NAMED = 16 };
    int32_t bad = 0, named = 0;
    for (int32_t i = 0; i < n; i++) { bad += is_bad[i]; }
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < n && named < NAMED && used < bytes; i++) {
        if (!is_bad[i]) { continue; }
        used += (size_t)snprintf(text + used, bytes - used, "%s%" PRIu32, named > 0 ? ", " : "",
                                 batch->ids[i]);
        named++;
    }
    if (bad > named && used < bytes) {
        snprintf(text + used, bytes - used, " and %d more", (int)(bad - named));
    }
}

/* "stage1.0.conv2d" is tensor conv2d of layer stage1.0; the layer is all before the last dot. */
static int layer_length(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot != NULL ? (int)(dot - name) : (int)strlen(name);
}

typedef struct dump {
    const rep_task_batch *batch;
    rep_shape shape; /* of the pictures */
} dump;

/* Pictures as files have them: n, c, h, w. */
static rep_status fill_images(void *context, void *elements, size_t count) {
    const dump *d = context;
    const size_t c = (size_t)d->shape.c, pixels = (size_t)d->shape.h * (size_t)d->shape.w;
    float *out = elements;
    for (size_t i = 0; i < count; i++) {
        const size_t n = i / (c * pixels), channel = i / pixels % c, pixel = i % pixels;
        out[i] = d->batch->images[(n * pixels + pixel) * c + channel];
    }
    return REP_OK;
}

static rep_status fill_labels(void *context, void *elements, size_t count) {
    const dump *d = context;
    memcpy(elements, d->batch->labels, count * sizeof *d->batch->labels);
    return REP_OK;
}

static rep_status fill_ids(void *context, void *elements, size_t count) {
    const dump *d = context;
    memcpy(elements, d->batch->ids, count * sizeof *d->batch->ids);
    return REP_OK;
}

static rep_status dump_batch(const rep_trainer *t, const rep_task_batch *batch, const char *tensor,
                             char *path) {
    if (t->metrics == NULL) { return rep_fail(REP_ERR_IO, "OUTPUT_DIR is empty"); }
    REP_TRY(rep_path_join(path, t->values->output_dir, "nonfinite_batch.safetensors"));
    const rep_shape s = rep_graph_shape(t->nets[batch->shape].graph,
                                        rep_model_io_get(t->nets[batch->shape].model)->image);
    dump d = {batch, s};
    const rep_tensor_source sources[] = {
        {.name = "images",
         .type = REP_TENSOR_F32,
         .rank = 4,
         .shape = {s.n, s.c, s.h, s.w},
         .fill = fill_images,
         .context = &d},
        {.name = "ids",
         .type = REP_TENSOR_I32,
         .rank = 1,
         .shape = {s.n},
         .fill = fill_ids,
         .context = &d},
        {.name = "labels", /* last: not every task has them */
         .type = REP_TENSOR_I32,
         .rank = 1,
         .shape = {s.n},
         .fill = fill_labels,
         .context = &d},
    };
    char iteration[32];
    snprintf(iteration, sizeof iteration, "%" PRIu64, t->counters.iteration + 1);
    const rep_metadata_pair metadata[] = {{"iteration", iteration}, {"tensor", tensor}};
    return rep_safetensors_write(path, sources, batch->labels ? 3 : 2, metadata, 2);
}

rep_status rep_trainer_nonfinite(rep_trainer *t, const rep_task_batch *batch, double loss,
                                 double grad_norm) {
    rep_id tensor = 0;
    if (rep_program_find_nonfinite(t->nets[batch->shape].program, &tensor) != REP_OK) {
        tensor = 0;
    }
    bool *is_bad = calloc((size_t)t->batch, sizeof *is_bad);
    if (is_bad == NULL) { return rep_fail(REP_ERR_MEMORY, "training: no memory"); }
    find_pictures(t, tensor, batch, is_bad);
    char pictures[256];
    list_pictures(pictures, sizeof pictures, batch, is_bad, (int32_t)t->batch);
    free(is_bad);

    char path[REP_PATH_BYTES] = "";
    const char *name =
        tensor != 0 ? rep_graph_name(t->nets[batch->shape].graph, tensor) : "unknown";
    const bool is_dumped = dump_batch(t, batch, name, path) == REP_OK;
    const bool has_checkpoint = t->checkpoint[0] != '\0';
    return rep_fail(REP_ERR_NUMERIC,
                    "iteration %" PRIu64 ": %s is %s; first in layer \"%.*s\", tensor \"%s\", "
                    "pictures %s; %s%s; %s%s; lower SOLVER.BASE_LR or set SOLVER.CLIP_GRAD",
                    t->counters.iteration + 1, isfinite(loss) ? "the gradient norm" : "the loss",
                    isnan(isfinite(loss) ? grad_norm : loss) ? "not a number" : "infinite",
                    layer_length(name), name, name, pictures,
                    is_dumped ? "batch saved in " : "the batch could not be saved",
                    is_dumped ? path : "",
                    has_checkpoint ? "last checkpoint " : "no checkpoint yet", t->checkpoint);
}
