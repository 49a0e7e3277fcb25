/* inspect_onnx.c - `repopt inspect` of an ONNX file: inputs, outputs, ops, initializers, texts. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/inspect.h"
#include "repopt/onnx.h"

/* ---- words ---------------------------------------------------------------------------------- */

/* "[batch, 3, 32, 32]" */
static void print_shape(const rep_onnx_value *v) {
    printf("%s", v->rank < 0 ? "of any shape" : v->rank == 0 ? "scalar" : "[");
    for (int32_t i = 0; i < v->rank; i++) {
        const rep_onnx_dim *dim = &v->dims[i];
        if (i > 0) { printf(", "); }
        if (dim->name == NULL) {
            printf("%" PRId64, dim->size);
        } else {
            printf("%s", dim->name[0] != '\0' ? dim->name : "?");
        }
    }
    if (v->rank > 0) { putchar(']'); }
}

static void print_values(const char *title, const rep_onnx_value *values, size_t count) {
    printf("%s:\n", title);
    for (size_t i = 0; i < count; i++) {
        printf("  %-46s %-4s ", values[i].name, values[i].type);
        print_shape(&values[i]);
        puts(values[i].is_external ? " (in another file)" : "");
    }
}

static void print_words(const char *path, const rep_onnx_facts *f) {
    printf("%s: ONNX, version %" PRId64 ", opset %" PRId64 "%s%s, %zu nodes, %zu initializers, "
           "%.2f MiB\n",
           path, f->ir_version, f->opset, f->producer[0] != '\0' ? ", by " : "", f->producer,
           f->node_count, f->initializer_count, (double)f->byte_count / 1048576);
    print_values("inputs", f->inputs, f->input_count);
    print_values("outputs", f->outputs, f->output_count);
    printf("ops:\n ");
    for (size_t i = 0; i < f->op_count; i++) { printf(" %s %zu", f->ops[i].name, f->ops[i].count); }
    puts("");
    print_values("initializers", f->initializers, f->initializer_count);
    for (size_t i = 0; i < f->metadata_count; i++) {
        printf("%s%-24s ", i ? "" : "\nBeside them:\n", f->metadata[i].key);
        inspect_print_line(f->metadata[i].value);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add_values(cJSON *object, const char *key, const rep_onnx_value *values, size_t count) {
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; i < count; i++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", values[i].name);
        cJSON_AddStringToObject(item, "dtype", values[i].type);
        cJSON *shape = values[i].rank < 0 ? cJSON_AddNullToObject(item, "shape")
                                          : cJSON_AddArrayToObject(item, "shape");
        for (int32_t d = 0; d < values[i].rank; d++) {
            const rep_onnx_dim *dim = &values[i].dims[d];
            cJSON_AddItemToArray(shape, dim->name ? cJSON_CreateString(dim->name)
                                                  : cJSON_CreateNumber((double)dim->size));
        }
        if (values[i].is_external) { cJSON_AddTrueToObject(item, "external"); }
        cJSON_AddItemToArray(list, item);
    }
}

static void print_json(const char *path, const rep_onnx_facts *f) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "file", path);
    cJSON_AddStringToObject(object, "format", "ONNX");
    cJSON_AddNumberToObject(object, "ir_version", (double)f->ir_version);
    cJSON_AddNumberToObject(object, "opset", (double)f->opset);
    cJSON_AddStringToObject(object, "producer", f->producer);
    cJSON_AddNumberToObject(object, "nodes", (double)f->node_count);
    add_values(object, "inputs", f->inputs, f->input_count);
    add_values(object, "outputs", f->outputs, f->output_count);
    cJSON *ops = cJSON_AddObjectToObject(object, "ops");
    for (size_t i = 0; i < f->op_count; i++) {
        cJSON_AddNumberToObject(ops, f->ops[i].name, (double)f->ops[i].count);
    }
    add_values(object, "initializers", f->initializers, f->initializer_count);
    cJSON *metadata = cJSON_AddObjectToObject(object, "metadata");
    for (size_t i = 0; i < f->metadata_count; i++) {
        cJSON_AddStringToObject(metadata, f->metadata[i].key, f->metadata[i].value);
    }
    char *text = cJSON_PrintUnformatted(object);
    if (text) { puts(text); }
    cJSON_free(text);
    cJSON_Delete(object);
}

rep_status inspect_onnx(const char *path, const void *bytes, size_t count, bool is_json) {
    rep_onnx_file *file = NULL;
    REP_TRY(bytes ? rep_onnx_parse(&file, path, bytes, count) : rep_onnx_open(&file, path));
    if (is_json) {
        print_json(path, rep_onnx_facts_get(file));
    } else {
        print_words(path, rep_onnx_facts_get(file));
    }
    rep_onnx_close(file);
    return REP_OK;
}
