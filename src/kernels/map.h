/* map.h - one pass over a tensor, a vector at a time: flat, or by rows (pixels) and columns
 * (channels). The function is inlined; `lanes` is REP_LANES but for the last vector of a row.
 */
#ifndef REP_KERNELS_MAP_H
#define REP_KERNELS_MAP_H

#include "kernels/kernel.h"
#include "kernels/math.h"

/* Elements one worker takes at least: partial vectors then occur at the very end only. */
enum { MAP_GRAIN = 1024 };

typedef vec (*map_flat_fn)(const void *context, size_t index, size_t lanes);
typedef vec (*map_row_fn)(const void *context, size_t row, size_t column, size_t lanes);

/* out[i] = fn(i) for this worker's part of `total` elements. */
REP_INLINE void map_flat(map_flat_fn fn, const void *context, real *out, size_t total,
                         const rep_worker *worker) {
    size_t i, end;
    rep_worker_range(worker, total, MAP_GRAIN, &i, &end);
    for (; i + REP_LANES <= end; i += REP_LANES) { vstore(out + i, fn(context, i, REP_LANES)); }
    if (i < end) { vstore_part(out + i, fn(context, i, end - i), end - i); }
}

/* out[row][column] = fn(row, column) for rows [begin, end). */
REP_INLINE void map_rows(map_row_fn fn, const void *context, real *out, size_t begin, size_t end,
                         size_t columns) {
    const size_t whole = columns / REP_LANES * REP_LANES;
    for (size_t row = begin; row < end; row++) {
        real *y = out + row * columns;
        for (size_t column = 0; column < whole; column += REP_LANES) {
            vstore(y + column, fn(context, row, column, REP_LANES));
        }
        if (whole < columns) {
            const size_t rest = columns - whole;
            vstore_part(y + whole, fn(context, row, whole, rest), rest);
        }
    }
}

/* The same for this worker's part of all rows. */
REP_INLINE void map_all_rows(map_row_fn fn, const void *context, real *out, size_t rows,
                             size_t columns, const rep_worker *worker) {
    size_t begin, end;
    rep_worker_range(worker, rows, 1, &begin, &end);
    map_rows(fn, context, out, begin, end, columns);
}

/* Pixels of a tensor: the rows of the matrix. */
static inline size_t shape_rows(rep_shape shape) {
    return (size_t)shape.n * (size_t)shape.h * (size_t)shape.w;
}

#endif
