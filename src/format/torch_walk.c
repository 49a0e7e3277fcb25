/* torch_walk.c - finds the named tensors among a PyTorch file's values.
 *
 * A dictionary with tensors in it is a state_dict. One without is a checkpoint: what stands under
 * "model", "state_dict" and the like is the net, whose tensors keep their names; those below other
 * keys get the key before them ("ema.", "optimizer."). An object with _parameters and _modules is a
 * module, listed as its own state_dict() would be. Depth is bounded, and a value without tensors is
 * looked into once, so that values that hold themselves, or each other many times, end the walk.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/torch.h"

enum { MOST_DEPTH = 100, MOST_TENSORS = 1 << 18, MOST_SKIPS = 1000, MOST_PAIRS = 1000 };
enum { NAME_BYTES = 1024 };

/* Keys under which a checkpoint keeps its net, the likeliest first. */
static const char *const net_keys[] = {"model", "state_dict", "model_state_dict", "model_state",
                                       "net",   "network",    "module",           "weights",
                                       "ema",   "model_ema",  "ema_state_dict"};
enum { NET_KEY_COUNT = sizeof net_keys / sizeof net_keys[0] };

typedef struct walk {
    rep_tensors *file;
    char name[NAME_BYTES]; /* of what is being looked at */
    size_t length;
    int depth; /* 1: the values of a container are being looked at */
    size_t container;
} walk;

static rep_status visit(walk *w, rep_pickle_value *value);

/* ---- names ---------------------------------------------------------------------------------- */

static rep_status fail_name(const walk *w) {
    return rep_fail(REP_ERR_DATA,
                    "%s: a tensor's name is longer than %d bytes, no UTF-8 or has control "
                    "characters; rename it and save the file again",
                    w->file->name, NAME_BYTES - 1);
}

/* Appends to the current name; false when it does not fit or is no plain UTF-8. */
static bool add_name(walk *w, rep_text part, const char *tail) {
    const size_t tail_length = strlen(tail);
    if (part.count >= NAME_BYTES || w->length + part.count + tail_length >= NAME_BYTES ||
        memchr(part.bytes, 0, part.count)) {
        return false;
    }
    char *start = w->name + w->length;
    memcpy(start, part.bytes, part.count);
    memcpy(start + part.count, tail, tail_length + 1);
    w->length += part.count + tail_length;
    uint32_t code = 0;
    for (const char *c = start; *c;) {
        const size_t bytes = rep_utf8_next(&code, c);
        if (bytes == 0 || code < 0x20 || code == 0x7F) { return false; }
        c += bytes;
    }
    return true;
}

static void cut_name(walk *w, size_t length) {
    w->length = length;
    w->name[length] = '\0';
}

static rep_status keep(const walk *w, const char **out, const char *text) {
    *out = rep_arena_strdup(&w->file->texts, text);
    return *out ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", w->file->name);
}

/* A key as text: texts and whole numbers, as an optimizer's state has them. */
static bool key_text(rep_text *out, char number[32], const rep_pickle_value *key) {
    if (key->kind == REP_PICKLE_TEXT) {
        *out = key->is.text;
        return true;
    }
    if (key->kind != REP_PICKLE_INT) { return false; }
    const int length = snprintf(number, 32, "%" PRId64, key->is.whole);
    *out = (rep_text){number, (size_t)length};
    return true;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* The current name without the dot that a container's ends with. */
static rep_status add_skip(walk *w, const char *reason) {
    rep_tensors *file = w->file;
    if (file->skip_count == MOST_SKIPS) { return REP_OK; }
    rep_tensors_skip *grown =
        rep_array_grow(file->skips, file->skip_count, &file->skip_capacity, sizeof *grown);
    if (!grown) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", file->name); }
    file->skips = grown;
    rep_tensors_skip *skip = &file->skips[file->skip_count];
    REP_TRY(keep(w, &skip->path, w->length ? w->name : "the file itself"));
    REP_TRY(keep(w, &skip->reason, reason));
    file->skip_count++;
    return REP_OK;
}

static rep_status add_tensor(walk *w, const rep_torch_tensor *tensor) {
    rep_tensors *file = w->file;
    if (!tensor->is_known) {
        char reason[160], shown[REP_TEXT_SHOWN];
        snprintf(reason, sizeof reason, "a tensor of type %s, which is not read",
                 rep_text_show(shown, tensor->type_name));
        return add_skip(w, reason);
    }
    if (file->count == MOST_TENSORS) {
        return rep_fail(REP_ERR_DATA, "%s: more than %d tensors; save model.state_dict()",
                        file->name, MOST_TENSORS);
    }
    rep_tensor_info *infos =
        rep_array_grow(file->infos, file->count, &file->capacity, sizeof *infos);
    if (infos) { file->infos = infos; }
    const rep_torch_tensor **places =
        rep_array_grow(file->places, file->count, &file->place_capacity, sizeof *places);
    if (places) { file->places = places; }
    if (!infos || !places) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", file->name);
    }
    rep_tensor_info *info = &file->infos[file->count];
    *info = (rep_tensor_info){.type = tensor->type,
                              .rank = tensor->rank,
                              .count = (size_t)tensor->count,
                              .container = w->container};
    memcpy(info->shape, tensor->shape, sizeof info->shape);
    const uint8_t *bytes = tensor->storage->bytes;
    if (bytes && tensor->is_contiguous) {
        info->bytes = bytes + (size_t)tensor->offset * rep_tensor_type_bytes(tensor->type);
    }
    REP_TRY(keep(w, &info->name, w->name));
    file->places[file->count++] = tensor;
    file->containers[w->container].count++;
    return REP_OK;
}

/* What a value is that no tensor comes from. */
static void describe(char *out, size_t bytes, const rep_pickle_value *value) {
    static const char *const kinds[] = {"None",
                                        "a boolean",
                                        "a number",
                                        "a number",
                                        "a number",
                                        "text",
                                        "bytes",
                                        "a tuple",
                                        "a list",
                                        "a dictionary",
                                        "a class",
                                        "a storage",
                                        "a tensor beside the net",
                                        "an object"};
    char module[REP_TEXT_SHOWN], name[REP_TEXT_SHOWN];
    const rep_pickle_global *global = value->kind == REP_PICKLE_OBJECT   ? value->is.items->global
                                      : value->kind == REP_PICKLE_GLOBAL ? value->is.global
                                                                         : NULL;
    if (!global) {
        snprintf(out, bytes, "%s%s", kinds[value->kind],
                 rep_pickle_is_container(value) ? " without tensors" : "");
        return;
    }
    snprintf(out, bytes, "%s %s.%s", kinds[value->kind], rep_text_show(module, global->module),
             rep_text_show(name, global->name));
}

static rep_status skip(walk *w, const rep_pickle_value *value) {
    char reason[200];
    describe(reason, sizeof reason, value);
    return add_skip(w, reason);
}

/* ---- values --------------------------------------------------------------------------------- */

/* The dictionary of an object's attributes: its state, or the first part of (state, slots). */
static rep_pickle_value *attributes(const rep_pickle_value *object) {
    if (object->kind != REP_PICKLE_OBJECT) { return NULL; }
    rep_pickle_value *state = object->is.items->state;
    if (state && state->kind == REP_PICKLE_TUPLE && state->is.items->count == 2) {
        state = state->is.items->values[0];
    }
    return state && state->kind == REP_PICKLE_DICT ? state : NULL;
}

static bool is_module(const rep_pickle_value *value) {
    const rep_pickle_value *state = attributes(value);
    return state && rep_pickle_find(state, "_parameters") && rep_pickle_find(state, "_modules");
}

/* One child of the current value; with a note where it has no tensors, or must not be read. */
static rep_status visit_child(walk *w, const rep_pickle_value *key, rep_pickle_value *child,
                              const char *refusal) {
    char number[32];
    rep_text text;
    if (!key_text(&text, number, key)) { return REP_OK; }
    const size_t length = w->length;
    const bool is_leaf = child->kind == REP_PICKLE_TENSOR, is_inside = w->depth > 1;
    const bool needs_dot = length > 0 && w->name[length - 1] != '.';
    rep_status status = REP_OK;
    if ((needs_dot && !add_name(w, (rep_text){".", 1}, "")) || !add_name(w, text, "")) {
        status = is_leaf ? fail_name(w) : REP_OK; /* only a tensor's name matters */
    } else if (refusal) {
        status = add_skip(w, refusal);
    } else {
        const size_t tensors = w->file->count, skips = w->file->skip_count;
        status = visit(w, child);
        const bool has_found = w->file->count > tensors || w->file->skip_count > skips;
        if (status == REP_OK && !has_found && !is_inside) { status = skip(w, child); }
    }
    cut_name(w, length);
    return status;
}

static rep_status visit_dict(walk *w, const rep_pickle_value *dict) {
    const rep_pickle_items *items = dict->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        REP_TRY(visit_child(w, items->values[i], items->values[i + 1], NULL));
    }
    return REP_OK;
}

static rep_status visit_list(walk *w, const rep_pickle_value *list) {
    rep_pickle_value index = {.kind = REP_PICKLE_INT};
    for (size_t i = 0; i < list->is.items->count; i++) {
        index.is.whole = (int64_t)i;
        REP_TRY(visit_child(w, &index, list->is.items->values[i], NULL));
    }
    return REP_OK;
}

static bool holds_text(const rep_pickle_value *list, const rep_pickle_value *key) {
    if (!list || list->kind != REP_PICKLE_LIST || key->kind != REP_PICKLE_TEXT) { return false; }
    for (size_t i = 0; i < list->is.items->count; i++) {
        const rep_pickle_value *item = list->is.items->values[i];
        if (item->kind == REP_PICKLE_TEXT && item->is.text.count == key->is.text.count &&
            memcmp(item->is.text.bytes, key->is.text.bytes, key->is.text.count) == 0) {
            return true;
        }
    }
    return false;
}

/* Parameters, persistent buffers, modules: the order of state_dict(). */
static rep_status visit_module(walk *w, const rep_pickle_value *module) {
    static const char *const parts[] = {"_parameters", "_buffers", "_modules"};
    const rep_pickle_value *state = attributes(module);
    const rep_pickle_value *passing = rep_pickle_find(state, "_non_persistent_buffers_set");
    for (int part = 0; part < 3; part++) {
        const rep_pickle_value *dict = rep_pickle_find(state, parts[part]);
        if (!dict || dict->kind != REP_PICKLE_DICT) { continue; }
        const rep_pickle_items *items = dict->is.items;
        for (size_t i = 0; i + 1 < items->count; i += 2) {
            const rep_pickle_value *key = items->values[i];
            rep_pickle_value *child = items->values[i + 1];
            if (child->kind == REP_PICKLE_NONE) { continue; } /* a layer without a bias */
            const bool is_passing = part == 1 && holds_text(passing, key);
            REP_TRY(visit_child(w, key, child,
                                is_passing ? "a buffer that the model does not save" : NULL));
        }
    }
    return REP_OK;
}

static rep_status visit_inside(walk *w, rep_pickle_value *value) {
    if (is_module(value)) { return visit_module(w, value); }
    const rep_pickle_value *inner = attributes(value);
    if (inner) { REP_TRY(visit_dict(w, inner)); }
    return value->is.items->is_dict ? visit_dict(w, value) : visit_list(w, value);
}

static rep_status visit(walk *w, rep_pickle_value *value) {
    if (value->kind == REP_PICKLE_TENSOR) { return add_tensor(w, value->is.tensor); }
    if (!rep_pickle_is_container(value) || value->is_open || value->is_barren) { return REP_OK; }
    if (w->depth == MOST_DEPTH) { return add_skip(w, "nested deeper than 100"); }
    const size_t tensors = w->file->count, skips = w->file->skip_count;
    value->is_open = true;
    w->depth++;
    const rep_status status = visit_inside(w, value);
    w->depth--;
    value->is_open = false;
    value->is_barren = w->file->count == tensors && w->file->skip_count == skips;
    return status;
}

/* ---- containers ----------------------------------------------------------------------------- */

/* The net that a dictionary keeps under key number `index`, or NULL. */
static rep_pickle_value *net_at(const rep_pickle_value *dict, size_t index) {
    rep_pickle_value *net = rep_pickle_find(dict, net_keys[index]);
    if (!net || !rep_pickle_is_container(net)) { return NULL; }
    return net->is.items->count > 0 || attributes(net) ? net : NULL;
}

/* A dictionary whose values keep the tensors: a checkpoint, an optimizer's state. It may have a
 * tensor of its own (a loss) beside a net. */
static bool is_wrapper(const rep_pickle_value *value) {
    if (!rep_pickle_is_container(value) || is_module(value) || !value->is.items->is_dict) {
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
    if (!is_module(value)) { return; }
    describe(out, bytes, value);
    static const char start[] = "an object ", model[] = "whole model ";
    const size_t length = strlen(out + sizeof start - 1);
    if (length + sizeof model > bytes) { return; }
    memmove(out + sizeof model - 1, out + sizeof start - 1, length + 1);
    memcpy(out, model, sizeof model - 1);
}

/* DataParallel puts "module." before every name of its net. */
static rep_status strip_module(walk *w, size_t first) {
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
static rep_status collect(walk *w, rep_pickle_value *value) {
    rep_tensors *file = w->file;
    const size_t first = file->count;
    rep_pickle_value *inner = unwrap(value);
    char kind[200];
    name_kind(kind, sizeof kind, inner);
    REP_TRY(rep_tensors_add_container(file, &w->container, w->name, kind));
    REP_TRY(visit(w, inner));
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
static rep_status add_scalar(walk *w, const rep_pickle_value *value, bool *is_scalar) {
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
static rep_status collect_beside(walk *w, const rep_pickle_value *key, rep_pickle_value *value) {
    char number[32];
    rep_text text;
    bool is_scalar = false;
    cut_name(w, 0);
    if (!key_text(&text, number, key) || !add_name(w, text, "")) { return REP_OK; }
    REP_TRY(add_scalar(w, value, &is_scalar));
    if (is_scalar) { return REP_OK; }
    if (value->kind == REP_PICKLE_TENSOR) {
        return value->is.tensor->is_known ? skip(w, value) : add_tensor(w, value->is.tensor);
    }
    const size_t tensors = w->file->count, skips = w->file->skip_count, length = w->length;
    if (!add_name(w, (rep_text){".", 1}, "")) { return REP_OK; }
    REP_TRY(collect(w, value));
    cut_name(w, length);
    /* A container that kept nothing needs one line, not one for each of its parts. */
    if (w->file->count > tensors) { return REP_OK; }
    w->file->skip_count = skips;
    return skip(w, value);
}

static rep_status collect_checkpoint(walk *w, const rep_pickle_value *top) {
    const rep_pickle_value *net = NULL;
    for (size_t i = 0; i < NET_KEY_COUNT && w->file->count == 0; i++) {
        rep_pickle_value *value = net_at(top, i);
        if (!value) { continue; }
        cut_name(w, 0);
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
static rep_status read_metadata(walk *w, const rep_pickle_value *top) {
    const rep_pickle_value *state = top->kind == REP_PICKLE_DICT ? top->is.items->state : NULL;
    const rep_pickle_value *dict = state ? rep_pickle_find(state, "metadata") : NULL;
    if (!dict || dict->kind != REP_PICKLE_DICT) { return REP_OK; }
    const rep_pickle_items *items = dict->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        bool is_scalar = false;
        cut_name(w, 0);
        if (items->values[i]->kind != REP_PICKLE_TEXT) { continue; }
        if (!add_name(w, items->values[i]->is.text, "")) { continue; }
        REP_TRY(add_scalar(w, items->values[i + 1], &is_scalar));
    }
    cut_name(w, 0);
    return REP_OK;
}

rep_status rep_torch_walk(rep_tensors *file) {
    walk w = {.file = file};
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
