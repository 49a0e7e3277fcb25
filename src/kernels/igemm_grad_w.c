/* igemm_grad_w.c - the direct weight gradient of igemm.h.
 *
 * dw[o][r][s][c] = sum over output pixels p of dy[p][o] * x[pixel(p, r, s)][c]
 * x {n,c_in,h,w}, dy {n,c_out,out_h,out_w}, dw {c_out,c_in/groups,kh,kw}.
 *
 * Tiles of dw (GRAD_ROWS channels of one factor by two vectors of the other, one tap) are divided
 * among workers; the sum over pixels runs in blocks, each summed from zero in registers and then
 * added to the tile, in one order for any number of workers. Thin inputs swap the factors, so that
 * vectors run along c_out, and take a whole row of taps at once.
 */
#include "kernels/igemm.h"

#if defined(REP_ISA_AVX512)
#define GRAD_ROWS 12
#else
#define GRAD_ROWS 6
#endif
enum { BLOCK_PX = 128 };

/* What is summed: a (rows, broadcast) by b (columns, vectors). */
typedef struct plan {
    const rep_conv *conv;
    bool is_thin;
    size_t taps, row_count, col_count; /* per group and tap */
    size_t row_blocks, col_blocks, tiles;
    const real *x, *dy;
    size_t h, w, pad; /* of x as stored: with its border when thin */
} plan;

typedef struct lists {
    const real *x[BLOCK_PX], *dy[BLOCK_PX];
    size_t count;
    real spare[BLOCK_PX * TILE_COLS]; /* columns of a block that is not full, zero padded */
    const real *spare_rows[BLOCK_PX];
} lists;

static plan plan_get(const rep_conv *conv) {
    plan p = {.conv = conv,
              .is_thin = rep_conv_is_thin(conv),
              .h = conv->h,
              .w = conv->w,
              .pad = conv->pad,
              .taps = conv->kh * conv->kw,
              .row_count = conv->width,
              .col_count = conv->depth};
    if (p.is_thin) {
        p.h += 2 * conv->pad, p.w += 2 * conv->pad, p.pad = 0;
        p.taps = conv->kh, p.row_count = conv->kw * conv->c_in, p.col_count = conv->c_out;
    }
    p.row_blocks = (p.row_count + GRAD_ROWS - 1) / GRAD_ROWS;
    p.col_blocks = (p.col_count + TILE_COLS - 1) / TILE_COLS;
    p.tiles = p.taps * conv->groups * p.col_blocks * p.row_blocks;
    return p;
}

size_t rep_igemm_grad_w_bytes(const rep_conv *conv, int threads) {
    const plan p = plan_get(conv);
    return p.tiles * GRAD_ROWS * TILE_COLS * sizeof(real) +
           (size_t)threads * rep_round_up(sizeof(lists), 64) +
           (p.is_thin ? rep_conv_border_bytes(conv) : 0);
}

/* ---- the register tile -------------------------------------------------------------------------
 */
typedef struct tile_call {
    const real *const *a, *const *b;
    size_t a_offset, b_offset, count;
    real *sum; /* [GRAD_ROWS][TILE_COLS] */
} tile_call;

CONV_INLINE void tile_run(const tile_call *call, const size_t rows, const size_t vecs) {
    vec acc[GRAD_ROWS][TILE_VECS];
    REP_UNROLL(16) for (size_t m = 0; m < rows; m++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) { acc[m][v] = vset(0); }
    }
    REP_COLUMNS for (size_t i = 0; i < call->count; i++) {
        const real *a = call->a[i] + call->a_offset, *from = call->b[i] + call->b_offset;
        vec b[TILE_VECS];
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) { b[v] = vload(from + v * REP_LANES); }
        REP_UNROLL(16) for (size_t m = 0; m < rows; m++) {
            REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) { acc[m][v] += b[v] * a[m]; }
        }
    }
    REP_UNROLL(16) for (size_t m = 0; m < rows; m++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
            real *sum = call->sum + m * TILE_COLS + v * REP_LANES;
            vstore(sum, vload(sum) + acc[m][v]);
        }
    }
}

#if GRAD_ROWS == 12
#define EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#else
#define EACH_ROWS(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif
#define TILE(rows)                                                                                 \
    static void tile_##rows##_1(const tile_call *call) { tile_run(call, rows, 1); }                \
    static void tile_##rows##_2(const tile_call *call) { tile_run(call, rows, 2); }
EACH_ROWS(TILE)
#define TILE_ENTRY(rows) {tile_##rows##_1, tile_##rows##_2},
static void (*const tile_table[GRAD_ROWS][TILE_VECS])(const tile_call *) = {EACH_ROWS(TILE_ENTRY)};

/* ---- pixel lists -------------------------------------------------------------------------------
 */
/* First and last + 1 of the outputs in a row whose tap at `offset` lies inside [0, size). */
static void valid_range(ptrdiff_t offset, size_t stride, size_t size, size_t count, size_t *first,
                        size_t *last) {
    const ptrdiff_t s = (ptrdiff_t)stride;
    const ptrdiff_t end = ((ptrdiff_t)size - offset + s - 1) / s;
    *first = offset < 0 ? (size_t)((-offset + s - 1) / s) : 0;
    *last = end < 0 ? 0 : (size_t)end < count ? (size_t)end : count;
}

/* Pairs of pixels of outputs [begin, end) whose tap (r, s) lies inside the picture. */
static void list_pixels(const plan *p, size_t r, size_t s, size_t begin, size_t end, lists *to) {
    const rep_conv *conv = p->conv;
    const size_t cols = conv->out_w;
    size_t first, last, count = 0;
    valid_range((ptrdiff_t)s - (ptrdiff_t)p->pad, conv->stride, p->w, cols, &first, &last);
    for (size_t at = begin; at < end;) {
        const size_t row = at / cols, i = row % conv->out_h, n = row / conv->out_h;
        const size_t from = at - row * cols,
                     until = end - row * cols < cols ? end - row * cols : cols;
        at = row * cols + until;
        const size_t iy = i * conv->stride + r - p->pad; /* wraps to a huge one above the picture */
        if (iy >= p->h) { continue; }
        const size_t j0 = from > first ? from : first, j1 = until < last ? until : last;
        if (j0 >= j1) { continue; }
        const real *x =
            p->x + ((n * p->h + iy) * p->w + j0 * conv->stride + s - p->pad) * conv->c_in;
        const real *dy = p->dy + (row * cols + j0) * conv->c_out;
        for (size_t j = j0; j < j1; j++, count++) {
            to->x[count] = x;
            to->dy[count] = dy;
            x += conv->stride * conv->c_in;
            dy += conv->c_out;
        }
    }
    to->count = count;
}

/* Copies the columns of a block that is not full, so that vectors may read past them. */
static void pack_columns(lists *at, const real *const *from, size_t offset, size_t count) {
    for (size_t i = 0; i < at->count; i++) {
        real *to = at->spare + i * TILE_COLS;
        memset(to, 0, TILE_COLS * sizeof(real));
        memcpy(to, from[i] + offset, count * sizeof(real));
        at->spare_rows[i] = to;
    }
}

/* ---- the walk ----------------------------------------------------------------------------------
 */
/* One tile: [tap][group][column block][row block]. */
typedef struct place {
    size_t tap, group, col, row;
} place;

static place place_get(const plan *p, size_t tile) {
    return (place){.row = tile % p->row_blocks,
                   .col = tile / p->row_blocks % p->col_blocks,
                   .group = tile / p->row_blocks / p->col_blocks % p->conv->groups,
                   .tap = tile / p->row_blocks / p->col_blocks / p->conv->groups};
}

/* Adds the pixels of one block to tiles [begin, end). */
static void sum_block(const plan *p, size_t first_px, size_t last_px, size_t begin, size_t end,
                      real *sums, lists *at) {
    const rep_conv *conv = p->conv;
    size_t listed = (size_t)-1, packed = (size_t)-1;
    for (size_t tile = begin; tile < end; tile++) {
        const place q = place_get(p, tile);
        if (q.tap != listed) {
            const size_t kw = p->is_thin ? 1 : conv->kw;
            list_pixels(p, q.tap / kw, q.tap % kw, first_px, last_px, at);
            listed = q.tap, packed = (size_t)-1;
        }
        const size_t row = q.row * GRAD_ROWS, col = q.col * TILE_COLS;
        const size_t rows = p->row_count - row < GRAD_ROWS ? p->row_count - row : GRAD_ROWS;
        const size_t cols = p->col_count - col < TILE_COLS ? p->col_count - col : TILE_COLS;
        tile_call call = {.a = p->is_thin ? at->x : at->dy,
                          .a_offset = q.group * conv->width + row,
                          .b = p->is_thin ? at->dy : at->x,
                          .b_offset = q.group * conv->depth + col,
                          .count = at->count,
                          .sum = sums + tile * GRAD_ROWS * TILE_COLS};
        if (cols % REP_LANES != 0) {
            if (packed != tile / p->row_blocks) { pack_columns(at, call.b, call.b_offset, cols); }
            packed = tile / p->row_blocks;
            call.b = at->spare_rows, call.b_offset = 0;
        }
        tile_table[rows - 1][cols > REP_LANES](&call);
    }
}

/* Writes a finished tile to its place in dw. */
static void store_tile(const plan *p, size_t tile, const real *sum, real *dw) {
    const rep_conv *conv = p->conv;
    const place q = place_get(p, tile);
    const size_t row = q.row * GRAD_ROWS, col = q.col * TILE_COLS;
    const size_t rows = p->row_count - row < GRAD_ROWS ? p->row_count - row : GRAD_ROWS;
    const size_t cols = p->col_count - col < TILE_COLS ? p->col_count - col : TILE_COLS;
    const size_t filter = conv->kh * conv->kw * conv->depth; /* elements of one output channel */
    for (size_t m = 0; m < rows; m++) {
        const real *from = sum + m * TILE_COLS;
        if (p->is_thin) {
            real *to = dw + col * filter + q.tap * p->row_count + row + m;
            for (size_t c = 0; c < cols; c++) { to[c * filter] = from[c]; }
        } else {
            memcpy(dw + (q.group * conv->width + row + m) * filter + q.tap * conv->depth + col,
                   from, cols * sizeof(real));
        }
    }
}

void rep_igemm_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                          void *scratch, const rep_worker *worker) {
    plan p = plan_get(conv);
    p.x = x, p.dy = dy;
    real *sums = scratch;
    char *rest = (char *)(sums + p.tiles * GRAD_ROWS * TILE_COLS);
    lists *at = (lists *)(rest + (size_t)worker->index * rep_round_up(sizeof(lists), 64));
    if (p.is_thin) {
        real *bordered = (real *)(rest + (size_t)worker->count * rep_round_up(sizeof(lists), 64));
        rep_conv_border(conv, x, bordered, worker);
        p.x = bordered;
        rep_worker_sync(worker);
    }
    size_t begin, end;
    rep_worker_range(worker, p.tiles, 1, &begin, &end);
    memset(sums + begin * GRAD_ROWS * TILE_COLS, 0,
           (end - begin) * GRAD_ROWS * TILE_COLS * sizeof(real));
    const size_t total = conv->n * conv->out_h * conv->out_w;
    for (size_t px = 0; px < total; px += BLOCK_PX) {
        const size_t last = px + BLOCK_PX < total ? px + BLOCK_PX : total;
        sum_block(&p, px, last, begin, end, sums, at);
    }
    for (size_t tile = begin; tile < end; tile++) {
        store_tile(&p, tile, sums + tile * GRAD_ROWS * TILE_COLS, dw);
    }
}
