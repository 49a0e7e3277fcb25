// batchnorm_grad_w - dweight = sum g x^ and dbias = sum g per channel, with x^ = (x - mean) invstd
// and g = dy where the fused activation let the value pass, 0 elsewhere: the value is formed again
// from x. From (dy, x, mean, invstd, weight, bias). Pass 1: both sums of each chunk of rows.
//
// dy, x {n,c,h,w}, vectors {1,c,1,1}; scratch [chunk][2][c]: g x^, g.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/act.glsl"
#include "common/columns.glsl"
#include "common/norm.glsl"
#include "common/sum_tree.glsl"

layout(constant_id = 1) const uint act = 0;

layout(std430, binding = 0) readonly buffer input_0 { act_t dy[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t x[]; };
layout(std430, binding = 2) readonly buffer input_2 { float mean[]; };
layout(std430, binding = 3) readonly buffer input_3 { float invstd[]; };
layout(std430, binding = 4) readonly buffer input_4 { float weight[]; };
layout(std430, binding = 5) readonly buffer input_5 { float bias[]; };
layout(std430, binding = 8) writeonly buffer scratch_0 { float scratch[]; };

void main() {
    const columns_part part = columns_of();
    const uint c = min(part.column, part.columns - 1u);
    const float centre = mean[c], spread = invstd[c], scale = weight[c], offset = bias[c];
    vec2 products = vec2(0.0), plain = vec2(0.0);
    for (uint row = part.row; row < part.end; row += part.step) {
        const uint at = row * part.columns + c;
        const float unit = norm_unit(float(x[at]), centre, spread);
        const float g = act_grad_of(act, norm_value(unit, scale, offset), float(dy[at]));
        products = sum_add(products, g * unit);
        plain = sum_add(plain, g);
    }
    const float dweight = sum_value(sum_tree(products, columns_wide()));
    const float dbias = sum_value(sum_tree(plain, columns_wide()));
    if (part.is_writer) {
        scratch[part.at] = dweight;
        scratch[part.at + part.columns] = dbias;
    }
}
