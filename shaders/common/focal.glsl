// focal.glsl - what the sigmoid focal loss and its gradient share.
//
// Labels 1 .. c name a class, 0 the background, a negative one leaves the row out. A label above c
// gives NaN, so that the run stops. With z = -x for the row's class and x for the others the loss
// is a sigmoid(z)^gamma ln(1 + e^z), and ln sigmoid(z) = -ln(1 + e^-z). Lin et al., ICCV 2017.
#ifndef REP_FOCAL_GLSL
#define REP_FOCAL_GLSL

#include "common/math.glsl"

struct focal_part {
    bool is_positive; // the logit is that of the row's class
    float z;
    float scale; // a sigmoid(z)^gamma
};

focal_part focal_part_of(float x, uint column, int label) {
    focal_part part;
    part.is_positive = int(column) + 1 == label;
    part.z = part.is_positive ? -x : x;
    part.scale = (part.is_positive ? args.p.alpha : 1.0 - args.p.alpha) *
                 rep_exp(-args.p.gamma * rep_softplus(-part.z));
    return part;
}

#endif
