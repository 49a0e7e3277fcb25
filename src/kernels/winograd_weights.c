/* winograd_weights.c - transformed kernels U = G g G^T of F(4x4,3x3).
 *
 * g is the 3x3 kernel of one input and one output channel, turned by half a turn for the gradient.
 * Done once per call, vectors along output columns; blocks of columns by input channels are
 * divided.
 */
#include "kernels/winograd.h"

enum { TAPS = 9 };

/* Gathers taps of REP_LANES columns by `depth` <= REP_LANES channels: g[channel][tap][column]. */
static void gather(const rep_igemm *job, size_t column, size_t columns, size_t k, size_t depth,
                   real g[REP_LANES][TAPS][REP_LANES]) {
    memset(g, 0, REP_LANES * TAPS * REP_LANES * sizeof(real));
    for (size_t t = 0; t < TAPS; t++) {
        const size_t tap = job->is_grad ? TAPS - 1 - t : t;
        const real *from = job->w + column * job->w_col + k * job->w_depth + tap * job->w_tap;
        if (job->w_col == 1) {
            for (size_t d = 0; d < depth; d++) {
                memcpy(g[d][t], from + d * job->w_depth, columns * sizeof(real));
            }
        } else {
            for (size_t c = 0; c < columns; c++) {
                for (size_t d = 0; d < depth; d++) {
                    g[d][t][c] = from[c * job->w_col + d * job->w_depth];
                }
            }
        }
    }
}

/* The 36 points of one vector of kernels; `point_step` elements between points. */
static void transform(const real g[TAPS][REP_LANES], real *to, size_t point_step) {
    vec half[3][WINOGRAD_IN];
    for (size_t s = 0; s < 3; s++) {
        const vec column[3] = {vload(g[s]), vload(g[3 + s]), vload(g[6 + s])};
        winograd_kernel(column, half[s]);
    }
    for (size_t i = 0; i < WINOGRAD_IN; i++) {
        const vec row[3] = {half[0][i], half[1][i], half[2][i]};
        vec u[WINOGRAD_IN];
        winograd_kernel(row, u);
        for (size_t j = 0; j < WINOGRAD_IN; j++) {
            vstore(to + (i * WINOGRAD_IN + j) * point_step, u[j]);
        }
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
        real *part = to + block * WINOGRAD_POINTS * depth_pad + k * size + (column - block);
        gather(job, column, columns, k, depth, g);
        for (size_t d = 0; d < REP_LANES; d++) {
            transform((const real(*)[REP_LANES])g[d], part + d * size, depth_pad * size);
        }
    }
}
