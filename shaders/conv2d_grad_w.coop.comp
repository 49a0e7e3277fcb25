// conv2d_grad_w.coop - the gradient of a convolution with respect to its weight, in half precision,
// on matrix units. Pass 1: one chunk of pixels.
//
// x {n,c_in,h,w}, dy {n,c_out,oh,ow} -> dw {c_out,c_in/groups,kh,kw}:
// dw[o,c,r,s] = sum over n, i, j of dy[n,o,i,j] x[n, c, i*stride + r - pad, j*stride + s - pad]
// scratch [chunk][c_out][kh][kw][c_in/groups]: the sum over the chunk's (n, i, j).
//
// Grid `kernel_tile`. common/conv_grad_w.glsl, common/coop.glsl.
#version 450
#define REP_F16
#define REP_MATRIX
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/conv_grad_w.glsl"

void main() { sum_chunk(); }
