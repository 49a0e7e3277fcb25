// conv_grad_w.glsl - pass 1 of conv2d_grad_w by tiles, on what tile.glsl or coop.glsl multiplies
// with.
//
// Rows are the group's output channels, columns (r, s, c), depth the pixels of dy from chunk *
// args.chunk on. Four channels are read at once, of dy where c_out/groups is a multiple of 4, of x
// where c_in/groups is. Define REP_MATRIX before this include for matrix units.
#ifndef REP_CONV_GRAD_W_GLSL
#define REP_CONV_GRAD_W_GLSL

#define TILE_A_BY_ROWS
#include "common/conv.glsl"
#ifdef REP_MATRIX
#include "common/coop.glsl"
#else
#include "common/tile.glsl"
#endif

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 0) readonly buffer input_0_by_4 { act4_t x4[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t dy[]; };
layout(std430, binding = 1) readonly buffer input_1_by_4 { act4_t dy4[]; };
layout(std430, binding = 3) writeonly buffer scratch_0 { float scratch[]; };

// Reads dy: the quads of `rows` in the group, from row0 on, of TILE_K pixels.
void load_rows(uint pixel, uint end, uint group, uint row0, uint rows) {
    UNROLL for (uint f = 0u; f < A_LOADS; f++) {
        const uvec2 place = a_place(f);
        const uint row = row0 + place.x, p = pixel + place.y;
        const uint count = p < end && row < rows ? min(4u, rows - row) : 0u;
        const uint at = p * uint(args.w_shape.y) + group * rows + row;
        if (rows % 4u == 0u) {
            const quad_t v = quad_t(dy4[count > 0u ? at / 4u : 0u]);
            a_next[f] = count > 0u ? v : quad_t(0.0);
        } else {
            TILE_ROLL for (uint d = 0u; d < 4u; d++) {
                const float v = float(dy[d < count ? at + d : 0u]);
                a_next[f][d] = item_t(d < count ? v : 0.0);
            }
        }
    }
}

// A column: its tap's first pixel (y, x), and where its channel starts; y is far away for none.
ivec3 column_of(uint column, uint group) {
    const uvec3 kernel = uvec3(args.y_shape.yzw);
    const uint tap = column / kernel.x, r = tap / kernel.z, s = tap - r * kernel.z;
    const int y = r < kernel.y ? int(r) - int(pad) : -0x10000000;
    return ivec3(y, int(s) - int(pad), group * kernel.x + column - tap * kernel.x);
}

// Where the element of a column is for a pixel of dy, -1 for none.
int index_of(ivec3 column, uvec3 pixel, bool exists) {
    const ivec4 xs = args.x_shape;
    const ivec2 at = column.xy + ivec2(pixel.yz * stride);
    const int index = ((int(pixel.x) * xs.z + at.x) * xs.w + at.y) * xs.y + column.z;
    return exists && is_inside(at, xs) ? index : -1;
}

// Reads x: the quads of four columns of TILE_K pixels.
void load_columns(uint pixel, uint end, ivec3 columns[4], divisor oh, divisor ow) {
    UNROLL for (uint f = 0u; f < B_LOADS; f++) {
        const uint p = pixel + b_place(f).y;
        const uint line = divide(p, ow), n = divide(line, oh);
        const uvec3 out_at = uvec3(n, line - n * oh.by, p - line * ow.by);
        if (args.y_shape.y % 4 == 0) {
            const int at = index_of(columns[0], out_at, p < end);
            const quad_t v = quad_t(x4[max(at, 0) / 4]);
            b_next[f] = at < 0 ? quad_t(0.0) : v;
        } else {
            TILE_ROLL for (uint d = 0u; d < 4u; d++) {
                const int at = index_of(columns[d], out_at, p < end);
                const float v = float(x[max(at, 0)]);
                b_next[f][d] = item_t(at < 0 ? 0.0 : v);
            }
        }
    }
}

// Output channel o of the group against four columns, those that exist; `at` is where both begin.
void store(uint at, uint o, uint rows, uint column, uint columns, vec4 sum) {
    TILE_ROLL for (uint d = 0u; d < 4u; d++) {
        if (o < rows && column + d < columns) { scratch[at + o * columns + column + d] = sum[d]; }
    }
}

#define PUT(row, column, sum) store(base, row0 + (row), rows, column0 + (column), columns, sum);

void sum_chunk() {
    const uint rows = uint(args.w_shape.y) / groups;
    const uint columns = uint(args.y_shape.y * args.y_shape.z * args.y_shape.w);
    const divisor oh = divisor_of(uint(args.w_shape.z)), ow = divisor_of(uint(args.w_shape.w));
    const uint row0 = gl_WorkGroupID.x * TILE_M, column0 = gl_WorkGroupID.y * TILE_N;
    for (uint z = gl_WorkGroupID.z; z < groups * args.chunks; z += gl_NumWorkGroups.z) {
        const uint group = z / args.chunks, chunk = z - group * args.chunks;
        const uint end = min((chunk + 1u) * args.chunk, shape_rows(args.w_shape));
        ivec3 mine[4];
        UNROLL for (uint d = 0u; d < 4u; d++) {
            mine[d] = column_of(column0 + b_place(0u).x + d, group);
        }
        tile_clear();
        TILE_PRODUCT(p, chunk * args.chunk, end,
                     load_rows(p, end, group, row0, rows); load_columns(p, end, mine, oh, ow))
        const uint base = (chunk * uint(args.y_shape.x) + group * rows) * columns;
        TILE_RESULTS(PUT)
    }
}

#endif
