/* yaml.c - a bounded YAML reader over libyaml's events: one document becomes a tree of nodes that
 * remember their lines. What a configuration needs no use of (anchors, tags, several documents) is
 * refused by name rather than interpreted. */
#include <string.h>
#include <yaml.h>

#include "config/config.h"

enum { MAX_DEPTH = 16, MAX_NODES = 8192 };
static const size_t max_bytes = (size_t)1 << 20;

typedef struct level {
    rep_node *node, *last_child;
    const char *key; /* of the value that comes next in a mapping */
} level;

typedef struct builder {
    rep_arena *arena;
    const char *name;
    rep_node *root;
    level levels[MAX_DEPTH];
    int depth, node_count, document_count;
} builder;

static rep_status fail_at(const builder *b, const yaml_event_t *event, const char *what) {
    return rep_fail(REP_ERR_CONFIG, "%s:%zu: %s", b->name, event->start_mark.line + 1, what);
}

static rep_status fail_parser(const builder *b, const yaml_parser_t *parser) {
    if (parser->error == YAML_MEMORY_ERROR) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for the YAML reader", b->name);
    }
    const char *problem = parser->problem ? parser->problem : "not readable";
    if (parser->error == YAML_READER_ERROR) {
        return rep_fail(REP_ERR_CONFIG, "%s: no YAML at byte %zu: %s; save it as UTF-8 text",
                        b->name, parser->problem_offset, problem);
    }
    return rep_fail(REP_ERR_CONFIG, "%s:%zu: no YAML: %s%s%s; correct the line or the one before",
                    b->name, parser->problem_mark.line + 1, parser->context ? parser->context : "",
                    parser->context ? ", " : "", problem);
}

/* A key is unique in its mapping: the second would silently win. */
static rep_status take_key(builder *b, level *top, const rep_node *node,
                           const yaml_event_t *event) {
    if (node->kind != REP_NODE_SCALAR) {
        return fail_at(b, event, "a key is a list or a section; wanted a word");
    }
    for (const rep_node *other = top->node->child; other; other = other->next) {
        if (strcmp(other->key, node->text) == 0) {
            return rep_fail(REP_ERR_CONFIG, "%s:%d: %.80s: stands already in line %d; keep one",
                            b->name, node->line, node->text, other->line);
        }
    }
    top->key = node->text;
    return REP_OK;
}

static rep_status attach(builder *b, rep_node *node, const yaml_event_t *event) {
    if (b->depth == 0) {
        b->root = node;
        return REP_OK;
    }
    level *top = &b->levels[b->depth - 1];
    if (top->node->kind == REP_NODE_MAPPING) {
        if (!top->key) { return take_key(b, top, node, event); }
        node->key = top->key;
        top->key = NULL;
    }
    if (top->last_child) {
        top->last_child->next = node;
    } else {
        top->node->child = node;
    }
    top->last_child = node;
    top->node->count++;
    return REP_OK;
}

/* `anchor` and `tag` are those of the event's own kind. */
static rep_status add_node(builder *b, const yaml_event_t *event, rep_node_kind kind,
                           const yaml_char_t *anchor, const yaml_char_t *tag) {
    if (anchor) { return fail_at(b, event, "an anchor (&) is not supported; write the value out"); }
    if (tag) { return fail_at(b, event, "a tag (!) is not supported; remove it"); }
    if (++b->node_count > MAX_NODES) {
        return fail_at(b, event, "more than 8192 values; split it");
    }
    rep_node *node = rep_arena_alloc(b->arena, sizeof *node);
    if (!node) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for the YAML tree", b->name); }
    node->kind = kind;
    node->line = (int)event->start_mark.line + 1;
    if (kind == REP_NODE_SCALAR) {
        const char *text = (const char *)event->data.scalar.value;
        if (strlen(text) != event->data.scalar.length) {
            return fail_at(b, event, "a value contains a zero byte; remove it");
        }
        node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        node->text = rep_arena_strdup(b->arena, text);
        if (!node->text) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its text", b->name); }
    }
    REP_TRY(attach(b, node, event));
    if (kind != REP_NODE_SCALAR) {
        if (b->depth == MAX_DEPTH) { return fail_at(b, event, "nested deeper than 16 levels"); }
        b->levels[b->depth++] = (level){.node = node};
    }
    return REP_OK;
}

static rep_status take_event(builder *b, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++b->document_count > 1) {
            return fail_at(b, event, "a second document (---); keep one per file");
        }
        return REP_OK;
    case YAML_ALIAS_EVENT:
        return fail_at(b, event, "an alias (*) is not supported; write the value out");
    case YAML_SCALAR_EVENT:
        return add_node(b, event, REP_NODE_SCALAR, event->data.scalar.anchor,
                        event->data.scalar.tag);
    case YAML_SEQUENCE_START_EVENT:
        return add_node(b, event, REP_NODE_SEQUENCE, event->data.sequence_start.anchor,
                        event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return add_node(b, event, REP_NODE_MAPPING, event->data.mapping_start.anchor,
                        event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return REP_OK;
    default:
        return REP_OK;
    }
}

rep_status rep_yaml_parse(rep_node **out, rep_arena *arena, const char *name, const char *text,
                          size_t bytes) {
    if (bytes > max_bytes) {
        return rep_fail(REP_ERR_CONFIG, "%s: %zu bytes; a configuration has at most %zu", name,
                        bytes, max_bytes);
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for the YAML reader", name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)(bytes ? text : ""), bytes);
    builder b = {.arena = arena, .name = name};
    rep_status status = REP_OK;
    for (bool is_done = false; !is_done && status == REP_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = fail_parser(&b, &parser);
            break;
        }
        is_done = event.type == YAML_STREAM_END_EVENT;
        status = take_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (status == REP_OK) { *out = b.root; }
    return status;
}

bool rep_node_is_null(const rep_node *node) {
    return node->kind == REP_NODE_SCALAR && !node->is_quoted &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 ||
            strcmp(node->text, "null") == 0);
}
