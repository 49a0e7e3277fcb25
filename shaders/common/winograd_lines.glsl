// winograd_lines.glsl - the one-dimensional transforms of F(4,3), and where a tile lies.
//
// Points 0, P, -P, Q, -Q, infinity as on the CPU (src/kernels/winograd_points.h): 3/4 and 3/2 keep
// B^T and A^T exact in binary and halve the rounding error of the usual 1 and 2.
#ifndef REP_WINOGRAD_LINES_GLSL
#define REP_WINOGRAD_LINES_GLSL

#extension GL_EXT_control_flow_attributes : require
#define UNROLL [[unroll]]

#include "common/conv.glsl"
#include "common/winograd.glsl"

const float P = 0.75, Q = 1.5, PP = P * P, QQ = Q * Q;
const float N_0 = PP * QQ, N_P = 2.0 * PP * (PP - QQ), N_Q = 2.0 * QQ * (QQ - PP);

// B^T d, in place.
void input_line(inout float d[6]) {
    const float first = PP * QQ * d[0] + (d[4] - (PP + QQ) * d[2]);
    const float last = PP * QQ * d[1] + (d[5] - (PP + QQ) * d[3]);
    const float even_p = d[4] - QQ * d[2], odd_p = P * (d[3] - QQ * d[1]);
    const float even_q = d[4] - PP * d[2], odd_q = Q * (d[3] - PP * d[1]);
    d = float[6](first, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, last);
}

// G g: the kernel as a polynomial at the points, over the product of a point's distances.
void kernel_line(float g[3], out float u[6]) {
    const float even_p = g[0] + PP * g[2], odd_p = P * g[1];
    const float even_q = g[0] + QQ * g[2], odd_q = Q * g[1];
    u = float[6](g[0] * (1.0 / N_0), (even_p + odd_p) * (1.0 / N_P), (even_p - odd_p) * (1.0 / N_P),
                 (even_q + odd_q) * (1.0 / N_Q), (even_q - odd_q) * (1.0 / N_Q), g[2]);
}

// A^T m: powers of the points.
void output_line(float m[6], out float y[4]) {
    const float sum_p = m[1] + m[2], difference_p = P * (m[1] - m[2]);
    const float sum_q = m[3] + m[4], difference_q = Q * (m[3] - m[4]);
    y = float[4](m[0] + (sum_p + sum_q), difference_p + difference_q, PP * sum_p + QQ * sum_q,
                 PP * difference_p + (QQ * difference_q + m[5]));
}

// A tile's first output pixel: picture, y, x.
uvec3 tile_pixel(uint tile, winograd_size size) {
    const uvec3 cell = pixel_of(tile, size.cells);
    return uvec3(cell.x, TILE_SIDE * cell.yz);
}

#endif
