/* safetensors_write.c - writes safetensors files tensor by tensor, whole or not at all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/source.h"

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

static void put_header(const rep_sources *s, FILE *stream) {
    putc('{', stream);
    const char *comma = "";
    if (s->metadata_count > 0) {
        fputs("\"__metadata__\":{", stream);
        for (size_t i = 0; i < s->metadata_count; i++) {
            fputs(i ? "," : "", stream);
            put_string(stream, s->metadata[i].key);
            putc(':', stream);
            put_string(stream, s->metadata[i].value);
        }
        putc('}', stream);
        comma = ",";
    }
    size_t begin = 0;
    for (size_t i = 0; i < s->tensor_count; i++) {
        const rep_tensor_source *tensor = &s->tensors[i];
        const size_t bytes = rep_source_bytes(tensor);
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
}

/* The header as text, padded with spaces so that the data begins at a multiple of eight. */
static rep_status make_header(char **out, size_t *out_bytes, const rep_sources *s) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its header", s->path); }
    put_header(s, stream);
    const long length = ftell(stream);
    for (long i = length; i % 8 != 0; i++) { putc(' ', stream); }
    const bool has_failed = ferror(stream) != 0;
    if (fclose(stream) != 0 || has_failed) {
        free(text);
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for its header", s->path);
    }
    *out = text;
    *out_bytes = bytes;
    return REP_OK;
}

static rep_status write_tensors(const rep_sources *s, FILE *stream, void *buffer) {
    for (size_t i = 0; i < s->tensor_count; i++) {
        const rep_tensor_source *tensor = &s->tensors[i];
        const size_t bytes = rep_source_bytes(tensor);
        REP_TRY(tensor->fill(tensor->context, buffer, rep_source_count(tensor)));
        /* A short write leaves the stream's error flag, which rep_file_replace reports. */
        if (fwrite(buffer, 1, bytes, stream) != bytes) { break; }
    }
    return REP_OK;
}

static rep_status write_file(void *context, FILE *stream) {
    const rep_sources *s = context;
    char *header = NULL;
    size_t header_bytes = 0;
    void *buffer = NULL;
    REP_TRY(make_header(&header, &header_bytes, s));
    rep_status status = rep_sources_buffer(s, &buffer);
    if (status == REP_OK) {
        const uint64_t length = header_bytes;
        fwrite(&length, sizeof length, 1, stream);
        fwrite(header, 1, header_bytes, stream);
        status = write_tensors(s, stream, buffer);
    }
    rep_aligned_free(buffer);
    free(header);
    return status;
}

/* Readers would take it for the texts. */
static rep_status refuse_metadata_name(const rep_sources *s) {
    for (size_t i = 0; i < s->tensor_count; i++) {
        if (strcmp(s->tensors[i].name, "__metadata__") != 0) { continue; }
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s: a tensor is named \"__metadata__\", as a safetensors file calls its "
                        "texts; rename it, or write a .pth file",
                        s->path);
    }
    return REP_OK;
}

rep_status rep_safetensors_write(const char *path, const rep_tensor_source *tensors,
                                 size_t tensor_count, const rep_metadata_pair *metadata,
                                 size_t metadata_count) {
    rep_sources s = {path, tensors, tensor_count, metadata, metadata_count};
    REP_TRY(rep_sources_check(&s));
    REP_TRY(refuse_metadata_name(&s));
    return rep_file_replace(path, write_file, &s);
}
