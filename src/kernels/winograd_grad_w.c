/* winograd_grad_w.c - the weight gradient by F(3x3,4x4), see winograd.h.
 *
 * Per tile of 4x4 outputs: V = B^T d B from the 6x6 inputs it reads, Y = G e G^T from its upstream
 * gradients e; S[point][o][c] = sum over tiles of Y[point][o] V[point][c]; dw = A^T S A.
 * Points of one row of the 6x6 grid and channels o are divided among workers, so that each sum over
 * tiles is one worker's; tiles come in blocks whose size depends on the shape alone.
 */
#include "kernels/winograd.h"

/* Rows of a register tile: they divide a vector. */
#define SUM_ROWS (REP_LANES >= 8 ? REP_LANES / 2 : REP_LANES)
enum { BLOCK_BYTES = 768 << 10, MAX_TILES = 192, IN_PX = 36, OUT_PX = 16, KERNEL = 3 };

typedef struct layout {
    size_t rows, cols, tiles, block_tiles;
    size_t in_blocks, out_vecs; /* blocks of TILE_COLS input channels, vectors of output channels */
    size_t v_step, y_step;      /* elements between points */
    size_t sum_count, zero_count, worker_count;
} layout;

typedef struct walk {
    const rep_conv *conv;
    const layout *at;
    const real *x, *dy, *zeros;
    real *sums;        /* [point][output vector][input block][REP_LANES][TILE_COLS] */
    real *v;           /* [6][input block][tile][TILE_COLS] */
    real *y;           /* [6][output vector][tile][REP_LANES] */
    const real **from; /* [tile][IN_PX + OUT_PX] */
} walk;

static layout layout_get(const rep_conv *conv) {
    layout at = {.rows = (conv->out_h + WINOGRAD_OUT - 1) / WINOGRAD_OUT,
                 .cols = (conv->out_w + WINOGRAD_OUT - 1) / WINOGRAD_OUT,
                 .in_blocks = (conv->c_in + TILE_COLS - 1) / TILE_COLS,
                 .out_vecs = (conv->c_out + REP_LANES - 1) / REP_LANES};
    at.tiles = conv->n * at.rows * at.cols;
    const size_t channels = at.in_blocks * TILE_COLS + at.out_vecs * REP_LANES;
    size_t tiles = BLOCK_BYTES / (WINOGRAD_IN * channels * sizeof(real));
    if (tiles > MAX_TILES) { tiles = MAX_TILES; }
    if (tiles < 16) { tiles = 16; }
    const size_t blocks = (at.tiles + tiles - 1) / tiles;
    at.block_tiles = (at.tiles + blocks - 1) / blocks;
    /* An odd number of cache lines between points, so that they do not share sets. */
    const size_t line = 64 / sizeof(real);
    at.v_step = at.block_tiles * at.in_blocks * TILE_COLS + line;
    at.y_step = rep_round_up(at.block_tiles * at.out_vecs * REP_LANES, 2 * line) + line;
    at.v_step = rep_round_up(at.v_step, 2 * line) + line;
    at.sum_count = WINOGRAD_POINTS * at.out_vecs * REP_LANES * at.in_blocks * TILE_COLS;
    at.zero_count = rep_round_up(conv->c_in > conv->c_out ? conv->c_in : conv->c_out, line);
    at.worker_count =
        WINOGRAD_IN * (at.v_step + at.y_step) +
        rep_round_up(at.block_tiles * (IN_PX + OUT_PX) * sizeof(real *) / sizeof(real), line);
    return at;
}

size_t rep_winograd_grad_w_bytes(const rep_conv *conv, int threads) {
    const layout at = layout_get(conv);
    return (at.sum_count + at.zero_count + (size_t)threads * at.worker_count) * sizeof(real);
}

/* ---- transforms, one row of points -------------------------------------------------------------
 */
/* Row r of G for four taps: the polynomial e at the point, over the point's distances. */
REP_INLINE vec gradient_row(const int r, const vec e[WINOGRAD_OUT]) {
    const real p = WINOGRAD_P, q = WINOGRAD_Q, pp = WINOGRAD_PP, qq = WINOGRAD_QQ;
    switch (r) {
    case 0:
        return e[0] * (1 / WINOGRAD_N0);
    case 1:
        return ((e[0] + pp * e[2]) + p * (e[1] + pp * e[3])) * (1 / WINOGRAD_NP);
    case 2:
        return ((e[0] + pp * e[2]) - p * (e[1] + pp * e[3])) * (1 / WINOGRAD_NP);
    case 3:
        return ((e[0] + qq * e[2]) + q * (e[1] + qq * e[3])) * (1 / WINOGRAD_NQ);
    case 4:
        return ((e[0] + qq * e[2]) - q * (e[1] + qq * e[3])) * (1 / WINOGRAD_NQ);
    default:
        return e[3];
    }
}

/* A^T, six to three */
REP_INLINE void kernel_output(const vec m[WINOGRAD_IN], vec g[KERNEL]) {
    const vec sum1 = m[1] + m[2], sum2 = m[3] + m[4];
    g[0] = m[0] + (sum1 + sum2);
    g[1] = WINOGRAD_P * (m[1] - m[2]) + WINOGRAD_Q * (m[3] - m[4]);
    g[2] = WINOGRAD_PP * sum1 + (WINOGRAD_QQ * sum2 + m[5]);
}

static inline vec load_some(const real *p, size_t count) {
    return count >= REP_LANES ? vload(p) : vload_part(p, count);
}

/* Points (r, 0..5) of one vector of input channels. */
REP_INLINE void transform_input(const int r, const real *const *from, size_t channel, size_t count,
                                real *to, size_t step) {
    vec half[WINOGRAD_IN], t[WINOGRAD_IN];
    REP_UNROLL(8) for (size_t s = 0; s < WINOGRAD_IN; s++) {
        vec d[WINOGRAD_IN];
        REP_UNROLL(8) for (size_t k = 0; k < WINOGRAD_IN; k++) {
            /* Rows 0 and 5 of B^T each use every second tap, the others the inner four. */
            const bool is_used = r == 0 ? k % 2 == 0 : r == 5 ? k % 2 == 1 : k > 0 && k < 5;
            d[k] = is_used ? load_some(from[k * WINOGRAD_IN + s] + channel, count) : vset(0);
        }
        half[s] = winograd_input_row(r, d);
    }
    winograd_input(half, t);
    REP_UNROLL(8) for (size_t s = 0; s < WINOGRAD_IN; s++) { vstore(to + s * step, t[s]); }
}

/* Points (r, 0..5) of one vector of upstream gradients. */
REP_INLINE void transform_gradient(const int r, const real *const *from, size_t channel,
                                   size_t count, real *to, size_t step) {
    vec half[WINOGRAD_OUT];
    REP_UNROLL(4) for (size_t s = 0; s < WINOGRAD_OUT; s++) {
        vec e[WINOGRAD_OUT];
        REP_UNROLL(4) for (size_t k = 0; k < WINOGRAD_OUT; k++) {
            const bool is_used = r == 0 ? k == 0 : r == 5 ? k == 3 : true;
            e[k] = is_used ? load_some(from[k * WINOGRAD_OUT + s] + channel, count) : vset(0);
        }
        half[s] = gradient_row(r, e);
    }
    vstore(to, gradient_row(0, half));
    vstore(to + step, gradient_row(1, half));
    vstore(to + 2 * step, gradient_row(2, half));
    vstore(to + 3 * step, gradient_row(3, half));
    vstore(to + 4 * step, gradient_row(4, half));
    vstore(to + 5 * step, gradient_row(5, half));
}

/* Row r of all tiles of a block: every input channel, output vectors [first, last). */
REP_INLINE void transform_row(const int r, const walk *w, size_t count, size_t first, size_t last) {
    const layout *at = w->at;
    const size_t c_in = w->conv->c_in, c_out = w->conv->c_out;
    for (size_t tile = 0; tile < count; tile++) {
        const real *const *from = w->from + tile * (IN_PX + OUT_PX);
        for (size_t k = 0; k < c_in; k += REP_LANES) {
            real *to = w->v + (k / TILE_COLS * at->block_tiles + tile) * TILE_COLS + k % TILE_COLS;
            if (c_in - k >= REP_LANES) {
                transform_input(r, from, k, REP_LANES, to, at->v_step);
            } else {
                transform_input(r, from, k, c_in - k, to, at->v_step);
            }
        }
        for (size_t o = first; o < last; o++) {
            real *to = w->y + (o * at->block_tiles + tile) * REP_LANES;
            const size_t left = c_out - o * REP_LANES;
            if (left >= REP_LANES) {
                transform_gradient(r, from + IN_PX, o * REP_LANES, REP_LANES, to, at->y_step);
            } else {
                transform_gradient(r, from + IN_PX, o * REP_LANES, left, to, at->y_step);
            }
        }
    }
}

#define TRANSFORM_ROW(r)                                                                           \
    static void transform_row_##r(const walk *w, size_t count, size_t first, size_t last) {        \
        transform_row(r, w, count, first, last);                                                   \
    }
TRANSFORM_ROW(0)
TRANSFORM_ROW(1)
TRANSFORM_ROW(2)
TRANSFORM_ROW(3)
TRANSFORM_ROW(4)
TRANSFORM_ROW(5)
static void (*const transform_rows[WINOGRAD_IN])(const walk *, size_t, size_t, size_t) = {
    transform_row_0, transform_row_1, transform_row_2,
    transform_row_3, transform_row_4, transform_row_5};

/* Points at the pixels of tiles [first, first + count), zeros outside the pictures. */
static void point_tiles(const walk *w, size_t first, size_t count) {
    const rep_conv *conv = w->conv;
    const real **to = w->from;
    for (size_t tile = first; tile < first + count; tile++) {
        const size_t j0 = tile % w->at->cols * WINOGRAD_OUT;
        const size_t i0 = tile / w->at->cols % w->at->rows * WINOGRAD_OUT;
        const size_t n = tile / w->at->cols / w->at->rows;
        for (size_t k = 0; k < IN_PX; k++) {
            const size_t i = i0 + k / WINOGRAD_IN - conv->pad, j = j0 + k % WINOGRAD_IN - conv->pad;
            const bool is_in = i < conv->h && j < conv->w; /* above and left wrap to huge values */
            *to++ = is_in ? w->x + ((n * conv->h + i) * conv->w + j) * conv->c_in : w->zeros;
        }
        for (size_t k = 0; k < OUT_PX; k++) {
            const size_t i = i0 + k / WINOGRAD_OUT, j = j0 + k % WINOGRAD_OUT;
            const bool is_in = i < conv->out_h && j < conv->out_w;
            *to++ =
                is_in ? w->dy + ((n * conv->out_h + i) * conv->out_w + j) * conv->c_out : w->zeros;
        }
    }
}

/* ---- sums over tiles ---------------------------------------------------------------------------
 */
/* sum[SUM_ROWS][TILE_COLS] += over tiles y[tile][row] v[tile][column] */
REP_INLINE void add_products(const real *y, const real *v, size_t count, real *sum,
                             const size_t vecs) {
    vec acc[SUM_ROWS][TILE_VECS];
    REP_UNROLL(8) for (size_t m = 0; m < SUM_ROWS; m++) {
        REP_UNROLL(2) for (size_t k = 0; k < vecs; k++) { acc[m][k] = vset(0); }
    }
    for (size_t tile = 0; tile < count; tile++, y += REP_LANES, v += TILE_COLS) {
        vec b[TILE_VECS];
        REP_UNROLL(2) for (size_t k = 0; k < vecs; k++) { b[k] = vload(v + k * REP_LANES); }
        REP_UNROLL(8) for (size_t m = 0; m < SUM_ROWS; m++) {
            REP_UNROLL(2) for (size_t k = 0; k < vecs; k++) { acc[m][k] += b[k] * y[m]; }
        }
    }
    REP_UNROLL(8) for (size_t m = 0; m < SUM_ROWS; m++) {
        REP_UNROLL(2) for (size_t k = 0; k < vecs; k++) {
            real *to = sum + m * TILE_COLS + k * REP_LANES;
            vstore(to, vload(to) + acc[m][k]);
        }
    }
}

/* Where the sums of one point, output vector and input block begin. */
static real *sums_of(const walk *w, size_t point, size_t out_vec, size_t in_block) {
    return w->sums + ((point * w->at->out_vecs + out_vec) * w->at->in_blocks + in_block) *
                         REP_LANES * TILE_COLS;
}

/* One row of points of a block: output vectors [first, last) by all input channels. */
static void sum_row(const walk *w, size_t r, size_t count, size_t first, size_t last) {
    const layout *at = w->at;
    for (size_t s = 0; s < WINOGRAD_IN; s++) {
        for (size_t in = 0; in < at->in_blocks; in++) {
            const real *v = w->v + s * at->v_step + in * at->block_tiles * TILE_COLS;
            const bool is_full = w->conv->c_in - in * TILE_COLS > REP_LANES;
            for (size_t o = first; o < last; o++) {
                const real *y = w->y + s * at->y_step + o * at->block_tiles * REP_LANES;
                real *sum = sums_of(w, r * WINOGRAD_IN + s, o, in);
                for (size_t m = 0; m < REP_LANES; m += SUM_ROWS, sum += SUM_ROWS * TILE_COLS) {
                    if (is_full) {
                        add_products(y + m, v, count, sum, 2);
                    } else {
                        add_products(y + m, v, count, sum, 1);
                    }
                }
            }
        }
    }
}

/* ---- dw ----------------------------------------------------------------------------------------
 */
/* A^T S A of one output channel and one vector of input channels. */
static void store_kernels(const walk *w, size_t o, size_t channel, real *dw) {
    const size_t c_in = w->conv->c_in, left = c_in - channel;
    const size_t place = o % REP_LANES * TILE_COLS + channel % TILE_COLS;
    vec half[KERNEL][WINOGRAD_IN];
    for (size_t s = 0; s < WINOGRAD_IN; s++) {
        vec m[WINOGRAD_IN], g[KERNEL];
        for (size_t r = 0; r < WINOGRAD_IN; r++) {
            m[r] =
                vload(sums_of(w, r * WINOGRAD_IN + s, o / REP_LANES, channel / TILE_COLS) + place);
        }
        kernel_output(m, g);
        for (size_t r = 0; r < KERNEL; r++) { half[r][s] = g[r]; }
    }
    real *to = dw + o * KERNEL * KERNEL * c_in + channel;
    for (size_t r = 0; r < KERNEL; r++) {
        vec g[KERNEL];
        kernel_output(half[r], g);
        for (size_t s = 0; s < KERNEL; s++, to += c_in) {
            if (left >= REP_LANES) {
                vstore(to, g[s]);
            } else {
                vstore_part(to, g[s], left);
            }
        }
    }
}

/* The sums of items [begin, end): item = row of points, output vector. */
static void sum_items(const walk *w, size_t begin, size_t end) {
    const layout *at = w->at;
    const size_t item = REP_LANES * at->in_blocks * TILE_COLS;
    for (size_t i = begin; i < end; i++) {
        for (size_t s = 0; s < WINOGRAD_IN; s++) {
            memset(sums_of(w, i / at->out_vecs * WINOGRAD_IN + s, i % at->out_vecs, 0), 0,
                   item * sizeof(real));
        }
    }
    for (size_t tile = 0; tile < at->tiles && begin < end; tile += at->block_tiles) {
        const size_t left = at->tiles - tile;
        const size_t count = left < at->block_tiles ? left : at->block_tiles;
        point_tiles(w, tile, count);
        for (size_t i = begin; i < end;) {
            const size_t r = i / at->out_vecs, first = i % at->out_vecs;
            const size_t rest = end - i + first;
            const size_t last = rest < at->out_vecs ? rest : at->out_vecs;
            transform_rows[r](w, count, first, last);
            sum_row(w, r, count, first, last);
            i += last - first;
        }
    }
}

void rep_winograd_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                             void *scratch, const rep_worker *worker) {
    const layout at = layout_get(conv);
    real *sums = scratch, *zeros = sums + at.sum_count;
    real *mine = zeros + at.zero_count + (size_t)worker->index * at.worker_count;
    real *y = mine + WINOGRAD_IN * at.v_step;
    const walk w = {.conv = conv,
                    .at = &at,
                    .x = x,
                    .dy = dy,
                    .zeros = zeros,
                    .sums = sums,
                    .v = mine,
                    .y = y,
                    .from = (const real **)(y + WINOGRAD_IN * at.y_step)};
    if (worker->index == 0) { memset(zeros, 0, at.zero_count * sizeof(real)); }
    rep_worker_sync(worker);
    size_t begin, end;
    rep_worker_range(worker, WINOGRAD_IN * at.out_vecs, 1, &begin, &end);
    sum_items(&w, begin, end);
    rep_worker_sync(worker);
    const size_t vecs = (conv->c_in + REP_LANES - 1) / REP_LANES;
    rep_worker_range(worker, conv->c_out * vecs, 1, &begin, &end);
    for (size_t i = begin; i < end; i++) { store_kernels(&w, i / vecs, i % vecs * REP_LANES, dw); }
}
