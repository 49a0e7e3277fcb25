/* winograd_tiles.c - the two-dimensional transforms of winograd.h, between pixels and points.
 *
 * Each is a one-dimensional transform (winograd_points.h) of columns, then of rows. At stride 2 a
 * line of nine points is five points of the outer taps, then the four pixels of the middle tap.
 */
#include "kernels/winograd_points.h"

enum { DENSE, STRIDED, STRIDED_GRAD };

/* Pixels and points along one axis. */
CONV_INLINE size_t in_side(const int form) { return form == DENSE ? 6 : form == STRIDED ? 9 : 5; }
CONV_INLINE size_t out_side(const int form) { return form == STRIDED_GRAD ? 8 : 4; }
CONV_INLINE size_t point_side(const int form) { return form == DENSE ? 6 : 9; }

/* A line of pixels to a line of points. */
CONV_INLINE void input_line(const int form, const vec *d, vec *t) {
    if (form == DENSE) {
        REP_UNROLL(6) for (size_t r = 0; r < 6; r++) { t[r] = dense_input_row(r, d); }
        return;
    }
    const size_t step =
        form == STRIDED ? 2 : 1; /* forward, the outer taps read every second pixel */
    const size_t middle = form == STRIDED ? 1 : 0;
    vec outer[5];
    REP_UNROLL(5) for (size_t r = 0; r < 5; r++) { outer[r] = d[r * step]; }
    REP_UNROLL(5) for (size_t r = 0; r < 5; r++) { t[r] = strided_input_row(r, outer); }
    REP_UNROLL(4) for (size_t r = 0; r < 4; r++) { t[5 + r] = d[r * step + middle]; }
}

/* A line of points to a line of pixels. Backward, the middle tap gives the even pixels alone and
 * the outer taps the odd ones. */
CONV_INLINE void output_line(const int form, const vec *m, vec *y) {
    if (form == DENSE) {
        dense_output(m, y);
        return;
    }
    vec outer[4];
    strided_output(m, outer);
    REP_UNROLL(4) for (size_t r = 0; r < 4; r++) {
        if (form == STRIDED) {
            y[r] = outer[r] + m[5 + r];
        } else {
            y[2 * r] = m[5 + r];
            y[2 * r + 1] = outer[r];
        }
    }
}

/* One vector of channels; `count` of its lanes are there. */
CONV_INLINE void input_vec(const int form, const real *const *from, size_t channel, size_t count,
                           real *to, size_t step) {
    vec half[WINOGRAD_MAX_SIDE][WINOGRAD_MAX_SIDE]; /* [point][pixel column] */
    const size_t pixels = in_side(form), points = point_side(form);
    REP_UNROLL(9) for (size_t s = 0; s < pixels; s++) {
        vec d[WINOGRAD_MAX_SIDE], t[WINOGRAD_MAX_SIDE];
        REP_UNROLL(9) for (size_t r = 0; r < pixels; r++) {
            const real *p = from[r * pixels + s] + channel;
            d[r] = count >= REP_LANES ? vload(p) : vload_part(p, count);
        }
        input_line(form, d, t);
        REP_UNROLL(9) for (size_t r = 0; r < points; r++) { half[r][s] = t[r]; }
    }
    REP_UNROLL(9) for (size_t r = 0; r < points; r++) {
        vec t[WINOGRAD_MAX_SIDE];
        input_line(form, half[r], t);
        REP_UNROLL(9) for (size_t s = 0; s < points; s++, to += step) { vstore(to, t[s]); }
    }
}

CONV_INLINE void input(const int form, const real *const *from, size_t channels, real *to,
                       size_t step, size_t vec_step) {
    size_t k = 0;
    for (; k + REP_LANES <= channels; k += REP_LANES, to += vec_step) {
        input_vec(form, from, k, REP_LANES, to, step);
    }
    if (k < channels) { input_vec(form, from, k, channels - k, to, step); }
}

CONV_INLINE void output(const int form, const real *from, size_t step, vec *pixels) {
    vec half[8][WINOGRAD_MAX_SIDE]; /* [pixel][point column] */
    const size_t side = out_side(form), points = point_side(form);
    REP_UNROLL(9) for (size_t s = 0; s < points; s++) {
        vec m[WINOGRAD_MAX_SIDE], y[8];
        REP_UNROLL(9) for (size_t r = 0; r < points; r++) {
            m[r] = vload(from + (r * points + s) * step);
        }
        output_line(form, m, y);
        REP_UNROLL(8) for (size_t r = 0; r < side; r++) { half[r][s] = y[r]; }
    }
    REP_UNROLL(8) for (size_t r = 0; r < side; r++) {
        output_line(form, half[r], pixels + r * side);
    }
}

#define FORM(name, NAME)                                                                           \
    static void name##_input_tile(const real *const *from, size_t channels, real *to, size_t step, \
                                  size_t vec_step) {                                               \
        input(NAME, from, channels, to, step, vec_step);                                           \
    }                                                                                              \
    static void name##_output_tile(const real *from, size_t step, vec *pixels) {                   \
        output(NAME, from, step, pixels);                                                          \
    }
FORM(dense, DENSE)
FORM(strided, STRIDED)
FORM(strided_grad, STRIDED_GRAD)

const rep_winograd_form *rep_winograd_form_get(size_t stride, bool is_grad) {
    static const rep_winograd_form forms[] = {
        [DENSE] = {6, 4, 4, 6, dense_input_tile, dense_output_tile},
        [STRIDED] = {9, 4, 8, 9, strided_input_tile, strided_output_tile},
        [STRIDED_GRAD] = {5, 8, 4, 9, strided_grad_input_tile, strided_grad_output_tile}};
    return &forms[stride == 1 ? DENSE : is_grad ? STRIDED_GRAD : STRIDED];
}
