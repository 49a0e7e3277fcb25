// columns.glsl - sums down the columns of the matrix pixels x channels, a chunk of rows at a time.
//
// Grid `channel`, pass 1: workgroup (x, y) takes 32 channels from 32 * x on and rows
// [y * chunk, (y + 1) * chunk). Within it 32 invocations side by side read 32 channels of one row,
// fewer where the tensor is narrower, so that several rows are read at a time; their sums are
// joined by a fixed tree of width columns_wide(). The workgroup has 32 invocations at least.
// Results go to scratch[(y * 2 + k) * channels + channel], k = 0 or 1, for pass 2 to join in order.
#ifndef REP_COLUMNS_GLSL
#define REP_COLUMNS_GLSL

#define COLUMNS_WIDE 32u

shared float columns_parts[gl_WorkGroupSize.x];

struct columns_part {
    uint columns;   // channels of the tensor
    uint column;    // this invocation's
    uint row;       // its first row, `end` where the column does not exist
    uint step;      // from one of its rows to the next
    uint end;       // the chunk's
    uint at;        // where its channel's first sum goes in scratch; the second lies `columns` on
    bool is_inside; // the column exists
    bool is_writer; // this invocation writes the column's sum
};

// Invocations side by side: 32, or the least power of two that covers a narrow tensor.
uint columns_wide() {
    const uint columns = uint(args.x_shape.y);
    return columns > COLUMNS_WIDE ? COLUMNS_WIDE : 1u << uint(findMSB(columns - 1u) + 1);
}

columns_part columns_of() {
    columns_part part;
    const uint wide = columns_wide();
    const uint lane = gl_LocalInvocationID.x % wide;
    const uint first = gl_LocalInvocationID.x / wide;
    const uint rows = shape_rows(args.x_shape);
    part.columns = uint(args.x_shape.y);
    part.column = gl_WorkGroupID.x * COLUMNS_WIDE + lane;
    part.is_inside = part.column < part.columns;
    part.is_writer = part.is_inside && first == 0u;
    part.end = min(rows, (gl_WorkGroupID.y + 1u) * args.chunk);
    part.row = part.is_inside ? gl_WorkGroupID.y * args.chunk + first : part.end;
    part.step = gl_WorkGroupSize.x / wide;
    part.at = gl_WorkGroupID.y * 2u * part.columns + part.column;
    return part;
}

// The sum of v over the invocations of this column. All invocations must call.
float columns_sum(float v) {
    const uint lane = gl_LocalInvocationID.x;
    const uint wide = columns_wide();
    barrier();
    columns_parts[lane] = v;
    barrier();
    for (uint rows = gl_WorkGroupSize.x / 2u; rows >= wide; rows /= 2u) {
        if (lane < rows) { columns_parts[lane] += columns_parts[lane + rows]; }
        barrier();
    }
    return columns_parts[lane % wide];
}

#endif
