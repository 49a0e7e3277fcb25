// conv2d.winograd, pass 3: points to pixels, bias and activation.
//
// scratch, products (common/winograd.glsl), optional b {1,c_out,1,1} -> y {n,c_out,h,w}.
#version 450
#define WINOGRAD_TO 3
#define WINOGRAD_SCRATCH 4
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/act.glsl"

layout(std430, binding = 2) readonly buffer input_2 { float b[]; };

float finish(float sum, uint o) {
    return act_of(args.p.act, has_input(2u) ? sum + b[o] : sum);
}

#include "common/winograd_output.glsl"

void main() { transform_outputs(); }
