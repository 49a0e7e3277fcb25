// coop.glsl - a matrix product by tiles on matrix units: tile.glsl's face, f16 factors, f32 sums.
//
// A workgroup is SUBGROUPS subgroups. Each holds ROWS x COLUMNS matrices of MAT_M x MAT_N sums: its
// part of the TILE_M x TILE_N results, two subgroups side by side where the tile is two matrices
// wide. Quads go into shared memory as they lie in memory, whichever way, and the load of a matrix
// names the way (row or column major): nothing is transposed. Lines are 16 bytes longer than they
// need be, which spreads the banks. Results pass through shared memory, a matrix at a time: which
// invocation holds which element is not told. The host (vk_matrix.c) lets no division leave a rest.
#ifndef REP_COOP_GLSL
#define REP_COOP_GLSL

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#define UNROLL [[unroll]]
#define TILE_ROLL UNROLL
#define item_t float16_t // of a factor's tile
#define quad_t f16vec4

layout(constant_id = 16) const uint TILE_M = 64;
layout(constant_id = 17) const uint TILE_N = 64;
layout(constant_id = 18) const uint TILE_K = 32;
layout(constant_id = 19) const uint MAT_M = 16; // what the device's units multiply
layout(constant_id = 20) const uint MAT_N = 16;
layout(constant_id = 21) const uint MAT_K = 16;
#include "common/tile_run.glsl"

const uint GROUP = gl_WorkGroupSize.x;
const uint SUBGROUPS = 4u;
const uint LANES = GROUP / SUBGROUPS;
const uint ACROSS = TILE_N / MAT_N >= 2u ? 2u : 1u; // subgroups side by side
const uint ROWS = TILE_M / MAT_M * ACROSS / SUBGROUPS; // matrices of a subgroup
const uint COLUMNS = TILE_N / MAT_N / ACROSS;
const uint DEEP = TILE_K / 4u, TALL = TILE_M / 4u, WIDE = TILE_N / 4u; // quads
const uint A_LOADS = (TILE_M * DEEP + GROUP - 1u) / GROUP; // of an invocation
const uint B_LOADS = (TILE_K * WIDE + GROUP - 1u) / GROUP;

// Pitches in quads.
#define ROW_MAJOR gl_CooperativeMatrixLayoutRowMajor
#define COLUMN_MAJOR gl_CooperativeMatrixLayoutColumnMajor
#ifdef TILE_A_BY_ROWS
#define A_WAY COLUMN_MAJOR
const uint A_PITCH = TALL + 2u, A_LINES = TILE_K;
#else
#define A_WAY ROW_MAJOR
const uint A_PITCH = DEEP + 2u, A_LINES = TILE_M;
#endif
#ifdef TILE_B_BY_STEPS
#define B_WAY COLUMN_MAJOR
const uint B_PITCH = DEEP + 2u, B_LINES = TILE_N;
#else
#define B_WAY ROW_MAJOR
const uint B_PITCH = WIDE + 2u, B_LINES = TILE_K;
#endif

shared f16vec4 tile_a[A_LINES * A_PITCH];
shared f16vec4 tile_b[B_LINES * B_PITCH];
shared float tile_c[SUBGROUPS * MAT_M * MAT_N];
f16vec4 a_next[A_LOADS], b_next[B_LOADS];

// Line and first element of this invocation's quad f, in lines of `across` quads.
uvec2 place_of(uint f, uint across) {
    const uint lane = gl_LocalInvocationID.x;
    return uvec2(lane / across + f * (GROUP / across), 4u * (lane % across));
}

// Row (column) and step of the first element of a_next[f] (b_next[f]); the quad of an element.
#ifdef TILE_A_BY_ROWS
uvec2 a_place(uint f) { return place_of(f, TALL).yx; }
uint a_quad(uint row, uint k) { return k * A_PITCH + row / 4u; }
#else
uvec2 a_place(uint f) { return place_of(f, DEEP); }
uint a_quad(uint row, uint k) { return row * A_PITCH + k / 4u; }
#endif
#ifdef TILE_B_BY_STEPS
uvec2 b_place(uint f) { return place_of(f, DEEP); }
uint b_quad(uint column, uint k) { return column * B_PITCH + k / 4u; }
#else
uvec2 b_place(uint f) { return place_of(f, WIDE).yx; }
uint b_quad(uint column, uint k) { return k * B_PITCH + column / 4u; }
#endif

void tile_put() {
    UNROLL for (uint f = 0u; f < A_LOADS; f++) {
        const uvec2 at = a_place(f);
        if (at.x < TILE_M && at.y < TILE_K) { tile_a[a_quad(at.x, at.y)] = a_next[f]; }
    }
    UNROLL for (uint f = 0u; f < B_LOADS; f++) {
        const uvec2 at = b_place(f);
        if (at.x < TILE_N && at.y < TILE_K) { tile_b[b_quad(at.x, at.y)] = b_next[f]; }
    }
}

// Where the subgroup's matrices begin in the tile.
uint sub_row() { return gl_SubgroupID / ACROSS * ROWS * MAT_M; }
uint sub_column() { return gl_SubgroupID % ACROSS * COLUMNS * MAT_N; }

#define A_MATRIX coopmat<float16_t, gl_ScopeSubgroup, MAT_M, MAT_K, gl_MatrixUseA>
#define B_MATRIX coopmat<float16_t, gl_ScopeSubgroup, MAT_K, MAT_N, gl_MatrixUseB>
#define SUMS coopmat<float, gl_ScopeSubgroup, MAT_M, MAT_N, gl_MatrixUseAccumulator>

// Matrices are variables of the function that multiplies: few drivers take them elsewhere.
#define tile_clear()                                                                               \
    SUMS tile_sums[ROWS * COLUMNS], tile_totals[ROWS * COLUMNS];                                   \
    UNROLL for (uint i = 0u; i < ROWS * COLUMNS; i++) { tile_sums[i] = tile_totals[i] = SUMS(0.0); }

// Adds the product of the two factors' tiles.
#define TILE_MULTIPLY()                                                                            \
    for (uint s = 0u; s < TILE_K; s += MAT_K) {                                                    \
        A_MATRIX a[ROWS];                                                                          \
        B_MATRIX b;                                                                                \
        UNROLL for (uint r = 0u; r < ROWS; r++)                                                    \
            coopMatLoad(a[r], tile_a, a_quad(sub_row() + r * MAT_M, s), A_PITCH, A_WAY);           \
        UNROLL for (uint c = 0u; c < COLUMNS; c++) {                                               \
            coopMatLoad(b, tile_b, b_quad(sub_column() + c * MAT_N, s), B_PITCH, B_WAY);           \
            UNROLL for (uint r = 0u; r < ROWS; r++)                                                \
                tile_sums[r * COLUMNS + c] = coopMatMulAdd(a[r], b, tile_sums[r * COLUMNS + c]);   \
        }                                                                                          \
    }

// Ends a run.
#define TILE_JOIN()                                                                                \
    UNROLL for (uint i = 0u; i < ROWS * COLUMNS; i++) {                                            \
        tile_totals[i] += tile_sums[i];                                                            \
        tile_sums[i] = SUMS(0.0);                                                                  \
    }

// The product over steps [begin, end): `load` fills a_next and b_next with steps from `k` on, which
// are on their way while the steps before are multiplied. It is there once: it is long.
#define TILE_PRODUCT(k, begin, end, load)                                                          \
    uint stop = run_end(begin, end);                                                               \
    for (uint k = begin;; k += TILE_K) {                                                           \
        if (k < end) { load; }                                                                     \
        if (k > begin) { TILE_MULTIPLY() }                                                         \
        if (IS_LONG && k >= stop) {                                                                \
            TILE_JOIN()                                                                            \
            stop = run_end(k, end);                                                                \
        }                                                                                          \
        if (k >= end) { break; }                                                                   \
        barrier();                                                                                 \
        tile_put();                                                                                \
        barrier();                                                                                 \
    }

// put(row, column, sums) for every quad of sums, by where it begins in the tile; it is there once.
#define TILE_RESULTS(put)                                                                          \
    const uint slab = gl_SubgroupID * MAT_M * MAT_N;                                               \
    [[dont_unroll]] for (uint i = 0u; i < ROWS * COLUMNS; i++) {                                   \
        UNROLL for (uint m = 0u; m < ROWS * COLUMNS; m++)                                          \
            if (m == i) {                                                                          \
                if (IS_LONG) { tile_sums[m] = tile_totals[m]; }                                    \
                coopMatStore(tile_sums[m], tile_c, slab, MAT_N, ROW_MAJOR);                        \
            }                                                                                      \
        subgroupBarrier();                                                                         \
        for (uint q = 4u * gl_SubgroupInvocationID; q < MAT_M * MAT_N; q += 4u * LANES) {          \
            const uint at = slab + q;                                                              \
            put(sub_row() + i / COLUMNS * MAT_M + q / MAT_N,                                       \
                sub_column() + i % COLUMNS * MAT_N + q % MAT_N,                                    \
                vec4(tile_c[at], tile_c[at + 1u], tile_c[at + 2u], tile_c[at + 3u]))               \
        }                                                                                          \
        subgroupBarrier();                                                                         \
    }

#endif
