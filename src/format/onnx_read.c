/* onnx_read.c - what an ONNX file says of itself: inputs, outputs, initializers, ops, texts.
 *
 * A field's number decides what it is; what is not known is skipped by its length. Nothing is
 * believed: every length lies within its message, texts are UTF-8 of a bounded length, counts are
 * bounded, and raw elements are as many as the shape says. Messages nest as deep as the functions
 * here do, and no deeper.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/onnx.h"
#include "repopt/onnx.h"

enum {
    MOST_NAME_BYTES = 1023,
    MOST_TEXT_BYTES = 1 << 24, /* of metadata */
    MOST_VALUES = 1 << 18,
    MOST_NODES = 1 << 20,
    MOST_OPS = 1000,
    MOST_METADATA = 10000
};

struct rep_onnx_file {
    const char *name;
    rep_onnx_facts facts;
    rep_arena arena;
    rep_onnx_value *inputs, *outputs, *initializers;
    size_t input_room, output_room, initializer_room;
    rep_onnx_op *ops;
    size_t op_room;
    rep_metadata_pair *metadata;
    size_t metadata_room;
    bool has_graph;
};

/* ---- protobuf ----------------------------------------------------------------------------------
 */

/* A message's bytes that are not read yet. */
typedef struct span {
    const uint8_t *bytes;
    size_t count;
} span;

typedef struct field {
    uint64_t number;
    int wire;
    uint64_t value; /* of a varint */
    span content;   /* of bytes */
} field;

static rep_status fail(const rep_onnx_file *f, const char *where, const char *what) {
    return rep_fail(REP_ERR_DATA, "%s: %s: %s; it is no ONNX file, or a damaged one", f->name,
                    where, what);
}

static bool take_varint(uint64_t *out, span *s) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && s->count > 0; shift += 7) {
        const uint8_t byte = *s->bytes++;
        s->count--;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(span *out, span *s, uint64_t count) {
    if (count > s->count) { return false; }
    *out = (span){s->bytes, (size_t)count};
    s->bytes += count;
    s->count -= (size_t)count;
    return true;
}

/* The next field of a message that is not empty. */
static rep_status take_field(field *out, const rep_onnx_file *f, const char *where, span *s) {
    uint64_t tag = 0, count = 0;
    bool is_good = take_varint(&tag, s) && tag >> 3 != 0;
    *out = (field){.number = tag >> 3, .wire = (int)(tag & 7)};
    if (!is_good) { return fail(f, where, "a field without a number"); }
    switch (out->wire) {
    case REP_WIRE_VARINT:
        is_good = take_varint(&out->value, s);
        break;
    case REP_WIRE_EIGHT:
        is_good = take_bytes(&out->content, s, 8);
        break;
    case REP_WIRE_FOUR:
        is_good = take_bytes(&out->content, s, 4);
        break;
    case REP_WIRE_BYTES:
        is_good = take_varint(&count, s) && take_bytes(&out->content, s, count);
        break;
    default:
        return fail(f, where, "a field of an unknown kind");
    }
    return is_good ? REP_OK : fail(f, where, "a field reaches beyond its message");
}

/* A copy of a text field; a text longer than names may be has lines, too. */
static rep_status take_text(const char **out, rep_onnx_file *f, const char *where,
                            const field *from, size_t most_bytes) {
    const span s = from->content;
    if (from->wire != REP_WIRE_BYTES) { return fail(f, where, "a name that is no text"); }
    if (s.count > most_bytes) { return fail(f, where, "a text that is too long"); }
    char *text = rep_arena_alloc(&f->arena, s.count + 1);
    if (text == NULL) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", f->name); }
    if (s.count > 0) { memcpy(text, s.bytes, s.count); }
    text[s.count] = '\0';
    for (const char *c = text; c < text + s.count;) {
        uint32_t code = 0;
        const size_t bytes = rep_utf8_next(&code, c);
        const bool is_space = most_bytes > MOST_NAME_BYTES && (code == '\n' || code == '\t');
        const bool is_control = (code < 0x20 && !is_space) || code == 0x7F;
        if (bytes == 0 || is_control) { return fail(f, where, "a text that is no UTF-8"); }
        c += bytes;
    }
    *out = text;
    return REP_OK;
}

static rep_status take_message(span *out, const rep_onnx_file *f, const char *where,
                               const field *from) {
    *out = from->content;
    if (from->wire == REP_WIRE_BYTES) { return REP_OK; }
    return fail(f, where, "a number in a message's place");
}

/* Room for one more of `count` items. */
static rep_status grow(void **items, const rep_onnx_file *f, const char *where, size_t count,
                       size_t *room, size_t item_bytes, size_t most) {
    if (count >= most) { return fail(f, where, "more of them than any net has"); }
    void *grown = rep_array_grow(*items, count, room, item_bytes);
    if (grown == NULL) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", f->name); }
    *items = grown;
    return REP_OK;
}

/* ---- inputs and outputs ------------------------------------------------------------------------
 */

static rep_status add_dim(rep_onnx_value *v, const rep_onnx_file *f, const char *where,
                          rep_onnx_dim dim) {
    if (v->rank >= REP_TENSOR_MAX_RANK) { return fail(f, where, "more than 8 dimensions"); }
    if (dim.name == NULL && dim.size < 0) { return fail(f, where, "a dimension below 0"); }
    v->dims[v->rank++] = dim;
    return REP_OK;
}

static rep_status read_dim(rep_onnx_value *v, rep_onnx_file *f, const char *where, span s) {
    rep_onnx_dim dim = {.name = ""};
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, where, &s));
        if (x.number == REP_ONNX_DIM_VALUE) { dim = (rep_onnx_dim){.size = (int64_t)x.value}; }
        if (x.number == REP_ONNX_DIM_PARAM) {
            REP_TRY(take_text(&dim.name, f, where, &x, MOST_NAME_BYTES));
        }
    }
    return add_dim(v, f, where, dim);
}

static rep_status read_shape(rep_onnx_value *v, rep_onnx_file *f, const char *where, span s) {
    v->rank = 0;
    while (s.count > 0) {
        field x;
        span dim;
        REP_TRY(take_field(&x, f, where, &s));
        if (x.number != REP_ONNX_SHAPE_DIM) { continue; }
        REP_TRY(take_message(&dim, f, where, &x));
        REP_TRY(read_dim(v, f, where, dim));
    }
    return REP_OK;
}

/* TypeProto, whose first field is a tensor's type; other types stay "?". */
static rep_status read_type(rep_onnx_value *v, rep_onnx_file *f, const char *where, span s) {
    while (s.count > 0) {
        field x;
        span tensor;
        REP_TRY(take_field(&x, f, where, &s));
        if (x.number != REP_ONNX_TYPE_TENSOR) { continue; }
        REP_TRY(take_message(&tensor, f, where, &x));
        while (tensor.count > 0) {
            field y;
            span shape;
            REP_TRY(take_field(&y, f, where, &tensor));
            if (y.number == REP_ONNX_TYPE_ELEMENT) { v->type = rep_onnx_type_name(y.value, NULL); }
            if (y.number != REP_ONNX_TYPE_SHAPE) { continue; }
            REP_TRY(take_message(&shape, f, where, &y));
            REP_TRY(read_shape(v, f, where, shape));
        }
    }
    return REP_OK;
}

static rep_status read_value(rep_onnx_value *out, rep_onnx_file *f, const char *where, span s) {
    rep_onnx_value v = {.name = "", .type = "?", .rank = -1};
    while (s.count > 0) {
        field x;
        span type;
        REP_TRY(take_field(&x, f, where, &s));
        if (x.number == REP_ONNX_VALUE_NAME) {
            REP_TRY(take_text(&v.name, f, where, &x, MOST_NAME_BYTES));
        } else if (x.number == REP_ONNX_VALUE_TYPE) {
            REP_TRY(take_message(&type, f, where, &x));
            REP_TRY(read_type(&v, f, where, type));
        }
    }
    *out = v;
    return REP_OK;
}

/* ---- initializers ------------------------------------------------------------------------------
 */

/* dims: one varint, or several packed into one field. */
static rep_status read_dims(rep_onnx_value *v, const rep_onnx_file *f, const char *where,
                            const field *x) {
    if (x->wire == REP_WIRE_VARINT) {
        return add_dim(v, f, where, (rep_onnx_dim){.size = (int64_t)x->value});
    }
    for (span s = x->content; s.count > 0;) {
        uint64_t size = 0;
        if (!take_varint(&size, &s)) { return fail(f, where, "a dimension that is cut off"); }
        REP_TRY(add_dim(v, f, where, (rep_onnx_dim){.size = (int64_t)size}));
    }
    return REP_OK;
}

static rep_status check_raw(const rep_onnx_value *v, const rep_onnx_file *f, size_t element_bytes,
                            uint64_t raw) {
    uint64_t wanted = element_bytes;
    for (int32_t i = 0; i < v->rank; i++) {
        if (__builtin_mul_overflow(wanted, (uint64_t)v->dims[i].size, &wanted)) {
            return fail(f, v->name, "its shape is too large");
        }
    }
    return element_bytes == 0 || raw == wanted
               ? REP_OK
               : fail(f, v->name, "its elements are not as many as its shape says");
}

static rep_status read_tensor(rep_onnx_value *out, rep_onnx_file *f, const char *where, span s) {
    rep_onnx_value v = {.name = "", .type = "?"};
    size_t element_bytes = 0;
    const uint8_t *raw = NULL;
    size_t raw_bytes = 0;
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, where, &s));
        switch (x.number) {
        case REP_ONNX_TENSOR_DIMS:
            REP_TRY(read_dims(&v, f, where, &x));
            break;
        case REP_ONNX_TENSOR_TYPE:
            v.type = rep_onnx_type_name(x.value, &element_bytes);
            break;
        case REP_ONNX_TENSOR_NAME:
            REP_TRY(take_text(&v.name, f, where, &x, MOST_NAME_BYTES));
            break;
        case REP_ONNX_TENSOR_RAW:
            raw = x.content.bytes;
            raw_bytes = x.content.count;
            break;
        case REP_ONNX_TENSOR_LOCATION:
            v.is_external = x.value == 1;
            break;
        default:
            break;
        }
    }
    if (raw != NULL) { REP_TRY(check_raw(&v, f, element_bytes, raw_bytes)); }
    *out = v;
    return REP_OK;
}

/* ---- graph -------------------------------------------------------------------------------------
 */

static rep_status count_op(rep_onnx_file *f, const char *name) {
    rep_onnx_facts *facts = &f->facts;
    for (size_t i = 0; i < facts->op_count; i++) {
        if (strcmp(f->ops[i].name, name) == 0) {
            f->ops[i].count++;
            return REP_OK;
        }
    }
    REP_TRY(
        grow((void **)&f->ops, f, "ops", facts->op_count, &f->op_room, sizeof *f->ops, MOST_OPS));
    f->ops[facts->op_count++] = (rep_onnx_op){name, 1};
    return REP_OK;
}

static rep_status read_node(rep_onnx_file *f, span s) {
    const char *op = "";
    if (f->facts.node_count++ >= MOST_NODES) { return fail(f, "nodes", "too many of them"); }
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, "a node", &s));
        if (x.number == REP_ONNX_NODE_OP) {
            REP_TRY(take_text(&op, f, "a node", &x, MOST_NAME_BYTES));
        }
    }
    return count_op(f, op);
}

static rep_status read_graph_field(rep_onnx_file *f, const field *x) {
    rep_onnx_facts *facts = &f->facts;
    span s = x->content;
    if (x->number == REP_ONNX_GRAPH_NODE) { return read_node(f, s); }
    if (x->number == REP_ONNX_GRAPH_INPUT) {
        REP_TRY(grow((void **)&f->inputs, f, "inputs", facts->input_count, &f->input_room,
                     sizeof *f->inputs, MOST_VALUES));
        return read_value(&f->inputs[facts->input_count++], f, "an input", s);
    }
    if (x->number == REP_ONNX_GRAPH_OUTPUT) {
        REP_TRY(grow((void **)&f->outputs, f, "outputs", facts->output_count, &f->output_room,
                     sizeof *f->outputs, MOST_VALUES));
        return read_value(&f->outputs[facts->output_count++], f, "an output", s);
    }
    if (x->number == REP_ONNX_GRAPH_INITIALIZER) {
        REP_TRY(grow((void **)&f->initializers, f, "initializers", facts->initializer_count,
                     &f->initializer_room, sizeof *f->initializers, MOST_VALUES));
        return read_tensor(&f->initializers[facts->initializer_count++], f, "an initializer", s);
    }
    return REP_OK;
}

static rep_status read_graph(rep_onnx_file *f, span s) {
    if (f->has_graph) { return fail(f, "the model", "two graphs"); }
    f->has_graph = true;
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, "the graph", &s));
        REP_TRY(read_graph_field(f, &x));
    }
    return REP_OK;
}

/* ---- model -------------------------------------------------------------------------------------
 */

static rep_status read_opset(rep_onnx_file *f, span s) {
    const char *domain = "";
    int64_t version = 0;
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, "an opset", &s));
        if (x.number == REP_ONNX_OPSET_VERSION) { version = (int64_t)x.value; }
        if (x.number == REP_ONNX_OPSET_DOMAIN) {
            REP_TRY(take_text(&domain, f, "an opset", &x, MOST_NAME_BYTES));
        }
    }
    if (domain[0] == '\0') { f->facts.opset = version; }
    return REP_OK;
}

static rep_status read_metadata(rep_onnx_file *f, span s) {
    rep_metadata_pair pair = {"", ""};
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, "metadata", &s));
        if (x.number == REP_ONNX_ENTRY_KEY) {
            REP_TRY(take_text(&pair.key, f, "metadata", &x, MOST_NAME_BYTES));
        } else if (x.number == REP_ONNX_ENTRY_VALUE) {
            REP_TRY(take_text(&pair.value, f, "metadata", &x, MOST_TEXT_BYTES));
        }
    }
    REP_TRY(grow((void **)&f->metadata, f, "metadata", f->facts.metadata_count, &f->metadata_room,
                 sizeof *f->metadata, MOST_METADATA));
    f->metadata[f->facts.metadata_count++] = pair;
    return REP_OK;
}

static rep_status read_model(rep_onnx_file *f, span s) {
    while (s.count > 0) {
        field x;
        REP_TRY(take_field(&x, f, "the model", &s));
        switch (x.number) {
        case REP_ONNX_MODEL_IR:
            f->facts.ir_version = (int64_t)x.value;
            break;
        case REP_ONNX_MODEL_PRODUCER:
            REP_TRY(take_text(&f->facts.producer, f, "the model", &x, MOST_NAME_BYTES));
            break;
        case REP_ONNX_MODEL_GRAPH:
            REP_TRY(read_graph(f, x.content));
            break;
        case REP_ONNX_MODEL_OPSET:
            REP_TRY(read_opset(f, x.content));
            break;
        case REP_ONNX_MODEL_METADATA:
            REP_TRY(read_metadata(f, x.content));
            break;
        default:
            break;
        }
    }
    return f->has_graph ? REP_OK : fail(f, "the model", "no graph");
}

rep_status rep_onnx_parse(rep_onnx_file **out, const char *name, const void *bytes, size_t count) {
    rep_onnx_file *f = calloc(1, sizeof *f);
    if (f == NULL) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", name); }
    f->name = name;
    f->facts.producer = "";
    f->facts.byte_count = count;
    rep_status status = rep_onnx_is_like(bytes, count)
                            ? read_model(f, (span){bytes, count})
                            : fail(f, "its first bytes", "not the version of an ONNX file");
    if (status != REP_OK) {
        rep_onnx_close(f);
        return status;
    }
    f->facts.inputs = f->inputs;
    f->facts.outputs = f->outputs;
    f->facts.initializers = f->initializers;
    f->facts.ops = f->ops;
    f->facts.metadata = f->metadata;
    *out = f;
    return REP_OK;
}

rep_status rep_onnx_open(rep_onnx_file **out, const char *path) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    const rep_status status = rep_onnx_parse(out, path, view.bytes, view.count);
    rep_file_close(&view);
    return status;
}

void rep_onnx_close(rep_onnx_file *f) {
    if (f == NULL) { return; }
    free(f->inputs);
    free(f->outputs);
    free(f->initializers);
    free(f->ops);
    free(f->metadata);
    rep_arena_clear(&f->arena);
    free(f);
}

const rep_onnx_facts *rep_onnx_facts_get(const rep_onnx_file *f) { return &f->facts; }
