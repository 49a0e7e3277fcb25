/* detection_setup.c - the configuration as detection sets and their loaders. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "train/train.h"

enum { MOST_NUMBERS = REP_SETUP_NUMBERS, MOST_SIDE_PX = 16384 };

/* A split's name, which VOC has one list for. */
static const char *split_of(const rep_values *v, bool is_train) {
    const rep_strings splits = is_train ? v->datasets_train : v->datasets_test;
    return splits.count ? splits.items[0] : "";
}

rep_status rep_setup_detection_set(rep_detection_set **out, const rep_values *v, bool is_train) {
    const char *images = v->datasets_images_train;
    if (!is_train && *v->datasets_images_test) { images = v->datasets_images_test; }
    const rep_strings splits = is_train ? v->datasets_train : v->datasets_test;
    if (strcmp(v->datasets_name, "voc") == 0 && splits.count > 1) {
        return rep_fail(REP_ERR_CONFIG,
                        "DATASETS.%s: %zu splits, wanted one; join them in one list below "
                        "ImageSets/Main",
                        is_train ? "TRAIN" : "TEST", splits.count);
    }
    const rep_detection_set_options options = {
        .kind = v->datasets_name,
        .root = v->datasets_root,
        .images = images,
        .annotations = is_train ? v->datasets_annotations_train : v->datasets_annotations_test,
        .split = split_of(v, is_train),
        .seed = (uint64_t)v->datasets_drawn_seed,
        .is_train = is_train,
        .count = (size_t)(is_train ? v->datasets_drawn_count_train : v->datasets_drawn_count_test),
        .limit = (size_t)(is_train ? v->datasets_limit_train : v->datasets_limit_test)};
    return rep_detection_set_open(out, &options);
}

/* What is too large stays too large, for the checks that name it. */
static int32_t narrow(int64_t value) { return value < INT32_MAX ? (int32_t)value : INT32_MAX; }

/* A list as whole numbers of pixels. */
static rep_status read_sides(int32_t out[MOST_NUMBERS], const char *key, rep_numbers list) {
    if (list.count > MOST_NUMBERS) {
        return rep_fail(REP_ERR_CONFIG, "%s: %zu numbers, wanted at most %d", key, list.count,
                        MOST_NUMBERS);
    }
    for (size_t i = 0; i < list.count; i++) {
        const double side = list.items[i];
        if (!(side >= 1 && side <= MOST_SIDE_PX) || side != floor(side)) {
            return rep_fail(REP_ERR_CONFIG, "%s: %g, wanted whole numbers from 1 to %d", key, side,
                            MOST_SIDE_PX);
        }
        out[i] = (int32_t)side;
    }
    return REP_OK;
}

/* BUCKETS is how many shapes, or their sides. */
static rep_status read_buckets(rep_detection_sizes *out, int32_t sides[MOST_NUMBERS],
                               const rep_values *v) {
    const size_t count = v->input_buckets.count;
    REP_TRY(read_sides(sides, "INPUT.BUCKETS", v->input_buckets));
    if (count == 1) {
        out->bucket_most = (size_t)sides[0];
        return REP_OK;
    }
    if (count % 2 != 0) {
        return rep_fail(REP_ERR_CONFIG,
                        "INPUT.BUCKETS: %zu numbers, wanted one, how many shapes there are, or "
                        "height and width of each",
                        count);
    }
    out->buckets = sides;
    out->bucket_count = count / 2;
    return REP_OK;
}

static rep_status read_sizes(rep_detection_sizes *out, int32_t min_sizes[MOST_NUMBERS],
                             int32_t buckets[MOST_NUMBERS], const rep_values *v, bool is_train) {
    const rep_numbers range = v->input_min_size_range_train;
    *out = (rep_detection_sizes){.min_sizes = min_sizes,
                                 .divisibility = narrow(v->dataloader_size_divisibility),
                                 .is_mixed = !v->dataloader_aspect_ratio_grouping};
    REP_TRY(read_buckets(out, buckets, v));
    if (v->input_size.count > 0) { return rep_setup_size(&out->height, &out->width, v); }
    out->max_size = narrow(is_train ? v->input_max_size_train : v->input_max_size_test);
    /* maskrcnn-benchmark's: -1 for "the list counts". */
    out->is_range = is_train && range.count > 0 && range.items[0] != -1;
    if (!is_train) {
        const double least = (double)v->input_min_size_test;
        out->min_size_count = 1;
        return read_sides(min_sizes, "INPUT.MIN_SIZE_TEST", (rep_numbers){&least, 1});
    }
    const rep_numbers list = out->is_range ? range : v->input_min_size_train;
    out->min_size_count = list.count;
    return read_sides(min_sizes,
                      out->is_range ? "INPUT.MIN_SIZE_RANGE_TRAIN" : "INPUT.MIN_SIZE_TRAIN", list);
}

static int32_t pad_side(double side, double multiple) {
    return (int32_t)(multiple > 1 ? ceil(side / multiple) * multiple : side);
}

rep_status rep_setup_detector_size(int32_t *height, int32_t *width, const rep_values *v) {
    if (v->input_size.count > 0) { return rep_setup_size(height, width, v); }
    const double longer = (double)v->input_max_size_train;
    const double multiple = fmin((double)v->dataloader_size_divisibility, MOST_SIDE_PX);
    int32_t shorter[MOST_NUMBERS];
    REP_TRY(read_sides(shorter, "INPUT.MIN_SIZE_TRAIN", v->input_min_size_train));
    if (v->input_min_size_train.count == 0 || longer > MOST_SIDE_PX) {
        return rep_fail(REP_ERR_CONFIG,
                        "INPUT.MIN_SIZE_TRAIN, MAX_SIZE_TRAIN: wanted whole numbers from 1 to %d, "
                        "or give INPUT.SIZE",
                        MOST_SIDE_PX);
    }
    *height = pad_side(shorter[0], multiple);
    *width = pad_side(longer, multiple);
    return REP_OK;
}

/* Distances that a level learns, FCOS's 64, 128, 256, 512 for strides 8 .. 128: the first begins at
 * nothing, and the last has no end. */
static rep_status read_levels(rep_fcos_level levels[REP_DETECTION_LEVELS], const rep_values *v) {
    int32_t strides[MOST_NUMBERS];
    const size_t count = v->model_fcos_fpn_strides.count;
    REP_TRY(read_sides(strides, "MODEL.FCOS.FPN_STRIDES", v->model_fcos_fpn_strides));
    for (size_t i = 0; i < count && i < REP_DETECTION_LEVELS; i++) {
        const float stride = (float)strides[i];
        levels[i] = (rep_fcos_level){.stride = strides[i],
                                     .least = i == 0 ? -1 : 4 * stride,
                                     .most = i + 1 == count ? 1e8f : 8 * stride};
    }
    return REP_OK;
}

static rep_detection_augment augment_of(const rep_values *v) {
    return (rep_detection_augment){.colour = {.flip_probability = (float)v->input_flip_prob_train,
                                              .brightness = (float)v->input_brightness,
                                              .contrast = (float)v->input_contrast,
                                              .saturation = (float)v->input_saturation,
                                              .hue = (float)v->input_hue,
                                              .pad = narrow(v->input_pad),
                                              .cutout = narrow(v->input_cutout),
                                              .is_reversed = v->input_to_bgr255},
                                   .vertical_flip_probability =
                                       (float)v->input_vertical_flip_prob_train,
                                   .zoom = (float)v->input_zoom,
                                   .zoom_probability = (float)v->input_zoom_prob,
                                   .mosaic_probability = (float)v->input_mosaic_prob,
                                   .min_visible = (float)v->input_min_visible,
                                   .min_side_px = (float)v->input_min_box_side};
}

rep_status rep_setup_detection(rep_detection_setup *out, const rep_values *v, bool is_train) {
    out->options = (rep_detection_loader_options){
        .batch = narrow(is_train ? v->solver_ims_per_batch : v->test_ims_per_batch),
        .is_train = is_train,
        .augment = augment_of(v),
        .targets = {.levels = out->levels,
                    .level_count = v->model_fcos_fpn_strides.count,
                    .radius = (float)v->model_fcos_center_sampling_radius,
                    .is_normalised = v->model_fcos_norm_reg_targets,
                    .is_oks = v->model_keypoint_on && strcmp(v->model_fcos_kps_loss, "oks") == 0},
        .seed = (uint64_t)v->seed,
        .threads = rep_setup_workers(v),
        .is_bad_skipped = v->dataloader_skip_bad};
    REP_TRY(read_levels(out->levels, v));
    REP_TRY(read_sizes(&out->options.sizes, out->min_sizes, out->buckets, v, is_train));
    return rep_setup_normalisation(&out->options.augment.colour, v, 3);
}
