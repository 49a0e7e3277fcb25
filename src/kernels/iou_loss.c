/* iou_loss - IoU, linear IoU or GIoU loss of each row (iou.h), times the row's weight; from (pred
 * {n,4,h,w}, target, [weight {n,1,h,w}]) to {n,1,h,w}. A weight of 0 takes the row out, were its
 * boxes infinite. Rows are divided among workers. */
#include "kernels/iou.h"
#include "kernels/map.h"

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_loss_params *params = call->params;
    const real *pred = call->in[0].data, *target = call->in[1].data, *weight = call->in[2].data;
    real *y = call->out[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(call->in[0].shape), 1, &row, &end);
    for (; row < end; row++) {
        y[row] = 0;
        if (weight && weight[row] == 0) { continue; }
        const iou_boxes box = iou_of(pred + row * 4, target + row * 4);
        real loss = 1 - box.ratio;
        if (params->kind == IOU_LOG) { loss = -rlog(box.ratio); }
        if (params->kind == IOU_GENERAL) { loss += (box.around - box.joint) / box.around; }
        y[row] = weight ? weight[row] * loss : loss;
    }
}

REP_KERNEL(iou_loss, run, NULL);
