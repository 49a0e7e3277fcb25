/* torch_containers.c - what a PyTorch file's values are: a state_dict, a whole model, a checkpoint.
 *
 * A dictionary with tensors in it is a state_dict. One whose values keep the tensors is a
 * checkpoint: what stands under "model", "state_dict" and the like is the net, whose tensors keep
 * their names; those below other keys get the key before them ("ema.", "optimizer."). A
 * checkpoint may hold another in a net's or any other place. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/torch_walk.h"

enum { MOST_PAIRS = 1000, MOST_NESTING = 4 };
static const size_t most_texts = (size_t)64 << 20; /* bytes, as long as a pickle may be */

/* Keys under which a checkpoint keeps its net, the likeliest first. */
static const char *const net_keys[] = {"model", "state_dict", "model_state_dict", "model_state",
                                       "net",   "network",    "module",           "weights",
                                       "ema",   "model_ema",  "ema_state_dict"};
enum { NET_KEY_COUNT = sizeof net_keys / sizeof net_keys[0] };

/* What else with tensors a checkpoint has, by which one inside another is told from a net that has
 * a part called "model" or "net". */
static const char *const other_keys[] = {
    "optimizer", "optimizer_state_dict", "optimizer_states",     "optimizers", "optim",
    "scheduler", "lr_scheduler",         "scheduler_state_dict", "scaler",     "amp"};

/* ---- containers ----------------------------------------------------------------------------- */

/* Where in a dictionary's items the net of key number `index` is; 0: nowhere. */
static size_t net_at(const rep_pickle_value *dict, size_t index) {
    const rep_pickle_items *items = dict->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        const rep_pickle_value *key = items->values[i], *net = items->values[i + 1];
        if (key->kind != REP_PICKLE_TEXT || !rep_text_is(key->is.text, net_keys[index])) {
            continue;
        }
        const bool is_net =
            rep_pickle_is_container(net) && (net->is.items->count > 0 || rep_walk_attributes(net));
        return is_net ? i + 1 : 0;
    }
    return 0;
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

static bool is_among(rep_text key, const char *const *keys, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (rep_text_is(key, keys[i])) { return true; }
    }
    return false;
}

/* A wrapper below the top: {"module": state_dict, "decay": 0.9}. One that holds tensors under other
 * keys than a checkpoint's is a net with a part of that name, whose names stay as they are. */
static bool is_checkpoint(const rep_pickle_value *value) {
    if (!is_wrapper(value)) { return false; }
    const rep_pickle_items *items = value->is.items;
    bool has_net = false;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        const rep_pickle_value *key = items->values[i];
        if (!rep_walk_holds(items->values[i + 1])) { continue; }
        if (key->kind != REP_PICKLE_TEXT) { return false; }
        const bool is_net = is_among(key->is.text, net_keys, NET_KEY_COUNT);
        has_net |= is_net;
        if (!is_net &&
            !is_among(key->is.text, other_keys, sizeof other_keys / sizeof other_keys[0])) {
            return false;
        }
    }
    return has_net;
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
static rep_status collect_one(rep_walk *w, rep_pickle_value *value) {
    rep_tensors *file = w->file;
    const size_t first = file->count;
    char kind[200];
    name_kind(kind, sizeof kind, value);
    REP_TRY(rep_tensors_add_container(file, &w->container, w->name, kind));
    REP_TRY(rep_walk_visit(w, value));
    if (file->count == first) {
        file->container_count--;
        return REP_OK;
    }
    return strip_module(w, first);
}

static rep_status collect_checkpoint(rep_walk *w, const rep_pickle_value *dict);

/* The same for a checkpoint inside another: a container for each of its parts. */
static rep_status collect(rep_walk *w, rep_pickle_value *value) {
    if (w->nesting == MOST_NESTING || !is_checkpoint(value)) { return collect_one(w, value); }
    w->nesting++;
    const rep_status status = collect_checkpoint(w, value);
    w->nesting--;
    return status;
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
    *is_scalar = value->kind <= REP_PICKLE_TEXT && value->kind != REP_PICKLE_BIG;
    if (!*is_scalar || value->kind == REP_PICKLE_NONE || rep_tensors_metadata(w->file, w->name)) {
        return REP_OK;
    }
    if (w->file->pair_count == MOST_PAIRS) {
        return rep_tensors_add_skip(w->file, w->name, "a value beyond the first 1,000");
    }
    switch (value->kind) {
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
        w->texts += value->is.text.count;
        if (w->texts > most_texts) {
            return rep_tensors_add_skip(w->file, w->name, "text beyond the first 64 MiB of texts");
        }
        char *copy = rep_arena_alloc(&w->file->texts, value->is.text.count + 1);
        if (!copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", w->file->name); }
        memcpy(copy, value->is.text.bytes, value->is.text.count);
        if (!is_utf8(copy)) { return REP_OK; }
        text = copy;
        break;
    }
    default:
        break;
    }
    return rep_tensors_add_pair(w->file, w->name, text);
}

/* Notes on what is not read, to be forgotten where one line says as much. */
typedef struct note_mark {
    size_t count, more;
} note_mark;

static note_mark mark_notes(const rep_walk *w) {
    return (note_mark){w->file->skip_count, w->file->more_skips};
}

static void forget_notes(rep_walk *w, note_mark mark) {
    w->file->skip_count = mark.count;
    w->file->more_skips = mark.more;
}

/* What stands beside the net: metadata, containers of their own, or a note. */
static rep_status collect_beside(rep_walk *w, const rep_pickle_value *key,
                                 rep_pickle_value *value) {
    char number[32];
    rep_text text = {0};
    bool is_scalar = false;
    if (!rep_walk_key(&text, number, key)) { return rep_walk_skip_key(w, key, value); }
    if (!rep_walk_enter(w, text)) { return rep_walk_holds(value) ? rep_walk_fail_name(w) : REP_OK; }
    REP_TRY(add_scalar(w, value, &is_scalar));
    if (is_scalar) { return REP_OK; }
    if (value->kind == REP_PICKLE_TENSOR) {
        return value->is.tensor->is_known ? rep_walk_skip(w, value)
                                          : rep_walk_tensor(w, value->is.tensor);
    }
    const size_t tensors = w->file->count, length = w->length;
    const note_mark mark = mark_notes(w);
    if (!rep_walk_enter(w, (rep_text){".", 1})) { return REP_OK; }
    REP_TRY(collect(w, value));
    rep_walk_leave(w, length);
    const bool has_told = w->file->skip_count > mark.count && rep_walk_holds(value);
    if (w->file->count > tensors || has_told) { return REP_OK; }
    /* A container without tensors needs one line, not one for each of its parts. */
    forget_notes(w, mark);
    return rep_walk_skip(w, value);
}

/* The walk's name is the prefix of the net, and of the keys beside it. */
static rep_status collect_checkpoint(rep_walk *w, const rep_pickle_value *dict) {
    const size_t base = w->length, tensors = w->file->count;
    const note_mark mark = mark_notes(w);
    const rep_pickle_items *items = dict->is.items;
    size_t net = 0;
    for (size_t i = 0; i < NET_KEY_COUNT && net == 0; i++) {
        const size_t at = net_at(dict, i);
        if (at == 0) { continue; }
        REP_TRY(collect(w, items->values[at]));
        rep_walk_leave(w, base);
        if (w->file->count > tensors) {
            net = at;
        } else {
            forget_notes(w, mark);
        }
    }
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        if (i + 1 == net) { continue; }
        REP_TRY(collect_beside(w, items->values[i], items->values[i + 1]));
        rep_walk_leave(w, base);
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
