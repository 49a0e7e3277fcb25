/* report_chart.c - curves of the runs and histograms of the scales, as inline SVG.
 *
 * Lines differ by colour and by dashes, so that they can be told apart without colour. Every chart
 * has a text alternative with its last values.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"
#include "cli/scale_counts.h"

/* ---- metrics.csv --------------------------------------------------------------------------------
 */
enum { MAX_ROW = 1024 };

/* Index of a column in the header line, or -1. */
static int find_column(const char *header, const char *name) {
    const size_t length = strlen(name);
    int column = 0;
    for (const char *c = header; c; c = strchr(c, ',') ? strchr(c, ',') + 1 : NULL) {
        if (strncmp(c, name, length) == 0 && strchr(",\r\n", c[length])) { return column; }
        column++;
    }
    return -1;
}

/* The number in a column of a row; false where the cell is empty. */
static bool read_cell(const char *row, int column, double *out) {
    for (; column > 0; column--) {
        row = strchr(row, ',');
        if (!row) { return false; }
        row++;
    }
    char *end = NULL;
    *out = strtod(row, &end);
    return end != row && isfinite(*out);
}

static rep_status append_point(report_line *line, double x, double y) {
    const size_t capacity = 64;
    if (line->count % capacity == 0) {
        double *xs = realloc(line->x, (line->count + capacity) * sizeof *xs);
        if (xs) { line->x = xs; }
        double *ys = realloc(line->y, (line->count + capacity) * sizeof *ys);
        if (ys) { line->y = ys; }
        if (!xs || !ys) { return rep_fail(REP_ERR_MEMORY, "report: out of memory"); }
    }
    line->x[line->count] = x;
    line->y[line->count++] = y;
    return REP_OK;
}

static rep_status read_rows(report_line *out, FILE *csv, const char *name, size_t window) {
    char row[MAX_ROW];
    if (!fgets(row, sizeof row, csv)) { return REP_OK; }
    const int x_column = find_column(row, "iteration"), y_column = find_column(row, name);
    double x = 0, y = 0, sum = 0;
    size_t count = 0;
    while (x_column >= 0 && y_column >= 0 && fgets(row, sizeof row, csv)) {
        if (!read_cell(row, x_column, &x) || !read_cell(row, y_column, &y)) { continue; }
        sum += y;
        if (++count < window) { continue; }
        REP_TRY(append_point(out, x, sum / (double)count));
        sum = 0;
        count = 0;
    }
    return count > 0 ? append_point(out, x, sum / (double)count) : REP_OK;
}

rep_status report_line_read(report_line *out, const char *folder, const char *name, size_t window) {
    char path[640];
    snprintf(path, sizeof path, "%s/metrics.csv", folder);
    FILE *csv = fopen(path, "r");
    if (!csv) { return rep_fail(REP_ERR_IO, "%s: %s", path, strerror(errno)); }
    const rep_status status = read_rows(out, csv, name, window);
    fclose(csv);
    return status;
}

/* ---- lines --------------------------------------------------------------------------------------
 */
enum { WIDTH = 520, HEIGHT = 300, LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 40 };
enum { MARKED_POINTS = 30 }; /* lines of so few get a dot on each */

typedef struct range {
    double low, high, step;
} range;

/* A round step of about a fifth of the span, and the span widened to multiples of it. */
static range round_range(double low, double high) {
    const double span = high > low ? high - low : 1;
    const double unit = pow(10, floor(log10(span / 5)));
    const double ratio = span / 5 / unit;
    const double step = unit * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
    return (range){floor(low / step) * step, ceil((low + span) / step) * step, step};
}

static double place(double value, range r, double from, double to) {
    return from + (value - r.low) / (r.high - r.low) * (to - from);
}

static void find_ranges(const report_line *lines, size_t count, range *x, range *y) {
    double low = INFINITY, high = -INFINITY, last = 1;
    for (size_t l = 0; l < count; l++) {
        for (size_t i = 0; i < lines[l].count; i++) {
            low = fmin(low, lines[l].y[i]);
            high = fmax(high, lines[l].y[i]);
            last = fmax(last, lines[l].x[i]);
        }
    }
    if (!(low <= high)) { low = 0, high = 1; }
    *y = round_range(low, high);
    *x = round_range(0, last);
    x->high = last;
}

static void draw_axes(FILE *out, range x, range y, const report_axes *axes) {
    const double right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    for (double v = y.low; v <= y.high + y.step / 2; v += y.step) {
        const double at = place(v, y, bottom, TOP);
        fprintf(out,
                "<line class=\"grid\" x1=\"%d\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g%s</text>\n",
                LEFT, right, at, at, LEFT - 6, at + 4, fabs(v) < y.step / 1e6 ? 0 : v, axes->unit);
    }
    for (double v = x.low; v <= x.high + x.step / 1e6; v += x.step) {
        fprintf(out, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%.*f</text>\n",
                place(v, x, LEFT, right), bottom + 16, axes->is_share ? 1 : 0, v);
    }
    fprintf(out, "<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + right) / 2,
            HEIGHT - 6, axes->x_title);
}

static void draw_line(FILE *out, const report_line *line, range x, range y) {
    fprintf(out, "<path class=\"line l%d\" d=\"", line->style);
    for (size_t i = 0; i < line->count; i++) {
        fprintf(out, "%c%.1f %.1f", i ? 'L' : 'M', place(line->x[i], x, LEFT, WIDTH - RIGHT),
                place(line->y[i], y, HEIGHT - BOTTOM, TOP));
    }
    fputs("\"/>\n", out);
    for (size_t i = 0; i < line->count && line->count <= MARKED_POINTS; i++) {
        fprintf(out, "<circle class=\"dot d%d\" r=\"3\" cx=\"%.1f\" cy=\"%.1f\"/>", line->style,
                place(line->x[i], x, LEFT, WIDTH - RIGHT),
                place(line->y[i], y, HEIGHT - BOTTOM, TOP));
    }
}

void report_chart(FILE *out, const report_axes *axes, const report_line *lines, size_t count) {
    const range share = {.low = 0, .high = 1, .step = 0.2};
    range x = share, y = share;
    if (!axes->is_share) { find_ranges(lines, count, &x, &y); }
    fputs("<figure><h3>", out);
    report_text(out, axes->title);
    fprintf(out, "</h3><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    report_text(out, axes->title);
    fputc(':', out);
    for (size_t l = 0; l < count; l++) {
        if (lines[l].count == 0) { continue; }
        fprintf(out, " %s ends at %.4g%s;", lines[l].label, lines[l].y[lines[l].count - 1],
                axes->unit);
    }
    fputs("\">\n", out);
    draw_axes(out, x, y, axes);
    for (size_t l = 0; l < count; l++) { draw_line(out, &lines[l], x, y); }
    fputs("</svg><figcaption>", out);
    for (size_t l = 0; l < count; l++) {
        fprintf(out,
                "<svg viewBox=\"0 0 28 10\" style=\"display:inline;width:28px;height:10px\" "
                "aria-hidden=\"true\"><path class=\"line l%d\" d=\"M0 5H28\"/></svg> %s &ensp;",
                lines[l].style, lines[l].label);
    }
    fputs("</figcaption></figure>\n", out);
}

/* ---- histograms ---------------------------------------------------------------------------------
 */
enum { BINS = 40, CELL_WIDTH = 220, CELL_HEIGHT = 110, CELL_BOTTOM = 18, VECTORS = 3 };

static void widen(range *r, const float *values, int32_t count) {
    for (int32_t i = 0; values && i < count; i++) {
        r->low = fmin(r->low, (double)values[i]);
        r->high = fmax(r->high, (double)values[i]);
    }
}

/* The outline of a histogram as one closed path; the tallest bin of the cell reaches the top. */
static void draw_bins(FILE *out, const int *bins, int tallest, int style) {
    const double bottom = CELL_HEIGHT - CELL_BOTTOM, step = (double)CELL_WIDTH / BINS;
    fprintf(out, "<path class=\"a%d\" d=\"M0 %.0f", style, bottom);
    for (int b = 0; b < BINS; b++) {
        fprintf(out, "V%.1fH%.1f", bottom - (bottom - 4) * bins[b] / tallest, step * (b + 1));
    }
    fprintf(out, "V%.0fZ\"/>\n", bottom);
}

static void draw_histogram(FILE *out, const rep_scale_row *row, range r, double start) {
    const float *const vectors[VECTORS] = {row->s, row->t, row->u};
    int bins[VECTORS][BINS] = {{0}};
    int tallest = 1;
    for (int v = 0; v < VECTORS; v++) {
        for (int32_t i = 0; vectors[v] && i < row->channels; i++) {
            int b = (int)(((double)vectors[v][i] - r.low) / (r.high - r.low) * BINS);
            b = b < 0 ? 0 : b >= BINS ? BINS - 1 : b;
            if (++bins[v][b] > tallest) { tallest = bins[v][b]; }
        }
    }
    fputs("<figure><h3>", out);
    report_text(out, row->name);
    fprintf(out,
            " <small>%d channels</small></h3><svg viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"histogram of the scales of this block; the table of `repopt scales` has "
            "the figures\">\n",
            row->channels, CELL_WIDTH, CELL_HEIGHT);
    for (int v = 0; v < VECTORS; v++) {
        if (vectors[v]) { draw_bins(out, bins[v], tallest, v + 1); }
    }
    const double at = place(start, r, 0, CELL_WIDTH), bottom = CELL_HEIGHT - CELL_BOTTOM;
    fprintf(out,
            "<line class=\"start\" x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%.0f\"/>"
            "<text x=\"0\" y=\"%d\">%.2f</text><text x=\"%d\" y=\"%d\" "
            "text-anchor=\"end\">%.2f</text></svg></figure>\n",
            at, at, bottom, CELL_HEIGHT - 4, r.low, CELL_WIDTH, CELL_HEIGHT - 4, r.high);
}

void report_histograms(FILE *out, const rep_scales *scales, bool is_by_stage) {
    range r = {.low = 0.9, .high = 1.1}; /* 1 lies inside whatever the scales are */
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        const rep_scale_row *row = rep_scales_row(scales, i);
        widen(&r, row->s, row->channels);
        widen(&r, row->t, row->channels);
        widen(&r, row->u, row->channels);
    }
    fputs("<p class=\"soft\"><span class=\"key k1\"></span>s, k&times;k kernel &emsp;<span "
          "class=\"key k2\"></span>t, 1&times;1 kernel &emsp;<span class=\"key k3\"></span>u, "
          "identity</p><div class=\"cells\">\n",
          out);
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        const rep_scale_row *row = rep_scales_row(scales, i);
        draw_histogram(out, row, r, scale_start(row->name, is_by_stage));
    }
    fputs("</div>\n", out);
}
