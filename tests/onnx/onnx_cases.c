/* onnx_cases.c - nets as ONNX files beside what they answer here: onnx_cases FOLDER.
 *
 * For every row: weights drawn as training may leave them, exported to <case>.onnx, and for batches
 * of 1 and 3 drawn pictures <case>.<batch>.safetensors with "in.image" and "out.<name>" as the file
 * should have them, computed in float32 on the CPU; of an int8 net also "out.<value>.uint8", every
 * layer's input in whole numbers, and "error", what int8 costs. test_onnx_runtime.sh hands both to
 * ONNX Runtime.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repopt/quantize.h"
#include "train/export.h"
#include "train/state.h"

enum { MOST_PAIRS = 16, MOST_OUTPUTS = 256, DETECTIONS = 20 };

typedef struct row {
    const char *name;
    bool is_detector, is_folded, is_decoded, takes_pixels, is_int8, has_uint8;
    float variance; /* least one of BN, 0 means 0.05; the most is four times as large */
    const char *pairs[MOST_PAIRS]; /* KEY=VALUE */
} row;

static const char *const classifier[] = {
    "DATASETS.NAME=drawn",          "DATASETS.DRAWN_COUNT_TRAIN=64",
    "DATASETS.DRAWN_COUNT_TEST=32", "MODEL.VGG.NUM_BLOCKS=(1,2,1,1)",
    "MODEL.VGG.WIDTHS=(8,8,16,16)", "MODEL.VGG.STRIDES=(2,1,2,2,2)"};
static const char *const detector[] = {"DATASETS.NAME=drawn",
                                       "DATASETS.DRAWN_COUNT_TRAIN=64",
                                       "DATASETS.DRAWN_COUNT_TEST=8",
                                       "MODEL.BACKBONE.CONV_BODY=RepOpt-FPN-YUMIN",
                                       "MODEL.FCOS.NUM_CLASSES=4",
                                       "MODEL.KEYPOINT_ON=true",
                                       "MODEL.YUMIN.WIDTH_MUL=0.25",
                                       "MODEL.YUMIN.FPN_CHANNELS=16",
                                       "MODEL.FCOS.NORM_REG_TARGETS=true",
                                       "MODEL.FCOS.INFERENCE_TH=0.2",
                                       "INPUT.SIZE=(104,88)",
                                       "TEST.DETECTIONS_PER_IMG=20"};

static const row rows[] = {
    {.name = "relu"},
    {.name = "relu_folded", .is_folded = true},
    {.name = "relu6", .pairs = {"MODEL.VGG.ACT=relu6"}},
    {.name = "relu6_folded", .is_folded = true, .pairs = {"MODEL.VGG.ACT=relu6"}},
    {.name = "search", .pairs = {"TRAINING_MODE=hyper_search", "MODEL.VGG.KERNEL_SIZE=5"}},
    {.name = "search_folded", .is_folded = true, .pairs = {"TRAINING_MODE=hyper_search"}},
    {.name = "csla_squeeze", .pairs = {"TRAINING_MODE=csla", "MODEL.VGG.SE=true"}},
    {.name = "squeeze_folded",
     .is_folded = true,
     .pairs = {"TRAINING_MODE=csla", "MODEL.VGG.SE=true"}},
    {.name = "repvgg", .pairs = {"TRAINING_MODE=repvgg_block"}},
    {.name = "qarepvgg", .pairs = {"TRAINING_MODE=qarepvgg_block"}},
    {.name = "pixels",
     .is_folded = true,
     .takes_pixels = true,
     .pairs = {"INPUT.TO_BGR255=true", "INPUT.PIXEL_MEAN=(100,110,120)",
               "INPUT.PIXEL_STD=(50,60,70)"}},
    {.name = "shared", .is_detector = true, .pairs = {"MODEL.FCOS.HEAD_BN=shared"}},
    {.name = "per_level", .is_detector = true},
    {.name = "per_level_folded", .is_detector = true, .is_folded = true},
    {.name = "no_points", .is_detector = true, .pairs = {"MODEL.KEYPOINT_ON=false"}},
    {.name = "pixel_distances",
     .is_detector = true,
     .variance = 0.1f,
     .pairs = {"MODEL.FCOS.NORM_REG_TARGETS=false", "MODEL.FCOS.CENTERNESS_ON_REG=true",
               "MODEL.YUMIN.ACT=relu", "MODEL.YUMIN.RELU_BEFORE_EXTRA=true"}},
    {.name = "detector_search",
     .is_detector = true,
     .variance = 0.4f,
     .pairs = {"TRAINING_MODE=hyper_search"}},
    {.name = "decoded", .is_detector = true, .is_folded = true, .is_decoded = true},
    {.name = "decoded_trimmed",
     .is_detector = true,
     .is_decoded = true,
     .pairs = {"MODEL.FCOS.PRE_NMS_TOP_N=25", "MODEL.FCOS.NMS_TH=0.3",
               "MODEL.FCOS.HEAD_BN=shared"}},
    {.name = "decoded_no_points",
     .is_detector = true,
     .is_decoded = true,
     .pairs = {"MODEL.KEYPOINT_ON=false", "MODEL.FCOS.INFERENCE_TH=0.8"}},
    {.name = "decoded_nothing",
     .is_detector = true,
     .is_decoded = true,
     .pairs = {"MODEL.FCOS.INFERENCE_TH=0.999"}},
    {.name = "int8_relu", .is_int8 = true},
    {.name = "int8_squeeze",
     .is_int8 = true,
     .pairs = {"TRAINING_MODE=csla", "MODEL.VGG.SE=true", "MODEL.VGG.ACT=relu6"}},
    {.name = "int8_unsigned", .is_int8 = true, .has_uint8 = true},
    /* Pixels lie in a symmetric range, whose 0 is no pixel. */
    {.name = "int8_pixels",
     .is_int8 = true,
     .takes_pixels = true,
     .pairs = {"INPUT.TO_BGR255=false", "INPUT.PIXEL_MEAN=0.5", "INPUT.PIXEL_STD=0.25"}},
    {.name = "int8_detector", .is_detector = true, .is_int8 = true},
    {.name = "int8_decoded", .is_detector = true, .is_decoded = true, .is_int8 = true},
    {.name = "int8_decoded_unsigned",
     .is_detector = true,
     .is_decoded = true,
     .is_int8 = true,
     .has_uint8 = true},
};

/* One case under way. */
typedef struct work {
    const row *row;
    const char *folder;
    rep_config *config;
    const rep_values *values;
    rep_task *task;
    rep_device *device;
    rep_export_net first, net; /* of batch 1, which owns the state; of the batch at hand */
    char weights[512];
    int32_t batch;
    float error; /* of an int8 net: what its whole numbers cost */
} work;

/* ---- values ------------------------------------------------------------------------------------
 */

/* Where a tensor's values are drawn from; false: it stays as it starts. Kernels start so small that
 * variances are about 0.1 and not 1, but for an identity beside them; a net whose signals grow from
 * layer to layer blows rounding up as well. Means and biases lie about 0, so that no layer is
 * silent. The bias of classes starts so low that nothing would be found. */
static bool find_range(float *first, float *width, const row *of, const rep_tensor *tensor) {
    const bool is_mean = strstr(tensor->name, "running_mean") != NULL;
    *first = 0.5f;
    *width = 1;
    if (is_mean || tensor->kind == REP_KIND_BIAS) {
        *first = -0.2f;
        *width = 0.4f;
    } else if (tensor->kind == REP_KIND_BUFFER) {
        *first = of->variance > 0 ? of->variance : 0.05f;
        *width = 3 * *first;
    }
    return tensor->kind == REP_KIND_NORM || tensor->kind == REP_KIND_BUFFER ||
           tensor->kind == REP_KIND_SCALE || tensor->kind == REP_KIND_BIAS;
}

/* Weights as training may leave them. */
static rep_status draw_state(const work *w) {
    rep_rng rng;
    rep_rng_init(&rng, 11, 3);
    REP_TRY(rep_model_init(w->first.model, w->first.graph, w->first.program, 5));
    for (rep_id id = 1; id < w->first.graph->tensor_count; id++) {
        const rep_tensor *tensor = &w->first.graph->tensors[id];
        const size_t count = rep_shape_count(tensor->shape);
        float first = 0, width = 0;
        if (!find_range(&first, &width, w->row, tensor)) { continue; }
        float *values = malloc(count * sizeof *values);
        if (values == NULL) { return rep_fail(REP_ERR_MEMORY, "no memory"); }
        for (size_t i = 0; i < count; i++) { values[i] = first + width * rep_rng_uniform(&rng); }
        const rep_status status = rep_program_write(w->first.program, id, values, count);
        free(values);
        REP_TRY(status);
    }
    return REP_OK;
}

static rep_status build(work *w, rep_export_net *out, rep_program *state_of) {
    rep_task_net net = {.is_reference = true, .batch = w->batch};
    REP_TRY(rep_mode_parse(&net.mode, w->values->training_mode));
    REP_TRY(rep_graph_create(&out->graph));
    REP_TRY(w->task->methods->build(w->task, &out->model, out->graph, &net));
    for (uint32_t n = 0; n < out->graph->node_count; n++) {
        const rep_node *node = &out->graph->nodes[n];
        if (node->op == REP_OP_QUANTIZE) { rep_graph_keep(out->graph, node->out[0]); }
    }
    return rep_program_create(&out->program, w->device, out->graph, state_of, NULL);
}

static rep_status save_weights(work *w) {
    rep_state_list list;
    rep_metadata m;
    REP_TRY(rep_metadata_init(&m, w->task, w->config));
    rep_status status = rep_state_list_init(&list, w->first.graph, w->first.program, 0);
    if (status == REP_OK) {
        status = rep_safetensors_write(w->weights, list.sources, list.count, m.pairs, m.count);
    }
    rep_state_list_clear(&list);
    rep_metadata_clear(&m);
    return status;
}

/* ---- answers -----------------------------------------------------------------------------------
 */

/* Tensors of one file, in its order of elements. */
typedef struct answers {
    rep_tensor_source sources[MOST_OUTPUTS];
    char names[MOST_OUTPUTS][REP_ONNX_NAME_BYTES + 16];
    size_t count;
} answers;

/* One more, of zeros; NULL without memory or place. */
static float *add(answers *a, const char *name, const int64_t *shape, int32_t rank) {
    size_t count = 1;
    for (int32_t i = 0; i < rank; i++) { count *= (size_t)shape[i]; }
    if (a->count == MOST_OUTPUTS) { return NULL; }
    float *values = calloc(count, sizeof *values);
    if (values == NULL) { return NULL; }
    rep_tensor_source *source = &a->sources[a->count];
    snprintf(a->names[a->count], sizeof a->names[0], "%s", name);
    *source = (rep_tensor_source){
        .name = a->names[a->count++], .rank = rank, .fill = rep_tensor_fill_f32, .context = values};
    for (int32_t d = 0; d < rank; d++) { source->shape[d] = shape[d]; }
    return values;
}

static rep_status no_room(void) {
    return rep_fail(REP_ERR_MEMORY, "no memory, or more than %d outputs", MOST_OUTPUTS);
}

static void clear(answers *a) {
    for (size_t i = 0; i < a->count; i++) { free(a->sources[i].context); }
}

/* out {n,c,h,w} <- in stored n, h, w, c. */
static void to_file_order(float *out, const float *in, rep_shape s) {
    const size_t channels = (size_t)s.c, pixels = (size_t)s.h * (size_t)s.w;
    for (size_t n = 0; n < (size_t)s.n; n++) {
        for (size_t p = 0; p < pixels; p++) {
            for (size_t c = 0; c < channels; c++) {
                out[(n * channels + c) * pixels + p] = in[(n * pixels + p) * channels + c];
            }
        }
    }
}

/* Pixels that are whole numbers, or values of unit variance. */
static rep_status feed(work *w, answers *a) {
    const rep_id image = rep_model_io_get(w->net.model)->image;
    const rep_shape s = rep_graph_shape(w->net.graph, image);
    const size_t count = rep_shape_count(s);
    rep_augment colour = {0};
    REP_TRY(rep_setup_normalisation(&colour, w->values, s.c));
    float *given = malloc(2 * count * sizeof *given), *taken = given + count;
    float *file = add(a, "in.image", (const int64_t[]){s.n, s.c, s.h, s.w}, 4);
    if (given == NULL || file == NULL) {
        free(given);
        return no_room();
    }
    rep_rng rng;
    rep_rng_init(&rng, 7, (uint64_t)w->batch);
    for (size_t i = 0; i < count; i++) {
        given[i] = w->row->takes_pixels ? (float)rep_rng_below(&rng, 256) : rep_rng_normal(&rng);
        const size_t c = w->values->input_to_bgr255 ? 2 - i % 3 : i % 3;
        taken[i] =
            w->row->takes_pixels ? (given[i] / 255 - colour.mean[c]) / colour.std[c] : given[i];
    }
    to_file_order(file, given, s);
    rep_status status = rep_program_write(w->net.program, image, taken, count);
    if (status == REP_OK) { status = rep_program_run(w->net.program, REP_FORWARD, REP_FORWARD); }
    free(given);
    return status;
}

static rep_status read_plain(const work *w, answers *a) {
    rep_output outputs[REP_OUTPUT_MOST];
    const size_t count = rep_nn_outputs(outputs, w->net.model);
    for (size_t i = 0; i < count; i++) {
        const rep_shape s = rep_graph_shape(w->net.graph, outputs[i].id);
        char name[32];
        snprintf(name, sizeof name, "out.%.15s", outputs[i].name);
        float *to =
            add(a, name, (const int64_t[]){s.n, s.c, s.h, s.w}, w->row->is_detector ? 4 : 2);
        float *stored = malloc(rep_shape_count(s) * sizeof *stored);
        rep_status status = to != NULL && stored != NULL ? REP_OK : no_room();
        if (status == REP_OK) {
            status = rep_program_read(w->net.program, outputs[i].id, stored, rep_shape_count(s));
        }
        if (status == REP_OK) { to_file_order(to, stored, s); }
        free(stored);
        REP_TRY(status);
    }
    return REP_OK;
}

/* What every layer takes, as the file has it: with its zero point. */
static rep_status read_grid(const work *w, answers *a, const rep_node *node) {
    const rep_shape s = rep_graph_shape(w->net.graph, node->out[0]);
    const size_t count = rep_shape_count(s);
    char value[REP_ONNX_NAME_BYTES], name[REP_ONNX_NAME_BYTES + 16];
    float zero = 0;
    rep_nn_onnx_name(value, w->net.graph, node->out[0]);
    snprintf(name, sizeof name, "out.%s.uint8", value);
    float *to = add(a, name, (const int64_t[]){s.n, s.c, s.h, s.w}, 4);
    float *stored = malloc(count * sizeof *stored);
    rep_status status = to != NULL && stored != NULL ? REP_OK : no_room();
    if (status == REP_OK) { status = rep_program_read(w->net.program, node->in[2], &zero, 1); }
    if (status == REP_OK) {
        status = rep_program_read(w->net.program, node->out[0], stored, count);
    }
    if (status == REP_OK) { to_file_order(to, stored, s); }
    for (size_t i = 0; i < count && status == REP_OK; i++) { to[i] += zero; }
    free(stored);
    return status;
}

static rep_status read_grids(const work *w, answers *a) {
    for (uint32_t n = 0; n < w->net.graph->node_count; n++) {
        const rep_node *node = &w->net.graph->nodes[n];
        if (node->op == REP_OP_QUANTIZE) { REP_TRY(read_grid(w, a, node)); }
    }
    return REP_OK;
}

/* One kind of outputs of one level, stored. */
static rep_status read_level(float **out, const work *w, rep_id id) {
    const size_t count = rep_shape_count(rep_graph_shape(w->net.graph, id));
    *out = malloc(count * sizeof **out);
    if (*out == NULL) { return rep_fail(REP_ERR_MEMORY, "no memory"); }
    return rep_program_read(w->net.program, id, *out, count);
}

/* Pointers of picture n; the first call's are those of the whole batch. */
static void point_at(rep_fcos_output *to, const rep_fcos_output *batch, size_t n, size_t cells) {
    *to = *batch;
    to->logits += n * cells * batch->logit_pitch;
    to->distances += n * cells * batch->distance_pitch;
    to->centerness += n * cells;
    if (to->keypoints != NULL) { to->keypoints += n * cells * batch->keypoint_pitch; }
}

static rep_status decode(const work *w, answers *a, const rep_fcos_decoder *d,
                         const rep_fcos_output *batch) {
    const size_t points = 2 * (size_t)d->keypoint_count;
    const rep_shape s = rep_graph_shape(w->net.graph, rep_model_io_get(w->net.model)->image);
    const int64_t shape[] = {w->batch, DETECTIONS, d->keypoint_count, 2};
    float *boxes = add(a, "out.boxes", (const int64_t[]){w->batch, DETECTIONS, 4}, 3);
    float *scores = add(a, "out.scores", shape, 2), *classes = add(a, "out.classes", shape, 2);
    float *keypoints = points > 0 ? add(a, "out.keypoints", shape, 4) : NULL;
    if (!boxes || !scores || !classes || (points > 0 && !keypoints)) { return no_room(); }
    for (size_t n = 0; n < (size_t)w->batch; n++) {
        rep_fcos_output picture[REP_DETECTOR_LEVELS];
        rep_fcos_found found[DETECTIONS];
        size_t count = 0;
        for (size_t l = 0; l < REP_DETECTOR_LEVELS; l++) {
            point_at(&picture[l], &batch[l], n, rep_fcos_location_count(&d->levels[l], 1));
        }
        REP_TRY(rep_fcos_decode(found, points ? keypoints + n * DETECTIONS * points : NULL, &count,
                                d, picture, s.w, s.h));
        for (size_t i = 0; i < count; i++) {
            const size_t at = n * DETECTIONS + i;
            memcpy(boxes + 4 * at, &found[i].x1, 4 * sizeof *boxes);
            scores[at] = found[i].score;
            classes[at] = (float)(found[i].label - 1);
        }
        if (w->batch == 1) { printf("%s: %zu found\n", w->row->name, count); }
    }
    return REP_OK;
}

static rep_status read_decoded(const work *w, answers *a) {
    const rep_detector_io *io = rep_detector_io_get(w->net.model);
    rep_fcos_level levels[REP_DETECTOR_LEVELS];
    rep_fcos_output batch[REP_DETECTOR_LEVELS];
    float *values[REP_DETECTOR_LEVELS][4] = {{NULL}};
    rep_status status = REP_OK;
    const size_t points = io->levels[0].keypoints
                              ? (size_t)rep_graph_shape(w->net.graph, io->levels[0].keypoints).c
                              : 0;
    for (int l = 0; l < REP_DETECTOR_LEVELS; l++) {
        const rep_detector_level *level = &io->levels[l];
        const rep_id ids[] = {level->classes, level->boxes, level->centerness, level->keypoints};
        for (int i = 0; i < 4 && status == REP_OK; i++) {
            if (ids[i]) { status = read_level(&values[l][i], w, ids[i]); }
        }
        levels[l] = (rep_fcos_level){
            .stride = level->stride_px, .height = level->height, .width = level->width};
        batch[l] = (rep_fcos_output){
            values[l][0], values[l][1], values[l][2], values[l][3], 3, 4, 1, points};
    }
    rep_fcos_decoder d;
    rep_detect_decoder_init(&d, w->values, levels, 3, (int32_t)points / 2);
    if (status == REP_OK) { status = decode(w, a, &d, batch); }
    for (int l = 0; l < REP_DETECTOR_LEVELS; l++) {
        for (int i = 0; i < 4; i++) { free(values[l][i]); }
    }
    return status;
}

/* ---- a case ------------------------------------------------------------------------------------
 */

static rep_status answer(work *w, int32_t batch) {
    answers a = {.count = 0};
    char path[512];
    w->batch = batch;
    REP_TRY(build(w, &w->net, w->first.program));
    rep_status status = feed(w, &a);
    if (status == REP_OK) { status = w->row->is_decoded ? read_decoded(w, &a) : read_plain(w, &a); }
    if (status == REP_OK) { status = read_grids(w, &a); }
    float *error = w->row->is_int8 ? add(&a, "error", NULL, 0) : NULL;
    if (error != NULL) { *error = w->error; }
    if (w->row->is_int8 && error == NULL && status == REP_OK) { status = no_room(); }
    snprintf(path, sizeof path, "%s/%s.%d.safetensors", w->folder, w->row->name, batch);
    if (status == REP_OK) { status = rep_safetensors_write(path, a.sources, a.count, NULL, 0); }
    rep_export_net_clear(&w->net);
    clear(&a);
    return status;
}

static rep_status configure(work *w) {
    const char *const *base = w->row->is_detector ? detector : classifier;
    const size_t count = w->row->is_detector ? sizeof detector / sizeof *detector
                                             : sizeof classifier / sizeof *classifier;
    REP_TRY(rep_config_create(&w->config));
    REP_TRY(rep_config_merge_pairs(w->config, (int)count, base));
    for (int i = 0; w->row->pairs[i] != NULL; i++) {
        REP_TRY(rep_config_merge_pairs(w->config, 1, &w->row->pairs[i]));
    }
    snprintf(w->weights, sizeof w->weights, "%s/%s.weights", w->folder, w->row->name);
    return rep_config_merge_pairs(w->config, 2, (const char *const[]){"MODEL.WEIGHT", w->weights});
}

/* From now on the case is about the int8 net of its weights. */
static rep_status quantise(work *w) {
    rep_quantize_result result = {0};
    rep_export_result told;
    uint64_t tracked = 0;
    rep_tensors *file = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/%s.int8.weights.safetensors", w->folder, w->row->name);
    if (w->row->is_decoded) { /* "error" is of outputs that are compared; it takes its time */
        const rep_export_options options = {
            .config = w->config, .path = path, .is_int8 = true, .picture_count = 16};
        REP_TRY(rep_export(&told, &options));
    } else {
        const rep_quantize_options options = {
            .config = w->config, .path = path, .picture_count = 16, .device = "cpu"};
        REP_TRY(rep_quantize(&result, &options));
    }
    w->error = (float)result.output_error;
    rep_quantize_result_clear(&result);
    REP_TRY(rep_config_merge_pairs(w->config, 2, (const char *const[]){"MODEL.WEIGHT", path}));
    REP_TRY(rep_task_look_at_weight(w->task));
    rep_export_net_clear(&w->first);
    REP_TRY(build(w, &w->first, NULL));
    REP_TRY(rep_tensors_open(&file, path));
    const rep_status status =
        rep_state_load_model(w->first.graph, w->first.program, file, false, &tracked);
    rep_tensors_close(file);
    return status;
}

static rep_status make(work *w) {
    REP_TRY(configure(w));
    w->values = rep_config_values(w->config);
    w->batch = 1;
    REP_TRY(rep_task_open(&w->task, w->values, REP_TASK_TRAIN));
    if (w->row->is_detector) {
        /* Training pads to buckets; a file is of the size that is asked for, odd ones too. */
        REP_TRY(rep_setup_detector_size(&w->task->shapes[0].height, &w->task->shapes[0].width,
                                        w->values));
    }
    REP_TRY(rep_device_open(&w->device, "cpu", 1));
    REP_TRY(build(w, &w->first, NULL));
    REP_TRY(draw_state(w));
    REP_TRY(save_weights(w));
    if (w->row->is_int8) { REP_TRY(quantise(w)); }
    char path[512];
    snprintf(path, sizeof path, "%s/%s.onnx", w->folder, w->row->name);
    const rep_export_options options = {.config = w->config,
                                        .path = path,
                                        .is_folded = w->row->is_folded,
                                        .is_decoded = w->row->is_decoded,
                                        .takes_pixels = w->row->takes_pixels,
                                        .has_uint8_weights = w->row->has_uint8};
    rep_export_result result;
    REP_TRY(rep_export(&result, &options));
    REP_TRY(answer(w, 1));
    return answer(w, 3);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: onnx_cases FOLDER\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        work w = {.row = &rows[i], .folder = argv[1]};
        const rep_status status = make(&w);
        rep_export_net_clear(&w.first);
        rep_device_close(w.device);
        rep_task_close(w.task);
        rep_config_destroy(w.config);
        if (status != REP_OK) {
            fprintf(stderr, "%s: %s\n", rows[i].name, rep_last_error());
            return 1;
        }
    }
    return 0;
}
