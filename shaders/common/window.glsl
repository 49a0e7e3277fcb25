// window.glsl - which taps of a pooling window lie inside the picture, and which windows hold a
// pixel.
//
// For shaders whose parameters are rep_pool_params. A span is the positions [x, y) along one axis.
#ifndef REP_WINDOW_GLSL
#define REP_WINDOW_GLSL

#include "common/pixel.glsl"

// Input positions window `o` covers, of `size`.
ivec2 window_taps(int o, int size) {
    const int begin = o * int(args.p.stride) - int(args.p.pad);
    return ivec2(max(begin, 0), min(begin + int(args.p.kernel), size));
}

// The windows, of `count`, that cover input position `i`.
ivec2 window_covers(int i, int count) {
    const int stride = int(args.p.stride), at = i + int(args.p.pad);
    const int before = at - int(args.p.kernel); // windows from here back miss i
    return ivec2(before < 0 ? 0 : before / stride + 1, min(at / stride + 1, count));
}

// What an average over the window divides by.
int window_divisor(ivec2 ys, ivec2 xs) {
    if (args.p.count_pad != 0u) { return int(args.p.kernel * args.p.kernel); }
    return (ys.y - ys.x) * (xs.y - xs.x);
}

#endif
