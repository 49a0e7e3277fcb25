/* torch_walk.c - walks a PyTorch file's values and lists the tensors among them by name.
 *
 * An object with _parameters and _modules is a module, listed as its own state_dict() would be; of
 * other values everything is looked at. Depth is bounded, and a value without tensors is looked
 * into once, so that values that hold themselves, or each other many times, end the walk. */
#include "format/torch_walk.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_DEPTH = 100, MOST_TENSORS = 1 << 18, MOST_SKIPS = 1000 };

/* ---- names ---------------------------------------------------------------------------------- */

static rep_status fail_name(const rep_walk *w) {
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
        if (bytes == 0 || code < 0x20 || code == 0x7F) { return false; }
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

/* The current name without the dot that a container's ends with. */
static rep_status add_skip(rep_walk *w, const char *reason) {
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

rep_status rep_walk_tensor(rep_walk *w, const rep_torch_tensor *tensor) {
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
    REP_TRY(keep(w, &info->name, w->length ? w->name : "tensor")); /* torch.save(x) */
    file->places[file->count++] = tensor;
    file->containers[w->container].count++;
    return REP_OK;
}

/* What a value is that no tensor comes from. */
void rep_walk_describe(char *out, size_t bytes, const rep_pickle_value *value) {
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

/* One child of the current value; with a note where it has no tensors, or must not be read. */
static rep_status visit_child(rep_walk *w, const rep_pickle_value *key, rep_pickle_value *child,
                              const char *refusal) {
    char number[32];
    rep_text text = {0};
    if (!rep_walk_key(&text, number, key)) { return REP_OK; }
    const size_t length = w->length;
    const bool is_leaf = child->kind == REP_PICKLE_TENSOR, is_inside = w->depth > 1;
    const bool needs_dot = length > 0 && w->name[length - 1] != '.';
    rep_status status = REP_OK;
    if ((needs_dot && !rep_walk_enter(w, (rep_text){".", 1})) || !rep_walk_enter(w, text)) {
        status = is_leaf ? fail_name(w) : REP_OK; /* only a tensor's name matters */
    } else if (refusal) {
        status = add_skip(w, refusal);
    } else {
        const size_t tensors = w->file->count, skips = w->file->skip_count;
        status = rep_walk_visit(w, child);
        const bool has_found = w->file->count > tensors || w->file->skip_count > skips;
        if (status == REP_OK && !has_found && !is_inside) { status = rep_walk_skip(w, child); }
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
static rep_status visit_module(rep_walk *w, const rep_pickle_value *module) {
    static const char *const parts[] = {"_parameters", "_buffers", "_modules"};
    const rep_pickle_value *state = rep_walk_attributes(module);
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

static rep_status visit_inside(rep_walk *w, rep_pickle_value *value) {
    if (rep_walk_is_module(value)) { return visit_module(w, value); }
    const rep_pickle_value *inner = rep_walk_attributes(value);
    if (inner) { REP_TRY(visit_dict(w, inner)); }
    return value->is.items->is_dict ? visit_dict(w, value) : visit_list(w, value);
}

rep_status rep_walk_visit(rep_walk *w, rep_pickle_value *value) {
    if (value->kind == REP_PICKLE_TENSOR) { return rep_walk_tensor(w, value->is.tensor); }
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
