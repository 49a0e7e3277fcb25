/* torch_walk.c - walks a PyTorch file's values and lists the tensors among them by name.
 *
 * An object with _parameters and _modules is a module, listed as its own state_dict() would be; of
 * other values everything is looked at. Depth is bounded, a value without tensors is looked into
 * once, and what is looked at again is counted, so that values that hold themselves, or each other
 * many times, end the walk soon. */
#include "format/torch_walk.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_DEPTH = 100, MOST_TENSORS = 1 << 18, MOST_REPEATS = 1 << 20 };

/* ---- names ---------------------------------------------------------------------------------- */

rep_status rep_walk_fail_name(const rep_walk *w) {
    return rep_fail(REP_ERR_DATA,
                    "%s: a tensor's name is longer than %d bytes, no UTF-8 or has control "
                    "characters; rename it and save the file again",
                    w->file->name, REP_WALK_NAME_BYTES - 1);
}

bool rep_walk_enter(rep_walk *w, rep_text part) {
    if (part.count >= REP_WALK_NAME_BYTES - w->length || memchr(part.bytes, 0, part.count)) {
        return false;
    }
    char *start = w->name + w->length;
    memcpy(start, part.bytes, part.count);
    start[part.count] = '\0';
    w->length += part.count;
    uint32_t code = 0;
    for (const char *c = start; *c;) {
        const size_t bytes = rep_utf8_next(&code, c);
        if (bytes == 0 || rep_code_is_control(code)) { return false; }
        c += bytes;
    }
    return true;
}

void rep_walk_leave(rep_walk *w, size_t length) {
    w->length = length;
    w->name[length] = '\0';
}

static rep_status keep(const rep_walk *w, const char **out, const char *text) {
    *out = rep_arena_strdup(&w->file->texts, text);
    return *out ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", w->file->name);
}

bool rep_walk_key(rep_text *out, char number[32], const rep_pickle_value *key) {
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

static rep_status add_skip(rep_walk *w, const char *reason) {
    return rep_tensors_add_skip(w->file, w->length ? w->name : "the file itself", reason);
}

rep_status rep_walk_tensor(rep_walk *w, const rep_torch_tensor *tensor) {
    rep_tensors *file = w->file;
    if (tensor->fault) { return add_skip(w, tensor->fault); }
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
    REP_TRY(keep(w, &info->name, w->length ? w->name : "tensor")); /* torch.save(x) */
    file->places[file->count++] = tensor;
    file->containers[w->container].count++;
    return REP_OK;
}

static const char *kind_text(rep_pickle_kind kind) {
    static const char *const texts[] = {"None",
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
    return texts[kind];
}

/* What a value is that no tensor comes from. */
void rep_walk_describe(char *out, size_t bytes, const rep_pickle_value *value) {
    char module[REP_TEXT_SHOWN], name[REP_TEXT_SHOWN];
    const rep_pickle_global *global = value->kind == REP_PICKLE_OBJECT   ? value->is.items->global
                                      : value->kind == REP_PICKLE_GLOBAL ? value->is.global
                                                                         : NULL;
    if (!global) {
        snprintf(out, bytes, "%s%s", kind_text(value->kind),
                 rep_pickle_is_container(value) ? " without tensors" : "");
        return;
    }
    snprintf(out, bytes, "%s %s.%s", kind_text(value->kind), rep_text_show(module, global->module),
             rep_text_show(name, global->name));
}

rep_status rep_walk_skip(rep_walk *w, const rep_pickle_value *value) {
    char reason[200];
    rep_walk_describe(reason, sizeof reason, value);
    return add_skip(w, reason);
}

/* ---- values --------------------------------------------------------------------------------- */

/* The dictionary of an object's attributes: its state, or the first part of (state, slots). */
rep_pickle_value *rep_walk_attributes(const rep_pickle_value *object) {
    if (object->kind != REP_PICKLE_OBJECT) { return NULL; }
    rep_pickle_value *state = object->is.items->state;
    if (state && state->kind == REP_PICKLE_TUPLE && state->is.items->count == 2) {
        state = state->is.items->values[0];
    }
    return state && state->kind == REP_PICKLE_DICT ? state : NULL;
}

bool rep_walk_is_module(const rep_pickle_value *value) {
    const rep_pickle_value *state = rep_walk_attributes(value);
    return state && rep_pickle_find(state, "_parameters") && rep_pickle_find(state, "_modules");
}

/* A tensor of a kind that is not read: quantised, sparse. */
static bool is_other_tensor(const rep_pickle_value *value) {
    const rep_pickle_global *global =
        value->kind == REP_PICKLE_OBJECT ? value->is.items->global : NULL;
    return global && rep_text_is(global->module, "torch._utils");
}

enum { HOLDS_NONE = -1, HOLDS_UNKNOWN = 0, HOLDS_SOME = 1 };

static bool holds(rep_pickle_value *value, int depth) {
    if (value->kind == REP_PICKLE_TENSOR || is_other_tensor(value)) { return true; }
    if (!rep_pickle_is_container(value)) { return false; }
    if (value->holds != HOLDS_UNKNOWN) { return value->holds == HOLDS_SOME; }
    if (depth == MOST_DEPTH) { return true; } /* for all that is known */
    const rep_pickle_items *items = value->is.items;
    value->holds = HOLDS_NONE; /* inside itself there is nothing more */
    bool has_some = (items->state && holds(items->state, depth + 1)) ||
                    (items->arguments && holds(items->arguments, depth + 1));
    for (size_t i = 0; i < items->count && !has_some; i++) {
        has_some = holds(items->values[i], depth + 1);
    }
    value->holds = has_some ? HOLDS_SOME : HOLDS_NONE;
    return has_some;
}

bool rep_walk_holds(rep_pickle_value *value) { return holds(value, 0); }

rep_status rep_walk_skip_key(rep_walk *w, const rep_pickle_value *key, rep_pickle_value *value) {
    char reason[120];
    if (!rep_walk_holds(value)) { return REP_OK; }
    snprintf(reason, sizeof reason,
             "tensors under a key that is %s: no text, and no whole number of 64 bits",
             kind_text(key->kind));
    return add_skip(w, reason);
}

/* Refuses a file whose few values are looked at ever again. */
static rep_status count_repeats(rep_walk *w, size_t count) {
    w->repeats += count;
    if (w->repeats <= MOST_REPEATS) { return REP_OK; }
    return rep_fail(REP_ERR_DATA,
                    "%s: its values hold each other so often that more than %d would be looked at "
                    "again; save model.state_dict() with torch.save",
                    w->file->name, MOST_REPEATS);
}

/* Before the items of a container are looked at. */
static rep_status begin(rep_walk *w, rep_pickle_value *value) {
    const bool is_known = value->is_known;
    value->is_known = true;
    return is_known ? count_repeats(w, 1 + value->is.items->count) : REP_OK;
}

/* What the walk found so far, to see whether it found more. */
static size_t found(const rep_walk *w) {
    return w->file->count + w->file->skip_count + w->file->more_skips;
}

/* Nothing is found in it, and below a container's first level that needs no note. */
static bool is_idle(const rep_pickle_value *value) {
    if (value->kind == REP_PICKLE_TENSOR || is_other_tensor(value)) { return false; }
    return !rep_pickle_is_container(value) || value->is_open || value->is_barren;
}

/* A child under its name; with a note where it has no tensors, or must not be read. */
static rep_status visit_named(rep_walk *w, rep_pickle_value *child, const char *refusal) {
    if (refusal) { return add_skip(w, refusal); }
    const size_t before = found(w);
    REP_TRY(rep_walk_visit(w, child));
    const bool needs_note = w->depth == 1 || is_other_tensor(child);
    return found(w) == before && needs_note ? rep_walk_skip(w, child) : REP_OK;
}

static rep_status visit_child(rep_walk *w, const rep_pickle_value *key, rep_pickle_value *child,
                              const char *refusal) {
    char number[32];
    rep_text text = {0};
    if (w->depth > 1 && !refusal && is_idle(child)) { return REP_OK; }
    if (!rep_walk_key(&text, number, key)) { return rep_walk_skip_key(w, key, child); }
    const size_t length = w->length;
    const bool needs_dot = length > 0 && w->name[length - 1] != '.';
    rep_status status = REP_OK;
    if ((!needs_dot || rep_walk_enter(w, (rep_text){".", 1})) && rep_walk_enter(w, text)) {
        status = visit_named(w, child, refusal);
    } else if (rep_walk_holds(child)) { /* only a tensor's name matters */
        status = rep_walk_fail_name(w);
    }
    rep_walk_leave(w, length);
    return status;
}

static rep_status visit_dict(rep_walk *w, const rep_pickle_value *dict) {
    const rep_pickle_items *items = dict->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        REP_TRY(visit_child(w, items->values[i], items->values[i + 1], NULL));
    }
    return REP_OK;
}

static rep_status visit_list(rep_walk *w, const rep_pickle_value *list) {
    rep_pickle_value index = {.kind = REP_PICKLE_INT};
    for (size_t i = 0; i < list->is.items->count; i++) {
        index.is.whole = (int64_t)i;
        REP_TRY(visit_child(w, &index, list->is.items->values[i], NULL));
    }
    return REP_OK;
}

/* Whether a list has the text `key`, which is short enough for a name. */
static rep_status find_text(rep_walk *w, bool *out, const rep_pickle_value *list,
                            const rep_pickle_value *key) {
    *out = false;
    if (!list || list->kind != REP_PICKLE_LIST || key->kind != REP_PICKLE_TEXT ||
        key->is.text.count >= REP_WALK_NAME_BYTES) {
        return REP_OK;
    }
    const rep_text wanted = key->is.text;
    REP_TRY(count_repeats(w, list->is.items->count));
    for (size_t i = 0; i < list->is.items->count && !*out; i++) {
        const rep_pickle_value *item = list->is.items->values[i];
        *out = item->kind == REP_PICKLE_TEXT && item->is.text.count == wanted.count &&
               memcmp(item->is.text.bytes, wanted.bytes, wanted.count) == 0;
    }
    return REP_OK;
}

/* Parameters, persistent buffers, modules: the order of state_dict(). */
static rep_status visit_module(rep_walk *w, const rep_pickle_value *module) {
    static const char *const parts[] = {"_parameters", "_buffers", "_modules"};
    const rep_pickle_value *state = rep_walk_attributes(module);
    const rep_pickle_value *passing = rep_pickle_find(state, "_non_persistent_buffers_set");
    for (int part = 0; part < 3; part++) {
        rep_pickle_value *dict = rep_pickle_find(state, parts[part]);
        if (!dict || dict->kind != REP_PICKLE_DICT) { continue; }
        REP_TRY(begin(w, dict));
        const rep_pickle_items *items = dict->is.items;
        for (size_t i = 0; i + 1 < items->count; i += 2) {
            const rep_pickle_value *key = items->values[i];
            rep_pickle_value *child = items->values[i + 1];
            if (child->kind == REP_PICKLE_NONE) { continue; } /* a layer without a bias */
            bool is_passing = false;
            if (part == 1) { REP_TRY(find_text(w, &is_passing, passing, key)); }
            REP_TRY(visit_child(w, key, child,
                                is_passing ? "a buffer that the model does not save" : NULL));
        }
    }
    return REP_OK;
}

static rep_status visit_inside(rep_walk *w, rep_pickle_value *value) {
    rep_pickle_value *inner = rep_walk_attributes(value);
    if (inner) { REP_TRY(begin(w, inner)); }
    if (rep_walk_is_module(value)) { return visit_module(w, value); }
    if (inner) { REP_TRY(visit_dict(w, inner)); }
    const rep_pickle_items *items = value->is.items;
    if (items->arguments && items->count == 0 && !is_other_tensor(value)) {
        REP_TRY(begin(w, items->arguments));
        return visit_list(w, items->arguments);
    }
    return items->is_dict ? visit_dict(w, value) : visit_list(w, value);
}

rep_status rep_walk_visit(rep_walk *w, rep_pickle_value *value) {
    if (value->kind == REP_PICKLE_TENSOR) { return rep_walk_tensor(w, value->is.tensor); }
    if (!rep_pickle_is_container(value) || value->is_open || value->is_barren) { return REP_OK; }
    if (w->depth == MOST_DEPTH) { return add_skip(w, "nested deeper than 100"); }
    const size_t before = found(w);
    REP_TRY(begin(w, value));
    value->is_open = true;
    w->depth++;
    const rep_status status = visit_inside(w, value);
    w->depth--;
    value->is_open = false;
    value->is_barren = found(w) == before;
    return status;
}
