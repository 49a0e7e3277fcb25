// box.glsl - overlap of two boxes given as distances left, top, right, bottom from one point, as
// the IoU losses and their gradient need it.
//
//     I = (min l + min r) (min t + min b)    U = area_p + area_t - I    q = (I + 1) / (U + 1)
//     A = (max l + max r) (max t + max b) + 1e-7     the enclosing box
//
// Loss: -ln q (Yu et al., ACM MM 2016), 1 - q, or 1 - (q - (A - U) / A) (Rezatofighi et al., CVPR
// 2019). Nothing is contracted: equal boxes have U = I to the bit.
#ifndef REP_BOX_GLSL
#define REP_BOX_GLSL

#define IOU_LOG 0u
#define IOU_LINEAR 1u
#define IOU_GENERAL 2u

struct box_pair {
    vec2 inner, outer;          // width and height of the intersection, of the enclosing box
    float joint, ratio, around; // U, q, A
};

// Width and height of a box.
vec2 box_size(vec4 box) { return box.xy + box.zw; }

box_pair box_pair_of(vec4 p, vec4 t) {
    const vec2 inner = min(p.xy, t.xy) + min(p.zw, t.zw);
    const vec2 outer = max(p.xy, t.xy) + max(p.zw, t.zw);
    const vec2 size_p = box_size(p), size_t = box_size(t);
    precise const float intersection = inner.x * inner.y;
    precise const float area_p = size_p.x * size_p.y;
    precise const float area_t = size_t.x * size_t.y;
    precise const float joint = area_p + area_t - intersection;
    precise const float ratio = (intersection + 1.0) / (joint + 1.0);
    precise const float around = outer.x * outer.y + 1e-7;
    return box_pair(inner, outer, joint, ratio, around);
}

#endif
