/* checkpoint.c - a run's state as one safetensors file, and the way back.
 *
 * Tensors: the model's under PyTorch's state_dict names and shapes (convolutions c_out, c_in, kh,
 * kw; <bn>.num_batches_tracked as I64), beside them "optimizer.*", "ema.*" and "scales.*". In
 * memory a kernel is c_out, kh, kw, c_in; it is permuted on the way. __metadata__ holds the
 * counters, the mode, the seed, the class names, a detector's categories and the whole
 * configuration.
 *
 * OUTPUT_DIR/last_checkpoint holds the path of the newest file, as maskrcnn-benchmark has it. It is
 * written after the file itself is safe, so that it never names a partial one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "graph/graph.h"
#include "train/metadata.h"
#include "train/state.h"
#include "train/train.h"

/* ---- metadata ----------------------------------------------------------------------------------
 */

static void add_counters(rep_metadata *m, const rep_trainer *t) {
    const rep_counters *c = &t->counters;
    rep_metadata_add_number(m, "iteration", c->iteration);
    rep_metadata_add_number(m, "epoch", c->epoch);
    rep_metadata_add_number(m, "batches", c->batches);
    rep_metadata_add_number(m, "tracked", c->tracked);
    rep_metadata_add_number(m, "seed", (uint64_t)t->values->seed);
    rep_metadata_add_real(m, "epoch_loss_sum", c->loss_sum);
    rep_metadata_add_number(m, "epoch_loss_count", c->loss_count);
    if (t->is_half) {
        rep_metadata_add_number(m, "loss_scale", c->loss_scale);
        rep_metadata_add_number(m, "loss_scale_good_steps", c->good_steps);
        rep_metadata_add_number(m, "skipped_steps", c->skipped);
    }
    rep_metadata_add(m, "scale", t->rows != NULL ? t->values->scale : "");
}

static rep_status read_number(uint64_t *out, const rep_tensors *file, const char *key) {
    const char *text = rep_tensors_metadata(file, key);
    char *end = NULL;
    errno = 0;
    const unsigned long long value = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0' || errno != 0) {
        return rep_fail(REP_ERR_DATA,
                        "%s: metadata \"%s\" is %s; a run can go on only from a file that repopt "
                        "train wrote; remove last_checkpoint to start anew",
                        rep_tensors_name(file), key, text != NULL ? "no number" : "missing");
    }
    *out = value;
    return REP_OK;
}

static rep_status read_counters(rep_counters *out, const rep_tensors *file) {
    rep_counters c = {0};
    REP_TRY(read_number(&c.iteration, file, "iteration"));
    REP_TRY(read_number(&c.epoch, file, "epoch"));
    REP_TRY(read_number(&c.batches, file, "batches"));
    REP_TRY(read_number(&c.tracked, file, "tracked"));
    REP_TRY(read_number(&c.loss_count, file, "epoch_loss_count"));
    if (rep_tensors_metadata(file, "loss_scale") != NULL) {
        REP_TRY(read_number(&c.loss_scale, file, "loss_scale"));
        REP_TRY(read_number(&c.good_steps, file, "loss_scale_good_steps"));
        REP_TRY(read_number(&c.skipped, file, "skipped_steps"));
    }
    const char *sum = rep_tensors_metadata(file, "epoch_loss_sum");
    c.loss_sum = sum != NULL ? strtod(sum, NULL) : 0;
    *out = c;
    return REP_OK;
}

/* ---- save ---------------------------------------------------------------------------------------
 */

static rep_status write_last(const rep_trainer *t, const char *path) {
    char last[REP_PATH_BYTES];
    REP_TRY(rep_path_join(last, t->values->output_dir, "last_checkpoint"));
    return rep_file_write(last, path, strlen(path));
}

rep_status rep_checkpoint_save(rep_trainer *t, const char *path) {
    rep_metadata m;
    rep_state_list list = {0};
    REP_TRY(rep_metadata_init(&m, t->task, t->options->config));
    add_counters(&m, t);
    rep_status status =
        rep_state_list_init(&list, t->nets[0].graph, t->nets[0].program, t->counters.tracked);
    if (status == REP_OK) {
        status = rep_safetensors_write(path, list.sources, list.count, m.pairs, m.count);
    }
    if (status == REP_OK && t->metrics != NULL) { status = write_last(t, path); }
    if (status == REP_OK) { snprintf(t->checkpoint, sizeof t->checkpoint, "%s", path); }
    rep_state_list_clear(&list);
    rep_metadata_clear(&m);
    return status;
}

/* ---- resume
 * -------------------------------------------------------------------------------------- */

rep_status rep_checkpoint_find(rep_trainer *t) {
    char last[REP_PATH_BYTES], named[REP_PATH_BYTES];
    t->checkpoint[0] = '\0';
    REP_TRY(rep_path_join(last, t->values->output_dir, "last_checkpoint"));
    if (!rep_file_exists(last)) { return REP_OK; }
    rep_file_view view;
    REP_TRY(rep_file_open(&view, last));
    const bool is_short = view.count > 0 && view.count < sizeof named;
    if (is_short) {
        memcpy(named, view.bytes, view.count);
        named[view.count] = '\0';
        named[strcspn(named, "\r\n")] = '\0';
    }
    rep_file_close(&view);
    if (!is_short || named[0] == '\0') {
        return rep_fail(REP_ERR_DATA, "%s: holds no path; remove it to start anew", last);
    }
    /* A folder that was moved still finds its own files. */
    const char *slash = strrchr(named, '/');
    REP_TRY(rep_path_join(t->checkpoint, t->values->output_dir, slash ? slash + 1 : named));
    if (!rep_file_exists(t->checkpoint)) {
        snprintf(t->checkpoint, sizeof t->checkpoint, "%s", named);
    }
    if (!rep_file_exists(t->checkpoint)) {
        return rep_fail(REP_ERR_IO, "%s: names \"%s\", which is not there; remove %s to start anew",
                        last, named, last);
    }
    return REP_OK;
}

/* Says which settings are not those the run began with: allowed (a longer MAX_ITER is the usual
 * case), but then it is not the run that was interrupted. */
static rep_status log_changes(const rep_trainer *t, const rep_tensors *file) {
    const char *before = rep_tensors_metadata(file, "config");
    if (before == NULL) { return REP_OK; }
    char *now = NULL;
    REP_TRY(rep_config_dump(t->options->config, false, &now));
    for (char *line = now; *line != '\0';) {
        char *end = line + strcspn(line, "\n");
        const char kept = *end;
        *end = '\0';
        const char *text = line + strspn(line, " ");
        if (*text != '\0' && strstr(before, text) == NULL && strstr(text, "OUTPUT_DIR") == NULL) {
            rep_log(REP_LOG_INFO, "changed since the checkpoint: %s", text);
        }
        line = kept == '\0' ? end : end + 1;
    }
    free(now);
    return REP_OK;
}

static rep_status check_mode(const rep_trainer *t, const rep_tensors *file) {
    const char *mode = rep_tensors_metadata(file, "mode");
    if (mode != NULL && strcmp(mode, rep_mode_name(t->mode)) == 0) { return REP_OK; }
    return rep_fail(
        REP_ERR_CONFIG, "%s: is of a run with TRAINING_MODE %s, not %s; choose another OUTPUT_DIR",
        rep_tensors_name(file), mode != NULL ? mode : "unknown", rep_mode_name(t->mode));
}

rep_status rep_checkpoint_resume(rep_trainer *t, const char *path) {
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    rep_counters counters = {0};
    rep_status status = check_mode(t, file);
    if (status == REP_OK) { status = read_counters(&counters, file); }
    if (status == REP_OK) {
        status = rep_state_load_all(t->nets[0].graph, t->nets[0].program, file);
    }
    if (status == REP_OK) { status = log_changes(t, file); }
    rep_tensors_close(file);
    REP_TRY(status);
    /* A run that changes to float16 starts with its own scale; one that leaves it needs none. */
    if (!t->is_half) {
        counters.loss_scale = 1;
    } else if (counters.loss_scale < 1 || counters.loss_scale > REP_MOST_LOSS_SCALE) {
        counters.loss_scale = REP_FIRST_LOSS_SCALE;
    }
    if (counters.skipped > counters.iteration) { counters.skipped = counters.iteration; }
    t->counters = counters;
    rep_log(REP_LOG_INFO, "going on from %s (iteration %" PRIu64 ")", path, counters.iteration);
    return REP_OK;
}

rep_status rep_checkpoint_load_model(const rep_graph *graph, rep_program *program, const char *path,
                                     bool use_average, uint64_t *tracked) {
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    const rep_status status = rep_state_load_model(graph, program, file, use_average, tracked);
    rep_tensors_close(file);
    return status;
}

rep_status rep_checkpoint_look(bool *is_folded, bool *is_int8, const char *path) {
    rep_tensors *file = NULL;
    REP_TRY(rep_tensors_open(&file, path));
    *is_folded = rep_tensors_metadata(file, REP_METADATA_FOLDED) != NULL;
    *is_int8 = rep_tensors_metadata(file, REP_METADATA_INT8) != NULL;
    rep_tensors_close(file);
    return REP_OK;
}
