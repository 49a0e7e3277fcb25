/* oracle_files.c - manifest.json and the safetensors files beside it.
 *
 * A safetensors file is a little-endian 64-bit header length, a JSON header that gives each
 * tensor's dtype, shape and byte range, and the raw values. This reader is the tests' own, so that
 * a fault in the library's cannot hide in the vectors it is judged by.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_files.h"

static void broken(const char *what, const char *name) {
    fprintf(stderr, "oracle: %s: %s\n", name, what);
    exit(1);
}

static void *allocate(size_t count, size_t bytes) {
    void *memory = calloc(count ? count : 1, bytes);
    if (!memory) { broken("out of memory", "tests"); }
    return memory;
}

/* A whole file, with a zero byte behind it; *bytes is its size. To be freed. */
static char *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) { broken("cannot be opened", path); }
    const long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) { broken("cannot be read", path); }
    char *text = allocate((size_t)size + 1, 1);
    if (fread(text, 1, (size_t)size, file) != (size_t)size) { broken("cannot be read", path); }
    fclose(file);
    *bytes = (size_t)size;
    return text;
}

void oracle_set_open(oracle_set *out) {
    const char *folder = getenv("REPOPT_ORACLE_DIR");
    out->folder = folder && *folder ? folder : REP_TEST_DATA "/oracle";
    char path[4096];
    snprintf(path, sizeof path, "%s/manifest.json", out->folder);
    size_t bytes = 0;
    char *text = read_file(path, &bytes);
    out->manifest = cJSON_ParseWithLength(text, bytes);
    free(text);
    out->cases = cJSON_GetObjectItemCaseSensitive(out->manifest, "cases");
    if (!cJSON_IsArray(out->cases)) { broken("has no list of cases", path); }
    out->count = (size_t)cJSON_GetArraySize(out->cases);
}

void oracle_set_close(oracle_set *set) { cJSON_Delete(set->manifest); }

const char *oracle_set_name(const oracle_set *set, size_t index) {
    const cJSON *entry = cJSON_GetArrayItem(set->cases, (int)index);
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "case"));
    if (!name) { broken("a case has no name", set->folder); }
    return name;
}

/* Values of any dtype as double. */
static void convert(oracle_tensor *t, const char *bytes) {
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->dtype, "F32") == 0) {
            float value;
            memcpy(&value, bytes + 4 * i, 4);
            t->values[i] = value;
        } else if (strcmp(t->dtype, "F64") == 0) {
            memcpy(&t->values[i], bytes + 8 * i, 8);
        } else if (strcmp(t->dtype, "I64") == 0) {
            int64_t value;
            memcpy(&value, bytes + 8 * i, 8);
            t->values[i] = (double)value;
        } else if (strcmp(t->dtype, "I32") == 0) {
            int32_t value;
            memcpy(&value, bytes + 4 * i, 4);
            t->values[i] = value;
        } else {
            t->values[i] = (unsigned char)bytes[i];
        }
    }
}

static size_t element_bytes(const char *dtype) {
    return strcmp(dtype, "F32") == 0 || strcmp(dtype, "I32") == 0   ? 4
           : strcmp(dtype, "F64") == 0 || strcmp(dtype, "I64") == 0 ? 8
           : strcmp(dtype, "U8") == 0                               ? 1
                                                                    : 0;
}

/* One tensor, described by the manifest, found in the file's header. */
static void read_tensor(oracle_tensor *t, const cJSON *described, const cJSON *header,
                        const char *data, size_t data_bytes, const char *path) {
    const cJSON *stored = cJSON_GetObjectItemCaseSensitive(header, described->string);
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(stored, "shape");
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(stored, "data_offsets");
    t->name = described->string;
    t->dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(described, "dtype"));
    const char *dtype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(stored, "dtype"));
    if (!t->dtype || !dtype || strcmp(t->dtype, dtype) != 0 ||
        !cJSON_Compare(shape, cJSON_GetObjectItemCaseSensitive(described, "shape"), true)) {
        broken("the file and the manifest disagree about a tensor", path);
    }
    t->rank = cJSON_GetArraySize(shape);
    if (t->rank > ORACLE_MAX_RANK) { broken("a tensor has too many dims", path); }
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        t->dims[i] = cJSON_GetArrayItem(shape, i)->valueint;
        t->count *= (size_t)t->dims[i];
    }
    const cJSON *first = cJSON_GetArrayItem(range, 0), *last = cJSON_GetArrayItem(range, 1);
    const size_t bytes = t->count * element_bytes(t->dtype);
    if (!cJSON_IsNumber(first) || !cJSON_IsNumber(last) || first->valuedouble < 0 ||
        last->valuedouble > (double)data_bytes ||
        last->valuedouble - first->valuedouble != (double)bytes || (!bytes && t->count)) {
        broken("a tensor's byte range does not fit", path);
    }
    t->values = allocate(t->count, sizeof *t->values);
    convert(t, data + (size_t)first->valuedouble);
}

static void read_tolerance(oracle_tensor *t, const cJSON *described, const char *path) {
    const cJSON *rtol = cJSON_GetObjectItemCaseSensitive(described, "rtol");
    const cJSON *atol = cJSON_GetObjectItemCaseSensitive(described, "atol");
    t->is_expected = true;
    t->is_exact = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(described, "exact")) != 0;
    if (t->is_exact) { return; }
    if (!cJSON_IsNumber(rtol) || !cJSON_IsNumber(atol)) {
        broken("an expected tensor has no tolerance", path);
    }
    t->atol = atol->valuedouble;
    /* What is zero in exact arithmetic has no size that a relative bound could refer to. */
    const bool is_zero =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(described, "structurally_zero")) != 0;
    t->rtol = is_zero ? 0 : rtol->valuedouble;
}

/* Appends the tensors of one manifest entry. */
static void append_file(oracle_case *out, const oracle_set *set, const cJSON *entry,
                        bool with_expected) {
    char path[4096];
    const char *file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "file"));
    snprintf(path, sizeof path, "%s/%s", set->folder, file ? file : "(no file)");
    size_t bytes = 0;
    char *text = read_file(path, &bytes);
    uint64_t header_bytes = 0;
    if (bytes >= 8) { memcpy(&header_bytes, text, 8); }
    if (bytes < 8 || header_bytes > bytes - 8) { broken("is cut short", path); }
    cJSON *header = cJSON_ParseWithLength(text + 8, (size_t)header_bytes);
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(entry, "inputs");
    const cJSON *expected = cJSON_GetObjectItemCaseSensitive(entry, "expected");
    const size_t more = (size_t)cJSON_GetArraySize(inputs) + (size_t)cJSON_GetArraySize(expected);
    oracle_tensor *tensors = allocate(out->count + more, sizeof *tensors);
    if (out->count) { memcpy(tensors, out->tensors, out->count * sizeof *tensors); }
    free(out->tensors);
    out->tensors = tensors;
    const char *data = text + 8 + header_bytes;
    const size_t data_bytes = bytes - 8 - (size_t)header_bytes;
    const cJSON *described = NULL;
    cJSON_ArrayForEach(described, inputs) {
        read_tensor(&out->tensors[out->count++], described, header, data, data_bytes, path);
    }
    if (with_expected) {
        cJSON_ArrayForEach(described, expected) {
            oracle_tensor *t = &out->tensors[out->count++];
            read_tensor(t, described, header, data, data_bytes, path);
            read_tolerance(t, described, path);
        }
    }
    cJSON_Delete(header);
    free(text);
}

void oracle_case_load(oracle_case *out, const oracle_set *set, size_t index) {
    const cJSON *entry = cJSON_GetArrayItem(set->cases, (int)index);
    *out = (oracle_case){.name = oracle_set_name(set, index),
                         .entry = entry,
                         .attrs = cJSON_GetObjectItemCaseSensitive(entry, "attrs"),
                         .place = "loading"};
    append_file(out, set, entry, true);
    const cJSON *used = NULL;
    cJSON_ArrayForEach(used, cJSON_GetObjectItemCaseSensitive(entry, "uses")) {
        const char *name = cJSON_GetStringValue(used);
        size_t i = 0;
        while (i < set->count && (!name || strcmp(oracle_set_name(set, i), name) != 0)) { i++; }
        if (i == set->count) { broken("uses a case that is not there", out->name); }
        append_file(out, set, cJSON_GetArrayItem(set->cases, (int)i), false);
    }
}

void oracle_case_clear(oracle_case *c) {
    for (size_t i = 0; i < c->count; i++) { free(c->tensors[i].values); }
    free(c->tensors);
    c->tensors = NULL;
    c->count = 0;
}
