/* verify.c - proof that target + RepOptimizer equals CSLA + ordinary optimizer.
 *
 * Two small nets see the same random batches: one with scaled branches and the plain optimizer, one
 * with the merged kernels, re-initialised and updated by RepOptimizer. After every step the
 * branches are folded on the host, W = s*W_k + pad(t*W_1) [+ pad(diag(u))], and compared with the
 * target's kernels (Ding et al., ICLR 2023, proposition and appendix A); the other parameters are
 * compared as they are. Controls are settings known to break the equality: a proof that cannot fail
 * is none.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/nn.h"
#include "train/train.h"
#include "train/verify_cases.h"

enum { BATCH = 8, SIDE = 8, CLASSES = 5, MOST_BLOCKS = 8, MOST_WIDTH = 16, SEED = 20220530 };

/* Rounding enters at every step and is carried on; in these tame nets it hardly grows. Measured: 5
 * units in the last place of the largest parameter after 50 steps, 11 after 100. */
static double bound_of(int steps, size_t real_bytes) {
    const double epsilon = real_bytes == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
    return (steps + 16) * epsilon;
}

/* ---- one of the two nets ------------------------------------------------------------------- */

struct side {
    rep_graph *graph;
    rep_model *model;
    rep_optimizer *optimizer;
    rep_program *program;
};

struct pair {
    const struct variant *variant;
    size_t real_bytes; /* of the device */
    rep_vgg_spec spec;
    struct side target, csla;
    rep_scale_row rows[MOST_BLOCKS];
    float scales[MOST_BLOCKS][3][MOST_WIDTH];
    const rep_scale_row *row_list[MOST_BLOCKS];
    double difference[MOST_BLOCKS];
    float images[BATCH * 8 * SIDE * SIDE];
};

static rep_vgg_spec spec_of(const struct variant *variant) {
    rep_vgg_spec spec = {.in_channels = variant->layout == TRIPLE ? 8 : 6,
                         .num_classes = CLASSES,
                         .stage0_width = 8,
                         .widths = {8, 8, 12, 12},
                         .strides = {1, 1, 1, 2, 1},
                         .kernel_size = variant->kernel,
                         .act = REP_ACT_RELU,
                         .bn_eps = 1e-5f,
                         .bn_momentum = 0.1f};
    if (variant->layout == NET) {
        spec.num_blocks[0] = 1;
        spec.num_blocks[1] = 2;
        spec.num_blocks[2] = 2;
    }
    return spec;
}

static rep_optimizer_spec optimizer_of(const struct recipe *recipe) {
    return (rep_optimizer_spec){.is_adamw = recipe->is_adamw,
                                .sgd = {.momentum = recipe->momentum,
                                        .dampening = recipe->dampening,
                                        .nesterov = recipe->nesterov},
                                .adamw = {.beta1 = 0.9f,
                                          .beta2 = 0.999f,
                                          .eps = 1e-3f,
                                          .mask = recipe->twist == TWIST_SIGNED_MASK ? 1
                                                  : recipe->twist == TWIST_ABS_MASK  ? 2
                                                                                     : 0},
                                .lr_factor_bias = 1.0f,
                                .weight_decay = recipe->weight_decay,
                                .clip_norm = recipe->clip_norm,
                                .clip_is_plain = recipe->twist == TWIST_PLAIN_CLIP,
                                .is_identity_constant = recipe->twist == TWIST_CONSTANT_IDENTITY};
}

static void clear_side(struct side *side) {
    rep_program_destroy(side->program);
    rep_optimizer_destroy(side->optimizer);
    rep_model_destroy(side->model);
    rep_graph_destroy(side->graph);
}

/* Where the nets start, beyond PyTorch's defaults.
 *
 * A unit within rounding distance of ReLU's kink may take its gradient on one side alone, which
 * says nothing on the optimizer and happens in single precision. BN biases of 4 keep units off the
 * kink there; the double precision rows start at 0, with half of the units switched off. Linear
 * weights of eight times the usual size give the kernels their share of the gradient's norm. */
static rep_status prepare(const struct side *side, size_t real_bytes) {
    enum { MOST = MOST_WIDTH * MOST_WIDTH };
    const rep_id linear = rep_graph_find(side->graph, "linear.weight");
    const size_t linear_count = rep_shape_count(rep_graph_shape(side->graph, linear));
    float values[MOST];
    REP_TRY(rep_program_read(side->program, linear, values, linear_count));
    for (size_t i = 0; i < linear_count; i++) { values[i] *= 8.0f; }
    REP_TRY(rep_program_write(side->program, linear, values, linear_count));
    for (rep_id id = 1; real_bytes == sizeof(float) && id < side->graph->tensor_count; id++) {
        const rep_tensor *tensor = &side->graph->tensors[id];
        if (tensor->kind != REP_KIND_BIAS || !strstr(tensor->name, ".bn.")) { continue; }
        for (int c = 0; c < MOST_WIDTH; c++) { values[c] = 4.0f; }
        REP_TRY(rep_program_write(side->program, id, values, (size_t)tensor->shape.c));
    }
    return REP_OK;
}

static rep_status make_side(struct side *side, struct pair *pair, rep_device *device,
                            bool is_csla) {
    const struct recipe *recipe = pair->variant->recipe;
    const bool is_masked = !is_csla && recipe->twist != TWIST_NO_MASK;
    const rep_optimizer_spec spec = optimizer_of(recipe);
    REP_TRY(rep_graph_create(&side->graph));
    REP_TRY(rep_model_build(&side->model, side->graph, &pair->spec,
                            is_csla ? REP_MODE_CSLA : REP_MODE_TARGET, true, BATCH, SIDE, SIDE,
                            0.0f));
    for (size_t i = 0; i < rep_model_block_count(side->model); i++) {
        const rep_block *block = rep_model_block(side->model, i);
        if (block->u && recipe->twist == TWIST_CONSTANT_IDENTITY) {
            rep_graph_freeze(side->graph, block->u);
        }
    }
    REP_TRY(rep_graph_backward(side->graph, rep_model_io_get(side->model)->loss, 0));
    REP_TRY(rep_optimizer_append(&side->optimizer, side->graph, side->model, &spec,
                                 is_masked ? pair->row_list : NULL));
    REP_TRY(rep_program_create(&side->program, device, side->graph, NULL, NULL));
    REP_TRY(rep_optimizer_upload(side->optimizer, side->program));
    REP_TRY(rep_model_init(side->model, side->graph, side->program, SEED));
    REP_TRY(prepare(side, pair->real_bytes));
    if (is_csla) { return rep_model_set_scales(side->model, side->program, pair->row_list); }
    return rep_model_reinit(side->model, side->graph, side->program, pair->row_list, true, false,
                            SEED);
}

/* Scales of both signs, away from zero and from one, as searched ones are. */
static void draw_scales(struct pair *pair) {
    rep_rng rng;
    rep_rng_init(&rng, SEED, rep_hash_text("verify scales"));
    int32_t c_in = pair->spec.in_channels;
    size_t count = 0;
    for (int32_t stage = -1; stage < REP_MAX_STAGES; stage++) {
        for (int32_t i = 0; i < (stage < 0 ? 1 : pair->spec.num_blocks[stage]); i++, count++) {
            const int32_t c_out = stage < 0 ? pair->spec.stage0_width : pair->spec.widths[stage];
            const int32_t stride = i == 0 ? pair->spec.strides[stage + 1] : 1;
            for (int v = 0; v < 3; v++) {
                for (int32_t c = 0; c < c_out; c++) {
                    const float size = 0.3f + rep_rng_uniform(&rng);
                    pair->scales[count][v][c] = rep_rng_below(&rng, 4) == 0 ? -size : size;
                }
            }
            const bool is_triple = c_in == c_out && stride == 1;
            pair->rows[count] = (rep_scale_row){.channels = c_out,
                                                .is_triple = is_triple,
                                                .s = pair->scales[count][0],
                                                .t = pair->scales[count][1],
                                                .u = is_triple ? pair->scales[count][2] : NULL};
            pair->row_list[count] = &pair->rows[count];
            c_in = c_out;
        }
    }
}

/* ---- steps --------------------------------------------------------------------------------- */

static rep_status run_side(struct side *side, const struct pair *pair, const int32_t *labels,
                           int step) {
    const rep_model_io *io = rep_model_io_get(side->model);
    float block[REP_STEP_WORDS] = {0};
    /* Tame rates keep rounding from growing; the weakest control is given a wild one. */
    block[REP_STEP_LR] = pair->variant->recipe->is_adamw                    ? 0.001f
                         : pair->variant->recipe->twist == TWIST_PLAIN_CLIP ? 0.05f
                                                                            : 0.005f;
    block[REP_STEP_APPLY] = 1.0f;
    block[REP_STEP_FIRST] = step == 0 ? 1.0f : 0.0f;
    block[REP_STEP_GRAD_SCALE] = 1.0f;
    block[REP_STEP_BIAS1] = (float)(1.0 - pow(0.9, step + 1));
    block[REP_STEP_BIAS2] = (float)(1.0 - pow(0.999, step + 1));
    block[REP_STEP_VALID] = BATCH;
    const size_t pixels = rep_shape_count(rep_graph_shape(side->graph, io->image));
    REP_TRY(rep_program_write(side->program, io->image, pair->images, pixels));
    REP_TRY(rep_program_write(side->program, io->labels, labels, BATCH));
    REP_TRY(rep_program_write(side->program, io->step, block, REP_STEP_WORDS));
    return rep_program_run(side->program, REP_FORWARD, REP_UPDATE);
}

/* The csla side's value of the target's tensor, folded where it is a block's kernel. */
static rep_status read_csla(double *out, struct pair *pair, rep_id tensor, size_t count,
                            size_t block) {
    struct side *csla = &pair->csla;
    const rep_block *mine = rep_model_block(pair->target.model, block);
    const rep_block *other = rep_model_block(csla->model, block);
    const char *name = rep_graph_name(pair->target.graph, tensor);
    if (tensor != mine->weight) {
        return rep_program_read_f64(csla->program, rep_graph_find(csla->graph, name), out, count);
    }
    const rep_shape shape = rep_graph_shape(csla->graph, other->weight);
    double w1[MOST_WIDTH * MOST_WIDTH], u[MOST_WIDTH];
    REP_TRY(rep_program_read_f64(csla->program, other->weight, out, count));
    REP_TRY(rep_program_read_f64(csla->program, other->weight_1x1, w1,
                                 (size_t)shape.n * (size_t)shape.c));
    if (other->u) { REP_TRY(rep_program_read_f64(csla->program, other->u, u, (size_t)shape.n)); }
    rep_nn_merge_kernel(out, shape, w1, pair->rows[block].s, pair->rows[block].t,
                        other->u ? u : NULL);
    return REP_OK;
}

/* The block a tensor belongs to; the last one for what is behind the blocks. */
static size_t owner_of(const rep_model *model, const char *name) {
    const size_t count = rep_model_block_count(model);
    for (size_t i = 0; i < count; i++) {
        const char *block = rep_model_block(model, i)->name;
        const size_t length = strlen(block);
        if (strncmp(name, block, length) == 0 && name[length] == '.') { return i; }
    }
    return count - 1;
}

/* Raises difference[] to this step's. NaN differs by infinity. */
static rep_status compare(struct pair *pair) {
    enum { MOST_ELEMENTS = MOST_WIDTH * MOST_WIDTH * 49 };
    const rep_graph *graph = pair->target.graph;
    double *mine = malloc(2 * (size_t)MOST_ELEMENTS * sizeof *mine), largest = 0.0;
    double step[MOST_BLOCKS] = {0.0};
    if (!mine) { return rep_fail(REP_ERR_MEMORY, "verify: out of memory"); }
    double *other = mine + MOST_ELEMENTS;
    rep_status status = REP_OK;
    for (rep_id id = 1; id < rep_graph_tensor_count(graph) && status == REP_OK; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        if (tensor->kind == REP_KIND_NONE || !tensor->is_trainable) { continue; }
        const size_t count = rep_shape_count(tensor->shape);
        const size_t owner = owner_of(pair->target.model, tensor->name);
        status = rep_program_read_f64(pair->target.program, id, mine, count);
        if (status == REP_OK) { status = read_csla(other, pair, id, count, owner); }
        for (size_t i = 0; status == REP_OK && i < count; i++) {
            const double d = fabs(mine[i] - other[i]);
            if (!(d <= step[owner])) { step[owner] = isnan(d) ? (double)INFINITY : d; }
            if (fabs(mine[i]) > largest) { largest = fabs(mine[i]); }
        }
    }
    for (size_t i = 0; i < rep_model_block_count(pair->target.model); i++) {
        if (!(step[i] / largest <= pair->difference[i])) {
            pair->difference[i] = step[i] / largest;
        }
    }
    free(mine);
    return status;
}

static rep_status train(struct pair *pair, rep_device *device, int steps) {
    REP_TRY(make_side(&pair->csla, pair, device, true));
    REP_TRY(make_side(&pair->target, pair, device, false));
    REP_TRY(compare(pair)); /* both start as the same function */
    for (int step = 0; step < steps; step++) {
        rep_rng rng;
        int32_t labels[BATCH];
        rep_rng_init(&rng, SEED, (uint64_t)step);
        for (size_t i = 0; i < sizeof pair->images / sizeof *pair->images; i++) {
            pair->images[i] = rep_rng_normal(&rng);
        }
        for (int i = 0; i < BATCH; i++) { labels[i] = (int32_t)rep_rng_below(&rng, CLASSES); }
        REP_TRY(run_side(&pair->csla, pair, labels, step));
        REP_TRY(run_side(&pair->target, pair, labels, step));
        REP_TRY(compare(pair));
    }
    return REP_OK;
}

/* ---- the table ----------------------------------------------------------------------------- */

static void report(const struct pair *pair, const rep_device_info *info, int steps,
                   bool *all_passed, void (*visit)(void *context, const rep_verify_row *row),
                   void *context) {
    const struct variant *variant = pair->variant;
    const size_t count = rep_model_block_count(pair->target.model);
    for (size_t i = 0; i < count; i++) {
        const double bound = bound_of(steps, info->real_bytes);
        const double difference = pair->difference[i];
        rep_verify_row row = {.device = info->name,
                              .max_difference = difference,
                              .bound = bound,
                              .is_expected_equal = !variant->recipe->is_control,
                              /* A control must stand out from rounding by far. */
                              .has_passed = !variant->recipe->is_control
                                                ? difference <= bound
                                                : difference > 10.0 * bound};
        const rep_block *block = rep_model_block(pair->target.model, i);
        snprintf(row.name, sizeof row.name, "%s%s%.16s k%d %s", layout_names[variant->layout],
                 count > 1 ? " " : "", count > 1 ? block->name : "", variant->kernel,
                 variant->recipe->label);
        *all_passed = *all_passed && row.has_passed;
        if (visit) { visit(context, &row); }
    }
}

static rep_status verify_on(bool *all_passed, const char *name, int threads, int steps,
                            void (*visit)(void *context, const rep_verify_row *row),
                            void *context) {
    rep_device *device = NULL;
    rep_device_info info;
    struct pair *pair = malloc(sizeof *pair);
    if (!pair) { return rep_fail(REP_ERR_MEMORY, "verify: out of memory"); }
    rep_status status = rep_device_open(&device, name, threads);
    if (status == REP_OK) {
        rep_device_describe(device, &info);
        rep_setup_log_device(device, name);
    }
    for (size_t i = 0; i < sizeof variants / sizeof *variants && status == REP_OK; i++) {
        memset(pair, 0, sizeof *pair);
        pair->variant = &variants[i];
        pair->real_bytes = info.real_bytes;
        pair->spec = spec_of(pair->variant);
        draw_scales(pair);
        status = train(pair, device, steps);
        if (status == REP_OK) { report(pair, &info, steps, all_passed, visit, context); }
        clear_side(&pair->target);
        clear_side(&pair->csla);
    }
    rep_device_close(device);
    free(pair);
    return status;
}

rep_status rep_verify(bool *all_passed, const char *device, int threads, int steps,
                      void (*visit)(void *context, const rep_verify_row *row), void *context) {
    static const char reference[] = "cpu:float64";
    /* The controls need a few steps to stand out; past the upper end rounding would grow. */
    if (steps < 10 || steps > 100) {
        return rep_fail(REP_ERR_ARGUMENT, "verify: %d steps, wanted 10 to 100", steps);
    }
    const char *name = device ? device : "auto";
    bool passed = true;
    REP_TRY(verify_on(&passed, name, threads, steps, visit, context));
    if (strcmp(name, reference) != 0) {
        REP_TRY(verify_on(&passed, reference, threads, steps, visit, context));
    }
    *all_passed = passed;
    return REP_OK;
}
