/* cmd_show.c - `repopt show`: what a configuration becomes on its way to a running step. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "usage: repopt show [--config-file FILE] [--stage=model|graph|plan|program] [KEY VALUE]...\n\n"
    "Prints one stage of the way from configuration to training step; trains and writes "
    "nothing.\n\n"
    "  model    blocks, tensors and parameter counts (the default)\n"
    "  graph    every node of a step: forward, backward, update\n"
    "  plan     where each tensor lies, and how much memory a step takes\n"
    "  program  one step run node by node, as the device runs it: milliseconds, workgroups and\n"
    "           shader module (threads and instruction set on the CPU), KiB read and written,\n"
    "           barriers, and which submission to the device it is part of\n\n" CLI_DEVICE_HELP "\n"
    "Examples:\n"
    "  repopt show --config-file configs/cifar10/search.yaml\n"
    "  repopt show --config-file configs/drawn/sgd.yaml --stage=program | sort -k4 -n\n"
    "  repopt show --config-file configs/drawn/sgd.yaml --stage=program --device "
    "vulkan:0\n" CLI_VULKAN_HELP;

static rep_status take_stage(cli_words *words, rep_stage *out) {
    static const char *const names[] = {"model", "graph", "plan", "program"};
    enum { STAGES = sizeof names / sizeof *names };
    const char *text = "model";
    REP_TRY(cli_take_value(words, "--stage", &text));
    for (int i = 0; i < STAGES; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (rep_stage)i;
            return REP_OK;
        }
    }
    return rep_fail(REP_ERR_ARGUMENT, "--stage: \"%s\" is none of model, graph, plan, program",
                    text);
}

int cmd_show(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    rep_train_options options = {0};
    rep_stage stage = REP_STAGE_MODEL;
    rep_config *config = NULL;
    if (take_stage(&words, &stage) != REP_OK ||
        cli_take_device(&words, &options.device, &options.threads) != REP_OK ||
        cli_take_given_config(&words, &config) != REP_OK) {
        return cli_fail();
    }
    options.config = config;
    rep_log_set(cli_log_line, NULL);
    const rep_status status = rep_train_show(stdout, stage, &options);
    rep_log_set(NULL, NULL);
    rep_config_destroy(config);
    return status == REP_OK ? 0 : cli_fail();
}
