/* model.h - networks, the scales they search, and the optimizer that carries them.
 *
 * A model is built into a graph; it keeps the list of its re-parameterisable blocks. Files name
 * tensors as PyTorch's state_dict of the same net does.
 *
 *     rep_model *model = NULL;
 *     REP_TRY(rep_model_build(&model, graph, &spec, REP_MODE_TARGET, true, image, 64));
 *     REP_TRY(rep_model_init(model, graph, program, seed));
 */
#ifndef REPOPT_MODEL_H
#define REPOPT_MODEL_H

#include "repopt/config.h"
#include "repopt/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { REP_MAX_STAGES = 4, REP_NAME_BYTES = 96 };

/* RepOpt-VGG: stage0 (one block), stage1..4, global average pool, linear. */
typedef struct rep_vgg_spec {
    int32_t in_channels, num_classes;
    int32_t stage0_width;
    int32_t widths[REP_MAX_STAGES];
    int32_t num_blocks[REP_MAX_STAGES];  /* 0: the net has no such stage */
    int32_t strides[REP_MAX_STAGES + 1]; /* stage0, stage1.. */
    int32_t kernel_size;                 /* 1, 3, 5 or 7 */
    rep_act act;                         /* RELU or RELU6 */
    bool has_se;                         /* squeeze-excite behind each block (post_se) */
    bool scale_init_stage;               /* s, t start at sqrt(2/i); false: at 1 */
    float bn_eps, bn_momentum;
    uint32_t conv_algo; /* 0 rule, 1 direct, 2 winograd */
    bool is_deployed;   /* evaluation graphs: BN folded into one convolution per block */
    bool is_half;       /* activations in f16; parameters, statistics, loss f32 */
} rep_vgg_spec;

/* One re-parameterisable block, in network order. Ids are 0 where the mode has no such tensor. */
typedef struct rep_block {
    char name[REP_NAME_BYTES]; /* "stage1.0" */
    int32_t c_in, c_out, kernel, stride, groups;
    bool has_identity;         /* c_in == c_out and stride 1 */
    rep_id weight, weight_1x1; /* conv.weight, conv_1x1.weight */
    rep_id s, t, u;            /* scale_conv, scale_1x1, scale_identity */
    rep_id bn_weight;
    float scale_init;   /* what s and t start at */
    int32_t norm_count; /* BNs in each one's place: the levels where each has its own, else 1 */
} rep_block;

typedef struct rep_model rep_model;

/* Fills widths, depths and strides of a named net, for 3 channels and 1000 classes: the paper's
 * "B1", "B2", "L1", "L2" (ImageNet pictures), "small" and "tiny" (32 x 32 and smaller pictures).
 * Error: REP_ERR_CONFIG lists the names. */
REP_NODISCARD rep_status rep_vgg_preset(rep_vgg_spec *out, const char *name);
/* Fills a spec from MODEL.* keys (presets, multipliers) for a data set of the given shape. */
REP_NODISCARD rep_status rep_vgg_spec_from_config(rep_vgg_spec *out, const rep_values *values,
                                                  int32_t in_channels, int32_t num_classes);

/* Appends the net on input `image` {n, c, h, w}; labels, loss and logits are in the model. Training
 * graphs use batch statistics. In training with `smoothing` >= 0 a softmax loss is appended. */
REP_NODISCARD rep_status rep_model_build(rep_model **out, rep_graph *graph,
                                         const rep_vgg_spec *spec, rep_mode mode, bool is_training,
                                         int32_t batch, int32_t height, int32_t width,
                                         float smoothing);
void rep_model_destroy(rep_model *model);

typedef struct rep_model_io {
    rep_id image, labels, step, logits, loss; /* labels, step, loss 0 in evaluation graphs */
} rep_model_io;
const rep_model_io *rep_model_io_get(const rep_model *model);
size_t rep_model_block_count(const rep_model *model);
const rep_block *rep_model_block(const rep_model *model, size_t index);
/* Values in trainable parameters. */
size_t rep_model_param_count(const rep_model *model, const rep_graph *graph);

/* Draws the initial state into a program: PyTorch's defaults for convolution and linear, ones and
 * zeros for BN, scales at their start values. Random numbers are keyed by (seed, tensor name), so
 * that modes which share a tensor name start equal. */
REP_NODISCARD rep_status rep_model_init(const rep_model *model, const rep_graph *graph,
                                        rep_program *program, uint64_t seed);

/* ---- scales ------------------------------------------------------------------------------- */

typedef struct rep_scale_row {
    char name[REP_NAME_BYTES];
    int32_t channels;
    bool is_triple;
    const float *s, *t, *u; /* u NULL for a pair */
} rep_scale_row;
typedef struct rep_scales rep_scales;

/* Reads the scales from a safetensors or PyTorch file (rep_tensors_open):
 * <block>.scale_conv.weight, .scale_1x1.weight and, for a triple, .scale_identity.weight; a target
 * net's checkpoint carries them below "scales.". Rows are in natural order of their names, which is
 * network order for RepOpt-VGG. Errors: REP_ERR_IO unreadable; REP_ERR_DATA damaged, without
 * scales, or scales not finite. */
REP_NODISCARD rep_status rep_scales_load(rep_scales **out, const char *path);
/* The present scales of a program whose net has scaled branches (hyper_search, csla). */
REP_NODISCARD rep_status rep_scales_read(rep_scales **out, const rep_model *model,
                                         rep_program *program);
void rep_scales_destroy(rep_scales *scales);
size_t rep_scales_count(const rep_scales *scales);
const rep_scale_row *rep_scales_row(const rep_scales *scales, size_t index);
/* rows for every block of the model: by name and shape, then (with a logged warning) by order.
 * rows[0..block count) borrowed from `scales`. Error: REP_ERR_DATA "scales of another model". */
REP_NODISCARD rep_status rep_scales_match(const rep_scales *scales, const rep_model *model,
                                          const rep_scale_row **rows);

/* W = s*Wk + pad(t*W1) [+ pad(diag(u or 1))], Wk the program's present kernels, W1 drawn from
 * U(-1/sqrt(c_in), 1/sqrt(c_in)). Refused (REP_ERR_CONFIG) when the net is not from scratch (some
 * BN weight mean != 1) unless forced. */
REP_NODISCARD rep_status rep_model_reinit(const rep_model *model, const rep_graph *graph,
                                          rep_program *program, const rep_scale_row *const *rows,
                                          bool use_identity_scales, bool is_forced, uint64_t seed);

/* The kernel that a block convolves with, stored c_out, kh, kw, c_in: of scaled branches the merged
 * one, from the program's present values. `count` is weight's. Errors: REP_ERR_ARGUMENT for another
 * block or count, or one whose branches are normalised apart (repvgg_block, qarepvgg_block). */
REP_NODISCARD rep_status rep_model_read_kernel(double *out, size_t count, const rep_model *model,
                                               const rep_graph *graph, rep_program *program,
                                               size_t block);

/* Writes the rows into the branches of a net that has them (csla): s, t and u. */
REP_NODISCARD rep_status rep_model_set_scales(const rep_model *model, rep_program *program,
                                              const rep_scale_row *const *rows);

/* Mean, standard deviation (over all), extremes and negatives of one vector of scales. */
typedef struct rep_scale_stats {
    double mean, std, min, max;
    int32_t negative_count;
} rep_scale_stats;
void rep_scale_stats_get(rep_scale_stats *out, const float *values, int32_t count);
/* The largest distance of any scale from what the model starts it at. Below 0.05 a search has found
 * little: the caller warns. */
double rep_scales_moved(const rep_model *model, const rep_scale_row *const *rows);

/* The multiplier as a dense kernel, for pictures and tests: out is stored c_out, kh, kw, c_in and
 * `shape` is its logical shape. SQUARE is SGD's mask (s^2 + t^2 + 1), SIGNED and ABS are AdamW's
 * published (s + t + 1) and corrected (|s| + |t| + 1) forms. A constant identity adds no 1. */
typedef enum rep_mask_kind { REP_MASK_SQUARE, REP_MASK_SIGNED, REP_MASK_ABS } rep_mask_kind;
void rep_scales_mask(float *out, const rep_scale_row *row, rep_shape shape, rep_mask_kind kind,
                     bool is_identity_constant);

/* ---- optimizer ---------------------------------------------------------------------------- */

typedef struct rep_optimizer_spec {
    bool is_adamw;
    rep_sgd_params sgd;
    rep_adamw_params adamw;
    float lr_factor_bias, weight_decay, weight_decay_bias, weight_decay_norm;
    float clip_norm;           /* 0: only measured */
    bool clip_is_plain;        /* unmasked norm (breaks the equality; the linter says so) */
    float ema_decay;           /* 0: no average */
    bool accumulates;          /* adds the gradient sum block */
    bool is_identity_constant; /* the CSLA twin's identity is no parameter: no + 1 in the mask */
} rep_optimizer_spec;

typedef struct rep_optimizer rep_optimizer;

/* Appends clipping, update and EMA after rep_graph_backward. `rows` (NULL: ordinary optimizer) are
 * the scales of the model's blocks, whose kernels then get masked gradients.
 *
 * State is laid out as blocks whose children keep their names: "model" holds the parameters, then
 * buffers and constants; "optimizer.momentum" or "optimizer.exp_avg" and "optimizer.exp_avg_sq",
 * "optimizer.accumulated" and "ema" hold "<block>.<parameter>" at the same offsets; "scales" holds
 * "scales.<net's block>.scale_conv.weight" and so on. Summing up gradients and measuring their norm
 * belong to REP_BACKWARD: a step whose norm is not finite can be refused before REP_UPDATE.
 * Errors: REP_ERR_CONFIG for settings no optimizer has (Nesterov without momentum ...). */
REP_NODISCARD rep_status rep_optimizer_append(rep_optimizer **out, rep_graph *graph,
                                              const rep_model *model,
                                              const rep_optimizer_spec *spec,
                                              const rep_scale_row *const *rows);
void rep_optimizer_destroy(rep_optimizer *optimizer);
/* Writes the constants (segments, scales) into a program of the graph; once after creating it. */
REP_NODISCARD rep_status rep_optimizer_upload(const rep_optimizer *optimizer, rep_program *program);
/* Starts from the program's present net: moments and sums are zero, the average is the net. */
REP_NODISCARD rep_status rep_optimizer_reset(const rep_optimizer *optimizer, rep_program *program);
/* The tensor {1,2,1,1} that holds the clip factor and the gradient's norm. */
rep_id rep_optimizer_norm(const rep_optimizer *optimizer);

/* One line per trainable tensor: name, shape, group, decay, lr factor, mask (--explain-params).
 * *out is malloc'd. */
REP_NODISCARD rep_status rep_optimizer_explain(const rep_optimizer *optimizer, char **out);

/* ---- linter ------------------------------------------------------------------------------- */

/* Calls on_finding with one sentence per setting that would break the equality of target +
 * RepOptimizer and CSLA + ordinary optimizer, or that this mode does not read. Returns how many. */
size_t rep_lint(const rep_values *values, rep_mode mode,
                void (*on_finding)(void *context, const char *text), void *context);

#ifdef __cplusplus
}
#endif
#endif
