// conv2d_grad_w.vector, pass 2: joins the chunks in order.
//
// scratch [chunk][c_out][kh][kw][c_in/groups] -> dw {c_out,c_in/groups,kh,kw}.
#version 450
#define REP_PARAMS rep_conv2d_grad_params
#include "common/args.glsl"
#include "common/kernel_join.glsl"

void main() { join_chunks(); }
