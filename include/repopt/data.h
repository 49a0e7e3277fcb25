/* data.h - labelled pictures, augmentation, and batches made in the background.
 *
 *     rep_dataset *set = NULL;
 *     rep_loader *loader = NULL;
 *     REP_TRY(rep_dataset_open(&set, "cifar10", "data/cifar10", true));
 *     REP_TRY(rep_loader_create(&loader, set, &options));
 *     const rep_batch *batch = NULL;
 *     REP_TRY(rep_loader_next(loader, &batch));
 */
#ifndef REPOPT_DATA_H
#define REPOPT_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repopt/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rep_dataset rep_dataset;
typedef struct rep_loader rep_loader;

typedef struct rep_dataset_info {
    const char *kind; /* "cifar10", "cifar100", "idx", "folder", "drawn" */
    size_t count;
    int32_t channels, height, width; /* of one picture; folders: 0 x 0 until resized */
    int32_t class_count;
    const char *const *class_names;  /* class_count borrowed strings */
} rep_dataset_info;

/* Opens one split. kind: "cifar10" | "cifar100" (binary version), "mnist" | "idx" (IDX, also .gz),
 * "folder" (<root>/train/<class>/x.jpg, <root>/val/...), "drawn" (built-in; root NULL).
 * Errors: REP_ERR_DATA / REP_ERR_IO name the file and the remedy. */
typedef struct rep_dataset_options {
    const char *kind, *root;
    bool is_train;
    int32_t height, width, channels; /* folder: size decoded pictures are resized to; drawn: ignored */
    uint64_t seed;                   /* drawn only */
    size_t count;                    /* drawn: pictures; others: first `count` only, 0 = all */
} rep_dataset_options;
REP_NODISCARD rep_status rep_dataset_open(rep_dataset **out, const rep_dataset_options *options);
void rep_dataset_close(rep_dataset *dataset);
const rep_dataset_info *rep_dataset_info_get(const rep_dataset *dataset);
/* One picture as height x width x channels bytes, and its label. Thread safe. */
REP_NODISCARD rep_status rep_dataset_read(const rep_dataset *dataset, size_t index,
                                          uint8_t *pixels, int32_t *label);

/* An 8-bit picture, interleaved channels. */
typedef struct rep_image {
    int32_t width, height, channels;
    uint8_t *pixels; /* width * height * channels, owned */
} rep_image;
/* Decodes JPEG or PNG bytes (EXIF orientation applied; grey, CMYK, palette and 16 bit converted) to
 * `channels` (1 or 3). `name` is used in messages. Bounded: refuses more than 100 megapixels. */
REP_NODISCARD rep_status rep_image_decode(rep_image *out, const char *name, const uint8_t *bytes,
                                          size_t count, int32_t channels);
REP_NODISCARD rep_status rep_image_load(rep_image *out, const char *path, int32_t channels);
REP_NODISCARD rep_status rep_image_resize(rep_image *out, const rep_image *in, int32_t width,
                                          int32_t height);
/* Encodes as PNG into malloc'd bytes. */
REP_NODISCARD rep_status rep_image_encode_png(uint8_t **out, size_t *count, const rep_image *in);
void rep_image_clear(rep_image *image);

typedef struct rep_augment {
    int32_t pad;             /* zero padding before a random crop back to size; 0 off */
    float flip_probability;  /* horizontal */
    float brightness, contrast, saturation, hue; /* jitter ranges, 0 off (torchvision's meaning) */
    int32_t cutout;          /* side of the zeroed square in pixels, 0 off */
    float mean[4], std[4];   /* normalised value = (pixel / 255 - mean) / std */
} rep_augment;

typedef struct rep_loader_options {
    int32_t batch;
    bool is_train;           /* shuffles and augments; otherwise in order, last batch short */
    rep_augment augment;
    uint64_t seed;
    uint64_t first_batch;    /* resume: batches already taken since the start of training */
    int threads;             /* background workers; the batches do not depend on it */
} rep_loader_options;

typedef struct rep_batch {
    const float *images;     /* batch x height x width x channels, storage order of a {n,c,h,w} tensor */
    const int32_t *labels;   /* batch; -1 beyond `valid` */
    const uint32_t *ids;     /* batch: index of each picture in the data set */
    int32_t valid;           /* rows that count */
    uint64_t epoch, index;   /* epoch number and batch number since the start */
} rep_batch;

/* Starts the background workers. In training every epoch is a new permutation of the set keyed by
 * (seed, epoch), of which the last incomplete batch is dropped. Error: REP_ERR_DATA when the batch
 * is larger than the data. */
REP_NODISCARD rep_status rep_loader_create(rep_loader **out, const rep_dataset *dataset,
                                           const rep_loader_options *options);
void rep_loader_destroy(rep_loader *loader);
/* The next batch, borrowed until the next call. In evaluation *out is NULL after the last one. */
REP_NODISCARD rep_status rep_loader_next(rep_loader *loader, const rep_batch **out);
size_t rep_loader_epoch_batches(const rep_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
