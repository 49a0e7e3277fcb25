// conv2d.winograd, pass 2: a matrix product per point.
//
// scratch, kernels and tiles -> scratch, products: common/winograd.glsl, common/tile.glsl.
#version 450
#define WINOGRAD_SCRATCH 4
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/winograd_product.glsl"

void main() { multiply_points(); }
