/* torch_file.c - opens what torch.save writes: a zip archive (PyTorch 1.6 on) with
 * <folder>/data.pkl and a member <folder>/data/<key> per storage, or a stream of five pickles
 * (magic number, protocol, machine, value, storage keys) with the storages' elements behind it. See
 * torch/serialization.py.
 */
#include <stdlib.h>
#include <string.h>

#include "format/torch.h"

static rep_status fail_storage(const rep_torch *torch, const rep_torch_storage *storage,
                               const char *what) {
    return rep_fail(REP_ERR_DATA, "%s: storage \"%.*s\": %s; copy or save the file again",
                    torch->name, (int)storage->key.count, storage->key.bytes, what);
}

/* Bytes of a storage's stated elements; its count is at most 2^53. */
static uint64_t storage_bytes(const rep_torch_storage *storage) {
    return storage->block * storage->width;
}

/* ---- zip archives --------------------------------------------------------------------------- */

static rep_status find_pickle(rep_torch *torch, rep_zip_entry **out) {
    static const char tail[] = "/data.pkl", script[] = "/constants.pkl";
    rep_zip_entry *found = NULL;
    for (size_t i = 0; i < rep_zip_count(torch->zip); i++) {
        rep_zip_entry *entry = rep_zip_get(torch->zip, i);
        const char *slash = strchr(entry->name, '/');
        if (slash && strcmp(slash, script) == 0) {
            return rep_fail(REP_ERR_DATA,
                            "%s: a TorchScript archive, which holds a program; save "
                            "model.state_dict() with torch.save instead",
                            torch->name);
        }
        if (!slash || strcmp(slash, tail) != 0) { continue; }
        if (found) {
            return rep_fail(REP_ERR_DATA, "%s: has both \"%.80s\" and \"%.80s\"; save it again",
                            torch->name, found->name, entry->name);
        }
        found = entry;
    }
    if (!found) {
        return rep_fail(REP_ERR_DATA,
                        "%s: a zip archive without <folder>/data.pkl, so torch.save did not write "
                        "it; give a .pth or .safetensors file",
                        torch->name);
    }
    *out = found;
    return REP_OK;
}

/* The member <folder>/<name> of the folder that `pickle` lies in; NULL when there is none. */
static rep_zip_entry *find_member(const rep_torch *torch, const rep_zip_entry *pickle,
                                  const char *part, rep_text key) {
    char name[1500];
    const char *slash = strchr(pickle->name, '/');
    snprintf(name, sizeof name, "%.*s/%s%.*s", (int)(slash - pickle->name), pickle->name, part,
             (int)key.count, key.bytes);
    return rep_zip_find(torch->zip, name);
}

static rep_status check_order(const rep_torch *torch, const rep_zip_entry *pickle) {
    rep_zip_entry *entry = find_member(torch, pickle, "byteorder", (rep_text){"", 0});
    if (!entry) { return REP_OK; }
    REP_TRY(rep_zip_read(torch->zip, entry));
    const char *text = (const char *)rep_zip_bytes(torch->zip, entry);
    if (entry->count == 6 && memcmp(text, "little", 6) == 0) { return REP_OK; }
    return rep_fail(REP_ERR_DATA,
                    "%s: written by a big-endian machine; save it on a little-endian one",
                    torch->name);
}

static rep_status find_zip_storage(const rep_torch *torch, const rep_zip_entry *pickle,
                                   rep_torch_storage *storage) {
    rep_zip_entry *entry = find_member(torch, pickle, "data/", storage->key);
    if (!entry) { return fail_storage(torch, storage, "is not in the archive"); }
    if (entry->count < storage_bytes(storage)) {
        return fail_storage(torch, storage, "has fewer elements than its tensors need");
    }
    storage->entry = entry;
    storage->bytes = rep_zip_bytes(torch->zip, entry);
    return REP_OK;
}

static rep_status open_zip(rep_torch *torch, const uint8_t *bytes, size_t count) {
    rep_zip_entry *pickle = NULL;
    size_t used = 0;
    REP_TRY(rep_zip_open(&torch->zip, torch->name, bytes, count));
    REP_TRY(find_pickle(torch, &pickle));
    REP_TRY(check_order(torch, pickle));
    REP_TRY(rep_zip_read(torch->zip, pickle));
    const rep_pickle_calls calls = rep_torch_calls(torch);
    REP_TRY(rep_pickle_read(&torch->top, &used, &torch->memory, torch->name, 0,
                            rep_zip_bytes(torch->zip, pickle), pickle->count, &calls));
    for (rep_torch_storage *s = torch->storages; s; s = s->next) {
        if (!s->is_known && !s->is_untyped) { continue; }
        REP_TRY(find_zip_storage(torch, pickle, s));
    }
    return REP_OK;
}

/* ---- streams -------------------------------------------------------------------------------- */

/* 0x1950a86a20f9469cfc6c as LONG1 between PROTO and STOP. */
static const uint8_t magic[] = {0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46,
                                0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};
enum { STREAM_PROTOCOL = 1001, MOST_KEYS = 1 << 18 };

typedef struct stream {
    rep_torch *torch;
    const uint8_t *bytes;
    size_t count, at;
} stream;

static rep_status read_pickle(stream *s, rep_pickle_value **out) {
    const rep_pickle_calls calls = rep_torch_calls(s->torch);
    size_t used = 0;
    REP_TRY(rep_pickle_read(out, &used, &s->torch->memory, s->torch->name, s->at, s->bytes + s->at,
                            s->count - s->at, &calls));
    s->at += used;
    return REP_OK;
}

static rep_status check_head(stream *s) {
    rep_pickle_value *value = NULL;
    REP_TRY(read_pickle(s, &value)); /* the magic number, by which the file was told */
    REP_TRY(read_pickle(s, &value));
    if (value->kind != REP_PICKLE_INT || value->is.whole != STREAM_PROTOCOL) {
        return rep_fail(REP_ERR_DATA,
                        "%s: of a stream protocol other than %d; save it with a newer PyTorch",
                        s->torch->name, STREAM_PROTOCOL);
    }
    REP_TRY(read_pickle(s, &value));
    const rep_pickle_value *little = rep_pickle_find(value, "little_endian");
    if (!little || little->kind != REP_PICKLE_BOOL) {
        return rep_fail(REP_ERR_DATA,
                        "%s: does not say how the machine that wrote it orders bytes; save it with "
                        "a newer PyTorch",
                        s->torch->name);
    }
    if (little->is.is_true) { return REP_OK; }
    return rep_fail(REP_ERR_DATA,
                    "%s: written by a big-endian machine; save it on a little-endian one",
                    s->torch->name);
}

static int compare_texts(rep_text a, rep_text b) {
    const int order = memcmp(a.bytes, b.bytes, a.count < b.count ? a.count : b.count);
    return order ? order : a.count < b.count ? -1 : a.count > b.count;
}

static int compare_keys(const void *a, const void *b) {
    return compare_texts((*(rep_torch_storage *const *)a)->key,
                         (*(rep_torch_storage *const *)b)->key);
}

/* The first of the sorted storages with this key, or `count`. */
static size_t find_key(rep_torch_storage *const *sorted, size_t count, rep_text key) {
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare_texts(sorted[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && compare_texts(sorted[low]->key, key) == 0 ? low : count;
}

/* The storages behind it begin nobody knows where. */
static rep_status fail_type(const rep_torch *torch, const rep_torch_storage *storage) {
    char shown[REP_TEXT_SHOWN];
    return rep_fail(REP_ERR_DATA,
                    "%s: storage \"%.*s\": is of type %s, of whose size nothing is known; save the "
                    "file again without _use_new_zipfile_serialization=False",
                    torch->name, (int)storage->key.count, storage->key.bytes,
                    rep_text_show(shown, storage->type_name));
}

/* The block of one key at the stream's place: a count of 8 bytes, then elements. */
static rep_status take_block(stream *s, rep_torch_storage *const *sorted, size_t count,
                             rep_text key) {
    const size_t first = find_key(sorted, count, key);
    if (first == count) {
        char shown[REP_TEXT_SHOWN];
        return rep_fail(REP_ERR_DATA,
                        "%s: lists a storage \"%s\" of unknown type; save the file again",
                        s->torch->name, rep_text_show(shown, key));
    }
    rep_torch_storage *owner = sorted[first];
    if (owner->bytes) { return fail_storage(s->torch, owner, "is listed twice"); }
    if (owner->width == 0) { return fail_type(s->torch, owner); }
    uint64_t have = 0;
    if (s->count - s->at < sizeof have) { return fail_storage(s->torch, owner, "is cut off"); }
    memcpy(&have, s->bytes + s->at, sizeof have);
    s->at += sizeof have;
    if (have != owner->block) {
        return fail_storage(s->torch, owner, "has not as many elements as its tensors need");
    }
    if (storage_bytes(owner) > s->count - s->at) {
        return fail_storage(s->torch, owner, "is cut off");
    }
    for (size_t i = first; i < count && compare_texts(sorted[i]->key, key) == 0; i++) {
        if (sorted[i]->type != owner->type || sorted[i]->width != owner->width ||
            sorted[i]->block != owner->block) {
            return fail_storage(s->torch, owner, "is described in two ways");
        }
        sorted[i]->bytes = s->bytes + s->at;
    }
    s->at += (size_t)storage_bytes(owner);
    return REP_OK;
}

static rep_status take_blocks(stream *s, const rep_pickle_value *keys,
                              rep_torch_storage *const *sorted, size_t count) {
    if (keys->kind != REP_PICKLE_LIST || keys->is.items->count > MOST_KEYS) {
        return rep_fail(REP_ERR_DATA, "%s: has no list of storages; copy or save the file again",
                        s->torch->name);
    }
    for (size_t i = 0; i < keys->is.items->count; i++) {
        const rep_pickle_value *key = keys->is.items->values[i];
        if (key->kind != REP_PICKLE_TEXT) {
            return rep_fail(REP_ERR_DATA, "%s: a storage's key is no text; save the file again",
                            s->torch->name);
        }
        REP_TRY(take_block(s, sorted, count, key->is.text));
    }
    for (size_t i = 0; i < count; i++) {
        if (!sorted[i]->bytes) { return fail_storage(s->torch, sorted[i], "is not in the file"); }
    }
    return REP_OK;
}

static rep_status find_stream_storages(stream *s) {
    rep_pickle_value *keys = NULL;
    REP_TRY(read_pickle(s, &keys));
    size_t count = 0;
    for (rep_torch_storage *t = s->torch->storages; t; t = t->next) { count++; }
    rep_torch_storage **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", s->torch->name); }
    count = 0;
    for (rep_torch_storage *t = s->torch->storages; t; t = t->next) { sorted[count++] = t; }
    if (count > 1) { qsort(sorted, count, sizeof *sorted, compare_keys); }
    const rep_status status = take_blocks(s, keys, sorted, count);
    /* Only now: until here, all descriptions of a block speak of the whole of it. */
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        sorted[i]->bytes += sorted[i]->view * sorted[i]->width;
    }
    free(sorted);
    return status;
}

static rep_status open_stream(rep_torch *torch, const uint8_t *bytes, size_t count) {
    stream s = {.torch = torch, .bytes = bytes, .count = count};
    REP_TRY(check_head(&s));
    REP_TRY(read_pickle(&s, &torch->top));
    return find_stream_storages(&s);
}

/* ---- either --------------------------------------------------------------------------------- */

/* Behind PROTO and, from protocol 4 on, a frame's length. */
static bool has_magic(const uint8_t *bytes, size_t count) {
    const size_t at = count > 2 && bytes[2] == 0x95 ? 11 : 2;
    return count > at + sizeof magic && memcmp(bytes + at, magic, sizeof magic) == 0;
}

rep_status rep_torch_open(rep_torch *out, const char *name, const uint8_t *bytes, size_t count) {
    static const uint8_t zip[] = {'P', 'K', 3, 4}, empty_zip[] = {'P', 'K', 5, 6};
    rep_torch torch = {.name = name};
    rep_status status = REP_OK;
    if (count >= 4 && (memcmp(bytes, zip, 4) == 0 || memcmp(bytes, empty_zip, 4) == 0)) {
        status = open_zip(&torch, bytes, count);
    } else if (has_magic(bytes, count)) {
        status = open_stream(&torch, bytes, count);
    } else {
        status = rep_fail(REP_ERR_DATA,
                          "%s: begins like a PyTorch file, but is neither a zip archive nor a "
                          "stream of torch.save; copy or save it again",
                          name);
    }
    if (status != REP_OK) {
        rep_torch_close(&torch);
        return status;
    }
    *out = torch;
    return REP_OK;
}

void rep_torch_close(rep_torch *torch) {
    rep_zip_close(torch->zip);
    rep_arena_clear(&torch->memory.arena);
    *torch = (rep_torch){0};
}
