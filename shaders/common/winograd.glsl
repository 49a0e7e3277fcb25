// winograd.glsl - where the three passes of a Winograd convolution find their numbers.
//
// F(4x4,3x3) of Lavin and Gray, arXiv 1509.09308: 4x4 pixels of the output, a tile, are
// A^T [(G g G^T) . (B^T d B)] A of the 6x6 input pixels d around them and the 3x3 kernel g. Pass 1
// makes the 36 points of every kernel and of every tile, pass 2 sums over the input's channels as
// one matrix product per point, pass 3 makes pixels of points.
// Scratch, floats whatever the tensors are, channels rounded up to 4 with zeros:
//   kernels  [point][channel of the input][channel of the output]
//   tiles    [point][tile][channel of the input]
//   products [point][tile][channel of the output]
// WINOGRAD_SCRATCH: its binding (before the include).
#ifndef REP_WINOGRAD_GLSL
#define REP_WINOGRAD_GLSL

#define POINTS 36u
#define TILE_SIDE 4u // output pixels

struct winograd_size {
    uvec2 cells;       // tiles down and across a picture
    uint tiles;        // of the batch
    uint depth, width; // channels of the input and of the output, rounded up
    uint from, to;     // where tiles and products begin
};

winograd_size size_get() {
    const ivec4 ys = args.y_shape;
    winograd_size size;
    size.cells = (uvec2(ys.zw) + TILE_SIDE - 1u) / TILE_SIDE;
    size.tiles = uint(ys.x) * size.cells.x * size.cells.y;
    size.depth = (uint(args.x_shape.y) + 3u) / 4u * 4u;
    size.width = (uint(ys.y) + 3u) / 4u * 4u;
    size.from = POINTS * size.depth * size.width;
    size.to = size.from + POINTS * size.tiles * size.depth;
    return size;
}

#endif
