/* clip_norm - the global norm of the gradients and the factor that clips it; from (grads, segments,
 * scales, step) to {1,2,1,1}: factor = min(1, max_norm / (norm + 1e-6)), or 1 where max_norm <= 0,
 * and norm = sqrt(sum (scale g)^2), scale from the step block. With masked = 1 masked parameters'
 * squares are weighed by M (sgd_step.c): that is the norm of the branches' own gradients, so that
 * clipping by it keeps the target equal to them. Chunks lie at fixed places; sums are double. */
#include "kernels/segment.h"

enum { CHUNK = 16384, STRIP = 1024 };

typedef struct context {
    const real *grads;
    real factor, mask;
    vec *sum;
} context;

REP_INLINE void add_square(const void *ctx, size_t at, size_t lanes, vec one) {
    const context *c = ctx;
    const vec g = vload_count(c->grads + at, lanes) * c->factor;
    *c->sum += g * g * (one + c->mask);
}

static size_t chunk_count(const rep_kernel_call *call) {
    return (rep_shape_count(call->in[0].shape) + CHUNK - 1) / CHUNK;
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    (void)threads;
    return chunk_count(call) * sizeof(double);
}

/* Squares of the runs that begin in [begin, end), in working precision over about STRIP of them at
 * a time. */
static double chunk_sum(const rep_kernel_call *call, size_t begin, size_t end) {
    const rep_clip_params *params = call->params;
    const real *step = call->in[3].data;
    vec sum = vset(0);
    double total = 0;
    size_t seen = 0;
    context c = {.grads = call->in[0].data, .factor = step[REP_STEP_GRAD_SCALE], .sum = &sum};
    segment_walk walk = segment_walk_of(call, begin, end);
    segment_run of;
    while (segment_next(&walk, &of)) {
        const bool is_masked = params->masked && of.is_masked;
        c.mask = is_masked ? of.s * of.s + of.t * of.t : 1;
        if (!is_masked) { of.one = SIZE_MAX; }
        segment_each(add_square, &c, &of);
        seen += of.count;
        if (seen >= STRIP) {
            total += (double)vsum(sum);
            sum = vset(0);
            seen = 0;
        }
    }
    return total + (double)vsum(sum);
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_clip_params *params = call->params;
    const size_t count = rep_shape_count(call->in[0].shape), chunks = chunk_count(call);
    double *sums = call->scratch;
    size_t chunk, last;
    rep_worker_range(worker, chunks, 1, &chunk, &last);
    for (; chunk < last; chunk++) {
        const size_t end = (chunk + 1) * CHUNK < count ? (chunk + 1) * CHUNK : count;
        sums[chunk] = chunk_sum(call, chunk * CHUNK, end);
    }
    rep_worker_sync(worker);
    if (worker->index != 0) { return; }
    double total = 0;
    for (size_t i = 0; i < chunks; i++) { total += sums[i]; }
    const double norm = sqrt(total), share = (double)params->max_norm / (norm + 1e-6);
    real *out = call->out[0].data;
    out[0] = params->max_norm > 0 && share < 1 ? (real)share : 1;
    out[1] = (real)norm;
}

REP_KERNEL(clip_norm, run, scratch_bytes);
