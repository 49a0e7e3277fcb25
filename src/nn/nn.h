/* nn.h - the nn room's face: layers, blocks and the method's host-side arithmetic.
 *
 * Builders append to a graph and return tensor ids; errors stick to the graph. Parameters are named
 * as PyTorch's state_dict names them: <block>.<layer>.<tensor>, or <layer>.<tensor> in a bare
 * block.
 */
#ifndef REP_NN_NN_H
#define REP_NN_NN_H

#include "graph/graph.h"
#include "nn/fcos_decode.h"
#include "nn/int8.h"
#include "nn/onnx_net.h"
#include "repopt/detector.h"
#include "repopt/export.h"

/* "<prefix>.<suffix>", or `suffix` alone when the prefix is empty. Cut to the buffer, which the
 * builders take for a fault: a cut name could name two tensors. */
bool rep_nn_name(char out[REP_NAME_BYTES], const char *prefix, const char *suffix);

/* ---- layers -------------------------------------------------------------------------------- */
typedef struct rep_norm_spec {
    bool is_training; /* batch statistics, running statistics updated; false: running ones are used
                       */
    float eps, momentum;
    rep_act act; /* fused behind the normalisation: none, relu or relu6 */
} rep_norm_spec;
/* x {n,c,h,w} -> the same shape. Tensors <name>.weight, .bias, .running_mean, .running_var. */
rep_id rep_nn_batchnorm(rep_graph *graph, const char *name, const rep_norm_spec *spec, rep_id x);

typedef struct rep_conv_spec {
    int32_t c_out, kernel, stride, groups;
    bool has_bias;
    rep_act act; /* fused behind it; other than none for inference only */
    uint32_t algo;
} rep_conv_spec;
/* x {n,c,h,w} -> {n,c_out,h',w'}, padding kernel / 2. Tensors <name>.weight, <name>.bias. */
rep_id rep_nn_conv(rep_graph *graph, const char *name, const rep_conv_spec *spec, rep_id x);
/* The same with a kernel that another node makes (the merge of scaled branches). */
rep_id rep_nn_conv_with(rep_graph *graph, const rep_conv_spec *spec, rep_id x, rep_id kernel);
/* x {n,c,1,1} -> {n,c_out,1,1}: a 1x1 convolution whose weight has rank 2 in files. */
rep_id rep_nn_linear(rep_graph *graph, const char *name, int32_t c_out, rep_id x);
/* Squeeze and excite (Hu et al., 2018): x * sigmoid(up(relu(down(mean(x))))), c / 4 channels
 * between. */
rep_id rep_nn_squeeze_excite(rep_graph *graph, const char *name, rep_id x);

/* ---- blocks -------------------------------------------------------------------------------- */
typedef enum rep_block_kind {
    REP_BLOCK_REAL_VGG,   /* act(BN(conv_k)) */
    REP_BLOCK_LINEAR_ADD, /* act(BN(s*conv_k + t*conv_1 [+ u*x])), everything trained */
    REP_BLOCK_CSLA,       /* the same, s and t constant */
    REP_BLOCK_REP_VGG,    /* act(BN(conv_k) + BN(conv_1) [+ BN(x)]) */
    REP_BLOCK_QAREP_VGG,  /* act(BN(BN(conv_k) + conv_1 [+ x])) */
    REP_BLOCK_DEPLOYED    /* act(conv_k + b): what each of them comes to */
} rep_block_kind;

typedef struct rep_block_spec {
    const char *name; /* "stage1.0"; "" for a bare block */
    rep_block_kind kind;
    int32_t c_out, kernel, stride, groups;
    rep_act act;
    bool has_se, is_training;
    bool has_rbr_names;   /* REP_VGG: rbr_dense.conv ... (detectors) instead of conv_3x3 ... */
    bool has_level_norms; /* several inputs: each has its own BN, <block>.bn.<level>.weight ..., and
                             its own convolution, <block>.conv.<level>.weight ..., once deployed */
    int32_t level;        /* fusing with has_level_norms: the input whose BN is folded */
    float bn_eps, bn_momentum;
    float scale_init; /* s and t start here; the network's initialisation writes it */
    uint32_t conv_algo;
} rep_block_spec;

/* The blocks that a net has in this mode. */
rep_block_kind rep_nn_block_kind(rep_mode mode);

/* Appends one block on x {n,c_in,h,w} -> {n,c_out,h',w'}; *out describes it (NULL: not wanted). */
rep_id rep_nn_block(rep_graph *graph, const rep_block_spec *spec, rep_id x, rep_block *out);
/* RepBlock(n): conv1 with the block's stride, then block.0 .. block.(n-2) with stride 1.
 * out[0..n) or NULL. */
rep_id rep_nn_rep_block(rep_graph *graph, const rep_block_spec *spec, int32_t n, rep_id x,
                        rep_block *out);
/* The same on several inputs x[0..count), of c_in channels each, which get the outputs: what the
 * levels of a pyramid share. Running statistics are updated once per input, in their order. */
void rep_nn_block_levels(rep_graph *graph, const rep_block_spec *spec, rep_id *x, int32_t count,
                         rep_block *out);
void rep_nn_rep_block_levels(rep_graph *graph, const rep_block_spec *spec, int32_t n, rep_id *x,
                             int32_t count, rep_block *out);

/* A deployed block is one convolution with bias: reads the program's present values and writes
 * weight {c_out,k,k,c_in/groups} in storage order and bias {c_out}. `inner_*` (QAREP_VGG: before
 * the outer BN is folded in; others: the kernel in front of the BN and zeros) may be NULL. */
REP_NODISCARD rep_status rep_nn_fuse_block(double *weight, double *bias, double *inner_weight,
                                           double *inner_bias, const rep_graph *graph,
                                           rep_program *program, const rep_block_spec *spec,
                                           const rep_block *block);

/* ---- settings ------------------------------------------------------------------------------ */
/* Whole numbers from a list of exactly `count` items; REP_ERR_CONFIG names `key`. */
REP_NODISCARD rep_status rep_nn_read_list(int32_t *out, const char *key, rep_numbers list,
                                          size_t count);
/* WIDTH_MUL: ceil(width * factor / 8) * 8. DEPTH_MUL: max(round(blocks * factor), 1), 1 stays. */
int32_t rep_nn_scale_width(int32_t width, double factor);
int32_t rep_nn_scale_depth(int32_t blocks, double factor);
/* CONV_ALGO as rep_conv2d_params.algo. */
uint32_t rep_nn_conv_algo(const rep_values *values);

/* ---- initial values ------------------------------------------------------------------------ */
/* U(-bound, bound) for count = c_out * row values of a kernel stored c_out, kh, kw, c_in; the draws
 * are keyed by (seed, name) and taken in PyTorch's order c_out, c_in, kh, kw. */
void rep_nn_draw_kernel(float *out, rep_shape shape, double bound, uint64_t seed, const char *name);

/* ---- the method on the host ---------------------------------------------------------------- */
/* W = s*W + pad(t*W1) [+ pad(diag(u))] in place. w: stored c_out, k, k, c_in; w1 {c_out, c_in}
 * (NULL: no 1x1 branch); u NULL: no identity. `shape` is w's logical shape; the identity of a
 * grouped convolution is at input channel c mod (c_in / groups). */
void rep_nn_merge_kernel(double *w, rep_shape shape, const double *w1, const float *s,
                         const float *t, const double *u);
/* First element of the centre tap within a row of c_in * kh * kw stored values. */
size_t rep_nn_centre(rep_shape shape);

/* ---- detectors ----------------------------------------------------------------------------- */
/* Appends RepOpt-FPN-YUMIN: picture -> io->stages, io->levels[].pyramid. */
void rep_nn_yumin(rep_model *model, rep_graph *graph, const rep_detector_spec *spec,
                  rep_block_spec *block);
/* Appends the FCOS head on io->levels[].pyramid. */
void rep_nn_fcos(rep_model *model, rep_graph *graph, const rep_detector_spec *spec,
                 rep_block_spec *block);
/* Settings of the net's blocks, but for names, channels, strides. */
rep_block_spec rep_nn_detector_block(const rep_detector_spec *spec, rep_mode mode);
/* Declares the targets and appends the losses of the levels' outputs; fills the rest of io. */
void rep_nn_fcos_loss(rep_detector_io *io, rep_graph *graph, const rep_detector_spec *spec);

struct rep_model {
    rep_model_io io;
    rep_block *blocks; /* in network order */
    size_t block_count;
    rep_block_spec block; /* of all of them, but for names, channels, strides and level norms */
    rep_detector_io *detector; /* NULL in classifiers */
    rep_id class_bias;         /* the bias of which the first values start at class_bias_start */
    int32_t class_count;
    float class_bias_start;
};
/* What an evaluation graph keeps for the host. */
typedef struct rep_output {
    char name[16]; /* "logits", "P3.boxes" */
    int kind;      /* outputs of one kind are of one measure: boxes of all levels */
    rep_id id;
} rep_output;
enum { REP_OUTPUT_KINDS = 4, REP_OUTPUT_MOST = REP_OUTPUT_KINDS * REP_DETECTOR_LEVELS };
/* Fills out[REP_OUTPUT_MOST]; returns how many there are. */
size_t rep_nn_outputs(rep_output *out, const rep_model *model);

/* A model with room for `block_capacity` blocks and none yet. */
REP_NODISCARD rep_status rep_nn_model_create(rep_model **out, size_t block_capacity);

#endif
