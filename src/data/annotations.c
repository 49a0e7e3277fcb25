/* annotations.c - an annotation set made of what a file says: ids resolved, objects checked. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/annotations.h"

typedef struct annotation_set {
    rep_annotations face; /* first: the public pointer is this one's */
    rep_annotation_builder parts;
    rep_object *objects;
} annotation_set;

/* ---- adding ----------------------------------------------------------------------------------
 */

static rep_status fail_memory(const rep_annotation_builder *b, const char *what, size_t count) {
    return rep_fail(REP_ERR_MEMORY, "%s: no memory for %zu %s", b->source, count + 1, what);
}

static rep_status fail_many(const rep_annotation_builder *b, const char *what, size_t most) {
    return rep_fail(REP_ERR_DATA, "%s: more than %zu %s; split the file", b->source, most, what);
}

rep_status rep_builder_add_category(rep_annotation_builder *b, const rep_category *category) {
    if (b->category_count == REP_MOST_CATEGORIES) {
        return fail_many(b, "categories", REP_MOST_CATEGORIES);
    }
    rep_category *grown =
        rep_array_grow(b->categories, b->category_count, &b->category_room, sizeof *b->categories);
    if (!grown) { return fail_memory(b, "categories", b->category_count); }
    b->categories = grown;
    b->categories[b->category_count++] = *category;
    return REP_OK;
}

rep_status rep_builder_add_picture(rep_annotation_builder *b, const rep_picture *picture) {
    if (b->picture_count == REP_MOST_PICTURES) {
        return fail_many(b, "pictures", REP_MOST_PICTURES);
    }
    rep_picture *grown =
        rep_array_grow(b->pictures, b->picture_count, &b->picture_room, sizeof *b->pictures);
    if (!grown) { return fail_memory(b, "pictures", b->picture_count); }
    b->pictures = grown;
    b->pictures[b->picture_count++] = *picture;
    return REP_OK;
}

rep_status rep_builder_add_object(rep_annotation_builder *b, const rep_found_object *object,
                                  const double *keypoints) {
    if (b->object_count == REP_MOST_OBJECTS) {
        return fail_many(b, "annotations", REP_MOST_OBJECTS);
    }
    rep_found_object *grown =
        rep_array_grow(b->objects, b->object_count, &b->object_room, sizeof *b->objects);
    if (!grown) { return fail_memory(b, "annotations", b->object_count); }
    b->objects = grown;
    rep_found_object *added = &b->objects[b->object_count];
    *added = *object;
    added->keypoint_first = b->keypoint_count;
    for (size_t i = 0; i < object->keypoint_values; i++) {
        double *values =
            rep_array_grow(b->keypoints, b->keypoint_count, &b->keypoint_room, sizeof *values);
        if (!values) { return fail_memory(b, "keypoint values", b->keypoint_count); }
        b->keypoints = values;
        b->keypoints[b->keypoint_count++] = keypoints[i];
    }
    b->object_count++;
    return REP_OK;
}

void rep_builder_clear(rep_annotation_builder *b) {
    free(b->categories);
    free(b->pictures);
    free(b->objects);
    free(b->keypoints);
    rep_arena_clear(&b->arena);
    *b = (rep_annotation_builder){.source = b->source};
}

/* ---- ids -------------------------------------------------------------------------------------
 */

static int compare_ids(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_category_id(const void *a, const void *b) {
    return compare_ids(((const rep_category *)a)->id, ((const rep_category *)b)->id);
}

static int by_picture_id(const void *a, const void *b) {
    return compare_ids(((const rep_picture *)a)->id, ((const rep_picture *)b)->id);
}

static rep_status sort_ids(rep_annotation_builder *b) {
    if (b->picture_count == 0) {
        return rep_fail(REP_ERR_DATA, "%s: lists no pictures: the split is empty; choose another",
                        b->source);
    }
    if (b->category_count == 0) {
        return rep_fail(REP_ERR_DATA, "%s: lists no categories; add those of its objects",
                        b->source);
    }
    qsort(b->pictures, b->picture_count, sizeof *b->pictures, by_picture_id);
    qsort(b->categories, b->category_count, sizeof *b->categories, by_category_id);
    for (size_t i = 1; i < b->picture_count; i++) {
        if (b->pictures[i].id != b->pictures[i - 1].id) { continue; }
        return rep_fail(REP_ERR_DATA,
                        "%s: image id %" PRId64 " is there twice; give each image its own",
                        b->source, b->pictures[i].id);
    }
    for (size_t i = 1; i < b->category_count; i++) {
        if (b->categories[i].id != b->categories[i - 1].id) { continue; }
        return rep_fail(REP_ERR_DATA,
                        "%s: category id %" PRId64 " is there twice; give each category its own",
                        b->source, b->categories[i].id);
    }
    return REP_OK;
}

void rep_object_label(char out[REP_LABEL_BYTES], bool has_id, int64_t id, size_t number) {
    if (has_id) {
        (void)snprintf(out, REP_LABEL_BYTES, "annotation id %" PRId64, id);
    } else {
        (void)snprintf(out, REP_LABEL_BYTES, "annotation %zu of the list (no id)", number);
    }
}

static rep_status resolve(rep_annotation_builder *b, rep_found_object *found) {
    char label[REP_LABEL_BYTES];
    rep_object_label(label, found->has_id, found->object.id, (size_t)(found - b->objects) + 1);
    const rep_picture picture = {.id = found->picture_id};
    const rep_category category = {.id = found->category_id};
    const rep_picture *in =
        bsearch(&picture, b->pictures, b->picture_count, sizeof picture, by_picture_id);
    if (!in) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %s: image_id %" PRId64 " is not in \"images\"; add the image or "
                        "remove the annotation",
                        b->source, label, found->picture_id);
    }
    const rep_category *of =
        bsearch(&category, b->categories, b->category_count, sizeof category, by_category_id);
    if (!of) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %s: category_id %" PRId64 " is not in \"categories\"; add the "
                        "category or remove the annotation",
                        b->source, label, found->category_id);
    }
    found->object.picture = (size_t)(in - b->pictures);
    found->object.category = (int32_t)(of - b->categories);
    if (found->keypoint_values != 0 && found->keypoint_values != 3 * (size_t)of->keypoint_count) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %s: %zu keypoint values, wanted 3 * %" PRId32
                        ", the keypoints of category '%s'; mend the one or the other",
                        b->source, label, found->keypoint_values, of->keypoint_count, of->name);
    }
    return REP_OK;
}

/* ---- odd boxes -------------------------------------------------------------------------------
 */

static void note(rep_odd *odd, const rep_annotation_builder *b, const rep_object *object) {
    if (odd->count < REP_ODD_FIRST) {
        odd->ids[odd->count] = object->id;
        odd->picture_ids[odd->count] = b->pictures[object->picture].id;
    }
    odd->count++;
}

static bool is_thin(const rep_object *o, double min_side_px) {
    return o->w <= 0 || o->h <= 0 || o->w < min_side_px || o->h < min_side_px;
}

static void clip(rep_object *o, const rep_picture *picture) {
    const double right = fmin(o->x + o->w, picture->width);
    const double bottom = fmin(o->y + o->h, picture->height);
    o->x = fmax(o->x, 0);
    o->y = fmax(o->y, 0);
    o->w = right - o->x;
    o->h = bottom - o->y;
}

/* Counts an odd object; false when the options drop it. */
static bool admit(rep_annotations *set, const rep_annotation_builder *b, rep_object *o,
                  const rep_annotation_options *options) {
    const rep_picture *picture = &b->pictures[o->picture];
    const double right = o->x + o->w, bottom = o->y + o->h;
    const bool is_beyond =
        o->x < 0 || o->y < 0 || right > picture->width || bottom > picture->height;
    const bool is_outside =
        right <= 0 || bottom <= 0 || o->x >= picture->width || o->y >= picture->height;
    if (o->is_crowd) {
        note(&set->crowd, b, o);
        if (options->is_crowd_dropped) { return false; }
    } else if (is_thin(o, options->min_side_px)) {
        note(&set->degenerate, b, o);
        if (options->is_degenerate_dropped) { return false; }
    } else if (is_outside) {
        note(&set->outside, b, o);
        return !options->is_outside_dropped;
    } else if (is_beyond) {
        rep_object cut = *o;
        clip(&cut, picture);
        const bool is_sliver = options->is_clipped && is_thin(&cut, options->min_side_px);
        note(is_sliver ? &set->degenerate : &set->beyond, b, o);
        if (is_sliver && options->is_degenerate_dropped) { return false; }
    }
    /* What has no pixel in the picture has nothing to be cut to. */
    if (options->is_clipped && is_beyond && !is_outside) { clip(o, picture); }
    return true;
}

/* ---- the set ---------------------------------------------------------------------------------
 */

/* What the file left open. Keypoints point into the pool, which no longer grows. */
static void settle(const rep_annotation_builder *b, rep_found_object *found) {
    rep_object *o = &found->object;
    const double *keypoints = found->keypoint_values ? b->keypoints + found->keypoint_first : NULL;
    o->keypoints = keypoints;
    int32_t given = 0;
    for (size_t i = 2; i < found->keypoint_values; i += 3) { given += keypoints[i] > 0; }
    if (!found->has_keypoints_given) { o->keypoints_given = given; }
    if (!found->has_area) { o->area = o->w * o->h; }
}

/* Groups the kept objects by picture; each group keeps the file's order. */
static rep_status group(annotation_set *set, size_t kept) {
    rep_annotation_builder *b = &set->parts;
    set->objects = malloc((kept ? kept : 1) * sizeof *set->objects);
    if (!set->objects) { return fail_memory(b, "annotations", kept); }
    size_t first = 0;
    for (size_t i = 0; i < kept; i++) { b->pictures[b->objects[i].object.picture].count++; }
    for (size_t i = 0; i < b->picture_count; i++) {
        b->pictures[i].first = first;
        first += b->pictures[i].count;
        b->pictures[i].count = 0;
    }
    for (size_t i = 0; i < kept; i++) {
        rep_picture *picture = &b->pictures[b->objects[i].object.picture];
        set->objects[picture->first + picture->count++] = b->objects[i].object;
    }
    free(b->objects);
    b->objects = NULL;
    return REP_OK;
}

static rep_status fill(annotation_set *set, const rep_annotation_options *options) {
    rep_annotation_builder *b = &set->parts;
    REP_TRY(sort_ids(b));
    for (size_t i = 0; i < b->category_count; i++) {
        if (rep_category_complete(&b->categories[i], &b->arena, options) != REP_OK) {
            return rep_fail_prefix("%s: ", b->source);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < b->object_count; i++) {
        rep_found_object *found = &b->objects[i];
        REP_TRY(resolve(b, found));
        const bool is_kept = admit(&set->face, b, &found->object, options);
        settle(b, found);
        if (is_kept) { b->objects[kept++] = *found; }
    }
    REP_TRY(group(set, kept));
    const char *source = rep_arena_strdup(&b->arena, b->source);
    if (!source) { return fail_memory(b, "pictures", b->picture_count); }
    set->face.source = source;
    set->face.categories = b->categories;
    set->face.category_count = b->category_count;
    set->face.pictures = b->pictures;
    set->face.picture_count = b->picture_count;
    set->face.objects = set->objects;
    set->face.object_count = kept;
    return REP_OK;
}

rep_status rep_builder_finish(rep_annotations **out, rep_annotation_builder *builder,
                              const rep_annotation_options *options) {
    static const rep_annotation_options plain = {0};
    annotation_set *set = calloc(1, sizeof *set);
    if (!set) { return fail_memory(builder, "pictures", builder->picture_count); }
    set->parts = *builder;
    *builder = (rep_annotation_builder){.source = builder->source};
    const rep_status status = fill(set, options ? options : &plain);
    if (status != REP_OK) {
        rep_annotations_destroy(&set->face);
        return status;
    }
    *out = &set->face;
    return REP_OK;
}

void rep_annotations_destroy(rep_annotations *annotations) {
    annotation_set *set = (annotation_set *)(void *)annotations;
    if (!set) { return; }
    rep_builder_clear(&set->parts);
    free(set->objects);
    free(set);
}
