/* report.c - the sections of report.html, in reading order: result, curves, proof, scales, masks,
 * answers, how to run it again. It says no more than the figures do. */
#include "cli/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/scale_counts.h"
#include "repopt/version.h"

void report_text(FILE *out, const char *text) {
    for (const char *c = text; *c; c++) {
        switch (*c) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*c, out);
            break;
        }
    }
}

double report_half_width(double share, size_t count) {
    return count ? 1.96 * sqrt(share * (1 - share) / (double)count) : 1;
}

double report_worst(const report *r, bool is_reference) {
    double worst = 0;
    for (size_t i = 0; i < r->check_count; i++) {
        const rep_verify_row *row = &r->checks[i].row;
        const bool is_wide = strstr(r->checks[i].device, "float64") != NULL;
        if (row->is_expected_equal && is_wide == is_reference) {
            worst = fmax(worst, row->max_difference);
        }
    }
    return worst;
}

static void write_head(FILE *out, const report *r) {
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<title>repopt quick start</title>\n<style>\n",
          out);
    fputs(report_style, out);
    fprintf(out,
            "</style></head>\n<body><main>\n<h1>One plain net, two optimizers</h1>\n"
            "<p class=\"soft\">repopt %s quick start &middot; seed %" PRIu64
            " &middot; %s, %d thread%s &middot; ",
            REP_VERSION, r->seed, r->device.name, r->device.threads,
            r->device.threads == 1 ? "" : "s");
    r->task->write_facts(out, r);
    fprintf(out, " &middot; %.0f s in all</p>\n", r->seconds);
    fputs("<p>RepOptimizer moves the structure of a multi-branch net into the optimizer. First a "
          "net with scaled branches is trained to find its scales. Then the <em>plain</em> net, "
          "one convolution per block, is trained with gradients multiplied by a mask made of those "
          "scales: it follows the path the branches would have taken, at the plain net's "
          "cost.</p>\n",
          out);
}

static void write_row(FILE *out, const report *r, int index) {
    const report_run *run = &r->runs[index];
    const rep_train_result *t = &run->result;
    fprintf(out, "<tr><th scope=\"row\"><span class=\"key k%d\"></span>%s<small>%s</small></th>",
            index + 1, run->title, run->how);
    r->task->write_scores(out, run);
    fprintf(out, "<td>%.3f</td><td>%.1f</td><td>%.0f</td><td>%zu</td></tr>\n", t->last_loss,
            t->step_ms, t->peak_memory_mib, t->param_count);
}

static void write_result(FILE *out, const report *r) {
    fputs("<section><h2>Result</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
          "aria-label=\"result table\"><table><thead><tr><th class=\"left\" scope=\"col\">run</th>",
          out);
    fputs(r->task->score_heads, out);
    fputs("<th scope=\"col\">train loss</th>"
          "<th scope=\"col\">ms / step</th><th scope=\"col\">memory MiB</th>"
          "<th scope=\"col\">parameters</th></tr></thead><tbody>\n",
          out);
    for (int i = 0; i < REPORT_RUNS; i++) { write_row(out, r, i); }
    fprintf(
        out,
        "</tbody></table></div><p class=\"soft\">%s; mean loss of the last epoch; median time of "
        "a training step; planned memory of the training program; trained values.</p>\n",
        r->task->score_means);
    r->task->write_verdict(out, r);
    fputs("</section>\n", out);
}

rep_status report_run_chart(FILE *out, const report *r, const char *title, const char *column,
                            const char *unit, double factor, size_t points) {
    const report_axes axes = {.title = title, .unit = unit, .x_title = "iteration"};
    report_line lines[REPORT_RUNS];
    memset(lines, 0, sizeof lines);
    rep_status status = REP_OK;
    for (int i = 0; i < REPORT_RUNS && status == REP_OK; i++) {
        const size_t rows = (size_t)r->runs[i].result.iterations;
        lines[i].label = r->runs[i].title;
        lines[i].style = i + 1;
        const size_t window = points && rows > points ? rows / points : 1;
        status = report_line_read(&lines[i], r->runs[i].folder, column, window);
        for (size_t k = 0; k < lines[i].count; k++) { lines[i].y[k] *= factor; }
    }
    if (status == REP_OK) { report_chart(out, &axes, lines, REPORT_RUNS); }
    for (int i = 0; i < REPORT_RUNS; i++) {
        free(lines[i].x);
        free(lines[i].y);
    }
    return status;
}

static void write_proof(FILE *out, const report *r) {
    fprintf(out,
            "<section><h2>The equality behind it: %s</h2><p>The plain net with masked gradients "
            "and the branched net with the ordinary optimizer were trained side by side and their "
            "kernels compared after every step. Largest relative difference: "
            "<strong>%.1e</strong> in float32, <strong>%.1e</strong> in double precision. Rows "
            "called control leave something out on purpose and must differ.</p>\n",
            r->has_passed ? "verified" : "NOT verified", report_worst(r, false),
            report_worst(r, true));
    fprintf(out,
            "<details><summary>all %zu rows</summary><div class=\"scroll\" tabindex=\"0\" "
            "role=\"region\" aria-label=\"verification rows\"><table><thead><tr><th class=\"left\" "
            "scope=\"col\">case</th><th class=\"left\" scope=\"col\">device</th><th "
            "scope=\"col\">difference</th><th scope=\"col\">wanted</th><th "
            "scope=\"col\">verdict</th></tr></thead><tbody>\n",
            r->check_count);
    for (size_t i = 0; i < r->check_count; i++) {
        const rep_verify_row *row = &r->checks[i].row;
        fputs("<tr><th scope=\"row\">", out);
        report_text(out, row->name);
        fprintf(out,
                "</th><td class=\"left\">%s</td><td>%.2e</td><td>%s %.0e</td><td "
                "class=\"%s\">%s</td></tr>\n",
                r->checks[i].device, row->max_difference, row->is_expected_equal ? "&le;" : "&gt;",
                row->bound, row->has_passed ? "good" : "bad", row->has_passed ? "pass" : "fail");
    }
    fputs("</tbody></table></div></details></section>\n", out);
}

static rep_status write_scales(FILE *out, const report *r) {
    rep_scales *scales = NULL;
    REP_TRY(rep_scales_load(&scales, r->runs[0].result.checkpoint));
    const scale_counts all = scale_counts_of(scales, r->is_scale_by_stage);
    fprintf(out,
            "<section><h2>The searched scales</h2><p>A factor per output channel and branch. All "
            "panels share one axis; the dashed line is where s and t started (u starts at 1). Of "
            "%zu scales %.0f %% stayed within %.2f of their start; the farthest moved "
            "%.2f.%s</p>\n",
            all.values, 100.0 * (double)all.near / (double)(all.values ? all.values : 1),
            SCALE_NEAR, all.farthest,
            all.near * 2 > all.values
                ? " Most hardly moved in so short a search: the mask is close to the one that no "
                  "search at all would give."
                : "");
    report_histograms(out, scales, r->is_scale_by_stage);
    fputs(
        "</section>\n<section><h2>The masks they make</h2><p>Every gradient is multiplied by M = "
        "s&sup2;, + t&sup2; at the centre tap, + 1 where the centre tap joins a channel to itself "
        "in blocks with an identity. M is formed from two vectors as the update runs; these "
        "pictures are the only place where it is written out. Each picture has its own "
        "range.</p>\n",
        out);
    report_masks(out, scales, r->kernel);
    fputs("</section>\n", out);
    rep_scales_destroy(scales);
    return REP_OK;
}

static void write_files(FILE *out, const report *r) {
    fputs("<section><h2>Files and how to go on</h2><p>Each run's folder holds its checkpoint "
          "(safetensors with PyTorch's names; configuration, optimizer and counters inside), "
          "<code>metrics.csv</code> and TensorBoard events.</p><pre tabindex=\"0\"><code>",
          out);
    for (int i = 0; i < REPORT_RUNS; i++) {
        report_text(out, r->runs[i].result.checkpoint);
        fputc('\n', out);
    }
    fputs("\nrepopt scales ", out);
    report_text(out, r->runs[0].result.checkpoint);
    fputs("\nrepopt verify\n", out);
    fprintf(out, "repopt quickstart%s --seed %" PRIu64 "\n", r->task->words, r->seed + 1);
    fputs(r->task->next, out);
    fputs("\n</code></pre></section>\n</main></body></html>\n", out);
}

static rep_status write_page(const void *context, FILE *out) {
    const report *r = context;
    write_head(out, r);
    write_result(out, r);
    REP_TRY(r->task->write_curves(out, r));
    write_proof(out, r);
    REP_TRY(write_scales(out, r));
    REP_TRY(r->task->write_answers(out, r));
    write_files(out, r);
    return REP_OK;
}

rep_status report_write(const char *path, const report *r) {
    return cli_file_write(path, write_page, r);
}
