/* iou.h - overlap of two boxes given as distances left, top, right, bottom from one point, as the
 * IoU losses and their gradient need it.
 *
 *     I = (min l + min r) (min t + min b)    U = area_p + area_t - I    q = (I + 1) / (U + 1)
 *     A = (max l + max r) (max t + max b) + 1e-7     the enclosing box
 *
 * Loss: -ln q (Yu et al., ACM MM 2016), 1 - q, or 1 - (q - (A - U) / A) (Rezatofighi et al., CVPR
 * 2019).
 */
#ifndef REP_KERNELS_IOU_H
#define REP_KERNELS_IOU_H

#include "kernels/kernel.h"
#include "kernels/math.h"

enum { IOU_LOG, IOU_LINEAR, IOU_GENERAL };
enum { LEFT, TOP, RIGHT, BOTTOM };

typedef struct iou_boxes {
    real small_w, small_h, large_w, large_h; /* of the intersection, of the enclosing box */
    real intersection, joint, ratio, around; /* I, U, q, A */
} iou_boxes;

static inline real iou_min(real a, real b) { return a < b ? a : b; }
static inline real iou_max(real a, real b) { return a > b ? a : b; }

static inline iou_boxes iou_of(const real *p, const real *t) {
    iou_boxes box;
    box.small_w = iou_min(p[LEFT], t[LEFT]) + iou_min(p[RIGHT], t[RIGHT]);
    box.small_h = iou_min(p[TOP], t[TOP]) + iou_min(p[BOTTOM], t[BOTTOM]);
    box.large_w = iou_max(p[LEFT], t[LEFT]) + iou_max(p[RIGHT], t[RIGHT]);
    box.large_h = iou_max(p[TOP], t[TOP]) + iou_max(p[BOTTOM], t[BOTTOM]);
    const real area_p = (p[LEFT] + p[RIGHT]) * (p[TOP] + p[BOTTOM]);
    const real area_t = (t[LEFT] + t[RIGHT]) * (t[TOP] + t[BOTTOM]);
    box.intersection = box.small_w * box.small_h;
    box.joint = area_p + area_t - box.intersection;
    box.ratio = (box.intersection + 1) / (box.joint + 1);
    box.around = box.large_w * box.large_h + (real)1e-7;
    return box;
}

#endif
