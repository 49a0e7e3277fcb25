/* voc.c - Pascal VOC sets: lists of pictures, one XML file each, classes by name.
 *
 * Without a list of classes they are the names found in all splits, so that train and val number
 * them alike. */
#include <stdlib.h>
#include <string.h>

#include "data/annotations.h"
#include "data/voc_xml.h"

enum { MAX_LIST_BYTES = 1 << 28 };

typedef struct name_list {
    const char **items;
    size_t count, room;
} name_list;

typedef struct voc_set {
    const char *root;
    name_list pictures; /* of the split, in its order */
    name_list classes;
    rep_annotation_builder builder;
} voc_set;

/* ---- lists -----------------------------------------------------------------------------------
 */

static rep_status push(name_list *list, voc_set *set, const char *name) {
    const char **items = rep_array_grow(list->items, list->count, &list->room, sizeof *items);
    if (items) { list->items = items; }
    const char *copy = rep_arena_strdup(&set->builder.arena, name);
    if (!items || !copy) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for names", set->root); }
    list->items[list->count++] = copy;
    return REP_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_unique(name_list *list) {
    size_t kept = 0;
    if (list->count) { qsort(list->items, list->count, sizeof *list->items, by_name); }
    for (size_t i = 0; i < list->count; i++) {
        if (kept && strcmp(list->items[i], list->items[kept - 1]) == 0) { continue; }
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

/* The first word of each line: lists for one class have a second that says whether it is there. */
static rep_status parse_list(name_list *list, voc_set *set, const char *path,
                             const rep_file_view *view) {
    const uint8_t *cursor = view->bytes, *end = view->count ? cursor + view->count : cursor;
    if (view->count > MAX_LIST_BYTES) {
        return rep_fail(REP_ERR_DATA, "%s: %zu bytes, wanted at most %d", path, view->count,
                        MAX_LIST_BYTES);
    }
    for (size_t number = 1; cursor != end; number++) {
        char line[REP_DATA_LINE_BYTES];
        REP_TRY(rep_data_line(line, &cursor, end, path, number));
        line[strcspn(line, " ")] = '\0';
        if (line[0]) { REP_TRY(push(list, set, line)); }
    }
    return REP_OK;
}

static rep_status list_path(char *path, const voc_set *set, const char *split) {
    char name[REP_DATA_LINE_BYTES + 32];
    const int length = snprintf(name, sizeof name, "ImageSets/Main/%s.txt", split);
    if (length < 0 || (size_t)length >= sizeof name) {
        return rep_fail(REP_ERR_ARGUMENT, "%s: the name of the split '%.40s...' is too long",
                        set->root, split);
    }
    return rep_data_path(path, set->root, name);
}

static rep_status read_list(name_list *list, voc_set *set, const char *path) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    const rep_status status = parse_list(list, set, path, &view);
    rep_file_close(&view);
    return status;
}

static rep_status xml_path(char *path, const voc_set *set, const char *name) {
    char file[REP_DATA_LINE_BYTES + 32];
    (void)snprintf(file, sizeof file, "Annotations/%s.xml", name);
    return rep_data_path(path, set->root, file);
}

/* ---- classes ---------------------------------------------------------------------------------
 */

static rep_status collect_names(voc_set *set, const name_list *pictures) {
    char path[REP_DATA_PATH_BYTES];
    for (size_t i = 0; i < pictures->count; i++) {
        REP_TRY(xml_path(path, set, pictures->items[i]));
        /* Published test splits come without annotations; the split asked for is read strictly. */
        if (!rep_file_exists(path)) { continue; }
        rep_voc_picture picture;
        REP_TRY(rep_voc_xml_read(&picture, path));
        rep_status status = REP_OK;
        for (size_t k = 0; status == REP_OK && k < picture.object_count; k++) {
            const char *name = picture.objects[k].name;
            size_t known = 0;
            while (known < set->classes.count && strcmp(set->classes.items[known], name) != 0) {
                known++;
            }
            if (known == set->classes.count) { status = push(&set->classes, set, name); }
        }
        rep_voc_picture_clear(&picture);
        REP_TRY(status);
        if (set->classes.count > REP_MOST_CATEGORIES) { break; } /* refused when they are added */
    }
    return REP_OK;
}

static rep_status find_classes(voc_set *set, name_list *everywhere) {
    static const char *const splits[] = {"train", "val", "trainval", "test"};
    char path[REP_DATA_PATH_BYTES];
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        REP_TRY(list_path(path, set, splits[i]));
        if (rep_file_exists(path)) { REP_TRY(read_list(everywhere, set, path)); }
    }
    for (size_t i = 0; i < set->pictures.count; i++) {
        REP_TRY(push(everywhere, set, set->pictures.items[i]));
    }
    sort_unique(everywhere);
    REP_TRY(collect_names(set, everywhere));
    sort_unique(&set->classes);
    return REP_OK;
}

static rep_status add_classes(voc_set *set, const rep_annotation_options *options) {
    name_list everywhere = {0};
    rep_status status = REP_OK;
    for (size_t i = 0; options && status == REP_OK && i < options->class_count; i++) {
        status = push(&set->classes, set, options->class_names[i]);
    }
    if (!options || !options->class_count) { status = find_classes(set, &everywhere); }
    free(everywhere.items);
    for (size_t i = 0; status == REP_OK && i < set->classes.count; i++) {
        const rep_category category = {.id = (int64_t)i + 1, .name = set->classes.items[i]};
        status = rep_builder_add_category(&set->builder, &category);
    }
    return status;
}

/* ---- pictures --------------------------------------------------------------------------------
 */

/* The picture beside an annotation: named like it, or else as it says itself. */
static rep_status find_file(const char **out, voc_set *set, const char *name, const char *said) {
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".JPG", ""};
    char file[REP_DATA_LINE_BYTES + 32], path[REP_DATA_PATH_BYTES];
    bool is_there = false;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0] && !is_there; i++) {
        const bool is_said = !*endings[i];
        if (is_said && (!*said || strchr(said, '/'))) { break; }
        (void)snprintf(file, sizeof file, "JPEGImages/%s%s", is_said ? said : name, endings[i]);
        REP_TRY(rep_data_path(path, set->root, file));
        is_there = rep_file_exists(path);
    }
    /* Who reads the picture will say that it is missing. */
    if (!is_there) { (void)snprintf(file, sizeof file, "JPEGImages/%s.jpg", name); }
    *out = rep_arena_strdup(&set->builder.arena, file);
    return *out ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory for names", set->root);
}

static rep_status add_object(voc_set *set, const rep_voc_object *object, int64_t picture_id,
                             const char *path) {
    size_t class_index = 0;
    while (class_index < set->classes.count &&
           strcmp(set->classes.items[class_index], object->name) != 0) {
        class_index++;
    }
    if (class_index == set->classes.count) {
        return rep_fail(REP_ERR_DATA,
                        "%s: class '%s' is not among the %zu given; add it or remove the object",
                        path, object->name, set->classes.count);
    }
    const rep_found_object found = {.object = {.id = (int64_t)set->builder.object_count + 1,
                                               .x = object->xmin - 1,
                                               .y = object->ymin - 1,
                                               .w = object->xmax - object->xmin + 1,
                                               .h = object->ymax - object->ymin + 1,
                                               .is_difficult = object->is_difficult},
                                    .picture_id = picture_id,
                                    .category_id = (int64_t)class_index + 1,
                                    .has_id = true};
    return rep_builder_add_object(&set->builder, &found, NULL);
}

static rep_status add_picture(voc_set *set, size_t index) {
    char path[REP_DATA_PATH_BYTES];
    const char *name = set->pictures.items[index];
    REP_TRY(xml_path(path, set, name));
    rep_voc_picture read;
    REP_TRY(rep_voc_xml_read(&read, path));
    rep_picture picture = {.id = (int64_t)index + 1, .width = read.width, .height = read.height};
    rep_status status = find_file(&picture.file_name, set, name, read.file_name);
    if (status == REP_OK) { status = rep_builder_add_picture(&set->builder, &picture); }
    for (size_t k = 0; status == REP_OK && k < read.object_count; k++) {
        status = add_object(set, &read.objects[k], picture.id, path);
    }
    rep_voc_picture_clear(&read);
    return status;
}

static rep_status check_repeats(voc_set *set, const char *path) {
    name_list sorted = {0};
    rep_status status = REP_OK;
    for (size_t i = 0; status == REP_OK && i < set->pictures.count; i++) {
        status = push(&sorted, set, set->pictures.items[i]);
    }
    if (sorted.count > 1) { qsort(sorted.items, sorted.count, sizeof *sorted.items, by_name); }
    for (size_t i = 1; status == REP_OK && i < sorted.count; i++) {
        if (strcmp(sorted.items[i], sorted.items[i - 1]) != 0) { continue; }
        status = rep_fail(REP_ERR_DATA, "%s: %s is listed twice; remove one of the lines", path,
                          sorted.items[i]);
    }
    free(sorted.items);
    return status;
}

static rep_status fill(voc_set *set, const char *list, const rep_annotation_options *options) {
    REP_TRY(read_list(&set->pictures, set, list));
    REP_TRY(check_repeats(set, list));
    REP_TRY(add_classes(set, options));
    for (size_t i = 0; i < set->pictures.count; i++) { REP_TRY(add_picture(set, i)); }
    return REP_OK;
}

rep_status rep_annotations_load_voc(rep_annotations **out, const char *root, const char *split,
                                    const rep_annotation_options *options) {
    char list[REP_DATA_PATH_BYTES];
    voc_set set = {.root = root, .builder = {.source = list}};
    REP_TRY(list_path(list, &set, split));
    rep_status status = fill(&set, list, options);
    if (status == REP_OK) { status = rep_builder_finish(out, &set.builder, options); }
    free(set.pictures.items);
    free(set.classes.items);
    rep_builder_clear(&set.builder);
    return status;
}
