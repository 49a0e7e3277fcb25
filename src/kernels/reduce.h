/* reduce.h - sums down the columns of a matrix rows x columns (pixels x channels).
 *
 * A kernel gives the terms of up to two sums per column; rows are read once, in order, all columns
 * of a row together. Rows are cut into blocks of 64, summed in working precision, and blocks are
 * added in double. Chunks of whole blocks are cut at places that depend on the shape alone and are
 * joined in order, so that the thread count changes no bit.
 */
#ifndef REP_KERNELS_REDUCE_H
#define REP_KERNELS_REDUCE_H

#include "kernels/map.h"

enum { REDUCE_BLOCK_ROWS = 64, REDUCE_MIN_CHUNK_ROWS = 256, REDUCE_MAX_CHUNKS = 32 };

typedef struct vec_pair {
    vec a, b;
} vec_pair;

/* Terms of columns [column, column + lanes) in `row`, lanes <= REP_LANES. */
typedef vec_pair (*reduce_term)(const void *context, size_t row, size_t column, size_t lanes);

/* The term x * dy, for the gradient of a factor. */
typedef struct reduce_product {
    const real *x, *dy;
    size_t columns;
} reduce_product;
REP_INLINE vec_pair reduce_product_term(const void *context, size_t row, size_t column,
                                        size_t lanes) {
    const reduce_product *c = context;
    const size_t at = row * c->columns + column;
    return (vec_pair){vload_count(c->x + at, lanes) * vload_count(c->dy + at, lanes), vset(0)};
}

static inline size_t reduce_columns_padded(size_t columns) { return (columns + 15) / 16 * 16; }
/* What one worker needs for reduce_rows: the block's sums, in working precision. */
static inline size_t reduce_block_bytes(size_t columns) {
    return 2 * reduce_columns_padded(columns) * sizeof(real);
}

/* Adds the terms of up to four rows to the block's sums, one vector of columns. */
REP_INLINE void reduce_group(reduce_term term, const void *context, size_t row, size_t rows,
                             size_t column, size_t lanes, real *a, real *b) {
    vec_pair sum = term(context, row, column, lanes);
    if (rows == 4) {
        const vec_pair t1 = term(context, row + 1, column, lanes);
        const vec_pair t2 = term(context, row + 2, column, lanes);
        const vec_pair t3 = term(context, row + 3, column, lanes);
        sum.a = (sum.a + t1.a) + (t2.a + t3.a);
        sum.b = (sum.b + t1.b) + (t2.b + t3.b);
    } else {
        for (size_t i = 1; i < rows; i++) {
            const vec_pair t = term(context, row + i, column, lanes);
            sum.a += t.a;
            sum.b += t.b;
        }
    }
    vstore_count(a + column, vload_count(a + column, lanes) + sum.a, lanes);
    vstore_count(b + column, vload_count(b + column, lanes) + sum.b, lanes);
}

/* sums[0, columns) and [columns, 2 columns) += the terms of rows [begin, end). `block` is
 * reduce_block_bytes of scratch. */
REP_INLINE void reduce_rows(reduce_term term, const void *context, size_t begin, size_t end,
                            size_t columns, void *block, double *sums) {
    real *a = block, *b = a + reduce_columns_padded(columns);
    const size_t whole = columns / REP_LANES * REP_LANES;
    for (size_t top = begin; top < end; top += REDUCE_BLOCK_ROWS) {
        const size_t bottom = end - top < REDUCE_BLOCK_ROWS ? end : top + REDUCE_BLOCK_ROWS;
        memset(block, 0, reduce_block_bytes(columns));
        for (size_t row = top; row < bottom; row += 4) {
            const size_t rows = bottom - row < 4 ? bottom - row : 4;
            for (size_t column = 0; column < whole; column += REP_LANES) {
                reduce_group(term, context, row, rows, column, REP_LANES, a, b);
            }
            if (whole < columns) {
                reduce_group(term, context, row, rows, whole, columns - whole, a, b);
            }
        }
        for (size_t column = 0; column < columns; column++) {
            sums[column] += (double)a[column];
            sums[columns + column] += (double)b[column];
        }
    }
}

/* The reduction of a few rows by one worker alone, for ops with one result per picture. `own` is
 * reduce_own_bytes of this worker's scratch; returns the totals, which lie there. */
static inline size_t reduce_own_bytes(size_t columns) {
    return 2 * reduce_columns_padded(columns) * sizeof(double) + reduce_block_bytes(columns);
}
REP_INLINE const double *reduce_own(reduce_term term, const void *context, size_t begin, size_t end,
                                    size_t columns, void *own) {
    const size_t stride = 2 * reduce_columns_padded(columns);
    double *sums = own;
    memset(sums, 0, stride * sizeof *sums);
    reduce_rows(term, context, begin, end, columns, sums + stride, sums);
    return sums;
}

/* Rows of one chunk, a whole number of blocks. */
static inline size_t reduce_chunk_rows(size_t rows) {
    const size_t blocks = (rows + REDUCE_BLOCK_ROWS - 1) / REDUCE_BLOCK_ROWS;
    const size_t per_chunk =
        (blocks + REDUCE_MAX_CHUNKS - 1) / REDUCE_MAX_CHUNKS * REDUCE_BLOCK_ROWS;
    return per_chunk < REDUCE_MIN_CHUNK_ROWS ? REDUCE_MIN_CHUNK_ROWS : per_chunk;
}
static inline size_t reduce_chunk_count(size_t rows) {
    const size_t per_chunk = reduce_chunk_rows(rows);
    return (rows + per_chunk - 1) / per_chunk;
}
static inline size_t reduce_scratch_bytes(size_t rows, size_t columns, int threads) {
    const size_t sums = reduce_chunk_count(rows) * 2 * reduce_columns_padded(columns) * 8;
    return sums + (size_t)threads * reduce_block_bytes(columns);
}

/* The whole reduction. Returns the totals (layout of reduce_rows) and this worker's part of the
 * columns, [*begin, *end), of which alone the totals are ready when it returns. */
REP_INLINE const double *reduce_columns(reduce_term term, const void *context, size_t rows,
                                        size_t columns, void *scratch, const rep_worker *worker,
                                        size_t *begin, size_t *end) {
    const size_t chunks = reduce_chunk_count(rows), chunk_rows = reduce_chunk_rows(rows);
    const size_t stride = 2 * reduce_columns_padded(columns);
    double *sums = scratch;
    char *block =
        (char *)(sums + chunks * stride) + (size_t)worker->index * reduce_block_bytes(columns);
    size_t first, last;
    rep_worker_range(worker, chunks, 1, &first, &last);
    for (size_t chunk = first; chunk < last; chunk++) {
        const size_t top = chunk * chunk_rows;
        const size_t bottom = rows - top < chunk_rows ? rows : top + chunk_rows;
        double *own = sums + chunk * stride;
        memset(own, 0, stride * sizeof *own);
        reduce_rows(term, context, top, bottom, columns, block, own);
    }
    rep_worker_sync(worker);
    rep_worker_range(worker, columns, 16, begin, end);
    for (size_t chunk = 1; chunk < chunks; chunk++) {
        const double *next = sums + chunk * stride;
        for (size_t column = *begin; column < *end; column++) {
            sums[column] += next[column];
            sums[columns + column] += next[columns + column];
        }
    }
    return sums;
}

#endif
