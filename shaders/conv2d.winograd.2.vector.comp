// conv2d.winograd.vector, pass 2: a matrix product per point, with tiles in the registers of a
// subgroup.
//
// scratch, kernels and tiles -> scratch, products: common/winograd.glsl. A workgroup is one
// subgroup: common/tile_registers.glsl.
#version 450
#define TILE_IN_REGISTERS
#define WINOGRAD_SCRATCH 4
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/winograd_product.glsl"

void main() { multiply_points(); }
