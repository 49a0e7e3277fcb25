// segment.glsl - which parameter an element of the parameter block belongs to, and its mask.
//
// No mask is stored anywhere. A masked parameter {c_out, kh, kw, c_in} has scales s, t per output
// channel: s holds everywhere, t at the centre tap, and there the identity on one element. The
// table (rep_segment of graph.h, sorted by offset) and the scales are inputs 1 and 2 of every
// update op. Elements of the padding between parameters belong to nobody.
#ifndef REP_SEGMENT_GLSL
#define REP_SEGMENT_GLSL

#define SEGMENT_WORDS 10u
#define SEGMENT_MASKED 1u
#define SEGMENT_IDENTITY 2u
#define SEGMENT_NO_SCALES 0xffffffffu

layout(std430, binding = 1) readonly buffer input_1 { int segments[]; };
layout(std430, binding = 2) readonly buffer input_2 { float scales[]; };

struct segment {
    uint offset, count;
    uint row, centre, centre_count;
    uint scales, point;
    uint flags;
    float weight_decay, lr_factor;
};

// One element's mask: s and t are 1 and 0 where nothing is masked; `one` is 1 on the identity.
struct segment_mask {
    float s, t, one;
};

// The empty segment, in which nothing lies.
segment segment_none() { return segment(0u, 0u, 0u, 0u, 0u, 0u, 0u, 0u, 0.0, 0.0); }

bool segment_has(segment of, uint element) { return element - of.offset < of.count; }

// The last segment that begins at `element` or before it; ask segment_has whether it reaches there.
segment segment_find(uint element) {
    uint low = 0u, high = shape_count(args.w_shape) / SEGMENT_WORDS;
    if (high == 0u) { return segment_none(); }
    while (high - low > 1u) {
        const uint middle = (low + high) / 2u;
        if (uint(segments[middle * SEGMENT_WORDS]) <= element) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const uint at = low * SEGMENT_WORDS;
    return segment(uint(segments[at]), uint(segments[at + 1u]), uint(segments[at + 2u]),
                   uint(segments[at + 3u]), uint(segments[at + 4u]), uint(segments[at + 5u]),
                   uint(segments[at + 6u]), uint(segments[at + 7u]),
                   intBitsToFloat(segments[at + 8u]), intBitsToFloat(segments[at + 9u]));
}

// The same from where the search ended last: an invocation meets one large parameter many times.
segment segment_at(segment last, uint element) {
    if (segment_has(last, element)) { return last; }
    return segment_find(element);
}

// The mask of an element that lies in the segment.
segment_mask segment_mask_of(segment of, uint element) {
    if ((of.flags & SEGMENT_MASKED) == 0u) { return segment_mask(1.0, 0.0, 0.0); }
    const uint from = element - of.offset;
    const uint row = from / of.row;
    const uint tap = from - row * of.row - of.centre; // of the centre; huge in front of it
    segment_mask mask = segment_mask(scales[of.scales + row], 0.0, 0.0);
    if (tap < of.centre_count) {
        if (of.point != SEGMENT_NO_SCALES) { mask.t = scales[of.point + row]; }
        const bool is_one = tap == row % of.centre_count;
        if ((of.flags & SEGMENT_IDENTITY) != 0u && is_one) { mask.one = 1.0; }
    }
    return mask;
}

#endif
