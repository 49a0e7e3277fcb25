// merge - folds scaled branches into one kernel: W = s Wk + pad(t W1) [+ pad(diag(u))].
//
// Wk, W {c_out,c_in,k,k}; W1 {c_out,c_in,1,1}; s, t, [u] {1,c_out,1,1}. The 1x1 kernel and the
// diagonal lie at the centre tap; with groups the diagonal is at input o mod c_in. Element by
// element.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float wk[]; };
layout(std430, binding = 1) readonly buffer input_1 { float w1[]; };
layout(std430, binding = 2) readonly buffer input_2 { float s[]; };
layout(std430, binding = 3) readonly buffer input_3 { float t[]; };
layout(std430, binding = 4) readonly buffer input_4 { float u[]; };
layout(std430, binding = 5) writeonly buffer output_0 { float w[]; };

void main() {
    const uint columns = uint(args.x_shape.y);
    const uint high = uint(args.x_shape.z), wide = uint(args.x_shape.w);
    const uint centre = high / 2u * wide + wide / 2u;
    REP_EACH(i, shape_count(args.y_shape)) {
        const uint c = i % columns, tap = i / columns % (high * wide);
        const uint o = i / columns / (high * wide);
        float sum = s[o] * wk[i];
        if (tap == centre) {
            sum += t[o] * w1[o * columns + c];
            if (has_input(4u) && c == o % columns) { sum += u[o]; }
        }
        w[i] = sum;
    }
}
