/* data.h - labelled pictures, augmentation, and batches made in the background.
 *
 * A data set gives single pictures, by index; a loader turns them into batches in the background.
 * What a loader gives depends on its seed and batch number alone, never on its threads.
 *
 *     rep_dataset_options where = {.kind = "cifar10", .root = "data/cifar10", .is_train = true};
 *     REP_TRY(rep_dataset_open(&set, &where));
 *     rep_loader_options how = {.batch = 64, .is_train = true, .augment = augment, .threads = 1};
 *     REP_TRY(rep_loader_create(&loader, set, &how));
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

/* ---- data sets ------------------------------------------------------------------------------ */

typedef struct rep_dataset_info {
    const char *kind;                /* "cifar10", "cifar100", "mnist", "idx", "folder", "drawn" */
    size_t count;                    /* pictures, at least 1 */
    int32_t channels, height, width; /* of one picture */
    int32_t class_count;
    const char *const *class_names; /* class_count strings */
    const char *const *files;       /* what was read: file_count paths; a folder set: its split */
    size_t file_count;
} rep_dataset_info;

typedef struct rep_dataset_options {
    const char *kind, *root;
    bool is_train;
    int32_t height, width, channels; /* folder: what pictures become; other kinds have their own */
    uint64_t seed;                   /* drawn only */
    size_t count;                    /* drawn: pictures, 0 = 10,000 (test 2,000); others: 0 = all */
} rep_dataset_options;

/* Opens one split. Kinds, with the files looked for under `root`:
 *   "cifar10"   data_batch_<n>.bin, as many as there are; test_batch.bin; batches.meta.txt
 *   "cifar100"  train.bin, test.bin (fine labels); fine_label_names.txt
 *   "mnist"     train-images-idx3-ubyte and -labels-idx1-, t10k-...; each plain or .gz; 10 classes
 *   "idx"       the same files with any number of classes (largest training label + 1)
 *   "folder"    train/<class>/x.jpg|jpeg|png and val/ or test/; classes in byte order of their
 *               names, those of train. A picture is cut to the wanted aspect ratio round its
 *               middle, then resized.
 *   "drawn"     built in: root NULL, depends on (seed, split, index) alone
 * Missing name files give the published names ("class 7" where there are none). With `count` the
 * first so many pictures are taken, of a folder set evenly many from everywhere.
 * Labels are checked here. Errors: REP_ERR_DATA / REP_ERR_IO name file, place and remedy. */
REP_NODISCARD rep_status rep_dataset_open(rep_dataset **out, const rep_dataset_options *options);
void rep_dataset_close(rep_dataset *dataset);
/* Borrowed, with every string in it, until the data set is closed. */
const rep_dataset_info *rep_dataset_info_get(const rep_dataset *dataset);
/* Whether all sets of this kind have the same pictures ("cifar10", "cifar100", "mnist", "drawn"),
 * and then their channels, height, width and class count, without opening one; other fields are 0.
 */
bool rep_dataset_info_known(rep_dataset_info *out, const char *kind);
/* One picture as height x width x channels bytes, and its label. Thread safe. A folder set decodes
 * here: REP_ERR_DATA / REP_ERR_IO for a picture that is damaged or gone. */
REP_NODISCARD rep_status rep_dataset_read(const rep_dataset *dataset, size_t index, uint8_t *pixels,
                                          int32_t *label);

/* ---- pictures ------------------------------------------------------------------------------- */

/* An 8-bit picture, interleaved channels. */
typedef struct rep_image {
    int32_t width, height, channels;
    uint8_t *pixels; /* width * height * channels, owned */
} rep_image;
/* Decodes JPEG or PNG bytes to `channels` (1 or 3): EXIF orientation applied; grey, CMYK, YCCK,
 * palette and 16 bit converted; transparency laid over black. `name` is used in messages. A file
 * that ends early is an error, not half a picture. Refuses more than 100 megapixels. */
REP_NODISCARD rep_status rep_image_decode(rep_image *out, const char *name, const uint8_t *bytes,
                                          size_t count, int32_t channels);
REP_NODISCARD rep_status rep_image_load(rep_image *out, const char *path, int32_t channels);
/* Bilinear; on the way down every source pixel counts (a triangle as wide as the reduction). */
REP_NODISCARD rep_status rep_image_resize(rep_image *out, const rep_image *in, int32_t width,
                                          int32_t height);
/* Encodes 1 or 3 channels as PNG into *count bytes: free(*out). */
REP_NODISCARD rep_status rep_image_encode_png(uint8_t **out, size_t *count, const rep_image *in);
/* The same into a file, whole or not at all. */
REP_NODISCARD rep_status rep_image_save_png(const char *path, const rep_image *in);
void rep_image_clear(rep_image *image);

/* ---- batches -------------------------------------------------------------------------------- */

/* Applied in this order: jitter, crop, flip, normalisation, cutout. What padding and cutout leave
 * is 0 after normalisation, the mean colour. */
typedef struct rep_augment {
    int32_t pad;            /* pixels added round the picture before a random crop back; 0 off */
    float flip_probability; /* horizontal */
    float brightness, contrast, saturation, hue; /* jitter ranges, 0 off (torchvision's meaning) */
    int32_t cutout;                              /* side of the erased square in pixels, 0 off */
    float mean[4], std[4]; /* normalised value = (pixel / 255 - mean) / std; every std > 0 */
    bool is_reversed;      /* channels come out in the order blue, green, red */
} rep_augment;

typedef struct rep_loader_options {
    int32_t batch;
    bool is_train;       /* shuffles and augments; otherwise in order, last batch short */
    rep_augment augment; /* in evaluation only its mean and std */
    uint64_t seed;
    uint64_t first_batch; /* resume: batches already taken since the start of training */
    int threads;          /* background workers, at least 1; the batches do not depend on it */
} rep_loader_options;

typedef struct rep_batch {
    const float *images;   /* batch x height x width x channels: storage order of {n, c, h, w} */
    const int32_t *labels; /* batch; -1 beyond `valid` */
    const uint32_t *ids;   /* batch: index of each picture in the data set */
    int32_t valid;         /* rows that count; beyond them images and ids are 0 */
    uint64_t epoch, index; /* epoch number and batch number since the start */
} rep_batch;

/* Starts the background workers. In training every epoch is a new permutation of the set keyed by
 * (seed, epoch), of which the last incomplete batch is dropped, and the random numbers of a picture
 * are keyed by (seed, epoch, picture). The data set is borrowed. Errors: REP_ERR_ARGUMENT for
 * options that make no sense, REP_ERR_DATA when a training batch is larger than the data. */
REP_NODISCARD rep_status rep_loader_create(rep_loader **out, const rep_dataset *dataset,
                                           const rep_loader_options *options);
/* Stops the workers, whatever they are doing. */
void rep_loader_destroy(rep_loader *loader);
/* The next batch, borrowed until the next call. In evaluation *out is NULL after the last one. A
 * picture that could not be read is reported when its batch is due, and again by every later call.
 * One thread at a time. */
REP_NODISCARD rep_status rep_loader_next(rep_loader *loader, const rep_batch **out);
/* The batch that rep_loader_next gives next, without taking it: NULL when it is not made yet,
 * cannot be made or does not come. The batch taken last stays borrowed, too. */
const rep_batch *rep_loader_peek(rep_loader *loader);
/* Batches of one epoch. */
size_t rep_loader_epoch_batches(const rep_loader *loader);

#ifdef __cplusplus
}
#endif
#endif
