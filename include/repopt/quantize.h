/* quantize.h - a trained net in whole numbers: int8 weights, uint8 activations, no training.
 *
 * The net is folded first (export.h). Pictures of the training split tell which range each
 * activation has; then every convolution works in whole numbers, as an ONNX file with
 * QuantizeLinear and DequantizeLinear says it and ONNX Runtime computes it (src/nn/int8.h).
 *
 *     rep_quantize_options options = {.config = config, .path = "model_int8.safetensors"};
 *     rep_quantize_result result;
 *     REP_TRY(rep_quantize(&result, &options));
 *     rep_quantize_result_clear(&result);
 */
#ifndef REPOPT_QUANTIZE_H
#define REPOPT_QUANTIZE_H

#include "repopt/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How an activation's range is chosen from what was seen; values beyond it saturate. */
typedef enum rep_calibration {
    REP_CALIBRATE_PERCENTILE, /* so many per cent of what is not 0 lie within, on either side */
    REP_CALIBRATE_MINMAX,     /* all of it */
    REP_CALIBRATE_KL,         /* the range of least relative entropy (TensorRT's method) */
    REP_CALIBRATION_COUNT
} rep_calibration;
/* "percentile", "minmax", "kl". */
const char *rep_calibration_name(rep_calibration method);

/* Of the percentile method where none is given. */
#define REP_QUANTIZE_PERCENTILE 99.99

typedef struct rep_quantize_options {
    const rep_config *config; /* MODEL.WEIGHT names the weights; a moving average counts */
    const char *path;         /* the .safetensors that is written; NULL: nothing is */
    /* Of the training split, without augmentation; 0: 512, or all where there are fewer. */
    int64_t picture_count;
    rep_calibration method;
    double percentile;        /* above 50 up to 100, of that method; 0: that above */
    const char *device;       /* as rep_device_open; NULL: the configuration's DEVICE */
    int threads;              /* <= 0: all */
    const volatile int *stop; /* non-zero: leave with REP_ERR_INTERRUPTED */
    /* May be NULL: what is under way, and how much of it is done. */
    void (*on_progress)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
} rep_quantize_options;

enum { REP_QUANTIZE_BINS = 64 };

/* A layer: one convolution's weights, or the last linear's. */
typedef struct rep_quantize_layer {
    char name[128];                 /* "stage0.conv" */
    rep_shape shape;                /* of its weight: c_out, c_in / groups, kh, kw */
    double weight_most;             /* the largest magnitude of all */
    double scale_least, scale_most; /* of its channels */
    double seen_low, seen_high;     /* of its input over all calibration pictures */
    double low, high;               /* the range that was kept */
    float input_scale;
    int32_t input_zero;
    double sum_bound; /* the largest whole number that any part of a sum may come to */
    /* Only this layer in whole numbers: sum of squared differences over sum of squares, of the
     * layer's own output, and of the net's outputs (the mean over their kinds). */
    double map_error, output_error;
    /* In equal steps: weights from -weight_most to weight_most, inputs that are not 0 from bin_low
     * to bin_high; of kl these are magnitudes. */
    uint64_t weights[REP_QUANTIZE_BINS], inputs[REP_QUANTIZE_BINS];
    double bin_low, bin_high;
} rep_quantize_layer;

typedef struct rep_quantize_result {
    rep_quantize_layer *layers; /* in order of work */
    size_t layer_count;
    bool is_detector, is_tested; /* is_tested: there is a test split, and the results are of it */
    const char *score_name;      /* of rep_eval_result.score: "top-1", "AP" */
    rep_eval_result real, whole; /* the folded net in float32, and in whole numbers */
    double output_error;         /* all layers in whole numbers */
    uint64_t weight_bytes, int8_bytes; /* of the folded net's parameters in float32, and of the
                                          file's tensors */
    size_t tensor_count;               /* of the file */
    int64_t picture_count;             /* calibrated on: of those wanted that can be read */
    int32_t error_picture_count;       /* errors are of so many of them */
} rep_quantize_result;

/* Quantises MODEL.WEIGHT's net and evaluates it before and after; writes options->path at the end,
 * whole or not at all. The file is a folded net's with I8 weights, I32 biases, F32 scales, U8 zero
 * points and metadata "int8" (the method); rep_evaluate and rep_predict take it as any other, and
 * rep_export makes an .onnx of it. The result does not depend on the number of threads.
 *
 * Errors, beside those of export.h: REP_ERR_ARGUMENT for a picture count below 0 or above the
 * training split's, a percentile out of range, a path that does not end in .safetensors or holds
 * the weights; REP_ERR_DATA for an int8 net; REP_ERR_NUMERIC for an activation or weight that is
 * not finite, or sums that the device cannot hold; REP_ERR_INTERRUPTED. */
REP_NODISCARD rep_status rep_quantize(rep_quantize_result *out,
                                      const rep_quantize_options *options);
/* Frees what the result holds; zeros are fine. */
void rep_quantize_result_clear(rep_quantize_result *result);

#ifdef __cplusplus
}
#endif
#endif
