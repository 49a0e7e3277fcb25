/* detection_drawn.c - the built-in scenes as a detection set. */
#include <stdlib.h>

#include "data/detection_loader.h"
#include "repopt/scene.h"

static rep_status read_scene(rep_image *out, rep_image_scaling *scaling,
                             const rep_detection_set *set, size_t index) {
    const rep_scene_options *options = set->state;
    REP_TRY(rep_scene_render(out, options, index));
    scaling->full_width = out->width;
    scaling->full_height = out->height;
    return REP_OK;
}

static void close_scenes(rep_detection_set *set) { free(set->state); }

rep_status rep_detection_drawn_open(rep_detection_set *set,
                                    const rep_detection_set_options *options) {
    static const rep_detection_class methods = {read_scene, close_scenes};
    rep_scene_options *scenes = malloc(sizeof *scenes);
    if (!scenes) { return rep_fail(REP_ERR_MEMORY, "data set drawn: no memory"); }
    *scenes = (rep_scene_options){.seed = options->seed,
                                  .is_train = options->is_train,
                                  .count = options->count,
                                  .side_px = options->side_px};
    set->state = scenes;
    set->methods = &methods;
    return rep_scene_annotations(&set->annotations, scenes);
}
