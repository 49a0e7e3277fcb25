// chunks.glsl - pass 2 of grid `channel`: joins the chunks' sums in order.
//
// scratch [chunk][2][c] as columns.glsl has it. Declare `float scratch[]` before this include.
#ifndef REP_CHUNKS_GLSL
#define REP_CHUNKS_GLSL

#include "common/sum.glsl"

// The whole of sum `which`, 0 or 1, of channel c.
float chunks_sum(uint which, uint c) {
    const uint columns = uint(args.x_shape.y);
    vec2 sum = vec2(0.0);
    for (uint k = 0u; k < args.chunks; k++) {
        sum = sum_add(sum, scratch[(k * 2u + which) * columns + c]);
    }
    return sum_value(sum);
}

// One chunk's sum of channel c, kept as two floats, one in each place.
vec2 chunks_pair(uint k, uint c) {
    const uint columns = uint(args.x_shape.y), at = k * 2u * columns + c;
    return vec2(scratch[at], scratch[at + columns]);
}

#endif
