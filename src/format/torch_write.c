/* torch_write.c - writes a state_dict as torch.save does since PyTorch 1.6: a zip archive of stored
 * members, archive/data.pkl and archive/data/<number> for each tensor. Elements begin at multiples
 * of 64 bytes, which torch.load(mmap=True) likes. Dates are fixed: same tensors, same bytes. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "format/source.h"
#include "format/torch.h"

enum { ALIGNMENT = 64, MEMBER_NAME_BYTES = 48, LOCAL_BYTES = 30, DATE = 0x21 /* 1980-01-01 */ };

/* ---- the pickle ----------------------------------------------------------------------------- */

static void put_number(FILE *stream, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) { putc((int)(value >> 8 * i & 0xFF), stream); }
}

/* BINUNICODE. Bytes that are no UTF-8 become '?'. */
static void put_text(FILE *stream, const char *text) {
    putc('X', stream);
    put_number(stream, strlen(text), 4);
    while (*text) {
        uint32_t code = 0;
        const size_t bytes = rep_utf8_next(&code, text);
        if (bytes == 0) { putc('?', stream); }
        fwrite(text, 1, bytes, stream);
        text += bytes ? bytes : 1;
    }
}

/* BININT, or LONG1 where that is too narrow. */
static void put_whole(FILE *stream, uint64_t value) {
    if (value <= INT32_MAX) {
        putc('J', stream);
        put_number(stream, value, 4);
        return;
    }
    fputs("\x8A\x08", stream);
    put_number(stream, value, 8);
}

static const char *storage_class(rep_tensor_type type) {
    static const char *const classes[] = {
#define CLASS_ROW(type, storage, dtype) [REP_TENSOR_##type] = storage,
        REP_TORCH_TYPES(CLASS_ROW)
#undef CLASS_ROW
    };
    return classes[type];
}

/* Shape, then the strides of a C-contiguous tensor. */
static void put_shape(FILE *stream, const rep_tensor_source *tensor) {
    putc('(', stream);
    for (int32_t i = 0; i < tensor->rank; i++) { put_whole(stream, (uint64_t)tensor->shape[i]); }
    fputs("t(", stream);
    for (int32_t i = 0; i < tensor->rank; i++) {
        uint64_t stride = 1;
        for (int32_t k = i + 1; k < tensor->rank; k++) {
            stride *= tensor->shape[k] > 0 ? (uint64_t)tensor->shape[k] : 1;
        }
        put_whole(stream, stride);
    }
    putc('t', stream);
}

/* name: torch._utils._rebuild_tensor_v2(("storage", class, key, "cpu", count) as a persistent id,
 * 0, shape, strides, False, OrderedDict()) */
static void put_tensor(FILE *stream, const rep_tensor_source *tensor, size_t index) {
    char key[24];
    snprintf(key, sizeof key, "%zu", index);
    put_text(stream, tensor->name);
    fputs("ctorch._utils\n_rebuild_tensor_v2\n((", stream);
    put_text(stream, "storage");
    fprintf(stream, "ctorch\n%s\n", storage_class(tensor->type));
    put_text(stream, key);
    put_text(stream, "cpu");
    put_whole(stream, rep_source_count(tensor));
    fputs("tQ", stream);
    put_whole(stream, 0);
    put_shape(stream, tensor);
    fputs("\x89"
          "ccollections\nOrderedDict\n)RtR",
          stream);
}

static void put_pickle(FILE *stream, const rep_sources *s) {
    fputs("\x80\x02"
          "ccollections\nOrderedDict\n)R(",
          stream);
    for (size_t i = 0; i < s->tensor_count; i++) { put_tensor(stream, &s->tensors[i], i); }
    putc('u', stream);
    if (s->metadata_count > 0) {
        putc('}', stream);
        put_text(stream, "metadata");
        fputs("}(", stream);
        for (size_t i = 0; i < s->metadata_count; i++) {
            put_text(stream, s->metadata[i].key);
            put_text(stream, s->metadata[i].value);
        }
        fputs("usb", stream); /* {"metadata": {...}} are attributes of the OrderedDict */
    }
    putc('.', stream);
}

/* ---- the archive ---------------------------------------------------------------------------- */

typedef struct member {
    char name[MEMBER_NAME_BYTES];
    uint32_t crc, count, place;
} member;

typedef struct archive {
    const rep_sources *sources;
    FILE *stream;
    uint64_t place; /* bytes written */
    member *members;
    size_t count;
} archive;

/* What a member's two headers have in common: flags, method, date, checksum, sizes, name. */
static void put_facts(FILE *stream, const member *m) {
    put_number(stream, 20, 2);      /* version 2.0 reads it */
    put_number(stream, 1 << 11, 2); /* the name is UTF-8 */
    put_number(stream, 0, 2);       /* stored */
    put_number(stream, 0, 2);
    put_number(stream, DATE, 2);
    put_number(stream, m->crc, 4);
    put_number(stream, m->count, 4);
    put_number(stream, m->count, 4);
    put_number(stream, strlen(m->name), 2);
}

static uint32_t checksum(const void *bytes, size_t count) {
    return (uint32_t)crc32_z(0, bytes, count);
}

/* A stored member; its data begins aligned, behind an extra field that only fills. */
static void put_member(archive *a, const char *name, const void *bytes, size_t count) {
    member *m = &a->members[a->count++];
    snprintf(m->name, sizeof m->name, "%s", name);
    m->crc = checksum(bytes, count);
    m->count = (uint32_t)count;
    m->place = (uint32_t)a->place;
    const uint64_t head = a->place + LOCAL_BYTES + strlen(m->name) + 4;
    const uint64_t fill = (ALIGNMENT - head % ALIGNMENT) % ALIGNMENT;
    put_number(a->stream, 0x04034b50, 4);
    put_facts(a->stream, m);
    put_number(a->stream, 4 + fill, 2);
    fputs(m->name, a->stream);
    put_number(a->stream, 0x4246, 2); /* "FB", as PyTorch names it */
    put_number(a->stream, fill, 2);
    for (uint64_t i = 0; i < fill; i++) { putc('Z', a->stream); }
    fwrite(bytes, 1, count, a->stream);
    a->place = head + fill + count;
}

static void put_directory(archive *a) {
    const uint64_t begin = a->place;
    for (size_t i = 0; i < a->count; i++) {
        const member *m = &a->members[i];
        put_number(a->stream, 0x02014b50, 4);
        put_number(a->stream, 20, 2);
        put_facts(a->stream, m);
        put_number(a->stream, 0, 2); /* no extra field, comment, disk, attributes */
        put_number(a->stream, 0, 2);
        put_number(a->stream, 0, 4);
        put_number(a->stream, 0, 4);
        put_number(a->stream, m->place, 4);
        fputs(m->name, a->stream);
        a->place += 46 + strlen(m->name);
    }
    put_number(a->stream, 0x06054b50, 4);
    put_number(a->stream, 0, 4);
    put_number(a->stream, a->count, 2);
    put_number(a->stream, a->count, 2);
    put_number(a->stream, a->place - begin, 4);
    put_number(a->stream, begin, 4);
    put_number(a->stream, 0, 2);
}

static rep_status put_pickle_member(archive *a) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", a->sources->path); }
    put_pickle(stream, a->sources);
    const bool has_failed = ferror(stream) != 0;
    if (fclose(stream) != 0 || has_failed) {
        free(text);
        return rep_fail(REP_ERR_MEMORY, "%s: no memory", a->sources->path);
    }
    put_member(a, "archive/data.pkl", text, bytes);
    free(text);
    return REP_OK;
}

static rep_status put_members(archive *a, void *buffer) {
    const rep_sources *s = a->sources;
    REP_TRY(put_pickle_member(a));
    put_member(a, "archive/byteorder", "little", 6);
    for (size_t i = 0; i < s->tensor_count; i++) {
        const rep_tensor_source *tensor = &s->tensors[i];
        char name[MEMBER_NAME_BYTES];
        snprintf(name, sizeof name, "archive/data/%zu", i);
        REP_TRY(tensor->fill(tensor->context, buffer, rep_source_count(tensor)));
        put_member(a, name, buffer, rep_source_bytes(tensor));
    }
    put_member(a, "archive/version", "3\n", 2);
    put_directory(a);
    return REP_OK;
}

static rep_status write_file(void *context, FILE *stream) {
    const rep_sources *s = context;
    archive a = {.sources = s, .stream = stream};
    void *buffer = NULL;
    a.members = calloc(s->tensor_count + 3, sizeof *a.members);
    rep_status status = a.members ? rep_sources_buffer(s, &buffer)
                                  : rep_fail(REP_ERR_MEMORY, "%s: no memory", s->path);
    if (status == REP_OK) { status = put_members(&a, buffer); }
    rep_aligned_free(buffer);
    free(a.members);
    return status;
}

/* Places and sizes are 32-bit numbers, the number of members one of 16 bits. Names stand in the
 * pickle; 1 KiB covers all else that a tensor takes. */
static rep_status check_size(const rep_sources *s) {
    enum { MOST_TENSORS = 65000 };
    uint64_t bytes = 1 << 16;
    for (size_t i = 0; i < s->tensor_count; i++) {
        bytes += (uint64_t)rep_source_bytes(&s->tensors[i]) + strlen(s->tensors[i].name) + 1024;
    }
    for (size_t i = 0; i < s->metadata_count; i++) {
        bytes += strlen(s->metadata[i].key) + strlen(s->metadata[i].value);
    }
    if (bytes < UINT32_MAX && s->tensor_count <= MOST_TENSORS) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT,
                    "%s: %zu tensors of %llu MiB are more than the plain zip format holds (%d, 4 "
                    "GiB); write a .safetensors file",
                    s->path, s->tensor_count, (unsigned long long)(bytes >> 20), MOST_TENSORS);
}

rep_status rep_torch_write(const char *path, const rep_tensor_source *tensors, size_t tensor_count,
                           const rep_metadata_pair *metadata, size_t metadata_count) {
    rep_sources s = {path, tensors, tensor_count, metadata, metadata_count};
    REP_TRY(rep_sources_check(&s));
    REP_TRY(check_size(&s));
    return rep_file_replace(path, write_file, &s);
}
