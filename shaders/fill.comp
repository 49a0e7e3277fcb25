// fill - y = value everywhere, element by element.
//
// x gives the shape alone and is not read; y: any shape. Gradients of losses start from it.
#version 450
#define REP_PARAMS rep_fill_params
#include "common/args.glsl"

layout(std430, binding = 1) writeonly buffer output_0 { act_t y[]; };

void main() {
    REP_EACH(i, shape_count(args.y_shape)) { y[i] = act_t(args.p.value); }
}
