// conv2d_grad_x - the gradient of a convolution with respect to its input, as a matrix product.
//
// dy {n,c_out,oh,ow}, w {c_out,c_in/groups,kh,kw} -> dx {n,c_in,h,w}:
// dx[n,c,y,x] = sum over o, r, s with y + pad - r = i*stride, x + pad - s = j*stride of
//               dy[n,o,i,j] w[o,c,r,s]
//
// Grid `pixel_tile`. common/conv_grad_x.glsl, common/tile.glsl.
#version 450
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/conv_grad_x.glsl"

void main() { convolve_back(); }
