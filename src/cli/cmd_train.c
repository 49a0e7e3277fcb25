/* cmd_train.c - `repopt train`: one training run, from its configuration to model_final. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "usage: repopt train --config-file FILE [options] [KEY VALUE]...\n\n"
    "Trains a network. TRAINING_MODE chooses how: hyper_search finds the branch scales, target\n"
    "trains the plain net with RepOptimizer and the scales of SCALE, normal the plain net with an\n"
    "ordinary optimizer; csla, repvgg_block and qarepvgg_block are for comparison.\n\n"
    "  --config-file FILE  YAML file; `repopt config --defaults` lists every key with its "
    "meaning\n" CLI_DEVICE_HELP
    "  --fallback NAME     where to go on, from the last checkpoint, when the device is lost\n"
    "                      (usually cpu; default: stop with exit code 6)\n"
    "  --profile FILE      time an early step node by node; FILE gets a trace for Perfetto or\n"
    "                      chrome://tracing, the terminal a table by op. Results do not change\n"
    "  --reference-steps N compute the first N steps on cpu:float64 too, log both losses\n"
    "  --force-reinit      re-initialise from SCALE even when the net is not from scratch\n"
    "  --explain-params    print group, decay and mask of every parameter, and stop\n"
    "  --json              print the result as one JSON object on stdout\n"
    "  --quiet             no progress, only warnings\n\n"
    "Examples:\n"
    "  repopt train --config-file configs/drawn/search.yaml OUTPUT_DIR out/search\n"
    "  repopt train --config-file configs/drawn/repopt.yaml \\\n"
    "      SCALE out/search/model_final.safetensors OUTPUT_DIR out/repopt\n"
    "  repopt train --config-file configs/drawn/sgd.yaml SOLVER.EPOCHS=2 SOLVER.BASE_LR 0.05\n\n"
    "Stopped by Ctrl-C or SIGTERM it saves and leaves; the same command goes on from there\n"
    "(OUTPUT_DIR/last_checkpoint) and ends with the same bits. OUTPUT_DIR gets checkpoints,\n"
    "metrics.csv, and events for `tensorboard --logdir OUTPUT_DIR`. A checkpoint does not depend "
    "on\n"
    "the device: a run begun on a GPU goes on on the CPU, and the other way round.\n\n"
    "Exit codes: 4 no such device, 6 the device was lost (the last checkpoint is whole: give the\n"
    "command again), 7 it does not fit into memory, 8 the driver cannot compile a "
    "shader.\n" CLI_VULKAN_HELP;

static volatile int stop_requested;

static void request_stop(int number) {
    (void)number;
    stop_requested = 1;
}

const volatile int *cli_stop_on_signals(void) {
    /* The handler goes away after its first call, so that a second Ctrl-C ends the program. */
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stop_requested;
}

static void print_json_text(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            printf("\\%c", *c);
        } else if (*c < 0x20) {
            printf("\\u%04x", *c);
        } else {
            putchar(*c);
        }
    }
    putchar('"');
}

static void print_result(const rep_train_result *r, const char *mode, bool is_json) {
    if (!is_json) {
        printf("TRAINING_MODE %s: %" PRIu64 " iterations, last epoch's loss %.4f", mode,
               r->iterations, r->last_loss);
        if (r->score >= 0) { printf(", %s %.2f %%", r->score_name, 100 * r->score); }
        printf("\n%.1f ms per step (median), %.0f MiB planned, %zu parameters\n%s\n", r->step_ms,
               r->peak_memory_mib, r->param_count, r->checkpoint);
        return;
    }
    printf("{\"mode\": \"%s\", \"iterations\": %" PRIu64 ", \"loss\": %.9g, ", mode, r->iterations,
           r->last_loss);
    const char *key = strcmp(r->score_name, "AP") == 0 ? "ap" : "top1";
    if (r->score >= 0) {
        printf("\"%s\": %.9g, ", key, r->score);
    } else {
        printf("\"%s\": null, ", key);
    }
    printf("\"step_ms\": %.6g, \"memory_mib\": %.6g, \"params\": %zu, \"checkpoint\": ", r->step_ms,
           r->peak_memory_mib, r->param_count);
    print_json_text(r->checkpoint);
    printf("}\n");
}

static int explain(const rep_train_options *options) {
    char *text = NULL;
    if (rep_train_explain(&text, options) != REP_OK) { return cli_fail(); }
    fputs(text, stdout);
    free(text);
    return 0;
}

/* A failed run's sentence must outlive the closing of its profile. */
static rep_status close_profile(cli_profile *profile, rep_status status, bool is_json) {
    char sentence[1024];
    snprintf(sentence, sizeof sentence, "%s", rep_last_error());
    const rep_status closed = cli_profile_close(profile, is_json ? stderr : stdout);
    return status == REP_OK ? closed : rep_fail(status, "%s", sentence);
}

static int train(rep_train_options *options, const char *trace, bool is_json, bool is_quiet) {
    rep_mode mode;
    if (rep_mode_parse(&mode, rep_config_values(options->config)->training_mode) != REP_OK) {
        return cli_fail();
    }
    cli_profile profile;
    if (cli_profile_open(&profile, trace) != REP_OK) { return cli_fail(); }
    if (trace != NULL) { options->on_profile = cli_profile_take; }
    options->profile_context = &profile;
    cli_progress progress;
    cli_progress_init(&progress, "");
    progress.is_quiet = is_quiet;
    options->stop = cli_stop_on_signals();
    options->context = &progress;
    if (!is_quiet) { options->on_progress = cli_progress_show; }
    rep_log_set(cli_log_line, &progress);
    rep_train_result result;
    rep_status status = rep_train(&result, options);
    cli_progress_clear(&progress);
    rep_log_set(NULL, NULL);
    if (status == REP_OK) { print_result(&result, rep_mode_name(mode), is_json); }
    status = close_profile(&profile, status, is_json);
    if (status != REP_OK) { return cli_fail(); }
    return 0;
}

int cmd_train(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    rep_train_options options = {0};
    const bool is_json = cli_take_flag(&words, "--json");
    const bool is_quiet = cli_take_flag(&words, "--quiet");
    const bool is_explained = cli_take_flag(&words, "--explain-params");
    options.is_forced_reinit = cli_take_flag(&words, "--force-reinit");
    rep_config *config = NULL;
    const char *trace = NULL;
    int64_t reference_steps = 0;
    if (cli_take_device(&words, &options.device, &options.threads) != REP_OK ||
        cli_take_value(&words, "--fallback", &options.fallback) != REP_OK ||
        cli_take_value(&words, "--profile", &trace) != REP_OK ||
        cli_take_int(&words, "--reference-steps", 0, 1000000, &reference_steps) != REP_OK ||
        cli_take_given_config(&words, &config) != REP_OK) {
        return cli_fail();
    }
    options.config = config;
    options.reference_steps = (uint64_t)reference_steps;
    const int code = is_explained ? explain(&options) : train(&options, trace, is_json, is_quiet);
    rep_config_destroy(config);
    return code;
}
