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

bool rep_setup_is_double(const rep_device *device) {
    rep_device_info info;
    rep_device_describe(device, &info);
    return strcmp(info.name, "cpu:float64") == 0;
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

rep_status rep_setup_size(int32_t *height, int32_t *width, const rep_values *v) {
    const rep_numbers size = v->input_size;
    if (size.count == 0) {
        return rep_fail(REP_ERR_CONFIG,
                        "INPUT.SIZE: empty, but pictures of a folder need a size; give "
                        "INPUT.SIZE \"(64, 64)\"");
    }
    for (size_t i = 0; i < size.count; i++) {
        const double side = size.items[i];
        if (size.count > 2 || !(side >= 1 && side <= 4096) || side != floor(side)) {
            return rep_fail(REP_ERR_CONFIG, "INPUT.SIZE: wanted one or two whole numbers from 1 to "
                                            "4096");
        }
    }
    *height = (int32_t)size.items[0];
    *width = (int32_t)size.items[size.count - 1];
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
    /* Only folders of pictures need a size. */
    if (v->input_size.count > 0 || strcmp(v->datasets_name, "folder") == 0) {
        REP_TRY(rep_setup_size(&options.height, &options.width, v));
    }
    return rep_dataset_open(out, &options);
}

rep_status rep_setup_normalisation(rep_augment *out, const rep_values *v, int32_t channels) {
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

int rep_setup_workers(const rep_values *v) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const int64_t most = cores > 0 ? cores : 1, wanted = v->dataloader_num_workers;
    const int64_t threads = wanted < most ? wanted : most;
    return threads > 1 ? (int)threads : 1;
}

rep_status rep_setup_loader(rep_loader_options *out, const rep_values *v,
                            const rep_dataset_info *info, bool is_train) {
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
        .threads = rep_setup_workers(v),
    };
    REP_TRY(rep_setup_normalisation(&options.augment, v, info->channels));
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
