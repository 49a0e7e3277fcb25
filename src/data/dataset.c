/* dataset.c - opens a data set by kind, and what every kind shares: paths, class names, checks. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/data.h"

enum { NAMES_FILE_BYTES = 1 << 20 };

static const struct {
    const char *kind;
    rep_status (*open)(rep_dataset *set, const rep_dataset_options *options);
    bool has_root;
} kinds[] = {
    {"cifar10", rep_cifar_open, true}, {"cifar100", rep_cifar_open, true},
    {"mnist", rep_idx_open, true},     {"idx", rep_idx_open, true},
    {"folder", rep_folder_open, true}, {"drawn", rep_drawn_open, false},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* ---- paths and names --------------------------------------------------------------------------
 */

rep_status rep_data_path(char *path, const char *folder, const char *name) {
    const int length = snprintf(path, REP_DATA_PATH_BYTES, "%s/%s", folder, name);
    if (length < 0 || length >= REP_DATA_PATH_BYTES) {
        return rep_fail(REP_ERR_IO,
                        "%.60s.../%.60s: the path is longer than %d bytes; move the data", folder,
                        name, REP_DATA_PATH_BYTES - 1);
    }
    return REP_OK;
}

rep_status rep_dataset_add_file(rep_dataset *set, const char *path) {
    if (set->info.file_count == set->file_capacity) {
        const size_t capacity = set->file_capacity ? 2 * set->file_capacity : 8;
        const char **grown = rep_arena_alloc(&set->arena, capacity * sizeof *grown);
        if (!grown) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its path", path); }
        if (set->files) { memcpy(grown, set->files, set->info.file_count * sizeof *grown); }
        set->info.files = set->files = grown;
        set->file_capacity = capacity;
    }
    const char *copy = rep_arena_strdup(&set->arena, path);
    if (!copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its path", path); }
    set->files[set->info.file_count++] = copy;
    return REP_OK;
}

rep_status rep_dataset_set_names(rep_dataset *set, const char *const *names, int32_t count) {
    const char **copies = rep_arena_alloc(&set->arena, (size_t)count * sizeof *copies);
    bool is_complete = copies != NULL;
    for (int32_t i = 0; is_complete && i < count; i++) {
        char number[32];
        (void)snprintf(number, sizeof number, "class %" PRId32, i);
        copies[i] = rep_arena_strdup(&set->arena, names ? names[i] : number);
        is_complete = copies[i] != NULL;
    }
    if (!is_complete) {
        return rep_fail(REP_ERR_MEMORY, "data set %s: no memory for class names", set->info.kind);
    }
    set->info.class_names = copies;
    set->info.class_count = count;
    return REP_OK;
}

rep_status rep_data_line(char line[REP_DATA_LINE_BYTES], const uint8_t **cursor, const uint8_t *end,
                         const char *path, size_t number) {
    const uint8_t *start = *cursor;
    const uint8_t *stop = memchr(start, '\n', (size_t)(end - start));
    *cursor = stop ? stop + 1 : end;
    if (!stop) { stop = end; }
    while (start < stop && isspace(*start)) { start++; }
    while (stop > start && isspace(stop[-1])) { stop--; }
    const size_t length = (size_t)(stop - start);
    bool is_text = length < REP_DATA_LINE_BYTES;
    for (size_t i = 0; is_text && i < length; i++) { is_text = start[i] >= ' ' && start[i] != 127; }
    if (!is_text) {
        return rep_fail(REP_ERR_DATA,
                        "%s: line %zu is not a name of at most %d printable bytes; mend or remove "
                        "the file",
                        path, number, REP_DATA_LINE_BYTES - 1);
    }
    memcpy(line, start, length);
    line[length] = '\0';
    return REP_OK;
}

static rep_status parse_names(rep_dataset *set, const char *path, rep_file_view view,
                              int32_t wanted) {
    if (view.count > NAMES_FILE_BYTES) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %zu bytes of class names, wanted at most %d; mend or remove the file",
                        path, view.count, NAMES_FILE_BYTES);
    }
    const char **names = rep_arena_alloc(&set->arena, (size_t)wanted * sizeof *names);
    if (!names) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for class names", path); }
    int32_t count = 0;
    const uint8_t *cursor = view.bytes, *end = view.count ? view.bytes + view.count : view.bytes;
    for (size_t line = 1; cursor != end; line++) {
        char name[REP_DATA_LINE_BYTES];
        REP_TRY(rep_data_line(name, &cursor, end, path, line));
        if (!*name) { continue; }
        if (count < wanted) {
            names[count] = rep_arena_strdup(&set->arena, name);
            if (!names[count]) {
                return rep_fail(REP_ERR_MEMORY, "%s: no memory for class names", path);
            }
        }
        count++;
    }
    if (count != wanted) {
        return rep_fail(REP_ERR_DATA,
                        "%s: found %" PRId32 " class names, wanted %" PRId32
                        ", one per line; mend or remove the file",
                        path, count, wanted);
    }
    set->info.class_names = names;
    set->info.class_count = wanted;
    return REP_OK;
}

rep_status rep_dataset_load_names(rep_dataset *set, const char *path, int32_t count) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    const rep_status status = parse_names(set, path, view, count);
    rep_file_close(&view);
    REP_TRY(status);
    return rep_dataset_add_file(set, path);
}

/* ---- order ------------------------------------------------------------------------------------
 */

void rep_data_shuffle(uint32_t *order, size_t count, uint64_t seed, uint64_t epoch) {
    rep_rng rng;
    rep_rng_init(&rng, seed, epoch);
    for (size_t i = 0; i < count; i++) { order[i] = (uint32_t)i; }
    for (size_t i = count - 1; i > 0; i--) {
        const uint32_t k = rep_rng_below(&rng, (uint32_t)i + 1);
        const uint32_t kept = order[i];
        order[i] = order[k];
        order[k] = kept;
    }
}

/* ---- open, read, close ------------------------------------------------------------------------
 */

static rep_status check_root(const rep_dataset_options *options) {
    if (!options->root || !*options->root) {
        return rep_fail(REP_ERR_ARGUMENT, "data set %s: no folder given; set DATASETS.ROOT",
                        options->kind);
    }
    struct stat facts;
    if (stat(options->root, &facts) != 0) {
        return rep_fail(REP_ERR_IO,
                        "%s: the data folder cannot be opened (%s); check DATASETS.ROOT",
                        options->root, strerror(errno));
    }
    if (!S_ISDIR(facts.st_mode)) {
        return rep_fail(REP_ERR_IO,
                        "%s: found a file, wanted the folder that holds the %s files; check "
                        "DATASETS.ROOT",
                        options->root, options->kind);
    }
    return REP_OK;
}

static rep_status check_info(const rep_dataset *set) {
    /* Lists of them must not wrap where addresses have 32 bits. */
    const size_t count = set->info.count;
    const size_t most = SIZE_MAX / 16 < UINT32_MAX ? SIZE_MAX / 16 : UINT32_MAX;
    if (count == 0 || count > most) {
        return rep_fail(REP_ERR_DATA, "data set %s: found %zu pictures, wanted 1 to %zu",
                        set->info.kind, count, most);
    }
    return REP_OK;
}

rep_status rep_dataset_open(rep_dataset **out, const rep_dataset_options *options) {
    size_t k = 0;
    while (k < KIND_COUNT && (!options->kind || strcmp(options->kind, kinds[k].kind) != 0)) { k++; }
    if (k == KIND_COUNT) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "data set '%s' is not known; DATASETS.NAME is one of cifar10, cifar100, "
                        "mnist, idx, folder, drawn",
                        options->kind ? options->kind : "");
    }
    if (kinds[k].has_root) { REP_TRY(check_root(options)); }
    rep_dataset *set = calloc(1, sizeof *set);
    if (!set) { return rep_fail(REP_ERR_MEMORY, "data set %s: no memory", options->kind); }
    set->info.kind = kinds[k].kind;
    rep_status status = kinds[k].open(set, options);
    if (status == REP_OK) { status = check_info(set); }
    if (status != REP_OK) {
        rep_dataset_close(set);
        return status;
    }
    *out = set;
    return REP_OK;
}

void rep_dataset_close(rep_dataset *set) {
    if (!set) { return; }
    if (set->methods) { set->methods->close(set); }
    rep_arena_clear(&set->arena);
    free(set);
}

bool rep_dataset_info_known(rep_dataset_info *out, const char *kind) {
    static const rep_dataset_info known[] = {
        {.kind = "cifar10", .channels = 3, .height = 32, .width = 32, .class_count = 10},
        {.kind = "cifar100", .channels = 3, .height = 32, .width = 32, .class_count = 100},
        {.kind = "mnist", .channels = 1, .height = 28, .width = 28, .class_count = 10},
        {.kind = "drawn", .channels = 3, .height = 32, .width = 32, .class_count = 10},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].kind, kind) != 0) { continue; }
        *out = known[i];
        return true;
    }
    return false;
}

const rep_dataset_info *rep_dataset_info_get(const rep_dataset *set) { return &set->info; }

rep_status rep_dataset_read(const rep_dataset *set, size_t index, uint8_t *pixels, int32_t *label) {
    if (index >= set->info.count) {
        return rep_fail(REP_ERR_ARGUMENT, "data set %s: picture %zu asked for, it has %zu",
                        set->info.kind, index, set->info.count);
    }
    return set->methods->read(set, index, pixels, label);
}
