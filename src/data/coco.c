/* coco.c - COCO instances and person keypoints: what the rows of a file mean. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/coco_json.h"

enum { MAX_SIDE = 1000000 };

static rep_status fail_row(const rep_annotation_builder *b, const rep_coco_json_row *row,
                           const char *what) {
    char label[REP_LABEL_BYTES];
    rep_coco_row_label(label, row);
    return rep_fail(REP_ERR_DATA, "%s: %s: %s; mend or remove it", b->source, label, what);
}

static rep_status copy_text(const char **out, rep_annotation_builder *b,
                            const rep_coco_json_row *row) {
    *out = rep_arena_strdup(&b->arena, row->text);
    return *out ? REP_OK : rep_fail(REP_ERR_MEMORY, "%s: no memory for names", b->source);
}

static rep_status take_image(rep_annotation_builder *b, const rep_coco_json_row *row) {
    const int64_t width = row->whole[REP_COCO_WIDTH], height = row->whole[REP_COCO_HEIGHT];
    if (!row->has[REP_COCO_ID]) { return fail_row(b, row, "has no id"); }
    if (!row->has[REP_COCO_FILE_NAME] || !row->text[0]) {
        return fail_row(b, row, "has no file_name");
    }
    if (!row->has[REP_COCO_WIDTH] || !row->has[REP_COCO_HEIGHT]) {
        return fail_row(b, row, "has no width or no height");
    }
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
        return fail_row(b, row, "width and height must be 1 to 1000000 pixels");
    }
    rep_picture picture = {
        .id = row->whole[REP_COCO_ID], .width = (int32_t)width, .height = (int32_t)height};
    REP_TRY(copy_text(&picture.file_name, b, row));
    return rep_builder_add_picture(b, &picture);
}

static rep_status take_annotation(rep_annotation_builder *b, const rep_coco_json_row *row) {
    if (!row->has[REP_COCO_CATEGORY_ID]) { return fail_row(b, row, "has no category_id"); }
    if (!row->has[REP_COCO_IMAGE_ID]) { return fail_row(b, row, "has no image_id"); }
    if (!row->has[REP_COCO_BBOX]) { return fail_row(b, row, "has no bbox"); }
    if (row->bbox.count != 4) {
        char text[64];
        (void)snprintf(text, sizeof text, "bbox has %zu numbers, wanted 4", row->bbox.count);
        return fail_row(b, row, text);
    }
    const double *box = row->bbox.values;
    const int64_t given = row->whole[REP_COCO_NUM_KEYPOINTS];
    const bool has_given = row->has[REP_COCO_NUM_KEYPOINTS];
    if (has_given && (given < 0 || given > REP_MOST_KEYPOINTS)) {
        return fail_row(b, row, "num_keypoints must be 0 to 1000");
    }
    const bool has_id = row->has[REP_COCO_ID];
    const rep_found_object found = {
        .object = {.id = has_id ? row->whole[REP_COCO_ID] : (int64_t)row->number,
                   .x = box[0],
                   .y = box[1],
                   .w = box[2],
                   .h = box[3],
                   .area = row->area,
                   .keypoints_given = has_given ? (int32_t)given : 0,
                   .is_crowd = row->has[REP_COCO_ISCROWD] && row->whole[REP_COCO_ISCROWD] != 0},
        .picture_id = row->whole[REP_COCO_IMAGE_ID],
        .category_id = row->whole[REP_COCO_CATEGORY_ID],
        .keypoint_values = row->keypoints.count,
        .has_id = has_id,
        .has_area = row->has[REP_COCO_AREA],
        .has_keypoints_given = has_given};
    return rep_builder_add_object(b, &found, row->keypoints.values);
}

/* The file counts keypoints from 1; pairs that name none are left out, for they only draw. */
static rep_status take_limbs(rep_category *category, rep_annotation_builder *b,
                             const rep_coco_list *skeleton) {
    const double most = category->keypoint_count;
    int32_t(*limbs)[2] = rep_arena_alloc(&b->arena, skeleton->count * sizeof(int32_t));
    if (!limbs) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for a skeleton", b->source); }
    for (size_t i = 0; i + 1 < skeleton->count; i += 2) {
        const double from = skeleton->values[i], to = skeleton->values[i + 1];
        if (!(from >= 1 && from <= most && to >= 1 && to <= most)) { continue; }
        limbs[category->limb_count][0] = (int32_t)from - 1;
        limbs[category->limb_count++][1] = (int32_t)to - 1;
    }
    category->limbs = (const int32_t(*)[2])limbs;
    return REP_OK;
}

static rep_status take_category(rep_annotation_builder *b, const rep_coco_json_row *row) {
    const size_t count = row->point_name_count;
    if (!row->has[REP_COCO_ID]) { return fail_row(b, row, "has no id"); }
    if (!row->has[REP_COCO_NAME]) { return fail_row(b, row, "has no name"); }
    rep_category category = {.id = row->whole[REP_COCO_ID], .keypoint_count = (int32_t)count};
    REP_TRY(copy_text(&category.name, b, row));
    const size_t bytes = count * sizeof(char *);
    const char **names = rep_arena_alloc(&b->arena, bytes);
    if (!names) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for names", b->source); }
    if (count) { memcpy(names, row->point_names, bytes); }
    category.keypoint_names = names;
    if (row->has[REP_COCO_SIGMAS] && row->sigmas.count) {
        if (row->sigmas.count != count) {
            return fail_row(b, row, "sigmas must be as many as keypoints");
        }
        double *sigmas = rep_arena_alloc(&b->arena, count * sizeof *sigmas);
        if (!sigmas) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for sigmas", b->source); }
        memcpy(sigmas, row->sigmas.values, count * sizeof *sigmas);
        category.sigmas = sigmas;
    }
    REP_TRY(take_limbs(&category, b, &row->skeleton));
    return rep_builder_add_category(b, &category);
}

static rep_status take_row(void *context, const rep_coco_json_row *row) {
    switch (row->section) {
    case REP_COCO_IMAGES:
        return take_image(context, row);
    case REP_COCO_ANNOTATIONS:
        return take_annotation(context, row);
    default:
        return take_category(context, row);
    }
}

rep_status rep_annotations_load_coco(rep_annotations **out, const char *path,
                                     const rep_annotation_options *options) {
    rep_annotation_builder builder = {.source = path};
    rep_status status = rep_coco_json_read(path, &builder.arena, take_row, &builder);
    if (status == REP_OK) { status = rep_builder_finish(out, &builder, options); }
    rep_builder_clear(&builder);
    return status;
}
