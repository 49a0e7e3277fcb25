/* depthwise.c - convolutions with one input and one output channel per group.
 *
 * y[p][c] = act(b[c] + sum over taps t of x[pixel(p, t)][c] * w[c][t]), and the gradients of it.
 * Vectors run along channels; output pixels are divided, for the weight gradient channels are.
 */
#include "kernels/igemm.h"

static size_t weights_bytes(const rep_igemm *job) {
    return rep_round_up(job->kh * job->kw * rep_round_up(job->groups, REP_LANES) * sizeof(real),
                        64);
}

static size_t table_bytes(const rep_igemm *job) {
    return rep_round_up(2 * job->kh * job->kw * sizeof(real *), 64);
}

size_t rep_depthwise_bytes(const rep_igemm *job, int threads) {
    return weights_bytes(job) + (size_t)threads * table_bytes(job);
}

/* The input pixel of tap `r` of output `i`, or a huge value when there is none. */
static size_t tap_input(const rep_igemm *job, size_t i, size_t r) {
    if (!job->is_grad) { return i * job->stride + r - job->pad; }
    const size_t sum = i + job->pad;
    return sum < r || (sum - r) % job->stride != 0 ? (size_t)-1 : (sum - r) / job->stride;
}

/* Lists the taps of one output pixel that lie inside: input pixel and packed weights. */
static size_t list_taps(const rep_igemm *job, size_t px, const real *weights, const real **table) {
    const size_t c = job->groups, padded = rep_round_up(c, REP_LANES);
    const size_t j = px % job->out_w, i = px / job->out_w % job->out_h;
    const size_t n = px / job->out_w / job->out_h;
    size_t count = 0;
    for (size_t r = 0; r < job->kh; r++) {
        const size_t iy = tap_input(job, i, r);
        if (iy >= job->h) { continue; }
        for (size_t s = 0; s < job->kw; s++) {
            const size_t ix = tap_input(job, j, s);
            if (ix >= job->w_px) { continue; }
            table[count++] = job->x + ((n * job->h + iy) * job->w_px + ix) * c;
            table[count++] = weights + (r * job->kw + s) * padded;
        }
    }
    return count;
}

static vec load_some(const real *p, size_t count) {
    return count >= REP_LANES ? vload(p) : vload_part(p, count);
}

void rep_depthwise_run(const rep_igemm *job, void *scratch, const rep_worker *worker) {
    const size_t c = job->groups, padded = rep_round_up(c, REP_LANES), taps = job->kh * job->kw;
    real *weights = scratch;
    const real **table = (const real **)((char *)scratch + weights_bytes(job) +
                                         (size_t)worker->index * table_bytes(job));
    size_t begin, end;
    rep_worker_range(worker, padded, 1, &begin, &end);
    for (size_t k = begin; k < end; k++) {
        for (size_t t = 0; t < taps; t++) {
            weights[t * padded + k] = k < c ? job->w[k * job->w_group + t * job->w_tap] : 0;
        }
    }
    rep_worker_sync(worker);
    rep_worker_range(worker, job->n * job->out_h * job->out_w, 1, &begin, &end);
    for (size_t px = begin; px < end; px++) {
        const size_t count = list_taps(job, px, weights, table);
        real *y = job->y + px * c;
        for (size_t k = 0; k < c; k += REP_LANES) {
            vec sum = job->bias ? load_some(job->bias + k, c - k) : vset(0);
            for (size_t t = 0; t < count; t += 2) {
                sum += load_some(table[t] + k, c - k) * vload(table[t + 1] + k);
            }
            if (c - k >= REP_LANES) {
                vstore(y + k, sum);
            } else {
                vstore_part(y + k, sum, c - k);
            }
        }
        if (job->act) { rep_row_act(y, c, job->act); }
    }
}

/* Sum of one row's products, in four chains that hide the latency of an addition. */
static vec sum_row(const real *x, size_t x_step, const real *dy, size_t c, size_t count,
                   size_t lanes) {
    vec sum[4] = {vset(0), vset(0), vset(0), vset(0)};
    for (size_t j = 0; j < count; j++) {
        sum[j % 4] += load_some(x + j * x_step, lanes) * load_some(dy + j * c, lanes);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* One tap of one vector of channels. */
static vec grad_tap(const rep_conv *conv, const real *x, const real *dy, size_t k, size_t r,
                    size_t s) {
    const size_t c = conv->groups, lanes = c - k;
    size_t j0 = 0, j1 = conv->out_w;
    while (j0 < j1 && j0 * conv->stride + s < conv->pad) { j0++; }
    while (j1 > j0 && (j1 - 1) * conv->stride + s - conv->pad >= conv->w) { j1--; }
    vec sum = vset(0);
    for (size_t row = 0; row < conv->n * conv->out_h; row++) {
        const size_t n = row / conv->out_h;
        const size_t iy = row % conv->out_h * conv->stride + r - conv->pad;
        if (iy >= conv->h || j0 == j1) { continue; }
        const size_t ix = j0 * conv->stride + s - conv->pad;
        sum += sum_row(x + ((n * conv->h + iy) * conv->w + ix) * c + k, conv->stride * c,
                       dy + (row * conv->out_w + j0) * c + k, c, j1 - j0, lanes);
    }
    return sum;
}

void rep_depthwise_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                              const rep_worker *worker) {
    const size_t c = conv->groups, taps = conv->kh * conv->kw;
    size_t begin, end;
    rep_worker_range(worker, (c + REP_LANES - 1) / REP_LANES * taps, 1, &begin, &end);
    for (size_t unit = begin; unit < end; unit++) {
        const size_t k = unit / taps * REP_LANES, t = unit % taps;
        const vec sum = grad_tap(conv, x, dy, k, t / conv->kw, t % conv->kw);
        for (size_t lane = 0; lane < REP_LANES && k + lane < c; lane++) {
            dw[(k + lane) * taps + t] = sum[lane];
        }
    }
}
