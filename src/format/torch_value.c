/* torch_value.c - what a pickle calls, as values: the constructors that PyTorch's own files need
 * (torch/_utils.py, torch/_tensor.py), persistent ids (torch/serialization.py), an inert object for
 * everything else. Nothing is ever called or imported. */
#include <string.h>

#include "format/torch.h"

/* An expanded tensor repeats elements; beyond its storage it may have no more than this. */
static const uint64_t most_expanded = (uint64_t)1 << 24;

/* ---- storages ------------------------------------------------------------------------------- */

static const struct {
    rep_tensor_type type;
    const char *storage, *dtype;
} types[] = {
#define TYPE_ROW(type, storage, dtype) {REP_TENSOR_##type, storage, dtype},
    REP_TORCH_TYPES(TYPE_ROW)
#undef TYPE_ROW
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

static bool find_type(rep_tensor_type *out, rep_text name, bool is_dtype) {
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (!rep_text_is(name, is_dtype ? types[i].dtype : types[i].storage)) { continue; }
        *out = types[i].type;
        return true;
    }
    return false;
}

/* Types whose elements are not read, but passed over in a stream. */
static const struct {
    const char *storage;
    size_t bytes;
} unread[] = {{"ComplexHalfStorage", 4}, {"ComplexFloatStorage", 8}, {"ComplexDoubleStorage", 16},
              {"QInt8Storage", 1},       {"QUInt8Storage", 1},       {"QInt32Storage", 4},
              {"QUInt4x2Storage", 1},    {"QUInt2x4Storage", 1},     {"UntypedStorage", 1}};

/* 0 for a type never heard of. */
static size_t element_bytes(const rep_torch_storage *storage) {
    if (storage->is_known) { return rep_tensor_type_bytes(storage->type); }
    for (size_t i = 0; i < sizeof unread / sizeof unread[0]; i++) {
        if (rep_text_is(storage->type_name, unread[i].storage)) { return unread[i].bytes; }
    }
    return 0;
}

static bool is_text(const rep_pickle_value *value, const char *wanted) {
    return value->kind == REP_PICKLE_TEXT && rep_text_is(value->is.text, wanted);
}

/* A whole number from 0 to 2^53, more than any file holds. */
static bool get_size(uint64_t *out, const rep_pickle_value *value) {
    if (value->kind != REP_PICKLE_INT || value->is.whole < 0 ||
        value->is.whole > (int64_t)1 << 53) {
        return false;
    }
    *out = (uint64_t)value->is.whole;
    return true;
}

/* Keys become names of members: nothing that looks like a path. */
static bool is_good_key(rep_text key) {
    if (key.count == 0 || key.count > 200) { return false; }
    for (size_t i = 0; i < key.count; i++) {
        const unsigned char c = (unsigned char)key.bytes[i];
        if (c <= 0x20 || c >= 0x7F || c == '/' || c == '\\') { return false; }
    }
    return true;
}

static rep_status fail_storage(const rep_pickle *p, const char *what) {
    return rep_pickle_fail(p, "a storage %s; the file is damaged, copy or save it again", what);
}

/* The sixth part of an old file's id: None, or (key, offset, count) of a part of the block. */
static rep_status read_view(rep_pickle *p, rep_torch_storage *storage,
                            const rep_pickle_value *view) {
    if (view->kind == REP_PICKLE_NONE) { return REP_OK; }
    const rep_pickle_items *items = view->kind == REP_PICKLE_TUPLE ? view->is.items : NULL;
    uint64_t count = 0;
    if (!items || items->count != 3 || !get_size(&storage->view, items->values[1]) ||
        !get_size(&count, items->values[2]) || storage->view > storage->block ||
        count > storage->block - storage->view) {
        return fail_storage(p, "is a view beyond its block");
    }
    storage->count = count;
    return REP_OK;
}

/* ("storage", class, key, location, count[, view]) */
static rep_status make_storage(rep_torch *torch, rep_pickle *p, rep_pickle_value **out,
                               const rep_pickle_items *id) {
    const rep_pickle_value *type = id->values[1], *key = id->values[2];
    void *memory = NULL;
    REP_TRY(rep_pickle_alloc(p, &memory, sizeof(rep_torch_storage)));
    rep_torch_storage *storage = memory;
    if (type->kind != REP_PICKLE_GLOBAL) { return fail_storage(p, "is of no class"); }
    storage->type_name = type->is.global->name;
    storage->is_known = find_type(&storage->type, storage->type_name, false);
    storage->is_untyped = rep_text_is(storage->type_name, "UntypedStorage");
    if (storage->is_untyped) { storage->type = REP_TENSOR_U8; }
    storage->width = element_bytes(storage);
    if (key->kind != REP_PICKLE_TEXT || !is_good_key(key->is.text)) {
        return fail_storage(p, "has a key that is no plain name");
    }
    storage->key = key->is.text;
    if (!get_size(&storage->block, id->values[4])) {
        return fail_storage(p, "has a count that is no whole number from 0 to 2^53");
    }
    storage->count = storage->block;
    if (id->count > 5) { REP_TRY(read_view(p, storage, id->values[5])); }
    storage->next = torch->storages;
    torch->storages = storage;
    REP_TRY(rep_pickle_make(p, out, REP_PICKLE_STORAGE));
    (*out)->is.storage = storage;
    return REP_OK;
}

/* Old streams name a module's class with its source: ("module", class, file, text). */
static rep_status persistent(void *context, rep_pickle *p, rep_pickle_value **out,
                             const rep_pickle_value *id) {
    const rep_pickle_items *items = id->kind == REP_PICKLE_TUPLE ? id->is.items : NULL;
    if (items && items->count >= 2 && is_text(items->values[0], "module") &&
        items->values[1]->kind == REP_PICKLE_GLOBAL) {
        *out = items->values[1];
        return REP_OK;
    }
    if (items && (items->count == 5 || items->count == 6) && is_text(items->values[0], "storage")) {
        return make_storage(context, p, out, items);
    }
    return rep_pickle_fail(p, "a persistent id that is no storage; save the file again");
}

/* ---- tensors -------------------------------------------------------------------------------- */

static rep_status fail_tensor(const rep_pickle *p, const char *what) {
    return rep_pickle_fail(p, "a tensor %s; the file is damaged, copy or save it again", what);
}

/* Why a tensor of a known type is not read, or NULL. `facts` is what _rebuild_tensor_v2 is told of
 * its math bits, or NULL. */
static const char *find_fault(const rep_pickle_items *shape, const rep_pickle_value *facts) {
    static const char *const bits[][2] = {
        {"neg", "a negated view, which is not read; save what .resolve_neg() gives"},
        {"conj", "a conjugated view, which is not read; save what .resolve_conj() gives"}};
    for (size_t i = 0; facts && i < sizeof bits / sizeof bits[0]; i++) {
        const rep_pickle_value *bit = rep_pickle_find(facts, bits[i][0]);
        const bool is_off = !bit || bit->kind == REP_PICKLE_NONE ||
                            (bit->kind == REP_PICKLE_BOOL && !bit->is.is_true);
        if (!is_off) { return bits[i][1]; }
    }
    return shape->count > REP_TENSOR_MAX_RANK
               ? "a tensor of more than 8 dimensions, which is not read"
               : NULL;
}

/* Counts elements and bounds the last one's place; C-contiguous or not. */
static rep_status check_extent(const rep_pickle *p, rep_torch_tensor *t, uint64_t have) {
    uint64_t count = 1, last = t->offset, dense = 1;
    t->is_contiguous = true;
    bool is_empty = false;
    for (int32_t i = t->rank - 1; i >= 0; i--) {
        const uint64_t dim = (uint64_t)t->shape[i], stride = (uint64_t)t->strides[i];
        is_empty |= dim == 0;
        uint64_t reach = 0;
        if (__builtin_mul_overflow(count, dim, &count) ||
            (dim > 1 && (__builtin_mul_overflow(dim - 1, stride, &reach) ||
                         __builtin_add_overflow(last, reach, &last)))) {
            return fail_tensor(p, "has a shape larger than any file");
        }
        if (dim > 1 && stride != dense) { t->is_contiguous = false; }
        dense *= dim ? dim : 1;
    }
    t->count = is_empty ? 0 : count;
    if (t->count == 0) {
        t->is_contiguous = true;
        return t->offset <= have ? REP_OK : fail_tensor(p, "begins beyond its storage");
    }
    if (last >= have) { return fail_tensor(p, "reaches beyond its storage"); }
    if (t->count > have && t->count > most_expanded) {
        return rep_pickle_fail(p,
                               "a tensor repeats its storage to %llu elements, at most %llu are "
                               "read; save a copy of it",
                               (unsigned long long)t->count, (unsigned long long)most_expanded);
    }
    return REP_OK;
}

static rep_status read_dims(const rep_pickle *p, int64_t *out, int32_t rank,
                            const rep_pickle_items *dims) {
    for (int32_t i = 0; i < rank; i++) {
        uint64_t dim = 0;
        if (!get_size(&dim, dims->values[i])) {
            return fail_tensor(p,
                               "has a dimension or stride that is no whole number from 0 to 2^53");
        }
        out[i] = (int64_t)dim;
    }
    return REP_OK;
}

/* (storage, offset, shape, strides, ...) as torch._utils has it, with a dtype in the third kind. */
static rep_status make_tensor(rep_pickle *p, rep_pickle_value **out,
                              const rep_pickle_items *arguments, bool is_third) {
    rep_pickle_value *const *a = arguments->values;
    if (arguments->count < 4 || a[0]->kind != REP_PICKLE_STORAGE ||
        (a[2]->kind != REP_PICKLE_TUPLE && a[2]->kind != REP_PICKLE_LIST) ||
        (a[3]->kind != REP_PICKLE_TUPLE && a[3]->kind != REP_PICKLE_LIST)) {
        return fail_tensor(p, "lacks its storage, shape or strides");
    }
    void *memory = NULL;
    REP_TRY(rep_pickle_alloc(p, &memory, sizeof(rep_torch_tensor)));
    rep_torch_tensor *t = memory;
    t->storage = a[0]->is.storage;
    t->type = t->storage->type;
    t->is_known = t->storage->is_known;
    t->type_name = t->storage->type_name;
    const rep_pickle_value *dtype = is_third && arguments->count > 6 ? a[6] : NULL;
    const size_t facts = is_third ? 7 : 6;
    if (dtype && dtype->kind == REP_PICKLE_GLOBAL) {
        t->type_name = dtype->is.global->name;
        t->is_known = find_type(&t->type, t->type_name, true);
    }
    const rep_pickle_items *shape = a[2]->is.items, *strides = a[3]->is.items;
    if (shape->count != strides->count) {
        return fail_tensor(p, "has not as many strides as dimensions");
    }
    t->fault = find_fault(shape, arguments->count > facts ? a[facts] : NULL);
    t->is_known = t->is_known && !t->fault;
    t->rank = shape->count <= REP_TENSOR_MAX_RANK ? (int32_t)shape->count : 0;
    if (!get_size(&t->offset, a[1])) { return fail_tensor(p, "begins beyond its storage"); }
    REP_TRY(read_dims(p, t->shape, t->rank, shape));
    REP_TRY(read_dims(p, t->strides, t->rank, strides));
    if (t->is_known) {
        const size_t part = t->storage->is_untyped ? rep_tensor_type_bytes(t->type) : 1;
        REP_TRY(check_extent(p, t, t->storage->count / part));
    }
    REP_TRY(rep_pickle_make(p, out, REP_PICKLE_TENSOR));
    (*out)->is.tensor = t;
    return REP_OK;
}

/* ---- calls ---------------------------------------------------------------------------------- */

typedef enum call_kind {
    CALL_DICT,      /* a dictionary, of pairs where there is an argument */
    CALL_LIST,      /* the items of its argument, or none */
    CALL_FIRST,     /* its argument: a parameter is its tensor */
    CALL_TENSOR,    /* (storage, offset, shape, strides, ...) */
    CALL_TENSOR_V3, /* the same, then requires_grad, hooks, dtype */
    CALL_APPLY,     /* (function, class, arguments, state): function(*arguments) */
    CALL_REFUSED    /* would do something; no checkpoint needs that */
} call_kind;

/* Builtins are __builtin__ in Python 2's pickles and in protocol 2. */
static const struct {
    const char *module, *name;
    call_kind kind;
} rows[] = {
    {"collections", "OrderedDict", CALL_DICT},
    {"collections", "defaultdict", CALL_DICT},
    {"builtins", "dict", CALL_DICT},
    {"builtins", "list", CALL_LIST},
    {"builtins", "tuple", CALL_LIST},
    {"builtins", "set", CALL_LIST},
    {"builtins", "frozenset", CALL_LIST},
    {"torch", "Size", CALL_LIST},
    {"torch._utils", "_rebuild_tensor", CALL_TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", CALL_TENSOR},
    {"torch._utils", "_rebuild_tensor_v3", CALL_TENSOR_V3},
    {"torch._utils", "_rebuild_parameter", CALL_FIRST},
    {"torch._utils", "_rebuild_parameter_with_state", CALL_FIRST},
    {"torch.nn.parameter", "Parameter", CALL_FIRST},
    {"torch.nn.parameter", "Buffer", CALL_FIRST},
    {"torch._tensor", "_rebuild_from_type", CALL_APPLY},
    {"torch._tensor", "_rebuild_from_type_v2", CALL_APPLY},
};

static bool find_call(call_kind *out, const rep_pickle_global *global) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rep_torch_module_is(global->module, rows[i].module, false) &&
            rep_text_is(global->name, rows[i].name)) {
            *out = rows[i].kind;
            return true;
        }
    }
    *out = CALL_REFUSED;
    return rep_torch_is_refused(global);
}

/* dict(), dict(other), OrderedDict([(key, value), ...]), defaultdict(factory). */
static rep_status make_dict(rep_pickle *p, rep_pickle_value **out, const rep_pickle_items *a) {
    REP_TRY(rep_pickle_make(p, out, REP_PICKLE_DICT));
    if (a->count == 0 || !rep_pickle_is_container(a->values[0])) { return REP_OK; }
    const rep_pickle_items *from = a->values[0]->is.items;
    for (size_t i = 0; i < from->count; i++) {
        rep_pickle_value *value = from->values[i];
        if (from->is_dict) {
            REP_TRY(rep_pickle_append(p, *out, value));
            continue;
        }
        if (!rep_pickle_is_container(value) || value->is.items->count != 2) {
            return rep_pickle_fail(p, "a dictionary is made of something that is no pair; the file "
                                      "is damaged, copy or save it again");
        }
        REP_TRY(rep_pickle_append(p, *out, value->is.items->values[0]));
        REP_TRY(rep_pickle_append(p, *out, value->is.items->values[1]));
    }
    return REP_OK;
}

static rep_status make_list(rep_pickle *p, rep_pickle_value **out, const rep_pickle_items *a) {
    if (a->count > 0 &&
        (a->values[0]->kind == REP_PICKLE_TUPLE || a->values[0]->kind == REP_PICKLE_LIST)) {
        *out = a->values[0];
        return REP_OK;
    }
    return rep_pickle_make(p, out, REP_PICKLE_LIST);
}

static rep_status make_object(rep_pickle *p, rep_pickle_value **out,
                              const rep_pickle_global *global) {
    REP_TRY(rep_pickle_make(p, out, REP_PICKLE_OBJECT));
    (*out)->is.items->global = global;
    return REP_OK;
}

static rep_status reduce(void *context, rep_pickle *p, rep_pickle_value **out,
                         const rep_pickle_global *global, const rep_pickle_value *arguments) {
    const rep_pickle_items *a = arguments->is.items;
    call_kind kind;
    if (!find_call(&kind, global)) { return make_object(p, out, global); }
    switch (kind) {
    case CALL_DICT:
        return make_dict(p, out, a);
    case CALL_LIST:
        return make_list(p, out, a);
    case CALL_FIRST:
        if (a->count == 0) { return make_object(p, out, global); }
        *out = a->values[0];
        return REP_OK;
    case CALL_TENSOR:
    case CALL_TENSOR_V3:
        return make_tensor(p, out, a, kind == CALL_TENSOR_V3);
    case CALL_APPLY:
        /* One level: a function that applies again makes an object. */
        if (a->count > 2 && a->values[0]->kind == REP_PICKLE_GLOBAL &&
            a->values[2]->kind == REP_PICKLE_TUPLE &&
            (!find_call(&kind, a->values[0]->is.global) || kind != CALL_APPLY)) {
            return reduce(context, p, out, a->values[0]->is.global, a->values[2]);
        }
        return make_object(p, out, global);
    case CALL_REFUSED:
        break;
    }
    char module[REP_TEXT_SHOWN], name[REP_TEXT_SHOWN];
    return rep_pickle_fail(p,
                           "asks to call %s.%s; repopt calls nothing, and no checkpoint needs "
                           "that: do not open this file elsewhere",
                           rep_text_show(module, global->module),
                           rep_text_show(name, global->name));
}

rep_pickle_calls rep_torch_calls(rep_torch *torch) {
    return (rep_pickle_calls){.reduce = reduce, .persistent = persistent, .context = torch};
}
