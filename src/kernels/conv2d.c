/* conv2d - y = act(b + x convolved with w).
 *
 * x {n,c_in,h,w}, w {c_out,c_in/groups,kh,kw}, optional b {1,c_out,1,1}, y {n,c_out,oh,ow}:
 * y[n,o,i,j] = act(b[o] + sum w[o,c,r,s] x[n, c, i*stride + r - pad, j*stride + s - pad])
 * Chooses the algorithm; igemm.h, winograd.h and depthwise.c divide the work.
 */
#include "kernels/winograd.h"

static rep_conv read_conv(const rep_kernel_call *call) {
    const rep_conv2d_params *p = call->params;
    return rep_conv_read(call->in[0].shape, call->in[1].shape, call->out[0].shape, p->stride,
                         p->pad, p->groups);
}

static rep_igemm direct_job(const rep_kernel_call *call, const rep_conv *conv) {
    const rep_conv2d_params *p = call->params;
    const size_t taps = conv->kh * conv->kw;
    return (rep_igemm){.x = call->in[0].data,
                       .w = call->in[1].data,
                       .bias = call->in[2].data,
                       .y = call->out[0].data,
                       .n = conv->n,
                       .h = conv->h,
                       .w_px = conv->w,
                       .x_pitch = conv->c_in,
                       .out_h = conv->out_h,
                       .out_w = conv->out_w,
                       .groups = conv->groups,
                       .depth = conv->depth,
                       .width = conv->width,
                       .kh = conv->kh,
                       .kw = conv->kw,
                       .stride = conv->stride,
                       .pad = conv->pad,
                       .w_group = conv->width * taps * conv->depth,
                       .w_col = taps * conv->depth,
                       .w_depth = 1,
                       .w_tap = conv->depth,
                       .act = p->act};
}

/* The same over a picture with a border: rows of taps become depth. */
static rep_igemm thin_job(const rep_kernel_call *call, const rep_conv *conv, const real *bordered) {
    rep_igemm job = direct_job(call, conv);
    job.x = bordered;
    job.h += 2 * conv->pad;
    job.w_px += 2 * conv->pad;
    job.pad = 0;
    job.kw = 1;
    job.depth = job.w_tap = conv->kw * conv->c_in;
    return job;
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_conv conv = read_conv(call);
    const rep_conv2d_params *p = call->params;
    if (rep_winograd_wanted(&conv, p->algo, false)) {
        const rep_igemm job = direct_job(call, &conv);
        return rep_winograd_bytes(&job, threads);
    }
    if (rep_conv_is_thin(&conv)) {
        const rep_igemm job = thin_job(call, &conv, NULL);
        return rep_conv_border_bytes(&conv) + rep_igemm_bytes(&job, threads);
    }
    const rep_igemm job = direct_job(call, &conv);
    if (rep_conv_is_depthwise(&conv)) { return rep_depthwise_bytes(&job, threads); }
    return rep_igemm_bytes(&job, threads);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_conv conv = read_conv(call);
    const rep_conv2d_params *p = call->params;
    if (rep_winograd_wanted(&conv, p->algo, false)) {
        const rep_igemm job = direct_job(call, &conv);
        rep_winograd_run(&job, call->scratch, worker);
        return;
    }
    if (rep_conv_is_thin(&conv)) {
        const rep_igemm job = thin_job(call, &conv, call->scratch);
        rep_conv_border(&conv, call->in[0].data, call->scratch, worker);
        rep_igemm_run(&job, (char *)call->scratch + rep_conv_border_bytes(&conv), worker);
        return;
    }
    const rep_igemm job = direct_job(call, &conv);
    if (rep_conv_is_depthwise(&conv)) {
        rep_depthwise_run(&job, call->scratch, worker);
    } else {
        rep_igemm_run(&job, call->scratch, worker);
    }
}

REP_KERNEL(conv2d, run, scratch_bytes);
