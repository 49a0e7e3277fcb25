/* init.c - the initial state of a net: PyTorch's defaults.
 *
 * Convolutions and linear layers draw U(-b, b), b = 1 / sqrt(fan_in), for weight and bias alike
 * (kaiming_uniform with a = sqrt(5): He et al., 2015); BN starts as the identity. A tensor's
 * numbers depend on the seed and its name alone, so nets that share a tensor's name start with
 * equal ones.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"

void rep_nn_draw_kernel(float *out, rep_shape shape, double bound, uint64_t seed,
                        const char *name) {
    rep_rng rng;
    rep_rng_init(&rng, seed, rep_hash_text(name));
    for (int32_t o = 0; o < shape.n; o++) {
        float *row = out + (size_t)o * (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
        for (int32_t c = 0; c < shape.c; c++) {
            for (int32_t tap = 0; tap < shape.h * shape.w; tap++) {
                const double u = (double)rep_rng_uniform(&rng);
                row[(size_t)tap * (size_t)shape.c + (size_t)c] = (float)(bound * (2.0 * u - 1.0));
            }
        }
    }
}

static double fan_bound(rep_shape weight) {
    return 1.0 / sqrt((double)weight.c * (double)weight.h * (double)weight.w);
}

static bool ends_with(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* The bound of a bias: its layer's kernel decides; 0 behind a normalisation. */
static double bias_bound(const rep_graph *graph, const char *name) {
    char weight[REP_NAME_BYTES];
    const size_t stem = strlen(name) - strlen("bias");
    if (!ends_with(name, "bias") || stem + sizeof "weight" > sizeof weight) { return 0.0; }
    memcpy(weight, name, stem);
    memcpy(weight + stem, "weight", sizeof "weight");
    const rep_id id = rep_graph_find(graph, weight);
    return id && graph->tensors[id].kind == REP_KIND_WEIGHT ? fan_bound(graph->tensors[id].shape)
                                                            : 0.0;
}

/* What a branch scale starts at; identity scales and unknown ones at 1. */
static float scale_start(const rep_model *model, rep_id tensor) {
    for (size_t i = 0; i < model->block_count; i++) {
        if (model->blocks[i].s == tensor || model->blocks[i].t == tensor) {
            return model->blocks[i].scale_init;
        }
    }
    return 1.0f;
}

static void fill(float *values, size_t count, float value) {
    for (size_t i = 0; i < count; i++) { values[i] = value; }
}

/* Class biases start where the head wants them; the rest of that bias stays as it is drawn. */
static void set_class_bias(float *values, const rep_model *model, rep_id id) {
    if (id == model->class_bias) {
        fill(values, (size_t)model->class_count, model->class_bias_start);
    }
}

static void draw(float *values, const rep_model *model, const rep_graph *graph, rep_id id,
                 uint64_t seed) {
    const rep_tensor *tensor = &graph->tensors[id];
    const size_t count = rep_shape_count(tensor->shape);
    switch (tensor->kind) {
    case REP_KIND_WEIGHT:
        rep_nn_draw_kernel(values, tensor->shape, fan_bound(tensor->shape), seed, tensor->name);
        break;
    case REP_KIND_BIAS:
        rep_nn_draw_kernel(values, tensor->shape, bias_bound(graph, tensor->name), seed,
                           tensor->name);
        set_class_bias(values, model, id);
        break;
    case REP_KIND_NORM:
        fill(values, count, 1.0f);
        break;
    case REP_KIND_SCALE:
    case REP_KIND_IDENTITY:
        fill(values, count, scale_start(model, id));
        break;
    case REP_KIND_BUFFER:
        fill(values, count, ends_with(tensor->name, "running_var") ? 1.0f : 0.0f);
        break;
    case REP_KIND_NONE:
        break;
    }
}

rep_status rep_model_init(const rep_model *model, const rep_graph *graph, rep_program *program,
                          uint64_t seed) {
    size_t most = 0;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const size_t count = rep_shape_count(graph->tensors[id].shape);
        if (graph->tensors[id].kind != REP_KIND_NONE && count > most) { most = count; }
    }
    float *values = malloc((most ? most : 1) * sizeof *values);
    if (!values) { return rep_fail(REP_ERR_MEMORY, "initial weights: out of memory"); }
    rep_status status = REP_OK;
    for (rep_id id = 1; id < graph->tensor_count && status == REP_OK; id++) {
        if (graph->tensors[id].kind == REP_KIND_NONE) { continue; }
        draw(values, model, graph, id, seed);
        status = rep_program_write(program, id, values, rep_shape_count(graph->tensors[id].shape));
    }
    free(values);
    return status;
}
