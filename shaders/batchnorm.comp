// batchnorm - normalises: y = act((x - mean) invstd weight + bias), element by element.
//
// x, y {n,c,h,w}; mean, invstd, weight, bias {1,c,1,1}; act none, relu or relu6.
// Ioffe and Szegedy, ICML 2015.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/act.glsl"
#include "common/norm.glsl"

layout(constant_id = 1) const uint act = 0;

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { float mean[]; };
layout(std430, binding = 2) readonly buffer input_2 { float invstd[]; };
layout(std430, binding = 3) readonly buffer input_3 { float weight[]; };
layout(std430, binding = 4) readonly buffer input_4 { float bias[]; };
layout(std430, binding = 5) writeonly buffer output_0 { act_t y[]; };

void main() {
    const uint columns = uint(args.y_shape.y);
    const bool is_one = norm_is_one_channel();
    uint c = gl_GlobalInvocationID.x % columns;
    vec4 of = vec4(mean[c], invstd[c], weight[c], bias[c]);
    REP_EACH(i, shape_count(args.y_shape)) {
        if (!is_one) {
            c = i % columns;
            of = vec4(mean[c], invstd[c], weight[c], bias[c]);
        }
        const float unit = norm_unit(float(x[i]), of.x, of.y);
        y[i] = act_t(act_of(act, norm_value(unit, of.z, of.w)));
    }
}
