/* detection_loader.h - the pieces of the detection loader: sets, shapes, order, geometry. */
#ifndef REP_DATA_DETECTION_LOADER_H
#define REP_DATA_DETECTION_LOADER_H

#include "data/data.h"
#include "repopt/detection_data.h"

/* ---- sets ----------------------------------------------------------------------------------- */

/* What a kind of set does. `state` is its own memory, made by its open function. */
typedef struct rep_detection_class {
    /* Reads the picture in colour, at the scale asked for or larger, and says how large it is. */
    rep_status (*read)(rep_image *out, rep_image_scaling *scaling, const rep_detection_set *set,
                       size_t index);
    void (*close)(rep_detection_set *set); /* of the state, also after an open that failed */
} rep_detection_class;

struct rep_detection_set {
    const char *kind;
    const rep_detection_class *methods;
    void *state;
    rep_annotations *annotations; /* owned */
    rep_annotations face;         /* the same within the limit */
};

/* detection_drawn.c, detection_files.c: fill a zeroed set. */
REP_NODISCARD rep_status rep_detection_drawn_open(rep_detection_set *set,
                                                  const rep_detection_set_options *options);
REP_NODISCARD rep_status rep_detection_files_open(rep_detection_set *set,
                                                  const rep_detection_set_options *options);

/* ---- shapes --------------------------------------------------------------------------------- */

typedef struct rep_frame {
    int32_t height, width;
} rep_frame;

/* maskrcnn-benchmark's Resize: the shorter side becomes `least`, the longer at most `most`. */
rep_frame rep_frame_resized(int32_t width, int32_t height, int32_t least, int32_t most);
/* The largest frame of the proportions of width : height inside another; at least 1 x 1. */
rep_frame rep_frame_fitted(int32_t width, int32_t height, rep_frame inside);

/* Shapes of batches, smallest area first, and the rule that leads to them. */
typedef struct rep_buckets {
    rep_detection_sizes sizes; /* min_sizes is the copy below, buckets NULL */
    int32_t *min_sizes;
    rep_frame *items;
    size_t count;
} rep_buckets;

/* REP_ERR_ARGUMENT names the size that makes no sense. */
REP_NODISCARD rep_status rep_buckets_init(rep_buckets *out, const rep_detection_sizes *sizes,
                                          const rep_annotations *annotations);
void rep_buckets_clear(rep_buckets *buckets);
/* The shorter side of a picture in an epoch; the first of the sizes where `rng` is NULL. */
int32_t rep_buckets_draw(const rep_buckets *buckets, rep_rng *rng);
/* How large a picture becomes in the best of the shapes, whose number goes to *bucket. */
rep_frame rep_buckets_place(size_t *bucket, const rep_buckets *buckets, const rep_picture *picture,
                            int32_t least);
/* How large it becomes in one that is given. */
rep_frame rep_buckets_fit(const rep_buckets *buckets, const rep_picture *picture, int32_t least,
                          size_t bucket);
/* The smallest shape that holds a frame; the largest where none does. */
size_t rep_buckets_find(const rep_buckets *buckets, rep_frame frame);

/* ---- order ---------------------------------------------------------------------------------- */

/* Which pictures make which batch: one epoch at a time. */
typedef struct rep_detection_plan {
    const rep_buckets *buckets;
    const rep_picture *pictures;
    size_t picture_count, batch, batch_count; /* batches of every epoch */
    uint64_t seed, epoch;                     /* epoch: what is planned, UINT64_MAX at first */
    bool is_train, is_grouped;
    uint32_t *shuffled, *order;  /* picture_count; order: batch after batch */
    uint32_t *open, *open_count; /* [bucket][batch], [bucket]: what waits for company */
    uint32_t *starts;            /* batch_count + 1, in `order` */
    uint32_t *batch_buckets;
} rep_detection_plan;

REP_NODISCARD rep_status rep_detection_plan_init(rep_detection_plan *out,
                                                 const rep_detection_loader_options *options,
                                                 const rep_buckets *buckets,
                                                 const rep_annotations *annotations);
void rep_detection_plan_clear(rep_detection_plan *plan);
/* The pictures of batch `number` since the start, borrowed until the next call; returns how many.
 */
size_t rep_detection_plan_batch(const uint32_t **pictures, uint32_t *bucket,
                                rep_detection_plan *plan, uint64_t number);
/* The shorter side that a picture gets in an epoch. */
int32_t rep_detection_plan_least(const rep_detection_plan *plan, uint64_t epoch, uint32_t picture);

/* ---- geometry ------------------------------------------------------------------------------- */

/* A part of a picture shown as a part of a frame. */
typedef struct rep_placement {
    double left, top, width, height; /* the part, in pixels of the picture */
    rep_rect tile;                   /* where it comes to lie in the frame */
    bool is_mirrored, is_upturned;
} rep_placement;

/* Objects as they come to lie; arrays of the caller with room for all there can be. */
typedef struct rep_placed_objects {
    size_t count;
    float *boxes;     /* x 4 */
    int32_t *labels;  /* category + 1 */
    float *keypoints; /* x K x 3, or NULL */
    uint32_t *sources;
    float *areas;           /* of the whole object, in pixels of the frame */
    int32_t keypoint_count; /* K */
} rep_placed_objects;

/* Appends the objects of picture `index` that are still to be seen, see rep_detection_augment;
 * crowds never, difficult ones where `has_difficult`. */
void rep_placement_objects(rep_placed_objects *out, const rep_placement *placement,
                           const rep_annotations *annotations, size_t index,
                           const rep_detection_augment *rules, bool has_difficult);

/* The whole picture in a frame. */
rep_placement rep_placement_plain(const rep_picture *picture, rep_frame frame);
/* Zoomed by `scale` about the place across, down in [0, 1). */
rep_placement rep_placement_zoomed(const rep_picture *picture, rep_frame frame, double scale,
                                   double across, double down);
/* The largest part of the tile's proportions, at the place across, down of what there is. */
rep_placement rep_placement_covering(const rep_picture *picture, rep_rect tile, double across,
                                     double down);
/* Reads the part of picture `index` that a placement shows, resized to the tile. The part is moved
 * to whole pixels of what was decoded. */
REP_NODISCARD rep_status rep_placement_read(rep_image *out, rep_placement *placement,
                                            const rep_detection_set *set, size_t index);

/* ---- rows ----------------------------------------------------------------------------------- */

/* One row of a batch as it is made. */
typedef struct rep_detection_row {
    const rep_detection_set *set;
    const rep_detection_loader_options *options;
    const rep_buckets *buckets;
    const rep_augmenter *augmenter;
    bool can_flip;
    uint64_t epoch;
    size_t bucket;
    int32_t least;                  /* the shorter side drawn for it */
    float *scratch;                 /* values of one picture of the shape */
    float *pixels;                  /* height x width x 3 of the shape, zeroed */
    rep_detection_picture *picture; /* index given, the rest made */
    rep_placed_objects *objects;    /* appended to */
    size_t bad_count;               /* pictures that could not be read */
} rep_detection_row;

/* REP_ERR_IO, REP_ERR_DATA as options->is_bad_skipped has it. */
REP_NODISCARD rep_status rep_detection_row_make(rep_detection_row *row);

/* ---- targets -------------------------------------------------------------------------------- */

/* FCOS targets of one batch, for batches of any of the shapes. */
typedef struct rep_detection_targets {
    rep_detection_target_options options; /* levels NULL: the copies are below */
    rep_fcos_level specs[REP_DETECTION_LEVELS];
    rep_detection_level levels[REP_DETECTION_LEVELS];
    size_t batch;
    int32_t keypoint_count;
    int32_t *labels;
    float *boxes, *positives, *centerness, *keypoints, *weights;
    const rep_category *categories; /* of the set */
    uint8_t *mask;                  /* of one picture, as objects */
    int32_t *objects;               /* which each cell learns */
    double positive_sum, centerness_sum, visible_sum;
} rep_detection_targets;

/* Borrows the set's categories. */
REP_NODISCARD rep_status rep_detection_targets_init(rep_detection_targets *out,
                                                    const rep_detection_target_options *options,
                                                    size_t batch, const rep_detection_set *set,
                                                    const rep_buckets *buckets);
void rep_detection_targets_clear(rep_detection_targets *targets);
/* Begins a batch: levels for its shape, sums 0. */
void rep_detection_targets_start(rep_detection_targets *targets, rep_frame frame);
/* Those of one row; `truth` holds its objects, `areas` their areas. */
REP_NODISCARD rep_status rep_detection_targets_assign(rep_detection_targets *targets, size_t row,
                                                      const rep_fcos_truth *truth,
                                                      const float *areas);

#endif
