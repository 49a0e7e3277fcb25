// tile_registers.glsl - the tiles of tile.glsl in the registers of a subgroup.
//
// For drivers that compute on a processor, an invocation to a lane of its vectors: there an access
// to shared memory costs as much as one to memory, lane by lane, and an exchange between lanes
// next to nothing. All invocations that read together find their elements in the same register, so
// a read is one shuffle. Compiling is slow there: loops around memory accesses stay (TILE_ROLL).
// The workgroup is one subgroup, invocation i its lane i. Needs TILE_N <= 4 GROUP and
// TILE_K <= 2 GROUP; with TILE_A_BY_ROWS, TILE_N = 4 GROUP and TILE_K = GROUP.
#ifndef REP_TILE_REGISTERS_GLSL
#define REP_TILE_REGISTERS_GLSL

#extension GL_KHR_shader_subgroup_shuffle : require
#define TILE_UNROLL UNROLL
#define TILE_ROLL [[dont_unroll]]

#define TILE_PRODUCT(k, begin, end, load)                                                          \
    uint k = begin;                                                                                \
    do {                                                                                           \
        const uint stop = run_end(k, end);                                                         \
        for (; k < stop; k += TILE_K) {                                                            \
            load;                                                                                  \
            tile_multiply();                                                                       \
        }                                                                                          \
        tile_join();                                                                               \
    } while (IS_LONG && k < end);

vec4 tile_results[ROWS * QUADS]; // for loops that are not unrolled

// Column and step of the first element of b_next[f].
uvec2 b_place(uint f) {
    const uint lane = gl_LocalInvocationID.x;
#ifdef TILE_B_BY_STEPS
    const uint column = f % (4u * QUADS), k = f / (4u * QUADS) * ROW_STEP + lane / SIDE;
    return uvec2(4u * (lane % SIDE + column / 4u * SIDE) + column % 4u, 4u * k);
#else
    const uint at = f * GROUP + lane;
    return uvec2(4u * (at % WIDE), at / WIDE);
#endif
}

vec4 tile_a_at(uint i, uint k) {
#ifdef TILE_A_BY_ROWS
    const float v = a_next[i / 4u][i % 4u];
    return vec4(subgroupShuffle(v, 4u * k), subgroupShuffle(v, 4u * k + 1u),
                subgroupShuffle(v, 4u * k + 2u), subgroupShuffle(v, 4u * k + 3u));
#else
    const uint at = i * ROW_STEP * DEEP + k;
    return subgroupShuffle(a_next[at / GROUP], at % GROUP + tile_row() * DEEP);
#endif
}

vec4 tile_b_at(uint k, uint d, uint q) {
#ifdef TILE_B_BY_STEPS
    const uint f = k / ROW_STEP * 4u * QUADS + 4u * q, from = k % ROW_STEP * SIDE + tile_column();
    return vec4(subgroupShuffle(b_next[f][d], from), subgroupShuffle(b_next[f + 1u][d], from),
                subgroupShuffle(b_next[f + 2u][d], from), subgroupShuffle(b_next[f + 3u][d], from));
#else
    const uint at = (4u * k + d) * WIDE + q * SIDE;
    return subgroupShuffle(b_next[at / GROUP], at % GROUP + tile_column());
#endif
}

#endif
