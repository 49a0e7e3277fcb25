/* conv2d_grad_w - the gradient of a convolution with respect to its weight.
 *
 * x {n,c_in,h,w}, dy {n,c_out,oh,ow} -> dw {c_out,c_in/groups,kh,kw}:
 * dw[o,c,r,s] = sum over n, i, j of dy[n,o,i,j] x[n, c, i*stride + r - pad, j*stride + s - pad]
 */
#include "kernels/winograd.h"

static rep_conv read_conv(const rep_kernel_call *call) {
    const rep_conv2d_grad_params *p = call->params;
    return rep_conv_read(call->in[0].shape, call->out[0].shape, call->in[1].shape, p->stride,
                         p->pad, p->groups);
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_conv conv = read_conv(call);
    const rep_conv2d_grad_params *p = call->params;
    if (rep_winograd_wanted(&conv, p->algo, true)) {
        return rep_winograd_grad_w_bytes(&conv, threads);
    }
    if (rep_conv_is_depthwise(&conv)) { return 0; }
    return rep_igemm_grad_w_bytes(&conv, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_conv conv = read_conv(call);
    const real *x = call->in[0].data, *dy = call->in[1].data;
    real *dw = call->out[0].data;
    const rep_conv2d_grad_params *p = call->params;
    if (rep_winograd_wanted(&conv, p->algo, true)) {
        rep_winograd_grad_w_run(&conv, x, dy, dw, call->scratch, worker);
    } else if (rep_conv_is_depthwise(&conv)) {
        rep_depthwise_grad_w_run(&conv, x, dy, dw, worker);
    } else {
        rep_igemm_grad_w_run(&conv, x, dy, dw, call->scratch, worker);
    }
}

REP_KERNEL(conv2d_grad_w, run, scratch_bytes);
