// pixel.glsl - picture, place and channel of an element, and back.
//
// Shapes are {n, c, h, w}, storage is n, h, w, c.
#ifndef REP_PIXEL_GLSL
#define REP_PIXEL_GLSL

struct pixel {
    uint n;
    int y, x;
    uint c;
};

pixel pixel_of(uint element, ivec4 shape) {
    const uint c = uint(shape.y), h = uint(shape.z), w = uint(shape.w), row = element / c;
    return pixel(row / w / h, int(row / w % h), int(row % w), element % c);
}

// The element of channel c of pixel (n, y, x).
uint pixel_at(ivec4 shape, uint n, int y, int x, uint c) {
    const uint line = n * uint(shape.z) + uint(y);
    return (line * uint(shape.w) + uint(x)) * uint(shape.y) + c;
}

#endif
