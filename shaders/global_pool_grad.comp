// global_pool_grad - dx[n,c,i,j] = dy[n,c] / (h w), element by element.
//
// dy {n,c,1,1}; dx {n,c,h,w}.
#version 450
#define REP_PARAMS rep_pool_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t dx[]; };

void main() {
    const uint columns = uint(args.y_shape.y);
    const uint pixels = uint(args.y_shape.z) * uint(args.y_shape.w);
    REP_EACH(i, shape_count(args.y_shape)) {
        const uint from = i / columns / pixels * columns + i % columns;
        dx[i] = act_t(float(dy[from]) / float(pixels));
    }
}
