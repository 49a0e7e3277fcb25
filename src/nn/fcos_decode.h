/* fcos_decode.h - from a head's outputs to boxes; part of the nn room's face. */
#ifndef REP_NN_FCOS_DECODE_H
#define REP_NN_FCOS_DECODE_H

#include "base/base.h"
#include "repopt/detection.h"

/* A head's outputs for one picture on one level, as programs store them: value c of location p is
 * x[p * pitch + c]. Tensors may share memory (centerness as a channel behind the classes). */
typedef struct rep_fcos_output {
    const float *logits, *distances, *centerness; /* C; 4: left, top, right, bottom in pixels; 1 */
    const float *keypoints;                       /* K x 2: offsets in strides; NULL: none */
    size_t logit_pitch, distance_pitch, centerness_pitch, keypoint_pitch;
} rep_fcos_output;
typedef struct rep_fcos_decoder {
    const rep_fcos_level *levels; /* their strides and sizes */
    size_t level_count;
    int32_t class_count, keypoint_count;
    float score_threshold; /* a class's probability alone must lie above it */
    float nms_threshold;   /* a box of larger IoU with a better one of its class goes */
    bool is_iou_plain;     /* false: sides count one pixel more (x2 - x1 + 1), as in Caffe's time */
    size_t level_most;     /* candidates of a level, the best by class times centerness */
    size_t most;           /* detections in all */
} rep_fcos_decoder;
typedef struct rep_fcos_found {
    float x1, y1, x2, y2; /* cut to 0 .. width - 1, 0 .. height - 1 */
    float score;          /* square root of class times centerness */
    int32_t label;        /* category + 1 */
} rep_fcos_found;
/* out[most] and keypoints[most][K][2] (pixels, not cut; NULL: not wanted) get *count detections,
 * falling score; equal ones in the order of level, location and class. outputs[level_count]; width
 * and height are the picture's own, without padding. What is not a number is no candidate.
 * REP_ERR_ARGUMENT names what is out of range. */
REP_NODISCARD rep_status rep_fcos_decode(rep_fcos_found *out, float *keypoints, size_t *count,
                                         const rep_fcos_decoder *decoder,
                                         const rep_fcos_output *outputs, int32_t width,
                                         int32_t height);

#endif
