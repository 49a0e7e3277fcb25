// conv2d.coop - y = act(b + x convolved with w) in half precision, on matrix units.
//
// x {n,c_in,h,w}, w {c_out,c_in/groups,kh,kw}, optional b {1,c_out,1,1}, y {n,c_out,oh,ow}:
// y[n,o,i,j] = act(b[o] + sum w[o,c,r,s] x[n, c, i*stride + r - pad, j*stride + s - pad])
//
// Grid `pixel_tile`. common/conv_forward.glsl, common/coop.glsl.
#version 450
#define REP_F16
#define REP_MATRIX
#define REP_PARAMS rep_conv2d_params
#include "common/args.glsl"
#include "common/conv_forward.glsl"

void main() { convolve(); }
