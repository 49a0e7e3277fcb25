// avg_pool_grad - dx[p] = sum over the windows that cover p of dy / their divisor.
//
// dy {n,c,oh,ow}; dx {n,c,h,w}; divisors as in avg_pool. Element by element, lines of windows
// summed apart.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"
#include "common/window.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t dx[]; };

void main() {
    const ivec4 shape = args.x_shape;
    REP_EACH(i, shape_count(args.y_shape)) {
        const pixel at = pixel_of(i, args.y_shape);
        const ivec2 ys = window_covers(at.y, shape.z), xs = window_covers(at.x, shape.w);
        float sum = 0.0;
        for (int row = ys.x; row < ys.y; row++) {
            const ivec2 rows = window_taps(row, args.y_shape.z);
            float line = 0.0;
            for (int column = xs.x; column < xs.y; column++) {
                const ivec2 taps = window_taps(column, args.y_shape.w);
                const float v = float(dy[pixel_at(shape, at.n, row, column, at.c)]);
                line += v / float(window_divisor(rows, taps));
            }
            sum += line;
        }
        dx[i] = act_t(sum);
    }
}
