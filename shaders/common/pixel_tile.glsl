// pixel_tile.glsl - what conv2d and conv2d_grad_x share: tiles whose rows are pixels.
//
// Row p of the product is a pixel of the output. Its factor's row is, tap by tap, the channels of a
// pixel of the input (x, or dy), which moves with the tap: forwards for conv2d, back for the
// gradient. Depth is (tap, channel). A quad is four steps of depth: where the group's channels are
// a multiple of 4, all of one tap and read in one access.
// PIXEL_TO: the output's binding, REP_MATRIX: matrix units (both before the include).
#ifndef REP_PIXEL_TILE_GLSL
#define REP_PIXEL_TILE_GLSL

#include "common/conv.glsl"
#ifdef REP_MATRIX
#include "common/coop.glsl"
#else
#include "common/tile.glsl"
#endif

layout(std430, binding = 0) readonly buffer input_0 { act_t from[]; };
layout(std430, binding = 0) readonly buffer input_0_by_4 { act4_t from4[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t w[]; };
layout(std430, binding = 1) readonly buffer input_1_by_4 { act4_t w4[]; };
layout(std430, binding = PIXEL_TO) writeonly buffer output_0 { act_t to[]; };
layout(std430, binding = PIXEL_TO) writeonly buffer output_0_by_4 { act4_t to4[]; };

// The depth: taps `across` to a line of the kernel, `channels` each.
struct depth_axis {
    divisor channels, across;
    uint end;
};

// Per row that this invocation loads: the first tap's pixel, and where its channels start.
ivec2 row_at[A_LOADS];
int row_base[A_LOADS];

void set_row(uint f, uint n, ivec2 at, uint channel) {
    const ivec4 s = args.x_shape;
    row_base[f] = ((int(n) * s.z + at.x) * s.w + at.y) * s.y + int(channel);
    row_at[f] = n < uint(s.x) ? at : ivec2(-0x10000000);
}

// Step k of the depth: line and column of the tap, and the channel.
ivec3 step_of(uint k, depth_axis depth) {
    const uint tap = divide(k, depth.channels), r = divide(tap, depth.across);
    return ivec3(r, tap - r * depth.across.by, k - tap * depth.channels.by);
}

// Where the row's element of a step is, -1 for none; `way` is 1 forwards, -1 back.
int index_of(uint f, ivec3 by, int way, bool exists) {
    const ivec2 at = row_at[f] + way * by.xy;
    const int far = way * (by.x * args.x_shape.w + by.y) * args.x_shape.y + by.z;
    return exists && is_inside(at, args.x_shape) ? row_base[f] + far : -1;
}

// Reads the rows' quads of steps k0 .. k0 + TILE_K.
void load_rows(uint k0, depth_axis depth, int way) {
    const uint k = k0 + a_place(0u).y;
    if (depth.channels.by % 4u == 0u) {
        const ivec3 by = step_of(k, depth);
        UNROLL for (uint f = 0u; f < A_LOADS; f++) {
            const int at = index_of(f, by, way, k < depth.end);
            const quad_t v = quad_t(from4[max(at, 0) / 4]);
            a_next[f] = at < 0 ? quad_t(0.0) : v;
        }
    } else {
        TILE_ROLL for (uint d = 0u; d < 4u; d++) {
            const ivec3 by = step_of(k + d, depth);
            UNROLL for (uint f = 0u; f < A_LOADS; f++) {
                const int at = index_of(f, by, way, k + d < depth.end);
                const float v = float(from[max(at, 0)]);
                a_next[f][d] = item_t(at < 0 ? 0.0 : v);
            }
        }
    }
}

// Writes channels o .. o + 3 of `width`, those that exist, of a pixel; `at` is where channel o is.
void store_quad(uint at, uint o, uint width, vec4 v) {
    if (width % 4u == 0u) {
        if (o < width) { to4[at / 4u] = act4_t(v); }
    } else {
        TILE_ROLL for (uint d = 0u; d < 4u; d++) {
            if (o + d < width) { to[at + d] = act_t(v[d]); }
        }
    }
}

#endif
