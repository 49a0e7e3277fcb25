// conv2d.vector - conv2d, as conv2d.comp, with tiles in the registers of a subgroup.
//
// x {n,c_in,h,w}, w {c_out,c_in/groups,kh,kw}, optional b {1,c_out,1,1}, y {n,c_out,oh,ow}.
//
// Grid `pixel_tile`; a workgroup is one subgroup: common/tile_registers.glsl.
#version 450
#define TILE_IN_REGISTERS
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/conv_forward.glsl"

void main() { convolve(); }
