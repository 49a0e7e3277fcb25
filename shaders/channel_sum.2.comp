// channel_sum, pass 2: joins the chunks in order.
//
// scratch [chunk][2][c]; y {1,c,1,1}.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 1) writeonly buffer output_0 { float y[]; };
layout(std430, binding = 2) readonly buffer scratch_0 { float scratch[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(c, columns) {
        float sum = 0.0;
        for (uint k = 0u; k < args.chunks; k++) { sum += scratch[k * 2u * columns + c]; }
        y[c] = sum;
    }
}
