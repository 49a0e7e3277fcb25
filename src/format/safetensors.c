/* safetensors.c - reads safetensors files: every entry is checked against the file's own size
 * before anything is handed out, so that a damaged or hostile file ends in one message. The format
 * demands that the data is covered by the tensors without holes or overlap, which is checked, too.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file formats are read and written in the order of a little-endian machine"
#endif

enum { LENGTH_BYTES = 8, MAX_HEADER_DEPTH = 4, MAX_HEADER_ITEMS = 1 << 21 };
static const size_t max_header_bytes = 100u * 1000 * 1000; /* the format's own limit */

struct rep_safetensors {
    char *name;
    rep_file_view view;       /* of rep_safetensors_open; otherwise empty */
    cJSON *json;              /* holds all names and metadata strings */
    rep_metadata_pair *pairs; /* of __metadata__, texts borrowed from json */
    size_t pair_count;
    bool has_metadata;
    rep_tensor_info *infos;
    const rep_tensor_info **by_name;
    size_t count;
};

/* A tensor's place, while the entries are checked. */
typedef struct extent {
    size_t begin, end;
    rep_tensor_info info;
} extent;

/* ---- the header ----------------------------------------------------------------------------- */

/* Bounds what the JSON reader will be asked to build: it recurses, and an item takes it 64 bytes.
 */
static rep_status check_header_size(const char *name, const char *text, size_t bytes) {
    size_t items = 0;
    int depth = 0;
    bool is_string = false;
    for (size_t i = 0; i < bytes; i++) {
        const char c = text[i];
        if (is_string) {
            if (c == '\\') { i++; }
            is_string = c != '"';
        } else if (c == '"') {
            is_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        }
        items += !is_string && c == ',';
        if (depth > MAX_HEADER_DEPTH || items > MAX_HEADER_ITEMS) {
            return rep_fail(REP_ERR_DATA,
                            "%s: its header is nested deeper than %d or lists more "
                            "than %d items; this is no checkpoint",
                            name, MAX_HEADER_DEPTH, MAX_HEADER_ITEMS);
        }
    }
    return REP_OK;
}

static rep_status parse_header(cJSON **out, size_t *data_start, const char *name,
                               const uint8_t *bytes, size_t count) {
    if (count < LENGTH_BYTES) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %zu bytes, too short for a safetensors file; write or "
                        "copy it again",
                        name, count);
    }
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    if (length > max_header_bytes) {
        return rep_fail(REP_ERR_DATA,
                        "%s: its header would have %llu bytes; this is no safetensors "
                        "file",
                        name, (unsigned long long)length);
    }
    if (length > count - LENGTH_BYTES) {
        return rep_fail(REP_ERR_DATA,
                        "%s: cut off in its header (%llu bytes wanted, %zu there); "
                        "copy it again",
                        name, (unsigned long long)length, count - LENGTH_BYTES);
    }
    const char *text = (const char *)bytes + LENGTH_BYTES;
    if (length == 0 || text[0] != '{') {
        return rep_fail(REP_ERR_DATA, "%s: no safetensors file: its header is no JSON object",
                        name);
    }
    REP_TRY(check_header_size(name, text, (size_t)length));
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(text, (size_t)length, &end, false);
    while (json && end < text + length && (*end == ' ' || *end == '\n')) { end++; }
    if (!json || end != text + length) {
        const size_t place = end ? (size_t)(end - text) : 0;
        cJSON_Delete(json);
        return rep_fail(REP_ERR_DATA,
                        "%s: its header is no JSON at byte %zu; write or copy it again", name,
                        place + LENGTH_BYTES);
    }
    *out = json;
    *data_start = LENGTH_BYTES + (size_t)length;
    return REP_OK;
}

/* ---- entries -------------------------------------------------------------------------------- */

static rep_status fail_entry(const rep_safetensors *file, const cJSON *entry, const char *what) {
    return rep_fail(REP_ERR_DATA, "%s: tensor \"%.80s\": %s", file->name, entry->string, what);
}

/* Whole numbers a double holds exactly: nothing larger fits a file. */
static bool get_size(uint64_t *out, const cJSON *item) {
    if (!cJSON_IsNumber(item)) { return false; }
    const double number = item->valuedouble;
    if (!(number >= 0 && number <= 0x1p53) || number != floor(number)) { return false; }
    *out = (uint64_t)number;
    return true;
}

static bool is_printable(const char *text) {
    uint32_t code = 0;
    for (size_t bytes = 0; *text; text += bytes) {
        bytes = rep_utf8_next(&code, text);
        if (bytes == 0 || rep_code_is_control(code)) { return false; }
    }
    return true;
}

static rep_status read_type(const rep_safetensors *file, const cJSON *entry, rep_tensor_type *out) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "dtype"));
    for (int i = 0; text && i < REP_TENSOR_TYPE_COUNT; i++) {
        if (strcmp(text, rep_tensor_type_name((rep_tensor_type)i)) == 0) {
            *out = (rep_tensor_type)i;
            return REP_OK;
        }
    }
    if (!text || !is_printable(text)) { return fail_entry(file, entry, "has no dtype"); }
    return rep_fail(REP_ERR_DATA,
                    "%s: tensor \"%.80s\": dtype %.20s; wanted F32, F16, BF16, F64, "
                    "I64, I32, I16, I8, U8 or BOOL, convert it",
                    file->name, entry->string, text);
}

static rep_status read_shape(const rep_safetensors *file, const cJSON *entry, rep_tensor_info *info,
                             size_t max_count) {
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    if (!cJSON_IsArray(shape)) { return fail_entry(file, entry, "has no shape"); }
    uint64_t count = 1;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, shape) {
        uint64_t dim;
        if (info->rank == REP_TENSOR_MAX_RANK) {
            return fail_entry(file, entry, "has more than 8 dimensions");
        }
        if (!get_size(&dim, item)) {
            return fail_entry(file, entry, "a dimension is no whole number from 0 to 2^53");
        }
        if (__builtin_mul_overflow(count, dim, &count) || dim > INT64_MAX) {
            return fail_entry(file, entry, "its shape is larger than any file");
        }
        info->shape[info->rank++] = (int64_t)dim;
    }
    if (count > max_count) { return fail_entry(file, entry, "its shape is larger than the file"); }
    info->count = (size_t)count;
    return REP_OK;
}

static rep_status read_entry(const rep_safetensors *file, const cJSON *entry, const uint8_t *data,
                             size_t data_bytes, extent *out) {
    if (!is_printable(entry->string) || strlen(entry->string) > 1024) {
        return rep_fail(REP_ERR_DATA,
                        "%s: a tensor's name is longer than 1024 bytes, no UTF-8 or has control "
                        "characters; write it again",
                        file->name);
    }
    if (!cJSON_IsObject(entry)) { return fail_entry(file, entry, "is no JSON object"); }
    rep_tensor_info *info = &out->info;
    *out = (extent){.info.name = entry->string};
    REP_TRY(read_type(file, entry, &info->type));
    REP_TRY(read_shape(file, entry, info, data_bytes));
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    uint64_t begin, end;
    if (cJSON_GetArraySize(offsets) != 2 || !get_size(&begin, offsets->child) ||
        !get_size(&end, offsets->child->next)) {
        return fail_entry(file, entry, "data_offsets are no two whole numbers");
    }
    if (begin > end || end > data_bytes) {
        return rep_fail(REP_ERR_DATA,
                        "%s: tensor \"%.80s\": bytes %llu to %llu of %zu; the file is "
                        "cut off or damaged, copy it again",
                        file->name, entry->string, (unsigned long long)begin,
                        (unsigned long long)end, data_bytes);
    }
    /* count <= data_bytes, so that the product cannot overflow where size_t has 64 bits; elsewhere
     * it is done in 64 bits. */
    if ((uint64_t)info->count * rep_tensor_type_bytes(info->type) != end - begin) {
        return rep_fail(REP_ERR_DATA,
                        "%s: tensor \"%.80s\": %zu elements of %s do not take %llu "
                        "bytes",
                        file->name, entry->string, info->count, rep_tensor_type_name(info->type),
                        (unsigned long long)(end - begin));
    }
    out->begin = (size_t)begin;
    out->end = (size_t)end;
    info->bytes = data + begin;
    return REP_OK;
}

static int compare_places(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin) { return x->begin < y->begin ? -1 : 1; }
    if (x->end != y->end) { return x->end < y->end ? -1 : 1; }
    return strcmp(x->info.name, y->info.name);
}

static int compare_names(const void *a, const void *b) {
    const rep_tensor_info *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Entries in data order cover the data exactly. */
static rep_status check_cover(const rep_safetensors *file, const extent *extents,
                              size_t data_bytes) {
    size_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        if (extents[i].begin != end) {
            return rep_fail(REP_ERR_DATA,
                            "%s: tensor \"%.80s\": begins at byte %zu, %s the one "
                            "before it ends at %zu; write the file again",
                            file->name, extents[i].info.name, extents[i].begin,
                            extents[i].begin < end ? "but" : "a hole:", end);
        }
        end = extents[i].end;
    }
    if (end != data_bytes) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %zu bytes behind its last tensor; write or copy it again", file->name,
                        data_bytes - end);
    }
    return REP_OK;
}

static rep_status read_metadata(rep_safetensors *file, const cJSON *entry) {
    if (!cJSON_IsObject(entry)) {
        return rep_fail(REP_ERR_DATA, "%s: __metadata__ is no JSON object", file->name);
    }
    file->pairs = calloc((size_t)cJSON_GetArraySize(entry) + 1, sizeof *file->pairs);
    if (!file->pairs) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", file->name); }
    const cJSON *pair = NULL;
    cJSON_ArrayForEach(pair, entry) {
        if (!cJSON_IsString(pair)) {
            return rep_fail(REP_ERR_DATA, "%s: __metadata__ holds something that is no text",
                            file->name);
        }
        file->pairs[file->pair_count++] = (rep_metadata_pair){pair->string, pair->valuestring};
    }
    file->has_metadata = true;
    return REP_OK;
}

static rep_status read_entries(rep_safetensors *file, const uint8_t *data, size_t data_bytes,
                               extent *extents) {
    const cJSON *entry = NULL;
    cJSON_ArrayForEach(entry, file->json) {
        if (strcmp(entry->string, "__metadata__") == 0) {
            if (file->has_metadata) {
                return rep_fail(REP_ERR_DATA, "%s: __metadata__ stands twice", file->name);
            }
            REP_TRY(read_metadata(file, entry));
            continue;
        }
        REP_TRY(read_entry(file, entry, data, data_bytes, &extents[file->count]));
        file->count++;
    }
    if (file->count > 1) { qsort(extents, file->count, sizeof *extents, compare_places); }
    REP_TRY(check_cover(file, extents, data_bytes));
    for (size_t i = 0; i < file->count; i++) {
        file->infos[i] = extents[i].info;
        file->by_name[i] = &file->infos[i];
    }
    if (file->count > 1) {
        qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    }
    for (size_t i = 1; i < file->count; i++) {
        if (strcmp(file->by_name[i - 1]->name, file->by_name[i]->name) == 0) {
            return rep_fail(REP_ERR_DATA,
                            "%s: tensor \"%.80s\": stands twice; write the file again", file->name,
                            file->by_name[i]->name);
        }
    }
    return REP_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

rep_status rep_safetensors_parse(rep_safetensors **out, const char *name, const void *bytes,
                                 size_t count) {
    size_t data_start = 0;
    rep_status status = REP_OK;
    extent *extents = NULL;
    rep_safetensors *file = calloc(1, sizeof *file);
    if (!file || !(file->name = strdup(name))) { goto no_memory; }
    status = parse_header(&file->json, &data_start, name, bytes, count);
    if (status != REP_OK) { goto done; }
    const size_t entries = (size_t)cJSON_GetArraySize(file->json) + 1;
    extents = calloc(entries, sizeof *extents);
    file->infos = calloc(entries, sizeof *file->infos);
    file->by_name = calloc(entries, sizeof *file->by_name);
    if (!extents || !file->infos || !file->by_name) { goto no_memory; }
    status = read_entries(file, (const uint8_t *)bytes + data_start, count - data_start, extents);
    goto done;
no_memory:
    status = rep_fail(REP_ERR_MEMORY, "%s: no memory for its header", name);
done:
    free(extents);
    if (status == REP_OK) {
        *out = file;
    } else {
        rep_safetensors_close(file);
    }
    return status;
}

rep_status rep_safetensors_open(rep_safetensors **out, const char *path) {
    rep_file_view view;
    rep_safetensors *file = NULL;
    REP_TRY(rep_file_open(&view, path));
    const rep_status status = rep_safetensors_parse(&file, path, view.bytes, view.count);
    if (status != REP_OK) {
        rep_file_close(&view);
        return status;
    }
    file->view = view;
    *out = file;
    return REP_OK;
}

void rep_safetensors_close(rep_safetensors *file) {
    if (!file) { return; }
    cJSON_Delete(file->json);
    rep_file_close(&file->view);
    free(file->infos);
    free(file->by_name);
    free(file->pairs);
    free(file->name);
    free(file);
}

/* ---- looking up ----------------------------------------------------------------------------- */

const char *rep_safetensors_name(const rep_safetensors *file) { return file->name; }

size_t rep_safetensors_count(const rep_safetensors *file) { return file->count; }

const rep_tensor_info *rep_safetensors_get(const rep_safetensors *file, size_t index) {
    return &file->infos[index];
}

const rep_tensor_info *rep_safetensors_find(const rep_safetensors *file, const char *name) {
    const rep_tensor_info wanted = {.name = name}, *key = &wanted;
    if (file->count == 0) { return NULL; }
    const rep_tensor_info **found =
        bsearch(&key, file->by_name, file->count, sizeof *file->by_name, compare_names);
    return found ? *found : NULL;
}

const char *rep_safetensors_metadata(const rep_safetensors *file, const char *key) {
    for (size_t i = 0; i < file->pair_count; i++) {
        if (strcmp(file->pairs[i].key, key) == 0) { return file->pairs[i].value; }
    }
    return NULL;
}

bool rep_safetensors_metadata_at(const rep_safetensors *file, size_t index, const char **key,
                                 const char **value) {
    if (index >= file->pair_count) { return false; }
    *key = file->pairs[index].key;
    *value = file->pairs[index].value;
    return true;
}
