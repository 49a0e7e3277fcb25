/* pickle.c - the stack machine's opcodes: protocols 2 to 5 (Python's pickletools.py), and those of
 * 0 and 1 that binary pickles still have. Every opcode takes at least one byte, so that a pickle's
 * size bounds its steps; memory has a bound of its own. Nothing here recurses. */
#include <stdlib.h>
#include <string.h>

#include "format/pickle_machine.h"

enum { NEWEST_PROTOCOL = 5 };
static const size_t most_bytes = (size_t)64 << 20;

/* ---- operands ------------------------------------------------------------------------------- */

static rep_status fail_cut(const rep_pickle *p) {
    if (p->count < most_bytes) { return rep_pickle_damaged(p, "is cut off"); }
    return rep_pickle_fail(p, "is longer than %zu MiB; save model.state_dict()", most_bytes >> 20);
}

/* A little-endian number of `bytes` bytes, at most 8. */
static rep_status read_number(rep_pickle *p, uint64_t *out, size_t bytes) {
    if (p->count - p->at < bytes) { return fail_cut(p); }
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) { value |= (uint64_t)p->bytes[p->at + i] << (8 * i); }
    p->at += bytes;
    *out = value;
    return REP_OK;
}

/* `count` bytes behind a length of `length_bytes` bytes. */
static rep_status read_text(rep_pickle *p, rep_text *out, size_t length_bytes) {
    uint64_t length = 0;
    REP_TRY(read_number(p, &length, length_bytes));
    if (length > p->count - p->at) { return fail_cut(p); }
    *out = (rep_text){(const char *)p->bytes + p->at, (size_t)length};
    p->at += (size_t)length;
    return REP_OK;
}

static rep_status read_line(rep_pickle *p, rep_text *out) {
    const uint8_t *start = p->bytes + p->at;
    const uint8_t *end = memchr(start, '\n', p->count - p->at);
    if (!end) { return rep_pickle_damaged(p, "a line has no end"); }
    *out = (rep_text){(const char *)start, (size_t)(end - start)};
    p->at += out->count + 1;
    return REP_OK;
}

static rep_status push_kind(rep_pickle *p, rep_pickle_kind kind) {
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_make(p, &value, kind));
    return rep_pickle_push(p, value);
}

static rep_status push_whole(rep_pickle *p, int64_t whole) {
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_make(p, &value, REP_PICKLE_INT));
    value->is.whole = whole;
    return rep_pickle_push(p, value);
}

static rep_status push_bool(rep_pickle *p, bool is_true) {
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_make(p, &value, REP_PICKLE_BOOL));
    value->is.is_true = is_true;
    return rep_pickle_push(p, value);
}

static rep_status push_text(rep_pickle *p, rep_pickle_kind kind, size_t length_bytes) {
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_make(p, &value, kind));
    REP_TRY(read_text(p, &value->is.text, length_bytes));
    return rep_pickle_push(p, value);
}

/* A two's complement integer of any length. */
static rep_status push_long(rep_pickle *p, size_t length_bytes) {
    rep_text text = {0};
    REP_TRY(read_text(p, &text, length_bytes));
    if (text.count > sizeof(int64_t)) { return push_kind(p, REP_PICKLE_BIG); }
    uint64_t value = 0;
    for (size_t i = 0; i < text.count; i++) { value |= (uint64_t)(uint8_t)text.bytes[i] << 8 * i; }
    const bool is_negative = text.count > 0 && (uint8_t)text.bytes[text.count - 1] >= 0x80;
    if (is_negative && text.count < sizeof value) { value |= UINT64_MAX << (8 * text.count); }
    return push_whole(p, (int64_t)value);
}

static rep_status push_float(rep_pickle *p) {
    uint64_t little = 0, big = 0;
    REP_TRY(read_number(p, &little, sizeof little));
    for (int i = 0; i < 8; i++) { big = big << 8 | (little >> 8 * i & 0xFF); }
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_make(p, &value, REP_PICKLE_FLOAT));
    memcpy(&value->is.number, &big, sizeof big);
    return rep_pickle_push(p, value);
}

/* ---- containers ----------------------------------------------------------------------------- */

/* Appends values[0..count) to the container on top, which must be of `is_dict`. */
static rep_status extend(rep_pickle *p, rep_pickle_value *const *values, size_t count,
                         bool is_dict) {
    rep_pickle_value *container = NULL;
    REP_TRY(rep_pickle_top(p, &container));
    if (is_dict && count % 2 != 0) { return rep_pickle_damaged(p, "sets a key without a value"); }
    rep_pickle_items *items = rep_pickle_is_container(container) ? container->is.items : NULL;
    /* An object of unknown class may be a list or a dictionary, which its first items tell. */
    if (items && container->kind == REP_PICKLE_OBJECT && items->count == 0) {
        items->is_dict = is_dict;
    }
    if (!items || container->kind == REP_PICKLE_TUPLE || items->is_dict != is_dict) {
        return rep_pickle_damaged(p, is_dict ? "sets a key of something that has none"
                                             : "appends to something that is no list");
    }
    REP_TRY(rep_pickle_reserve(p, items, count));
    if (count > 0) { memcpy(items->values + items->count, values, count * sizeof *values); }
    items->count += count;
    return REP_OK;
}

/* The last `count` values, or those above the mark, as one container of `kind`. */
static rep_status collect(rep_pickle *p, rep_pickle_kind kind, rep_pickle_value **values,
                          size_t count) {
    rep_pickle_value *made = NULL;
    REP_TRY(rep_pickle_make(p, &made, kind));
    if (kind == REP_PICKLE_DICT && count % 2 != 0) {
        return rep_pickle_damaged(p, "sets a key without a value");
    }
    REP_TRY(rep_pickle_reserve(p, made->is.items, count));
    if (count > 0) { memcpy(made->is.items->values, values, count * sizeof *values); }
    made->is.items->count = count;
    return rep_pickle_push(p, made);
}

static rep_status collect_marked(rep_pickle *p, rep_pickle_kind kind) {
    rep_pickle_value **values = NULL;
    size_t count = 0;
    REP_TRY(rep_pickle_pop_mark(p, &values, &count));
    return collect(p, kind, values, count);
}

static rep_status collect_last(rep_pickle *p, size_t count) {
    if (rep_pickle_height(p) < count) { return rep_pickle_damaged(p, "takes from an empty stack"); }
    p->depth -= count;
    return collect(p, REP_PICKLE_TUPLE, p->stack ? p->stack + p->depth : NULL, count);
}

/* One value, or a key and its value, on the stack. */
static rep_status extend_by_one(rep_pickle *p, bool is_dict) {
    rep_pickle_value *pair[2];
    REP_TRY(rep_pickle_pop(p, &pair[1]));
    if (!is_dict) { return extend(p, pair + 1, 1, false); }
    REP_TRY(rep_pickle_pop(p, &pair[0]));
    return extend(p, pair, 2, true);
}

static rep_status extend_marked(rep_pickle *p, bool is_dict) {
    rep_pickle_value **values = NULL;
    size_t count = 0;
    REP_TRY(rep_pickle_pop_mark(p, &values, &count));
    return extend(p, values, count, is_dict);
}

/* ---- classes and calls ---------------------------------------------------------------------- */

static rep_status push_global(rep_pickle *p, rep_text module, rep_text name) {
    rep_pickle_value *value = NULL;
    void *memory = NULL;
    REP_TRY(rep_pickle_make(p, &value, REP_PICKLE_GLOBAL));
    REP_TRY(rep_pickle_alloc(p, &memory, sizeof(rep_pickle_global)));
    rep_pickle_global *global = memory;
    *global = (rep_pickle_global){module, name};
    value->is.global = global;
    return rep_pickle_push(p, value);
}

static rep_status push_global_line(rep_pickle *p) {
    rep_text module = {0}, name = {0};
    REP_TRY(read_line(p, &module));
    REP_TRY(read_line(p, &name));
    return push_global(p, module, name);
}

static rep_status push_stack_global(rep_pickle *p) {
    rep_pickle_value *name = NULL, *module = NULL;
    REP_TRY(rep_pickle_pop(p, &name));
    REP_TRY(rep_pickle_pop(p, &module));
    if (name->kind != REP_PICKLE_TEXT || module->kind != REP_PICKLE_TEXT) {
        return rep_pickle_damaged(p, "names a class by something that is no text");
    }
    return push_global(p, module->is.text, name->is.text);
}

/* What calling `what` with `arguments` would be. A value that is no class (a bound method, say, is
 * made by a call itself) can only be called into something unknown. */
static rep_status call(rep_pickle *p, const rep_pickle_value *what,
                       const rep_pickle_value *arguments) {
    rep_pickle_value *made = NULL;
    if (arguments->kind != REP_PICKLE_TUPLE) {
        return rep_pickle_damaged(p, "calls with something that is no tuple");
    }
    if (what->kind == REP_PICKLE_OBJECT) {
        REP_TRY(rep_pickle_make(p, &made, REP_PICKLE_OBJECT));
        made->is.items->global = what->is.items->global;
        return rep_pickle_push(p, made);
    }
    if (what->kind != REP_PICKLE_GLOBAL) {
        return rep_pickle_damaged(p, "calls what is no function");
    }
    REP_TRY(p->calls->reduce(p->calls->context, p, &made, what->is.global, arguments));
    return rep_pickle_push(p, made);
}

/* NEWOBJ: what a class is given are an object's values, a named tuple's. */
static rep_status make_new(rep_pickle *p, bool has_keywords) {
    rep_pickle_value *keywords = NULL, *arguments = NULL, *made = NULL;
    if (has_keywords) { REP_TRY(rep_pickle_pop(p, &keywords)); } /* they say nothing of tensors */
    REP_TRY(rep_pickle_pop(p, &arguments));
    REP_TRY(rep_pickle_pop(p, &made));
    REP_TRY(call(p, made, arguments));
    REP_TRY(rep_pickle_top(p, &made));
    if (made->kind == REP_PICKLE_OBJECT && arguments->is.items->count > 0) {
        made->is.items->arguments = arguments;
    }
    return REP_OK;
}

static rep_status reduce(rep_pickle *p) {
    rep_pickle_value *arguments = NULL, *what = NULL;
    REP_TRY(rep_pickle_pop(p, &arguments));
    REP_TRY(rep_pickle_pop(p, &what));
    return call(p, what, arguments);
}

/* INST: the class is named in the opcode. OBJ: it is the first value above the mark. */
static rep_status reduce_marked(rep_pickle *p, bool is_named) {
    rep_pickle_value **values = NULL, *what = NULL, *arguments = NULL;
    size_t count = 0;
    if (is_named) {
        REP_TRY(push_global_line(p));
        REP_TRY(rep_pickle_pop(p, &what));
    }
    REP_TRY(rep_pickle_pop_mark(p, &values, &count));
    if (!is_named) {
        if (count == 0) { return rep_pickle_damaged(p, "makes an object of no class"); }
        what = values[0];
        values++;
        count--;
    }
    REP_TRY(collect(p, REP_PICKLE_TUPLE, values, count));
    REP_TRY(rep_pickle_pop(p, &arguments));
    return call(p, what, arguments);
}

static rep_status build(rep_pickle *p) {
    rep_pickle_value *state = NULL, *object = NULL;
    REP_TRY(rep_pickle_pop(p, &state));
    REP_TRY(rep_pickle_top(p, &object));
    if (object->kind == REP_PICKLE_TENSOR) { return REP_OK; } /* attributes beside the elements */
    if (object->kind != REP_PICKLE_OBJECT && object->kind != REP_PICKLE_DICT) {
        return rep_pickle_damaged(p, "gives attributes to something that has none");
    }
    object->is.items->state = state;
    return REP_OK;
}

static rep_status persistent(rep_pickle *p) {
    rep_pickle_value *id = NULL, *made = NULL;
    REP_TRY(rep_pickle_pop(p, &id));
    REP_TRY(p->calls->persistent(p->calls->context, p, &made, id));
    return rep_pickle_push(p, made);
}

/* ---- opcodes -------------------------------------------------------------------------------- */

static rep_status read_protocol(rep_pickle *p) {
    uint64_t protocol = 0;
    REP_TRY(read_number(p, &protocol, 1));
    if (protocol <= NEWEST_PROTOCOL) { return REP_OK; }
    return rep_pickle_fail(p, "pickle protocol %d, read are 2 to %d; save the file again",
                           (int)protocol, NEWEST_PROTOCOL);
}

static rep_status push_signed(rep_pickle *p) {
    uint64_t number = 0;
    REP_TRY(read_number(p, &number, 4));
    return push_whole(p, (int32_t)(uint32_t)number);
}

static rep_status push_unsigned(rep_pickle *p, size_t bytes) {
    uint64_t number = 0;
    REP_TRY(read_number(p, &number, bytes));
    return push_whole(p, (int64_t)number);
}

static rep_status use_memo(rep_pickle *p, rep_status (*use)(rep_pickle *, size_t), size_t bytes) {
    uint64_t index = 0;
    REP_TRY(read_number(p, &index, bytes));
    return use(p, (size_t)index);
}

/* POP takes a mark where that was the last thing pushed. */
static rep_status drop(rep_pickle *p) {
    rep_pickle_value *value = NULL;
    if (p->mark_count > 0 && rep_pickle_height(p) == 0) {
        p->mark_count--;
        return REP_OK;
    }
    return rep_pickle_pop(p, &value);
}

static rep_status drop_marked(rep_pickle *p) {
    rep_pickle_value **values = NULL;
    size_t count = 0;
    return rep_pickle_pop_mark(p, &values, &count);
}

static rep_status duplicate(rep_pickle *p) {
    rep_pickle_value *value = NULL;
    REP_TRY(rep_pickle_top(p, &value));
    return rep_pickle_push(p, value);
}

/* Frames only say how much to read ahead. */
static rep_status skip_frame(rep_pickle *p) {
    uint64_t length = 0;
    REP_TRY(read_number(p, &length, 8));
    return length <= p->count - p->at ? REP_OK : fail_cut(p);
}

/* Plain values: numbers and texts. */
static rep_status step_plain(rep_pickle *p, uint8_t opcode, bool *is_known) {
    *is_known = true;
    switch (opcode) {
    case 'N':
        return push_kind(p, REP_PICKLE_NONE);
    case 0x88:
    case 0x89:
        return push_bool(p, opcode == 0x88);
    case 'J':
        return push_signed(p);
    case 'K':
        return push_unsigned(p, 1);
    case 'M':
        return push_unsigned(p, 2);
    case 0x8A:
        return push_long(p, 1);
    case 0x8B:
        return push_long(p, 4);
    case 'G':
        return push_float(p);
    case 'X':
    case 'T': /* Python 2's text */
        return push_text(p, REP_PICKLE_TEXT, 4);
    case 0x8C:
    case 'U':
        return push_text(p, REP_PICKLE_TEXT, 1);
    case 0x8D:
        return push_text(p, REP_PICKLE_TEXT, 8);
    case 'B':
        return push_text(p, REP_PICKLE_BYTES, 4);
    case 'C':
        return push_text(p, REP_PICKLE_BYTES, 1);
    case 0x8E:
    case 0x96:
        return push_text(p, REP_PICKLE_BYTES, 8);
    default:
        *is_known = false;
        return REP_OK;
    }
}

/* Containers, and what fills them. */
static rep_status step_container(rep_pickle *p, uint8_t opcode, bool *is_known) {
    *is_known = true;
    switch (opcode) {
    case ']':
    case 0x8F:
        return push_kind(p, REP_PICKLE_LIST);
    case '}':
        return push_kind(p, REP_PICKLE_DICT);
    case ')':
        return push_kind(p, REP_PICKLE_TUPLE);
    case 't':
        return collect_marked(p, REP_PICKLE_TUPLE);
    case 'l':
    case 0x91:
        return collect_marked(p, REP_PICKLE_LIST);
    case 'd':
        return collect_marked(p, REP_PICKLE_DICT);
    case 0x85:
    case 0x86:
    case 0x87:
        return collect_last(p, opcode - 0x84u);
    case 'a':
        return extend_by_one(p, false);
    case 's':
        return extend_by_one(p, true);
    case 'e':
    case 0x90:
        return extend_marked(p, false);
    case 'u':
        return extend_marked(p, true);
    default:
        *is_known = false;
        return REP_OK;
    }
}

/* The stack itself, the memo, classes, calls. */
static rep_status step_other(rep_pickle *p, uint8_t opcode) {
    switch (opcode) {
    case 0x80:
        return read_protocol(p);
    case 0x95:
        return skip_frame(p);
    case '(':
        return rep_pickle_push_mark(p);
    case '0':
        return drop(p);
    case '1':
        return drop_marked(p);
    case '2':
        return duplicate(p);
    case 'q':
        return use_memo(p, rep_pickle_put, 1);
    case 'r':
        return use_memo(p, rep_pickle_put, 4);
    case 0x94:
        return rep_pickle_put(p, p->memo_count);
    case 'h':
        return use_memo(p, rep_pickle_get, 1);
    case 'j':
        return use_memo(p, rep_pickle_get, 4);
    case 'c':
        return push_global_line(p);
    case 0x93:
        return push_stack_global(p);
    case 'R':
        return reduce(p);
    case 0x81:
    case 0x92:
        return make_new(p, opcode == 0x92);
    case 'i':
    case 'o':
        return reduce_marked(p, opcode == 'i');
    case 'b':
        return build(p);
    case 'Q':
        return persistent(p);
    default:
        return rep_pickle_fail(
            p,
            "opcode 0x%02X is none of a binary pickle's; the file is damaged, or "
            "of pickle protocol 0: save it again",
            opcode);
    }
}

static rep_status run(rep_pickle *p, rep_pickle_value **out) {
    for (;;) {
        p->opcode_at = p->at;
        uint64_t opcode = 0;
        REP_TRY(read_number(p, &opcode, 1));
        if (opcode == '.') { return rep_pickle_pop(p, out); }
        bool is_known = false;
        REP_TRY(step_plain(p, (uint8_t)opcode, &is_known));
        if (!is_known) { REP_TRY(step_container(p, (uint8_t)opcode, &is_known)); }
        if (!is_known) { REP_TRY(step_other(p, (uint8_t)opcode)); }
    }
}

rep_status rep_pickle_read(rep_pickle_value **out, size_t *used, rep_pickle_memory *memory,
                           const char *name, size_t place, const uint8_t *bytes, size_t count,
                           const rep_pickle_calls *calls) {
    rep_pickle p = {.memory = memory,
                    .name = name,
                    .place = place,
                    .bytes = bytes,
                    .count = count < most_bytes ? count : most_bytes,
                    .calls = calls};
    rep_pickle_value *value = NULL;
    rep_status status = run(&p, &value);
    free(p.stack);
    free(p.marks);
    free(p.memo);
    REP_TRY(status);
    *out = value;
    *used = p.at;
    return REP_OK;
}
