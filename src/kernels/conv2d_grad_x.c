/* conv2d_grad_x - the gradient of a convolution with respect to its input.
 *
 * dy {n,c_out,oh,ow}, w {c_out,c_in/groups,kh,kw} -> dx {n,c_in,h,w}:
 * dx[n,c,y,x] = sum over o, r, s with y + pad - r = i*stride, x + pad - s = j*stride of
 *               dy[n,o,i,j] w[o,c,r,s]
 */
#include "kernels/winograd.h"

static rep_conv read_conv(const rep_kernel_call *call) {
    const rep_conv2d_grad_params *p = call->params;
    return rep_conv_read(call->out[0].shape, call->in[1].shape, call->in[0].shape, p->stride,
                         p->pad, p->groups);
}

/* The product with the parts of input and output, depth and width exchanged. */
static rep_igemm direct_job(const rep_kernel_call *call, const rep_conv *conv) {
    const size_t taps = conv->kh * conv->kw;
    return (rep_igemm){.x = call->in[0].data,
                       .w = call->in[1].data,
                       .y = call->out[0].data,
                       .n = conv->n,
                       .h = conv->out_h,
                       .w_px = conv->out_w,
                       .x_pitch = conv->c_out,
                       .out_h = conv->h,
                       .out_w = conv->w,
                       .groups = conv->groups,
                       .depth = conv->width,
                       .width = conv->depth,
                       .kh = conv->kh,
                       .kw = conv->kw,
                       .stride = conv->stride,
                       .pad = conv->pad,
                       .w_group = conv->width * taps * conv->depth,
                       .w_col = 1,
                       .w_depth = taps * conv->depth,
                       .w_tap = conv->depth,
                       .is_grad = true};
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_conv conv = read_conv(call);
    const rep_igemm job = direct_job(call, &conv);
    const rep_conv2d_grad_params *p = call->params;
    if (rep_winograd_wanted(&conv, p->algo, false)) { return rep_winograd_bytes(&job, threads); }
    if (rep_conv_is_depthwise(&conv)) { return rep_depthwise_bytes(&job, threads); }
    return rep_igemm_bytes(&job, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_conv conv = read_conv(call);
    const rep_igemm job = direct_job(call, &conv);
    const rep_conv2d_grad_params *p = call->params;
    if (rep_winograd_wanted(&conv, p->algo, false)) {
        rep_winograd_run(&job, call->scratch, worker);
    } else if (rep_conv_is_depthwise(&conv)) {
        rep_depthwise_run(&job, call->scratch, worker);
    } else {
        rep_igemm_run(&job, call->scratch, worker);
    }
}

REP_KERNEL(conv2d_grad_x, run, scratch_bytes);
