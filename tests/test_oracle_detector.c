/* test_oracle_detector.c - RepOpt-FPN-YUMIN and the FCOS losses against PyTorch's.
 *
 * The nets' weights come from the vectors' integer hash of a tensor's name and an element's place,
 * in PyTorch's order. Compared are the backbone, the pyramid, every output of the head, the losses,
 * every gradient's norm and first values, and the running statistics after the step. Gradients are
 * compared less what activations across their kinks from double precision's do to them.
 */
#include "check.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/nn.h"
#include "oracle_fcos.h"
#include "oracle_kinks.h"
#include "oracle_net.h"

enum { BY_RULE, DIRECT }; /* conv_algo */

/* ---- hash weights --------------------------------------------------------------------------- */

/* v in [-1, 1), exact in float32. */
static float hash_value(const char *name, uint32_t hash_seed, uint32_t index) {
    uint32_t seed = 0x811C9DC5u;
    for (; *name; name++) { seed = (seed ^ (unsigned char)*name) * 0x01000193u; }
    uint32_t x = index * 0x9E3779B1u + (seed + hash_seed * 0x85EBCA77u);
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return (float)(x >> 8) * 0x1p-23f - 1.0f;
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Element `index` of a tensor of this name and rank. */
static float hash_weight(const char *name, int rank, size_t fan_in, uint32_t hash_seed,
                         size_t index) {
    const float v = hash_value(name, hash_seed, (uint32_t)index);
    if (strcmp(name, "input") == 0) { return v; }
    if (rank >= 2) { return (float)sqrt(3.0 / (double)fan_in) * v; }
    if (ends_with(name, "bias") || ends_with(name, "running_mean")) { return 0.1f * v; }
    return 1.0f + 0.25f * v;
}

static void run_hash(oracle_case *c, const oracle_target *target) {
    static const char raw[] = "out.tail64_of_v.";
    const size_t raw_from = (size_t)384 * 384 * 9 - 64; /* the last 64 of the largest kernel */
    (void)target;
    for (size_t t = 0; t < c->count; t++) {
        const oracle_tensor *tensor = &c->tensors[t];
        const bool is_raw = strncmp(tensor->name, raw, strlen(raw)) == 0;
        const char *name = tensor->name + strlen(is_raw ? raw : "out.");
        size_t fan_in = 1;
        for (int d = 1; d < tensor->rank; d++) { fan_in *= (size_t)tensor->dims[d]; }
        double *values = calloc(tensor->count, sizeof *values);
        for (size_t i = 0; i < tensor->count; i++) {
            values[i] = is_raw ? (double)hash_value(name, 0, (uint32_t)(raw_from + i))
                               : (double)hash_weight(name, tensor->rank, fan_in, 0, i);
        }
        oracle_compare(c, tensor->name, values);
        free(values);
    }
}

/* ---- nets ----------------------------------------------------------------------------------- */

typedef struct detector {
    oracle_case *c;
    const oracle_target *target;
    rep_detector_spec spec;
    int32_t batch;
    bool is_training;
    rep_graph *graph;
    rep_model *model;
    const rep_detector_io *io;
    rep_program *program;
    double **by_kinks; /* by tensor: what is taken off its gradient; NULL: nothing, of any */
} detector;

static rep_mode mode_of(const oracle_case *c) {
    const char *block = oracle_text(c, "block");
    if (strcmp(block, "hs") == 0) { return REP_MODE_HYPER_SEARCH; }
    return strcmp(block, "csla") == 0 ? REP_MODE_CSLA : REP_MODE_TARGET;
}

static rep_iou_kind iou_of(const oracle_case *c) {
    const char *kind = oracle_text(c, "iou_loss_type");
    if (strcmp(kind, "giou") == 0) { return REP_IOU_GENERAL; }
    return strcmp(kind, "linear_iou") == 0 ? REP_IOU_LINEAR : REP_IOU_LOG;
}

static rep_detector_spec spec_of(const oracle_case *c) {
    rep_detector_spec spec;
    rep_detector_spec_init(&spec, (int32_t)oracle_number(c, "num_classes", 0),
                           (int32_t)oracle_number(c, "num_keypoints", 0));
    spec.iou_kind = iou_of(c);
    spec.norm_reg_targets = oracle_flag(c, "norm_reg_targets", false);
    spec.focal_alpha = (float)oracle_number(c, "focal_alpha", 0.25);
    spec.focal_gamma = (float)oracle_number(c, "focal_gamma", 2);
    spec.keypoint_beta = (float)oracle_number(c, "kps_beta", 1.0 / 9.0);
    return spec;
}

static void read_net_spec(rep_detector_spec *spec, const oracle_case *c) {
    for (int i = 0; i < REP_DETECTOR_STAGES; i++) {
        spec->channels[i] = (int32_t)oracle_item(c, "channels", i);
        spec->repeats[i] = (int32_t)oracle_item(c, "repeats", i);
    }
    spec->fpn_channels = (int32_t)oracle_number(c, "fpn_out", 0);
    spec->tower_blocks = (int32_t)oracle_number(c, "tower_repeats", 0);
    spec->cls_channels = (int32_t)oracle_number(c, "cls_channels", 0);
    spec->act = strcmp(oracle_text(c, "act"), "relu6") == 0 ? REP_ACT_RELU6 : REP_ACT_RELU;
    spec->relu_before_extra = oracle_flag(c, "relu_before_extra_convs", false);
    spec->bn_eps = (float)oracle_number(c, "bn_eps", 0);
    spec->bn_momentum = (float)oracle_number(c, "bn_momentum", 0);
}

/* Every parameter from the hash of its name; the vectors count them, constant scales included. */
static void write_weights(detector *d) {
    const uint32_t seed = (uint32_t)oracle_number(d->c, "hash_seed", 0);
    double trained = 0;
    for (rep_id id = 1; id < rep_graph_tensor_count(d->graph); id++) {
        const rep_tensor *tensor = &d->graph->tensors[id];
        const bool is_image = id == d->io->image;
        if (tensor->kind == REP_KIND_NONE && !is_image) { continue; }
        const rep_shape shape = tensor->shape;
        const size_t count = rep_shape_count(shape), fan_in = count / (size_t)shape.n;
        double *values = calloc(2 * count, sizeof *values), *stored = values + count;
        for (size_t i = 0; i < count; i++) {
            values[i] = (double)hash_weight(is_image ? "input" : tensor->name, tensor->rank, fan_in,
                                            seed, i);
        }
        oracle_to_storage(stored, values, shape);
        oracle_ok(d->c, rep_program_write_f64(d->program, id, stored, count));
        trained +=
            tensor->kind != REP_KIND_NONE && tensor->kind != REP_KIND_BUFFER ? (double)count : 0;
        free(values);
    }
    if (trained != oracle_number(d->c, "num_parameters", 0)) {
        oracle_fail(d->c, "%g parameters, expected %g", trained,
                    oracle_number(d->c, "num_parameters", 0));
    }
}

static void keep_all(detector *d) {
    const rep_detector_io *io = d->io;
    for (int i = 0; i < REP_DETECTOR_STAGES - 1; i++) { rep_graph_keep(d->graph, io->stages[i]); }
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_detector_level *l = &io->levels[i];
        const rep_id ids[] = {l->pyramid, l->classes, l->boxes, l->centerness, l->keypoints};
        for (int k = 0; k < 5; k++) { rep_graph_keep(d->graph, ids[k]); }
    }
    for (rep_id id = 1; id < rep_graph_tensor_count(d->graph); id++) {
        const rep_id gradient = rep_graph_gradient(d->graph, id);
        if (gradient && d->graph->tensors[id].is_trainable) { rep_graph_keep(d->graph, gradient); }
    }
}

static void open_detector(detector *d, oracle_case *c, const oracle_target *target) {
    *d = (detector){.c = c,
                    .target = target,
                    .spec = spec_of(c),
                    .batch = (int32_t)oracle_number(c, "batch", 0),
                    .is_training = oracle_flag(c, "training", false)};
    read_net_spec(&d->spec, c);
    /* Winograd rounds more coarsely and puts more activations across their kinks. */
    d->spec.conv_algo = d->is_training ? DIRECT : BY_RULE;
    oracle_ok(c, rep_graph_create(&d->graph));
    oracle_ok(c, rep_detector_build(&d->model, d->graph, &d->spec, mode_of(c), d->is_training,
                                    d->batch, (int32_t)oracle_number(c, "image_h", 0),
                                    (int32_t)oracle_number(c, "image_w", 0)));
    d->io = rep_detector_io_get(d->model);
    if (d->is_training) { oracle_ok(c, rep_graph_backward(d->graph, d->io->loss, 0)); }
    keep_all(d);
    oracle_kinks_keep(d->graph);
    oracle_ok(c, rep_program_create(&d->program, target->device, d->graph, NULL, NULL));
    write_weights(d);
}

static bool has_gradient(const detector *d, rep_id id) {
    return d->graph->tensors[id].is_trainable && rep_graph_gradient(d->graph, id);
}

/* Every parameter's gradient, by tensor. */
static double **read_gradients(detector *d) {
    double **values = calloc(rep_graph_tensor_count(d->graph), sizeof *values);
    for (rep_id id = 1; id < rep_graph_tensor_count(d->graph); id++) {
        if (!has_gradient(d, id)) { continue; }
        values[id] = oracle_read(d->c, d->graph, d->program, rep_graph_gradient(d->graph, id));
    }
    return values;
}

static void free_gradients(double **values, rep_id count) {
    for (rep_id id = 0; values && id < count; id++) { free(values[id]); }
    free(values);
}

static void close_detector(detector *d) {
    free_gradients(d->by_kinks, rep_graph_tensor_count(d->graph));
    rep_program_destroy(d->program);
    rep_model_destroy(d->model);
    rep_graph_destroy(d->graph);
}

/* ---- comparison ----------------------------------------------------------------------------- */

/* Mean, population standard deviation, least, largest, L2 norm. */
static void stats_of(const double *values, size_t count, double *out) {
    double sum = 0, squares = 0, away = 0;
    out[2] = INFINITY;
    out[3] = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        squares += values[i] * values[i];
        out[2] = fmin(out[2], values[i]);
        out[3] = fmax(out[3], values[i]);
    }
    out[0] = sum / (double)count;
    for (size_t i = 0; i < count; i++) { away += (values[i] - out[0]) * (values[i] - out[0]); }
    out[1] = sqrt(away / (double)count);
    out[4] = sqrt(squares);
}

/* Compares under "<name>.<part>" when the case has it. */
static void compare_part(oracle_case *c, const char *name, const char *part, const double *values) {
    char full[160];
    snprintf(full, sizeof full, "%s%s", name, part);
    if (oracle_get(c, "%s", full)) { oracle_compare(c, full, values); }
}

static void check_output(detector *d, rep_id id, const char *what, int index) {
    char name[64];
    double stats[5];
    const size_t count = rep_shape_count(rep_graph_shape(d->graph, id));
    double *values = oracle_read(d->c, d->graph, d->program, id);
    snprintf(name, sizeof name, "out.%s.%d", what, index);
    stats_of(values, count, stats);
    compare_part(d->c, name, ".stats", stats);
    compare_part(d->c, name, ".first64", values);
    compare_part(d->c, name, ".last16", values + (count < 16 ? 0 : count - 16));
    compare_part(d->c, name, "", values);
    free(values);
}

static void check_outputs(detector *d) {
    for (int i = 0; i < REP_DETECTOR_STAGES - 1; i++) {
        check_output(d, d->io->stages[i], "backbone", i);
    }
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        const rep_detector_level *level = &d->io->levels[i];
        check_output(d, level->pyramid, "neck", i);
        check_output(d, level->classes, "cls", i);
        check_output(d, level->boxes, "bbox", i);
        check_output(d, level->centerness, "ctr", i);
        check_output(d, level->keypoints, "kps", i);
    }
}

static void check_losses(detector *d, const oracle_counts *counts) {
    double losses[REP_DETECTOR_LOSSES + 1];
    oracle_ok(d->c, rep_program_read_f64(d->program, d->io->losses, losses, REP_DETECTOR_LOSSES));
    oracle_ok(d->c, rep_program_read_f64(d->program, d->io->loss, losses + REP_DETECTOR_LOSSES, 1));
    oracle_compare(d->c, "out.losses", losses);
    oracle_compare(d->c, "out.num_pos", &counts->positives);
}

static void check_gradients(detector *d) {
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(d->c->entry, "grad_names"), *item = NULL;
    double *norms = calloc((size_t)cJSON_GetArraySize(names) + 1, sizeof *norms), stats[5];
    size_t index = 0;
    cJSON_ArrayForEach(item, names) {
        const rep_id id = rep_graph_find(d->graph, cJSON_GetStringValue(item));
        const rep_id gradient = id ? rep_graph_gradient(d->graph, id) : 0;
        if (!gradient) { fail_msg("%s: no gradient of %s", d->c->name, item->valuestring); }
        double *values = oracle_read(d->c, d->graph, d->program, gradient);
        const size_t count = rep_shape_count(rep_graph_shape(d->graph, gradient));
        for (size_t i = 0; i < count && d->by_kinks; i++) { values[i] -= d->by_kinks[id][i]; }
        stats_of(values, count, stats);
        norms[index++] = stats[4];
        compare_part(d->c, "grad.first8.", item->valuestring, values);
        compare_part(d->c, "grad.full.", item->valuestring, values);
        free(values);
    }
    oracle_compare(d->c, "grad.norms", norms);
    free(norms);
}

static void check_statistics(detector *d) {
    for (rep_id id = 1; id < rep_graph_tensor_count(d->graph); id++) {
        const rep_tensor *tensor = &d->graph->tensors[id];
        const oracle_tensor *expected = oracle_get(d->c, "buf_after.%s", tensor->name);
        if (expected) { oracle_check(d->c, d->graph, d->program, id, expected->name); }
    }
}

static void check_blocks(detector *d) {
    const cJSON *blocks = cJSON_GetObjectItemCaseSensitive(d->c->entry, "blocks"), *item = NULL;
    size_t index = 0;
    cJSON_ArrayForEach(item, blocks) {
        if (index >= rep_model_block_count(d->model)) { break; }
        const rep_block *block = rep_model_block(d->model, index++);
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
        const cJSON *identity = cJSON_GetObjectItemCaseSensitive(item, "has_identity");
        if (!name || strcmp(block->name, name) != 0 ||
            block->has_identity != (cJSON_IsTrue(identity) != 0)) {
            oracle_fail(d->c, "block %zu is %s, expected %s", index, block->name, name);
        }
    }
    if (!blocks || (size_t)cJSON_GetArraySize(blocks) != rep_model_block_count(d->model)) {
        oracle_fail(d->c, "%zu blocks, expected %d", rep_model_block_count(d->model),
                    cJSON_GetArraySize(blocks));
    }
}

/* Finds by_kinks in double precision, in which no kink is crossed; CPUs that are not built with it
 * are compared as they are. */
static void find_kinks(detector *d) {
    oracle_target target = {.device = NULL};
    oracle_counts counts;
    detector exact;
    if (rep_device_open(&target.device, "cpu:float64", 1) != REP_OK) { return; }
    open_detector(&exact, d->c, &target);
    oracle_targets_write(d->c, exact.program, exact.io, exact.batch, exact.spec.num_keypoints,
                         &counts);
    oracle_ok(d->c, rep_program_run(exact.program, REP_FORWARD, REP_FORWARD));
    if (oracle_kinks_move(d->c, d->graph, d->program, exact.program)) {
        oracle_ok(d->c, rep_program_run(exact.program, REP_BACKWARD, REP_BACKWARD));
        d->by_kinks = read_gradients(&exact);
        oracle_ok(d->c, rep_program_run(exact.program, REP_FORWARD, REP_BACKWARD));
        double **plain = read_gradients(&exact);
        for (rep_id id = 1; id < rep_graph_tensor_count(d->graph); id++) {
            const size_t count = plain[id] ? rep_shape_count(rep_graph_shape(d->graph, id)) : 0;
            for (size_t i = 0; i < count; i++) { d->by_kinks[id][i] -= plain[id][i]; }
        }
        free_gradients(plain, rep_graph_tensor_count(d->graph));
    }
    close_detector(&exact);
    rep_device_close(target.device);
}

static void run_detector(oracle_case *c, const oracle_target *target) {
    detector d;
    oracle_counts counts;
    open_detector(&d, c, target);
    if (d.is_training) {
        oracle_targets_write(c, d.program, d.io, d.batch, d.spec.num_keypoints, &counts);
    }
    oracle_ok(c, rep_program_run(d.program, REP_FORWARD, REP_BACKWARD));
    check_blocks(&d);
    check_outputs(&d);
    if (d.is_training) {
        check_losses(&d, &counts);
        find_kinks(&d);
        check_gradients(&d);
        check_statistics(&d);
    }
    close_detector(&d);
}

/* ---- losses alone --------------------------------------------------------------------------- */

/* The outputs of the head as inputs. */
static void feed_outputs(oracle_net *net, rep_detector_io *io) {
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        rep_detector_level *level = &io->levels[i];
        rep_id *const outputs[] = {&level->classes, &level->boxes, &level->centerness,
                                   &level->keypoints};
        static const char *const names[] = {"cls", "box", "ctr", "kps"};
        for (int o = 0; o < 4; o++) {
            char name[32];
            snprintf(name, sizeof name, "in.%s.%d", names[o], i);
            *outputs[o] = oracle_input(net, name);
        }
        const rep_shape shape = rep_graph_shape(net->graph, level->boxes);
        level->height = shape.h;
        level->width = shape.w;
        level->stride_px = (int32_t)oracle_item(net->c, "strides", i);
    }
}

/* The sum of the keypoint losses weighted by centerness, another normalisation in use: on the host,
 * from the vectors' outputs. */
static double weighted_keypoints(oracle_case *c, const rep_detector_io *io, int32_t batch,
                                 const rep_detector_spec *spec) {
    double sum = 0;
    const size_t offsets = 2 * (size_t)spec->num_keypoints;
    oracle_counts counts = {0};
    for (int i = 0; i < REP_DETECTOR_LEVELS; i++) {
        oracle_targets t;
        oracle_targets_init(&t, c, &io->levels[i], i, batch, spec->num_keypoints, &counts);
        double *got = oracle_stored(oracle_need(c, "in.kps.%d", i));
        for (size_t at = 0; at < t.rows * offsets; at++) {
            const double d = fabs(got[at] - t.keypoints[at]), beta = (double)spec->keypoint_beta;
            const double loss = d < beta ? d * d / (2 * beta) : d - beta / 2;
            sum += t.centerness[at / offsets] * t.keypoint_weights[at] * loss;
        }
        free(got);
        oracle_targets_clear(&t);
    }
    return sum;
}

static void compare_value(oracle_case *c, const char *name, double value) {
    oracle_compare(c, name, &value);
}

static void run_losses(oracle_case *c, const oracle_target *target) {
    static const char *const names[] = {"out.loss_cls", "out.loss_reg", "out.loss_ctr",
                                        "out.loss_kps"};
    const rep_detector_spec spec = spec_of(c);
    const int32_t batch = (int32_t)oracle_item_count(c, "images");
    rep_detector_io io = {0};
    oracle_counts counts;
    double losses[REP_DETECTOR_LOSSES], loss = 0;
    oracle_net net;
    oracle_net_open(&net, c, target);
    feed_outputs(&net, &io);
    rep_nn_fcos_loss(&io, net.graph, &spec);
    oracle_ok(c, rep_graph_backward(net.graph, io.loss, 0));
    oracle_expect_gradients(&net);
    oracle_net_start(&net);
    oracle_targets_write(c, net.program, &io, batch, spec.num_keypoints, &counts);
    oracle_net_finish(&net);
    oracle_ok(c, rep_program_read_f64(net.program, io.losses, losses, REP_DETECTOR_LOSSES));
    oracle_ok(c, rep_program_read_f64(net.program, io.loss, &loss, 1));
    for (int i = 0; i < REP_DETECTOR_LOSSES; i++) { compare_value(c, names[i], losses[i]); }
    compare_value(c, "out.loss_total", loss);
    compare_value(c, "out.num_pos", counts.positives);
    compare_value(c, "out.num_visible_kps", counts.visible);
    compare_value(c, "out.kps_sum", losses[REP_LOSS_KEYPOINTS] * fmax(counts.visible, 1));
    compare_value(c, "out.kps_ctr_weighted_sum", weighted_keypoints(c, &io, batch, &spec));
    oracle_net_close(&net);
}

static oracle_handler find(const oracle_case *c) {
    if (strcmp(c->name, "models/hash_fill") == 0) { return run_hash; }
    if (strcmp(oracle_text(c, "model"), "RepOpt-FPN-YUMIN") == 0) { return run_detector; }
    return oracle_get(c, "out.loss_total") ? run_losses : NULL;
}

int main(void) {
    static const char *const groups[] = {"models/detector_", "models/hash_fill", "detect/loss_",
                                         NULL};
    const oracle_share share = {.groups = groups};
    return oracle_main("detector", &share, find);
}
