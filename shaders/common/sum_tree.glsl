// sum_tree.glsl - joins the sums of a workgroup's invocations, each kept as two floats (sum.glsl).
//
// A fixed tree, as exact as the running sums are: for sums that nearly cancel. reduce.glsl's sum is
// quicker and rounds at every step.
#ifndef REP_SUM_TREE_GLSL
#define REP_SUM_TREE_GLSL

#include "common/sum.glsl"

shared vec2 sum_parts[gl_WorkGroupSize.x];

// The sum over the invocations that are a multiple of `width`, a power of two, apart: 1 for all of
// them. All invocations must call.
vec2 sum_tree(vec2 own, uint width) {
    const uint lane = gl_LocalInvocationID.x;
    barrier();
    sum_parts[lane] = own;
    barrier();
    for (uint half_size = gl_WorkGroupSize.x / 2u; half_size >= width; half_size /= 2u) {
        if (lane < half_size) {
            sum_parts[lane] = sum_join(sum_parts[lane], sum_parts[lane + half_size]);
        }
        barrier();
    }
    return sum_parts[lane % width];
}

#endif
