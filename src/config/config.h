/* config.h - the room's face: the public header, the option table and the YAML tree. */
#ifndef REP_CONFIG_CONFIG_H
#define REP_CONFIG_CONFIG_H

#include "base/base.h"
#include "repopt/config.h"

/* ---- YAML as a tree ------------------------------------------------------------------------- */

typedef enum rep_node_kind { REP_NODE_SCALAR, REP_NODE_SEQUENCE, REP_NODE_MAPPING } rep_node_kind;
typedef struct rep_node {
    rep_node_kind kind;
    int line;         /* 1 first; 0: not from a file */
    bool is_quoted;   /* a scalar in quotes: never null */
    const char *key;  /* in a mapping, otherwise NULL */
    const char *text; /* of a scalar */
    struct rep_node *child, *next;
    size_t count; /* children */
} rep_node;

/* Reads one document; *out is NULL for an empty one. Everything lives in `arena`. Anchors, tags,
 * second documents, keys that stand twice, more than 1 MiB, 16 levels or 8,192 nodes are refused
 * with REP_ERR_CONFIG. */
REP_NODISCARD rep_status rep_yaml_parse(rep_node **out, rep_arena *arena, const char *name,
                                        const char *text, size_t bytes);
/* Whether a scalar stands for nothing: empty, ~ or null without quotes. */
bool rep_node_is_null(const rep_node *node);

/* ---- the option table ----------------------------------------------------------------------- */

/* Every type of options.def, once: name, what a user is told was wanted. */
#define REP_OPTION_TYPES(X)                                                                        \
    X(bool, "true or false")                                                                       \
    X(int, "a whole number")                                                                       \
    X(natural, "a whole number from 0 up")                                                         \
    X(count, "a whole number from 1 up")                                                           \
    X(float, "a number")                                                                           \
    X(nonnegative, "a number from 0 up")                                                           \
    X(positive, "a number above 0")                                                                \
    X(fraction, "a number from 0 to 1")                                                            \
    X(below_one, "a number from 0 up and below 1")                                                 \
    X(string, "text")                                                                              \
    X(mode, "a training mode")                                                                     \
    X(choice, "one of the words of its help")                                                      \
    X(numbers, "a list of numbers such as [1, 2]")                                                 \
    X(strings, "a list of words such as [train, val]")
typedef enum rep_option_type {
#define REP_OPTION_TYPE_ENUM(name, wanted) REP_OPTION_TYPE_##name,
    REP_OPTION_TYPES(REP_OPTION_TYPE_ENUM)
#undef REP_OPTION_TYPE_ENUM
} rep_option_type;

typedef struct rep_option {
    const char *key;
    size_t offset; /* of the field in rep_values */
    rep_option_type type;
    const char *value; /* default, YAML text */
    const char *help;
} rep_option;

enum {
    REP_OPTION_COUNT = 0
#define REP_OPTION(key, field, type, value, help) +1
#include "repopt/options.def"
#undef REP_OPTION
};
extern const rep_option rep_options[REP_OPTION_COUNT];

/* NULL when there is none of that name; the nearest never is. */
const rep_option *rep_option_find(const char *key);
const rep_option *rep_option_nearest(const char *key);
/* Whether some key begins with `path` and a dot. */
bool rep_option_is_section(const char *path);

/* Checks a scalar or a sequence and stores it in its field of *values; texts and lists are copied
 * to `arena`. The message begins with the key. */
REP_NODISCARD rep_status rep_option_set(const rep_option *option, rep_values *values,
                                        rep_arena *arena, const rep_node *node);
/* Prints the field as YAML that rep_option_set reads back to the same value. */
void rep_option_print(const rep_option *option, const rep_values *values, FILE *stream);

/* ---- a config ------------------------------------------------------------------------------- */

struct rep_config {
    rep_values values;
    bool is_set[REP_OPTION_COUNT];
    rep_arena arena;
};

#endif
