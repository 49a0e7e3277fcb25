/* cmd_config.c - `repopt config`: the effective settings of a run, as YAML. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

static const char help[] =
    "usage: repopt config [--config-file FILE] [--defaults] [KEY VALUE]...\n\n"
    "Prints every setting a run with these words would have, as YAML that can be read back.\n\n"
    "  --config-file FILE  YAML file\n"
    "  --defaults          with the meaning of every key as a comment\n\n"
    "Examples:\n"
    "  repopt config --config-file configs/drawn/search.yaml SOLVER.EPOCHS 3\n"
    "  repopt config --defaults | less\n"
    "  repopt config > all.yaml\n";

int cmd_config(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const bool is_commented = cli_take_flag(&words, "--defaults");
    rep_config *config = NULL;
    if (cli_take_config(&words, &config) != REP_OK) { return cli_fail(); }
    char *text = NULL;
    const rep_status status = rep_config_dump(config, is_commented, &text);
    rep_config_destroy(config);
    if (status != REP_OK) { return cli_fail(); }
    fputs(text, stdout);
    free(text);
    return 0;
}
