/* main.c - finds the command that was asked for and runs it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/version.h"

typedef struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
#define REP_COMMAND(name, summary) {#name, summary, cmd_##name},
#include "cli/commands.def"
#undef REP_COMMAND
    {NULL, NULL, NULL},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands - 1 };

static void print_help(FILE *out) {
    fputs("repopt " REP_VERSION ": trains re-parameterised-optimizer networks\n\n"
          "usage: repopt COMMAND [options] [KEY VALUE]...\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    }
    fputs(
        "\nSearch scales, then train the plain net with them, then test it:\n"
        "  repopt train --config-file configs/cifar10/search.yaml OUTPUT_DIR out/search\n"
        "  repopt train --config-file configs/cifar10/repopt.yaml \\\n"
        "      SCALE out/search/model_final.safetensors OUTPUT_DIR out/repopt\n"
        "  repopt test --config-file configs/cifar10/repopt.yaml \\\n"
        "      MODEL.WEIGHT out/repopt/model_final.safetensors\n\n"
        "`repopt COMMAND --help` tells more about one command.\n"
        "Exit codes: 0 success, 2 usage or configuration, 3 data or files, 4 no such device or a\n"
        "failed one, 5 numerical, 6 device lost while it worked, 7 out of memory, 8 a shader does\n"
        "not compile, 130 stopped by a signal after saving.\n",
        out);
}

static int unknown_command(const char *word) {
    const char *names[COMMAND_COUNT + 1];
    for (size_t i = 0; i < COMMAND_COUNT; i++) { names[i] = commands[i].name; }
    const char *nearest = cli_nearest(word, names, COMMAND_COUNT);
    if (nearest != NULL) {
        fprintf(stderr, "repopt: unknown command \"%s\"; did you mean \"repopt %s\"?\n", word,
                nearest);
    } else {
        fprintf(stderr, "repopt: unknown command \"%s\"; `repopt --help` lists them\n", word);
    }
    return rep_status_exit_code(REP_ERR_ARGUMENT);
}

static int run(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return rep_status_exit_code(REP_ERR_ARGUMENT);
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        (strcmp(word, "help") == 0 && argc == 2)) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(word, "--version") == 0) {
        puts("repopt " REP_VERSION);
        return 0;
    }
    /* `repopt help train` is `repopt train --help`. */
    static char help_flag[] = "--help";
    char *help_words[] = {argc > 2 ? argv[2] : argv[1], help_flag, NULL};
    const bool is_help = strcmp(word, "help") == 0;
    const char *name = is_help ? help_words[0] : word;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return is_help ? commands[i].run(2, help_words) : commands[i].run(argc - 1, argv + 1);
        }
    }
    return unknown_command(name);
}

/* A command that printed what nobody got has failed, whatever it says. Of text that was written
 * earlier the stream knows only that it failed. */
static int finish(int code) {
    if (code != 0) { return code; }
    if (fflush(stdout) != 0) {
        (void)rep_fail(REP_ERR_IO, "standard output: %s", strerror(errno));
    } else if (ferror(stdout)) {
        (void)rep_fail(REP_ERR_IO, "standard output: cut off; is the disk full?");
    } else {
        return 0;
    }
    return cli_fail();
}

int main(int argc, char **argv) { return finish(run(argc, argv)); }
