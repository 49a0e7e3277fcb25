/* pickle.h - Python pickles as inert values; private to the format room.
 *
 * A pickle is a program for a small stack machine (Python's pickletools.py documents every opcode).
 * Here it only ever builds values in an arena. Classes and functions are names; what is called is
 * handed to `reduce`, which knows a few constructors and makes an object of everything else.
 */
#ifndef REP_FORMAT_PICKLE_H
#define REP_FORMAT_PICKLE_H

#include "base/base.h"

typedef enum rep_pickle_kind {
    REP_PICKLE_NONE,
    REP_PICKLE_BOOL,
    REP_PICKLE_INT,
    REP_PICKLE_BIG, /* an integer of more than 64 bits; its value is not kept */
    REP_PICKLE_FLOAT,
    REP_PICKLE_TEXT,
    REP_PICKLE_BYTES,
    REP_PICKLE_TUPLE,
    REP_PICKLE_LIST, /* a list or a set */
    REP_PICKLE_DICT,
    REP_PICKLE_GLOBAL, /* a class or function, by name */
    REP_PICKLE_STORAGE,
    REP_PICKLE_TENSOR,
    REP_PICKLE_OBJECT /* whatever else is called or made */
} rep_pickle_kind;

typedef struct rep_text {
    const char *bytes; /* in the pickle; not terminated */
    size_t count;
} rep_text;

typedef struct rep_pickle_value {
    rep_pickle_kind kind;
    /* For a walk: it is inside this value, which may hold itself; nothing was found in it; it was
     * looked into before. */
    bool is_open, is_barren, is_known;
    /* For a walk: whether tensors are inside; 0 until it was asked. */
    signed char holds;
    union {
        bool is_true;
        int64_t whole;
        double number;
        rep_text text;                          /* TEXT and BYTES */
        const struct rep_pickle_global *global; /* GLOBAL */
        struct rep_pickle_items *items;         /* TUPLE, LIST, DICT, OBJECT */
        struct rep_torch_storage *storage;      /* STORAGE */
        struct rep_torch_tensor *tensor;        /* TENSOR */
    } is;
} rep_pickle_value;

typedef struct rep_pickle_global {
    rep_text module, name;
} rep_pickle_global;

typedef struct rep_pickle_items {
    rep_pickle_value **values; /* of a DICT, and of an OBJECT that is one: key, value, ... */
    size_t count, capacity;
    bool is_dict;
    const rep_pickle_global *global; /* OBJECT: what it is of, or what was called */
    rep_pickle_value *state;         /* OBJECT, DICT: what BUILD gave it, or NULL */
    /* OBJECT: the tuple that its class was given (a named tuple's values), or NULL. */
    rep_pickle_value *arguments;
} rep_pickle_items;

typedef struct rep_pickle rep_pickle;

/* What the stack machine does not decide itself. */
typedef struct rep_pickle_calls {
    /* `global` called, or a class of it made, with a tuple: what that is. */
    rep_status (*reduce)(void *context, rep_pickle *pickle, rep_pickle_value **out,
                         const rep_pickle_global *global, const rep_pickle_value *arguments);
    /* What a persistent id stands for. */
    rep_status (*persistent)(void *context, rep_pickle *pickle, rep_pickle_value **out,
                             const rep_pickle_value *id);
    void *context;
} rep_pickle_calls;

/* Memory of all the pickles of a file. */
typedef struct rep_pickle_memory {
    rep_arena arena;
    size_t used; /* bytes; bounded */
} rep_pickle_memory;

/* Runs the pickle that bytes[0..count) begin with. *out lies in `memory` and borrows texts from
 * `bytes`; *used tells how many bytes the pickle had. `place` is where `bytes` lie in what the
 * reader knows as `name`. REP_ERR_DATA, REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_pickle_read(rep_pickle_value **out, size_t *used,
                                         rep_pickle_memory *memory, const char *name, size_t place,
                                         const uint8_t *bytes, size_t count,
                                         const rep_pickle_calls *calls);

/* ---- for `reduce` and `persistent` ----------------------------------------------------------- */

/* REP_ERR_DATA with file and place. */
rep_status rep_pickle_fail(const rep_pickle *pickle, const char *format, ...) REP_PRINTF(2, 3);
/* Zeroed memory of the pickle's; REP_ERR_MEMORY, REP_ERR_DATA above the bound. */
REP_NODISCARD rep_status rep_pickle_alloc(rep_pickle *pickle, void **out, size_t bytes);
/* A value of `kind`; containers are empty. */
REP_NODISCARD rep_status rep_pickle_make(rep_pickle *pickle, rep_pickle_value **out,
                                         rep_pickle_kind kind);
/* Appends to a container. */
REP_NODISCARD rep_status rep_pickle_append(rep_pickle *pickle, rep_pickle_value *container,
                                           rep_pickle_value *value);

/* ---- looking at values ----------------------------------------------------------------------- */

bool rep_text_is(rep_text text, const char *wanted);
/* The text's start for a message; '?' where there is a control character or no UTF-8. Returns
 * `out`. */
enum { REP_TEXT_SHOWN = 81 };
const char *rep_text_show(char out[REP_TEXT_SHOWN], rep_text text);
/* The module's and the name's text. */
bool rep_pickle_global_is(const rep_pickle_global *global, const char *module, const char *name);
/* Value of a text key of a DICT (or an OBJECT that is one), or NULL. */
rep_pickle_value *rep_pickle_find(const rep_pickle_value *dict, const char *key);
/* Whether a value has items. */
bool rep_pickle_is_container(const rep_pickle_value *value);

#endif
