// conv2d_grad_x.vector - conv2d_grad_x, as conv2d_grad_x.comp, with tiles in the registers of a
// subgroup.
//
// dy {n,c_out,oh,ow}, w {c_out,c_in/groups,kh,kw}, dx {n,c_in,h,w}.
//
// Grid `pixel_tile`; a workgroup is one subgroup: common/tile_registers.glsl.
#version 450
#define TILE_IN_REGISTERS
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/conv_grad_x.glsl"

void main() { convolve_back(); }
