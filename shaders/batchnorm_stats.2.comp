// batchnorm_stats, pass 2: joins the chunks in order and moves the running statistics.
//
// scratch [chunk][2][c]: mean, squares, as differences from what `mean` {1,c,1,1} holds at first.
// running <- (1 - momentum) running + momentum (mean, unbiased variance); both may be left out.
#version 450
#define REP_PARAMS rep_norm_params
#include "common/args.glsl"
#include "common/moments.glsl"

layout(std430, binding = 1) buffer output_0 { float mean[]; };
layout(std430, binding = 2) writeonly buffer output_1 { float invstd[]; };
layout(std430, binding = 3) buffer output_2 { float running_mean[]; };
layout(std430, binding = 4) buffer output_3 { float running_var[]; };
layout(std430, binding = 5) readonly buffer scratch_0 { float scratch[]; };

float moved(float old, float to) {
    return (1.0 - args.p.momentum) * old + args.p.momentum * to;
}

void main() {
    const uint columns = uint(args.x_shape.y), rows = shape_rows(args.x_shape);
    REP_EACH(c, columns) {
        moments all = moments(0.0, 0.0, 0.0);
        for (uint k = 0u; k < args.chunks; k++) {
            const uint at = k * 2u * columns + c;
            const float count = float(min(args.chunk, rows - k * args.chunk));
            all = moments_join(all, moments(count, scratch[at], scratch[at + columns]));
        }
        const float centre = mean[c] + all.mean;
        mean[c] = centre;
        invstd[c] = 1.0 / sqrt(all.squares / all.count + args.p.eps);
        if (has_output(2u)) { running_mean[c] = moved(running_mean[c], centre); }
        if (has_output(3u)) {
            const float unbiased = all.squares / max(all.count - 1.0, 1.0);
            running_var[c] = moved(running_var[c], unbiased);
        }
    }
}
