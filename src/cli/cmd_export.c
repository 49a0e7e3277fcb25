/* cmd_export.c - `repopt export`: a trained net as a file for use. */
#include <stdio.h>

#include "cli/cli.h"
#include "repopt/export.h"

static const char help[] =
    "usage: repopt export --weights CHECKPOINT [options] OUT [KEY=VALUE]...\n\n"
    "Writes a trained net for use. OUT's end says how:\n"
    "  .onnx                    for other programs, opset 17, any batch size: a classifier's\n"
    "                           logits; a detector's outputs by level, or with --decode its\n"
    "                           boxes, scores, classes and keypoints\n"
    "  .safetensors, .pth, .pt  the folded net: every block is one convolution with bias, BN and\n"
    "                           branches are gone. repopt test and repopt predict take it as any\n"
    "                           other checkpoint; it cannot be trained on. Wants --fold, or\n"
    "                           --int8 (.safetensors only)\n\n"
    "  --weights FILE      the checkpoint; its moving average counts where it has one\n"
    "  --config-file FILE  settings in place of those in the checkpoint\n"
    "  --fold              fold BN and branches away. Both nets are run on pictures of the\n"
    "                      training split, and the largest difference of their outputs is told\n"
    "  --int8              fold, and make it an int8 net (.onnx or .safetensors): repopt quantize\n"
    "                      does the same and tells what that costs. An int8 net's own file goes\n"
    "                      to .onnx as it is, with or without this word\n"
    "  --calibrate N       --int8: ranges of so many training pictures (default 512, or all)\n"
    "  --uint8-weights     .onnx of an int8 net: the same weights as uint8 around 128. ONNX\n"
    "                      Runtime needs that on x86 processors without VNNI, where its kernel\n"
    "                      for int8 weights cuts sums off; others want int8\n"
    "  --decode            .onnx: boxes in pixels, best first, after suppression; at most\n"
    "                      TEST.DETECTIONS_PER_IMG, thresholds MODEL.FCOS.INFERENCE_TH and NMS_TH\n"
    "  --pixels            .onnx: takes pixels from 0 to 255; otherwise pictures normalised as in\n"
    "                      training, by the mean and deviation that stand in its metadata\n"
    "  --threads N         worker threads (default: all cores)\n\n"
    "Examples:\n"
    "  repopt export --weights out/repopt/model_final.safetensors --fold folded.safetensors\n"
    "  repopt test --config-file configs/cifar10/repopt.yaml MODEL.WEIGHT folded.safetensors\n"
    "  repopt export --weights out/repopt/model_final.safetensors --fold --pixels net.onnx\n"
    "  repopt export --weights out/bccd/model_final.safetensors --fold --decode cells.onnx \\\n"
    "      INPUT.SIZE=(416,416)\n"
    "  repopt export --weights out/repopt/model_final.safetensors --int8 net_int8.onnx\n"
    "  repopt export --weights out/int8/model_int8.safetensors net_int8.onnx\n"
    "  repopt export --weights out/int8/model_int8.safetensors --uint8-weights net_uint8.onnx\n"
    "  repopt export --config-file vgg_b1.yaml --weights B1.pth --fold B1_folded.pth\n";

typedef struct export_run {
    rep_export_options options;
    const char *weights, *config_file;
    cli_progress progress;
} export_run;

static rep_status take_options(export_run *x, cli_words *words) {
    int64_t threads = 0;
    REP_TRY(cli_take_value(words, "--weights", &x->weights));
    REP_TRY(cli_take_value(words, "--config-file", &x->config_file));
    REP_TRY(cli_take_int(words, "--threads", 1, 4096, &threads));
    x->options.threads = (int)threads;
    REP_TRY(cli_take_int(words, "--calibrate", 1, 100000000, &x->options.picture_count));
    if (x->options.picture_count > 0 && !x->options.is_int8) {
        return rep_fail(REP_ERR_ARGUMENT, "export: --calibrate is for --int8; give that as well");
    }
    REP_TRY(cli_no_options(words));
    if (x->weights && x->weights[0]) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "export: no weights given; write repopt export --weights "
                                      "out/model_final.safetensors --fold net.onnx");
}

/* One word is the file, all others are settings. */
static rep_status take_words(export_run *x, const cli_words *words, rep_config *config) {
    for (int i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        if (cli_is_setting(word)) {
            REP_TRY(rep_config_merge_pairs(config, 1, &word));
        } else if (x->options.path) {
            return rep_fail(REP_ERR_ARGUMENT,
                            "export: \"%s\" and \"%s\" are two files to write, wanted one; a "
                            "setting is written KEY=VALUE",
                            x->options.path, word);
        } else {
            x->options.path = word;
        }
    }
    if (!x->options.path) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "export: no file to write; write repopt export --weights "
                        "%s --fold net.onnx",
                        x->weights);
    }
    return cli_file_check(x->options.path);
}

static void print_result(const export_run *x, const rep_export_result *r) {
    printf("%s: %zu tensors", x->options.path, r->tensor_count);
    if (r->height > 0) { printf(", pictures of %d x %d pixels", r->width, r->height); }
    puts("");
    if (r->is_int8 && !x->options.has_uint8_weights) { puts(CLI_UINT8_HINT); }
    if (!r->is_folded) { return; }
    printf("largest difference by the fold: %.2g of the largest value, at %s, over %d %s (bound "
           "%.0e)\n",
           r->difference, r->output, r->picture_count,
           r->is_noise ? "pictures of noise" : "pictures of the training split", REP_FOLD_BOUND);
}

static void show_progress(void *context, const char *what, uint64_t done, uint64_t total) {
    export_run *x = context;
    cli_progress_count(&x->progress, done, total, what);
}

static rep_status export_net(rep_export_result *out, export_run *x) {
    cli_progress_init(&x->progress, "");
    if (x->options.is_int8) { x->options.stop = cli_stop_on_signals(); }
    x->options.on_progress = show_progress;
    x->options.context = x;
    rep_log_set(cli_log_line, &x->progress);
    const rep_status status = rep_export(out, &x->options);
    cli_progress_erase(&x->progress);
    rep_log_set(cli_log_line, NULL);
    return status;
}

int cmd_export(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    export_run x = {0};
    x.options.is_folded = cli_take_flag(&words, "--fold");
    x.options.is_decoded = cli_take_flag(&words, "--decode");
    x.options.is_int8 = cli_take_flag(&words, "--int8");
    x.options.has_uint8_weights = cli_take_flag(&words, "--uint8-weights");
    x.options.takes_pixels = cli_take_flag(&words, "--pixels");
    rep_config *config = NULL;
    rep_export_result result;
    rep_log_set(cli_log_line, NULL);
    rep_status status = take_options(&x, &words);
    if (status == REP_OK) { status = cli_config_of_weights(&config, x.config_file, x.weights); }
    if (status == REP_OK) { status = take_words(&x, &words, config); }
    x.options.config = config;
    if (status == REP_OK) { status = export_net(&result, &x); }
    if (status == REP_OK) { print_result(&x, &result); }
    rep_config_destroy(config);
    return status == REP_OK ? 0 : cli_fail();
}
