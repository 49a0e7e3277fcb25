/* igemm.h - the direct convolution: an indirect matrix product without im2col.
 *
 * A register tile is TILE_ROWS output pixels by one or two vectors of output channels. Every pixel
 * has a pointer per kernel tap, so a tile may run over the ends of rows and pictures and padding is
 * a row of zeros (the indirect algorithm: Dukhan, arXiv 1907.02129). Weights are packed once per
 * call as [column block][tap][depth][column], which is the order the tile reads them in.
 */
#ifndef REP_KERNELS_IGEMM_H
#define REP_KERNELS_IGEMM_H

#include "kernels/kernel.h"
#include "kernels/simd.h"

/* What a register file holds: 24 of 32, or 12 of 16 accumulators, beside weights and a broadcast.
 * V8 keeps one of the 16 for itself; of 8, 10 and 12 accumulators 8 were measured to be fastest. */
#if defined(REP_ISA_AVX512)
#define TILE_ROWS 12
#elif defined(__wasm__)
#define TILE_ROWS 4
#else
#define TILE_ROWS 6
#endif
#define TILE_VECS 2
#define TILE_COLS (TILE_VECS * REP_LANES)

/* In front of the loop over a register tile's columns of products. In WebAssembly an unrolled one
 * has the products of each accumulator gathered, a chain in which every sum waits for the one
 * before and more values live at once than there are registers; V8 keeps the order it is given. */
#if defined(__wasm__)
#define REP_COLUMNS REP_PRAGMA(clang loop unroll(disable))
#else
#define REP_COLUMNS
#endif

static inline size_t rep_round_up(size_t count, size_t unit) {
    return (count + unit - 1) / unit * unit;
}

/* Transposes a square of REP_LANES rows in place: each round interleaves the halves of the rows,
 * and as many rounds as a lane number has bits turn (row, lane) into (lane, row). */
#if REP_LANES == 16
#define CONV_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define CONV_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif REP_LANES == 8
#define CONV_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define CONV_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#elif REP_LANES == 4
#define CONV_LOW 0, 4, 1, 5
#define CONV_HIGH 2, 6, 3, 7
#else
#define CONV_LOW 0, 2
#define CONV_HIGH 1, 3
#endif
CONV_INLINE void rep_transpose(vec rows[REP_LANES]) {
    REP_UNROLL(4) for (int round = 1; round < REP_LANES; round *= 2) {
        vec next[REP_LANES];
        REP_UNROLL(8) for (int i = 0; i < REP_LANES / 2; i++) {
            const vec a = rows[i], b = rows[i + REP_LANES / 2];
            next[2 * i] = __builtin_shufflevector(a, b, CONV_LOW);
            next[2 * i + 1] = __builtin_shufflevector(a, b, CONV_HIGH);
        }
        REP_UNROLL(16) for (int i = 0; i < REP_LANES; i++) { rows[i] = next[i]; }
    }
}
/* to[k * to_step + lane] = from[lane * from_step + k], a square. */
static inline void rep_transpose_square(const real *from, size_t from_step, real *to,
                                        size_t to_step) {
    vec rows[REP_LANES];
    REP_UNROLL(16) for (size_t i = 0; i < REP_LANES; i++) { rows[i] = vload(from + i * from_step); }
    rep_transpose(rows);
    REP_UNROLL(16) for (size_t i = 0; i < REP_LANES; i++) { vstore(to + i * to_step, rows[i]); }
}

/* The three convolution calls seen from the forward side. */
typedef struct rep_conv {
    size_t n, h, w, c_in, out_h, out_w, c_out, kh, kw;
    size_t stride, pad, groups, depth, width; /* depth: c_in / groups; width: c_out / groups */
} rep_conv;

/* Reads the shapes: x, w and y are the forward tensors, whichever of them is computed. */
static inline rep_conv rep_conv_read(rep_shape x, rep_shape w, rep_shape y, uint32_t stride,
                                     uint32_t pad, uint32_t groups) {
    return (rep_conv){.n = (size_t)x.n,
                      .h = (size_t)x.h,
                      .w = (size_t)x.w,
                      .c_in = (size_t)x.c,
                      .out_h = (size_t)y.h,
                      .out_w = (size_t)y.w,
                      .c_out = (size_t)y.c,
                      .kh = (size_t)w.h,
                      .kw = (size_t)w.w,
                      .stride = stride,
                      .pad = pad,
                      .groups = groups,
                      .depth = (size_t)x.c / groups,
                      .width = (size_t)y.c / groups};
}

/* One indirect product. Weight element (group g, column n, depth k, tap r, s) is
 * w[g * w_group + n * w_col + k * w_depth + (r * kw + s) * w_tap]. Forward: output pixel (i, j)
 * takes tap (r, s) from input pixel (i * stride + r - pad, ...). Backward (is_grad): from ((i + pad
 * - r) / stride, ...) where that divides; each residue of (i, j) is a product of its own, so that
 * no multiplication is wasted. */
typedef struct rep_igemm {
    const real *x, *w, *bias; /* bias: NULL, or one value per column of all groups */
    real *y;
    size_t n, h, w_px, x_pitch; /* input: pictures, height, width, elements per pixel */
    size_t out_h, out_w;        /* output pixels hold groups * width elements */
    size_t groups, depth, width, kh, kw, stride, pad;
    size_t w_group, w_col, w_depth, w_tap;
    uint32_t act;
    bool is_grad;
} rep_igemm;

#define rep_igemm_run REP_ISA_NAME(rep_igemm_run)
#define rep_igemm_bytes REP_ISA_NAME(rep_igemm_bytes)
#define rep_row_act REP_ISA_NAME(rep_row_act)

void rep_igemm_run(const rep_igemm *job, void *scratch, const rep_worker *worker);
size_t rep_igemm_bytes(const rep_igemm *job, int threads);

/* values[0..count) = act(values), in place. */
void rep_row_act(real *values, size_t count, uint32_t act);

/* ---- the weight gradient -----------------------------------------------------------------------
 */
/* dw[o][r][s][c] = sum over output pixels p of dy[p][o] * x[pixel(p, r, s)][c]. A register tile is
 * rows of one factor by vectors of the other, summed over a list of pixel pairs. */
#define rep_igemm_grad_w_run REP_ISA_NAME(rep_igemm_grad_w_run)
#define rep_igemm_grad_w_bytes REP_ISA_NAME(rep_igemm_grad_w_bytes)
void rep_igemm_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                          void *scratch, const rep_worker *worker);
size_t rep_igemm_grad_w_bytes(const rep_conv *conv, int threads);

/* ---- thin inputs -------------------------------------------------------------------------------
 */
/* With few input channels one row of taps, kw * c_in elements, is contiguous once the picture has a
 * border; it then serves as the depth of a kernel one tap wide. */
static inline bool rep_conv_is_thin(const rep_conv *conv) {
    return conv->groups == 1 && conv->kw > 1 && conv->c_in <= 4 && conv->kw * conv->c_in <= 32;
}
static inline size_t rep_conv_border_bytes(const rep_conv *conv) {
    const size_t px = (conv->h + 2 * conv->pad) * (conv->w + 2 * conv->pad);
    return rep_round_up(conv->n * px * conv->c_in * sizeof(real), 64);
}
/* Copies this worker's share of x into to[n][h + 2 pad][w + 2 pad][c_in]. */
#define rep_conv_border REP_ISA_NAME(rep_conv_border)
void rep_conv_border(const rep_conv *conv, const real *x, real *to, const rep_worker *worker);

/* ---- one channel per group ---------------------------------------------------------------------
 */
static inline bool rep_conv_is_depthwise(const rep_conv *conv) {
    return conv->depth == 1 && conv->width == 1 && conv->groups > 1;
}
#define rep_depthwise_run REP_ISA_NAME(rep_depthwise_run)
#define rep_depthwise_grad_w_run REP_ISA_NAME(rep_depthwise_grad_w_run)
#define rep_depthwise_bytes REP_ISA_NAME(rep_depthwise_bytes)
/* job: as for rep_igemm_run, with depth and width 1. */
void rep_depthwise_run(const rep_igemm *job, void *scratch, const rep_worker *worker);
size_t rep_depthwise_bytes(const rep_igemm *job, int threads);
void rep_depthwise_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                              const rep_worker *worker);

#endif
