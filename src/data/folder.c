/* folder.c - a tree of pictures: <root>/train/<class>/x.jpg and <root>/val or test.
 *
 * The classes are the folders of train/, in byte order of their names, for both splits: labels do
 * not depend on what the test split happens to hold. Pictures are in byte order too, so that an
 * index means the same picture on every machine. Each is decoded when it is read. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "data/data.h"

enum { MAX_CLASSES = 100000, MAX_SIDE_PX = 8192 };

typedef struct name_list {
    const char **items;
    size_t count, capacity;
} name_list;

typedef struct folder_entry {
    const char *path;
    int32_t label;
} folder_entry;

typedef struct folder {
    folder_entry *entries;
    size_t count, capacity;
} folder;

/* ---- listing ----------------------------------------------------------------------------------
 */

static bool is_picture_name(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                   strcasecmp(dot, ".png") == 0);
}

static bool is_folder(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static rep_status push_name(name_list *list, rep_arena *arena, const char *name) {
    const char **items =
        rep_array_grow(list->items, list->count, &list->capacity, sizeof *list->items);
    if (items) { list->items = items; }
    const char *copy = rep_arena_strdup(arena, name);
    if (!items || !copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its name", name); }
    list->items[list->count++] = copy;
    return REP_OK;
}

/* Lists the folders, or the pictures, in `path`, sorted; hidden ones are left out. */
static rep_status list_folder(name_list *list, rep_arena *arena, const char *path,
                              bool is_for_folders) {
    DIR *dir = opendir(path);
    if (!dir) {
        return rep_fail(REP_ERR_IO, "%s: the folder cannot be opened (%s)", path, strerror(errno));
    }
    rep_status status = REP_OK;
    for (struct dirent *entry = readdir(dir); entry && status == REP_OK; entry = readdir(dir)) {
        char inner[REP_DATA_PATH_BYTES];
        if (entry->d_name[0] == '.') { continue; }
        status = rep_data_path(inner, path, entry->d_name);
        if (status != REP_OK) { break; }
        if (is_for_folders ? is_folder(inner) : is_picture_name(entry->d_name)) {
            status = push_name(list, arena, entry->d_name);
        }
    }
    closedir(dir);
    if (status == REP_OK && list->count > 1) {
        qsort(list->items, list->count, sizeof *list->items, by_name);
    }
    return status;
}

/* ---- building ---------------------------------------------------------------------------------
 */

static rep_status push_entry(rep_dataset *set, const char *path, int32_t label) {
    folder *f = set->state;
    folder_entry *entries = rep_array_grow(f->entries, f->count, &f->capacity, sizeof *f->entries);
    if (entries) { f->entries = entries; }
    const char *copy = rep_arena_strdup(&set->arena, path);
    if (!entries || !copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for its path", path); }
    f->entries[f->count++] = (folder_entry){copy, label};
    return REP_OK;
}

static rep_status add_class(rep_dataset *set, const char *split, const char *name, int32_t label,
                            bool is_train) {
    char path[REP_DATA_PATH_BYTES], inner[REP_DATA_PATH_BYTES];
    REP_TRY(rep_data_path(path, split, name));
    /* A test split may lack a class. */
    if (!is_train && !is_folder(path)) { return REP_OK; }
    name_list pictures = {0};
    rep_status status = list_folder(&pictures, &set->arena, path, false);
    for (size_t i = 0; status == REP_OK && i < pictures.count; i++) {
        status = rep_data_path(inner, path, pictures.items[i]);
        if (status == REP_OK) { status = push_entry(set, inner, label); }
    }
    free(pictures.items);
    REP_TRY(status);
    if (is_train && pictures.count == 0) {
        return rep_fail(REP_ERR_DATA,
                        "%s: found no .jpg, .jpeg or .png in this class; add some or remove the "
                        "folder",
                        path);
    }
    return REP_OK;
}

/* Every class folder of the test split must be one of the training classes. */
static rep_status check_test_classes(rep_dataset *set, const char *split,
                                     const name_list *classes) {
    name_list found = {0};
    rep_status status = list_folder(&found, &set->arena, split, true);
    for (size_t i = 0; status == REP_OK && i < found.count; i++) {
        if (!bsearch(&found.items[i], classes->items, classes->count, sizeof *classes->items,
                     by_name)) {
            status = rep_fail(REP_ERR_DATA,
                              "%s/%s: this class is not in the training split; rename or remove it",
                              split, found.items[i]);
        }
    }
    free(found.items);
    return status;
}

/* The folder of the wanted split into `path`. */
static rep_status find_split(char *path, const char *root, bool is_train) {
    static const char *const names[] = {"val", "test", "valid", "validation"};
    const size_t count = is_train ? 1 : sizeof names / sizeof names[0];
    for (size_t i = 0; i < count; i++) {
        REP_TRY(rep_data_path(path, root, is_train ? "train" : names[i]));
        if (is_folder(path)) { return REP_OK; }
    }
    return rep_fail(REP_ERR_IO,
                    "%s: found no folder %s; wanted %s/<class>/*.jpg or *.png there, or check "
                    "DATASETS.ROOT",
                    root, is_train ? "train" : "val or test", is_train ? "train" : "val");
}

static rep_status build(rep_dataset *set, const rep_dataset_options *options, name_list *classes) {
    char train[REP_DATA_PATH_BYTES], split[REP_DATA_PATH_BYTES];
    REP_TRY(find_split(train, options->root, true));
    REP_TRY(find_split(split, options->root, options->is_train));
    REP_TRY(list_folder(classes, &set->arena, train, true));
    if (classes->count == 0 || classes->count > MAX_CLASSES) {
        return rep_fail(REP_ERR_DATA, "%s: found %zu class folders, wanted 1 to %d", train,
                        classes->count, MAX_CLASSES);
    }
    if (!options->is_train) { REP_TRY(check_test_classes(set, split, classes)); }
    for (size_t i = 0; i < classes->count; i++) {
        REP_TRY(add_class(set, split, classes->items[i], (int32_t)i, options->is_train));
    }
    const size_t count = ((folder *)set->state)->count;
    if (count == 0) {
        return rep_fail(REP_ERR_DATA,
                        "%s: found no .jpg, .jpeg or .png in its class folders; add some", split);
    }
    set->info.count = options->count > 0 && options->count < count ? options->count : count;
    REP_TRY(rep_dataset_set_names(set, classes->items, (int32_t)classes->count));
    return rep_dataset_add_file(set, split);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

/* The largest part of the picture with the wanted aspect ratio, round its middle. */
static rep_rect middle_part(const rep_image *image, int32_t width, int32_t height) {
    rep_rect part = {0, 0, image->width, image->height};
    const int64_t across = (int64_t)image->width * height, down = (int64_t)image->height * width;
    if (across > down) {
        part.width = (int32_t)((down + height / 2) / height);
    } else {
        part.height = (int32_t)((across + width / 2) / width);
    }
    if (part.width < 1) { part.width = 1; }
    if (part.height < 1) { part.height = 1; }
    part.left = (image->width - part.width) / 2;
    part.top = (image->height - part.height) / 2;
    return part;
}

static rep_status read_picture(const rep_dataset *set, size_t index, uint8_t *pixels,
                               int32_t *label) {
    const folder *f = set->state;
    const rep_dataset_info *info = &set->info;
    const size_t position = (size_t)((uint64_t)index * f->count / info->count);
    const folder_entry *entry = &f->entries[position];
    rep_image decoded = {0}, resized = {0};
    REP_TRY(rep_image_load(&decoded, entry->path, info->channels));
    const rep_status status =
        rep_image_resize_part(&resized, &decoded, middle_part(&decoded, info->width, info->height),
                              info->width, info->height);
    if (status == REP_OK) {
        memcpy(pixels, resized.pixels,
               (size_t)info->width * (size_t)info->height * (size_t)info->channels);
        *label = entry->label;
    }
    rep_image_clear(&resized);
    rep_image_clear(&decoded);
    return status;
}

static void close_folder(rep_dataset *set) {
    folder *f = set->state;
    if (f) { free(f->entries); }
    free(f);
}

rep_status rep_folder_open(rep_dataset *set, const rep_dataset_options *options) {
    static const rep_dataset_class methods = {read_picture, close_folder};
    if (options->width < 1 || options->height < 1 || options->width > MAX_SIDE_PX ||
        options->height > MAX_SIDE_PX) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "data set folder: pictures of %" PRId32 " x %" PRId32
                        " pixels asked for, wanted 1 to %d a side; set INPUT.SIZE",
                        options->width, options->height, MAX_SIDE_PX);
    }
    if (options->channels != 0 && options->channels != 1 && options->channels != 3) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "data set folder: %" PRId32 " channels asked for, wanted 1 or 3",
                        options->channels);
    }
    set->methods = &methods;
    set->state = calloc(1, sizeof(folder));
    if (!set->state) { return rep_fail(REP_ERR_MEMORY, "data set folder: no memory"); }
    set->info.width = options->width;
    set->info.height = options->height;
    set->info.channels = options->channels == 1 ? 1 : 3;
    name_list classes = {0};
    const rep_status status = build(set, options, &classes);
    free(classes.items);
    return status;
}
