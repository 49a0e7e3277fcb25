/* setup.c - the configuration as the structs of the other rooms. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "train/train.h"

const char *rep_setup_device(const rep_train_options *options) {
    if (options->device != NULL) { return options->device; }
    return rep_config_values(options->config)->device;
}

void rep_setup_log_device(const rep_device *device, const char *asked) {
    rep_device_info d;
    char reason[420];
    rep_device_describe(device, &d);
    if (asked == NULL || strcmp(asked, "auto") == 0) {
        rep_device_explain_auto(reason, sizeof reason);
    } else {
        snprintf(reason, sizeof reason, "\"%.100s\" was asked for", asked);
    }
    if (d.is_vulkan) {
        rep_log(REP_LOG_INFO, "device %s: %s, %s, driver %s, Vulkan %s; %s", d.name, d.description,
                d.kind, d.driver, d.api, reason);
    } else {
        rep_log(REP_LOG_INFO, "device %s, %d threads: %s; %s", d.name, d.threads, d.description,
                reason);
    }
}

rep_status rep_path_join(char *path, const char *folder, const char *name) {
    const int length = snprintf(path, REP_PATH_BYTES, "%s/%s", folder, name);
    if (length < 0 || length >= REP_PATH_BYTES) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "%s/%s: the path is longer than %d bytes; choose a shorter "
                        "OUTPUT_DIR",
                        folder, name, REP_PATH_BYTES - 1);
    }
    return REP_OK;
}

/* ---- data
 * ---------------------------------------------------------------------------------------- */

enum { MOST_SIDE_PX = 4096 };

static bool is_side(double side) {
    return side >= 1 && side <= MOST_SIDE_PX && side == floor(side);
}

/* INPUT.SIZE, a side or height and width. */
static rep_status read_sides(int32_t *height, int32_t *width, const rep_numbers size) {
    for (size_t i = 0; i < size.count; i++) {
        if (size.count > 2 || !is_side(size.items[i])) {
            return rep_fail(REP_ERR_CONFIG,
                            "INPUT.SIZE: wanted one or two whole numbers from 1 to %d",
                            MOST_SIDE_PX);
        }
    }
    *height = (int32_t)size.items[0];
    *width = (int32_t)size.items[size.count - 1];
    return REP_OK;
}

/* Only folders of pictures need a size. */
static rep_status read_size(rep_dataset_options *out, const rep_values *v) {
    if (v->input_size.count > 0) { return read_sides(&out->height, &out->width, v->input_size); }
    if (strcmp(v->datasets_name, "folder") != 0) { return REP_OK; }
    return rep_fail(REP_ERR_CONFIG, "INPUT.SIZE: empty, but pictures of a folder need a size; give "
                                    "INPUT.SIZE \"(64, 64)\"");
}

static int32_t pad_side(double side, double multiple) {
    return (int32_t)(multiple > 1 ? ceil(side / multiple) * multiple : side);
}

rep_status rep_setup_detector_size(int32_t *height, int32_t *width, const rep_values *v) {
    if (v->input_size.count > 0) { return read_sides(height, width, v->input_size); }
    const rep_numbers shorter = v->input_min_size_train;
    const double longer = (double)v->input_max_size_train;
    const double multiple = fmin((double)v->dataloader_size_divisibility, MOST_SIDE_PX);
    if (shorter.count == 0 || !is_side(shorter.items[0]) || !is_side(longer)) {
        return rep_fail(REP_ERR_CONFIG,
                        "INPUT.MIN_SIZE_TRAIN, MAX_SIZE_TRAIN: wanted whole numbers from 1 to %d, "
                        "or give INPUT.SIZE",
                        MOST_SIDE_PX);
    }
    *height = pad_side(shorter.items[0], multiple);
    *width = pad_side(longer, multiple);
    return REP_OK;
}

rep_status rep_setup_dataset(rep_dataset **out, const rep_values *v, bool is_train) {
    *out = NULL;
    if (!is_train && v->datasets_test.count == 0) { return REP_OK; }
    const bool is_drawn = strcmp(v->datasets_name, "drawn") == 0;
    const int64_t drawn = is_train ? v->datasets_drawn_count_train : v->datasets_drawn_count_test;
    const int64_t limit = is_train ? v->datasets_limit_train : v->datasets_limit_test;
    const bool is_limited = limit > 0 && (!is_drawn || limit < drawn);
    rep_dataset_options options = {
        .kind = v->datasets_name,
        .root = is_drawn ? NULL : v->datasets_root,
        .is_train = is_train,
        .channels = 3,
        .seed = (uint64_t)v->datasets_drawn_seed,
        .count = (size_t)(is_drawn && !is_limited ? drawn : limit),
    };
    REP_TRY(read_size(&options, v));
    return rep_dataset_open(out, &options);
}

/* PIXEL_MEAN and PIXEL_STD in the order and units of INPUT.TO_BGR255, as 0..1 RGB. */
static rep_status read_normalisation(rep_augment *out, const rep_values *v, int32_t channels) {
    const rep_numbers mean = v->input_pixel_mean, std = v->input_pixel_std;
    const size_t count = (size_t)channels;
    if ((mean.count != 1 && mean.count < count) || (std.count != 1 && std.count < count)) {
        return rep_fail(REP_ERR_CONFIG,
                        "INPUT.PIXEL_MEAN, PIXEL_STD: found %zu and %zu numbers; wanted one per "
                        "channel (%zu) or one for all",
                        mean.count, std.count, count);
    }
    const double unit = v->input_to_bgr255 ? 255 : 1;
    for (size_t c = 0; c < count; c++) {
        const size_t from = v->input_to_bgr255 && count == 3 ? count - 1 - c : c;
        const double s = std.items[std.count == 1 ? 0 : from];
        if (!(s > 0)) {
            return rep_fail(REP_ERR_CONFIG, "INPUT.PIXEL_STD: found %g; wanted more than 0", s);
        }
        out->mean[c] = (float)(mean.items[mean.count == 1 ? 0 : from] / unit);
        out->std[c] = (float)(s / unit);
    }
    return REP_OK;
}

rep_status rep_setup_loader(rep_loader_options *out, const rep_values *v,
                            const rep_dataset_info *info, bool is_train) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int64_t most = cores > 0 ? cores : 1, wanted = v->dataloader_num_workers;
    const int64_t threads = wanted < most ? wanted : most;
    rep_loader_options options = {
        .batch = (int32_t)(is_train ? v->solver_ims_per_batch : v->test_ims_per_batch),
        .is_train = is_train,
        .augment = {.pad = (int32_t)v->input_pad,
                    .flip_probability = (float)v->input_flip_prob_train,
                    .brightness = (float)v->input_brightness,
                    .contrast = (float)v->input_contrast,
                    .saturation = (float)v->input_saturation,
                    .hue = (float)v->input_hue,
                    .cutout = (int32_t)v->input_cutout,
                    .is_reversed = v->input_to_bgr255 && info->channels == 3},
        .seed = (uint64_t)v->seed,
        .threads = threads > 1 ? (int)threads : 1,
    };
    REP_TRY(read_normalisation(&options.augment, v, info->channels));
    *out = options;
    return REP_OK;
}

/* ---- optimizer
 * ----------------------------------------------------------------------------------- */

/* The factor of the user's training code: decay is meant for 64 pictures per update, which small
 * batches are taken to reach by accumulation. round() is half to even, as Python's. */
static double decay_factor(const rep_values *v) {
    if (!v->solver_decay_scaling) { return 1; }
    const double batch = (double)v->solver_ims_per_batch;
    const double steps = fmax(1, nearbyint(64 / batch));
    return batch * steps / 64;
}

/* The choices of ADAMW_MASK in the order of rep_adamw_params.mask; options.def admits no others. */
static rep_uint mask_of(const char *text) {
    return strcmp(text, "signed") == 0 ? 1 : strcmp(text, "abs") == 0 ? 2 : 0;
}

void rep_setup_optimizer(rep_optimizer_spec *out, const rep_values *v) {
    const double factor = decay_factor(v);
    *out = (rep_optimizer_spec){
        .is_adamw = strcmp(v->solver_optimizer, "adamw") == 0,
        .sgd = {.momentum = (float)v->solver_momentum,
                .dampening = (float)v->solver_dampening,
                .nesterov = v->solver_nesterov},
        .adamw = {.beta1 = (float)v->solver_beta1,
                  .beta2 = (float)v->solver_beta2,
                  .eps = (float)v->solver_adamw_eps,
                  .mask = mask_of(v->adamw_mask)},
        .lr_factor_bias = (float)v->solver_bias_lr_factor,
        .weight_decay = (float)(v->solver_weight_decay * factor),
        .weight_decay_bias = (float)(v->solver_weight_decay_bias * factor),
        .weight_decay_norm = (float)(v->solver_weight_decay_norm * factor),
        .clip_norm = (float)v->solver_clip_grad,
        .clip_is_plain = v->solver_clip_plain,
        .ema_decay = (float)v->solver_ema_decay,
        .accumulates = v->solver_accumulate_steps > 1,
    };
}
