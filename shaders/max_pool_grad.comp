// max_pool_grad - dx[p] = sum of dy over the windows whose maximum lay at p.
//
// dy, index {n,c,oh,ow}; dx {n,c,h,w}. Each element of dx gathers from the windows that cover it,
// so nothing is added concurrently.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"
#include "common/window.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) readonly buffer input_1 { int index[]; };
layout(std430, binding = 2) writeonly buffer output_0 { act_t dx[]; };

void main() {
    const ivec4 shape = args.x_shape;
    REP_EACH(i, shape_count(args.y_shape)) {
        const pixel at = pixel_of(i, args.y_shape);
        const ivec2 ys = window_covers(at.y, shape.z), xs = window_covers(at.x, shape.w);
        const int here = at.y * args.y_shape.w + at.x;
        float sum = 0.0;
        for (int row = ys.x; row < ys.y; row++) {
            float line = 0.0;
            for (int column = xs.x; column < xs.y; column++) {
                const uint from = pixel_at(shape, at.n, row, column, at.c);
                if (index[from] == here) { line += float(dy[from]); }
            }
            sum += line;
        }
        dx[i] = act_t(sum);
    }
}
