// merge_grad - gradient of the fold (merge).
//
// dWk = s dW, dW1 = t dW[centre], ds = sum Wk dW, dt = sum W1 dW[centre],
// du[o] = dW[o, o mod c_in, centre], 0 without u.
// dW, Wk, dWk {c_out,c_in,k,k}; W1, dW1 {c_out,c_in,1,1}; s, t, [u], ds, dt, du {1,c_out,1,1}. A
// workgroup takes one output channel.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/reduce.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float dw[]; };
layout(std430, binding = 1) readonly buffer input_1 { float wk[]; };
layout(std430, binding = 2) readonly buffer input_2 { float w1[]; };
layout(std430, binding = 3) readonly buffer input_3 { float s[]; };
layout(std430, binding = 4) readonly buffer input_4 { float t[]; };
layout(std430, binding = 6) writeonly buffer output_0 { float dwk[]; };
layout(std430, binding = 7) writeonly buffer output_1 { float dw1[]; };
layout(std430, binding = 8) writeonly buffer output_2 { float ds[]; };
layout(std430, binding = 9) writeonly buffer output_3 { float dt[]; };
layout(std430, binding = 10) writeonly buffer output_4 { float du[]; };

void main() {
    const uint lane = gl_LocalInvocationID.x, columns = uint(args.y_shape.y);
    const uint high = uint(args.y_shape.z), wide = uint(args.y_shape.w);
    const uint size = high * wide * columns;
    for (uint o = gl_WorkGroupID.x; o < uint(args.y_shape.x); o += gl_NumWorkGroups.x) {
        const uint row = o * size;
        const uint centre = row + (high / 2u * wide + wide / 2u) * columns;
        const float s_o = s[o], t_o = t[o];
        vec2 sum_s = vec2(0.0), sum_t = vec2(0.0);
        for (uint k = lane; k < size; k += gl_WorkGroupSize.x) {
            const float d = dw[row + k];
            sum_s = sum_add(sum_s, wk[row + k] * d);
            dwk[row + k] = d * s_o;
        }
        for (uint k = lane; k < columns; k += gl_WorkGroupSize.x) {
            const float d = dw[centre + k];
            sum_t = sum_add(sum_t, w1[o * columns + k] * d);
            dw1[o * columns + k] = d * t_o;
        }
        const float total_s = workgroup_sum(sum_value(sum_s));
        const float total_t = workgroup_sum(sum_value(sum_t));
        if (lane == 0u) {
            ds[o] = total_s;
            dt[o] = total_t;
            if (has_output(4u)) { du[o] = has_input(5u) ? dw[centre + o % columns] : 0.0; }
        }
    }
}
