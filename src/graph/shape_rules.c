/* shape_rules.c - what each op demands of its inputs and what its outputs look like. */
#include "graph/rules.h"

static const rep_shape scalar_shape = {1, 1, 1, 1};

static rep_status shape_fail(const rep_shape_call *call, const char *what, uint32_t input,
                             rep_shape wanted) {
    const rep_shape got = call->in[input];
    return rep_fail(REP_ERR_SHAPE, "%s: %s is %d x %d x %d x %d, wanted %d x %d x %d x %d",
                    call->name, what, got.n, got.c, got.h, got.w, wanted.n, wanted.c, wanted.h,
                    wanted.w);
}

/* Input `input`, where present, must have the shape `wanted`. */
static rep_status need(const rep_shape_call *call, uint32_t input, const char *what,
                       rep_shape wanted) {
    if (input >= call->in_count || !call->has_in[input]) { return REP_OK; }
    return rep_shape_equal(call->in[input], wanted) ? REP_OK
                                                    : shape_fail(call, what, input, wanted);
}

static rep_shape channels_of(rep_shape x) { return (rep_shape){1, x.c, 1, 1}; }

/* Elementwise ops. A second input may be like x, one value per channel, one value in all, or one
 * per picture and channel; which of them, the op's kernel knows. */
rep_status rep_shape_like_x(rep_shape_call *call) {
    const rep_shape x = call->in[0];
    for (uint32_t i = 1; i < call->in_count; i++) {
        const rep_shape s = call->in[i];
        const bool fits = !call->has_in[i] || rep_shape_equal(s, x) ||
                          rep_shape_equal(s, scalar_shape) ||
                          (s.h == 1 && s.w == 1 && (s.n == 1 || s.n == x.n)) ||
                          (s.n == x.n && s.c == x.c); /* merge: the 1x1 kernel beside the k x k */
        if (!fits) { return shape_fail(call, "an input", i, x); }
    }
    call->out[0] = x;
    return REP_OK;
}

rep_status rep_shape_like_second(rep_shape_call *call) {
    call->out[0] = call->in[1];
    return REP_OK;
}

rep_status rep_shape_like_third(rep_shape_call *call) {
    REP_TRY(need(call, 1, "the gradient", call->in[0]));
    call->out[0] = call->in[2];
    return REP_OK;
}

rep_status rep_shape_channel(rep_shape_call *call) {
    call->out[0] = channels_of(call->in[0]);
    return REP_OK;
}

rep_status rep_shape_global(rep_shape_call *call) {
    REP_TRY(need(call, 1, "the gradient", call->in[0]));
    call->out[0] = (rep_shape){call->in[0].n, call->in[0].c, 1, 1};
    return REP_OK;
}

static rep_status check_groups(const rep_shape_call *call, uint32_t groups, int32_t c_in,
                               int32_t c_out, int32_t c_per_group) {
    const int64_t g = (int64_t)groups;
    if (g < 1 || c_in % g || c_out % g || c_per_group * g != c_in) {
        return rep_fail(REP_ERR_SHAPE,
                        "%s: %d input and %d output channels do not fit %u groups of kernels with "
                        "%d input channels",
                        call->name, c_in, c_out, groups, c_per_group);
    }
    return REP_OK;
}

rep_status rep_shape_conv(rep_shape_call *call) {
    const rep_conv2d_params *p = call->params;
    const rep_shape x = call->in[0], w = call->in[1];
    REP_TRY(check_groups(call, p->groups, x.c, w.n, w.c));
    const rep_shape y = {x.n, w.n, rep_window_count(x.h, (uint32_t)w.h, p->stride, p->pad),
                         rep_window_count(x.w, (uint32_t)w.w, p->stride, p->pad)};
    if (y.h < 1 || y.w < 1) {
        return rep_fail(REP_ERR_SHAPE, "%s: a %d x %d kernel does not fit a %d x %d picture",
                        call->name, w.h, w.w, x.h, x.w);
    }
    REP_TRY(need(call, 2, "the bias", (rep_shape){1, w.n, 1, 1}));
    call->out[0] = y;
    return REP_OK;
}

rep_status rep_shape_conv_grad_x(rep_shape_call *call) {
    const rep_conv2d_grad_params *p = call->params;
    const rep_shape dy = call->in[0], w = call->in[1];
    REP_TRY(check_groups(call, p->groups, w.c * (int32_t)p->groups, dy.c, w.c));
    call->out[0] = (rep_shape){dy.n, w.c * (int32_t)p->groups, (int32_t)p->h, (int32_t)p->w};
    const rep_shape wanted = {dy.n, w.n,
                              rep_window_count((int32_t)p->h, (uint32_t)w.h, p->stride, p->pad),
                              rep_window_count((int32_t)p->w, (uint32_t)w.w, p->stride, p->pad)};
    return need(call, 0, "the gradient", wanted);
}

rep_status rep_shape_conv_grad_w(rep_shape_call *call) {
    const rep_conv2d_grad_params *p = call->params;
    const rep_shape x = call->in[0], dy = call->in[1];
    const int32_t per_group = p->groups ? x.c / (int32_t)p->groups : 0;
    REP_TRY(check_groups(call, p->groups, x.c, dy.c, per_group));
    call->out[0] = (rep_shape){dy.c, per_group, (int32_t)p->h, (int32_t)p->w};
    const rep_shape wanted = {x.n, dy.c, rep_window_count(x.h, p->h, p->stride, p->pad),
                              rep_window_count(x.w, p->w, p->stride, p->pad)};
    return need(call, 1, "the gradient", wanted);
}

rep_status rep_shape_norm_stats(rep_shape_call *call) {
    for (int i = 0; i < 4; i++) { call->out[i] = channels_of(call->in[0]); }
    return REP_OK;
}

rep_status rep_shape_norm_frozen(rep_shape_call *call) {
    REP_TRY(need(call, 1, "the running variance", call->in[0]));
    call->out[0] = call->out[1] = call->in[0];
    return REP_OK;
}

rep_status rep_shape_norm_grad_w(rep_shape_call *call) {
    REP_TRY(need(call, 1, "the input", call->in[0]));
    call->out[0] = call->out[1] = channels_of(call->in[0]);
    return REP_OK;
}

rep_status rep_shape_groupnorm(rep_shape_call *call) {
    const rep_norm_params *p = call->params;
    const rep_shape x = call->in[0];
    if (p->groups < 1 || x.c % (int32_t)p->groups) {
        return rep_fail(REP_ERR_SHAPE, "%s: %d channels do not divide into %u groups", call->name,
                        x.c, p->groups);
    }
    REP_TRY(need(call, 1, "the weight", channels_of(x)));
    REP_TRY(need(call, 2, "the bias", channels_of(x)));
    call->out[0] = x;
    call->out[1] = call->out[2] = (rep_shape){x.n, (int32_t)p->groups, 1, 1};
    return REP_OK;
}

rep_status rep_shape_merge_grad(rep_shape_call *call) {
    const rep_shape w = call->in[1], vector = {1, w.n, 1, 1};
    REP_TRY(need(call, 0, "the gradient", w));
    REP_TRY(need(call, 2, "the 1x1 kernel", (rep_shape){w.n, w.c, 1, 1}));
    for (uint32_t i = 3; i < call->in_count; i++) { REP_TRY(need(call, i, "a scale", vector)); }
    call->out[0] = w;
    call->out[1] = call->in[2];
    call->out[2] = call->out[3] = call->out[4] = vector;
    return REP_OK;
}

rep_status rep_shape_pool(rep_shape_call *call) {
    const rep_pool_params *p = call->params;
    const rep_shape x = call->in[0];
    call->out[0] = (rep_shape){x.n, x.c, rep_window_count(x.h, p->kernel, p->stride, p->pad),
                               rep_window_count(x.w, p->kernel, p->stride, p->pad)};
    if (call->out[0].h < 1 || call->out[0].w < 1 || 2 * p->pad > p->kernel) {
        return rep_fail(REP_ERR_SHAPE, "%s: window %u, stride %u, padding %u does not fit %d x %d",
                        call->name, p->kernel, p->stride, p->pad, x.h, x.w);
    }
    return REP_OK;
}

rep_status rep_shape_max_pool(rep_shape_call *call) {
    REP_TRY(rep_shape_pool(call));
    call->out[1] = call->out[0];
    call->dtype[1] = REP_I32;
    return REP_OK;
}

rep_status rep_shape_resize(rep_shape_call *call) {
    const rep_pool_params *p = call->params;
    const rep_shape x = call->in[0];
    if (p->h < 1 || p->w < 1) {
        return rep_fail(REP_ERR_SHAPE, "%s: an output of %u x %u is empty", call->name, p->h, p->w);
    }
    REP_TRY(need(call, 1, "the index", x));
    call->out[0] = (rep_shape){x.n, x.c, (int32_t)p->h, (int32_t)p->w};
    return REP_OK;
}

rep_status rep_shape_concat(rep_shape_call *call) {
    rep_shape y = call->in[0];
    for (uint32_t i = 1; i < call->in_count; i++) {
        rep_shape wanted = call->in[0];
        wanted.c = call->in[i].c;
        REP_TRY(need(call, i, "a part", wanted));
        y.c += call->in[i].c;
    }
    call->out[0] = y;
    return REP_OK;
}

rep_status rep_shape_slice(rep_shape_call *call) {
    const rep_slice_params *p = call->params;
    call->out[0] = call->in[0];
    call->out[0].c = (int32_t)p->count;
    if (p->count < 1 || p->begin + p->count > (uint32_t)call->in[0].c) {
        return rep_fail(REP_ERR_SHAPE, "%s: channels %u .. %u are not all among %d", call->name,
                        p->begin, p->begin + p->count, call->in[0].c);
    }
    return REP_OK;
}

rep_status rep_shape_slice_grad(rep_shape_call *call) {
    const rep_slice_params *p = call->params;
    call->out[0] = call->in[0];
    call->out[0].c = (int32_t)p->total;
    return REP_OK;
}

/* Losses: one value per row of the first input. */
rep_status rep_shape_rows(rep_shape_call *call) {
    const rep_shape x = call->in[0];
    if (x.h != 1 || x.w != 1) {
        return rep_fail(REP_ERR_SHAPE, "%s: rows wanted, got %d x %d pictures", call->name, x.h,
                        x.w);
    }
    const rep_shape rows = {x.n, 1, 1, 1};
    for (uint32_t i = 1; i < call->in_count; i++) {
        if (call->has_in[i] && !rep_shape_equal(call->in[i], x)) {
            REP_TRY(need(call, i, "a row input", rows));
        }
    }
    call->out[0] = rows;
    return REP_OK;
}

rep_status rep_shape_scalar(rep_shape_call *call) {
    call->out[0] = scalar_shape;
    return REP_OK;
}

rep_status rep_shape_pair(rep_shape_call *call) {
    call->out[0] = (rep_shape){1, 2, 1, 1};
    return REP_OK;
}

/* Update ops write tensors that exist; their shapes are not this rule's to choose. */
rep_status rep_shape_update(rep_shape_call *call) {
    for (int i = 0; i < REP_MAX_OUTPUTS; i++) { call->out[i] = (rep_shape){0, 0, 0, 0}; }
    return REP_OK;
}
