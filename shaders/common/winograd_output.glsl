// winograd_output.glsl - pass 3 of a Winograd convolution: points to pixels.
//
// An invocation makes one tile of one channel. WINOGRAD_TO: the output's binding; finish(sum, o)
// gives what is stored for channel o (both before the include).
#ifndef REP_WINOGRAD_OUTPUT_GLSL
#define REP_WINOGRAD_OUTPUT_GLSL

#include "common/winograd_lines.glsl"

layout(std430, binding = WINOGRAD_TO) writeonly buffer output_0 { act_t to[]; };
layout(std430, binding = WINOGRAD_SCRATCH) readonly buffer scratch_0 { float scratch[]; };

// `from` is where point 0 is, `step` elements between points.
void transform_back(uint tile, uint o, winograd_size size, uint from, uint step) {
    float t[4][6];
    UNROLL for (uint s = 0u; s < 6u; s++) {
        float line[6], y[4];
        UNROLL for (uint r = 0u; r < 6u; r++) { line[r] = scratch[from + (6u * r + s) * step]; }
        output_line(line, y);
        UNROLL for (uint r = 0u; r < 4u; r++) { t[r][s] = y[r]; }
    }
    const ivec4 ys = args.y_shape;
    const uvec3 pixel = tile_pixel(tile, size);
    UNROLL for (uint r = 0u; r < TILE_SIDE; r++) {
        float y[4];
        output_line(t[r], y);
        const uint line = pixel.x * uint(ys.z) + pixel.y + r;
        UNROLL for (uint s = 0u; s < TILE_SIDE; s++) {
            const uint at = (line * uint(ys.w) + pixel.z + s) * uint(ys.y) + o;
            if (is_inside(ivec2(pixel.yz + uvec2(r, s)), ys)) { to[at] = act_t(finish(y[s], o)); }
        }
    }
}

void transform_outputs() {
    const winograd_size size = size_get();
    const uint channels = uint(args.y_shape.y), step = size.tiles * size.width;
    REP_EACH(i, size.tiles * channels) {
        const uint tile = i / channels, o = i - tile * channels;
        transform_back(tile, o, size, size.to + tile * size.width + o, step);
    }
}

#endif
