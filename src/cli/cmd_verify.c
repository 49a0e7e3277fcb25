/* cmd_verify.c - `repopt verify`: target + RepOptimizer against CSLA + the ordinary optimizer. */
#include <stdio.h>

#include "cli/cli.h"

static const char help[] =
    "usage: repopt verify [--steps N] [--device NAME] [--threads N]\n\n"
    "Trains a net of scaled branches (CSLA) with the ordinary optimizer beside the plain net with\n"
    "RepOptimizer, on the same data, and compares the folded kernels after every step. Rows "
    "marked\n"
    "\"control\" leave something out on purpose and must differ. Exit code 5 when a row fails.\n\n"
    "The device chosen computes the float32 rows; the others run on cpu:float64.\n\n"
    "  --steps N           training steps per row, 10 to 100 (default 50)\n" CLI_DEVICE_HELP "\n"
    "Examples:\n"
    "  repopt verify --steps 20\n"
    "  repopt verify --device vulkan:0\n" CLI_VULKAN_HELP;

typedef struct tally {
    int rows, failed;
} tally;

static void print_row(void *context, const rep_verify_row *row) {
    tally *t = context;
    t->rows++;
    t->failed += row->has_passed ? 0 : 1;
    printf("%-52s %-12s %11.2e  %s %8.1e  %s\n", row->name, row->device, row->max_difference,
           row->is_expected_equal ? "<=" : "> ", row->bound, row->has_passed ? "PASS" : "FAIL");
    fflush(stdout);
}

int cmd_verify(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const char *device = "auto";
    int threads = 0;
    int64_t steps = 50;
    if (cli_take_device(&words, &device, &threads) != REP_OK ||
        cli_take_int(&words, "--steps", 10, 100, &steps) != REP_OK ||
        cli_no_more(&words) != REP_OK) {
        return cli_fail();
    }
    tally t = {0};
    bool has_passed = false;
    printf("%-52s %-12s %11s  %-11s  %s\n", "case", "device", "difference", "wanted", "verdict");
    rep_log_set(cli_log_line, NULL);
    const rep_status status = rep_verify(&has_passed, device, threads, (int)steps, print_row, &t);
    rep_log_set(NULL, NULL);
    if (status != REP_OK) { return cli_fail(); }
    printf("\n%d of %d rows passed: %s\n", t.rows - t.failed, t.rows,
           has_passed ? "PASS, target + RepOptimizer equals CSLA + the ordinary optimizer"
                      : "FAIL");
    if (has_passed) { return 0; }
    (void)!rep_fail(REP_ERR_NUMERIC, "verify: %d of %d rows failed", t.failed, t.rows);
    return cli_fail();
}
