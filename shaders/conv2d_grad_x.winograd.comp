// conv2d_grad_x.winograd - conv2d_grad_x of 3x3 kernels at stride 1 and pad 1 with a quarter of the
// multiplications: dy convolved with the kernels turned by half a turn. Pass 1: kernels and tiles
// at the points.
//
// dy {n,c_out,h,w}, w {c_out,c_in,3,3} -> scratch: common/winograd.glsl.
//
// Grid `pixel_tile`: an invocation per tile and channel, and per kernel.
#version 450
#define WINOGRAD_BACK
#define WINOGRAD_SCRATCH 3
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/winograd_input.glsl"

void main() { transform_inputs(); }
