/* cmd_test.c - `repopt test`: accuracy of a trained checkpoint on the test split. */
#include <stdio.h>

#include "cli/cli.h"

static const char help[] =
    "usage: repopt test --config-file FILE [options] MODEL.WEIGHT CHECKPOINT [KEY VALUE]...\n\n"
    "Measures top-1, top-5 and loss of a checkpoint on the test split. A checkpoint that carries "
    "a\n"
    "moving average (SOLVER.EMA_DECAY) is measured by the average.\n\n"
    "  --config-file FILE  the configuration it was trained with\n" CLI_DEVICE_HELP
    "  --json              print the result as one JSON object\n\n"
    "Example:\n"
    "  repopt test --config-file configs/cifar10/repopt.yaml \\\n"
    "      MODEL.WEIGHT out/repopt/model_final.safetensors\n" CLI_VULKAN_HELP;

static int test(rep_train_options *options, bool is_json) {
    cli_progress progress;
    cli_progress_init(&progress, "");
    options->stop = cli_stop_on_signals();
    rep_log_set(cli_log_line, &progress);
    rep_eval_result r;
    const rep_status status = rep_evaluate(&r, options);
    rep_log_set(NULL, NULL);
    if (status != REP_OK) { return cli_fail(); }
    if (is_json) {
        printf("{\"top1\": %.9g, \"top5\": %.9g, \"loss\": %.9g, \"count\": %zu}\n", r.top1, r.top5,
               r.loss, r.count);
    } else {
        printf("top-1 %.2f %%, top-5 %.2f %%, loss %.4f over %zu pictures\n", 100 * r.top1,
               100 * r.top5, r.loss, r.count);
    }
    return 0;
}

int cmd_test(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    rep_train_options options = {0};
    const bool is_json = cli_take_flag(&words, "--json");
    rep_config *config = NULL;
    if (cli_take_device(&words, &options.device, &options.threads) != REP_OK ||
        cli_take_given_config(&words, &config) != REP_OK) {
        return cli_fail();
    }
    options.config = config;
    const int code = test(&options, is_json);
    rep_config_destroy(config);
    return code;
}
