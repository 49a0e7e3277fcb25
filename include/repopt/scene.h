/* scene.h - the built-in detection set: pictures with arrows, houses and fish, drawn on demand.
 *
 * Every picture has one to eight figures of three classes over clutter, some partly behind others,
 * behind a bar, or beyond the edge. Each has five keypoints at corners of its outline. A picture
 * and what is true of it depend on (seed, split, index, side) alone, on every machine.
 *
 *     const rep_scene_options options = {.seed = 1, .is_train = true, .count = 1000};
 *     REP_TRY(rep_scene_annotations(&truth, &options));
 *     REP_TRY(rep_scene_render(&image, &options, 0)); // shows truth->pictures[0]
 */
#ifndef REPOPT_SCENE_H
#define REPOPT_SCENE_H

#include "repopt/data.h"
#include "repopt/detection.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 160 pixels are few enough for a CPU to train on, and enough for figures from 25 to 100 pixels. By
 * FCOS's bounds nearly all of them belong to the level of stride 8. */
enum { REP_SCENE_SIDE_PX = 160, REP_SCENE_LEAST_PX = 64, REP_SCENE_MOST_PX = 1024 };

typedef struct rep_scene_options {
    uint64_t seed;
    bool is_train;   /* which split */
    size_t count;    /* pictures, 1 to 10,000,000; the first n are the same in every longer set */
    int32_t side_px; /* width and height, REP_SCENE_LEAST_PX .. _MOST_PX; 0: REP_SCENE_SIDE_PX */
} rep_scene_options;

/* What is true of the pictures. Ids count from 1; pictures are named "000001.png" and so on.
 *   box        round the whole figure, what is hidden included, cut to the picture
 *   area       pixels of the whole figure in the picture
 *   keypoint   v 2: seen; v 1: something lies in front of its corner; v 0 (at 0, 0): outside the
 *              picture
 *   is_crowd   less than 40 % of the figure is seen: every v is 0, and an evaluation counts
 *              it neither way. Of which less than 2 % is seen is not annotated
 * Coordinates are whole hundredths of a pixel. "left" and "right" are a house's as the picture
 * shows it, and an arrow's for who looks along it; a fish may swim either way and has no pairs.
 * Owned by the caller: rep_annotations_destroy. Errors: REP_ERR_ARGUMENT, REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_scene_annotations(rep_annotations **out,
                                               const rep_scene_options *options);
/* Picture `index`, below options->count, in 3 channels: rep_image_clear. Thread safe; about 3
 * milliseconds. Errors as above. */
REP_NODISCARD rep_status rep_scene_render(rep_image *out, const rep_scene_options *options,
                                          size_t index);

#ifdef __cplusplus
}
#endif
#endif
