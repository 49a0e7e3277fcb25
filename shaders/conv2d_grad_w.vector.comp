// conv2d_grad_w.vector - conv2d_grad_w, as conv2d_grad_w.comp, with tiles in the registers of a
// subgroup. Pass 1: one chunk of pixels.
//
// x {n,c_in,h,w}, dy {n,c_out,oh,ow}; scratch [chunk][c_out][kh][kw][c_in/groups].
//
// Grid `kernel_tile`; a workgroup is one subgroup: common/tile_registers.glsl.
#version 450
#define TILE_IN_REGISTERS
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/conv_grad_w.glsl"

void main() { sum_chunk(); }
