/* state.c - a program's state tensors as the tensors of a file, both ways.
 *
 * Storage order is n, h, w, c; files have n, c, h, w with the rank of PyTorch's state_dict. Blocks
 * (state tensors that others are placed in) and integer tables are not saved: the first are their
 * children, the second follow from the configuration.
 */
#include "train/state.h"

#include "nn/nn.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct rep_state_item {
    rep_state_list *list;
    const rep_graph *graph;
    rep_program *program;
    rep_id tensor;
    rep_tensor_type type; /* of the file */
} rep_state_item;

/* saved[id] for every tensor: floating-point state that is no block of others. Gradient sums start
 * anew in every step, and a net without RepOptimizer has an empty block of scales. */
static bool *list_saved(const rep_graph *graph) {
    bool *saved = calloc(graph->tensor_count, sizeof *saved);
    if (saved == NULL) { return NULL; }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *t = &graph->tensors[id];
        saved[id] = t->region == REP_STATE && t->dtype == REP_F32 &&
                    strcmp(t->name, "scales") != 0 &&
                    !rep_text_starts_with(t->name, "optimizer.accumulated");
    }
    for (rep_id id = 1; id < graph->tensor_count; id++) { saved[graph->tensors[id].block] = false; }
    return saved;
}

/* Rank and shape in a file. The average and the momenta have those of their parameter. */
static int32_t file_shape(const rep_graph *graph, rep_id id, int64_t shape[REP_TENSOR_MAX_RANK]) {
    const rep_tensor *t = &graph->tensors[id];
    const size_t skip = rep_tensor_prefix(t->name);
    const rep_id owner = skip > 0 ? rep_graph_find(graph, t->name + skip) : id;
    int32_t rank = owner != 0 ? graph->tensors[owner].rank : 1;
    const rep_shape s = t->shape;
    /* A scale vector of the target has no parameter of its name. */
    if (rank < 4 && (s.h != 1 || s.w != 1)) { rank = 4; }
    const int64_t full[4] = {s.n, s.c, s.h, s.w};
    memcpy(shape, rank == 1 ? full + 1 : full, sizeof *shape * (size_t)rank);
    return rank;
}

/* ---- writing ------------------------------------------------------------------------------------
 */

/* out {n,c,h,w} <- in stored n, h, w, c. */
static void to_file_order(float *out, const float *in, rep_shape s) {
    const size_t c_count = (size_t)s.c, pixels = (size_t)s.h * (size_t)s.w;
    for (size_t n = 0; n < (size_t)s.n; n++) {
        const size_t base = n * c_count * pixels;
        for (size_t c = 0; c < c_count; c++) {
            for (size_t p = 0; p < pixels; p++) {
                out[base + c * pixels + p] = in[base + p * c_count + c];
            }
        }
    }
}

static void to_storage_order(float *out, const float *in, rep_shape s) {
    const size_t c_count = (size_t)s.c, pixels = (size_t)s.h * (size_t)s.w;
    for (size_t n = 0; n < (size_t)s.n; n++) {
        const size_t base = n * c_count * pixels;
        for (size_t c = 0; c < c_count; c++) {
            for (size_t p = 0; p < pixels; p++) {
                out[base + p * c_count + c] = in[base + c * pixels + p];
            }
        }
    }
}

static rep_status fill_tensor(void *context, void *elements, size_t count) {
    const rep_state_item *item = context;
    const rep_shape shape = rep_graph_shape(item->graph, item->tensor);
    REP_TRY(rep_program_read(item->program, item->tensor, item->list->buffer, count));
    if (item->type == REP_TENSOR_F32) {
        to_file_order(elements, item->list->buffer, shape);
        return REP_OK;
    }
    float *values = malloc(count * sizeof *values);
    if (values == NULL) { return rep_fail(REP_ERR_MEMORY, "checkpoint: no memory"); }
    to_file_order(values, item->list->buffer, shape);
    for (size_t i = 0; i < count; i++) {
        if (item->type == REP_TENSOR_I8) { ((int8_t *)elements)[i] = (int8_t)values[i]; }
        if (item->type == REP_TENSOR_U8) { ((uint8_t *)elements)[i] = (uint8_t)values[i]; }
        if (item->type == REP_TENSOR_I32) { ((int32_t *)elements)[i] = (int32_t)values[i]; }
    }
    free(values);
    return REP_OK;
}

static const char suffix_mean[] = ".running_mean";

/* "x.bn" for "x.bn.running_mean", else 0. */
static size_t norm_name_length(const char *name) {
    const size_t length = strlen(name), tail = sizeof suffix_mean - 1;
    if (length <= tail || rep_tensor_prefix(name) > 0) { return 0; }
    return strcmp(name + length - tail, suffix_mean) == 0 ? length - tail : 0;
}

static const char *tracked_name(rep_arena *arena, const char *name, size_t length) {
    static const char tail[] = ".num_batches_tracked";
    char *text = rep_arena_alloc(arena, length + sizeof tail);
    if (text == NULL) { return NULL; }
    memcpy(text, name, length);
    memcpy(text + length, tail, sizeof tail);
    return text;
}

/* Appends the tensor and, behind a running mean, its num_batches_tracked. */
static rep_status add_tensor(rep_state_list *list, const rep_graph *graph, rep_program *program,
                             rep_id id) {
    const char *name = graph->tensors[id].name;
    rep_state_item *item = &list->items[list->count];
    rep_tensor_source *source = &list->sources[list->count++];
    const rep_tensor_type type = rep_int8_type(graph, name);
    *item = (rep_state_item){list, graph, program, id, type};
    *source = (rep_tensor_source){.name = name, .type = type, .fill = fill_tensor, .context = item};
    source->rank = file_shape(graph, id, source->shape);
    const size_t norm = norm_name_length(name);
    if (norm == 0 || list->tracked < 0) { return REP_OK; }
    const char *tracked = tracked_name(&list->names, name, norm);
    if (tracked == NULL) { return rep_fail(REP_ERR_MEMORY, "checkpoint: no memory"); }
    list->sources[list->count++] = (rep_tensor_source){.name = tracked,
                                                       .type = REP_TENSOR_I64,
                                                       .fill = rep_tensor_fill_i64,
                                                       .context = &list->tracked};
    return REP_OK;
}

static rep_status list_tensors(rep_state_list *out, const rep_graph *graph, rep_program *program,
                               const bool *saved) {
    const size_t room = 2 * (size_t)graph->tensor_count;
    out->sources = calloc(room, sizeof *out->sources);
    out->items = calloc(room, sizeof *out->items);
    size_t largest = 1;
    for (rep_id id = 1; id < graph->tensor_count && saved != NULL; id++) {
        const size_t count = rep_shape_count(graph->tensors[id].shape);
        if (saved[id] && count > largest) { largest = count; }
    }
    out->buffer = malloc(largest * sizeof *out->buffer);
    rep_status status = REP_OK;
    if (saved == NULL || out->sources == NULL || out->items == NULL || out->buffer == NULL) {
        status = rep_fail(REP_ERR_MEMORY, "checkpoint: no memory");
    }
    for (rep_id id = 1; id < graph->tensor_count && status == REP_OK; id++) {
        if (saved[id]) { status = add_tensor(out, graph, program, id); }
    }
    return status;
}

rep_status rep_state_list_init(rep_state_list *out, const rep_graph *graph, rep_program *program,
                               uint64_t tracked) {
    *out = (rep_state_list){.tracked = (int64_t)tracked};
    bool *saved = list_saved(graph);
    const rep_status status = list_tensors(out, graph, program, saved);
    free(saved);
    return status;
}

rep_status rep_state_list_pick(rep_state_list *out, const rep_graph *graph, rep_program *program,
                               const bool *wanted) {
    *out = (rep_state_list){.tracked = -1};
    return list_tensors(out, graph, program, wanted);
}

rep_id rep_state_list_tensor(const rep_state_list *list, size_t index) {
    return list->items[index].tensor;
}

void rep_state_list_clear(rep_state_list *list) {
    free(list->sources);
    free(list->items);
    free(list->buffer);
    rep_arena_clear(&list->names);
    *list = (rep_state_list){0};
}

/* ---- reading ------------------------------------------------------------------------------------
 */

static void shape_text(char *text, size_t bytes, const int64_t *shape, int32_t rank) {
    size_t used = (size_t)snprintf(text, bytes, "%s", rank == 0 ? "a scalar" : "");
    for (int32_t i = 0; i < rank && used < bytes; i++) {
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%" PRId64, i > 0 ? "x" : "", shape[i]);
    }
}

/* The file's tensor `name` with the shape of tensor `id`. */
static rep_status find_tensor(const rep_tensor_info **out, const rep_graph *graph, rep_id id,
                              const rep_tensors *file, const char *name) {
    int64_t shape[REP_TENSOR_MAX_RANK];
    const int32_t rank = file_shape(graph, id, shape);
    char want[128];
    shape_text(want, sizeof want, shape, rank);
    const rep_tensor_info *info = rep_tensors_find(file, name);
    if (info == NULL) {
        return rep_fail(REP_ERR_DATA,
                        "%s: has no tensor \"%s\" (%s): it is of another model or optimizer; check "
                        "TRAINING_MODE, MODEL.VGG and SOLVER",
                        rep_tensors_name(file), name, want);
    }
    if (info->rank != rank || memcmp(info->shape, shape, sizeof *shape * (size_t)rank) != 0) {
        char have[128];
        shape_text(have, sizeof have, info->shape, info->rank);
        return rep_fail(
            REP_ERR_DATA,
            "%s: tensor \"%s\" is %s, this model's is %s: the file is of another model; "
            "check MODEL.VGG and the data set",
            rep_tensors_name(file), name, have, want);
    }
    *out = info;
    return REP_OK;
}

/* The file's tensor in storage order; malloc'd. */
static rep_status read_tensor(float **out, const rep_graph *graph, rep_id id,
                              const rep_tensors *file, const char *name) {
    const rep_tensor_info *info = NULL;
    REP_TRY(find_tensor(&info, graph, id, file, name));
    float *raw = malloc(2 * info->count * sizeof *raw);
    if (raw == NULL) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", name); }
    const rep_status status = rep_tensors_read_f32(file, info, raw + info->count);
    if (status != REP_OK) {
        free(raw);
        return status;
    }
    to_storage_order(raw, raw + info->count, rep_graph_shape(graph, id));
    *out = raw;
    return REP_OK;
}

/* Whole numbers are carried in floating point and end in integers again; a file may say anything.
 */
static rep_status check_range(const rep_graph *graph, rep_id id, const rep_tensors *file,
                              const float *values) {
    const char *name = graph->tensors[id].name;
    const rep_int8_range *range = rep_int8_range_of(graph, name);
    const size_t count = rep_shape_count(graph->tensors[id].shape);
    for (size_t i = 0; i < count && range != NULL; i++) {
        const double v = (double)values[i];
        const bool is_within = v >= range->low && v <= range->high;
        if (is_within && (!range->is_whole || v == nearbyint(v))) { continue; }
        if (!range->is_whole) {
            return rep_fail(REP_ERR_DATA,
                            "%s: tensor \"%s\" holds %g, wanted finite scales above 0; make the "
                            "int8 net again",
                            rep_tensors_name(file), name, v);
        }
        return rep_fail(REP_ERR_DATA,
                        "%s: tensor \"%s\" holds %.10g, wanted whole numbers from %.0f to %.0f; "
                        "make the int8 net again",
                        rep_tensors_name(file), name, v, range->low, range->high);
    }
    return REP_OK;
}

static rep_status load_tensor(const rep_graph *graph, rep_program *program, rep_id id,
                              const rep_tensors *file, const char *name) {
    float *values = NULL;
    REP_TRY(read_tensor(&values, graph, id, file, name));
    const size_t count = rep_shape_count(rep_graph_shape(graph, id));
    rep_status status = check_range(graph, id, file, values);
    if (status == REP_OK) { status = rep_program_write(program, id, values, count); }
    free(values);
    return status;
}

/* The program already holds the scales of SCALE; the file those the run began with. */
static rep_status compare_scales(const rep_graph *graph, rep_program *program, rep_id id,
                                 const rep_tensors *file) {
    const char *name = graph->tensors[id].name;
    const size_t count = rep_shape_count(rep_graph_shape(graph, id));
    float *old = NULL, *new = malloc(count * sizeof *new);
    rep_status status = new != NULL ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory", name);
    if (status == REP_OK) { status = read_tensor(&old, graph, id, file, name); }
    if (status == REP_OK) { status = rep_program_read(program, id, new, count); }
    if (status == REP_OK && memcmp(old, new, count * sizeof *new) != 0) {
        status =
            rep_fail(REP_ERR_CONFIG,
                     "SCALE: its scales are not those %s was trained with (first \"%s\"); give "
                     "the first SCALE again, or another OUTPUT_DIR",
                     rep_tensors_name(file), name);
    }
    free(old);
    free(new);
    return status;
}

rep_status rep_state_load_all(const rep_graph *graph, rep_program *program,
                              const rep_tensors *file) {
    bool *saved = list_saved(graph);
    if (saved == NULL) { return rep_fail(REP_ERR_MEMORY, "checkpoint: no memory"); }
    rep_status status = REP_OK;
    for (rep_id id = 1; id < graph->tensor_count && status == REP_OK; id++) {
        if (!saved[id]) { continue; }
        const char *name = graph->tensors[id].name;
        status = rep_text_starts_with(name, "scales.")
                     ? compare_scales(graph, program, id, file)
                     : load_tensor(graph, program, id, file, name);
    }
    free(saved);
    return status;
}

static rep_status read_tracked(uint64_t *tracked, const rep_tensors *file, const char *name,
                               size_t length) {
    rep_arena arena = {0};
    const char *full = tracked_name(&arena, name, length);
    const rep_tensor_info *info = full != NULL ? rep_tensors_find(file, full) : NULL;
    rep_status status = REP_OK;
    int64_t value = 0;
    if (info != NULL && info->count == 1) { status = rep_tensors_read_i64(file, info, &value); }
    rep_arena_clear(&arena);
    if (value > 0) { *tracked = (uint64_t)value; }
    return status;
}

/* "ema.<name>" into text where the average is wanted and there. */
static const char *source_name(char *text, size_t bytes, const rep_tensors *file, const char *name,
                               bool use_average) {
    const int length = snprintf(text, bytes, "ema.%s", name);
    const bool has_average =
        use_average && length > 0 && (size_t)length < bytes && rep_tensors_find(file, text) != NULL;
    return has_average ? text : name;
}

/* How much of a name stands in front of one of the model's: wrappers of training programs put
 * "model." or "_orig_mod." there. 0: it is no such name. */
static size_t wrapper_length(const rep_graph *graph, const char *name) {
    for (const char *dot = strchr(name, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
        if (rep_graph_find(graph, dot + 1)) { return (size_t)(dot + 1 - name); }
    }
    return 0;
}

/* A tensor the model has no place for means a file of another model, even if all else is there: the
 * branches of a search would be dropped without a word. */
static rep_status check_strangers(const rep_graph *graph, const rep_tensors *file) {
    static const char counter[] = "num_batches_tracked";
    for (size_t i = 0; i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        const char *name = info->name;
        const size_t length = strlen(name), tail = strlen(counter);
        const bool is_counter = length >= tail && strcmp(name + length - tail, counter) == 0;
        const bool is_beside = info->container > 0 || rep_tensor_prefix(name) > 0;
        if (is_beside || is_counter || rep_graph_find(graph, name)) { continue; }
        const int wrapper = (int)wrapper_length(graph, name);
        if (wrapper > 0) {
            return rep_fail(REP_ERR_DATA,
                            "%s: its tensor names begin with \"%.*s\"; `repopt convert --take "
                            "%.*s` takes that away",
                            rep_tensors_name(file), wrapper, name, wrapper, name);
        }
        return rep_fail(
            REP_ERR_DATA,
            "%s: this model has no place for its tensor \"%s\": it is of another model; "
            "check TRAINING_MODE and the MODEL keys",
            rep_tensors_name(file), name);
    }
    return REP_OK;
}

rep_status rep_state_load_model(const rep_graph *graph, rep_program *program,
                                const rep_tensors *file, bool use_average, uint64_t *tracked) {
    REP_TRY(check_strangers(graph, file));
    bool *saved = list_saved(graph);
    if (saved == NULL) { return rep_fail(REP_ERR_MEMORY, "checkpoint: no memory"); }
    rep_status status = REP_OK;
    *tracked = 0;
    for (rep_id id = 1; id < graph->tensor_count && status == REP_OK; id++) {
        const char *name = graph->tensors[id].name;
        if (!saved[id] || rep_tensor_prefix(name) > 0) { continue; }
        char text[256];
        status = load_tensor(graph, program, id, file,
                             source_name(text, sizeof text, file, name, use_average));
        const size_t norm = norm_name_length(name);
        if (status == REP_OK && norm > 0) { status = read_tracked(tracked, file, name, norm); }
    }
    free(saved);
    return status;
}
