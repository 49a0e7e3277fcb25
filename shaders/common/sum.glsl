// sum.glsl - a running sum kept as two floats: what rounding drops from x is gathered in y.
//
// The error is that of the terms, however many there are. Start from vec2(0). Knuth, The Art of
// Computer Programming 2, 4.2.2, theorem B: the error of a rounded sum, without a branch.
#ifndef REP_SUM_GLSL
#define REP_SUM_GLSL

#include "common/math.glsl"

// sum + v
vec2 sum_add(vec2 sum, float v) {
    precise const float total = sum.x + v;
    precise const float taken = total - sum.x;
    precise const float dropped = (sum.x - (total - taken)) + (v - taken);
    return vec2(total, sum.y + dropped);
}

// The sum of two such sums.
vec2 sum_join(vec2 a, vec2 b) {
    const vec2 sum = sum_add(a, b.x);
    return vec2(sum.x, sum.y + b.y);
}

// The sum as one float. Of an infinite sum nothing was dropped, though y has become NaN.
float sum_value(vec2 sum) { return is_nan(sum.y) ? sum.x : sum.x + sum.y; }

#endif
