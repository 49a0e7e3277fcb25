/* cmd_check.c - `repopt check`: every op on a device against double precision, for whoever writes a
 * driver or a shader.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/check_report.h"
#include "cli/cli.h"

static const char help[] =
    "usage: repopt check [options]\n"
    "       repopt check --replay DIR [--device NAME]\n\n"
    "Runs every op of the program on a device, in every variant of its shaders that the device "
    "can\n"
    "run, and compares with double precision: error, guards around each tensor, the same bits on "
    "a\n"
    "second run and in place, the device's limits. A row that fails leaves a folder with one\n"
    "dispatch: SPIR-V, buffers, what came and what was wanted.\n\n"
    "  --device NAME     where (default: the first Vulkan device; `repopt devices` lists them)\n"
    "  --op NAME         this op alone\n"
    "  --case N          this row of each op alone\n"
    "  --list            list the rows\n"
    "  --json FILE       write what was found as JSON\n"
    "  --html FILE       write it as a page\n"
    "  --out DIR         folders of failures (default: check-failures)\n"
    "  --replay DIR      run the dispatch of one such folder\n"
    "  --shader-dir DIR  compile DIR/<name>.comp instead of taking the build's shaders\n"
    "  --validate        with the Khronos validation layer; its first message fails a row\n"
    "  --small           as the smallest device Vulkan 1.1 allows: no optional feature\n\n"
    "Exit codes: 0 all passed, 2 usage, 4 no device, 5 a row failed, 8 a shader does not "
    "compile.\n\n"
    "Examples:\n"
    "  repopt check --html check.html\n"
    "  repopt check --op conv2d_grad_w --case 3 --shader-dir shaders\n"
    "  repopt check --replay check-failures/act-3.f16 --device vulkan:1\n";

typedef struct job {
    check_report report;
    cli_progress progress;
    bool is_full; /* no memory for more rows */
} job;

/* ---- rows ------------------------------------------------------------------------------------ */

static bool keep_row(check_report *report, const rep_check_row *row) {
    if (report->count == report->capacity) {
        const size_t capacity = report->capacity ? 2 * report->capacity : 256;
        rep_check_row *grown = realloc(report->rows, capacity * sizeof *grown);
        if (!grown) { return false; }
        report->rows = grown;
        report->capacity = capacity;
    }
    report->rows[report->count++] = *row;
    report->failed += !row->has_passed;
    return true;
}

static void print_failure(const rep_check_row *row) {
    printf("FAIL %s %d%s%s  %s\n", row->op, row->number, row->variant[0] ? " " : "", row->variant,
           row->fault);
    if (row->inputs[0]) { printf("     inputs %s\n", row->inputs); }
    if (row->folder[0]) { printf("     repopt check --replay %s\n", row->folder); }
    fflush(stdout);
}

static void on_row(void *context, const rep_check_row *row, size_t done, size_t total) {
    job *j = context;
    j->is_full = j->is_full || !keep_row(&j->report, row);
    if (!row->has_passed) {
        cli_progress_erase(&j->progress);
        print_failure(row);
    }
    char text[160];
    snprintf(text, sizeof text, "%s %d%s  %zu failed", row->op, row->number, row->variant,
             j->report.failed);
    cli_progress_count(&j->progress, done, total, text);
}

/* ---- reports --------------------------------------------------------------------------------- */

static int fail_rows(const check_report *report) {
    (void)!rep_fail(REP_ERR_NUMERIC, "check: FAIL, %zu of %zu rows failed on %s", report->failed,
                    report->count, report->device.description);
    return cli_fail();
}

static int finish(job *j, const char *json, const char *html) {
    check_report *report = &j->report;
    if (j->is_full) {
        (void)!rep_fail(REP_ERR_MEMORY, "check: no memory for more rows");
        return cli_fail();
    }
    check_table(stdout, report);
    fflush(stdout);
    if (json && check_json_write(json, report) != REP_OK) { return cli_fail(); }
    if (html && check_page_write(html, report) != REP_OK) { return cli_fail(); }
    if (report->failed) { return fail_rows(report); }
    printf("PASS, all %zu rows on %s%s%s, %.1f s\n", report->count, report->device.description,
           report->device.driver[0] ? ", driver " : "", report->device.driver, report->seconds);
    return 0;
}

static int run(const rep_check_options *wanted, const char *json, const char *html) {
    job j = {.is_full = false};
    rep_check_options options = *wanted;
    rep_check_result result;
    cli_progress_init(&j.progress, "check");
    options.on_row = on_row;
    options.context = &j;
    options.stop = cli_stop_on_signals();
    const double begin_s = cli_clock_s();
    const rep_status status = rep_check(&result, &options);
    cli_progress_erase(&j.progress);
    j.report.seconds = cli_clock_s() - begin_s;
    if (status == REP_OK) { j.report.device = result.device; }
    const int code = status == REP_OK ? finish(&j, json, html) : cli_fail();
    free(j.report.rows);
    return code;
}

static int replay(const char *folder, const char *device, const char *json, const char *html) {
    rep_check_row row;
    check_report report = {.rows = &row, .count = 1};
    const double begin_s = cli_clock_s();
    if (rep_check_replay(&row, &report.device, folder, device) != REP_OK) { return cli_fail(); }
    report.seconds = cli_clock_s() - begin_s;
    report.failed = !row.has_passed;
    if (!row.has_passed) { print_failure(&row); }
    printf(
        "%s: guards intact %s, same again %s, within limits %s; error %.3g, bound %.3g, rms %.3g, "
        "%.3g ulp\n",
        row.shaders, check_verdict_text(row.guards), check_verdict_text(row.repeat),
        check_verdict_text(row.limits), row.error, row.bound, row.rms, row.max_ulp);
    fflush(stdout);
    if (json && check_json_write(json, &report) != REP_OK) { return cli_fail(); }
    if (html && check_page_write(html, &report) != REP_OK) { return cli_fail(); }
    if (!row.has_passed) { return fail_rows(&report); }
    printf("PASS on %s, driver %s\n", report.device.description, report.device.driver);
    return 0;
}

static void print_case(void *context, const char *op, int number, const char *inputs) {
    (void)context;
    printf("%-18s %3d  %s\n", op, number, inputs);
}

/* ---- options --------------------------------------------------------------------------------- */

typedef struct choice {
    rep_check_options options;
    rep_vulkan_options vulkan;
    const char *json, *html, *replay;
} choice;

static rep_status take_options(choice *out, cli_words *words) {
    int64_t number = 0;
    out->vulkan.has_validation = cli_take_flag(words, "--validate");
    out->vulkan.is_small = cli_take_flag(words, "--small");
    REP_TRY(cli_take_value(words, "--device", &out->options.device));
    REP_TRY(cli_take_value(words, "--op", &out->options.op));
    REP_TRY(cli_take_int(words, "--case", 1, 100000, &number));
    REP_TRY(cli_take_value(words, "--json", &out->json));
    REP_TRY(cli_take_value(words, "--html", &out->html));
    REP_TRY(cli_take_value(words, "--out", &out->options.folder));
    REP_TRY(cli_take_value(words, "--replay", &out->replay));
    REP_TRY(cli_take_value(words, "--shader-dir", &out->vulkan.shader_folder));
    out->options.number = (int)number;
    REP_TRY(cli_no_more(words));
    if (out->replay && (out->options.op || number || out->vulkan.shader_folder)) {
        return rep_fail(REP_ERR_ARGUMENT, "--replay: the folder says which dispatch and shaders; "
                                          "leave --op, --case and --shader-dir out");
    }
    struct stat about;
    const char *folder = out->vulkan.shader_folder;
    if (folder && (stat(folder, &about) != 0 || !S_ISDIR(about.st_mode))) {
        return rep_fail(REP_ERR_ARGUMENT, "--shader-dir: \"%s\" is no folder", folder);
    }
    return REP_OK;
}

int cmd_check(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    choice c = {.options = {.folder = "check-failures"}};
    if (cli_take_help(&words, help)) { return 0; }
    const bool is_list = cli_take_flag(&words, "--list");
    if (take_options(&c, &words) != REP_OK) { return cli_fail(); }
    if (is_list) {
        rep_check_list(print_case, NULL);
        return 0;
    }
    rep_vulkan_configure(&c.vulkan);
    return c.replay ? replay(c.replay, c.options.device, c.json, c.html)
                    : run(&c.options, c.json, c.html);
}
