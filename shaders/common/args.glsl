// args.glsl - what every shader is handed: shapes, which optional tensors there are, parameters.
//
// Define REP_PARAMS (the op's block in ops.def) before this include. The host fills the push block
// for every op alike; docs/shaders.md says how. Shapes are logical {n, c, h, w}, storage is
// n, h, w, c. act_t is the element type of activations and of weights inside a convolution: float,
// or float16_t in the .f16 variant of a shader; everything else is float always.
#ifndef REP_ARGS_GLSL
#define REP_ARGS_GLSL

#ifdef REP_F16
#extension GL_EXT_shader_16bit_storage : require
#define act_t float16_t
#else
#define act_t float
#endif

#define REP_BLOCK(name) struct name {
#define REP_BLOCK_END(name) };
#include "repopt/ops.def"

struct rep_no_params {
    uint unused;
};

// Words of the step block (graph.h) and of one segment, and the activations.
#define STEP_LR 0
#define STEP_APPLY 1
#define STEP_FIRST 2
#define STEP_KEEP 3
#define STEP_GRAD_SCALE 4
#define STEP_BIAS1 5
#define STEP_BIAS2 6
#define STEP_EMA 7
#define STEP_VALID 8
#define STEP_LOSS_SCALE 9

layout(local_size_x = 128, local_size_x_id = 0) in;

layout(push_constant) uniform rep_args {
    ivec4 x_shape; // input 0
    ivec4 w_shape; // input 1
    ivec4 y_shape; // output 0
    uint present;  // bit i: input i is there; bit 16 + o: output o is there
    uint chunk;    // rows (channel), elements (scalar) or depth (kernel_tile) of one chunk
    uint chunks;   // how many chunks there are
    uint spare;
    REP_PARAMS p;
} args;

bool has_input(uint i) { return (args.present >> i & 1u) != 0u; }
bool has_output(uint o) { return (args.present >> (16u + o) & 1u) != 0u; }

// Elements of a shape, and its pixels n * h * w: the rows of the matrix pixels x channels.
uint shape_count(ivec4 s) { return uint(s.x) * uint(s.y) * uint(s.z) * uint(s.w); }
uint shape_rows(ivec4 s) { return uint(s.x) * uint(s.z) * uint(s.w); }

// The elements (or rows) this invocation takes of `count`: a grid-stride loop.
#define REP_EACH(i, count)                                                                         \
    for (uint i = gl_GlobalInvocationID.x; i < (count);                                            \
         i += gl_NumWorkGroups.x * gl_WorkGroupSize.x)

#endif
