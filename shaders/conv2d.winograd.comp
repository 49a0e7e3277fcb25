// conv2d.winograd - conv2d of 3x3 kernels at stride 1 and pad 1 with a quarter of the
// multiplications. Pass 1: kernels and tiles at the points.
//
// x {n,c_in,h,w}, w {c_out,c_in,3,3} -> scratch: common/winograd.glsl.
//
// Grid `pixel_tile`: an invocation per tile and channel, and per kernel.
#version 450
#define WINOGRAD_SCRATCH 4
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/winograd_input.glsl"

void main() { transform_inputs(); }
