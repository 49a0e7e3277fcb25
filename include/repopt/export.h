/* export.h - a trained net for use: without batch normalisation, in int8, as ONNX.
 *
 * In use a BN is a factor and an offset per channel, which the convolution in front of it can carry
 * as well; so can the branches of a block. What is left is one convolution with bias per block.
 *
 *     rep_export_options options = {.config = config, .path = "folded.safetensors"};
 *     rep_export_result result;
 *     REP_TRY(rep_export(&result, &options));
 */
#ifndef REPOPT_EXPORT_H
#define REPOPT_EXPORT_H

#include "repopt/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- nets ------------------------------------------------------------------------------------ */

/* A net and the program that holds its values. */
typedef struct rep_net {
    const rep_model *model;
    const rep_graph *graph;
    rep_program *program;
} rep_net;

/* Folds a trained net into one built from the same spec with is_deployed, of any batch and picture
 * size: a block becomes one convolution with bias ("<block>.conv.weight", "<block>.conv.bias"), per
 * level where it has level norms ("<block>.conv.<level>.weight" ...), and everything else is
 * copied. Computed in double precision. Running statistics are used; it matters not whether the
 * trained net's graph is one of training.
 * Errors: REP_ERR_ARGUMENT for nets that do not belong together, or a net folded before;
 * REP_ERR_MEMORY. */
REP_NODISCARD rep_status rep_model_fold(const rep_net *folded, const rep_net *trained);

/* ---- files ----------------------------------------------------------------------------------- */

/* What outputs may differ by, folded and not, relative to the largest output of their kind (logits;
 * boxes of all levels). Both are computed in double precision, so that all that differs is the
 * rounding of the folded values to float32, 2^-24 = 6e-8 of each: through a net of 30 layers about
 * 1e-6, and 1e-5 where a BN takes away a mean that is a hundred deviations large. A BN folded
 * wrongly shows from 1e-3 on (eps 1e-3 in place of 1e-5: 5e-4 per layer). */
#define REP_FOLD_BOUND 1e-4

typedef struct rep_export_options {
    const rep_config *config; /* MODEL.WEIGHT names the weights; a moving average counts */
    const char *path;         /* what is written: .onnx, or folded .safetensors, .pth, .pt */
    bool is_folded;           /* fold first; all but .onnx and int8 nets want it */
    bool is_int8;             /* fold and quantise first: .onnx or .safetensors */
    bool is_decoded;          /* .onnx of a detector: boxes, scores, classes, keypoints */
    bool takes_pixels;        /* .onnx: the net takes pixels from 0 to 255 and normalises them */
    bool has_uint8_weights;   /* .onnx of an int8 net: the same weights as uint8 around 128 */
    int threads;              /* <= 0: all */
    /* is_int8: as in rep_quantize_options (quantize.h). The ranges are those of its percentile,
     * 99.99, found on the CPU whatever DEVICE says. */
    int64_t picture_count;
    const volatile int *stop;
    void (*on_progress)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
} rep_export_options;

typedef struct rep_export_result {
    size_t tensor_count;   /* weights that were written */
    int32_t height, width; /* .onnx: of the pictures it takes */
    bool is_int8;          /* .onnx of an int8 net */
    bool is_folded;        /* it was folded now, and this is how much that changed: */
    /* The largest difference, relative as in REP_FOLD_BOUND, of the output so named on so many
     * pictures of the training split, or on noise where the data set cannot be opened. */
    double difference;
    char output[16];
    int32_t picture_count;
    bool is_noise;
} rep_export_result;

/* Writes MODEL.WEIGHT's net, whole or not at all.
 *
 * .safetensors, .pth, .pt: the folded net, tensors as rep_model_fold names them, and as metadata
 * "folded", the settings ("config"), class names and a detector's categories, so that rep_evaluate
 * and rep_predict take the file as any other. It cannot be trained on.
 *
 * .onnx: opset 17, float32, input "image" {batch, c, h, w}, batch of any size; h and w are the data
 * set's, or a detector's INPUT.SIZE. Outputs: a classifier's "logits" {batch, classes}; of levels
 * P3 .. P7 "P3.classes" (logits), "P3.boxes" (left, top, right, bottom in pixels), "P3.centerness"
 * (a logit) and "P3.keypoints" (in strides), {batch, .., h, w}; decoded "boxes" {batch, most, 4}
 * (x1, y1, x2, y2), "scores" and "classes" (from 0) {batch, most}, "keypoints" {batch, most, K, 2}
 * in pixels, falling score, 0 where there is nothing more. The metadata has all of the above, and
 * "input": how pictures become the input.
 *
 * An int8 net's .onnx has weights in int8 and biases in int32 behind DequantizeLinear, and every
 * layer's input goes through QuantizeLinear to uint8 and DequantizeLinear back: what readers join
 * to layers in whole numbers. On x86 without VNNI, ONNX Runtime's kernel for uint8 by int8 cuts
 * sums of two products off at 16 bits; has_uint8_weights makes it take another, which does not. Its
 * .safetensors is what rep_quantize writes. Weights that are an
 * int8 net already are taken as they are.
 *
 * Errors, beside those of the rooms below: REP_ERR_ARGUMENT for another ending of `path`, the file
 * of the weights, options that the file has no place for, .onnx of 2 GiB, a picture count that
 * rep_quantize refuses; REP_ERR_CONFIG without MODEL.WEIGHT; REP_ERR_DATA for weights of another
 * model, or folded ones that are to be folded into tensors again; REP_ERR_NUMERIC when the
 * difference is above REP_FOLD_BOUND, or sums of an int8 net may need more than 32 bits;
 * REP_ERR_INTERRUPTED. */
REP_NODISCARD rep_status rep_export(rep_export_result *out, const rep_export_options *options);

#ifdef __cplusplus
}
#endif
#endif
