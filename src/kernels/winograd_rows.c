/* winograd_rows.c - both factors of the weight gradient's products, one row of points at a time.
 *
 * Row r of V = B^T d B from input pixels d, and of Y = G e G^T from 4x4 upstream gradients e, for a
 * block of tiles; see winograd_grad_w.c. Vectors run along channels.
 */
#include "kernels/winograd_points.h"

enum { SIDE = WINOGRAD_MAX_SIDE };

CONV_INLINE vec load_some(const real *p, size_t count) {
    return count >= REP_LANES ? vload(p) : vload_part(p, count);
}

/* Point r of a line of input pixels: 6 of them, or 9 at stride 2, where the outer taps read the
 * even ones and the middle tap, points 5 to 8, the odd ones. */
CONV_INLINE vec input_point(const bool is_strided, const size_t r, const vec d[SIDE]) {
    if (!is_strided) { return dense_input_row(r, d); }
    if (r >= 5) { return d[2 * (r - 5) + 1]; }
    const vec outer[5] = {d[0], d[2], d[4], d[6], d[8]};
    return strided_input_row(r, outer);
}

/* Point r of a line of upstream gradients. */
CONV_INLINE vec gradient_point(const bool is_strided, const size_t r, const vec e[4]) {
    if (!is_strided) { return dense_gradient_row(r, e); }
    return r >= 5 ? e[r - 5] : strided_gradient_row(r, e);
}

/* Points (r, 0 ...) of one vector of input channels. */
CONV_INLINE void transform_input(const bool is_strided, const size_t r, const real *const *from,
                                 size_t channel, size_t count, real *to, size_t step) {
    const size_t side = is_strided ? 9 : 6;
    vec half[SIDE];
    REP_UNROLL(9) for (size_t s = 0; s < side; s++) {
        vec d[SIDE]; /* those that row r does not use are never loaded */
        REP_UNROLL(9) for (size_t k = 0; k < side; k++) {
            d[k] = load_some(from[k * side + s] + channel, count);
        }
        half[s] = input_point(is_strided, r, d);
    }
    REP_UNROLL(9) for (size_t s = 0; s < side; s++, to += step) {
        vstore(to, input_point(is_strided, s, half));
    }
}

/* Points (r, 0 ...) of one vector of upstream gradients. */
CONV_INLINE void transform_gradient(const bool is_strided, const size_t r, const real *const *from,
                                    size_t channel, size_t count, real *to, size_t step) {
    const size_t side = is_strided ? 9 : 6;
    vec half[4];
    REP_UNROLL(4) for (size_t s = 0; s < 4; s++) {
        vec e[4];
        REP_UNROLL(4) for (size_t k = 0; k < 4; k++) {
            e[k] = load_some(from[k * 4 + s] + channel, count);
        }
        half[s] = gradient_point(is_strided, r, e);
    }
    REP_UNROLL(9) for (size_t s = 0; s < side; s++, to += step) {
        vstore(to, gradient_point(is_strided, s, half));
    }
}

CONV_INLINE void transform_row(const bool is_strided, const size_t r,
                               const rep_winograd_block *at) {
    const size_t in_px = is_strided ? 81 : 36;
    for (size_t tile = 0; tile < at->count; tile++) {
        const real *const *from = at->from + tile * (in_px + 16);
        for (size_t k = 0; k < at->c_in; k += REP_LANES) {
            real *to = at->v + (k / TILE_COLS * at->capacity + tile) * TILE_COLS + k % TILE_COLS;
            if (at->c_in - k >= REP_LANES) {
                transform_input(is_strided, r, from, k, REP_LANES, to, at->v_step);
            } else {
                transform_input(is_strided, r, from, k, at->c_in - k, to, at->v_step);
            }
        }
        for (size_t o = at->first * REP_LANES; o < at->last * REP_LANES; o += REP_LANES) {
            real *to = at->y + o * at->capacity + tile * REP_LANES;
            if (at->c_out - o >= REP_LANES) {
                transform_gradient(is_strided, r, from + in_px, o, REP_LANES, to, at->y_step);
            } else {
                transform_gradient(is_strided, r, from + in_px, o, at->c_out - o, to, at->y_step);
            }
        }
    }
}

#define ROW(r)                                                                                     \
    static void dense_##r(const rep_winograd_block *at) { transform_row(false, r, at); }           \
    static void strided_##r(const rep_winograd_block *at) { transform_row(true, r, at); }
ROW(0)
ROW(1)
ROW(2) ROW(3) ROW(4) ROW(5)
#define STRIDED_ROW(r)                                                                             \
    static void strided_##r(const rep_winograd_block *at) { transform_row(true, r, at); }
    STRIDED_ROW(6) STRIDED_ROW(7) STRIDED_ROW(8)

        void rep_winograd_row(const rep_winograd_block *at, bool is_strided, size_t row) {
    static void (*const dense[])(const rep_winograd_block *) = {dense_0, dense_1, dense_2,
                                                                dense_3, dense_4, dense_5};
    static void (*const strided[])(const rep_winograd_block *) = {strided_0, strided_1, strided_2,
                                                                  strided_3, strided_4, strided_5,
                                                                  strided_6, strided_7, strided_8};
    (is_strided ? strided : dense)[row](at);
}
