// max_pool - the largest x of each window, and where its first maximum lies.
//
// x {n,c,h,w}; y, index {n,c,oh,ow}, index the flat h*w position. Padding counts as minus infinity;
// a NaN wins. Element by element.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"
#include "common/math.glsl"
#include "common/window.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };
layout(std430, binding = 2) writeonly buffer output_1 { int index[]; };

void main() {
    const ivec4 shape = args.x_shape;
    REP_EACH(i, shape_count(args.y_shape)) {
        const pixel at = pixel_of(i, args.y_shape);
        const ivec2 ys = window_taps(at.y, shape.z), xs = window_taps(at.x, shape.w);
        float best = -REP_INFINITY;
        int where = ys.x * shape.w + xs.x;
        for (int row = ys.x; row < ys.y; row++) {
            for (int column = xs.x; column < xs.y; column++) {
                const float v = float(x[pixel_at(shape, at.n, row, column, at.c)]);
                if (!is_nan(best) && (is_nan(v) || v > best)) {
                    best = v;
                    where = row * shape.w + column;
                }
            }
        }
        y[i] = act_t(best);
        index[i] = where;
    }
}
