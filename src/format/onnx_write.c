/* onnx_write.c - writes a net as an ONNX file, an initializer at a time.
 *
 * Protobuf is written here by hand: a message is a row of fields, a field a number and either a
 * varint, four bytes or a length and so many bytes
 * (https://protobuf.dev/programming-guides/encoding). protobuf-c would bring a compiler into the
 * build and hold the message, all weights included, in memory; its part of this file would be the
 * first thirty lines. Field numbers are those of onnx.proto.
 *
 * The weights stand last in the graph: everything in front of them is small and made in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "format/onnx.h"
#include "format/source.h"
#include "repopt/onnx.h"
#include "repopt/version.h"

/* ---- protobuf ----------------------------------------------------------------------------------
 */

typedef struct message {
    uint8_t *bytes;
    size_t count, room;
    bool has_failed; /* no memory */
} message;

static void put(message *m, const void *bytes, size_t count) {
    if (m->has_failed || count == 0) { return; }
    while (m->count + count > m->room) {
        const size_t room = m->room > 0 ? 2 * m->room : 256;
        uint8_t *grown = realloc(m->bytes, room);
        if (grown == NULL) {
            m->has_failed = true;
            return;
        }
        m->bytes = grown;
        m->room = room;
    }
    memcpy(m->bytes + m->count, bytes, count);
    m->count += count;
}

static size_t varint(uint8_t out[10], uint64_t value) {
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) { out[count++] = (uint8_t)(value | 0x80); }
    out[count++] = (uint8_t)value;
    return count;
}

static void put_varint(message *m, uint64_t value) {
    uint8_t bytes[10];
    put(m, bytes, varint(bytes, value));
}

static void put_tag(message *m, int field, int wire) {
    put_varint(m, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_int(message *m, int field, int64_t value) {
    put_tag(m, field, REP_WIRE_VARINT);
    put_varint(m, (uint64_t)value);
}

static void put_bytes(message *m, int field, const void *bytes, size_t count) {
    put_tag(m, field, REP_WIRE_BYTES);
    put_varint(m, count);
    put(m, bytes, count);
}

/* What is no UTF-8 (a class named after a folder may hold any byte) becomes '?'. */
static void put_text(message *m, int field, const char *text) {
    put_tag(m, field, REP_WIRE_BYTES);
    put_varint(m, strlen(text));
    while (*text != '\0') {
        uint32_t code = 0;
        const size_t bytes = rep_utf8_next(&code, text);
        put(m, bytes > 0 ? text : "?", bytes > 0 ? bytes : 1);
        text += bytes > 0 ? bytes : 1;
    }
}

/* Appends a finished message as a field, and empties it. */
static void put_message(message *m, int field, message *part) {
    m->has_failed |= part->has_failed;
    put_bytes(m, field, part->bytes, part->count);
    part->count = 0;
}

/* ---- a net -------------------------------------------------------------------------------------
 */

struct rep_onnx {
    message nodes, inputs, outputs, texts; /* fields of the graph, and of the model */
    message node, attribute, part, deeper; /* being made */
    rep_tensor_source *initializers;
    size_t initializer_count, initializer_room;
    rep_arena arena; /* names and constants */
    bool has_failed;
};

rep_status rep_onnx_create(rep_onnx **out) {
    rep_onnx *net = calloc(1, sizeof *net);
    if (net == NULL) { return rep_fail(REP_ERR_MEMORY, "ONNX: no memory"); }
    *out = net;
    return REP_OK;
}

void rep_onnx_destroy(rep_onnx *net) {
    if (net == NULL) { return; }
    message *const all[] = {&net->nodes, &net->inputs,    &net->outputs, &net->texts,
                            &net->node,  &net->attribute, &net->part,    &net->deeper};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) { free(all[i]->bytes); }
    free(net->initializers);
    rep_arena_clear(&net->arena);
    free(net);
}

static void put_value(rep_onnx *net, message *to, int field, const char *name, rep_tensor_type type,
                      const rep_onnx_dim *dims, int32_t rank) {
    message *tensor = &net->part, *dim = &net->deeper, *value = &net->attribute;
    message shape = {0}, kind = {0};
    for (int32_t i = 0; i < rank; i++) {
        if (dims[i].name != NULL) {
            put_text(dim, REP_ONNX_DIM_PARAM, dims[i].name);
        } else {
            put_int(dim, REP_ONNX_DIM_VALUE, dims[i].size);
        }
        put_message(&shape, REP_ONNX_SHAPE_DIM, dim);
    }
    put_int(tensor, REP_ONNX_TYPE_ELEMENT, rep_onnx_type_number(type));
    put_message(tensor, REP_ONNX_TYPE_SHAPE, &shape);
    put_message(&kind, REP_ONNX_TYPE_TENSOR, tensor);
    put_text(value, REP_ONNX_VALUE_NAME, name);
    put_message(value, REP_ONNX_VALUE_TYPE, &kind);
    put_message(to, field, value);
    free(shape.bytes);
    free(kind.bytes);
}

void rep_onnx_input(rep_onnx *net, const char *name, rep_tensor_type type, const rep_onnx_dim *dims,
                    int32_t rank) {
    put_value(net, &net->inputs, REP_ONNX_GRAPH_INPUT, name, type, dims, rank);
}

void rep_onnx_output(rep_onnx *net, const char *name, rep_tensor_type type,
                     const rep_onnx_dim *dims, int32_t rank) {
    put_value(net, &net->outputs, REP_ONNX_GRAPH_OUTPUT, name, type, dims, rank);
}

void rep_onnx_metadata(rep_onnx *net, const char *key, const char *value) {
    put_text(&net->part, REP_ONNX_ENTRY_KEY, key);
    put_text(&net->part, REP_ONNX_ENTRY_VALUE, value);
    put_message(&net->texts, REP_ONNX_MODEL_METADATA, &net->part);
}

/* ---- nodes -------------------------------------------------------------------------------------
 */

void rep_onnx_node(rep_onnx *net, const char *op, const char *output, const char *const *inputs,
                   size_t input_count) {
    for (size_t i = 0; i < input_count; i++) {
        put_text(&net->node, REP_ONNX_NODE_INPUT, inputs[i]);
    }
    rep_onnx_node_output(net, output);
    put_text(&net->node, REP_ONNX_NODE_NAME, output);
    put_text(&net->node, REP_ONNX_NODE_OP, op);
}

void rep_onnx_node_output(rep_onnx *net, const char *output) {
    put_text(&net->node, REP_ONNX_NODE_OUTPUT, output);
}

static void end_attribute(rep_onnx *net, const char *name, int type) {
    put_text(&net->attribute, REP_ONNX_ATTRIBUTE_NAME, name);
    put_int(&net->attribute, REP_ONNX_ATTRIBUTE_TYPE, type);
    put_message(&net->node, REP_ONNX_NODE_ATTRIBUTE, &net->attribute);
}

void rep_onnx_node_int(rep_onnx *net, const char *attribute, int64_t value) {
    put_int(&net->attribute, REP_ONNX_ATTRIBUTE_INT, value);
    end_attribute(net, attribute, REP_ONNX_INT);
}

void rep_onnx_node_ints(rep_onnx *net, const char *attribute, const int64_t *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        put_int(&net->attribute, REP_ONNX_ATTRIBUTE_INTS, values[i]);
    }
    end_attribute(net, attribute, REP_ONNX_INTS);
}

void rep_onnx_node_float(rep_onnx *net, const char *attribute, float value) {
    put_tag(&net->attribute, REP_ONNX_ATTRIBUTE_FLOAT, REP_WIRE_FOUR);
    put(&net->attribute, &value, sizeof value);
    end_attribute(net, attribute, REP_ONNX_FLOAT);
}

void rep_onnx_node_text(rep_onnx *net, const char *attribute, const char *value) {
    put_text(&net->attribute, REP_ONNX_ATTRIBUTE_TEXT, value);
    end_attribute(net, attribute, REP_ONNX_TEXT);
}

void rep_onnx_node_end(rep_onnx *net) { put_message(&net->nodes, REP_ONNX_GRAPH_NODE, &net->node); }

/* ---- initializers ------------------------------------------------------------------------------
 */

void rep_onnx_initializer(rep_onnx *net, const rep_tensor_source *source) {
    rep_tensor_source *grown = rep_array_grow(net->initializers, net->initializer_count,
                                              &net->initializer_room, sizeof *grown);
    const char *name = rep_arena_strdup(&net->arena, source->name);
    if (grown != NULL) { net->initializers = grown; }
    if (grown == NULL || name == NULL) {
        net->has_failed = true;
        return;
    }
    grown[net->initializer_count] = *source;
    grown[net->initializer_count++].name = name;
}

static void add_constant(rep_onnx *net, rep_tensor_source *source, const void *values,
                         size_t value_bytes, const int64_t *shape) {
    size_t count = 1;
    for (int32_t i = 0; i < source->rank; i++) { count *= (size_t)shape[i]; }
    source->context = rep_arena_alloc(&net->arena, (count > 0 ? count : 1) * value_bytes);
    if (source->context == NULL) {
        net->has_failed = true;
        return;
    }
    memcpy(source->context, values, count * value_bytes);
    if (source->rank > 0) { memcpy(source->shape, shape, (size_t)source->rank * sizeof *shape); }
    rep_onnx_initializer(net, source);
}

void rep_onnx_floats(rep_onnx *net, const char *name, const float *values, const int64_t *shape,
                     int32_t rank) {
    rep_tensor_source source = {
        .name = name, .type = REP_TENSOR_F32, .rank = rank, .fill = rep_tensor_fill_f32};
    add_constant(net, &source, values, sizeof *values, shape);
}

void rep_onnx_whole(rep_onnx *net, const char *name, const int64_t *values, const int64_t *shape,
                    int32_t rank) {
    rep_tensor_source source = {
        .name = name, .type = REP_TENSOR_I64, .rank = rank, .fill = rep_tensor_fill_i64};
    add_constant(net, &source, values, sizeof *values, shape);
}

/* ---- the file ----------------------------------------------------------------------------------
 */

/* Everything of a TensorProto in front of its elements. */
static void put_tensor_head(message *m, const rep_tensor_source *source) {
    for (int32_t i = 0; i < source->rank; i++) {
        put_int(m, REP_ONNX_TENSOR_DIMS, source->shape[i]);
    }
    put_int(m, REP_ONNX_TENSOR_TYPE, rep_onnx_type_number(source->type));
    put_text(m, REP_ONNX_TENSOR_NAME, source->name);
    put_tag(m, REP_ONNX_TENSOR_RAW, REP_WIRE_BYTES);
    put_varint(m, rep_source_bytes(source));
}

/* Tag, length and head of an initializer; its elements follow. */
static void put_initializer(message *m, message *head, const rep_tensor_source *source) {
    head->count = 0;
    put_tensor_head(head, source);
    put_tag(m, REP_ONNX_GRAPH_INITIALIZER, REP_WIRE_BYTES);
    put_varint(m, head->count + rep_source_bytes(source));
    put(m, head->bytes, head->count);
    m->has_failed |= head->has_failed;
}

/* What stands in front of the initializers: the model's own fields, and the graph's. */
typedef struct plan {
    rep_onnx *net;
    rep_sources sources;
    message head, initializer, scratch;
    uint64_t total; /* bytes of the file */
} plan;

static void put_head(plan *p) {
    rep_onnx *net = p->net;
    message graph = {0};
    uint64_t elements = 0;
    put_text(&graph, REP_ONNX_GRAPH_NAME, "repopt");
    put(&graph, net->inputs.bytes, net->inputs.count);
    put(&graph, net->outputs.bytes, net->outputs.count);
    put(&graph, net->nodes.bytes, net->nodes.count);
    for (size_t i = 0; i < net->initializer_count; i++) {
        p->initializer.count = 0;
        put_initializer(&p->initializer, &p->scratch, &net->initializers[i]);
        elements += p->initializer.count + rep_source_bytes(&net->initializers[i]);
    }
    put_int(&p->head, REP_ONNX_MODEL_IR, REP_ONNX_IR);
    put_text(&p->head, REP_ONNX_MODEL_PRODUCER, "repopt");
    put_text(&p->head, REP_ONNX_MODEL_PRODUCER_VERSION, REP_VERSION);
    p->scratch.count = 0;
    put_int(&p->scratch, REP_ONNX_OPSET_VERSION, REP_ONNX_OPSET);
    put_message(&p->head, REP_ONNX_MODEL_OPSET, &p->scratch);
    put(&p->head, net->texts.bytes, net->texts.count);
    put_tag(&p->head, REP_ONNX_MODEL_GRAPH, REP_WIRE_BYTES);
    put_varint(&p->head, graph.count + elements);
    put(&p->head, graph.bytes, graph.count);
    p->head.has_failed |= graph.has_failed;
    p->total = p->head.count + elements;
    free(graph.bytes);
}

static rep_status write_elements(const plan *p, message *initializer, message *scratch,
                                 FILE *stream) {
    void *buffer = NULL;
    REP_TRY(rep_sources_buffer(&p->sources, &buffer));
    rep_status status = REP_OK;
    for (size_t i = 0; i < p->sources.tensor_count && status == REP_OK; i++) {
        const rep_tensor_source *source = &p->sources.tensors[i];
        initializer->count = 0;
        put_initializer(initializer, scratch, source);
        status = source->fill(source->context, buffer, rep_source_count(source));
        /* A short write leaves the stream's error flag, which rep_file_replace reports. */
        (void)!fwrite(initializer->bytes, 1, initializer->count, stream);
        (void)!fwrite(buffer, 1, rep_source_bytes(source), stream);
    }
    rep_aligned_free(buffer);
    return status;
}

static rep_status write_file(void *context, FILE *stream) {
    plan *p = context;
    (void)!fwrite(p->head.bytes, 1, p->head.count, stream);
    return write_elements(p, &p->initializer, &p->scratch, stream);
}

static bool has_failed(const plan *p) {
    const rep_onnx *net = p->net;
    return net->has_failed || net->nodes.has_failed || net->inputs.has_failed ||
           net->outputs.has_failed || net->texts.has_failed || p->head.has_failed ||
           p->initializer.has_failed;
}

rep_status rep_onnx_write(rep_onnx *net, const char *path) {
    plan p = {.net = net,
              .sources = {.path = path,
                          .tensors = net->initializers,
                          .tensor_count = net->initializer_count}};
    rep_status status = rep_sources_check(&p.sources);
    if (status == REP_OK) {
        put_head(&p);
        if (has_failed(&p)) {
            status =
                rep_fail(REP_ERR_MEMORY, "%s: no memory for what stands beside its weights", path);
        } else if (p.total > INT32_MAX) {
            status = rep_fail(REP_ERR_ARGUMENT,
                              "%s: %.2f GiB; an ONNX file ends at 2 GiB, as protobuf messages do; "
                              "export a smaller net",
                              path, (double)p.total / 1073741824);
        }
    }
    if (status == REP_OK) { status = rep_file_replace(path, write_file, &p); }
    free(p.head.bytes);
    free(p.initializer.bytes);
    free(p.scratch.bytes);
    return status;
}
