// conv_forward.glsl - conv2d by tiles, on what tile.glsl or coop.glsl multiplies with.
//
// Rows are output pixels, columns the group's output channels, depth is (r, s, c), the order in
// which w stores a kernel. Define REP_MATRIX before this include for matrix units.
#ifndef REP_CONV_FORWARD_GLSL
#define REP_CONV_FORWARD_GLSL

#define TILE_B_BY_STEPS
#define PIXEL_TO 3
#include "common/act.glsl"
#include "common/pixel_tile.glsl"

layout(std430, binding = 2) readonly buffer input_2 { float b[]; };

// Reads the quads of steps k0 .. k0 + TILE_K of the columns from `column0` on.
void load_columns(uint k0, uint column0, uint width, depth_axis depth) {
    const bool is_by_4 = depth.end % 4u == 0u;
    UNROLL for (uint f = 0u; f < B_LOADS; f++) {
        const uvec2 place = b_place(f);
        const uint column = column0 + place.x, k = k0 + place.y;
        const uint at = (gl_WorkGroupID.z * width + column) * depth.end + k;
        const uint count = column < width ? min(4u, depth.end - min(k, depth.end)) : 0u;
        if (is_by_4) {
            const quad_t v = quad_t(w4[count > 0u ? at / 4u : 0u]);
            b_next[f] = count > 0u ? v : quad_t(0.0);
        } else {
            TILE_ROLL for (uint d = 0u; d < 4u; d++) {
                const float v = float(w[d < count ? at + d : 0u]);
                b_next[f][d] = item_t(d < count ? v : 0.0);
            }
        }
    }
}

void store(uint p, uint o, uint width, vec4 sum) {
    const uint channel = gl_WorkGroupID.z * width + o;
    TILE_ROLL for (uint d = 0u; d < 4u; d++) {
        if (has_input(2u) && o + d < width) { sum[d] += b[channel + d]; }
        sum[d] = act_of(args.p.act, sum[d]);
    }
    store_quad(p * uint(args.y_shape.y) + channel, o, width, sum);
}

#define PUT(row, column, sum)                                                                      \
    if (first + (row) < pixels) { store(first + (row), column0 + (column), width, sum); }

void convolve() {
    const uint pixels = shape_rows(args.y_shape), width = uint(args.y_shape.y) / groups;
    const uint channels = uint(args.w_shape.y), kw = uint(args.w_shape.w);
    const depth_axis depth = depth_axis(divisor_of(channels), divisor_of(kw),
                                        channels * uint(args.w_shape.z) * kw);
    const uint column0 = gl_WorkGroupID.y * TILE_N, step = gl_NumWorkGroups.x * TILE_M;
    for (uint first = gl_WorkGroupID.x * TILE_M; first < pixels; first += step) {
        UNROLL for (uint f = 0u; f < A_LOADS; f++) {
            const uvec3 pixel = pixel_of(first + a_place(f).x, uvec2(args.y_shape.zw));
            set_row(f, pixel.x, ivec2(pixel.yz * stride) - int(pad), gl_WorkGroupID.z * channels);
        }
        tile_clear();
        TILE_PRODUCT(k, 0u, depth.end,
                     load_rows(k, depth, 1); load_columns(k, column0, width, depth))
        TILE_RESULTS(PUT)
    }
}

#endif
