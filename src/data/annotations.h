/* annotations.h - an annotation set while it is made: what the readers of COCO and VOC files fill.
 *
 * A reader adds what it finds, in the order of the file; finishing resolves ids, checks, applies
 * the options and sorts. Objects may come before the pictures and categories that they name. */
#ifndef REP_DATA_ANNOTATIONS_H
#define REP_DATA_ANNOTATIONS_H

#include "data/data.h"
#include "repopt/detection.h"

enum {
    REP_MOST_CATEGORIES = 100000,
    REP_MOST_PICTURES = 100000000,
    REP_MOST_OBJECTS = 1000000000,
    REP_MOST_KEYPOINTS = 1000 /* of one category */
};

typedef struct rep_found_object {
    rep_object object; /* picture, category and keypoints come at the end */
    int64_t picture_id, category_id;
    size_t keypoint_first, keypoint_values; /* in builder->keypoints; x, y, v of each */
    bool has_id, has_area, has_keypoints_given;
} rep_found_object;

typedef struct rep_annotation_builder {
    const char *source; /* borrowed */
    rep_arena arena;    /* every text and table of categories and pictures */
    rep_category *categories;
    rep_picture *pictures;
    rep_found_object *objects;
    double *keypoints;
    size_t category_count, picture_count, object_count, keypoint_count;
    size_t category_room, picture_room, object_room, keypoint_room;
} rep_annotation_builder;

/* The texts and tables of what is added lie in builder->arena already. */
REP_NODISCARD rep_status rep_builder_add_category(rep_annotation_builder *builder,
                                                  const rep_category *category);
REP_NODISCARD rep_status rep_builder_add_picture(rep_annotation_builder *builder,
                                                 const rep_picture *picture);
/* keypoints[object->keypoint_values]: copied. */
REP_NODISCARD rep_status rep_builder_add_object(rep_annotation_builder *builder,
                                                const rep_found_object *object,
                                                const double *keypoints);
/* Makes the set; the builder's memory goes over to it. `options` may be NULL. */
REP_NODISCARD rep_status rep_builder_finish(rep_annotations **out, rep_annotation_builder *builder,
                                            const rep_annotation_options *options);
/* Frees what a builder holds; nothing after a finish that succeeded. */
void rep_builder_clear(rep_annotation_builder *builder);

/* categories.c: flip pairs and sigmas of a category whose names are known. */
REP_NODISCARD rep_status rep_category_complete(rep_category *category, rep_arena *arena,
                                               const rep_annotation_options *options);

/* "annotation id 7" or "annotation 3 of the list (no id)", for messages. */
enum { REP_LABEL_BYTES = 64 };
void rep_object_label(char out[REP_LABEL_BYTES], bool has_id, int64_t id, size_t number);

#endif
