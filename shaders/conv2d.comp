// conv2d - y = act(b + x convolved with w), as a matrix product without im2col.
//
// x {n,c_in,h,w}, w {c_out,c_in/groups,kh,kw}, optional b {1,c_out,1,1}, y {n,c_out,oh,ow}:
// y[n,o,i,j] = act(b[o] + sum w[o,c,r,s] x[n, c, i*stride + r - pad, j*stride + s - pad])
//
// Grid `pixel_tile`. common/conv_forward.glsl, common/tile.glsl.
#version 450
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/conv_forward.glsl"

void main() { convolve(); }
