/* detection_set.c - annotations together with the place where their pictures lie. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/detection_loader.h"

/* ---- pictures that are files ------------------------------------------------------------------
 */

static rep_status read_file(rep_image *out, rep_image_scaling *scaling,
                            const rep_detection_set *set, size_t index) {
    char path[REP_DATA_PATH_BYTES];
    REP_TRY(rep_data_path(path, set->state, set->face.pictures[index].file_name));
    return rep_image_load_scaled(out, scaling, path, 3);
}

static void close_files(rep_detection_set *set) { free(set->state); }

static rep_status use_folder(rep_detection_set *set, const char *folder) {
    static const rep_detection_class methods = {read_file, close_files};
    set->methods = &methods;
    set->state = strdup(folder);
    return set->state ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory for its path", folder);
}

static rep_status check_name(const rep_detection_set_options *options, const char *name,
                             const char *noun, const char *key) {
    if (name && *name) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "data set %s: no %s given; set %s", options->kind, noun, key);
}

static rep_status open_coco(rep_detection_set *set, const rep_detection_set_options *options) {
    char file[REP_DATA_PATH_BYTES], folder[REP_DATA_PATH_BYTES];
    REP_TRY(check_name(options, options->annotations, "annotation file",
                       "DATASETS.ANNOTATIONS_TRAIN and _TEST"));
    const bool has_folder = options->images && *options->images;
    REP_TRY(rep_data_path(file, options->root, options->annotations));
    REP_TRY(rep_data_path(folder, options->root, has_folder ? options->images : "."));
    REP_TRY(use_folder(set, folder));
    return rep_annotations_load_coco(&set->annotations, file, &options->annotation);
}

static rep_status open_voc(rep_detection_set *set, const rep_detection_set_options *options) {
    REP_TRY(check_name(options, options->split, "split", "DATASETS.TRAIN and TEST"));
    REP_TRY(use_folder(set, options->root));
    return rep_annotations_load_voc(&set->annotations, options->root, options->split,
                                    &options->annotation);
}

/* ---- every kind -------------------------------------------------------------------------------
 */

static const struct {
    const char *kind;
    rep_status (*open)(rep_detection_set *set, const rep_detection_set_options *options);
    bool has_root;
} kinds[] = {{"coco", open_coco, true},
             {"voc", open_voc, true},
             {"drawn", rep_detection_drawn_open, false},
             {"files", rep_detection_files_open, false}};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* Everything behind the limit is out of sight. */
static void limit_to(rep_detection_set *set, size_t limit) {
    set->face = *set->annotations;
    if (limit == 0 || limit >= set->face.picture_count) { return; }
    set->face.object_count = set->face.pictures[limit].first;
    set->face.picture_count = limit;
}

static rep_status check_set(const rep_detection_set *set) {
    const rep_annotations *face = &set->face;
    if (face->picture_count > UINT32_MAX || face->object_count > UINT32_MAX) {
        return rep_fail(REP_ERR_DATA, "%s: %zu pictures and %zu objects, wanted at most %" PRIu32,
                        face->source, face->picture_count, face->object_count, UINT32_MAX);
    }
    for (size_t i = 0; i < face->picture_count; i++) {
        const rep_picture *p = &face->pictures[i];
        if (p->width > 0 && p->height > 0) { continue; }
        return rep_fail(REP_ERR_DATA,
                        "%s: picture id %" PRId64 " (%s) is %" PRId32 " x %" PRId32
                        " pixels, wanted at least 1 x 1; write its size into the annotations",
                        face->source, p->id, p->file_name, p->width, p->height);
    }
    return REP_OK;
}

rep_status rep_detection_set_open(rep_detection_set **out,
                                  const rep_detection_set_options *options) {
    size_t k = 0;
    while (k < KIND_COUNT && (!options->kind || strcmp(options->kind, kinds[k].kind) != 0)) { k++; }
    if (k == KIND_COUNT) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "data set '%s' has no boxes; for detection DATASETS.NAME is coco, voc or "
                        "drawn",
                        options->kind ? options->kind : "");
    }
    if (kinds[k].has_root) {
        REP_TRY(check_name(options, options->root, "folder", "DATASETS.ROOT"));
    }
    rep_detection_set *set = calloc(1, sizeof *set);
    if (!set) { return rep_fail(REP_ERR_MEMORY, "data set %s: no memory", options->kind); }
    set->kind = kinds[k].kind;
    rep_status status = kinds[k].open(set, options);
    if (status == REP_OK) {
        limit_to(set, options->limit);
        status = check_set(set);
    }
    if (status != REP_OK) {
        rep_detection_set_close(set);
        return status;
    }
    *out = set;
    return REP_OK;
}

void rep_detection_set_close(rep_detection_set *set) {
    if (!set) { return; }
    if (set->methods) { set->methods->close(set); }
    rep_annotations_destroy(set->annotations);
    free(set);
}

const rep_annotations *rep_detection_set_annotations(const rep_detection_set *set) {
    return &set->face;
}

int32_t rep_detection_set_keypoint_count(const rep_detection_set *set) {
    int32_t most = 0;
    for (size_t i = 0; i < set->face.category_count; i++) {
        const int32_t count = set->face.categories[i].keypoint_count;
        if (count > most) { most = count; }
    }
    return most;
}

rep_status rep_detection_set_read(rep_image *out, const rep_detection_set *set, size_t index,
                                  int32_t least_width, int32_t least_height) {
    if (index >= set->face.picture_count) {
        return rep_fail(REP_ERR_ARGUMENT, "data set %s: picture %zu asked for, it has %zu",
                        set->kind, index, set->face.picture_count);
    }
    const rep_picture *picture = &set->face.pictures[index];
    rep_image image = {0};
    rep_image_scaling scaling = {.least_width = least_width, .least_height = least_height};
    if (set->methods->read(&image, &scaling, set, index) != REP_OK) {
        return rep_fail_prefix("picture id %" PRId64 ": ", picture->id);
    }
    if (scaling.full_width != picture->width || scaling.full_height != picture->height) {
        rep_image_clear(&image);
        return rep_fail(REP_ERR_DATA,
                        "picture id %" PRId64 ": %s: %" PRId32 " x %" PRId32
                        " pixels the right way up, but annotated as %" PRId32 " x %" PRId32
                        "; mend the annotations or replace the picture",
                        picture->id, picture->file_name, scaling.full_width, scaling.full_height,
                        picture->width, picture->height);
    }
    *out = image;
    return REP_OK;
}
