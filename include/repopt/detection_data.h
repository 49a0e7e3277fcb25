/* detection_data.h - pictures with boxes and keypoints as batches made in the background.
 *
 * A detection set is an annotation set and the place where its pictures lie; a loader resizes and
 * augments them and pads them into a few shapes, because the programs that take them are static.
 *
 *     rep_detection_set_options where = {.kind = "coco", .root = "bccd", .annotations = "a.json"};
 *     REP_TRY(rep_detection_set_open(&set, &where));
 *     REP_TRY(rep_detection_loader_create(&loader, set, &how));
 *
 * Coordinates are maskrcnn-benchmark's: a box is x1, y1, x2, y2 with x2 = x + w - 1, the middle of
 * its last pixel; resizing multiplies them by new side / old side, mirroring makes w - 1 - x. */
#ifndef REPOPT_DETECTION_DATA_H
#define REPOPT_DETECTION_DATA_H

#include "repopt/data.h"
#include "repopt/detection.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rep_detection_set rep_detection_set;
typedef struct rep_detection_loader rep_detection_loader;

/* ---- sets ----------------------------------------------------------------------------------- */

typedef struct rep_detection_set_options {
    const char *kind;        /* "coco", "voc", "drawn", "files" */
    const char *root;        /* folder that the names below are relative to */
    const char *images;      /* coco: folder of the pictures; NULL or "": root itself */
    const char *annotations; /* coco: file of instances or person_keypoints */
    const char *split;       /* voc: ImageSets/Main/<split>.txt */
    rep_annotation_options annotation;
    uint64_t seed;   /* drawn: rep_scene_options' */
    bool is_train;   /* drawn: which split */
    size_t count;    /* drawn: pictures */
    int32_t side_px; /* drawn */
    /* files: pictures that nobody annotated, and what may be found on them; borrowed by the set. */
    const char *const *files;
    size_t file_count;
    const rep_category *categories;
    size_t category_count;
    /* Told of each that cannot be read, which is left out then. NULL: it is an error. */
    void (*on_bad)(void *context, const char *file, const char *reason);
    void *context;
    size_t limit; /* only the first so many pictures, in the order of their ids; 0: all */
} rep_detection_set_options;

/* Reads the annotations. Of `options` only what "files" names is borrowed after the call. Errors:
 * those of rep_annotations_load_coco and _voc, REP_ERR_ARGUMENT for an unknown kind or a missing
 * name, REP_ERR_DATA for more than 2^32 - 1 pictures. */
REP_NODISCARD rep_status rep_detection_set_open(rep_detection_set **out,
                                                const rep_detection_set_options *options);
void rep_detection_set_close(rep_detection_set *set);
/* Borrowed; with a limit, only the pictures and objects within it. */
const rep_annotations *rep_detection_set_annotations(const rep_detection_set *set);
/* Picture `index` in colour, free with rep_image_clear. It may come smaller than annotated, but no
 * smaller than least_width x least_height pixels; 0: as large as it is. Thread safe. Errors name
 * the file: REP_ERR_IO, REP_ERR_DATA where it is damaged or not as large as annotated. */
REP_NODISCARD rep_status rep_detection_set_read(rep_image *out, const rep_detection_set *set,
                                                size_t index, int32_t least_width,
                                                int32_t least_height);

/* ---- options -------------------------------------------------------------------------------- */

/* The size of a picture, then the shape of its batch. maskrcnn-benchmark's rule: the shorter side
 * becomes min, less where the longer one would pass max (which rounding may, by a pixel or two);
 * the other keeps the aspect ratio. */
typedef struct rep_detection_sizes {
    const int32_t *min_sizes; /* one is drawn per picture; evaluation takes the first */
    size_t min_size_count;
    bool is_range; /* min_sizes are 2: drawn from all whole numbers between, both included */
    int32_t max_size;
    int32_t height, width; /* both above 0: stretched to this, and none of the above counts */
    int32_t divisibility;  /* sides of batches are multiples of it; 0: 32 */
    /* Shapes of batches, height and width in turn; NULL: at most bucket_most (0: 4) that pad the
     * set the least. A picture goes to the smallest that holds it, and shrinks where none does. */
    const int32_t *buckets;
    size_t bucket_count;
    size_t bucket_most;
    bool is_mixed; /* batches are not grouped by shape: each takes what its pictures need */
} rep_detection_sizes;

/* In evaluation only the mean, std and is_reversed of `colour` count. All of it in this order:
 * mosaic or else zoom, flips, jitter, normalisation. What no picture covers is 0, the mean. */
typedef struct rep_detection_augment {
    rep_augment colour; /* its flip probability is the left-right one; pad and cutout must be 0 */
    float vertical_flip_probability;
    /* Zoom by z^u, u uniform in [-1, 1]: below 1 the picture lies small at a random place of its
     * frame, above 1 a random part fills the frame. */
    float zoom, zoom_probability; /* z >= 1; 0 or 1: off */
    /* The frame is parted at a random point of its middle half, and each part shows the largest
     * part of its own proportions, at a random place, of one picture: the batch's own and three
     * others drawn. */
    float mosaic_probability;
    /* A box is cut to the frame, or its part, and dropped when less than this share of its area, or
     * one side of less than min_side_px, is left, or x2 <= x1 or y2 <= y1. Boxes of the file are
     * cut to their picture first, and that does not count. Keypoints outside get v = 0. */
    float min_visible, min_side_px;
} rep_detection_augment;

/* How FCOS targets are made; heights and widths of the levels follow from the batch's shape. */
typedef struct rep_detection_target_options {
    const rep_fcos_level *levels; /* stride, least, most; at most REP_DETECTION_LEVELS */
    size_t level_count;           /* 0: no targets */
    float radius;                 /* centre sampling in strides, 0: the whole box */
    bool is_normalised;           /* distances in strides */
    bool is_oks;                  /* keypoint weights are object keypoint similarity's */
} rep_detection_target_options;

typedef struct rep_detection_loader_options {
    int32_t batch;
    bool is_train; /* shuffles, augments, makes targets, leaves out crowds and difficult objects */
    rep_detection_sizes sizes;
    rep_detection_augment augment;
    rep_detection_target_options targets;
    uint64_t seed;
    uint64_t first_batch; /* resume: batches already taken since the start of training */
    int threads;          /* background workers, at least 1; the batches do not depend on it */
    /* A picture that cannot be read is an error, or: in training the next of the set that can be
     * read takes its place, in evaluation its row stays empty. */
    bool is_bad_skipped;
} rep_detection_loader_options;

/* ---- batches -------------------------------------------------------------------------------- */

enum { REP_DETECTION_LEVELS = 8 };
typedef struct rep_detection_picture {
    uint32_t index;                  /* in the set's pictures: what is shown, maybe a replacement */
    int32_t true_width, true_height; /* of the file */
    int32_t width, height;           /* in the batch, upper left; the rest is padding */
    double scale_x, scale_y;         /* evaluation: pixels of the file per pixel of the batch */
    size_t first, count;             /* its objects */
    bool is_bad;                     /* evaluation: could not be read, all 0, no objects */
} rep_detection_picture;

/* Arrays over the batch's cells of one level: picture by picture, row by row, channels innermost,
 * as rep_detector_level takes them. Keypoints: NULL where the set has none. */
typedef struct rep_detection_level {
    int32_t stride, height, width;
    const int32_t *labels;         /* 1 .. C, 0 background */
    const float *box_targets;      /* x 4: left, top, right, bottom */
    const float *positives;        /* 1 where the label is a class, else 0 */
    const float *centerness;       /* 0 in the background */
    const float *keypoint_targets; /* x K x 2: offsets in strides */
    const float *keypoint_weights; /* x K x 2: of visible points, see rep_detector_level */
} rep_detection_level;

typedef struct rep_detection_batch {
    const float *images; /* batch x height x width x 3, normalised; 0 in padding and empty rows */
    int32_t bucket, height, width;
    int32_t valid;                         /* rows that count; those beyond are 0, no objects */
    const rep_detection_picture *pictures; /* valid */
    size_t object_count;
    const float *boxes;      /* objects x 4: x1, y1, x2, y2 in pixels of the batch */
    const int32_t *labels;   /* objects: category + 1 */
    const float *keypoints;  /* objects x K x 3: x, y, v; NULL where the set has none */
    const uint32_t *sources; /* objects: index in the set's objects */
    const float *areas;      /* objects: the file's in pixels of the batch, what is cut included */
    const rep_detection_level *levels;
    size_t level_count;                    /* 0 in evaluation */
    double positives, centerness, visible; /* over the batch: for rep_detector_norms_get */
    size_t bad_count;                      /* pictures that could not be read for it */
    uint64_t epoch, index;                 /* epoch number and batch number since the start */
} rep_detection_batch;

/* Starts the background workers; borrows the set. Random numbers are keyed by (seed, epoch,
 * picture). In training every epoch is a new permutation: batches of one shape come as they fill
 * up; what is left goes, shape by shape, into mixed batches at the epoch's end, and what does not
 * fill one is dropped. In evaluation every picture comes once and no batch is mixed. Flips are off,
 * with one warning, where a category has several keypoints and no left_x, right_x pair. Errors:
 * REP_ERR_ARGUMENT for options that make no sense, REP_ERR_CONFIG for is_oks without sigmas,
 * REP_ERR_DATA when a training batch is larger than the data. */
REP_NODISCARD rep_status rep_detection_loader_create(rep_detection_loader **out,
                                                     const rep_detection_set *set,
                                                     const rep_detection_loader_options *options);
/* Stops the workers, whatever they are doing. */
void rep_detection_loader_destroy(rep_detection_loader *loader);
/* As rep_loader_next and rep_loader_peek. */
REP_NODISCARD rep_status rep_detection_loader_next(rep_detection_loader *loader,
                                                   const rep_detection_batch **out);
const rep_detection_batch *rep_detection_loader_peek(rep_detection_loader *loader);
size_t rep_detection_loader_epoch_batches(const rep_detection_loader *loader);
/* Shapes of batches: *height and *width of number `bucket`, smallest area first; their count. */
size_t rep_detection_loader_bucket(int32_t *height, int32_t *width,
                                   const rep_detection_loader *loader, size_t bucket);
typedef struct rep_detection_shape {
    int32_t height, width;
} rep_detection_shape;
/* The same of a loader that is yet to be: shapes[capacity] get them, *count how many there are. */
REP_NODISCARD rep_status rep_detection_shapes(rep_detection_shape *shapes, size_t capacity,
                                              size_t *count, const rep_detection_set *set,
                                              const rep_detection_sizes *sizes);
/* K: the most keypoints that a category has. */
int32_t rep_detection_set_keypoint_count(const rep_detection_set *set);

#ifdef __cplusplus
}
#endif
#endif
