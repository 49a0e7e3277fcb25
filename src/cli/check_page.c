/* check_page.c - `repopt check --html`: one page with nothing to fetch, in the style of the report.
 */
#include <math.h>

#include "cli/check_report.h"
#include "cli/cli.h"
#include "cli/report.h"
#include "repopt/version.h"

static const char style[] =
    "main{max-width:1280px}td.left{white-space:normal}.ids{display:grid;"
    "grid-template-columns:max-content 1fr;gap:4px 16px;margin:0}.ids dt{color:var(--soft)}"
    ".ids dd{margin:0;overflow-wrap:anywhere}\n"
    "tr.failed>*{background:color-mix(in srgb,var(--bad) 14%,transparent)}"
    "td.fault{white-space:normal;text-align:left;min-width:26ch;overflow-wrap:anywhere}\n";

static void write_id(FILE *out, const char *name, const char *value) {
    if (!value[0]) { return; }
    fprintf(out, "<dt>%s</dt><dd>", name);
    report_text(out, value);
    fputs("</dd>", out);
}

static void write_head(FILE *out, const check_report *r) {
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<title>repopt check</title>\n<style>\n",
          out);
    fputs(report_style, out);
    fputs(style, out);
    fputs("</style></head>\n<body><main>\n<h1>Every op against double precision</h1>\n", out);
    if (r->failed) {
        fprintf(out, "<p><span class=\"bad\">FAIL</span>: %zu of %zu rows failed.</p>\n", r->failed,
                r->count);
    } else {
        fprintf(out, "<p><span class=\"good\">PASS</span>: all %zu rows passed.</p>\n", r->count);
    }
}

static void write_device(FILE *out, const check_report *r) {
    const rep_device_info *d = &r->device;
    char text[400];
    fputs("<section><h2>Device</h2><dl class=\"ids\">", out);
    write_id(out, "device", d->description);
    write_id(out, "name here", d->name);
    write_id(out, "kind", d->kind);
    write_id(out, "driver", d->driver);
    write_id(out, "Vulkan", d->api);
    write_id(out, "UUID", d->uuid);
    if (d->is_vulkan) {
        snprintf(text, sizeof text,
                 "%u invocations and %u bytes of shared memory per workgroup, bindings up to %.0f "
                 "MiB, subgroups %u, half precision storage %s, matrix units %s",
                 d->invocations, d->shared_bytes, (double)d->binding_bytes / 1048576,
                 d->subgroup_size, d->has_f16 ? "yes" : "no", d->has_matrix ? "yes" : "no");
        write_id(out, "limits", text);
    }
    snprintf(text, sizeof text, "repopt %s, %.1f s", REP_VERSION, r->seconds);
    write_id(out, "checked by", text);
    fputs("</dl></section>\n", out);
}

static void write_ops(FILE *out, const check_report *r) {
    fputs("<section><h2>By op</h2><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>"
          "<th class=\"left\">op</th><th>rows</th><th>variants</th><th>failed</th>"
          "<th>error / bound</th><th>worst ulp</th><th>ms</th><th>verdict</th></tr></thead>"
          "<tbody>\n",
          out);
    for (size_t i = 0; i < r->count;) {
        check_op op;
        i = check_op_sum(&op, r, i);
        fprintf(out,
                "<tr%s><th scope=\"row\">%s</th><td>%zu</td><td>%zu</td><td>%zu</td><td>%.2e</td>"
                "<td>%.3g</td><td>%.2f</td><td class=\"%s\">%s</td></tr>\n",
                op.failed ? " class=\"failed\"" : "", op.op, op.rows, op.variants, op.failed,
                op.share, op.max_ulp, op.ms, op.failed ? "bad" : "good",
                op.failed ? "FAIL" : "pass");
    }
    fputs("</tbody></table></div></section>\n", out);
}

static void write_row(FILE *out, const rep_check_row *row) {
    fprintf(out, "<tr%s><th scope=\"row\">%s %d<small>", row->has_passed ? "" : " class=\"failed\"",
            row->op, row->number);
    report_text(out, row->inputs);
    fputs("</small></th><td class=\"left\">", out);
    report_text(out, row->shaders[0] ? row->shaders : "-");
    fprintf(out, "</td><td class=\"%s\">%s</td>", row->has_passed ? "good" : "bad",
            row->has_passed ? "pass" : "FAIL");
    if (row->count > 0) {
        fprintf(
            out,
            "<td>%.2e</td><td>%.2e</td><td>%.2e</td><td>%.3g</td><td>%u:%zu<small> %.7g, wanted "
            "%.7g</small></td>",
            row->error, row->bound, row->rms, row->max_ulp, row->worst_output, row->worst, row->got,
            row->expected);
    } else {
        fputs("<td>-</td><td>-</td><td>-</td><td>-</td><td>-</td>", out);
    }
    fprintf(out, "<td>%s</td><td>%s</td><td>%s</td><td>%s</td>", check_verdict_text(row->guards),
            check_verdict_text(row->repeat), check_verdict_text(row->in_place),
            check_verdict_text(row->limits));
    fputs("</tr>\n", out);
    if (row->has_passed) { return; }
    fputs("<tr class=\"failed\"><td class=\"fault\" colspan=\"12\">", out);
    report_text(out, row->fault);
    if (row->folder[0]) {
        fputs(" <code>repopt check --replay ", out);
        report_text(out, row->folder);
        fputs("</code>", out);
    }
    fputs("</td></tr>\n", out);
}

static void write_rows(FILE *out, const check_report *r, bool wants_failed) {
    fputs("<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th class=\"left\">row</th>"
          "<th class=\"left\">shaders</th><th>verdict</th><th>error</th><th>bound</th>"
          "<th>rms</th><th>ulp</th><th>worst (output:element)</th><th>guards intact</th>"
          "<th>same again</th><th>in place</th><th>within limits</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < r->count; i++) {
        if (!wants_failed || !r->rows[i].has_passed) { write_row(out, &r->rows[i]); }
    }
    fputs("</tbody></table></div>\n", out);
}

static rep_status write_page(const void *context, FILE *out) {
    const check_report *r = context;
    write_head(out, r);
    write_device(out, r);
    if (r->failed) {
        fputs("<section><h2>Failures</h2>\n", out);
        write_rows(out, r, true);
        fputs("</section>\n", out);
    }
    write_ops(out, r);
    fputs("<section><h2>Every row</h2><p>Error is the sum of squared differences over the sum of "
          "squared expected values, rms its root; ulp is the largest difference in units in the "
          "last place, which is large beside values near zero and is not judged.</p>\n<details>"
          "<summary>Show them</summary>\n",
          out);
    write_rows(out, r, false);
    fputs("</details></section>\n</main></body></html>\n", out);
    return REP_OK;
}

rep_status check_page_write(const char *path, const check_report *r) {
    return cli_file_write(path, write_page, r);
}
