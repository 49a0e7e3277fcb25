/* detector.h - RepOpt-FPN-YUMIN with an FCOS head: boxes, classes, centerness and keypoints.
 *
 * The net is a rep_model: scales, re-initialisation, masks, optimizer and checkpoints treat its
 * blocks as they treat a classifier's. Targets are inputs of the training graph.
 *
 *     rep_detector_spec spec;
 *     rep_detector_spec_init(&spec, 3, 5);
 *     REP_TRY(rep_detector_build(&model, graph, &spec, REP_MODE_TARGET, true, 4, 320, 320));
 *     const rep_detector_io *io = rep_detector_io_get(model);
 *     REP_TRY(rep_program_write(program, io->levels[0].labels, labels, 4 * 40 * 40));
 */
#ifndef REPOPT_DETECTOR_H
#define REPOPT_DETECTOR_H

#include "repopt/model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    REP_DETECTOR_STAGES = 5, /* stem and ERBlock_2 .. ERBlock_5, strides 2 .. 32 */
    REP_DETECTOR_LEVELS = 5  /* P3 .. P7, strides 8 .. 128 */
};

/* Box losses; the values of rep_loss_params.kind. */
typedef enum rep_iou_kind { REP_IOU_LOG, REP_IOU_LINEAR, REP_IOU_GENERAL } rep_iou_kind;

/* Keypoint losses: OKS is 1 - exp(-w d^2) of a point, and what w is says keypoint_weights. */
typedef enum rep_keypoint_loss { REP_KEYPOINT_SMOOTH_L1, REP_KEYPOINT_OKS } rep_keypoint_loss;

/* The losses of one step, in the order of rep_detector_io.losses. */
typedef enum rep_detector_loss {
    REP_LOSS_CLASSES,    /* sigmoid focal loss / positives */
    REP_LOSS_BOXES,      /* IoU loss weighted by centerness / sum of centerness */
    REP_LOSS_CENTERNESS, /* cross-entropy of positives / positives */
    REP_LOSS_KEYPOINTS,  /* of visible points of positives / visible points */
    REP_DETECTOR_LOSSES
} rep_detector_loss;

typedef struct rep_detector_spec {
    int32_t in_channels;
    int32_t num_classes;   /* without the background */
    int32_t num_keypoints; /* 0: no keypoint tower */
    int32_t channels[REP_DETECTOR_STAGES];
    int32_t repeats[REP_DETECTOR_STAGES]; /* blocks behind a stage's stride-2 block; stem: 1 */
    int32_t fpn_channels;
    int32_t tower_blocks; /* of each tower of the head */
    /* Outputs of cls_logits: the classes first, centerness last (not with centerness_on_reg), what
     * lies between is unused; at least what they need. */
    int32_t cls_channels;
    rep_act act;            /* of the blocks: RELU or RELU6 */
    bool has_level_norms;   /* BN of each level its own: "<block>.bn.<level>.weight" ... */
    bool centerness_on_reg; /* centerness from the box tower, by head.centerness */
    bool relu_before_extra; /* ReLU in front of the second extra convolution of the pyramid */
    bool norm_reg_targets;  /* distances in strides, by ReLU; false: in pixels, by exp */
    float prior_prob;       /* class probability at the start; 0: biases as drawn */
    rep_iou_kind iou_kind;
    float focal_alpha, focal_gamma;
    rep_keypoint_loss keypoint_loss;
    float keypoint_beta; /* smooth L1 is quadratic below it, in strides */
    float loss_weights[REP_DETECTOR_LOSSES];
    float bn_eps, bn_momentum;
    uint32_t conv_algo; /* 0 rule, 1 direct, 2 winograd */
    bool is_deployed;   /* evaluation graphs: BN folded into one convolution per block */
    bool is_half;       /* activations in f16; parameters, statistics, loss f32 */
} rep_detector_spec;

/* What the body of a configuration is. */
typedef enum rep_body { REP_BODY_VGG, REP_BODY_YUMIN } rep_body;

/* Reads MODEL.BACKBONE.CONV_BODY. REP_ERR_CONFIG for one that is not built here, or for deformable
 * convolutions: names the key, its value and what there is. */
REP_NODISCARD rep_status rep_body_from_config(rep_body *out, const rep_values *values);

/* The published net for 3-channel pictures: channels 32 .. 384, repeats 1, 3, 3, 4, 3, pyramid of
 * 96, towers of 3, 16 class outputs (or classes + 1 where those are more), ReLU6, shared BN, GIoU
 * on distances in strides, focal loss 0.25 and 2, all losses of weight 1. */
void rep_detector_spec_init(rep_detector_spec *out, int32_t num_classes, int32_t num_keypoints);

/* Fills a spec from MODEL.YUMIN, MODEL.FCOS and MODEL.BN keys. `num_keypoints` is the data set's; a
 * negative one is not known: MODEL.KEYPOINT_ON and MODEL.ROI_KEYPOINT_HEAD.NUM_CLASSES decide.
 * Errors: REP_ERR_CONFIG names the key, the value and what is wanted. */
REP_NODISCARD rep_status rep_detector_spec_from_config(rep_detector_spec *out,
                                                       const rep_values *values,
                                                       int32_t in_channels, int32_t num_keypoints);

/* One level of the pyramid, {n, c, height, width} everywhere; in memory pixel by pixel, a pixel's
 * channels side by side. Targets exist in training graphs only; without a keypoint tower what
 * belongs to keypoints is 0. */
typedef struct rep_detector_level {
    int32_t height, width; /* cells */
    int32_t stride_px;
    rep_id pyramid; /* c = fpn_channels */
    /* Outputs. */
    rep_id classes;    /* logits, c = num_classes */
    rep_id boxes;      /* distances l, t, r, b >= 0; training: in the targets' unit, else pixels */
    rep_id centerness; /* logit, c = 1 */
    rep_id keypoints;  /* offsets dx0, dy0, dx1 .. in strides, c = 2 * num_keypoints */
    /* Targets, written before each step. */
    rep_id labels;            /* i32, c = 1: 1 .. num_classes, 0 background, -1 left out */
    rep_id box_targets;       /* c = 4, in strides or pixels (norm_reg_targets) */
    rep_id positives;         /* c = 1: 1 where the label is a class, else 0 */
    rep_id centerness_target; /* c = 1, 0 outside positives */
    rep_id keypoint_targets;  /* c = 2 * num_keypoints */
    /* The same; for both coordinates of a positive's visible points 1, or for REP_KEYPOINT_OKS
     * stride^2 / (2 area (2 sigma)^2), area in pixels of the picture; 0 elsewhere. */
    rep_id keypoint_weights;
} rep_detector_level;

typedef struct rep_detector_io {
    rep_id image;                           /* {n, in_channels, height, width} */
    rep_id stages[REP_DETECTOR_STAGES - 1]; /* C2 .. C5 */
    rep_detector_level levels[REP_DETECTOR_LEVELS];
    /* Training: factors {1, losses, 1, 1} of the sums, from rep_detector_norms_get, to be written
     * before each step; losses with their weights, in the order of rep_detector_loss, kept; their
     * sum {1,1,1,1}, kept. `losses` is 4, or 3 without keypoints. */
    rep_id norms, losses, loss;
} rep_detector_io;

/* Appends the net on a picture of `height` x `width` pixels, any size. Training graphs use batch
 * statistics and end in the loss (rep_model_io has image, step and loss, too); evaluation graphs
 * use running statistics and keep the outputs. Blocks are listed in network order: backbone, then
 * the towers of boxes, keypoints and classes. Names are state_dict's: "backbone.ERBlock_3.1.conv1".
 * Searched scales start at 1.
 * A level has ceil(previous / 2) cells a side.
 * Errors: REP_ERR_CONFIG for settings no net has, REP_ERR_SHAPE, REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_detector_build(rep_model **out, rep_graph *graph,
                                            const rep_detector_spec *spec, rep_mode mode,
                                            bool is_training, int32_t batch, int32_t height,
                                            int32_t width);

/* Borrowed from the model; NULL for a classifier. */
const rep_detector_io *rep_detector_io_get(const rep_model *model);

/* The factors of one step from the counts over the whole batch: positives, the sum of their
 * centerness, and their visible keypoints. Without positives all losses but the first are 0. */
void rep_detector_norms_get(float out[REP_DETECTOR_LOSSES], double positives, double centerness,
                            double visible);

#ifdef __cplusplus
}
#endif
#endif
