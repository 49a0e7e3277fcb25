/* categories.c - what the names of a category's keypoints imply: mirror pairs, COCO's sigmas. */
#include <stdlib.h>
#include <string.h>

#include "data/annotations.h"

enum { COCO_KEYPOINTS = 17 };

/* The 17 keypoints of COCO and how far annotators scatter about each, in units of the square root
 * of the object's area (cocodataset.org, keypoint evaluation). They hold for these points alone. */
static const struct {
    const char *name;
    double sigma;
} coco_keypoints[COCO_KEYPOINTS] = {
    {"nose", 0.026},           {"left_eye", 0.025},    {"right_eye", 0.025},
    {"left_ear", 0.035},       {"right_ear", 0.035},   {"left_shoulder", 0.079},
    {"right_shoulder", 0.079}, {"left_elbow", 0.072},  {"right_elbow", 0.072},
    {"left_wrist", 0.062},     {"right_wrist", 0.062}, {"left_hip", 0.107},
    {"right_hip", 0.107},      {"left_knee", 0.087},   {"right_knee", 0.087},
    {"left_ankle", 0.089},     {"right_ankle", 0.089},
};

static bool is_coco(const rep_category *category) {
    if (category->keypoint_count != COCO_KEYPOINTS) { return false; }
    for (int32_t i = 0; i < COCO_KEYPOINTS; i++) {
        if (strcmp(category->keypoint_names[i], coco_keypoints[i].name) != 0) { return false; }
    }
    return true;
}

static const char *behind(const char *name, const char *side) {
    const size_t length = strlen(side);
    return strncmp(name, side, length) == 0 ? name + length : NULL;
}

/* left_x and right_x change places; every other keypoint keeps its own. */
static int32_t mirrored(const rep_category *category, int32_t index) {
    const char *const *names = category->keypoint_names;
    const char *left = behind(names[index], "left_"), *right = behind(names[index], "right_");
    if (!left && !right) { return index; }
    for (int32_t i = 0; i < category->keypoint_count; i++) {
        const char *other = behind(names[i], left ? "right_" : "left_");
        if (other && strcmp(other, left ? left : right) == 0) { return i; }
    }
    return index;
}

rep_status rep_category_complete(rep_category *category, rep_arena *arena,
                                 const rep_annotation_options *options) {
    const size_t count = (size_t)category->keypoint_count;
    if (count == 0) { return REP_OK; }
    int32_t *flip = rep_arena_alloc(arena, count * sizeof *flip);
    double *sigmas = rep_arena_alloc(arena, count * sizeof *sigmas);
    if (!flip || !sigmas) {
        return rep_fail(REP_ERR_MEMORY, "category '%s': no memory for %zu keypoints",
                        category->name, count);
    }
    for (size_t i = 0; i < count; i++) { flip[i] = mirrored(category, (int32_t)i); }
    category->flip = flip;
    if (options && options->sigmas && options->sigma_count == count) {
        memcpy(sigmas, options->sigmas, count * sizeof *sigmas);
        category->sigmas = sigmas;
    } else if (!category->sigmas && is_coco(category)) {
        for (size_t i = 0; i < count; i++) { sigmas[i] = coco_keypoints[i].sigma; }
        category->sigmas = sigmas;
    }
    for (size_t i = 0; category->sigmas && i < count; i++) {
        if (!(category->sigmas[i] > 0)) {
            return rep_fail(REP_ERR_DATA, "category '%s': the sigma of %s is %g, wanted above 0",
                            category->name, category->keypoint_names[i], category->sigmas[i]);
        }
    }
    return REP_OK;
}
