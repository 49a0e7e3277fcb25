// groupnorm_grad_w, pass 2: joins the chunks in order.
//
// scratch [chunk][2][c]: dy x^, dy; dweight, dbias {1,c,1,1}.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"

layout(std430, binding = 4) writeonly buffer output_0 { float dweight[]; };
layout(std430, binding = 5) writeonly buffer output_1 { float dbias[]; };
layout(std430, binding = 6) readonly buffer scratch_0 { float scratch[]; };

#include "common/chunks.glsl"

void main() {
    REP_EACH(c, uint(args.x_shape.y)) {
        dweight[c] = chunks_sum(0u, c);
        dbias[c] = chunks_sum(1u, c);
    }
}
