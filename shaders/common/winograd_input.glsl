// winograd_input.glsl - pass 1 of a Winograd convolution: kernels and tiles at the points.
//
// An invocation makes one tile of one channel, or one kernel of two. Backward a kernel is turned by
// half a turn and its channels change places: define WINOGRAD_BACK before this include.
#ifndef REP_WINOGRAD_INPUT_GLSL
#define REP_WINOGRAD_INPUT_GLSL

#include "common/winograd_lines.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t from[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t w[]; };
layout(std430, binding = WINOGRAD_SCRATCH) writeonly buffer scratch_0 { float scratch[]; };

// Channel c of a pixel of input 0, 0 where there is none.
float pixel_at(uint n, ivec2 at, uint c) {
    const ivec4 s = args.x_shape;
    const bool exists = is_inside(at, s) && c < uint(s.y);
    const int index = ((int(n) * s.z + at.x) * s.w + at.y) * s.y + int(c);
    const float v = float(from[exists ? index : 0]);
    return exists ? v : 0.0;
}

// The kernel's tap from channel c of input 0 to channel o of the output, 0 where there is none.
float tap_at(uint tap, uint c, uint o) {
    const bool exists = c < uint(args.x_shape.y) && o < uint(args.y_shape.y);
#ifdef WINOGRAD_BACK
    const uint index = (c * 9u + 8u - tap) * uint(args.w_shape.y) + o;
#else
    const uint index = (o * 9u + tap) * uint(args.w_shape.y) + c;
#endif
    const float v = float(w[exists ? index : 0u]);
    return exists ? v : 0.0;
}

// `step` elements between points.
void transform_tile(uint tile, uint c, winograd_size size, uint to, uint step) {
    const uvec3 pixel = tile_pixel(tile, size);
    const ivec2 first = ivec2(pixel.yz) - 1;
    float t[6][6];
    UNROLL for (int s = 0; s < 6; s++) {
        float line[6];
        UNROLL for (int r = 0; r < 6; r++) { line[r] = pixel_at(pixel.x, first + ivec2(r, s), c); }
        input_line(line);
        UNROLL for (int r = 0; r < 6; r++) { t[r][s] = line[r]; }
    }
    UNROLL for (uint r = 0u; r < 6u; r++) {
        input_line(t[r]);
        UNROLL for (uint s = 0u; s < 6u; s++) { scratch[to + (6u * r + s) * step] = t[r][s]; }
    }
}

void transform_kernel(uint c, uint o, uint to, uint step) {
    float t[6][3];
    UNROLL for (uint s = 0u; s < 3u; s++) {
        float u[6];
        kernel_line(float[3](tap_at(s, c, o), tap_at(3u + s, c, o), tap_at(6u + s, c, o)), u);
        UNROLL for (uint r = 0u; r < 6u; r++) { t[r][s] = u[r]; }
    }
    UNROLL for (uint r = 0u; r < 6u; r++) {
        float u[6];
        kernel_line(t[r], u);
        UNROLL for (uint s = 0u; s < 6u; s++) { scratch[to + (6u * r + s) * step] = u[s]; }
    }
}

void transform_inputs() {
    const winograd_size size = size_get();
    const uint tiles = size.tiles * size.depth, kernels = size.depth * size.width;
    REP_EACH(i, tiles) {
        transform_tile(i / size.depth, i % size.depth, size, size.from + i, tiles);
    }
    REP_EACH(k, kernels) { transform_kernel(k / size.width, k % size.width, k, kernels); }
}

#endif
