/* shape_rules.c - what each op demands of its inputs and what its outputs look like. */
#include "graph/rules.h"

static const rep_shape scalar_shape = {1, 1, 1, 1};

static rep_shape channels_of(rep_shape x) { return (rep_shape){1, x.c, 1, 1}; }

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

/* Inputs first .. last, where present, must all have the shape `wanted`. */
static rep_status need_all(const rep_shape_call *call, uint32_t first, uint32_t last,
                           const char *what, rep_shape wanted) {
    for (uint32_t i = first; i <= last; i++) { REP_TRY(need(call, i, what, wanted)); }
    return REP_OK;
}

/* Output 0 is an activation like input 0: f16 stays f16. */
static void follow_type(rep_shape_call *call) {
    if (call->in_dtype[0] == REP_F16) { call->dtype[0] = REP_F16; }
}

/* Activations of one node have one precision. */
static rep_status need_same_type(const rep_shape_call *call, uint32_t input) {
    if (input >= call->in_count || !call->has_in[input] ||
        (call->in_dtype[input] == REP_F16) == (call->in_dtype[0] == REP_F16)) {
        return REP_OK;
    }
    return rep_fail(REP_ERR_SHAPE, "%s: inputs 0 and %u differ in precision; cast one of them",
                    call->name, input);
}

rep_status rep_shape_cast(rep_shape_call *call) {
    const rep_cast_params *p = call->params;
    if (call->in_dtype[0] == REP_I32) {
        return rep_fail(REP_ERR_SHAPE, "%s: a floating-point tensor wanted", call->name);
    }
    call->out[0] = call->in[0];
    call->dtype[0] = p->to_half ? REP_F16 : REP_F32;
    return REP_OK;
}

/* Elementwise ops: every input is like x. */
rep_status rep_shape_like_x(rep_shape_call *call) {
    call->out[0] = call->in[0];
    follow_type(call);
    for (uint32_t i = 1; i < call->in_count; i++) { REP_TRY(need_same_type(call, i)); }
    return need_all(call, 1, REP_MAX_INPUTS - 1, "an input", call->in[0]);
}

/* A scale is one value per channel or one in all. */
static rep_status need_scale(const rep_shape_call *call, uint32_t input, rep_shape x) {
    if (rep_shape_equal(call->in[input], scalar_shape)) { return REP_OK; }
    return need(call, input, "the scale", channels_of(x));
}

rep_status rep_shape_scaled(rep_shape_call *call) {
    follow_type(call);
    call->out[0] = call->in[0];
    return need_scale(call, 1, call->in[0]);
}

rep_status rep_shape_scale_grad_s(rep_shape_call *call) {
    REP_TRY(need(call, 1, "the gradient", call->in[0]));
    call->out[0] = call->in[2];
    return need_scale(call, 2, call->in[0]);
}

rep_status rep_shape_biased(rep_shape_call *call) {
    follow_type(call);
    call->out[0] = call->in[0];
    return need(call, 1, "the bias", channels_of(call->in[0]));
}

rep_status rep_shape_quantized(rep_shape_call *call) {
    call->out[0] = call->in[0];
    REP_TRY(need_all(call, 1, 3, "a scale or zero point", scalar_shape));
    if ((call->in_count > 3 && call->has_in[3]) == (call->in_count > 4 && call->has_in[4])) {
        return need(call, 4, "the weights' scale", channels_of(call->in[0]));
    }
    return rep_fail(REP_ERR_ARGUMENT, "%s: the scales of a sum's factors come as a pair",
                    call->name);
}

rep_status rep_shape_gated(rep_shape_call *call) {
    follow_type(call);
    REP_TRY(need_same_type(call, 1));
    call->out[0] = call->in[0];
    return need(call, 1, "the gate", (rep_shape){call->in[0].n, call->in[0].c, 1, 1});
}

rep_status rep_shape_channel(rep_shape_call *call) {
    call->out[0] = channels_of(call->in[0]);
    return REP_OK;
}

rep_status rep_shape_global(rep_shape_call *call) {
    follow_type(call);
    REP_TRY(need_same_type(call, 1));
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
    follow_type(call);
    REP_TRY(need_same_type(call, 1));
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
    follow_type(call);
    REP_TRY(need_same_type(call, 1));
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

rep_status rep_shape_norm(rep_shape_call *call) {
    follow_type(call);
    call->out[0] = call->in[0];
    return need_all(call, 1, 4, "a statistic or parameter", channels_of(call->in[0]));
}

rep_status rep_shape_norm_grad_x(rep_shape_call *call) {
    follow_type(call);
    REP_TRY(need_same_type(call, 1));
    call->out[0] = call->in[0];
    REP_TRY(need(call, 1, "the input", call->in[0]));
    return need_all(call, 2, 7, "a statistic or parameter", channels_of(call->in[0]));
}

rep_status rep_shape_norm_grad_w(rep_shape_call *call) {
    REP_TRY(need(call, 1, "the input", call->in[0]));
    call->out[0] = call->out[1] = channels_of(call->in[0]);
    return need_all(call, 2, 5, "a statistic or parameter", channels_of(call->in[0]));
}

/* The gradients' inputs: dy, x, mean and invstd {n, groups, 1, 1}, [weight]. */
static rep_status need_groupnorm(const rep_shape_call *call) {
    const rep_norm_params *p = call->params;
    const rep_shape x = call->in[0];
    if (p->groups < 1 || x.c % (int32_t)p->groups) {
        return rep_fail(REP_ERR_SHAPE, "%s: %d channels do not divide into %u groups", call->name,
                        x.c, p->groups);
    }
    REP_TRY(need(call, 1, "the input", x));
    REP_TRY(need_all(call, 2, 3, "a statistic", (rep_shape){x.n, (int32_t)p->groups, 1, 1}));
    return need(call, 4, "the weight", channels_of(x));
}

rep_status rep_shape_groupnorm_grad_x(rep_shape_call *call) {
    follow_type(call);
    call->out[0] = call->in[0];
    return need_groupnorm(call);
}

rep_status rep_shape_groupnorm_grad_w(rep_shape_call *call) {
    call->out[0] = call->out[1] = channels_of(call->in[0]);
    return need_groupnorm(call);
}

rep_status rep_shape_groupnorm(rep_shape_call *call) {
    const rep_norm_params *p = call->params;
    const rep_shape x = call->in[0];
    follow_type(call);
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

rep_status rep_shape_merge(rep_shape_call *call) {
    const rep_shape w = call->in[0];
    call->out[0] = w;
    REP_TRY(need(call, 1, "the 1x1 kernel", (rep_shape){w.n, w.c, 1, 1}));
    return need_all(call, 2, 4, "a scale", (rep_shape){1, w.n, 1, 1});
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
    follow_type(call);
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
    follow_type(call);
    if (p->h < 1 || p->w < 1) {
        return rep_fail(REP_ERR_SHAPE, "%s: an output of %u x %u is empty", call->name, p->h, p->w);
    }
    REP_TRY(need(call, 1, "the index", x));
    call->out[0] = (rep_shape){x.n, x.c, (int32_t)p->h, (int32_t)p->w};
    if (!p->kernel) { return REP_OK; } /* upsampling and the global pool have no window */
    const rep_shape wanted = {x.n, x.c,
                              rep_window_count((int32_t)p->h, p->kernel, p->stride, p->pad),
                              rep_window_count((int32_t)p->w, p->kernel, p->stride, p->pad)};
    return need(call, 0, "the gradient", wanted);
}

rep_status rep_shape_concat(rep_shape_call *call) {
    follow_type(call);
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
    follow_type(call);
    call->out[0] = call->in[0];
    call->out[0].c = (int32_t)p->count;
    const uint32_t have = (uint32_t)call->in[0].c;
    if (p->count < 1 || p->begin > have || p->count > have - p->begin) {
        return rep_fail(REP_ERR_SHAPE, "%s: channels %u .. %u are not all among %d", call->name,
                        p->begin, p->begin + p->count, call->in[0].c);
    }
    return REP_OK;
}

rep_status rep_shape_slice_grad(rep_shape_call *call) {
    const rep_slice_params *p = call->params;
    follow_type(call);
    call->out[0] = call->in[0];
    call->out[0].c = (int32_t)p->total;
    if (p->count != (uint32_t)call->in[0].c || p->begin > p->total ||
        p->count > p->total - p->begin) {
        return rep_fail(REP_ERR_SHAPE, "%s: %d channels do not fit %u .. %u of %u", call->name,
                        call->in[0].c, p->begin, p->begin + p->count, p->total);
    }
    return REP_OK;
}

/* ---- losses: one value per row of the first input, a row being a pixel's channels ---------- */

static rep_shape rows_of(rep_shape x) { return (rep_shape){x.n, 1, x.h, x.w}; }

/* Inputs 1, 2, 3 of a loss, as `one`, `two` and `three` name them. */
static rep_status need_loss(const rep_shape_call *call, rep_shape one, rep_shape two,
                            rep_shape three) {
    REP_TRY(need(call, 1, "the target", one));
    REP_TRY(need(call, 2, "the third input", two));
    return need(call, 3, "the weight", three);
}

static rep_status need_labels(const rep_shape_call *call) {
    if (call->in_dtype[1] == REP_I32) { return REP_OK; }
    return rep_fail(REP_ERR_SHAPE, "%s: labels are whole numbers (i32)", call->name);
}

static rep_status need_boxes(const rep_shape_call *call) {
    if (call->in[0].c == 4) { return REP_OK; }
    return rep_fail(REP_ERR_SHAPE, "%s: 4 distances wanted, got %d", call->name, call->in[0].c);
}

rep_status rep_shape_label_rows(rep_shape_call *call) {
    const rep_shape rows = rows_of(call->in[0]);
    call->out[0] = rows;
    REP_TRY(need_labels(call));
    return need_loss(call, rows, rows, rows);
}

rep_status rep_shape_label_rows_grad(rep_shape_call *call) {
    const rep_shape rows = rows_of(call->in[0]);
    call->out[0] = call->in[0];
    REP_TRY(need_labels(call));
    return need_loss(call, rows, rows, rows);
}

rep_status rep_shape_box_rows(rep_shape_call *call) {
    const rep_shape rows = rows_of(call->in[0]);
    call->out[0] = rows;
    REP_TRY(need_boxes(call));
    return need_loss(call, call->in[0], rows, rows);
}

rep_status rep_shape_box_rows_grad(rep_shape_call *call) {
    const rep_shape rows = rows_of(call->in[0]);
    call->out[0] = call->in[0];
    REP_TRY(need_boxes(call));
    return need_loss(call, call->in[0], rows, rows);
}

/* A weight may also be one value per row. */
static rep_shape weight_of(const rep_shape_call *call, uint32_t input) {
    const rep_shape x = call->in[0];
    const bool is_per_row = rep_shape_equal(call->in[input], rows_of(x));
    return is_per_row ? rows_of(x) : x;
}

rep_status rep_shape_rows(rep_shape_call *call) {
    const rep_shape x = call->in[0];
    call->out[0] = rows_of(x);
    return need_loss(call, x, weight_of(call, 2), x);
}

rep_status rep_shape_rows_grad(rep_shape_call *call) {
    const rep_shape x = call->in[0];
    call->out[0] = x;
    return need_loss(call, x, rows_of(x), weight_of(call, 3));
}

static rep_status need_pairs(const rep_shape_call *call) {
    if (call->in[0].c % 2 == 0) { return REP_OK; }
    return rep_fail(REP_ERR_SHAPE, "%s: x and y of points wanted, an even number; got %d channels",
                    call->name, call->in[0].c);
}

rep_status rep_shape_pair_rows(rep_shape_call *call) {
    const rep_shape x = call->in[0];
    call->out[0] = rows_of(x);
    REP_TRY(need_pairs(call));
    return need_loss(call, x, x, x);
}

rep_status rep_shape_pair_rows_grad(rep_shape_call *call) {
    const rep_shape x = call->in[0];
    call->out[0] = x;
    REP_TRY(need_pairs(call));
    return need_loss(call, x, rows_of(x), x);
}

rep_status rep_shape_scalar(rep_shape_call *call) {
    call->out[0] = scalar_shape;
    return REP_OK;
}

/* (dy, x, [step]): shaped like x. */
rep_status rep_shape_reduce_grad(rep_shape_call *call) {
    call->out[0] = call->in[1];
    return need(call, 0, "the gradient", scalar_shape);
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
