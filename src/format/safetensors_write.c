/* safetensors_write.c - writes safetensors files tensor by tensor, whole or not at all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"

typedef struct job {
    const char *path;
    const rep_tensor_source *tensors;
    size_t tensor_count;
    const rep_metadata_pair *metadata;
    size_t metadata_count;
} job;

static rep_status count_bytes(size_t *out, const job *j, const rep_tensor_source *tensor) {
    size_t bytes = rep_tensor_type_bytes(tensor->type);
    if (tensor->rank < 0 || tensor->rank > REP_TENSOR_MAX_RANK) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: tensor \"%.80s\": rank %d, wanted 0 to 8", j->path,
                        tensor->name, tensor->rank);
    }
    for (int32_t i = 0; i < tensor->rank; i++) {
        if (tensor->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, (size_t)tensor->shape[i], &bytes)) {
            return rep_fail(REP_ERR_ARGUMENT, "%s: tensor \"%.80s\": dimension %d is %" PRId64,
                            j->path, tensor->name, i, tensor->shape[i]);
        }
    }
    *out = bytes;
    return REP_OK;
}

/* A JSON string. Bytes that are no UTF-8 (a class named after a folder may hold any) become '?'. */
static void put_string(FILE *stream, const char *text) {
    putc('"', stream);
    while (*text) {
        uint32_t code = 0;
        const size_t bytes = rep_utf8_next(&code, text);
        if (bytes == 0) {
            putc('?', stream);
        } else if (code < 0x20 || code == 0x7F) {
            fprintf(stream, "\\u%04x", (unsigned)code);
        } else if (code == '"' || code == '\\') {
            fprintf(stream, "\\%c", (char)code);
        } else {
            fwrite(text, 1, bytes, stream);
        }
        text += bytes ? bytes : 1;
    }
    putc('"', stream);
}

static rep_status put_header(const job *j, FILE *stream) {
    putc('{', stream);
    const char *comma = "";
    if (j->metadata_count > 0) {
        fputs("\"__metadata__\":{", stream);
        for (size_t i = 0; i < j->metadata_count; i++) {
            fputs(i ? "," : "", stream);
            put_string(stream, j->metadata[i].key);
            putc(':', stream);
            put_string(stream, j->metadata[i].value);
        }
        putc('}', stream);
        comma = ",";
    }
    size_t begin = 0;
    for (size_t i = 0; i < j->tensor_count; i++) {
        const rep_tensor_source *tensor = &j->tensors[i];
        size_t bytes = 0;
        REP_TRY(count_bytes(&bytes, j, tensor));
        fputs(comma, stream);
        comma = ",";
        put_string(stream, tensor->name);
        fprintf(stream, ":{\"dtype\":\"%s\",\"shape\":[", rep_tensor_type_name(tensor->type));
        for (int32_t d = 0; d < tensor->rank; d++) {
            fprintf(stream, "%s%" PRId64, d ? "," : "", tensor->shape[d]);
        }
        fprintf(stream, "],\"data_offsets\":[%zu,%zu]}", begin, begin + bytes);
        begin += bytes;
    }
    putc('}', stream);
    return REP_OK;
}

/* The header as text, padded with spaces so that the data begins at a multiple of eight. */
static rep_status make_header(char **out, size_t *out_bytes, const job *j) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its header", j->path); }
    rep_status status = put_header(j, stream);
    const long length = ftell(stream);
    for (long i = length; i % 8 != 0; i++) { putc(' ', stream); }
    const bool has_failed = ferror(stream) != 0;
    if ((fclose(stream) != 0 || has_failed) && status == REP_OK) {
        status = rep_fail(REP_ERR_MEMORY, "%s: no memory for its header", j->path);
    }
    if (status != REP_OK) {
        free(text);
        return status;
    }
    *out = text;
    *out_bytes = bytes;
    return REP_OK;
}

static rep_status write_tensors(const job *j, FILE *stream, void *buffer) {
    for (size_t i = 0; i < j->tensor_count; i++) {
        const rep_tensor_source *tensor = &j->tensors[i];
        size_t bytes = 0;
        REP_TRY(count_bytes(&bytes, j, tensor));
        REP_TRY(tensor->fill(tensor->context, buffer, bytes / rep_tensor_type_bytes(tensor->type)));
        /* A short write leaves the stream's error flag, which rep_file_replace reports. */
        if (fwrite(buffer, 1, bytes, stream) != bytes) { break; }
    }
    return REP_OK;
}

static rep_status write_file(void *context, FILE *stream) {
    const job *j = context;
    char *header = NULL;
    size_t header_bytes = 0, largest = 1;
    REP_TRY(make_header(&header, &header_bytes, j));
    for (size_t i = 0; i < j->tensor_count; i++) {
        size_t bytes = 0;
        (void)!count_bytes(&bytes, j, &j->tensors[i]);
        if (bytes > largest) { largest = bytes; }
    }
    rep_status status = REP_OK;
    void *buffer = rep_aligned_alloc(largest);
    if (!buffer) {
        status =
            rep_fail(REP_ERR_MEMORY, "%s: no memory for a tensor of %zu bytes", j->path, largest);
    } else {
        const uint64_t length = header_bytes;
        fwrite(&length, sizeof length, 1, stream);
        fwrite(header, 1, header_bytes, stream);
        status = write_tensors(j, stream, buffer);
    }
    rep_aligned_free(buffer);
    free(header);
    return status;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two tensors of one name would make a file that no reader accepts. */
static rep_status check_names(const job *j) {
    const char **names = malloc((j->tensor_count + 1) * sizeof *names);
    if (!names) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", j->path); }
    for (size_t i = 0; i < j->tensor_count; i++) { names[i] = j->tensors[i].name; }
    qsort(names, j->tensor_count, sizeof *names, compare_texts);
    rep_status status = REP_OK;
    for (size_t i = 1; i < j->tensor_count && status == REP_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            status = rep_fail(REP_ERR_ARGUMENT, "%s: two tensors are named \"%.80s\"", j->path,
                              names[i]);
        }
    }
    free(names);
    return status;
}

rep_status rep_safetensors_write(const char *path, const rep_tensor_source *tensors,
                                 size_t tensor_count, const rep_metadata_pair *metadata,
                                 size_t metadata_count) {
    job j = {.path = path,
             .tensors = tensors,
             .tensor_count = tensor_count,
             .metadata = metadata,
             .metadata_count = metadata_count};
    REP_TRY(check_names(&j));
    return rep_file_replace(path, write_file, &j);
}

rep_status rep_tensor_fill_f32(void *context, void *elements, size_t count) {
    if (count > 0) { memcpy(elements, context, count * sizeof(float)); }
    return REP_OK;
}

rep_status rep_tensor_fill_i64(void *context, void *elements, size_t count) {
    if (count > 0) { memcpy(elements, context, count * sizeof(int64_t)); }
    return REP_OK;
}
