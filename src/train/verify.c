/* verify.c - proof that target + RepOptimizer equals CSLA + ordinary optimizer.
 *
 * Pairs of small nets (repopt/twin.h) train on the same random batches under many recipes and are
 * compared after every step. Controls are settings known to break the equality: a proof that cannot
 * fail is none.
 */
#include <float.h>
#include <stdio.h>
#include <string.h>

#include "repopt/twin.h"
#include "train/train.h"
#include "train/verify_cases.h"

enum { BATCH = 8, SIDE = 8, CLASSES = 5, MOST_BLOCKS = 8, SEED = 20220530 };

/* Rounding enters at every step and is carried on; in these tame nets it hardly grows. Measured: 5
 * units in the last place of the largest parameter after 50 steps, 11 after 100. */
static double bound_of(int steps, size_t real_bytes) {
    const double epsilon = real_bytes == sizeof(double) ? DBL_EPSILON : (double)FLT_EPSILON;
    return (steps + 16) * epsilon;
}

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

static rep_twin_options options_of(const struct variant *variant, size_t real_bytes) {
    const struct recipe *recipe = variant->recipe;
    return (rep_twin_options){
        .net = spec_of(variant),
        .batch = BATCH,
        .height = SIDE,
        .width = SIDE,
        .optimizer = optimizer_of(recipe),
        .is_masked = recipe->twist != TWIST_NO_MASK,
        /* Tame rates keep rounding from growing; the weakest control is given a wild one. */
        .lr = recipe->is_adamw                    ? 0.001f
              : recipe->twist == TWIST_PLAIN_CLIP ? 0.05f
                                                  : 0.005f,
        /* The double precision rows have half of their units switched off. */
        .norm_bias = real_bytes == sizeof(float) ? 4.0f : 0.0f,
        .seed = SEED,
    };
}

/* Raises difference[] to this step's. */
static rep_status compare(double difference[MOST_BLOCKS], rep_twin *twin) {
    double step[MOST_BLOCKS];
    REP_TRY(rep_twin_differences(step, twin));
    for (size_t i = 0; i < rep_model_block_count(rep_twin_model(twin)); i++) {
        if (!(step[i] <= difference[i])) { difference[i] = step[i]; }
    }
    return REP_OK;
}

static rep_status train(double difference[MOST_BLOCKS], rep_twin *twin, int steps) {
    double loss, twin_loss;
    REP_TRY(compare(difference, twin)); /* both start as the same function */
    for (int step = 0; step < steps; step++) {
        REP_TRY(rep_twin_step(twin, &loss, &twin_loss));
        REP_TRY(compare(difference, twin));
    }
    return REP_OK;
}

/* ---- the table ----------------------------------------------------------------------------- */

/* Where rows go, and whether all of them are as they must be. */
struct table {
    rep_device_info device;
    int steps;
    void (*visit)(void *context, const rep_verify_row *row);
    void *context;
    bool all_passed;
};

static void report(struct table *table, const struct variant *variant, const rep_model *model,
                   const double difference[MOST_BLOCKS]) {
    const size_t count = rep_model_block_count(model);
    const double bound = bound_of(table->steps, table->device.real_bytes);
    for (size_t i = 0; i < count; i++) {
        rep_verify_row row = {.device = table->device.name,
                              .max_difference = difference[i],
                              .bound = bound,
                              .is_expected_equal = !variant->recipe->is_control,
                              /* A control must stand out from rounding by far. */
                              .has_passed = !variant->recipe->is_control
                                                ? difference[i] <= bound
                                                : difference[i] > 10.0 * bound};
        const rep_block *block = rep_model_block(model, i);
        snprintf(row.name, sizeof row.name, "%s%s%.16s k%d %s", layout_names[variant->layout],
                 count > 1 ? " " : "", count > 1 ? block->name : "", variant->kernel,
                 variant->recipe->label);
        table->all_passed = table->all_passed && row.has_passed;
        if (table->visit) { table->visit(table->context, &row); }
    }
}

static rep_status verify_variant(struct table *table, rep_device *device,
                                 const struct variant *variant) {
    const rep_twin_options options = options_of(variant, table->device.real_bytes);
    double difference[MOST_BLOCKS] = {0.0};
    rep_twin *twin = NULL;
    REP_TRY(rep_twin_create(&twin, device, &options));
    const rep_status status = train(difference, twin, table->steps);
    if (status == REP_OK) { report(table, variant, rep_twin_model(twin), difference); }
    rep_twin_destroy(twin);
    return status;
}

static rep_status verify_on(struct table *table, const char *name, int threads) {
    rep_device *device = NULL;
    REP_TRY(rep_device_open(&device, name, threads));
    rep_device_describe(device, &table->device);
    rep_setup_log_device(device, name);
    rep_status status = REP_OK;
    for (size_t i = 0; i < sizeof variants / sizeof *variants && status == REP_OK; i++) {
        status = verify_variant(table, device, &variants[i]);
    }
    rep_device_close(device);
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
    struct table table = {.steps = steps, .visit = visit, .context = context, .all_passed = true};
    REP_TRY(verify_on(&table, name, threads));
    if (strcmp(name, reference) != 0) { REP_TRY(verify_on(&table, reference, threads)); }
    *all_passed = table.all_passed;
    return REP_OK;
}
