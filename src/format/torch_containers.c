/* torch_containers.c - what a PyTorch file's values are: a state_dict, a whole model, a checkpoint.
 *
 * A dictionary with tensors in it is a state_dict. One whose values keep the tensors is a
 * checkpoint: what stands under "model", "state_dict" and the like is the net, whose tensors keep
 * their names; those below other keys get the key before them ("ema.", "optimizer."). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/torch_walk.h"

enum { MOST_PAIRS = 1000 };

/* Keys under which a checkpoint keeps its net, the likeliest first. */
static const char *const net_keys[] = {"model", "state_dict", "model_state_dict", "model_state",
                                       "net",   "network",    "module",           "weights",
                                       "ema",   "model_ema",  "ema_state_dict"};
enum { NET_KEY_COUNT = sizeof net_keys / sizeof net_keys[0] };

/* ---- containers ----------------------------------------------------------------------------- */

/* The net that a dictionary keeps under key number `index`, or NULL. */
static rep_pickle_value *net_at(const rep_pickle_value *dict, size_t index) {
    rep_pickle_value *net = rep_pickle_find(dict, net_keys[index]);
    if (!net || !rep_pickle_is_container(net)) { return NULL; }
    return net->is.items->count > 0 || rep_walk_attributes(net) ? net : NULL;
}

/* A dictionary whose values keep the tensors: a checkpoint, an optimizer's state. It may have a
 * tensor of its own (a loss) beside a net. */
static bool is_wrapper(const rep_pickle_value *value) {
    if (!rep_pickle_is_container(value) || rep_walk_is_module(value) || !value->is.items->is_dict) {
        return false;
    }
    for (size_t i = 0; i < NET_KEY_COUNT; i++) {
        if (net_at(value, i)) { return true; }
    }
    const rep_pickle_items *items = value->is.items;
    for (size_t i = 1; i < items->count; i += 2) {
        if (items->values[i]->kind == REP_PICKLE_TENSOR) { return false; }
    }
    return true;
}

/* What a wrapper below the top wraps: {"module": state_dict, "decay": 0.9}. */
static rep_pickle_value *unwrap(rep_pickle_value *value) {
    for (int depth = 0; depth < 4 && is_wrapper(value); depth++) {
        rep_pickle_value *inner = NULL;
        for (size_t i = 0; i < NET_KEY_COUNT && !inner; i++) { inner = net_at(value, i); }
        if (!inner) { break; }
        value = inner;
    }
    return value;
}

static void name_kind(char *out, size_t bytes, const rep_pickle_value *value) {
    snprintf(out, bytes, "%s",
             value->kind == REP_PICKLE_DICT && !is_wrapper(value) ? "state_dict" : "tensors");
    if (!rep_walk_is_module(value)) { return; }
    rep_walk_describe(out, bytes, value);
    static const char start[] = "an object ", model[] = "whole model ";
    const size_t length = strlen(out + sizeof start - 1);
    if (length + sizeof model > bytes) { return; }
    memmove(out + sizeof model - 1, out + sizeof start - 1, length + 1);
    memcpy(out, model, sizeof model - 1);
}

/* DataParallel puts "module." before every name of its net. */
static rep_status strip_module(rep_walk *w, size_t first) {
    static const char module[] = "module.";
    const size_t skip = sizeof module - 1;
    rep_tensors *file = w->file;
    rep_tensors_container *container = &file->containers[w->container];
    const size_t prefix = strlen(container->prefix);
    for (size_t i = first; i < file->count; i++) {
        if (strncmp(file->infos[i].name + prefix, module, skip) != 0) { return REP_OK; }
    }
    for (size_t i = first; i < file->count; i++) {
        char *name = rep_arena_strdup(&file->texts, file->infos[i].name);
        if (!name) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", file->name); }
        memmove(name + prefix, name + prefix + skip, strlen(name + prefix + skip) + 1);
        file->infos[i].name = name;
    }
    container->is_stripped = true;
    return REP_OK;
}

/* Lists one container's tensors; none leave no container. The walk's name is its prefix. */
static rep_status collect(rep_walk *w, rep_pickle_value *value) {
    rep_tensors *file = w->file;
    const size_t first = file->count;
    rep_pickle_value *inner = unwrap(value);
    char kind[200];
    name_kind(kind, sizeof kind, inner);
    REP_TRY(rep_tensors_add_container(file, &w->container, w->name, kind));
    REP_TRY(rep_walk_visit(w, inner));
    if (file->count == first) {
        file->container_count--;
        return REP_OK;
    }
    return strip_module(w, first);
}

static bool is_utf8(const char *text) {
    uint32_t code = 0;
    for (size_t bytes = 1; *text; text += bytes) {
        bytes = rep_utf8_next(&code, text);
        if (bytes == 0) { return false; }
    }
    return true;
}

/* A plain value beside the tensors becomes metadata; the first of a name counts. */
static rep_status add_scalar(rep_walk *w, const rep_pickle_value *value, bool *is_scalar) {
    char number[40];
    const char *text = number;
    *is_scalar = true;
    switch (value->kind) {
    case REP_PICKLE_NONE:
        return REP_OK;
    case REP_PICKLE_BOOL:
        text = value->is.is_true ? "true" : "false";
        break;
    case REP_PICKLE_INT:
        snprintf(number, sizeof number, "%" PRId64, value->is.whole);
        break;
    case REP_PICKLE_FLOAT:
        snprintf(number, sizeof number, "%.15g", value->is.number);
        if (strtod(number, NULL) != value->is.number) {
            snprintf(number, sizeof number, "%.17g", value->is.number);
        }
        break;
    case REP_PICKLE_TEXT: {
        char *copy = rep_arena_alloc(&w->file->texts, value->is.text.count + 1);
        if (!copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", w->file->name); }
        memcpy(copy, value->is.text.bytes, value->is.text.count);
        if (!is_utf8(copy)) { return REP_OK; }
        text = copy;
        break;
    }
    default:
        *is_scalar = false;
        return REP_OK;
    }
    if (w->file->pair_count == MOST_PAIRS || rep_tensors_metadata(w->file, w->name)) {
        return REP_OK;
    }
    return rep_tensors_add_pair(w->file, w->name, text);
}

/* What stands beside the net: metadata, containers of their own, or a note. */
static rep_status collect_beside(rep_walk *w, const rep_pickle_value *key,
                                 rep_pickle_value *value) {
    char number[32];
    rep_text text = {0};
    bool is_scalar = false;
    rep_walk_leave(w, 0);
    if (!rep_walk_key(&text, number, key) || !rep_walk_enter(w, text)) { return REP_OK; }
    REP_TRY(add_scalar(w, value, &is_scalar));
    if (is_scalar) { return REP_OK; }
    if (value->kind == REP_PICKLE_TENSOR) {
        return value->is.tensor->is_known ? rep_walk_skip(w, value)
                                          : rep_walk_tensor(w, value->is.tensor);
    }
    const size_t tensors = w->file->count, skips = w->file->skip_count, length = w->length;
    if (!rep_walk_enter(w, (rep_text){".", 1})) { return REP_OK; }
    REP_TRY(collect(w, value));
    rep_walk_leave(w, length);
    /* A container that kept nothing needs one line, not one for each of its parts. */
    if (w->file->count > tensors) { return REP_OK; }
    w->file->skip_count = skips;
    return rep_walk_skip(w, value);
}

static rep_status collect_checkpoint(rep_walk *w, const rep_pickle_value *top) {
    const rep_pickle_value *net = NULL;
    for (size_t i = 0; i < NET_KEY_COUNT && w->file->count == 0; i++) {
        rep_pickle_value *value = net_at(top, i);
        if (!value) { continue; }
        rep_walk_leave(w, 0);
        w->file->skip_count = 0;
        REP_TRY(collect(w, value));
        net = value;
    }
    if (w->file->count == 0) { net = NULL; }
    const rep_pickle_items *items = top->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        if (items->values[i + 1] == net) { continue; }
        REP_TRY(collect_beside(w, items->values[i], items->values[i + 1]));
    }
    return REP_OK;
}

/* The dictionary "metadata" among a state_dict's attributes, as rep_torch_write leaves it. */
static rep_status read_metadata(rep_walk *w, const rep_pickle_value *top) {
    const rep_pickle_value *state = top->kind == REP_PICKLE_DICT ? top->is.items->state : NULL;
    const rep_pickle_value *dict = state ? rep_pickle_find(state, "metadata") : NULL;
    if (!dict || dict->kind != REP_PICKLE_DICT) { return REP_OK; }
    const rep_pickle_items *items = dict->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        bool is_scalar = false;
        rep_walk_leave(w, 0);
        if (items->values[i]->kind != REP_PICKLE_TEXT) { continue; }
        if (!rep_walk_enter(w, items->values[i]->is.text)) { continue; }
        REP_TRY(add_scalar(w, items->values[i + 1], &is_scalar));
    }
    rep_walk_leave(w, 0);
    return REP_OK;
}

rep_status rep_torch_walk(rep_tensors *file) {
    rep_walk w = {.file = file};
    rep_pickle_value *top = file->torch.top;
    REP_TRY(read_metadata(&w, top));
    if (is_wrapper(top)) {
        REP_TRY(collect_checkpoint(&w, top));
    } else {
        REP_TRY(collect(&w, top));
    }
    if (file->count > 0) { return REP_OK; }
    if (file->skip_count > 0) {
        return rep_fail(REP_ERR_DATA,
                        "%s: holds no tensor that is read (\"%.80s\" is %s); save "
                        "model.state_dict() with torch.save",
                        file->name, file->skips[0].path, file->skips[0].reason);
    }
    return rep_fail(REP_ERR_DATA,
                    "%s: a PyTorch file without tensors; save model.state_dict() with torch.save",
                    file->name);
}
