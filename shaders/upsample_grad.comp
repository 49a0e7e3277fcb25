// upsample_grad - dx[p] = sum of dy over the output pixels that copied p.
//
// dy {n,c,oh,ow}; dx {n,c,h,w}. Element by element, lines of copies summed apart.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"
#include "common/pixel.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t dx[]; };

// Output positions [x, y), of `count`, with floor(position * size / count) == at.
ivec2 copies_of(int at, int size, int count) {
    return ivec2((at * count + size - 1) / size, ((at + 1) * count + size - 1) / size);
}

void main() {
    const ivec4 from = args.x_shape, to = args.y_shape;
    REP_EACH(i, shape_count(to)) {
        const pixel at = pixel_of(i, to);
        const ivec2 ys = copies_of(at.y, to.z, from.z), xs = copies_of(at.x, to.w, from.w);
        float sum = 0.0;
        for (int row = ys.x; row < ys.y; row++) {
            float line = 0.0;
            for (int column = xs.x; column < xs.y; column++) {
                line += float(dy[pixel_at(from, at.n, row, column, at.c)]);
            }
            sum += line;
        }
        dx[i] = act_t(sum);
    }
}
