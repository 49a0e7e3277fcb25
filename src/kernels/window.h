/* window.h - which taps of a pooling window lie inside the picture, and which windows hold a pixel.
 */
#ifndef REP_KERNELS_WINDOW_H
#define REP_KERNELS_WINDOW_H

#include "kernels/kernel.h"
#include "kernels/map.h"

/* Positions [begin, end) along one axis. */
typedef struct window_span {
    int32_t begin, end;
} window_span;

/* Input positions window `o` covers. */
static inline window_span window_taps(int32_t o, const rep_pool_params *params, int32_t size) {
    const int32_t begin = o * (int32_t)params->stride - (int32_t)params->pad;
    const int32_t end = begin + (int32_t)params->kernel;
    return (window_span){begin < 0 ? 0 : begin, end > size ? size : end};
}

/* The windows, of `count`, that cover input position `i`. */
static inline window_span window_covers(int32_t i, const rep_pool_params *params, int32_t count) {
    const int32_t stride = (int32_t)params->stride, at = i + (int32_t)params->pad;
    const int32_t before = at - (int32_t)params->kernel; /* windows from here back miss i */
    const int32_t begin = before < 0 ? 0 : before / stride + 1;
    const int32_t end = at / stride + 1;
    return (window_span){begin, end > count ? count : end};
}

/* What an average over the window divides by. */
static inline int32_t window_divisor(window_span ys, window_span xs,
                                     const rep_pool_params *params) {
    if (params->count_pad) { return (int32_t)(params->kernel * params->kernel); }
    return (ys.end - ys.begin) * (xs.end - xs.begin);
}

/* Output pixel (n, y, x) of row `row` of the matrix. */
typedef struct pixel {
    size_t n;
    int32_t y, x;
} pixel;
static inline pixel pixel_of(size_t row, rep_shape shape) {
    const size_t w = (size_t)shape.w, h = (size_t)shape.h;
    return (pixel){row / w / h, (int32_t)(row / w % h), (int32_t)(row % w)};
}
/* First element of pixel (n, y, x). */
static inline size_t pixel_at(rep_shape shape, size_t n, int32_t y, int32_t x) {
    const size_t line = n * (size_t)shape.h + (size_t)y;
    return (line * (size_t)shape.w + (size_t)x) * (size_t)shape.c;
}

#endif
