/* trainer.c - lesson 3: the trainer of `repopt train`, step by step and without files. */
#include <stdlib.h>

#include "web.h"

typedef struct web_trainer {
    rep_config *config;
    rep_train_options options;
    rep_trainer *trainer;
} web_trainer;

static void destroy(void *object) {
    web_trainer *t = object;
    rep_trainer_destroy(t->trainer);
    rep_config_destroy(t->config);
    free(t);
}

static rep_status start(web_trainer *t, int count, const char *const *words, int threads) {
    /* What a page wants where the visitor's words say nothing else. */
    static const char *const defaults[] = {
        "OUTPUT_DIR", "", "DEVICE", "cpu:baseline", "DATALOADER.NUM_WORKERS", "1"};
    REP_TRY(rep_config_create(&t->config));
    REP_TRY(rep_config_merge_pairs(t->config, sizeof defaults / sizeof *defaults, defaults));
    REP_TRY(rep_config_merge_pairs(t->config, count, words));
    t->options = (rep_train_options){.config = t->config, .threads = threads};
    return rep_trainer_create(&t->trainer, &t->options);
}

static int create(int count, const char *const *words, int threads) {
    web_trainer *t = calloc(1, sizeof *t);
    if (t == NULL) { return rep_fail(REP_ERR_MEMORY, "training: no memory"); }
    const rep_status status = start(t, count, words, threads);
    if (status != REP_OK) {
        destroy(t);
        return status;
    }
    return web_handle_add(WEB_TRAINER, t, destroy);
}

/* words[count]: KEY, VALUE, KEY, VALUE ... */
WEB_EXPORT int web_trainer_create(int count, const char *const *words) {
    const int handle = create(count, words, web_threads());
    /* The threads of trainers that have just ended may not be back yet. */
    if (handle != REP_ERR_MEMORY || web_threads() == 1) { return handle; }
    return create(count, words, 1);
}

static cJSON *describe_block(const rep_block *block) {
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "name", block->name);
    cJSON_AddNumberToObject(out, "cIn", block->c_in);
    cJSON_AddNumberToObject(out, "cOut", block->c_out);
    cJSON_AddNumberToObject(out, "kernel", block->kernel);
    cJSON_AddBoolToObject(out, "hasIdentity", block->has_identity);
    return out;
}

/* What stays as it is during a run. */
WEB_EXPORT char *web_trainer_facts(int handle) {
    const web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    if (t == NULL) { return NULL; }
    rep_trainer_info info;
    rep_trainer_info_get(&info, t->trainer);
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "mode", rep_mode_name(info.mode));
    cJSON_AddNumberToObject(out, "maxIteration", (double)info.max_iteration);
    cJSON_AddNumberToObject(out, "parameters", (double)info.param_count);
    cJSON_AddNumberToObject(out, "width", info.width);
    cJSON_AddNumberToObject(out, "height", info.height);
    cJSON_AddNumberToObject(out, "channels", info.channels);
    cJSON_AddNumberToObject(out, "memoryBytes", info.memory_mib * 1048576);
    cJSON_AddItemToObject(out, "classNames",
                          cJSON_CreateStringArray(info.class_names, info.class_count));
    cJSON *blocks = cJSON_AddArrayToObject(out, "blocks");
    for (size_t i = 0; i < rep_model_block_count(info.model); i++) {
        cJSON_AddItemToArray(blocks, describe_block(rep_model_block(info.model, i)));
    }
    return web_text(out);
}

WEB_EXPORT char *web_trainer_step(int handle, unsigned count) {
    web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    rep_trainer_report report;
    if (t == NULL || rep_trainer_advance(&report, t->trainer, count) != REP_OK) { return NULL; }
    cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "iteration", (double)report.iteration);
    cJSON_AddNumberToObject(out, "epoch", (double)report.epoch);
    cJSON_AddNumberToObject(out, "loss", report.loss);
    cJSON_AddNumberToObject(out, "lr", report.lr);
    cJSON_AddNumberToObject(out, "gradNorm", report.grad_norm);
    cJSON_AddNumberToObject(out, "ms", report.ms);
    return web_text(out);
}

WEB_EXPORT char *web_trainer_evaluate(int handle) {
    web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    rep_eval_result result;
    if (t == NULL || rep_trainer_evaluate(&result, t->trainer) != REP_OK) { return NULL; }
    cJSON *out = cJSON_CreateObject();
    cJSON_AddNumberToObject(out, "top1", result.top1);
    cJSON_AddNumberToObject(out, "top5", result.top5);
    cJSON_AddNumberToObject(out, "loss", result.loss);
    cJSON_AddNumberToObject(out, "count", (double)result.count);
    return web_text(out);
}

static void add_row(void *list, const rep_scale_row *row) {
    cJSON_AddItemToArray(list, web_scale_row(row));
}

WEB_EXPORT char *web_trainer_scales(int handle) {
    web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    if (t == NULL) { return NULL; }
    cJSON *list = cJSON_CreateArray();
    if (rep_trainer_visit_scales(t->trainer, add_row, list) != REP_OK) {
        cJSON_Delete(list);
        return NULL;
    }
    return web_text(list);
}

/* [c_out, kh, kw, c_in] of a block's kernel, zeros where there is none. */
WEB_EXPORT int web_trainer_kernel_shape(int handle, unsigned block, int32_t shape[4]) {
    const web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    if (t == NULL) { return REP_ERR_ARGUMENT; }
    const rep_shape s = rep_trainer_kernel_shape(t->trainer, block);
    shape[0] = s.n;
    shape[1] = s.h;
    shape[2] = s.w;
    shape[3] = s.c;
    return REP_OK;
}

WEB_EXPORT int web_trainer_kernel(int handle, unsigned block, double *out, size_t count) {
    web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    return t != NULL ? rep_trainer_kernel(out, count, t->trainer, block) : REP_ERR_ARGUMENT;
}

/* pixels[count][height][width][channels], labels[count]. */
WEB_EXPORT int web_trainer_samples(int handle, double first, size_t count, uint8_t *pixels,
                                   int32_t *labels) {
    const web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    if (t == NULL) { return REP_ERR_ARGUMENT; }
    return rep_trainer_samples(pixels, labels, t->trainer, (uint64_t)first, count);
}

/* probabilities[count][classes]. */
WEB_EXPORT int web_trainer_predict(int handle, const uint8_t *pixels, size_t count,
                                   float *probabilities) {
    web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    if (t == NULL) { return REP_ERR_ARGUMENT; }
    return rep_trainer_predict(probabilities, t->trainer, pixels, count);
}

WEB_EXPORT int web_trainer_save(int handle, const char *path) {
    web_trainer *t = web_handle_get(WEB_TRAINER, handle);
    return t != NULL ? rep_trainer_save(t->trainer, path) : REP_ERR_ARGUMENT;
}
