// norm.glsl - the value in front of a normalisation's fused activation.
//
// The forward pass and both gradients form it by the same expression, so that they agree about
// which side of a kink it lies on. The difference x - mean is taken first: it is exact where a
// folded scale and offset would cancel.
#ifndef REP_NORM_GLSL
#define REP_NORM_GLSL

// Whether all elements of this invocation's grid-stride loop lie in one channel: what belongs to
// the channel is then read once.
bool norm_is_one_channel() {
    return gl_NumWorkGroups.x * gl_WorkGroupSize.x % uint(args.y_shape.y) == 0u;
}

// x^ = (x - mean) invstd
float norm_unit(float x, float mean, float invstd) {
    precise const float unit = (x - mean) * invstd;
    return unit;
}

// y = x^ weight + bias
float norm_value(float unit, float weight, float bias) {
    precise const float y = unit * weight + bias;
    return y;
}

#endif
