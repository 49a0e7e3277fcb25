// scale_grad_s - gradient of a scale: ds = sum of x * dy per channel, or over everything when s is
// one value; from (x, dy, s). Pass 1: each channel's sum over each chunk of rows.
//
// x, dy {n,c,h,w}, s {1,c,1,1} or {1,1,1,1}; scratch [chunk][2][c]: the sum as two floats.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"
#include "common/columns.glsl"
#include "common/sum_tree.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t dy[]; };
layout(std430, binding = 4) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const columns_part part = columns_of();
    vec2 products = vec2(0.0);
    for (uint row = part.row; row < part.end; row += part.step) {
        const uint at = row * part.columns + part.column;
        products = sum_add(products, float(x[at]) * float(dy[at]));
    }
    products = sum_tree(products, columns_wide());
    if (part.is_writer) {
        scratch[part.at] = products.x;
        scratch[part.at + part.columns] = products.y;
    }
}
