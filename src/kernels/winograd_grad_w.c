/* winograd_grad_w.c - the weight gradient by the transforms of winograd.h.
 *
 * Per tile of 4x4 outputs: V = B^T d B from the input pixels d it reads, Y = G e G^T from its
 * upstream gradients e; S[kernel point][o][c] = sum over tiles and their points of Y[point][o]
 * V[point][c]; dw = A^T S A. Rows of kernel points and channels o are divided among workers, so
 * that each sum is one worker's; tiles come in blocks whose size depends on the shape alone.
 */
#include "kernels/winograd_points.h"

/* Rows of a register tile: they divide a vector. */
#define SUM_ROWS (REP_LANES >= 8 ? REP_LANES / 2 : REP_LANES)
enum { BLOCK_BYTES = 400 << 10, MIN_TILES = 48, MAX_TILES = 192, OUT_SIDE = 4, KERNEL = 3 };

typedef struct layout {
    bool is_strided;
    size_t side, in_step;     /* points and input pixels of a tile along an axis; tile distance */
    size_t rows, cols, tiles; /* tiles per picture, and of the batch */
    size_t block_tiles;
    size_t in_blocks, out_vecs; /* blocks of TILE_COLS input channels, vectors of output channels */
    size_t v_step, y_step;      /* elements between points */
    size_t sum_count, zero_count, worker_count;
} layout;

typedef struct walk {
    const rep_conv *conv;
    const layout *at;
    const real *x, *dy, *zeros;
    real *sums; /* [kernel point][output vector][input block][REP_LANES][TILE_COLS] */
    rep_winograd_block block;
} walk;

static layout layout_get(const rep_conv *conv) {
    const bool is_strided = conv->stride == 2;
    layout at = {.is_strided = is_strided,
                 .side = is_strided ? 9 : 6,
                 .in_step = OUT_SIDE * conv->stride,
                 .rows = (conv->out_h + OUT_SIDE - 1) / OUT_SIDE,
                 .cols = (conv->out_w + OUT_SIDE - 1) / OUT_SIDE,
                 .in_blocks = (conv->c_in + TILE_COLS - 1) / TILE_COLS,
                 .out_vecs = (conv->c_out + REP_LANES - 1) / REP_LANES};
    at.tiles = conv->n * at.rows * at.cols;
    const size_t channels = at.in_blocks * TILE_COLS + at.out_vecs * REP_LANES;
    size_t tiles = BLOCK_BYTES / (at.side * channels * sizeof(real));
    tiles = tiles < MIN_TILES ? MIN_TILES : tiles > MAX_TILES ? MAX_TILES : tiles;
    const size_t blocks = (at.tiles + tiles - 1) / tiles;
    at.block_tiles = (at.tiles + blocks - 1) / blocks;
    /* An odd number of cache lines between points, so that they do not share sets. */
    const size_t line = 64 / sizeof(real);
    at.v_step = rep_round_up(at.block_tiles * at.in_blocks * TILE_COLS, 2 * line) + line;
    at.y_step = rep_round_up(at.block_tiles * at.out_vecs * REP_LANES, 2 * line) + line;
    at.sum_count = WINOGRAD_KERNELS * at.out_vecs * REP_LANES * at.in_blocks * TILE_COLS;
    at.zero_count = rep_round_up(conv->c_in > conv->c_out ? conv->c_in : conv->c_out, line);
    const size_t pointers = at.block_tiles * (at.side * at.side + OUT_SIDE * OUT_SIDE);
    at.worker_count = at.side * (at.v_step + at.y_step) +
                      rep_round_up(pointers * sizeof(real *) / sizeof(real), line);
    return at;
}

size_t rep_winograd_grad_w_bytes(const rep_conv *conv, int threads) {
    const layout at = layout_get(conv);
    return (at.sum_count + at.zero_count + (size_t)threads * at.worker_count) * sizeof(real);
}

/* Points at the pixels of a tile from (i0, j0) on, zeros outside the picture; returns the end. */
static const real **point_pixels(const real *picture, size_t h, size_t w, size_t c, size_t side,
                                 size_t i0, size_t j0, const real *zeros, const real **to) {
    for (size_t i = i0; i != i0 + side; i++) { /* above and left of it, i and j are huge */
        for (size_t j = j0; j != j0 + side; j++) {
            *to++ = i < h && j < w ? picture + (i * w + j) * c : zeros;
        }
    }
    return to;
}

static void point_tiles(const walk *w, size_t first, size_t count) {
    const rep_conv *conv = w->conv;
    const layout *at = w->at;
    const real **to = w->block.from;
    for (size_t tile = first; tile < first + count; tile++) {
        const size_t j = tile % at->cols, i = tile / at->cols % at->rows;
        const size_t n = tile / at->cols / at->rows;
        to = point_pixels(w->x + n * conv->h * conv->w * conv->c_in, conv->h, conv->w, conv->c_in,
                          at->side, i * at->in_step - conv->pad, j * at->in_step - conv->pad,
                          w->zeros, to);
        to = point_pixels(w->dy + n * conv->out_h * conv->out_w * conv->c_out, conv->out_h,
                          conv->out_w, conv->c_out, OUT_SIDE, i * OUT_SIDE, j * OUT_SIDE, w->zeros,
                          to);
    }
}

/* ---- sums over tiles ---------------------------------------------------------------------------
 */
/* sum[SUM_ROWS][TILE_COLS] += over tiles y[tile][row] v[tile][column] */
CONV_INLINE void add_products(const real *y, const real *v, size_t count, real *sum,
                              const size_t vecs) {
    vec acc[SUM_ROWS][TILE_VECS];
    REP_UNROLL(8) for (size_t m = 0; m < SUM_ROWS; m++) {
        REP_UNROLL(2) for (size_t k = 0; k < vecs; k++) { acc[m][k] = vset(0); }
    }
    REP_COLUMNS for (size_t tile = 0; tile < count; tile++, y += REP_LANES, v += TILE_COLS) {
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

/* Where the sums of one kernel point, output vector and input block begin. */
static real *sums_of(const walk *w, size_t kernel_point, size_t out_vec, size_t in_block) {
    return w->sums + ((kernel_point * w->at->out_vecs + out_vec) * w->at->in_blocks + in_block) *
                         REP_LANES * TILE_COLS;
}

/* One row of points of a block: its output vectors by all input channels. */
static void sum_row(const walk *w, size_t r) {
    const layout *at = w->at;
    const rep_winograd_block *block = &w->block;
    for (size_t s = 0; s < at->side; s++) {
        for (size_t in = 0; in < at->in_blocks; in++) {
            const real *v = block->v + s * at->v_step + in * at->block_tiles * TILE_COLS;
            const bool is_full = w->conv->c_in - in * TILE_COLS > REP_LANES;
            for (size_t o = block->first; o < block->last; o++) {
                const real *y = block->y + s * at->y_step + o * at->block_tiles * REP_LANES;
                real *sum = sums_of(w, rep_winograd_kernel_point(r, s), o, in);
                for (size_t m = 0; m < REP_LANES; m += SUM_ROWS, sum += SUM_ROWS * TILE_COLS) {
                    if (is_full) {
                        add_products(y + m, v, block->count, sum, 2);
                    } else {
                        add_products(y + m, v, block->count, sum, 1);
                    }
                }
            }
        }
    }
}

/* ---- dw ----------------------------------------------------------------------------------------
 */
CONV_INLINE void kernel_output(const bool is_strided, const vec m[WINOGRAD_KERNEL], vec g[KERNEL]) {
    if (is_strided) {
        strided_kernel_output(m, g);
    } else {
        dense_kernel_output(m, g);
    }
}

/* A^T S A of one output channel and one vector of input channels. */
static void store_kernels(const walk *w, size_t o, size_t channel, real *dw) {
    const bool is_strided = w->at->is_strided;
    const size_t c_in = w->conv->c_in, left = c_in - channel;
    const size_t place = o % REP_LANES * TILE_COLS + channel % TILE_COLS;
    vec half[KERNEL][WINOGRAD_KERNEL];
    for (size_t s = 0; s < WINOGRAD_KERNEL; s++) {
        vec m[WINOGRAD_KERNEL], g[KERNEL];
        for (size_t r = 0; r < WINOGRAD_KERNEL; r++) {
            m[r] = vload(sums_of(w, r * WINOGRAD_KERNEL + s, o / REP_LANES, channel / TILE_COLS) +
                         place);
        }
        kernel_output(is_strided, m, g);
        for (size_t r = 0; r < KERNEL; r++) { half[r][s] = g[r]; }
    }
    real *to = dw + o * KERNEL * KERNEL * c_in + channel;
    for (size_t r = 0; r < KERNEL; r++) {
        vec g[KERNEL];
        kernel_output(is_strided, half[r], g);
        for (size_t s = 0; s < KERNEL; s++, to += c_in) {
            if (left >= REP_LANES) {
                vstore(to, g[s]);
            } else {
                vstore_part(to, g[s], left);
            }
        }
    }
}

/* ---- the walk ----------------------------------------------------------------------------------
 */
/* Items are (row of kernel points, output vector). At stride 2 the last row sums over four rows of
 * points and weighs four times as much. */
static size_t item_at(const layout *at, size_t weight) {
    const size_t light = (WINOGRAD_KERNEL - 1) * at->out_vecs;
    return weight <= light || !at->is_strided ? weight : light + (weight - light) / 4;
}

static void worker_items(const layout *at, const rep_worker *worker, size_t *begin, size_t *end) {
    const size_t total = (at->is_strided ? 9 : 6) * at->out_vecs;
    const size_t index = (size_t)worker->index, count = (size_t)worker->count;
    *begin = item_at(at, total * index / count);
    *end = item_at(at, total * (index + 1) / count);
}

/* Adds one block of tiles to items [begin, end). */
static void sum_block(walk *w, size_t begin, size_t end) {
    const layout *at = w->at;
    for (size_t i = begin; i < end; i += w->block.last - w->block.first) {
        const size_t r = i / at->out_vecs, first = i % at->out_vecs, rest = end - i + first;
        w->block.first = first;
        w->block.last = rest < at->out_vecs ? rest : at->out_vecs;
        const size_t last_row = r + 1 < WINOGRAD_KERNEL ? r : at->side - 1;
        for (size_t row = r; row <= last_row; row++) {
            rep_winograd_row(&w->block, at->is_strided, row);
            sum_row(w, row);
        }
    }
}

static void sum_items(walk *w, size_t begin, size_t end) {
    const layout *at = w->at;
    const size_t item = REP_LANES * at->in_blocks * TILE_COLS;
    for (size_t i = begin; i < end; i++) {
        for (size_t s = 0; s < WINOGRAD_KERNEL; s++) {
            const size_t point = i / at->out_vecs * WINOGRAD_KERNEL + s;
            memset(sums_of(w, point, i % at->out_vecs, 0), 0, item * sizeof(real));
        }
    }
    for (size_t tile = 0; tile < at->tiles && begin < end; tile += at->block_tiles) {
        const size_t left = at->tiles - tile;
        w->block.count = left < at->block_tiles ? left : at->block_tiles;
        point_tiles(w, tile, w->block.count);
        sum_block(w, begin, end);
    }
}

void rep_winograd_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                             void *scratch, const rep_worker *worker) {
    const layout at = layout_get(conv);
    real *sums = scratch, *zeros = sums + at.sum_count;
    real *v = zeros + at.zero_count + (size_t)worker->index * at.worker_count;
    real *y = v + at.side * at.v_step;
    walk w = {.conv = conv,
              .at = &at,
              .x = x,
              .dy = dy,
              .zeros = zeros,
              .sums = sums,
              .block = {.from = (const real **)(y + at.side * at.y_step),
                        .v = v,
                        .y = y,
                        .v_step = at.v_step,
                        .y_step = at.y_step,
                        .capacity = at.block_tiles,
                        .c_in = conv->c_in,
                        .c_out = conv->c_out}};
    if (worker->index == 0) { memset(zeros, 0, at.zero_count * sizeof(real)); }
    rep_worker_sync(worker);
    size_t begin, end;
    worker_items(&at, worker, &begin, &end);
    sum_items(&w, begin, end);
    rep_worker_sync(worker);
    const size_t vecs = (conv->c_in + REP_LANES - 1) / REP_LANES;
    rep_worker_range(worker, conv->c_out * vecs, 1, &begin, &end);
    for (size_t i = begin; i < end; i++) { store_kernels(&w, i / vecs, i % vecs * REP_LANES, dw); }
}
