// conv2d_grad_x.winograd, pass 3: points to pixels.
//
// scratch, products (common/winograd.glsl) -> dx {n,c_in,h,w}.
#version 450
#define WINOGRAD_TO 2
#define WINOGRAD_SCRATCH 3
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#define finish(sum, o) sum
#include "common/winograd_output.glsl"

void main() { transform_outputs(); }
