/* quantize_page.c - report.html of `repopt quantize`: scores before and after, what each layer
 * costs, how weights and activations are spread; one page with nothing to fetch. */
#include "cli/quantize_page.h"

#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/report.h"
#include "repopt/version.h"

enum { WIDTH = 220, HEIGHT = 64 };

static void write_head(FILE *out, const quantize_page *p) {
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<title>repopt quantize</title>\n<style>\n",
          out);
    fputs(report_style, out);
    fputs("</style></head>\n<body><main>\n<h1>Nets in whole numbers</h1>\n<p class=\"soft\">int8 "
          "weights per output channel, uint8 activations per tensor, 32-bit sums &middot; "
          "ranges by ",
          out);
    report_text(out, p->method);
    fputs(" on pictures of the training split &middot; repopt " REP_VERSION "</p>\n", out);
}

static void begin_table(FILE *out, const char *label) {
    fprintf(out,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table><thead>"
            "<tr>",
            label);
}

/* A net's colour beside its number, which says the same without colour. */
static void write_key(FILE *out, size_t net) {
    fprintf(out, "<span class=\"key k%zu\"></span>", net + 1);
}

/* ---- scores -----------------------------------------------------------------------------------
 */

static void write_net(FILE *out, const quantize_net *net, size_t index) {
    const rep_quantize_result *r = &net->result;
    const double real = quantize_score(&r->real), whole = quantize_score(&r->whole);
    fputs("<tr><th scope=\"row\">", out);
    write_key(out, index);
    fprintf(out, "net %zu: ", index + 1);
    report_text(out, net->weights);
    fputs("</th>", out);
    if (r->is_tested) {
        fprintf(out, "<td>%s</td><td>%.2f</td><td>%.2f</td><td>%+.2f</td>", r->score_name, real,
                whole, whole - real);
    } else {
        fputs("<td class=\"soft\" colspan=\"4\">no test split</td>", out);
    }
    fprintf(out, "<td>%.2e</td><td>%.2f, %.2f</td><td>%lld, %d, %zu</td></tr>\n", r->output_error,
            (double)r->weight_bytes / 1048576, (double)r->int8_bytes / 1048576,
            (long long)r->picture_count, r->error_picture_count, r->real.count);
}

static void write_scores(FILE *out, const quantize_page *p) {
    static const char *const heads[] = {"score",        "float32 %", "int8 %",  "change",
                                        "output error", "MiB",       "pictures"};
    fputs("<section><h2>Before and after</h2>\n", out);
    begin_table(out, "scores");
    fputs("<th class=\"left\" scope=\"col\">net</th>", out);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        fprintf(out, "<th scope=\"col\">%s</th>", heads[i]);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (size_t i = 0; i < p->count; i++) { write_net(out, &p->nets[i], i); }
    fputs("</tbody></table></div><p class=\"soft\">Output error: the sum of squared differences of "
          "the net's outputs over the sum of their squares. MiB: parameters in float32, and in "
          "int8. Pictures: those of the training split that ranges were taken from, those of them "
          "that errors were measured on, and those of the test. Net 1, net 2 and so on stand at "
          "columns and histograms below.</p></section>\n",
          out);
}

/* ---- layers -----------------------------------------------------------------------------------
 */

static const rep_quantize_layer *find_layer(const quantize_net *net, const char *name) {
    for (size_t i = 0; i < net->result.layer_count; i++) {
        if (strcmp(net->result.layers[i].name, name) == 0) { return &net->result.layers[i]; }
    }
    return NULL;
}

/* Layers of all nets, each name once, in order of first appearance. */
static void for_each_layer(FILE *out, const quantize_page *p,
                           void (*write)(FILE *out, const quantize_page *p, const char *name)) {
    for (size_t n = 0; n < p->count; n++) {
        for (size_t i = 0; i < p->nets[n].result.layer_count; i++) {
            const char *name = p->nets[n].result.layers[i].name;
            size_t first = 0;
            while (!find_layer(&p->nets[first], name)) { first++; }
            if (first == n) { write(out, p, name); }
        }
    }
}

/* Columns of one measure, a net each. */
static void write_cells(FILE *out, const quantize_page *p, const char *name, bool is_map) {
    for (size_t i = 0; i < p->count; i++) {
        const rep_quantize_layer *layer = find_layer(&p->nets[i], name);
        if (layer) {
            fprintf(out, "<td>%.2e</td>", is_map ? layer->map_error : layer->output_error);
        } else {
            fputs("<td class=\"soft\">-</td>", out);
        }
    }
}

static void write_heads(FILE *out, const quantize_page *p, const char *title) {
    for (size_t i = 0; i < p->count; i++) {
        fputs("<th scope=\"col\">", out);
        write_key(out, i);
        fprintf(out, "net %zu, %s</th>", i + 1, title);
    }
}

static void write_row(FILE *out, const quantize_page *p, const char *name) {
    fputs("<tr><th scope=\"row\">", out);
    report_text(out, name);
    fputs("</th>", out);
    write_cells(out, p, name, true);
    write_cells(out, p, name, false);
    fputs("</tr>\n", out);
}

static void write_layers(FILE *out, const quantize_page *p) {
    fputs("<section><h2>What each layer costs alone</h2><p>Only the layer of the row is in whole "
          "numbers. Own: the error of what it gives, which its rounded weights and input make. "
          "Outputs: what is left of that at the net's outputs. A dash: that net has no such "
          "layer.</p>\n",
          out);
    begin_table(out, "errors by layer");
    fputs("<th class=\"left\" scope=\"col\">layer</th>", out);
    write_heads(out, p, "own");
    write_heads(out, p, "outputs");
    fputs("</tr></thead><tbody>\n", out);
    for_each_layer(out, p, write_row);
    fputs("</tbody></table></div></section>\n", out);
}

/* ---- histograms -------------------------------------------------------------------------------
 */

static double place(double value, double low, double high) {
    return high > low ? (value - low) / (high - low) * WIDTH : 0;
}

/* Bars by the root of their counts, so that tails show; dashes at what is kept. */
static void draw_bins(FILE *out, const uint64_t bins[REP_QUANTIZE_BINS], size_t net, double low,
                      double high, const double kept[2]) {
    uint64_t most = 1;
    for (size_t i = 0; i < REP_QUANTIZE_BINS; i++) { most = bins[i] > most ? bins[i] : most; }
    fprintf(out, "<path class=\"a%zu\" d=\"M0 %d", net + 1, HEIGHT);
    for (size_t i = 0; i < REP_QUANTIZE_BINS; i++) {
        const double y = HEIGHT * (1 - sqrt((double)bins[i] / (double)most));
        const double step = (double)WIDTH / REP_QUANTIZE_BINS;
        fprintf(out, "L%.1f %.1fL%.1f %.1f", step * (double)i, y, step * (double)(i + 1), y);
    }
    fprintf(out, "L%d %dZ\"/>", WIDTH, HEIGHT);
    for (size_t i = 0; i < 2 && kept; i++) {
        if (kept[i] < low || kept[i] > high) { continue; }
        const double x = place(kept[i], low, high);
        fprintf(out, "<line class=\"start\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%d\"/>", x, x,
                HEIGHT);
    }
}

static void write_histogram(FILE *out, const rep_quantize_layer *l, size_t net, bool is_weight) {
    const double low = is_weight ? -l->weight_most : l->bin_low;
    const double high = is_weight ? l->weight_most : l->bin_high;
    const double kept[2] = {l->low, l->high};
    fprintf(out, "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"net %zu, %s of ",
            WIDTH, HEIGHT + 16, net + 1, is_weight ? "weights" : "input");
    report_text(out, l->name);
    fprintf(out, ", %.3g to %.3g\">", low, high);
    draw_bins(out, is_weight ? l->weights : l->inputs, net, low, high, is_weight ? NULL : kept);
    fprintf(out,
            "<text x=\"0\" y=\"%d\">%.3g</text><text x=\"%d\" y=\"%d\" "
            "text-anchor=\"end\">%.3g</text></svg><figcaption>net %zu: ",
            HEIGHT + 14, low, WIDTH, HEIGHT + 14, high, net + 1);
    if (is_weight) {
        fprintf(out, "weights, scales %.2g to %.2g", l->scale_least, l->scale_most);
    } else {
        fprintf(out, "input, scale %.3g, zero point %d", (double)l->input_scale, l->input_zero);
    }
    fputs("</figcaption></figure>\n", out);
}

static void write_layer_spread(FILE *out, const quantize_page *p, const char *name) {
    fputs("<h3>", out);
    report_text(out, name);
    fputs("</h3><div class=\"cells\">\n", out);
    for (size_t i = 0; i < p->count; i++) {
        const rep_quantize_layer *layer = find_layer(&p->nets[i], name);
        if (!layer) { continue; }
        write_histogram(out, layer, i, true);
        write_histogram(out, layer, i, false);
    }
    fputs("</div>\n", out);
}

static void write_spread(FILE *out, const quantize_page *p) {
    fputs("<section><h2>How values are spread</h2><p>Heights are roots of counts, each picture by "
          "its highest. Dashes: the range of the input that is kept; zeros are not counted.</p>\n",
          out);
    for_each_layer(out, p, write_layer_spread);
    fputs("</section>\n", out);
}

static rep_status write_page(const void *context, FILE *out) {
    const quantize_page *p = context;
    write_head(out, p);
    write_scores(out, p);
    write_layers(out, p);
    write_spread(out, p);
    fputs("</main></body></html>\n", out);
    return REP_OK;
}

rep_status quantize_page_write(const char *path, const quantize_page *page) {
    return cli_file_write(path, write_page, page);
}
