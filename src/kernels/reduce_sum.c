/* reduce_sum - y {1,1,1,1} = scale * sum of x, divided by the step block's valid count when
 * by_valid is 1; from (x, [step]). Elements are cut into chunks at fixed places, summed in double.
 */
#include "kernels/map.h"

enum { CHUNK = 65536, STRIP = 64 * REP_LANES };

static size_t chunk_count(const rep_kernel_call *call) {
    return (rep_shape_count(call->in[0].shape) + CHUNK - 1) / CHUNK;
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    (void)threads;
    return chunk_count(call) * sizeof(double);
}

static double chunk_sum(const real *x, size_t count) {
    double total = 0;
    for (size_t at = 0; at < count; at += STRIP) {
        const size_t strip = count - at < STRIP ? count - at : STRIP;
        vec sum = vset(0);
        size_t i = 0;
        for (; i + REP_LANES <= strip; i += REP_LANES) { sum += vload(x + at + i); }
        if (i < strip) { sum += vload_part(x + at + i, strip - i); }
        total += (double)vsum(sum);
    }
    return total;
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_reduce_params *params = call->params;
    const real *x = call->in[0].data, *step = call->in[1].data;
    const size_t count = rep_shape_count(call->in[0].shape), chunks = chunk_count(call);
    double *sums = call->scratch;
    size_t chunk, end;
    rep_worker_range(worker, chunks, 1, &chunk, &end);
    for (; chunk < end; chunk++) {
        const size_t at = chunk * CHUNK;
        sums[chunk] = chunk_sum(x + at, count - at < CHUNK ? count - at : CHUNK);
    }
    rep_worker_sync(worker);
    if (worker->index != 0) { return; }
    double total = 0;
    for (size_t i = 0; i < chunks; i++) { total += sums[i]; }
    total *= (double)params->scale;
    if (params->by_valid && step && step[REP_STEP_VALID] > 0) {
        total /= (double)step[REP_STEP_VALID];
    }
    *(real *)call->out[0].data = (real)total;
}

REP_KERNEL(reduce_sum, run, scratch_bytes);
