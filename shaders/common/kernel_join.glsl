// kernel_join.glsl - pass 2 of the weight gradients: joins the chunks in order.
//
// scratch [chunk][c_out][kh][kw][c_in/groups] -> dw {c_out,c_in/groups,kh,kw}. An invocation per
// weight.
#ifndef REP_KERNEL_JOIN_GLSL
#define REP_KERNEL_JOIN_GLSL

#include "common/sum.glsl"

layout(std430, binding = 2) writeonly buffer output_0 { float dw[]; };
layout(std430, binding = 3) readonly buffer scratch_0 { float scratch[]; };

void join_chunks() {
    const uint weights = shape_count(args.y_shape);
    REP_EACH(i, weights) {
        vec2 sum = vec2(0.0);
        for (uint k = 0u; k < args.chunks; k++) { sum = sum_add(sum, scratch[k * weights + i]); }
        dw[i] = sum_value(sum);
    }
}

#endif
