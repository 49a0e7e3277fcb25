/* pickle_value.c - values of a pickle: made in its arena, under a bound; looked at. */
#include <stdarg.h>
#include <string.h>

#include "format/format.h"
#include "format/pickle_machine.h"

static const size_t most_memory = (size_t)512 << 20;

rep_status rep_pickle_fail(const rep_pickle *p, const char *format, ...) {
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return rep_fail(REP_ERR_DATA, "%s: pickle, byte %zu: %s", p->name, p->place + p->opcode_at,
                    what);
}

rep_status rep_pickle_damaged(const rep_pickle *p, const char *what) {
    return rep_pickle_fail(p, "%s; the file is damaged, copy or save it again", what);
}

/* ---- values --------------------------------------------------------------------------------- */

rep_status rep_pickle_alloc(rep_pickle *p, void **out, size_t bytes) {
    if (bytes > most_memory - p->memory->used) {
        return rep_pickle_fail(p, "builds more than %zu MiB of values; save model.state_dict()",
                               most_memory >> 20);
    }
    void *memory = rep_arena_alloc(&p->memory->arena, bytes);
    if (!memory) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its pickle", p->name); }
    p->memory->used += bytes;
    *out = memory;
    return REP_OK;
}

bool rep_pickle_is_container(const rep_pickle_value *value) {
    return value->kind == REP_PICKLE_TUPLE || value->kind == REP_PICKLE_LIST ||
           value->kind == REP_PICKLE_DICT || value->kind == REP_PICKLE_OBJECT;
}

rep_status rep_pickle_make(rep_pickle *p, rep_pickle_value **out, rep_pickle_kind kind) {
    void *memory = NULL;
    REP_TRY(rep_pickle_alloc(p, &memory, sizeof(rep_pickle_value)));
    rep_pickle_value *value = memory;
    value->kind = kind;
    if (rep_pickle_is_container(value)) {
        REP_TRY(rep_pickle_alloc(p, &memory, sizeof(rep_pickle_items)));
        value->is.items = memory;
        value->is.items->is_dict = kind == REP_PICKLE_DICT;
    }
    *out = value;
    return REP_OK;
}

/* Room for `more` values; the old place stays in the arena, at most as much again. */
rep_status rep_pickle_reserve(rep_pickle *p, rep_pickle_items *items, size_t more) {
    if (more <= items->capacity - items->count) { return REP_OK; }
    size_t capacity = items->capacity ? 2 * items->capacity : 4;
    if (capacity < items->count + more) { capacity = items->count + more; }
    void *memory = NULL;
    REP_TRY(rep_pickle_alloc(p, &memory, capacity * sizeof(rep_pickle_value *)));
    if (items->count > 0) { memcpy(memory, items->values, items->count * sizeof *items->values); }
    items->values = memory;
    items->capacity = capacity;
    return REP_OK;
}

rep_status rep_pickle_append(rep_pickle *p, rep_pickle_value *container, rep_pickle_value *value) {
    rep_pickle_items *items = container->is.items;
    REP_TRY(rep_pickle_reserve(p, items, 1));
    items->values[items->count++] = value;
    return REP_OK;
}

bool rep_text_is(rep_text text, const char *wanted) {
    return text.count == strlen(wanted) && memcmp(text.bytes, wanted, text.count) == 0;
}

const char *rep_text_show(char out[REP_TEXT_SHOWN], rep_text text) {
    const size_t count = text.count < REP_TEXT_SHOWN - 1 ? text.count : REP_TEXT_SHOWN - 1;
    if (count > 0) { memcpy(out, text.bytes, count); }
    out[count] = '\0';
    for (size_t i = 0; i < count;) {
        uint32_t code = 0;
        const size_t bytes = rep_utf8_next(&code, out + i);
        if (bytes == 0 || rep_code_is_control(code)) { memset(out + i, '?', bytes ? bytes : 1); }
        i += bytes ? bytes : 1;
    }
    return out;
}

bool rep_pickle_global_is(const rep_pickle_global *global, const char *module, const char *name) {
    return rep_text_is(global->module, module) && rep_text_is(global->name, name);
}

rep_pickle_value *rep_pickle_find(const rep_pickle_value *dict, const char *key) {
    if (!rep_pickle_is_container(dict) || !dict->is.items->is_dict) { return NULL; }
    const rep_pickle_items *items = dict->is.items;
    for (size_t i = 0; i + 1 < items->count; i += 2) {
        const rep_pickle_value *k = items->values[i];
        if (k->kind == REP_PICKLE_TEXT && rep_text_is(k->is.text, key)) {
            return items->values[i + 1];
        }
    }
    return NULL;
}
