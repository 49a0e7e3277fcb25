/* start.c - where a run starts: drawn weights, a given checkpoint, searched scales, or its own
 * past.
 *
 *   resumed      everything from OUTPUT_DIR/last_checkpoint
 *   otherwise    weights drawn from SEED, or MODEL.WEIGHT
 *                + target: W = s*W_k + pad(t*W_1) [+ pad(diag(u or 1))] from SCALE
 * (rep_model_reinit)
 *                + csla with SCALE: the constants s, t, u themselves
 *                + the moving average starts as a copy
 */
#include <stdlib.h>
#include <string.h>

#include "train/train.h"

rep_status rep_start_scales(rep_trainer *t) {
    const char *path = t->values->scale;
    const bool is_resumed = t->checkpoint[0] != '\0';
    if (t->mode != REP_MODE_TARGET && t->mode != REP_MODE_CSLA) {
        if (path[0] != '\0' && !t->is_reference) {
            rep_log(REP_LOG_WARNING, "SCALE \"%s\" is not used: TRAINING_MODE is %s, not target",
                    path, rep_mode_name(t->mode));
        }
        return REP_OK;
    }
    if (path[0] == '\0' && t->mode == REP_MODE_CSLA) { return REP_OK; }
    /* A checkpoint carries its scales, so that a resumed run needs no SCALE. */
    if (path[0] == '\0' && is_resumed) { path = t->checkpoint; }
    if (path[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG,
                        "SCALE: empty, but TRAINING_MODE target needs searched scales; "
                        "give SCALE out/search/model_final.safetensors, or "
                        "TRAINING_MODE normal");
    }
    if (rep_scales_load(&t->scales, path) != REP_OK) { return rep_fail_prefix("SCALE: "); }
    const size_t count = rep_model_block_count(t->nets[0].model);
    t->rows = calloc(count + 1, sizeof *t->rows);
    if (t->rows == NULL) { return rep_fail(REP_ERR_MEMORY, "SCALE: no memory"); }
    return rep_scales_match(t->scales, t->nets[0].model, t->rows);
}

/* A resumed csla net has its constants from the checkpoint; SCALE must still say the same. */
static rep_status check_constants(const rep_trainer *t) {
    if (t->mode != REP_MODE_CSLA || t->rows == NULL) { return REP_OK; }
    rep_scales *own = NULL;
    REP_TRY(rep_scales_read(&own, t->nets[0].model, t->nets[0].program));
    rep_status status = REP_OK;
    for (size_t i = 0; i < rep_model_block_count(t->nets[0].model) && status == REP_OK; i++) {
        const rep_scale_row *a = rep_scales_row(own, i), *b = t->rows[i];
        const size_t bytes = (size_t)a->channels * sizeof *a->s;
        if (memcmp(a->s, b->s, bytes) != 0 || memcmp(a->t, b->t, bytes) != 0) {
            status = rep_fail(REP_ERR_CONFIG,
                              "SCALE: its scales of %s are not those %s was trained with; give the "
                              "first SCALE again, or another OUTPUT_DIR",
                              a->name, t->checkpoint);
        }
    }
    rep_scales_destroy(own);
    return status;
}

rep_status rep_start_state(rep_trainer *t) {
    const rep_values *v = t->values;
    if (t->checkpoint[0] != '\0') {
        REP_TRY(rep_checkpoint_resume(t, t->checkpoint));
        return check_constants(t);
    }
    REP_TRY(
        rep_model_init(t->nets[0].model, t->nets[0].graph, t->nets[0].program, (uint64_t)v->seed));
    if (v->model_weight[0] != '\0') {
        bool is_folded = false, is_int8 = false;
        REP_TRY(rep_checkpoint_look(&is_folded, &is_int8, v->model_weight));
        if (is_folded) {
            return rep_fail(REP_ERR_DATA,
                            "MODEL.WEIGHT: %s is folded and has no BN to train with; give the "
                            "checkpoint it was made of",
                            v->model_weight);
        }
        REP_TRY(rep_checkpoint_load_model(t->nets[0].graph, t->nets[0].program, v->model_weight,
                                          true, &t->counters.tracked));
        rep_log(REP_LOG_INFO, "weights from %s", v->model_weight);
    }
    if (t->rows != NULL && t->mode == REP_MODE_TARGET) {
        REP_TRY(rep_model_reinit(t->nets[0].model, t->nets[0].graph, t->nets[0].program, t->rows,
                                 v->use_identity_scales, t->options->is_forced_reinit,
                                 (uint64_t)v->seed));
        rep_log(REP_LOG_INFO, "kernels re-initialised with the scales of %s", v->scale);
    } else if (t->rows != NULL) {
        REP_TRY(rep_model_set_scales(t->nets[0].model, t->nets[0].program, t->rows));
    }
    return rep_optimizer_reset(t->nets[0].optimizer, t->nets[0].program);
}

rep_status rep_start_check_search(const rep_trainer *t) {
    if (t->mode != REP_MODE_HYPER_SEARCH) { return REP_OK; }
    rep_scales *scales = NULL;
    const rep_scale_row **rows = calloc(rep_model_block_count(t->nets[0].model) + 1, sizeof *rows);
    rep_status status = rows != NULL ? REP_OK : rep_fail(REP_ERR_MEMORY, "scales: no memory");
    if (status == REP_OK) {
        status = rep_scales_read(&scales, t->nets[0].model, t->nets[0].program);
    }
    if (status == REP_OK) { status = rep_scales_match(scales, t->nets[0].model, rows); }
    const double moved = status == REP_OK ? rep_scales_moved(t->nets[0].model, rows) : 1;
    if (moved <= 0.05) {
        rep_log(REP_LOG_WARNING,
                "the searched scales stayed within %.3f of their start (bound 0.05): they carry "
                "little; search longer, with a higher SOLVER.BASE_LR, or on harder data",
                moved);
    }
    rep_scales_destroy(scales);
    free(rows);
    return status;
}
