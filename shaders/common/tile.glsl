// tile.glsl - a matrix product by tiles, a micro-tile per invocation.
//
// A workgroup makes TILE_M x TILE_N results, TILE_K steps of the depth at a time. An invocation
// holds ROWS x 4 QUADS sums: rows `tile_row() + i * ROW_STEP` by columns
// `4 * (tile_column() + q * SIDE)` .. + 3.
// The shader fills a_next and b_next from memory, in quads of four elements that lie side by side
// there; tile_put makes them the tile, and the next step's are on their way during the product. A
// quad of factor A is four steps of a row, or with TILE_A_BY_ROWS four rows of a step; a quad of
// factor B is four columns of a step, or with TILE_B_BY_STEPS four steps of a column. a_place and
// b_place say which element of the tile a quad begins with.
// All bounds are specialization constants: a driver knows them and unrolls.
#ifndef REP_TILE_GLSL
#define REP_TILE_GLSL

#extension GL_EXT_control_flow_attributes : require
#define UNROLL [[unroll]]
#define item_t float // of a factor's tile
#define quad_t vec4

layout(constant_id = 16) const uint TILE_M = 64;
layout(constant_id = 17) const uint TILE_N = 64;
layout(constant_id = 18) const uint TILE_K = 16;
#include "common/tile_run.glsl"

const uint GROUP = gl_WorkGroupSize.x;
const uint MICRO = TILE_M * TILE_N / (4u * GROUP); // vec4 sums of an invocation
const uint QUADS = TILE_N >= 64u && MICRO >= 16u ? 2u : 1u;
const uint ROWS = MICRO / QUADS;
const uint SIDE = TILE_N / (4u * QUADS); // invocations side by side
const uint ROW_STEP = GROUP / SIDE;
const uint DEEP = TILE_K / 4u;
const uint WIDE = TILE_N / 4u;
const uint A_LOADS = (TILE_M * DEEP + GROUP - 1u) / GROUP; // quads of an invocation
const uint B_LOADS = (TILE_K * WIDE + GROUP - 1u) / GROUP;

vec4 tile_sums[ROWS * QUADS];
vec4 tile_totals[ROWS * QUADS]; // of the runs that are over
vec4 a_next[A_LOADS], b_next[B_LOADS];

uint tile_column() { return gl_LocalInvocationID.x % SIDE; }
uint tile_row() { return gl_LocalInvocationID.x / SIDE; }

// Row and step of the first element of a_next[f].
uvec2 a_place(uint f) {
    const uint lane = gl_LocalInvocationID.x;
#ifdef TILE_A_BY_ROWS
    return uvec2(4u * (lane / TILE_K + f * (GROUP / TILE_K)), lane % TILE_K);
#else
    return uvec2(lane / DEEP + f * (GROUP / DEEP), 4u * (lane % DEEP));
#endif
}

// The results are the sums, or a copy of them for loops that are not unrolled.
#ifdef TILE_IN_REGISTERS
#include "common/tile_registers.glsl"
#else
#include "common/tile_shared.glsl"
#define tile_results tile_sums
#endif

void tile_clear() {
    UNROLL for (uint i = 0u; i < ROWS * QUADS; i++) { tile_sums[i] = tile_totals[i] = vec4(0.0); }
}

// Ends a run.
void tile_join() {
    if (IS_LONG) {
        UNROLL for (uint i = 0u; i < ROWS * QUADS; i++) {
            tile_totals[i] += tile_sums[i];
            tile_sums[i] = vec4(0.0);
        }
    }
}

void tile_finish() {
    UNROLL for (uint i = 0u; i < ROWS * QUADS; i++) {
        tile_results[i] = IS_LONG ? tile_totals[i] : tile_sums[i];
    }
}

// put(row, column, sums) for every quad of sums, by where it begins in the tile.
#define TILE_RESULTS(put)                                                                          \
    tile_finish();                                                                                 \
    TILE_ROLL for (uint i = 0u; i < ROWS * QUADS; i++) {                                           \
        put(tile_row() + i / QUADS * ROW_STEP, 4u * (tile_column() + i % QUADS * SIDE),            \
            tile_results[i])                                                                       \
    }

// Adds the product of the two factors' tiles.
void tile_multiply() {
    TILE_UNROLL for (uint k = 0u; k < DEEP; k++) {
        vec4 b[4u * QUADS];
        UNROLL for (uint d = 0u; d < 4u; d++) {
            UNROLL for (uint q = 0u; q < QUADS; q++) { b[d * QUADS + q] = tile_b_at(k, d, q); }
        }
        UNROLL for (uint i = 0u; i < ROWS; i++) {
            const vec4 a = tile_a_at(i, k);
            UNROLL for (uint q = 0u; q < QUADS; q++) {
                vec4 sum = tile_sums[i * QUADS + q];
                sum = fma(vec4(a.x), b[q], sum);
                sum = fma(vec4(a.y), b[QUADS + q], sum);
                sum = fma(vec4(a.z), b[2u * QUADS + q], sum);
                sum = fma(vec4(a.w), b[3u * QUADS + q], sum);
                tile_sums[i * QUADS + q] = sum;
            }
        }
    }
}

#endif
