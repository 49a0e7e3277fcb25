// concat - channels of up to 8 tensors side by side.
//
// Inputs {n,c_k,h,w}, y {n,sum c_k,h,w}; a part's channels follow from its length. Element by
// element: each looks for the part it comes from.
#version 450
#define REP_PARAMS rep_no_params
#include "common/args.glsl"

layout(std430, binding = 0) readonly buffer input_0 { act_t x0[]; };
layout(std430, binding = 1) readonly buffer input_1 { act_t x1[]; };
layout(std430, binding = 2) readonly buffer input_2 { act_t x2[]; };
layout(std430, binding = 3) readonly buffer input_3 { act_t x3[]; };
layout(std430, binding = 4) readonly buffer input_4 { act_t x4[]; };
layout(std430, binding = 5) readonly buffer input_5 { act_t x5[]; };
layout(std430, binding = 6) readonly buffer input_6 { act_t x6[]; };
layout(std430, binding = 7) readonly buffer input_7 { act_t x7[]; };
layout(std430, binding = 8) writeonly buffer output_0 { act_t y[]; };

// Returns from part k where the column is one of its own, else leaves it behind.
#define TAKE_FROM(k, part)                                                                         \
    if (has_input(k)) {                                                                            \
        const uint count = uint(part.length()) / rows;                                             \
        if (column < count) { return float(part[row * count + column]); }                          \
        column -= count;                                                                           \
    }

float value_at(uint row, uint column, uint rows) {
    TAKE_FROM(0u, x0)
    TAKE_FROM(1u, x1)
    TAKE_FROM(2u, x2)
    TAKE_FROM(3u, x3)
    TAKE_FROM(4u, x4)
    TAKE_FROM(5u, x5)
    TAKE_FROM(6u, x6)
    TAKE_FROM(7u, x7)
    return 0.0; // not reached: the parts' channels are y's
}

void main() {
    const uint columns = uint(args.y_shape.y), rows = shape_rows(args.y_shape);
    REP_EACH(i, shape_count(args.y_shape)) {
        y[i] = act_t(value_at(i / columns, i % columns, rows));
    }
}
