// avg_pool - mean of each window.
//
// x {n,c,h,w}; y {n,c,oh,ow}. Over kernel^2 taps, padding counted as 0, when count_pad is 1; over
// the taps inside the picture otherwise. Element by element, a window's lines summed apart.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"
#include "common/window.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };

void main() {
    const ivec4 shape = args.x_shape;
    REP_EACH(i, shape_count(args.y_shape)) {
        const pixel at = pixel_of(i, args.y_shape);
        const ivec2 ys = window_taps(at.y, shape.z), xs = window_taps(at.x, shape.w);
        float sum = 0.0;
        for (int row = ys.x; row < ys.y; row++) {
            float line = 0.0;
            for (int column = xs.x; column < xs.y; column++) {
                line += float(x[pixel_at(shape, at.n, row, column, at.c)]);
            }
            sum += line;
        }
        y[i] = act_t(sum / float(window_divisor(ys, xs)));
    }
}
