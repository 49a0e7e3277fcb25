/* mask.c - lesson 2: one block under RepOptimizer beside its CSLA twin, a step at a time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "web.h"

enum { BATCH = 8, SIDE = 8, CLASSES = 5 };

/* What can be looked at: per kernel element, but for the scales, which are per channel. */
typedef enum mask_array {
    MASK_KERNEL,
    MASK_TWIN,     /* the twin's branches folded into one kernel */
    MASK_BEFORE,   /* the kernel before the last step */
    MASK_GRADIENT, /* as the graph computed it */
    MASK_MASK,     /* what gradient (SGD) or direction (AdamW) are multiplied by; ones when off */
    MASK_MASKED,   /* SGD: mask * gradient; AdamW: the direction of the last step */
    MASK_S,
    MASK_T,
    MASK_U,
    MASK_ARRAY_COUNT
} mask_array;

typedef struct web_mask {
    rep_twin *twin;
    rep_twin_options options;
    rep_shape shape;
    size_t count;
    double *values[3]; /* kernel, twin's, gradient in double precision */
    float *arrays[MASK_S];
    double loss, twin_loss, difference;
} web_mask;

static void destroy(void *object) {
    web_mask *m = object;
    rep_twin_destroy(m->twin);
    free(m->values[0]);
    free(m->arrays[0]);
    free(m);
}

static rep_status allocate(web_mask *m) {
    m->shape = rep_twin_shape(m->twin, 0);
    m->count = rep_shape_count(m->shape);
    m->values[0] = calloc(3 * m->count, sizeof *m->values[0]);
    m->arrays[0] = calloc(MASK_S * m->count, sizeof *m->arrays[0]);
    if (m->values[0] == NULL || m->arrays[0] == NULL) {
        return rep_fail(REP_ERR_MEMORY, "pair of nets: no memory");
    }
    for (size_t i = 1; i < 3; i++) { m->values[i] = m->values[0] + i * m->count; }
    for (size_t i = 1; i < MASK_S; i++) { m->arrays[i] = m->arrays[0] + i * m->count; }
    return REP_OK;
}

/* Kernels as they are now, and their difference relative to the largest entry. */
static rep_status look(web_mask *m, bool has_gradient) {
    REP_TRY(
        rep_twin_read(m->values[0], m->values[1], has_gradient ? m->values[2] : NULL, m->twin, 0));
    double largest = 0, difference = 0;
    for (size_t i = 0; i < m->count; i++) {
        const double d = fabs(m->values[0][i] - m->values[1][i]);
        if (!(d <= difference)) { difference = isnan(d) ? (double)INFINITY : d; }
        largest = fmax(largest, fabs(m->values[0][i]));
        m->arrays[MASK_KERNEL][i] = (float)m->values[0][i];
        m->arrays[MASK_TWIN][i] = (float)m->values[1][i];
        m->arrays[MASK_GRADIENT][i] = (float)m->values[2][i];
    }
    m->difference = difference / largest;
    return REP_OK;
}

static void fill_mask(web_mask *m) {
    const rep_mask_kind kind = m->options.optimizer.is_adamw ? REP_MASK_ABS : REP_MASK_SQUARE;
    float *mask = m->arrays[MASK_MASK];
    rep_scales_mask(mask, rep_twin_row(m->twin, 0), m->shape, kind, false);
    for (size_t i = 0; i < m->count && !m->options.is_masked; i++) { mask[i] = 1; }
}

/* What the optimizer was fed. AdamW's direction is what the step left beside decay:
 * kernel = before * (1 - lr * decay) - lr * direction. */
static void fill_masked(web_mask *m) {
    const double lr = (double)m->options.lr;
    const double kept = 1 - lr * (double)m->options.optimizer.weight_decay;
    for (size_t i = 0; i < m->count; i++) {
        const double before = (double)m->arrays[MASK_BEFORE][i];
        m->arrays[MASK_MASKED][i] =
            m->options.optimizer.is_adamw
                ? (float)((before * kept - (double)m->arrays[MASK_KERNEL][i]) / lr)
                : m->arrays[MASK_MASK][i] * m->arrays[MASK_GRADIENT][i];
    }
}

static rep_status start(web_mask *m) {
    rep_device *device = NULL;
    REP_TRY(web_device(&device));
    REP_TRY(rep_twin_create(&m->twin, device, &m->options));
    REP_TRY(allocate(m));
    fill_mask(m);
    return look(m, false);
}

static rep_status check(const rep_twin_options *o, int channels) {
    if (channels < 1 || channels > 64) {
        return rep_fail(REP_ERR_ARGUMENT, "pair of nets: %d channels, wanted 1 to 64", channels);
    }
    if (!(o->lr > 0) || !isfinite(o->lr) || !(o->optimizer.weight_decay >= 0) ||
        !isfinite(o->optimizer.weight_decay)) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "pair of nets: a learning rate of %g and a decay of %g, wanted more than 0 "
                        "and at least 0",
                        (double)o->lr, (double)o->optimizer.weight_decay);
    }
    if (!(o->optimizer.clip_norm >= 0)) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "pair of nets: a norm of %g to clip to, wanted at least 0",
                        (double)o->optimizer.clip_norm);
    }
    return REP_OK;
}

/* The settings of a lesson. */
typedef struct mask_settings {
    int32_t kernel, channels, is_adamw, is_nesterov, is_masked, is_clip_plain;
    float momentum, decay, lr, clip_norm; /* clip_norm 0: no clipping */
    uint32_t seed;
} mask_settings;

static rep_twin_options options_of(const mask_settings *s) {
    return (rep_twin_options){
        .net = {.in_channels = s->channels,
                .num_classes = CLASSES,
                .stage0_width = s->channels,
                .widths = {s->channels, s->channels, s->channels, s->channels},
                .strides = {1, 1, 1, 1, 1},
                .kernel_size = s->kernel,
                .act = REP_ACT_RELU,
                .bn_eps = 1e-5f,
                .bn_momentum = 0.1f},
        .batch = BATCH,
        .height = SIDE,
        .width = SIDE,
        .optimizer = {.is_adamw = s->is_adamw,
                      .sgd = {.momentum = s->momentum, .nesterov = s->is_nesterov ? 1 : 0},
                      .adamw = {.beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-3f},
                      .lr_factor_bias = 1.0f,
                      .weight_decay = s->decay,
                      .clip_norm = s->clip_norm,
                      .clip_is_plain = s->is_clip_plain},
        .is_masked = s->is_masked,
        .lr = s->lr,
        .norm_bias = 4.0f,
        .seed = s->seed,
    };
}

/* `settings` as mask_settings lies in memory: eleven words. */
WEB_EXPORT int web_mask_create(const mask_settings *settings) {
    web_mask *m = calloc(1, sizeof *m);
    if (m == NULL) { return rep_fail(REP_ERR_MEMORY, "pair of nets: no memory"); }
    m->options = options_of(settings);
    rep_status status = check(&m->options, settings->channels);
    if (status == REP_OK) { status = start(m); }
    if (status != REP_OK) {
        destroy(m);
        return status;
    }
    return web_handle_add(WEB_MASK, m, destroy);
}

WEB_EXPORT int web_mask_step(int handle) {
    web_mask *m = web_handle_get(WEB_MASK, handle);
    if (m == NULL) { return REP_ERR_ARGUMENT; }
    memcpy(m->arrays[MASK_BEFORE], m->arrays[MASK_KERNEL], m->count * sizeof(float));
    REP_TRY(rep_twin_step(m->twin, &m->loss, &m->twin_loss));
    REP_TRY(look(m, true));
    fill_masked(m);
    return REP_OK;
}

/* {step, loss, twinLoss, difference, shape: [c_out, kh, kw, c_in]} */
WEB_EXPORT char *web_mask_facts(int handle) {
    const web_mask *m = web_handle_get(WEB_MASK, handle);
    if (m == NULL) { return NULL; }
    cJSON *out = cJSON_CreateObject();
    const int shape[] = {m->shape.n, m->shape.h, m->shape.w, m->shape.c};
    cJSON_AddNumberToObject(out, "step", (double)rep_twin_steps(m->twin));
    cJSON_AddNumberToObject(out, "loss", m->loss);
    cJSON_AddNumberToObject(out, "twinLoss", m->twin_loss);
    cJSON_AddNumberToObject(out, "difference", m->difference);
    cJSON_AddItemToObject(out, "shape", cJSON_CreateIntArray(shape, 4));
    return web_text(out);
}

/* The values of array `which` (mask_array), borrowed until the next step; 0 where there is none. */
WEB_EXPORT const float *web_mask_array(int handle, int which) {
    const web_mask *m = web_handle_get(WEB_MASK, handle);
    if (m == NULL || which < 0 || which >= MASK_ARRAY_COUNT) { return NULL; }
    const rep_scale_row *row = rep_twin_row(m->twin, 0);
    return which == MASK_S   ? row->s
           : which == MASK_T ? row->t
           : which == MASK_U ? row->u
                             : m->arrays[which];
}
