/* iou_loss_grad - gradient of iou_loss by the predicted distances, from (pred {n,4,h,w}, target,
 * drow, [weight]). Where pred and target are equal, min and max share the slope half and half, as
 * PyTorch's do. Rows are divided among workers. */
#include "kernels/iou.h"
#include "kernels/map.h"

/* d min(p, t) / dp; that of max is what is left to 1. */
static real slope_of_min(real p, real t) { return p < t ? 1 : p > t ? 0 : (real)0.5; }

static void row_grad(const real *p, const real *t, rep_uint kind, real drow, real *dp) {
    const iou_boxes box = iou_of(p, t);
    const real p_w = p[LEFT] + p[RIGHT], p_h = p[TOP] + p[BOTTOM];
    for (int side = 0; side < 4; side++) {
        const bool is_across = side == LEFT || side == RIGHT;
        const real down = slope_of_min(p[side], t[side]);
        const real d_intersection = down * (is_across ? box.small_h : box.small_w);
        const real d_joint = (is_across ? p_h : p_w) - d_intersection;
        const real d_around = (1 - down) * (is_across ? box.large_h : box.large_w);
        const real d_ratio = (d_intersection - box.ratio * d_joint) / (box.joint + 1);
        real slope = -d_ratio;
        if (kind == IOU_LOG) { slope = -d_ratio / box.ratio; }
        if (kind == IOU_GENERAL) {
            slope -= (d_joint - box.joint / box.around * d_around) / box.around;
        }
        dp[side] = drow * slope;
    }
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_loss_params *params = call->params;
    const real *pred = call->in[0].data, *target = call->in[1].data;
    const real *drow = call->in[2].data, *weight = call->in[3].data;
    real *dx = call->out[0].data;
    size_t row, end;
    rep_worker_range(worker, shape_rows(call->in[0].shape), 1, &row, &end);
    for (; row < end; row++) {
        const real upstream = weight ? drow[row] * weight[row] : drow[row];
        if (weight && weight[row] == 0) {
            memset(dx + row * 4, 0, 4 * sizeof *dx);
            continue;
        }
        row_grad(pred + row * 4, target + row * 4, params->kind, upstream, dx + row * 4);
    }
}

REP_KERNEL(iou_loss_grad, run, NULL);
