// batchnorm_frozen - statistics of a normalisation that is not training.
//
// mean = running_mean, invstd = 1 / sqrt(running_var + eps); all {1,c,1,1}. Element by element.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float running_mean[]; };
layout(std430, binding = 1) readonly buffer input_1 { float running_var[]; };
layout(std430, binding = 2) writeonly buffer output_0 { float mean[]; };
layout(std430, binding = 3) writeonly buffer output_1 { float invstd[]; };

void main() {
    REP_EACH(i, shape_count(args.y_shape)) {
        mean[i] = running_mean[i];
        invstd[i] = 1.0 / sqrt(running_var[i] + args.p.eps);
    }
}
