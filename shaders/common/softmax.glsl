// softmax.glsl - logits, labels, and a row's largest logit and sum of e^(x - largest), which no
// logit overflows.
//
// Declares inputs 0 and 1. A workgroup has one row; all its invocations must call.
#ifndef REP_SOFTMAX_GLSL
#define REP_SOFTMAX_GLSL

#include "common/math.glsl"
#include "common/reduce.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { int labels[]; };

struct softmax_row {
    float largest, sum; // the sum is at least 1
};

softmax_row softmax_of(uint begin, uint columns) {
    softmax_row row;
    float largest = x[begin];
    for (uint i = gl_LocalInvocationID.x; i < columns; i += gl_WorkGroupSize.x) {
        const float v = x[begin + i];
        largest = v > largest ? v : largest;
    }
    row.largest = workgroup_max(largest);
    vec2 sum = vec2(0.0);
    for (uint i = gl_LocalInvocationID.x; i < columns; i += gl_WorkGroupSize.x) {
        sum = sum_add(sum, rep_exp(x[begin + i] - row.largest));
    }
    row.sum = workgroup_sum(sum_value(sum));
    return row;
}

#endif
