/* winograd_weights.c - transformed kernels U = G g G^T of winograd.h, 6x6 numbers each.
 *
 * g is the 3x3 kernel of one input and one output channel, turned by half a turn for the gradient.
 * Done once per call, vectors along output columns; blocks of columns by input channels are
 * divided.
 */
#include "kernels/winograd_points.h"

enum { TAPS = 9 };

/* Gathers taps of REP_LANES columns by `depth` <= REP_LANES channels: g[channel][tap][column]. */
static void gather(const rep_igemm *job, size_t column, size_t columns, size_t k, size_t depth,
                   real g[REP_LANES][TAPS][REP_LANES]) {
    const bool is_full = columns == REP_LANES && depth == REP_LANES;
    if (!is_full) { memset(g, 0, REP_LANES * TAPS * REP_LANES * sizeof(real)); }
    for (size_t t = 0; t < TAPS; t++) {
        const size_t tap = job->is_grad ? TAPS - 1 - t : t;
        const real *from = job->w + column * job->w_col + k * job->w_depth + tap * job->w_tap;
        if (is_full && job->w_depth == 1) {
            rep_transpose_square(from, job->w_col, g[0][t], TAPS * REP_LANES);
            continue;
        }
        for (size_t d = 0; d < depth; d++) {
            for (size_t c = 0; c < columns; c++) {
                g[d][t][c] = from[c * job->w_col + d * job->w_depth];
            }
        }
    }
}

CONV_INLINE void kernel_line(const bool is_strided, const vec g[3], vec u[WINOGRAD_KERNEL]) {
    if (is_strided) {
        strided_kernel(g, u);
    } else {
        dense_kernel(g, u);
    }
}

/* The 36 points of one vector of kernels; `step` elements between points. */
CONV_INLINE void transform(const bool is_strided, const real g[TAPS][REP_LANES], real *to,
                           size_t step) {
    vec half[3][WINOGRAD_KERNEL];
    REP_UNROLL(3) for (size_t s = 0; s < 3; s++) {
        const vec column[3] = {vload(g[s]), vload(g[3 + s]), vload(g[6 + s])};
        kernel_line(is_strided, column, half[s]);
    }
    REP_UNROLL(6) for (size_t i = 0; i < WINOGRAD_KERNEL; i++) {
        const vec row[3] = {half[0][i], half[1][i], half[2][i]};
        vec u[WINOGRAD_KERNEL];
        kernel_line(is_strided, row, u);
        REP_UNROLL(6) for (size_t j = 0; j < WINOGRAD_KERNEL; j++, to += step) { vstore(to, u[j]); }
    }
}

void rep_winograd_weights(const rep_igemm *job, real *to, const rep_worker *worker) {
    const size_t depth_pad = rep_round_up(job->depth, REP_LANES);
    const size_t width_pad = rep_round_up(job->width, REP_LANES);
    const size_t vecs = width_pad / REP_LANES, parts = depth_pad / REP_LANES;
    real g[REP_LANES][TAPS][REP_LANES];
    size_t begin, end;
    rep_worker_range(worker, vecs * parts, 1, &begin, &end);
    for (size_t unit = begin; unit < end; unit++) {
        const size_t column = unit / parts * REP_LANES, k = unit % parts * REP_LANES;
        const size_t block = column / TILE_COLS * TILE_COLS;
        const size_t size = width_pad - block < TILE_COLS ? REP_LANES : TILE_COLS;
        const size_t columns = job->width - column < REP_LANES ? job->width - column : REP_LANES;
        const size_t depth = job->depth - k < REP_LANES ? job->depth - k : REP_LANES;
        real *part = to + block * WINOGRAD_KERNELS * depth_pad + k * size + (column - block);
        gather(job, column, columns, k, depth, g);
        for (size_t d = 0; d < REP_LANES; d++) {
            const real(*taps)[REP_LANES] = (const real(*)[REP_LANES])g[d];
            if (job->stride == 1) {
                transform(false, taps, part + d * size, depth_pad * size);
            } else {
                transform(true, taps, part + d * size, depth_pad * size);
            }
        }
    }
}
