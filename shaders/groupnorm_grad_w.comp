// groupnorm_grad_w - dweight = sum dy x^ and dbias = sum dy per channel over n, h, w, with
// x^ = (x - mean) invstd; from (dy, x, mean, invstd). Pass 1: both sums of each chunk of rows.
//
// dy, x {n,c,h,w}, mean, invstd {n,groups,1,1}; scratch [chunk][2][c]: dy x^, dy.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/columns.glsl"
#include "common/norm.glsl"
#include "common/sum_tree.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t x[]; };
layout(std430, binding = 2) readonly buffer input_2 { float mean[]; };
layout(std430, binding = 3) readonly buffer input_3 { float invstd[]; };
layout(std430, binding = 6) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const columns_part part = columns_of();
    const uint pixels = uint(args.x_shape.z) * uint(args.x_shape.w), groups = args.p.groups;
    const uint group = part.column / (part.columns / groups);
    vec2 products = vec2(0.0), plain = vec2(0.0);
    for (uint row = part.row; row < part.end; row += part.step) {
        const uint at = row * part.columns + part.column, of = row / pixels * groups + group;
        const float g = float(dy[at]);
        products = sum_add(products, g * norm_unit(float(x[at]), mean[of], invstd[of]));
        plain = sum_add(plain, g);
    }
    const float dweight = sum_value(sum_tree(products, columns_wide()));
    const float dbias = sum_value(sum_tree(plain, columns_wide()));
    if (part.is_writer) {
        scratch[part.at] = dweight;
        scratch[part.at + part.columns] = dbias;
    }
}
