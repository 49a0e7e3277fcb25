/* winograd.h - 3x3 convolutions with fewer multiplications.
 *
 * Stride 1: F(4x4,3x3), y = A^T [(G g G^T) . (B^T d B)] A per 6x6 input tile d, a quarter of the
 * multiplications; the weight gradient is F(3x3,4x4) with the same B (Lavin and Gray, arXiv
 * 1509.09308). Stride 2: along each axis outer taps and middle tap read different input pixels,
 * every second one; the outer two are F(4,2) and the middle one stays as it is, 81 products where
 * the direct sum has 144. Either way a kernel becomes 6x6 numbers (stride 2: five points and the
 * middle tap), and products over channels become matrix products per point, for blocks of tiles
 * that stay in a core's second-level cache. Vectors run along channels throughout.
 */
#ifndef REP_KERNELS_WINOGRAD_H
#define REP_KERNELS_WINOGRAD_H

#include "kernels/igemm.h"

enum {
    WINOGRAD_KERNEL = 6, /* side of a transformed kernel */
    WINOGRAD_KERNELS = 36,
    WINOGRAD_MAX_SIDE = 9 /* of a tile in the transformed domain: 6, or 9 at stride 2 */
};

/* Is this one of the shapes the transforms are for? The float64 reference always goes direct. */
static inline bool rep_winograd_fits(const rep_conv *conv) {
#if defined(REP_ISA_FLOAT64)
    (void)conv;
    return false;
#else
    const bool is_placed = conv->stride == 1 ? conv->pad <= 2 : conv->stride == 2 && conv->pad == 1;
    return is_placed && conv->kh == 3 && conv->kw == 3 && conv->groups == 1;
#endif
}

/* The algo word of the op: 1 never, 2 where it fits, 0 where it was measured to be faster and saves
 * time worth having. A layer of less than 2^18 multiplications per picture takes microseconds
 * either way, and there the larger rounding error is all that a small net would notice: it moved a
 * value across ReLU's kink in a training of 16-channel layers on 8 x 8 pictures. At stride 2 fewer
 * multiplications are saved: transforms pay from 64 channels on, when tiles fill the picture and,
 * but for the weight gradient, transformed kernels are not read from memory for every few tiles. */
static inline bool rep_winograd_wanted(const rep_conv *conv, uint32_t algo, bool is_grad_w) {
    if (algo == 1 || !rep_winograd_fits(conv)) { return false; }
    if (algo == 2) { return true; }
    const size_t channels = conv->c_in * conv->c_out, px = conv->out_h * conv->out_w;
    const size_t tile_px = rep_round_up(conv->out_h, 4) * rep_round_up(conv->out_w, 4);
    const size_t least = conv->stride == 1 ? 16 : 64;
    if (conv->c_in < least || conv->c_out < least || px * channels * 9 < (size_t)1 << 18) {
        return false;
    }
    return conv->stride == 1 || (4 * px >= 3 * tile_px && (is_grad_w || channels <= 128 * 256));
}

/* The shapes of one kind of tile and its transforms between pixels and points. */
typedef struct rep_winograd_form {
    size_t in_side, out_side; /* pixels of a tile */
    size_t in_step;           /* input pixels from one tile to the next */
    size_t side;              /* points of a tile */
    /* to[point][vector], from all channels of the in_side^2 pixels; lanes past the last are zero.
     * `step` elements between points, `vec_step` between vectors. */
    void (*input)(const real *const *from, size_t channels, real *to, size_t step, size_t vec_step);
    /* pixels[out_side^2] from one vector of all points. */
    void (*output)(const real *points, size_t step, vec *pixels);
} rep_winograd_form;
#define rep_winograd_form_get REP_ISA_NAME(rep_winograd_form_get)
const rep_winograd_form *rep_winograd_form_get(size_t stride, bool is_grad);

/* The number of the kernel's points that a tile's point (r, s) is multiplied with. */
static inline size_t rep_winograd_kernel_point(size_t r, size_t s) {
    const size_t last = WINOGRAD_KERNEL - 1;
    return (r < last ? r : last) * WINOGRAD_KERNEL + (s < last ? s : last);
}

/* job: as for rep_igemm_run, of a shape that fits. */
#define rep_winograd_run REP_ISA_NAME(rep_winograd_run)
#define rep_winograd_bytes REP_ISA_NAME(rep_winograd_bytes)
void rep_winograd_run(const rep_igemm *job, void *scratch, const rep_worker *worker);
size_t rep_winograd_bytes(const rep_igemm *job, int threads);

/* One block of tiles of the weight gradient, for one row of points. */
typedef struct rep_winograd_block {
    const real **from;      /* [tile][side^2 input pixels, then 16 upstream gradients] */
    real *v;                /* [point of the row][block of TILE_COLS][tile][TILE_COLS] */
    real *y;                /* [point of the row][output vector][tile][REP_LANES] */
    size_t v_step, y_step;  /* elements between points */
    size_t count, capacity; /* tiles there, and there is room for */
    size_t c_in, c_out;
    size_t first, last; /* output vectors wanted */
} rep_winograd_block;
/* Fills v and y for points (row, 0 ...). */
#define rep_winograd_row REP_ISA_NAME(rep_winograd_row)
void rep_winograd_row(const rep_winograd_block *at, bool is_strided, size_t row);

#define rep_winograd_grad_w_run REP_ISA_NAME(rep_winograd_grad_w_run)
#define rep_winograd_grad_w_bytes REP_ISA_NAME(rep_winograd_grad_w_bytes)
void rep_winograd_grad_w_run(const rep_conv *conv, const real *x, const real *dy, real *dw,
                             void *scratch, const rep_worker *worker);
size_t rep_winograd_grad_w_bytes(const rep_conv *conv, int threads);

/* This worker's share of the transformed kernels: to[column block][kernel
 * point][depth_pad][columns], column blocks of TILE_COLS, the last one of one or two vectors. */
#define rep_winograd_weights REP_ISA_NAME(rep_winograd_weights)
void rep_winograd_weights(const rep_igemm *job, real *to, const rep_worker *worker);

#endif
