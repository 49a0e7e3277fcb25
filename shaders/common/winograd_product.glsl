// winograd_product.glsl - pass 2 of a Winograd convolution: tiles by kernels, point by point.
//
// Rows are tiles, columns the output's channels, depth the input's channels. Grid: x row tiles,
// y column tiles, z points.
#ifndef REP_WINOGRAD_PRODUCT_GLSL
#define REP_WINOGRAD_PRODUCT_GLSL

#include "common/tile.glsl"
#include "common/winograd.glsl"

layout(std430, binding = WINOGRAD_SCRATCH) buffer scratch_0_by_4 { vec4 scratch4[]; };

// Reads the quads of steps k0 .. k0 + TILE_K of the rows from `first` on, of the point's tiles.
void load_rows(uint k0, uint first, winograd_size size) {
    const uint base = size.from + gl_WorkGroupID.z * size.tiles * size.depth;
    UNROLL for (uint f = 0u; f < A_LOADS; f++) {
        const uvec2 place = a_place(f);
        const uint row = first + place.x, k = k0 + place.y;
        const bool exists = row < size.tiles && k < size.depth;
        const vec4 v = scratch4[exists ? (base + row * size.depth + k) / 4u : 0u];
        a_next[f] = exists ? v : vec4(0.0);
    }
}

// The same of the point's kernels, columns from `column0` on.
void load_columns(uint k0, uint column0, winograd_size size) {
    const uint base = gl_WorkGroupID.z * size.depth * size.width;
    UNROLL for (uint f = 0u; f < B_LOADS; f++) {
        const uvec2 place = b_place(f);
        const uint column = column0 + place.x, k = k0 + place.y;
        const bool exists = column < size.width && k < size.depth;
        const vec4 v = scratch4[exists ? (base + k * size.width + column) / 4u : 0u];
        b_next[f] = exists ? v : vec4(0.0);
    }
}

void store(uint row, uint column, vec4 sum, winograd_size size) {
    const uint line = gl_WorkGroupID.z * size.tiles + row;
    if (row < size.tiles && column < size.width) {
        scratch4[(size.to + line * size.width + column) / 4u] = sum;
    }
}

#define PUT(row, column, sum) store(first + (row), column0 + (column), sum, size);

void multiply_points() {
    const winograd_size size = size_get();
    const uint column0 = gl_WorkGroupID.y * TILE_N, step = gl_NumWorkGroups.x * TILE_M;
    for (uint first = gl_WorkGroupID.x * TILE_M; first < size.tiles; first += step) {
        tile_clear();
        TILE_PRODUCT(k, 0u, size.depth,
                     load_rows(k, first, size); load_columns(k, column0, size))
        TILE_RESULTS(PUT)
    }
}

#endif
