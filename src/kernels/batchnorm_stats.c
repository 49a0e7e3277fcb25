/* batchnorm_stats - mean and 1/sqrt(var + eps) per channel of x {n,c,h,w}, over n, h, w; moves the
 * running mean and variance (the unbiased one) by `momentum` towards the batch's.
 *
 * A mean far from 0 must not eat the variance's digits: a block of rows that fits the first cache
 * is read twice, once for its mean and once for the squares about it, and blocks are joined in
 * double by the formula of Chan, Golub and LeVeque (The American Statistician 37, 1983). Chunks of
 * blocks lie at fixed places and are joined in order, whatever the thread count.
 */
#include "kernels/reduce.h"

/* Rows of a block: about 32 KiB, at least 8, a multiple of 4. */
static size_t block_rows(size_t columns) {
    const size_t rows = 32768 / sizeof(real) / columns / 4 * 4;
    return rows < 8 ? 8 : rows > REDUCE_BLOCK_ROWS ? REDUCE_BLOCK_ROWS : rows;
}

/* Per column: how many rows were seen, their mean, and the sum of squares about it. */
typedef struct moments {
    double count;
    double *mean, *squares;
} moments;

/* Joins `count` rows with their own means and squares to the moments: of one block, and
 * of one chunk, columns [begin, end). */
static inline void moments_join_real(moments *to, double count, const real *mean,
                                     const real *squares, size_t columns) {
    const double whole = to->count + count;
    const double share = count / whole, between = to->count * count / whole;
    double *to_mean = to->mean, *to_squares = to->squares;
    for (size_t i = 0; i < columns; i++) {
        const double step = (double)mean[i] - to_mean[i];
        to_mean[i] += step * share;
        to_squares[i] += (double)squares[i] + step * step * between;
    }
    to->count = whole;
}
static inline void moments_join(moments *to, const moments *from, size_t begin, size_t end) {
    const double whole = to->count + from->count;
    const double share = from->count / whole, between = to->count * from->count / whole;
    for (size_t i = begin; i < end; i++) {
        const double step = from->mean[i] - to->mean[i];
        to->mean[i] += step * share;
        to->squares[i] += from->squares[i] + step * step * between;
    }
    to->count = whole;
}

/* sum[i] = sum over rows of x, for one vector of columns. */
REP_INLINE void sum_column(const real *x, size_t rows, size_t columns, size_t lanes, real *sum) {
    vec s[4] = {vset(0), vset(0), vset(0), vset(0)};
    size_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        for (size_t k = 0; k < 4; k++) { s[k] += vload_count(x + (row + k) * columns, lanes); }
    }
    for (; row < rows; row++) { s[0] += vload_count(x + row * columns, lanes); }
    vstore_count(sum, (s[0] + s[1]) + (s[2] + s[3]), lanes);
}

/* Replaces sum[i] by the block's mean and gives the squares about it. The mean is rounded, so the
 * sum of deviations is not quite 0; its square is taken off again. */
REP_INLINE void square_column(const real *x, size_t rows, size_t columns, size_t lanes, real *sum,
                              real *squares) {
    const vec count = vset((real)rows), mean = vload_count(sum, lanes) / count;
    vec s[4] = {vset(0), vset(0), vset(0), vset(0)}, q[4] = {s[0], s[0], s[0], s[0]};
    size_t row = 0;
    for (; row + 4 <= rows; row += 4) {
        for (size_t k = 0; k < 4; k++) {
            const vec d = vload_count(x + (row + k) * columns, lanes) - mean;
            s[k] += d;
            q[k] += d * d;
        }
    }
    for (; row < rows; row++) {
        const vec d = vload_count(x + row * columns, lanes) - mean;
        s[0] += d;
        q[0] += d * d;
    }
    const vec rest = (s[0] + s[1]) + (s[2] + s[3]);
    vstore_count(squares, ((q[0] + q[1]) + (q[2] + q[3])) - rest * rest / count, lanes);
    vstore_count(sum, mean + rest / count, lanes);
}

static void add_block(moments *to, const real *x, size_t rows, size_t columns, real *block) {
    real *mean = block, *squares = block + reduce_columns_padded(columns);
    const size_t whole = columns / REP_LANES * REP_LANES, rest = columns - whole;
    for (size_t i = 0; i < whole; i += REP_LANES) {
        sum_column(x + i, rows, columns, REP_LANES, mean + i);
    }
    if (rest > 0) { sum_column(x + whole, rows, columns, rest, mean + whole); }
    for (size_t i = 0; i < whole; i += REP_LANES) {
        square_column(x + i, rows, columns, REP_LANES, mean + i, squares + i);
    }
    if (rest > 0) { square_column(x + whole, rows, columns, rest, mean + whole, squares + whole); }
    moments_join_real(to, (double)rows, mean, squares, columns);
}

static size_t scratch_bytes(const rep_kernel_call *call, int threads) {
    const rep_shape shape = call->in[0].shape;
    return reduce_scratch_bytes(shape_rows(shape), (size_t)shape.c, threads);
}

/* Writes the results of channels [begin, end). */
static void finish(const rep_kernel_call *call, const moments *total, size_t begin, size_t end) {
    const rep_norm_params *params = call->params;
    real *mean = call->out[0].data, *invstd = call->out[1].data;
    real *running_mean = call->out[2].data, *running_var = call->out[3].data;
    const double momentum = (double)params->momentum;
    const double unbias = total->count > 1 ? total->count - 1 : 1;
    for (size_t i = begin; i < end; i++) {
        const double squares = total->squares[i] < 0 ? 0 : total->squares[i];
        mean[i] = (real)total->mean[i];
        invstd[i] = (real)(1 / sqrt(squares / total->count + (double)params->eps));
        if (running_mean) {
            const double old = (double)running_mean[i];
            running_mean[i] = (real)((1 - momentum) * old + momentum * total->mean[i]);
        }
        if (running_var) {
            const double old = (double)running_var[i];
            running_var[i] = (real)((1 - momentum) * old + momentum * (squares / unbias));
        }
    }
}

static void run(const rep_kernel_call *call, const rep_worker *worker) {
    const rep_shape shape = call->in[0].shape;
    const size_t rows = shape_rows(shape), columns = (size_t)shape.c;
    const size_t chunks = reduce_chunk_count(rows), chunk_rows = reduce_chunk_rows(rows);
    const size_t stride = 2 * reduce_columns_padded(columns), step = block_rows(columns);
    const real *x = call->in[0].data;
    double *sums = call->scratch;
    real *block = (real *)(void *)((char *)(sums + chunks * stride) +
                                   (size_t)worker->index * reduce_block_bytes(columns));
    size_t chunk, last;
    rep_worker_range(worker, chunks, 1, &chunk, &last);
    for (; chunk < last; chunk++) {
        double *own = sums + chunk * stride;
        moments to = {0, own, own + columns};
        memset(own, 0, stride * sizeof *own);
        const size_t end = (chunk + 1) * chunk_rows < rows ? (chunk + 1) * chunk_rows : rows;
        for (size_t row = chunk * chunk_rows; row < end; row += step) {
            const size_t count = end - row < step ? end - row : step;
            add_block(&to, x + row * columns, count, columns, block);
        }
    }
    rep_worker_sync(worker);
    size_t begin, end;
    rep_worker_range(worker, columns, 16, &begin, &end);
    moments total = {(double)(rows < chunk_rows ? rows : chunk_rows), sums, sums + columns};
    for (size_t k = 1; k < chunks; k++) {
        double *own = sums + k * stride;
        const size_t left = rows - k * chunk_rows;
        const moments next = {(double)(left < chunk_rows ? left : chunk_rows), own, own + columns};
        moments_join(&total, &next, begin, end);
    }
    finish(call, &total, begin, end);
}

REP_KERNEL(batchnorm_stats, run, scratch_bytes);
