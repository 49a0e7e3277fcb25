/* config.c - the effective settings: defaults, then files with their bases, then pairs of the
 * command line, each merged whole or not at all. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

enum { MAX_KEY_BYTES = 256, MAX_PATH_BYTES = 4096, MAX_BASES = 8 };

/* One file (or text) on its way into a config. */
typedef struct source {
    rep_config *config;
    const char *name;
    int line_of[REP_OPTION_COUNT]; /* where this file set the option, 0: not yet */
} source;

static rep_status fail_unknown(const char *key) {
    return rep_fail(REP_ERR_CONFIG, "unknown key \"%.80s\"; the nearest known key is %s", key,
                    rep_option_nearest(key)->key);
}

/* ---- modes ---------------------------------------------------------------------------------- */

static const char *const mode_names[] = {"normal", "hyper_search", "target",
                                         "csla",   "repvgg_block", "qarepvgg_block"};

const char *rep_mode_name(rep_mode mode) { return mode_names[mode]; }

rep_status rep_mode_parse(rep_mode *out, const char *text) {
    static const struct {
        const char *name;
        rep_mode mode;
    } others[] = {
        {"repvgg", REP_MODE_TARGET}, {"repopt", REP_MODE_TARGET}, {"others", REP_MODE_NORMAL}};
    for (size_t i = 0; i < sizeof mode_names / sizeof mode_names[0]; i++) {
        if (strcasecmp(text, mode_names[i]) == 0) {
            *out = (rep_mode)i;
            return REP_OK;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcasecmp(text, others[i].name) == 0) {
            *out = others[i].mode;
            return REP_OK;
        }
    }
    return rep_fail(REP_ERR_CONFIG,
                    "found \"%.80s\", wanted hyper_search, target (RepVGG, RepOpt), normal "
                    "(Others), csla, repvgg_block or qarepvgg_block",
                    text);
}

/* ---- files ---------------------------------------------------------------------------------- */

static rep_status set_from_file(source *src, const rep_option *option, const rep_node *node) {
    const size_t index = (size_t)(option - rep_options);
    if (src->line_of[index] != 0) {
        return rep_fail(REP_ERR_CONFIG, "%s: stands already in line %d; keep one", option->key,
                        src->line_of[index]);
    }
    src->line_of[index] = node->line;
    src->config->is_set[index] = true;
    return rep_option_set(option, &src->config->values, &src->config->arena, node);
}

/* Walks one mapping; `path` is its name with a dot behind it, or empty. The tree's depth is bounded
 * by the reader. */
static rep_status merge_mapping(source *src, const rep_node *mapping, const char *path) {
    for (const rep_node *node = mapping->child; node; node = node->next) {
        char key[MAX_KEY_BYTES];
        if (path[0] == '\0' && strcmp(node->key, "_BASE_") == 0) { continue; }
        const int length = snprintf(key, sizeof key, "%s%s", path, node->key);
        const rep_option *option = rep_option_find(key);
        if (option) {
            if (set_from_file(src, option, node) != REP_OK) {
                return rep_fail_prefix("%s:%d: ", src->name, node->line);
            }
            continue;
        }
        if (rep_option_is_section(key)) {
            if (rep_node_is_null(node)) { continue; }
            if (node->kind != REP_NODE_MAPPING) {
                return rep_fail(REP_ERR_CONFIG,
                                "%s:%d: %s: found a value, wanted a section of "
                                "keys such as %s",
                                src->name, node->line, key, rep_option_nearest(key)->key);
            }
        }
        if (node->kind != REP_NODE_MAPPING || node->count == 0 ||
            (size_t)length + 1 >= sizeof key) {
            if (rep_option_is_section(key)) { continue; }
            (void)fail_unknown(key);
            return rep_fail_prefix("%s:%d: ", src->name, node->line);
        }
        /* An unknown section is descended, too: the message then names a whole key. */
        key[length] = '.';
        key[length + 1] = '\0';
        REP_TRY(merge_mapping(src, node, key));
    }
    return REP_OK;
}

static rep_status merge_file(rep_config *config, const char *path, int depth);

/* The base file's name is relative to the file that names it. */
static rep_status merge_base(const source *src, const rep_node *node, const char *path, int depth) {
    if (node->kind != REP_NODE_SCALAR || node->text[0] == '\0') {
        return rep_fail(REP_ERR_CONFIG, "%s:%d: _BASE_: wanted the name of one YAML file",
                        src->name, node->line);
    }
    if (!path) {
        return rep_fail(REP_ERR_CONFIG,
                        "%s:%d: _BASE_: text has no folder to look in; read it as "
                        "a file",
                        src->name, node->line);
    }
    if (depth == MAX_BASES) {
        return rep_fail(REP_ERR_CONFIG,
                        "%s:%d: _BASE_: more than %d files deep; does a file name "
                        "itself?",
                        src->name, node->line, MAX_BASES);
    }
    char base[MAX_PATH_BYTES];
    const char *slash = node->text[0] == '/' ? NULL : strrchr(path, '/');
    const int length = snprintf(base, sizeof base, "%.*s%s", slash ? (int)(slash - path + 1) : 0,
                                path, node->text);
    if (length < 0 || (size_t)length >= sizeof base) {
        return rep_fail(REP_ERR_CONFIG, "%s:%d: _BASE_: the path is too long", src->name,
                        node->line);
    }
    rep_status status = merge_file(src->config, base, depth + 1);
    if (status != REP_OK && !rep_file_exists(base)) {
        return rep_fail_prefix("%s:%d: _BASE_: ", src->name, node->line);
    }
    return status;
}

/* `path` is NULL for text that is no file. */
static rep_status merge_source(rep_config *config, const char *name, const char *path,
                               const char *text, size_t bytes, int depth) {
    source src = {.config = config, .name = name};
    rep_node *root = NULL;
    REP_TRY(rep_yaml_parse(&root, &config->arena, name, text, bytes));
    if (!root || rep_node_is_null(root)) { return REP_OK; }
    if (root->kind != REP_NODE_MAPPING) {
        return rep_fail(REP_ERR_CONFIG, "%s:%d: found a value, wanted lines of KEY: VALUE", name,
                        root->line);
    }
    for (const rep_node *node = root->child; node; node = node->next) {
        if (strcmp(node->key, "_BASE_") == 0) { REP_TRY(merge_base(&src, node, path, depth)); }
    }
    return merge_mapping(&src, root, "");
}

static rep_status merge_file(rep_config *config, const char *path, int depth) {
    rep_file_view view;
    /* A configuration that cannot be read is a mistake in usage, not in data. */
    if (rep_file_open(&view, path) != REP_OK) {
        return rep_fail(REP_ERR_CONFIG, "%s", rep_last_error());
    }
    const rep_status status =
        merge_source(config, path, path, (const char *)view.bytes, view.count, depth);
    rep_file_close(&view);
    return status;
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static rep_status merge_pair(rep_config *config, const char *key, const char *value) {
    const rep_option *option = rep_option_find(key);
    if (!option) { return fail_unknown(key); }
    if (!value) {
        return rep_fail(REP_ERR_CONFIG, "%s: no value follows; write %s VALUE or %s=VALUE", key,
                        key, key);
    }
    /* A word of the command line is taken as it is: a path may look like anything. Quotes around
     * the whole word are dropped, as maskrcnn-benchmark does. */
    const size_t length = strlen(value);
    const bool is_quoted =
        length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0];
    char *text = rep_arena_strdup(&config->arena, value + is_quoted);
    if (!text) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", key); }
    if (is_quoted) { text[length - 2] = '\0'; }
    const rep_node node = {.kind = REP_NODE_SCALAR, .text = text, .is_quoted = text[0] != '\0'};
    config->is_set[option - rep_options] = true;
    return rep_option_set(option, &config->values, &config->arena, &node);
}

static rep_status merge_words(rep_config *config, int count, const char *const *words) {
    for (int i = 0; i < count; i++) {
        if (words[i][0] == '-') {
            return rep_fail(REP_ERR_CONFIG, "unknown option \"%.80s\"; see --help", words[i]);
        }
        char key[MAX_KEY_BYTES];
        const char *equals = strchr(words[i], '=');
        const size_t length = equals ? (size_t)(equals - words[i]) : strlen(words[i]);
        if (length >= sizeof key) { return fail_unknown(words[i]); }
        memcpy(key, words[i], length);
        key[length] = '\0';
        if (equals) {
            REP_TRY(merge_pair(config, key, equals + 1));
            continue;
        }
        const char *value = i + 1 < count ? words[++i] : NULL;
        if (value && rep_option_find(key) && rep_option_find(value)) {
            return rep_fail(REP_ERR_CONFIG,
                            "%s: the key %s follows where its value was wanted; "
                            "write %s=VALUE",
                            key, value, key);
        }
        REP_TRY(merge_pair(config, key, value));
    }
    return REP_OK;
}

/* ---- the public face ------------------------------------------------------------------------ */

typedef struct snapshot {
    rep_values values;
    bool is_set[REP_OPTION_COUNT];
} snapshot;

static snapshot take_snapshot(const rep_config *config) {
    snapshot kept = {.values = config->values};
    memcpy(kept.is_set, config->is_set, sizeof kept.is_set);
    return kept;
}

/* Passes `status` on; after a failure the config is what it was. What the failed merge left in the
 * arena is freed with the config. */
static rep_status settle(rep_config *config, const snapshot *before, rep_status status) {
    if (status != REP_OK) {
        config->values = before->values;
        memcpy(config->is_set, before->is_set, sizeof before->is_set);
    }
    return status;
}

rep_status rep_config_create(rep_config **out) {
    rep_config *config = calloc(1, sizeof *config);
    if (!config) { return rep_fail(REP_ERR_MEMORY, "config: no memory"); }
    for (size_t i = 0; i < REP_OPTION_COUNT; i++) {
        const rep_node node = {.kind = REP_NODE_SCALAR, .text = rep_options[i].value};
        const rep_status status =
            rep_option_set(&rep_options[i], &config->values, &config->arena, &node);
        if (status != REP_OK) {
            rep_config_destroy(config);
            return status;
        }
    }
    *out = config;
    return REP_OK;
}

void rep_config_destroy(rep_config *config) {
    if (!config) { return; }
    rep_arena_clear(&config->arena);
    free(config);
}

rep_status rep_config_merge_file(rep_config *config, const char *path) {
    const snapshot before = take_snapshot(config);
    return settle(config, &before, merge_file(config, path, 0));
}

rep_status rep_config_merge_text(rep_config *config, const char *name, const char *text,
                                 size_t bytes) {
    const snapshot before = take_snapshot(config);
    return settle(config, &before, merge_source(config, name, NULL, text, bytes, 0));
}

rep_status rep_config_merge_pairs(rep_config *config, int count, const char *const *words) {
    const snapshot before = take_snapshot(config);
    const rep_status status = settle(config, &before, merge_words(config, count, words));
    return status == REP_OK ? REP_OK : rep_fail_prefix("command line: ");
}

const rep_values *rep_config_values(const rep_config *config) { return &config->values; }

bool rep_config_is_set(const rep_config *config, const char *key) {
    const rep_option *option = rep_option_find(key);
    return option && config->is_set[option - rep_options];
}
