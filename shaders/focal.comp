// focal - sigmoid focal loss, summed over a row (focal.glsl).
//
// -alpha (1-p)^gamma ln p for the row's class, -(1-alpha) p^gamma ln(1-p) for the others, p =
// sigmoid(x); logits {n,c,h,w}, labels i32 {n,1,h,w}; y {n,1,h,w}. Logarithms and powers come from
// ln(1 + e^x), so any logit is fine. An invocation takes one row.
#version 450
#define REP_PARAMS rep_loss_params
#include "common/args.glsl"
#include "common/focal.glsl"
#include "common/sum.glsl"

layout(std430, binding = 0) readonly buffer input_0 { float x[]; };
layout(std430, binding = 1) readonly buffer input_1 { int labels[]; };
layout(std430, binding = 2) writeonly buffer output_0 { float y[]; };

float row_loss(uint row, uint columns, int label) {
    if (label < 0) { return 0.0; }
    if (label > int(columns)) { return REP_NAN; }
    vec2 sum = vec2(0.0);
    for (uint c = 0u; c < columns; c++) {
        const focal_part part = focal_part_of(x[row * columns + c], c, label);
        sum = sum_add(sum, part.scale * rep_softplus(part.z));
    }
    return sum_value(sum);
}

void main() {
    const uint columns = uint(args.x_shape.y);
    REP_EACH(row, shape_rows(args.x_shape)) { y[row] = row_loss(row, columns, labels[row]); }
}
