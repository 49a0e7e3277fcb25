// tile_shared.glsl - the tiles of tile.glsl in shared memory.
//
// Factor A lies by rows, four steps side by side, factor B by steps, four columns side by side:
// neighbours read one A and adjacent B's. A quad that lies the other way is stored by elements, and
// then lines are a quad longer than they need be, which spreads the banks.
#ifndef REP_TILE_SHARED_GLSL
#define REP_TILE_SHARED_GLSL

#define TILE_UNROLL
#define TILE_ROLL UNROLL

// The product over steps [begin, end): `load` fills a_next and b_next with steps from `k` on.
#define TILE_PRODUCT(k, begin, end, load)                                                          \
    uint k = begin;                                                                                \
    load;                                                                                          \
    do {                                                                                           \
        const uint stop = run_end(k, end);                                                         \
        while (k < stop) {                                                                         \
            barrier();                                                                             \
            tile_put();                                                                            \
            barrier();                                                                             \
            k += TILE_K;                                                                           \
            if (k < end) { load; }                                                                 \
            tile_multiply();                                                                       \
        }                                                                                          \
        tile_join();                                                                               \
    } while (IS_LONG && k < end);

#ifdef TILE_A_BY_ROWS
const uint A_PITCH = DEEP + 1u;
#else
const uint A_PITCH = DEEP;
#endif
#ifdef TILE_B_BY_STEPS
const uint B_PITCH = WIDE + 1u;
#else
const uint B_PITCH = WIDE;
#endif

shared vec4 tile_a[TILE_M * A_PITCH];
shared vec4 tile_b[TILE_K * B_PITCH];

// Column and step of the first element of b_next[f].
uvec2 b_place(uint f) {
    const uint lane = gl_LocalInvocationID.x;
#ifdef TILE_B_BY_STEPS
    return uvec2(lane / DEEP + f * (GROUP / DEEP), 4u * (lane % DEEP));
#else
    return uvec2(4u * (lane % WIDE), lane / WIDE + f * (GROUP / WIDE));
#endif
}

void tile_put() {
    UNROLL for (uint f = 0u; f < A_LOADS; f++) {
        const uvec2 at = a_place(f);
        if (at.x < TILE_M) {
#ifdef TILE_A_BY_ROWS
            UNROLL for (uint d = 0u; d < 4u; d++) {
                tile_a[(at.x + d) * A_PITCH + at.y / 4u][at.y % 4u] = a_next[f][d];
            }
#else
            tile_a[at.x * A_PITCH + at.y / 4u] = a_next[f];
#endif
        }
    }
    UNROLL for (uint f = 0u; f < B_LOADS; f++) {
        const uvec2 at = b_place(f);
        if (at.x < TILE_N && at.y < TILE_K) {
#ifdef TILE_B_BY_STEPS
            UNROLL for (uint d = 0u; d < 4u; d++) {
                tile_b[(at.y + d) * B_PITCH + at.x / 4u][at.x % 4u] = b_next[f][d];
            }
#else
            tile_b[at.y * B_PITCH + at.x / 4u] = b_next[f];
#endif
        }
    }
}

// Steps 4k .. 4k + 3 of row i of this invocation; columns of its quad q at step 4k + d.
vec4 tile_a_at(uint i, uint k) { return tile_a[(tile_row() + i * ROW_STEP) * A_PITCH + k]; }
vec4 tile_b_at(uint k, uint d, uint q) {
    return tile_b[(4u * k + d) * B_PITCH + tile_column() + q * SIDE];
}

#endif
