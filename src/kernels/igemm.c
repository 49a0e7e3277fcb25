/* igemm.c - the indirect matrix product of igemm.h: packing, the register tile, the walk.
 *
 * y[p][n] = act(bias[n] + sum over tap t, depth k of x[pointer(t, p)][k] * w[t][k][n])
 * Work is divided by output tiles: every output is one chain of sums in one order, whatever the
 * number of workers. A long chain is cut into runs whose sums are added up: the rounding error of
 * one chain grows with its length.
 */
#include "kernels/igemm.h"

#include "kernels/act.h"

enum {
    CHUNK_BYTES = 640 << 10, /* packed weights that stay in a core's second-level cache */
    RUN = 1024               /* products of one run, where there are twice as many or more */
};

/* The outputs of one residue class and where their taps lie. */
typedef struct grid {
    size_t rows, cols;       /* outputs per picture */
    size_t row0, col0, step; /* output pixel = row0 + i * step */
    size_t in_step;          /* input pixel = i * in_step + dy + r * dir */
    ptrdiff_t dy, dx, dir;
    size_t tap_rows, tap_cols; /* taps r = tap_row0 + i * step of the kernel */
    size_t tap_row0, tap_col0, tap_step;
    size_t packed; /* element where the packed weights begin */
} grid;

typedef struct layout {
    real *packed, *zeros;
    char *worker; /* this worker's pointer table, then its spare tile */
    size_t packed_count, zero_count, worker_bytes, padded_width;
} layout;

static size_t grid_count(const rep_igemm *job) {
    return job->is_grad ? job->stride * job->stride : 1;
}

static size_t class_count(size_t size, size_t first, size_t step) {
    return size > first ? (size - first + step - 1) / step : 0;
}

static grid grid_get(const rep_igemm *job, size_t index) {
    if (!job->is_grad) {
        return (grid){.rows = job->out_h,
                      .cols = job->out_w,
                      .step = 1,
                      .in_step = job->stride,
                      .dy = -(ptrdiff_t)job->pad,
                      .dx = -(ptrdiff_t)job->pad,
                      .dir = 1,
                      .tap_rows = job->kh,
                      .tap_cols = job->kw,
                      .tap_step = 1};
    }
    const size_t s = job->stride, row0 = index / s, col0 = index % s;
    grid g = {.rows = class_count(job->out_h, row0, s),
              .cols = class_count(job->out_w, col0, s),
              .row0 = row0,
              .col0 = col0,
              .step = s,
              .in_step = 1,
              .dir = -1,
              .tap_row0 = (row0 + job->pad) % s,
              .tap_col0 = (col0 + job->pad) % s,
              .tap_step = s};
    g.tap_rows = class_count(job->kh, g.tap_row0, s);
    g.tap_cols = class_count(job->kw, g.tap_col0, s);
    g.dy = (ptrdiff_t)((row0 + job->pad) / s);
    g.dx = (ptrdiff_t)((col0 + job->pad) / s);
    return g;
}

/* Columns of packed storage: full blocks, then one of one or two vectors. */
static size_t padded_width(size_t width) { return rep_round_up(width, REP_LANES); }

static layout layout_get(const rep_igemm *job, void *scratch, int index) {
    layout at = {0};
    at.padded_width = padded_width(job->width);
    at.packed_count = job->groups * job->kh * job->kw * job->depth * at.padded_width;
    at.zero_count = job->x_pitch > job->depth ? job->x_pitch : job->depth;
    const size_t packed_bytes = rep_round_up(at.packed_count * sizeof(real), 64);
    const size_t zero_bytes = rep_round_up(at.zero_count * sizeof(real), 64);
    at.worker_bytes = rep_round_up(job->kh * job->kw * TILE_ROWS * sizeof(real *), 64) +
                      rep_round_up((TILE_ROWS + 1) * TILE_COLS * sizeof(real), 64);
    if (scratch) {
        at.packed = scratch;
        at.zeros = (real *)((char *)scratch + packed_bytes);
        at.worker = (char *)scratch + packed_bytes + zero_bytes + (size_t)index * at.worker_bytes;
    }
    return at;
}

size_t rep_igemm_bytes(const rep_igemm *job, int threads) {
    const layout at = layout_get(job, NULL, 0);
    return rep_round_up(at.packed_count * sizeof(real), 64) +
           rep_round_up(at.zero_count * sizeof(real), 64) + (size_t)threads * at.worker_bytes;
}

/* ---- packing -----------------------------------------------------------------------------------
 */
/* One tap of one column block: to[k][column], columns past `count` zero. */
static void pack_tap(real *to, size_t block, const real *from, size_t count, size_t depth,
                     size_t w_col, size_t w_depth) {
    if (count < block) { memset(to, 0, depth * block * sizeof(real)); }
    if (w_col == 1) {
        for (size_t k = 0; k < depth; k++) {
            memcpy(to + k * block, from + k * w_depth, count * sizeof(real));
        }
        return;
    }
    size_t n = 0;
    for (; n + REP_LANES <= count && w_depth == 1; n += REP_LANES) {
        size_t k = 0;
        for (; k + REP_LANES <= depth; k += REP_LANES) {
            rep_transpose_square(from + n * w_col + k, w_col, to + k * block + n, block);
        }
        for (; k < depth; k++) {
            for (size_t i = n; i < n + REP_LANES; i++) { to[k * block + i] = from[i * w_col + k]; }
        }
    }
    for (; n < count; n++) {
        for (size_t k = 0; k < depth; k++) { to[k * block + n] = from[n * w_col + k * w_depth]; }
    }
}

/* Packs all weights of one grid; the units are (group, column block, tap). */
static void pack_grid(const rep_igemm *job, const grid *g, real *packed, size_t padded,
                      const rep_worker *worker) {
    const size_t taps = g->tap_rows * g->tap_cols;
    const size_t blocks = (padded + TILE_COLS - 1) / TILE_COLS;
    size_t begin, end;
    rep_worker_range(worker, job->groups * blocks * taps, 1, &begin, &end);
    for (size_t unit = begin; unit < end; unit++) {
        const size_t tap = unit % taps, block = unit / taps % blocks, group = unit / taps / blocks;
        const size_t column = block * TILE_COLS;
        const size_t size = padded - column < TILE_COLS ? REP_LANES : TILE_COLS;
        const size_t count = job->width - column < size ? job->width - column : size;
        const size_t r = g->tap_row0 + tap / g->tap_cols * g->tap_step;
        const size_t s = g->tap_col0 + tap % g->tap_cols * g->tap_step;
        pack_tap(
            packed + (group * padded + column) * taps * job->depth + tap * job->depth * size, size,
            job->w + group * job->w_group + column * job->w_col + (r * job->kw + s) * job->w_tap,
            count, job->depth, job->w_col, job->w_depth);
    }
}

/* ---- the register tile -------------------------------------------------------------------------
 */
typedef struct tile_call {
    const real **rows; /* [tap][TILE_ROWS]: input pixels */
    size_t taps, depth;
    size_t offset;       /* added to every pointer: the group's first channel */
    const real *weights; /* [tap][depth][vecs * REP_LANES] */
    const real *bias;    /* vecs * REP_LANES values */
    real *out[TILE_ROWS];
} tile_call;

/* Adds what is summed to the tile's sums so far, and begins anew. */
CONV_INLINE void end_run(vec acc[TILE_ROWS][TILE_VECS], real *sums, const size_t vecs) {
    REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
            real *to = sums + p * TILE_COLS + v * REP_LANES;
            vstore(to, vload(to) + acc[p][v]);
            acc[p][v] = vset(0);
        }
    }
}

CONV_INLINE void tile_run(const tile_call *call, const size_t vecs) {
    const size_t products = call->taps * call->depth, run = products < 2 * RUN ? products : RUN;
    real sums[TILE_ROWS * TILE_COLS];
    vec acc[TILE_ROWS][TILE_VECS];
    REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
            acc[p][v] = vload(call->bias + v * REP_LANES);
        }
    }
    if (run < products) { memset(sums, 0, sizeof sums); }
    const real *w = call->weights;
    const real **rows = call->rows;
    size_t left = run;
    for (size_t t = 0; t < call->taps; t++, rows += TILE_ROWS) {
        const real *a[TILE_ROWS];
        REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) { a[p] = rows[p] + call->offset; }
        for (size_t k = 0; k < call->depth;) {
            const size_t stop = call->depth - k < left ? call->depth : k + left;
            left -= stop - k;
            REP_COLUMNS for (; k < stop; k++, w += vecs * REP_LANES) {
                vec b[TILE_VECS];
                REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) { b[v] = vload(w + v * REP_LANES); }
                REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
                    REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) { acc[p][v] += b[v] * a[p][k]; }
                }
            }
            if (left > 0 || run == products) { continue; }
            end_run(acc, sums, vecs);
            left = run;
        }
    }
    if (run < products) {
        REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
            REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
                acc[p][v] += vload(sums + p * TILE_COLS + v * REP_LANES);
            }
        }
    }
    REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
            vstore(call->out[p] + v * REP_LANES, acc[p][v]);
        }
    }
}

static void tile_run_1(const tile_call *call) { tile_run(call, 1); }
static void tile_run_2(const tile_call *call) { tile_run(call, 2); }

void rep_row_act(real *values, size_t count, uint32_t act) {
    size_t i = 0;
    for (; i + REP_LANES <= count; i += REP_LANES) {
        vstore(values + i, vact(act, vload(values + i)));
    }
    if (i < count) {
        vstore_part(values + i, vact(act, vload_part(values + i, count - i)), count - i);
    }
}

/* ---- the walk ----------------------------------------------------------------------------------
 */
typedef struct walk {
    const rep_igemm *job;
    const grid *g;
    const layout *at;
    const real **rows; /* [tap][TILE_ROWS] */
    real *spare;       /* TILE_ROWS x TILE_COLS: outputs of a tile that does not fit */
    real *bias;        /* TILE_COLS */
    size_t count;      /* pixels of the tile at hand */
    real *y[TILE_ROWS];
} walk;

/* Pointers of one output pixel into column `p` of the table. */
static void point_pixel(const walk *at, size_t p, size_t n, size_t i, size_t j) {
    const rep_igemm *job = at->job;
    const grid *g = at->g;
    const real **to = at->rows + p;
    const ptrdiff_t iy0 = (ptrdiff_t)(i * g->in_step) + g->dy;
    const ptrdiff_t ix0 = (ptrdiff_t)(j * g->in_step) + g->dx;
    for (size_t r = 0; r < g->tap_rows; r++) {
        const size_t iy = (size_t)(iy0 + (ptrdiff_t)r * g->dir);
        const bool is_in = iy < job->h; /* a negative row wraps to a huge one */
        const real *row = job->x + (n * job->h + (is_in ? iy : 0)) * job->w_px * job->x_pitch;
        for (size_t s = 0; s < g->tap_cols; s++, to += TILE_ROWS) {
            const size_t ix = (size_t)(ix0 + (ptrdiff_t)s * g->dir);
            *to = is_in && ix < job->w_px ? row + ix * job->x_pitch : at->at->zeros;
        }
    }
}

/* Points a tile at pixels [first, first + TILE_ROWS) of the grid; pixels past `total` repeat the
 * last one and are not stored. */
static void point_tile(walk *at, size_t first, size_t total) {
    const rep_igemm *job = at->job;
    const grid *g = at->g;
    const size_t pitch = job->groups * job->width;
    size_t j = first % g->cols, i = first / g->cols % g->rows, n = first / g->cols / g->rows;
    at->count = total - first < TILE_ROWS ? total - first : TILE_ROWS;
    for (size_t p = 0; p < TILE_ROWS; p++) {
        point_pixel(at, p, n, i, j);
        at->y[p] =
            job->y +
            ((n * job->out_h + g->row0 + i * g->step) * job->out_w + g->col0 + j * g->step) * pitch;
        if (p + 1 >= at->count) { continue; }
        if (++j == g->cols) {
            j = 0;
            if (++i == g->rows) { i = 0, n++; }
        }
    }
}

/* One tile of outputs: `count` pixels by the columns of one block. */
static void run_block(walk *at, size_t group, size_t column) {
    const rep_igemm *job = at->job;
    const size_t padded = at->at->padded_width, taps = at->g->tap_rows * at->g->tap_cols;
    const size_t size = padded - column < TILE_COLS ? REP_LANES : TILE_COLS;
    const size_t valid = job->width - column < size ? job->width - column : size;
    const size_t channel = group * job->width + column;
    const size_t packed = at->g->packed + (group * padded + column) * taps * job->depth;
    tile_call call = {.rows = at->rows,
                      .taps = taps,
                      .offset = group * job->depth,
                      .depth = job->depth,
                      .weights = at->at->packed + packed,
                      .bias = at->bias};
    memset(at->bias, 0, TILE_COLS * sizeof(real));
    if (job->bias) { memcpy(at->bias, job->bias + channel, valid * sizeof(real)); }
    for (size_t p = 0; p < TILE_ROWS; p++) {
        const bool is_direct = p < at->count && valid == size;
        call.out[p] = is_direct ? at->y[p] + channel : at->spare + p * TILE_COLS;
    }
    if (size == TILE_COLS) {
        tile_run_2(&call);
    } else {
        tile_run_1(&call);
    }
    for (size_t p = 0; p < at->count; p++) {
        real *y = at->y[p] + channel;
        if (valid < size) { memcpy(y, call.out[p], valid * sizeof(real)); }
        if (job->act) { rep_row_act(y, valid, job->act); }
    }
}

/* The tiles of one group of one grid. Column blocks are taken in chunks whose weights stay in the
 * second-level cache; within a chunk a tile's input is read once and used by every block. */
static void run_group(walk *at, size_t group, const rep_worker *worker) {
    const rep_igemm *job = at->job;
    const size_t padded = at->at->padded_width;
    const size_t total = job->n * at->g->rows * at->g->cols;
    const size_t tiles = (total + TILE_ROWS - 1) / TILE_ROWS;
    const size_t depth = at->g->tap_rows * at->g->tap_cols * job->depth;
    size_t chunk = CHUNK_BYTES / (depth * sizeof(real) + 1) / TILE_COLS * TILE_COLS;
    if (chunk < TILE_COLS || tiles < 4 * (size_t)worker->count) { chunk = TILE_COLS; }
    const size_t chunks = (padded + chunk - 1) / chunk;
    size_t begin, end;
    rep_worker_range(worker, chunks * tiles, 1, &begin, &end);
    for (size_t item = begin; item < end; item++) {
        const size_t first = item / tiles * chunk;
        const size_t last = first + chunk < padded ? first + chunk : padded;
        point_tile(at, item % tiles * TILE_ROWS, total);
        for (size_t column = first; column < last; column += TILE_COLS) {
            run_block(at, group, column);
        }
    }
}

void rep_igemm_run(const rep_igemm *job, void *scratch, const rep_worker *worker) {
    const layout at = layout_get(job, scratch, worker->index);
    const size_t grids = grid_count(job);
    size_t packed = 0;
    for (size_t i = 0; i < grids; i++) {
        const grid g = grid_get(job, i);
        pack_grid(job, &g, at.packed + packed, at.padded_width, worker);
        packed += job->groups * at.padded_width * g.tap_rows * g.tap_cols * job->depth;
    }
    if (worker->index == 0) { memset(at.zeros, 0, at.zero_count * sizeof(real)); }
    rep_worker_sync(worker);
    const size_t table_bytes = rep_round_up(job->kh * job->kw * TILE_ROWS * sizeof(real *), 64);
    real *spare = (real *)(at.worker + table_bytes);
    packed = 0;
    for (size_t i = 0; i < grids; i++) {
        grid g = grid_get(job, i);
        g.packed = packed;
        packed += job->groups * at.padded_width * g.tap_rows * g.tap_cols * job->depth;
        if (g.rows == 0 || g.cols == 0) { continue; }
        walk w = {.job = job,
                  .g = &g,
                  .at = &at,
                  .rows = (const real **)at.worker,
                  .spare = spare,
                  .bias = spare + TILE_ROWS * TILE_COLS};
        for (size_t group = 0; group < job->groups; group++) { run_group(&w, group, worker); }
    }
}

void rep_conv_border(const rep_conv *conv, const real *x, real *to, const rep_worker *worker) {
    const size_t pad = conv->pad, row = conv->w * conv->c_in, margin = pad * conv->c_in;
    const size_t rows = conv->h + 2 * pad, pitch = row + 2 * margin;
    size_t begin, end;
    rep_worker_range(worker, conv->n * rows, 1, &begin, &end);
    for (size_t at = begin; at < end; at++) {
        const size_t n = at / rows, i = at % rows - pad; /* wraps to a huge one above the picture */
        real *line = to + at * pitch;
        memset(line, 0, pitch * sizeof(real));
        if (i < conv->h) { memcpy(line + margin, x + (n * conv->h + i) * row, row * sizeof(real)); }
    }
}
