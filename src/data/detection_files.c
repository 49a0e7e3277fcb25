/* detection_files.c - pictures without annotations as a detection set, for predictions. */
#include <inttypes.h>
#include <stdlib.h>

#include "data/annotations.h"
#include "data/detection_loader.h"

static rep_status read_picture(rep_image *out, rep_image_scaling *scaling,
                               const rep_detection_set *set, size_t index) {
    return rep_image_load_scaled(out, scaling, set->face.pictures[index].file_name, 3);
}

static void close_pictures(rep_detection_set *set) { (void)set; }

/* How large a picture is, by its smallest scale. */
static rep_status measure(rep_picture *out, const char *path) {
    rep_image_scaling scaling = {.least_width = 1, .least_height = 1};
    rep_image image = {0};
    REP_TRY(rep_image_load_scaled(&image, &scaling, path, 3));
    rep_image_clear(&image);
    out->width = scaling.full_width;
    out->height = scaling.full_height;
    return REP_OK;
}

static rep_status add_all(rep_annotation_builder *builder,
                          const rep_detection_set_options *options) {
    for (size_t i = 0; i < options->category_count; i++) {
        REP_TRY(rep_builder_add_category(builder, &options->categories[i]));
    }
    for (size_t i = 0; i < options->file_count; i++) {
        rep_picture picture = {.id = (int64_t)i + 1, .file_name = options->files[i]};
        const rep_status status = measure(&picture, options->files[i]);
        const bool is_bad = status == REP_ERR_DATA || status == REP_ERR_IO;
        if (is_bad && options->on_bad) {
            options->on_bad(options->context, options->files[i], rep_last_error());
            continue;
        }
        REP_TRY(status);
        REP_TRY(rep_builder_add_picture(builder, &picture));
    }
    if (builder->picture_count > 0) { return REP_OK; }
    return rep_fail(REP_ERR_DATA, "pictures: none of %zu can be read", options->file_count);
}

rep_status rep_detection_files_open(rep_detection_set *set,
                                    const rep_detection_set_options *options) {
    static const rep_detection_class methods = {read_picture, close_pictures};
    rep_annotation_builder builder = {.source = "pictures"};
    set->methods = &methods;
    rep_status status = add_all(&builder, options);
    if (status == REP_OK) { status = rep_builder_finish(&set->annotations, &builder, NULL); }
    rep_builder_clear(&builder);
    return status;
}
