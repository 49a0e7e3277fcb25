// batchnorm_grad_x - gradient of batchnorm by x, element by element.
//
// dx = weight invstd (g - (dbias + x^ dweight) / N), N = n h w, where mean and variance are
// functions of x (training); dx = weight invstd g where they are constants. g = dy act'(y), x^ = (x
// - mean) invstd. dy, x, dx {n,c,h,w}; the others {1,c,1,1}. dx may lie in dy's memory.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/act.glsl"
#include "common/norm.glsl"

layout(constant_id = 1) const uint act = 0;
layout(constant_id = 2) const uint training = 0;

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t x[]; };
layout(std430, binding = 2) readonly buffer input_2 { float mean[]; };
layout(std430, binding = 3) readonly buffer input_3 { float invstd[]; };
layout(std430, binding = 4) readonly buffer input_4 { float weight[]; };
layout(std430, binding = 5) readonly buffer input_5 { float bias[]; };
layout(std430, binding = 6) readonly buffer input_6 { float dweight[]; };
layout(std430, binding = 7) readonly buffer input_7 { float dbias[]; };
layout(std430, binding = 8) writeonly buffer output_0 { act_t dx[]; };

void main() {
    const uint columns = uint(args.y_shape.y);
    const float per_row = 1.0 / float(shape_rows(args.y_shape));
    const bool is_one = norm_is_one_channel();
    uint c = gl_GlobalInvocationID.x % columns;
    vec4 of = vec4(mean[c], invstd[c], weight[c], bias[c]);
    vec2 sums = vec2(dweight[c], dbias[c]);
    REP_EACH(i, shape_count(args.y_shape)) {
        if (!is_one) {
            c = i % columns;
            of = vec4(mean[c], invstd[c], weight[c], bias[c]);
            sums = vec2(dweight[c], dbias[c]);
        }
        const float unit = norm_unit(float(x[i]), of.x, of.y);
        float g = act_grad_of(act, norm_value(unit, of.z, of.w), float(dy[i]));
        if (training != 0u) { g -= (sums.y + unit * sums.x) * per_row; }
        dx[i] = act_t(of.z * of.y * g);
    }
}
