// loss.glsl - the optional weight of an elementwise loss: one value per element or one per row.
//
// Define REP_WEIGHT, the number of the weight's input, before this include.
#ifndef REP_LOSS_GLSL
#define REP_LOSS_GLSL

layout(std430, binding = REP_WEIGHT) readonly buffer input_weight { float weight[]; };

// The loss of element `at` of `row`, weighed.
float loss_weigh(float loss, uint row, uint at) {
    if (!has_input(REP_WEIGHT)) { return loss; }
    return loss * weight[weight.length() == shape_rows(args.x_shape) ? row : at];
}

#endif
