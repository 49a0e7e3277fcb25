/* tensors.c - a file of named tensors: told by its first bytes, listed, looked up, read. */
#include <stdlib.h>
#include <string.h>

#include "format/torch.h"

/* ---- rows ----------------------------------------------------------------------------------- */

static rep_status fail_memory(const rep_tensors *file) {
    return rep_fail(REP_ERR_MEMORY, "%s: no memory for its names", file->name);
}

rep_status rep_tensors_add_container(rep_tensors *file, size_t *index, const char *prefix,
                                     const char *kind) {
    rep_tensors_container *grown = rep_array_grow(file->containers, file->container_count,
                                                  &file->container_capacity, sizeof *grown);
    if (!grown) { return fail_memory(file); }
    file->containers = grown;
    rep_tensors_container *row = &grown[file->container_count];
    *row = (rep_tensors_container){.prefix = rep_arena_strdup(&file->texts, prefix),
                                   .kind = rep_arena_strdup(&file->texts, kind)};
    if (!row->prefix || !row->kind) { return fail_memory(file); }
    *index = file->container_count++;
    return REP_OK;
}

rep_status rep_tensors_add_skip(rep_tensors *file, const char *path, const char *reason) {
    enum { MOST_SKIPS = 1000 };
    if (file->skip_count == MOST_SKIPS) {
        file->more_skips += file->more_skips ? 1 : 2; /* its row is the last one's, too */
        return REP_OK;
    }
    rep_tensors_skip *grown =
        rep_array_grow(file->skips, file->skip_count, &file->skip_capacity, sizeof *grown);
    if (!grown) { return fail_memory(file); }
    file->skips = grown;
    rep_tensors_skip *skip = &grown[file->skip_count];
    *skip = (rep_tensors_skip){rep_arena_strdup(&file->texts, path),
                               rep_arena_strdup(&file->texts, reason)};
    if (!skip->path || !skip->reason) { return fail_memory(file); }
    file->skip_count++;
    return REP_OK;
}

rep_status rep_tensors_add_pair(rep_tensors *file, const char *key, const char *value) {
    rep_metadata_pair *grown =
        rep_array_grow(file->pairs, file->pair_count, &file->pair_capacity, sizeof *grown);
    if (!grown) { return fail_memory(file); }
    file->pairs = grown;
    rep_metadata_pair *pair = &grown[file->pair_count];
    *pair = (rep_metadata_pair){rep_arena_strdup(&file->texts, key),
                                rep_arena_strdup(&file->texts, value)};
    if (!pair->key || !pair->value) { return fail_memory(file); }
    file->pair_count++;
    return REP_OK;
}

/* Containers by prefix: a table with open places (SIZE_MAX) for more. */
typedef struct prefix_table {
    size_t *places;
    size_t mask; /* places less one: a power of two less one */
} prefix_table;

/* Where a prefix is in the table, or the open place for it. */
static size_t *find_prefix(const prefix_table *t, const rep_tensors *file, const char *prefix) {
    size_t at = (size_t)rep_hash_text(prefix) & t->mask;
    while (t->places[at] != SIZE_MAX &&
           strcmp(file->containers[t->places[at]].prefix, prefix) != 0) {
        at = (at + 1) & t->mask;
    }
    return &t->places[at];
}

static rep_status make_table(prefix_table *out, const rep_tensors *file) {
    size_t size = 64;
    while (size < 2 * (file->container_count + file->count)) { size *= 2; }
    *out = (prefix_table){malloc(size * sizeof(size_t)), size - 1};
    if (!out->places) { return fail_memory(file); }
    for (size_t i = 0; i < size; i++) { out->places[i] = SIZE_MAX; }
    for (size_t i = 1; i < file->container_count; i++) {
        *find_prefix(out, file, file->containers[i].prefix) = i;
    }
    return REP_OK;
}

/* Moves one of the first container's tensors to that of the first `length` bytes of its name. */
static rep_status move_tensor(rep_tensors *file, rep_tensor_info *info, size_t length,
                              const prefix_table *table) {
    char *prefix = rep_arena_alloc(&file->texts, length + 1);
    if (!prefix) { return fail_memory(file); }
    memcpy(prefix, info->name, length);
    size_t *place = find_prefix(table, file, prefix);
    if (*place == SIZE_MAX) {
        size_t index = 0;
        REP_TRY(rep_tensors_add_container(file, &index, prefix, "tensors"));
        *place = index;
    }
    file->containers[0].count--;
    file->containers[*place].count++;
    info->container = *place;
    return REP_OK;
}

/* Tensors whose names say that they are no part of the net leave the first container. */
static rep_status group_by_prefix(rep_tensors *file) {
    prefix_table table = {0};
    if (file->containers[0].prefix[0] != '\0') { return REP_OK; }
    rep_status status = make_table(&table, file);
    for (size_t i = 0; i < file->count && status == REP_OK; i++) {
        rep_tensor_info *info = &file->infos[i];
        const size_t length = info->container == 0 ? rep_tensor_prefix(info->name) : 0;
        if (length > 0) { status = move_tensor(file, info, length, &table); }
    }
    free(table.places);
    return status;
}

static int compare_names(const void *a, const void *b) {
    return strcmp((*(const rep_tensor_info *const *)a)->name,
                  (*(const rep_tensor_info *const *)b)->name);
}

static int compare_places(const void *a, const void *b) {
    const int order = compare_names(a, b);
    const rep_tensor_info *x = *(const rep_tensor_info *const *)a;
    const rep_tensor_info *y = *(const rep_tensor_info *const *)b;
    return order ? order : x->container < y->container ? -1 : x->container > y->container;
}

/* Of two tensors of one name in two containers that of the earlier stays: the net's. The others
 * lose their names and are listed as not read. */
static rep_status unname_doubles(rep_tensors *file, const rep_tensor_info **sorted) {
    for (size_t i = 0; i < file->count; i++) { sorted[i] = &file->infos[i]; }
    if (file->count > 1) { qsort(sorted, file->count, sizeof *sorted, compare_places); }
    const rep_tensor_info *first = file->count > 0 ? sorted[0] : NULL;
    for (size_t i = 1; i < file->count; i++) {
        if (strcmp(sorted[i]->name, first->name) != 0 || sorted[i]->container == first->container) {
            first = sorted[i];
            continue;
        }
        char reason[120];
        const char *prefix = file->containers[first->container].prefix;
        snprintf(reason, sizeof reason, "a second tensor of this name; that of %.60s is read",
                 prefix[0] ? prefix : "the net");
        REP_TRY(rep_tensors_add_skip(file, sorted[i]->name, reason));
        file->containers[sorted[i]->container].count--;
        file->infos[sorted[i] - file->infos].container = SIZE_MAX;
    }
    return REP_OK;
}

static rep_status drop_doubles(rep_tensors *file) {
    const rep_tensor_info **sorted = malloc((file->count + 1) * sizeof *sorted);
    if (!sorted) { return fail_memory(file); }
    const rep_status status = unname_doubles(file, sorted);
    free(sorted);
    size_t kept = 0;
    for (size_t i = 0; i < file->count; i++) {
        if (file->infos[i].container == SIZE_MAX) { continue; }
        file->infos[kept] = file->infos[i];
        file->places[kept++] = file->places[i];
    }
    file->count = kept;
    return status;
}

/* The last row tells of those that are not listed. */
static rep_status close_skips(rep_tensors *file) {
    char path[40];
    if (file->more_skips == 0) { return REP_OK; }
    snprintf(path, sizeof path, "and %zu more", file->more_skips);
    rep_tensors_skip *row = &file->skips[file->skip_count - 1];
    *row = (rep_tensors_skip){rep_arena_strdup(&file->texts, path), "not listed here"};
    return row->path ? REP_OK : fail_memory(file);
}

static rep_status sort_names(rep_tensors *file) {
    file->by_name = malloc((file->count + 1) * sizeof *file->by_name);
    if (!file->by_name) { return fail_memory(file); }
    for (size_t i = 0; i < file->count; i++) { file->by_name[i] = &file->infos[i]; }
    if (file->count > 1) {
        qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    }
    for (size_t i = 1; i < file->count; i++) {
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0) {
            return rep_fail(REP_ERR_DATA, "%s: tensor \"%.80s\": stands twice; save the file again",
                            file->name, file->by_name[i]->name);
        }
    }
    return REP_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

static rep_status list_safetensors(rep_tensors *file) {
    size_t index = 0;
    file->format = "safetensors";
    REP_TRY(rep_tensors_add_container(file, &index, "", "state_dict"));
    file->count = rep_safetensors_count(file->safetensors);
    file->infos = malloc((file->count + 1) * sizeof *file->infos);
    if (!file->infos) {
        file->count = 0;
        return fail_memory(file);
    }
    for (size_t i = 0; i < file->count; i++) {
        file->infos[i] = *rep_safetensors_get(file->safetensors, i);
    }
    file->containers[0].count = file->count;
    const char *key = NULL, *value = NULL;
    for (size_t i = 0; rep_safetensors_metadata_at(file->safetensors, i, &key, &value); i++) {
        REP_TRY(rep_tensors_add_pair(file, key, value));
    }
    return REP_OK;
}

/* Zip archives begin with "PK", a pickle with the opcode PROTO. The ninth byte of a safetensors
 * file is '{', which no pickle of torch.save has there. */
static bool is_torch(const uint8_t *bytes, size_t count) {
    if (count >= 4 && bytes[0] == 'P' && bytes[1] == 'K') { return true; }
    return count > 2 && bytes[0] == 0x80 && bytes[1] <= 5 && (count < 9 || bytes[8] != '{');
}

static rep_status list(rep_tensors *file, const uint8_t *bytes, size_t count) {
    if (is_torch(bytes, count)) {
        REP_TRY(rep_torch_open(&file->torch, file->name, bytes, count));
        file->format = file->torch.zip ? "PyTorch zip" : "PyTorch stream";
        REP_TRY(rep_torch_walk(file));
        REP_TRY(drop_doubles(file));
        REP_TRY(close_skips(file));
    } else if (count > 8 && bytes[8] != '{') {
        return rep_fail(REP_ERR_DATA,
                        "%s: neither a safetensors file nor one that torch.save wrote; give a "
                        ".safetensors, .pth or .pt file",
                        file->name);
    } else {
        REP_TRY(rep_safetensors_parse(&file->safetensors, file->name, bytes, count));
        REP_TRY(list_safetensors(file));
    }
    REP_TRY(group_by_prefix(file));
    return sort_names(file);
}

rep_status rep_tensors_parse(rep_tensors **out, const char *name, const void *bytes, size_t count) {
    rep_tensors *file = calloc(1, sizeof *file);
    if (!file || !(file->name = strdup(name))) {
        free(file);
        return rep_fail(REP_ERR_MEMORY, "%s: no memory", name);
    }
    const rep_status status = list(file, bytes, count);
    if (status != REP_OK) {
        rep_tensors_close(file);
        return status;
    }
    *out = file;
    return REP_OK;
}

rep_status rep_tensors_open(rep_tensors **out, const char *path) {
    rep_file_view view;
    rep_tensors *file = NULL;
    REP_TRY(rep_file_open(&view, path));
    const rep_status status = rep_tensors_parse(&file, path, view.bytes, view.count);
    if (status != REP_OK) {
        rep_file_close(&view);
        return status;
    }
    file->view = view;
    *out = file;
    return REP_OK;
}

void rep_tensors_close(rep_tensors *file) {
    if (!file) { return; }
    rep_safetensors_close(file->safetensors);
    rep_torch_close(&file->torch);
    rep_arena_clear(&file->texts);
    free(file->infos);
    free(file->places);
    free(file->by_name);
    free(file->containers);
    free(file->skips);
    free(file->pairs);
    rep_file_close(&file->view);
    free(file->name);
    free(file);
}

/* ---- looking up ----------------------------------------------------------------------------- */

const char *rep_tensors_name(const rep_tensors *file) { return file->name; }

const char *rep_tensors_format(const rep_tensors *file) { return file->format; }

size_t rep_tensors_count(const rep_tensors *file) { return file->count; }

const rep_tensor_info *rep_tensors_get(const rep_tensors *file, size_t index) {
    return &file->infos[index];
}

const rep_tensor_info *rep_tensors_find(const rep_tensors *file, const char *name) {
    const rep_tensor_info wanted = {.name = name}, *key = &wanted;
    if (file->count == 0) { return NULL; }
    const rep_tensor_info **found =
        bsearch(&key, file->by_name, file->count, sizeof *file->by_name, compare_names);
    return found ? *found : NULL;
}

size_t rep_tensors_container_count(const rep_tensors *file) { return file->container_count; }

const rep_tensors_container *rep_tensors_container_get(const rep_tensors *file, size_t index) {
    return &file->containers[index];
}

size_t rep_tensors_skip_count(const rep_tensors *file) { return file->skip_count; }

const rep_tensors_skip *rep_tensors_skip_get(const rep_tensors *file, size_t index) {
    return &file->skips[index];
}

const char *rep_tensors_metadata(const rep_tensors *file, const char *key) {
    for (size_t i = 0; i < file->pair_count; i++) {
        if (strcmp(file->pairs[i].key, key) == 0) { return file->pairs[i].value; }
    }
    return NULL;
}

bool rep_tensors_metadata_at(const rep_tensors *file, size_t index, const char **key,
                             const char **value) {
    if (index >= file->pair_count) { return false; }
    *key = file->pairs[index].key;
    *value = file->pairs[index].value;
    return true;
}

/* ---- elements ------------------------------------------------------------------------------- */

/* Copies the tensor's elements, `width` bytes each, in C order from where its strides say. */
static void gather(uint8_t *out, const rep_torch_tensor *t, const uint8_t *first, size_t width) {
    if (t->is_contiguous) {
        memcpy(out, first, (size_t)t->count * width);
        return;
    }
    int64_t index[REP_TENSOR_MAX_RANK] = {0};
    size_t place = 0; /* elements from the first */
    for (uint64_t i = 0; i < t->count; i++) {
        memcpy(out + (size_t)i * width, first + place * width, width);
        for (int32_t d = t->rank - 1; d >= 0; d--) {
            place += (size_t)t->strides[d];
            if (++index[d] < t->shape[d]) { break; }
            place -= (size_t)t->shape[d] * (size_t)t->strides[d];
            index[d] = 0;
        }
    }
}

rep_status rep_tensors_read_raw(const rep_tensors *file, const rep_tensor_info *info, void *out) {
    const size_t width = rep_tensor_type_bytes(info->type);
    if (info->count == 0) { return REP_OK; }
    if (info->bytes) {
        memcpy(out, info->bytes, info->count * width);
        return REP_OK;
    }
    const rep_torch_tensor *tensor = file->places[info - file->infos];
    const uint8_t *bytes = tensor->storage->bytes;
    if (!bytes) {
        REP_TRY(rep_zip_read(file->torch.zip, tensor->storage->entry));
        bytes = rep_zip_bytes(file->torch.zip, tensor->storage->entry);
    }
    gather(out, tensor, bytes + (size_t)tensor->offset * width, width);
    return REP_OK;
}

/* Calls `convert` on the tensor's elements, gathered where that is needed. */
static rep_status convert_with(const rep_tensors *file, const rep_tensor_info *info, void *out,
                               rep_status (*convert)(const rep_tensor_info *info, void *out)) {
    if (info->bytes || info->count == 0) { return convert(info, out); }
    void *raw = malloc(info->count * rep_tensor_type_bytes(info->type));
    if (!raw) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for \"%.80s\"", file->name, info->name);
    }
    rep_status status = rep_tensors_read_raw(file, info, raw);
    rep_tensor_info dense = *info;
    dense.bytes = raw;
    if (status == REP_OK) { status = convert(&dense, out); }
    free(raw);
    return status;
}

static rep_status convert_f32(const rep_tensor_info *info, void *out) {
    rep_tensor_read_f32(info, out);
    return REP_OK;
}

static rep_status convert_i64(const rep_tensor_info *info, void *out) {
    return rep_tensor_read_i64(info, out);
}

rep_status rep_tensors_read_f32(const rep_tensors *file, const rep_tensor_info *info, float *out) {
    return convert_with(file, info, out, convert_f32);
}

rep_status rep_tensors_read_i64(const rep_tensors *file, const rep_tensor_info *info,
                                int64_t *out) {
    return convert_with(file, info, out, convert_i64);
}

/* ---- writing -------------------------------------------------------------------------------- */

rep_tensors_writer rep_tensors_writer_of(const char *path) {
    if (rep_text_has_ending(path, ".safetensors")) { return rep_safetensors_write; }
    const bool is_torch = rep_text_has_ending(path, ".pth") || rep_text_has_ending(path, ".pt");
    return is_torch ? rep_torch_write : NULL;
}
