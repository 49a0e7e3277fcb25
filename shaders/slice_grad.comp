// slice_grad - puts dy back as channels [begin, begin + count) of dx, among zeros.
//
// dy {n,count,h,w}; dx {n,total,h,w}. Element by element.
#version 450
#define REP_PARAMS rep_slice_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) writeonly buffer output_0 { act_t dx[]; };

void main() {
    const uint total = uint(args.y_shape.y), count = uint(args.x_shape.y);
    REP_EACH(i, shape_count(args.y_shape)) {
        const uint column = i % total - args.p.begin; // wraps round in front of the slice
        float v = 0.0;
        if (column < count) { v = float(dy[i / total * count + column]); }
        dx[i] = act_t(v);
    }
}
