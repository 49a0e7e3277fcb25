/* winograd.c - forward convolution and grad_x over the tiles of winograd.h.
 *
 * For a block of tiles: V[point] = (B^T d B)[point] for all input channels; then, for one block of
 * output columns after another, M[point] = V[point] U[kernel point] and y = A^T M A + bias. Tiles
 * are divided among workers, or column blocks when tiles are few; neither changes any sum.
 */
#include "kernels/winograd.h"

enum { BLOCK_BYTES = 896 << 10, MAX_TILES = 8 * TILE_ROWS, MAX_OUT_SIDE = 8, RUN_CHANNELS = 256 };

typedef struct layout {
    const rep_winograd_form *form;
    size_t depth_pad, width_pad;
    size_t rows, cols, tiles; /* tiles per picture, and of the batch */
    size_t block_tiles;       /* largest block */
    size_t v_step, m_step;    /* elements from one point to the next */
    size_t weight_count, zero_count, worker_count;
} layout;

/* What one worker works with. */
typedef struct walk {
    const rep_igemm *job;
    const layout *at;
    const real *weights, *zeros;
    real *v; /* [point][tile / TILE_ROWS][channel vector][TILE_ROWS][REP_LANES] */
    real *m; /* [point][tile][TILE_COLS] */
    size_t pad;
} walk;

static layout layout_get(const rep_igemm *job) {
    const rep_winograd_form *form = rep_winograd_form_get(job->stride, job->is_grad);
    const size_t line = 64 / sizeof(real), points = form->side * form->side;
    layout at = {.form = form,
                 .depth_pad = rep_round_up(job->depth, REP_LANES),
                 .width_pad = rep_round_up(job->width, REP_LANES),
                 .rows = (job->out_h + form->out_side - 1) / form->out_side,
                 .cols = (job->out_w + form->out_side - 1) / form->out_side};
    at.tiles = job->n * at.rows * at.cols;
    size_t tiles = BLOCK_BYTES / (points * at.depth_pad * sizeof(real)) / TILE_ROWS * TILE_ROWS;
    at.block_tiles = tiles < TILE_ROWS ? TILE_ROWS : tiles > MAX_TILES ? MAX_TILES : tiles;
    /* An odd number of cache lines between points: stores at a power of two would share a set. */
    at.v_step = rep_round_up(at.block_tiles * at.depth_pad, 2 * line) + line;
    at.m_step = at.block_tiles * TILE_COLS + line;
    at.weight_count = WINOGRAD_KERNELS * at.depth_pad * at.width_pad;
    at.zero_count = rep_round_up(at.depth_pad, line);
    at.worker_count = points * (at.v_step + at.m_step);
    return at;
}

size_t rep_winograd_bytes(const rep_igemm *job, int threads) {
    const layout at = layout_get(job);
    return (at.weight_count + at.zero_count + (size_t)threads * at.worker_count) * sizeof(real);
}

/* ---- input -------------------------------------------------------------------------------------
 */
/* Points at the input pixels of a tile, zeros outside the picture. */
static void point_tile(const walk *w, size_t tile, const real **to) {
    const rep_igemm *job = w->job;
    const rep_winograd_form *form = w->at->form;
    const size_t per_picture = w->at->rows * w->at->cols;
    const size_t n = tile / per_picture, i = tile % per_picture / w->at->cols;
    const size_t j = tile % w->at->cols;
    for (size_t r = 0; r < form->in_side; r++) {
        const size_t iy =
            i * form->in_step + r - w->pad; /* wraps to a huge one above the picture */
        const bool is_in = iy < job->h;
        const real *row = job->x + (n * job->h + (is_in ? iy : 0)) * job->w_px * job->x_pitch;
        for (size_t s = 0; s < form->in_side; s++) {
            const size_t ix = j * form->in_step + s - w->pad;
            *to++ = is_in && ix < job->w_px ? row + ix * job->x_pitch : w->zeros;
        }
    }
}

static void transform_inputs(const walk *w, size_t first, size_t count) {
    for (size_t tile = 0; tile < count; tile++) {
        const real *from[WINOGRAD_MAX_SIDE * WINOGRAD_MAX_SIDE];
        point_tile(w, first + tile, from);
        real *to =
            w->v + tile / TILE_ROWS * TILE_ROWS * w->at->depth_pad + tile % TILE_ROWS * REP_LANES;
        w->at->form->input(from, w->job->depth, to, w->at->v_step, TILE_ROWS * REP_LANES);
    }
}

/* ---- products ----------------------------------------------------------------------------------
 */
/* m[TILE_ROWS][TILE_COLS] = a b [+ m], a[channel vector][TILE_ROWS][REP_LANES],
 * b[channel][columns]. */
CONV_INLINE void multiply(const real *a, const real *b, size_t depth_vecs, real *m,
                          const size_t vecs, bool is_added) {
    vec acc[TILE_ROWS][TILE_VECS];
    REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) { acc[p][v] = vset(0); }
    }
    for (size_t k = 0; k < depth_vecs; k++, a += (TILE_ROWS - 1) * REP_LANES) {
        REP_COLUMNS for (size_t c = 0; c < REP_LANES; c++, a++, b += vecs * REP_LANES) {
            vec column[TILE_VECS];
            REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
                column[v] = vload(b + v * REP_LANES);
            }
            REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
                REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
                    acc[p][v] += column[v] * a[p * REP_LANES];
                }
            }
        }
    }
    REP_UNROLL(16) for (size_t p = 0; p < TILE_ROWS; p++) {
        REP_UNROLL(2) for (size_t v = 0; v < vecs; v++) {
            real *to = m + p * TILE_COLS + v * REP_LANES;
            vstore(to, is_added ? vload(to) + acc[p][v] : acc[p][v]);
        }
    }
}

/* Many channels in runs of RUN_CHANNELS: the rounding error of one chain of sums grows with its
 * length, and the transforms enlarge it. */
CONV_INLINE void multiply_deep(const real *a, const real *b, size_t depth_vecs, real *m,
                               const size_t vecs) {
    const size_t run = RUN_CHANNELS / REP_LANES;
    multiply(a, b, depth_vecs < 2 * run ? depth_vecs : run, m, vecs, false);
    for (size_t k = run; depth_vecs >= 2 * run && k < depth_vecs; k += run) {
        multiply(a + k * TILE_ROWS * REP_LANES, b + k * REP_LANES * vecs * REP_LANES,
                 depth_vecs - k < run ? depth_vecs - k : run, m, vecs, true);
    }
}

/* All points and tiles of a block against one block of columns. */
static void multiply_block(const walk *w, size_t count, size_t column, size_t size) {
    const size_t depth_pad = w->at->depth_pad, depth_vecs = depth_pad / REP_LANES;
    const size_t side = w->at->form->side;
    const real *weights = w->weights + column * WINOGRAD_KERNELS * depth_pad;
    for (size_t point = 0; point < side * side; point++) {
        const size_t kernel_point = rep_winograd_kernel_point(point / side, point % side);
        const real *b = weights + kernel_point * depth_pad * size;
        const real *a = w->v + point * w->at->v_step;
        real *m = w->m + point * w->at->m_step;
        for (size_t tile = 0; tile < count; tile += TILE_ROWS) {
            if (size == TILE_COLS) {
                multiply_deep(a, b, depth_vecs, m, 2);
            } else {
                multiply_deep(a, b, depth_vecs, m, 1);
            }
            a += TILE_ROWS * depth_pad;
            m += TILE_ROWS * TILE_COLS;
        }
    }
}

/* ---- output ------------------------------------------------------------------------------------
 */
/* The pixels of one tile inside the picture, `count` channels of one vector. */
static void store_output(const walk *w, size_t tile, size_t channel, size_t count, const real *m) {
    const rep_igemm *job = w->job;
    const size_t side = w->at->form->out_side, per_picture = w->at->rows * w->at->cols;
    const size_t n = tile / per_picture, i0 = tile % per_picture / w->at->cols * side;
    const size_t j0 = tile % w->at->cols * side;
    const size_t rows = job->out_h - i0 < side ? job->out_h - i0 : side;
    const size_t cols = job->out_w - j0 < side ? job->out_w - j0 : side;
    const vec bias = job->bias ? vload_part(job->bias + channel, count) : vset(0);
    real *y = job->y + ((n * job->out_h + i0) * job->out_w + j0) * job->width + channel;
    vec pixels[MAX_OUT_SIDE * MAX_OUT_SIDE];
    w->at->form->output(m, w->at->m_step, pixels);
    for (size_t r = 0; r < rows; r++, y += job->out_w * job->width) {
        for (size_t s = 0; s < cols; s++) {
            real *to = y + s * job->width;
            const vec value = pixels[r * side + s] + bias;
            if (count == REP_LANES) {
                vstore(to, value);
            } else {
                vstore_part(to, value, count);
            }
            if (job->act) { rep_row_act(to, count, job->act); }
        }
    }
}

static void store_outputs(const walk *w, size_t first, size_t count, size_t column, size_t size) {
    const size_t width = w->job->width;
    for (size_t tile = 0; tile < count; tile++) {
        for (size_t v = 0; v < size && column + v < width; v += REP_LANES) {
            const size_t left = width - column - v;
            store_output(w, first + tile, column + v, left < REP_LANES ? left : REP_LANES,
                         w->m + tile * TILE_COLS + v);
        }
    }
}

/* Tiles [begin, end) by column blocks [first, last). */
static void run_range(const walk *w, size_t begin, size_t end, size_t first, size_t last) {
    for (size_t tile = begin; tile < end; tile += w->at->block_tiles) {
        const size_t left = end - tile;
        const size_t count = left < w->at->block_tiles ? left : w->at->block_tiles;
        transform_inputs(w, tile, count);
        for (size_t block = first; block < last; block++) {
            const size_t column = block * TILE_COLS;
            const size_t size = w->at->width_pad - column < TILE_COLS ? REP_LANES : TILE_COLS;
            multiply_block(w, count, column, size);
            store_outputs(w, tile, count, column, size);
        }
    }
}

void rep_winograd_run(const rep_igemm *job, void *scratch, const rep_worker *worker) {
    const layout at = layout_get(job);
    const size_t points = at.form->side * at.form->side;
    real *weights = scratch, *zeros = weights + at.weight_count;
    real *mine = zeros + at.zero_count + (size_t)worker->index * at.worker_count;
    /* Backward at stride 1 the kernel is turned and reaches 2 - pad pixels out; at stride 2 tiles
     * begin at a pixel of dy (winograd_tiles.c). */
    const size_t grad_pad = job->stride == 1 ? 2 - job->pad : 0;
    const walk w = {.job = job,
                    .at = &at,
                    .weights = weights,
                    .zeros = zeros,
                    .v = mine,
                    .m = mine + points * at.v_step,
                    .pad = job->is_grad ? grad_pad : job->pad};
    rep_winograd_weights(job, weights, worker);
    if (worker->index == 0) { memset(zeros, 0, at.zero_count * sizeof(real)); }
    rep_worker_sync(worker);
    const size_t blocks = (at.width_pad + TILE_COLS - 1) / TILE_COLS;
    size_t begin, end;
    if (at.tiles < 2 * TILE_ROWS * (size_t)worker->count) {
        rep_worker_range(worker, blocks, 1, &begin, &end);
        if (begin < end) { run_range(&w, 0, at.tiles, begin, end); }
    } else {
        rep_worker_range(worker, at.tiles, TILE_ROWS, &begin, &end);
        run_range(&w, begin, end, 0, blocks);
    }
}
