// conv_grad_x.glsl - conv2d_grad_x by tiles, on what tile.glsl or coop.glsl multiplies with.
//
// Columns are the group's input channels. Rows are the input pixels of one residue of (y, x) modulo
// stride: such pixels share their taps first, first + stride, ..., and no tap is read in vain.
// Depth is (r, s, o) over those taps. Tiles are counted residue by residue, so there may be a few
// more of them than groups. Define REP_MATRIX before this include for matrix units.
#ifndef REP_CONV_GRAD_X_GLSL
#define REP_CONV_GRAD_X_GLSL

#define PIXEL_TO 2
#include "common/pixel_tile.glsl"

// The pixels of one residue (y, x): their first tap, and how many there are in a picture.
struct residue_part {
    uvec2 residue, tap, size;
    uint tiles;
};

residue_part part_of(uint number) {
    residue_part part;
    part.residue = uvec2(number / stride, number % stride);
    part.tap = (part.residue + pad) % stride;
    part.size = (uvec2(args.y_shape.zw) + stride - 1u - part.residue) / stride;
    part.tiles = (uint(args.y_shape.x) * part.size.x * part.size.y + TILE_M - 1u) / TILE_M;
    return part;
}

// Pixel p of the part: picture, y, x.
uvec3 part_pixel(residue_part part, uint p) {
    const uvec3 pixel = pixel_of(p, part.size);
    return uvec3(pixel.x, pixel.yz * stride + part.residue);
}

// Reads the quads of four columns of steps k0 .. k0 + TILE_K.
void load_columns(uint k0, uint column0, uvec2 tap, depth_axis depth) {
    const ivec4 ws = args.w_shape;
    const uint width = uint(ws.y);
    UNROLL for (uint f = 0u; f < B_LOADS; f++) {
        const uvec2 place = b_place(f);
        const uint column = column0 + place.x, k = k0 + place.y;
        const uint count = k < depth.end && column < width ? min(4u, width - column) : 0u;
        const uvec3 by = uvec3(step_of(k, depth));
        const uvec2 at_tap = tap + stride * by.xy;
        const uint kernel = gl_WorkGroupID.z * depth.channels.by + by.z;
        const uint at = ((kernel * uint(ws.z) + at_tap.x) * uint(ws.w) + at_tap.y) * width + column;
        if (width % 4u == 0u) {
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

void store(residue_part part, uint p, uint c, uint width, vec4 sum) {
    const ivec4 xs = args.y_shape;
    const uvec3 pixel = part_pixel(part, p);
    const uint line = pixel.x * uint(xs.z) + pixel.y;
    const uint at = (line * uint(xs.w) + pixel.z) * uint(xs.y) + gl_WorkGroupID.z * width;
    if (pixel.x < uint(xs.x)) { store_quad(at + c, c, width, sum); }
}

#define PUT(row, column, sum) store(part, first + (row), column0 + (column), width, sum);

void multiply_part(residue_part part, uint first, uint column0, uint width, depth_axis depth) {
    UNROLL for (uint f = 0u; f < A_LOADS; f++) {
        const uvec3 pixel = part_pixel(part, first + a_place(f).x);
        const uvec2 at = (pixel.yz + pad - part.tap) / stride;
        set_row(f, pixel.x, ivec2(at), gl_WorkGroupID.z * depth.channels.by);
    }
    tile_clear();
    TILE_PRODUCT(k, 0u, depth.end,
                 load_rows(k, depth, -1); load_columns(k, column0, part.tap, depth))
    TILE_RESULTS(PUT)
}

void convolve_back() {
    const uint channels = uint(args.x_shape.y) / groups, width = uint(args.w_shape.y);
    const uint column0 = gl_WorkGroupID.y * TILE_N;
    uint number = 0u, tile = gl_WorkGroupID.x;
    residue_part part = part_of(0u);
    for (;;) {
        while (number < stride * stride && tile >= part.tiles) {
            tile -= part.tiles;
            part = part_of(++number);
        }
        if (number >= stride * stride) { break; }
        const uvec2 kernel = uvec2(args.w_shape.zw);
        const uvec2 taps = (max(kernel, part.tap) - part.tap + stride - 1u) / stride;
        const depth_axis depth = depth_axis(divisor_of(channels), divisor_of(max(taps.y, 1u)),
                                            channels * taps.x * taps.y);
        multiply_part(part, tile * TILE_M, column0, width, depth);
        tile += gl_NumWorkGroups.x;
    }
}

#endif
