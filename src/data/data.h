/* data.h - the data room: what a data set is inside, and the pieces pictures are made of. */
#ifndef REP_DATA_DATA_H
#define REP_DATA_DATA_H

#include "base/base.h"
#include "repopt/data.h"
#include "repopt/detection.h"

enum { REP_DATA_PATH_BYTES = 4096, REP_DATA_LINE_BYTES = 256, REP_IMAGE_MEGAPIXELS = 100 };

/* ---- data sets ------------------------------------------------------------------------------ */

/* What a kind of data set does. `state` is its own memory, made by its open function. */
typedef struct rep_dataset_class {
    rep_status (*read)(const rep_dataset *set, size_t index, uint8_t *pixels, int32_t *label);
    void (*close)(rep_dataset *set); /* also after an open that failed halfway */
} rep_dataset_class;

struct rep_dataset {
    rep_dataset_info info;
    const rep_dataset_class *methods;
    void *state;
    rep_arena arena;    /* names and paths */
    const char **files; /* grown in the arena by rep_dataset_add_file */
    size_t file_capacity;
};

/* One per kind: fills a zeroed set. On failure the caller closes what is there. */
REP_NODISCARD rep_status rep_cifar_open(rep_dataset *set, const rep_dataset_options *options);
REP_NODISCARD rep_status rep_idx_open(rep_dataset *set, const rep_dataset_options *options);
REP_NODISCARD rep_status rep_folder_open(rep_dataset *set, const rep_dataset_options *options);
REP_NODISCARD rep_status rep_drawn_open(rep_dataset *set, const rep_dataset_options *options);

/* Notes a file that was read. */
REP_NODISCARD rep_status rep_dataset_add_file(rep_dataset *set, const char *path);
/* Sets info.class_names to `names`, or to "class 0", "class 1", ... when NULL. Copied. */
REP_NODISCARD rep_status rep_dataset_set_names(rep_dataset *set, const char *const *names,
                                               int32_t count);
/* Sets them from a text file, one name per line, exactly `count` of them. */
REP_NODISCARD rep_status rep_dataset_load_names(rep_dataset *set, const char *path, int32_t count);
/* Fisher and Yates, from the identity: order[count] depends on (seed, epoch) alone. */
void rep_data_shuffle(uint32_t *order, size_t count, uint64_t seed, uint64_t epoch);
/* "folder/name" into path[REP_DATA_PATH_BYTES]. */
REP_NODISCARD rep_status rep_data_path(char *path, const char *folder, const char *name);
/* Takes the line at *cursor, blanks at both ends removed, and moves on behind it. REP_ERR_DATA with
 * its number where it is too long or not printable. */
REP_NODISCARD rep_status rep_data_line(char line[REP_DATA_LINE_BYTES], const uint8_t **cursor,
                                       const uint8_t *end, const char *path, size_t number);

/* ---- pictures ------------------------------------------------------------------------------- */

/* Allocates zeroed pixels; REP_ERR_DATA beyond REP_IMAGE_MEGAPIXELS or for empty sides. */
REP_NODISCARD rep_status rep_image_init(rep_image *out, const char *name, uint32_t width,
                                        uint32_t height, int32_t channels);
/* How small a picture may come, the right way up, and how large it is. A JPEG is decoded at the
 * lowest of its scales m / 8 that is at least so large; a least of 0 asks for all of it. */
typedef struct rep_image_scaling {
    int32_t least_width, least_height; /* given */
    int32_t full_width, full_height;   /* found */
} rep_image_scaling;
/* As rep_image_decode and rep_image_load. */
REP_NODISCARD rep_status rep_image_decode_scaled(rep_image *out, rep_image_scaling *scaling,
                                                 const char *name, const uint8_t *bytes,
                                                 size_t count, int32_t channels);
REP_NODISCARD rep_status rep_image_load_scaled(rep_image *out, rep_image_scaling *scaling,
                                               const char *path, int32_t channels);
/* Decode to 1 or 3 channels, whichever is natural, and tell the EXIF orientation, 1 .. 8. A picture
 * comes as it lies in the file; what `scaling` says is the right way up. */
REP_NODISCARD rep_status rep_jpeg_decode(rep_image *out, int *orientation,
                                         rep_image_scaling *scaling, const char *name,
                                         const uint8_t *bytes, size_t count);
REP_NODISCARD rep_status rep_png_decode(rep_image *out, int *orientation, const char *name,
                                        const uint8_t *bytes, size_t count);
/* The orientation tag of an EXIF block (TIFF header first); 1 when absent or damaged. */
int rep_exif_orientation(const uint8_t *bytes, size_t count);
/* Whether rows and columns change places. */
bool rep_orientation_swaps(int orientation);
/* x as a whole number within 0 .. most, which is 0 at least; 0 also for what is no number. */
int32_t rep_pixel_bound(double x, int32_t most);
typedef struct rep_rect {
    int32_t left, top, width, height;
} rep_rect;
/* Resizes a part of `in`, which must lie inside it; see rep_image_resize. */
REP_NODISCARD rep_status rep_image_resize_part(rep_image *out, const rep_image *in, rep_rect part,
                                               int32_t width, int32_t height);

/* ---- augmentation --------------------------------------------------------------------------- */

typedef struct rep_augmenter {
    rep_augment options;
    int32_t height, width, channels;
    float table[4][256]; /* normalised value of a byte, per channel */
} rep_augmenter;
/* REP_ERR_ARGUMENT unless value is a number from least to most. */
REP_NODISCARD rep_status rep_augment_check(const char *name, float value, float least, float most);
/* REP_ERR_ARGUMENT names the option that is out of range. */
REP_NODISCARD rep_status rep_augmenter_init(rep_augmenter *out, const rep_augment *options,
                                            const rep_dataset_info *info);
/* pixels[h][w][c] -> out[h][w][c], normalised only. */
void rep_augment_plain(const rep_augmenter *a, const uint8_t *pixels, float *out);
/* What rep_augment_random does to colours and nothing else: jitter, then normalisation, of
 * `pixel_count` pixels; a NULL rng leaves jitter out. */
void rep_augment_colours(const rep_augmenter *a, rep_rng *rng, const uint8_t *pixels,
                         size_t pixel_count, float *out);
/* The same with everything else; `rng` starts at the picture's own key. scratch: h * w * c. */
void rep_augment_random(const rep_augmenter *a, rep_rng *rng, const uint8_t *pixels, float *scratch,
                        float *out);

/* ---- FCOS targets --------------------------------------------------------------------------- */

/* The objects of one picture as a detector is trained on them. */
typedef struct rep_fcos_truth {
    size_t count;
    const float *boxes;     /* count x 4: x1, y1, x2, y2 in pixels */
    const int32_t *labels;  /* count: category + 1 */
    const float *keypoints; /* count x K x 3: x, y, v; NULL: none given */
} rep_fcos_truth;
typedef struct rep_fcos_spec {
    const rep_fcos_level *levels;
    size_t level_count;
    float radius;       /* candidates lie within radius * stride of a box's centre; 0: in the box */
    bool is_normalised; /* distances are divided by the stride */
    int32_t keypoint_count; /* K */
} rep_fcos_spec;
/* Per location of all levels (rep_fcos_location_count); the caller's arrays, of which every one but
 * `labels` may be NULL. */
typedef struct rep_fcos_targets {
    int32_t *labels;        /* 0 background */
    int32_t *objects;       /* index in the truth, -1 background */
    float *distances;       /* x 4: left, top, right, bottom; 0 in the background, as all below */
    float *centerness;      /* 0 .. 1 */
    float *keypoints;       /* x K x 2: offsets in strides; 0 where v is 0 */
    uint8_t *keypoint_mask; /* x K: 1 where v > 0 */
} rep_fcos_targets;
/* Tian et al., FCOS, ICCV 2019, and its centre sampling. A box with a smaller area, counted as
 * (x2 - x1 + 1) * (y2 - y1 + 1), wins a location; equal areas: the first. Float arithmetic in
 * PyTorch's order; centerness is the nearest float. REP_ERR_ARGUMENT names a bad level or label,
 * REP_ERR_NUMERIC a box that is not finite. */
REP_NODISCARD rep_status rep_fcos_assign(const rep_fcos_targets *out, const rep_fcos_spec *spec,
                                         const rep_fcos_truth *truth);

#endif
