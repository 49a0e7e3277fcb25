// moments.glsl - how many values were seen, their mean, and the sum of squares about it.
//
// Two sets are joined by the formula of Chan, Golub and LeVeque (The American Statistician 37,
// 1983), in which nothing cancels. Callers hand in differences from one of the values, the same for
// every set that is to be joined: a mean far from 0 then costs no digits.
#ifndef REP_MOMENTS_GLSL
#define REP_MOMENTS_GLSL

struct moments {
    float count;
    float mean;
    float squares;
};

shared moments moments_parts[gl_WorkGroupSize.x];

// Either may be empty.
moments moments_join(moments a, moments b) {
    const float whole = a.count + b.count;
    const float share = whole > 0.0 ? b.count / whole : 0.0;
    precise const float apart = b.mean - a.mean;
    const float squares = a.squares + (b.squares + apart * apart * (a.count * share));
    return moments(whole, a.mean + apart * share, squares);
}

moments moments_add(moments to, float v) { return moments_join(to, moments(1.0, v, 0.0)); }

moments moments_add4(moments to, vec4 v) {
    const float mean = ((v.x + v.y) + (v.z + v.w)) * 0.25;
    precise const vec4 d = v - mean;
    return moments_join(to, moments(4.0, mean, dot(d, d)));
}

// Joins by a fixed tree the sets of the invocations that are a multiple of `width`, a power of two,
// apart: 1 for all of them. All invocations must call.
moments moments_tree(moments own, uint width) {
    const uint lane = gl_LocalInvocationID.x;
    barrier();
    moments_parts[lane] = own;
    barrier();
    for (uint rows = gl_WorkGroupSize.x / 2u; rows >= width; rows /= 2u) {
        if (lane < rows) {
            moments_parts[lane] = moments_join(moments_parts[lane], moments_parts[lane + rows]);
        }
        barrier();
    }
    return moments_parts[lane % width];
}

#endif
