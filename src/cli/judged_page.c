/* judged_page.c - report.html of a detector's test: numbers, classes, precision and recall, the
 * best and the worst pictures; one page with nothing to fetch. */
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/judged.h"
#include "cli/report.h"
#include "repopt/version.h"

enum { SHOWN = 6, IOU_75 = 5, CURVES = 3 };

typedef struct page {
    const judged *j;
    const char *weights;
} page;

static void write_head(FILE *out, const page *p) {
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<title>repopt test</title>\n<style>\n",
          out);
    fputs(report_style, out);
    fputs("</style></head>\n<body><main>\n<h1>What a detector finds</h1>\n<p class=\"soft\">", out);
    report_text(out, p->weights);
    fputs(" on ", out);
    report_text(out, p->j->truth->source);
    fprintf(out, " &middot; %zu pictures, %zu objects, %zu detections &middot; repopt %s</p>\n",
            p->j->truth->picture_count, judged_object_count(p->j), p->j->count, REP_VERSION);
}

/* ---- numbers ----------------------------------------------------------------------------------
 */

static void write_cell(FILE *out, const rep_coco_number *n) {
    if (n->is_known) {
        fprintf(out, "<td>%.2f</td>", 100 * n->value);
    } else {
        fputs("<td class=\"soft\">no ground truth</td>", out);
    }
}

static void write_kind(FILE *out, const char *title, const judged_kind *kind) {
    fprintf(out,
            "<h3>%s</h3><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"COCO "
            "numbers of %s\"><table><thead><tr>",
            title, title);
    for (size_t i = 0; i < kind->count; i++) {
        fprintf(out, "<th scope=\"col\">%s</th>", kind->numbers[i].name);
    }
    fputs("</tr></thead><tbody><tr>", out);
    for (size_t i = 0; i < kind->count; i++) { write_cell(out, &kind->numbers[i]); }
    fputs("</tr></tbody></table></div>\n", out);
}

static void write_numbers(FILE *out, const judged *j) {
    fputs("<section><h2>COCO's numbers, %</h2>\n", out);
    write_kind(out, "boxes", &j->boxes);
    if (j->keypoints.eval) { write_kind(out, "keypoints", &j->keypoints); }
    fputs("<p class=\"soft\">AP is the mean over IoU (keypoints: their similarity) 0.50, 0.55 .. "
          "0.95; s, m and l are objects up to 32&sup2;, up to 96&sup2; and larger, in pixels of "
          "the file.",
          out);
    if (j->voc.is_known) { fprintf(out, " VOC's AP50 is %.2f.", 100 * j->voc.value); }
    fputs("</p></section>\n", out);
}

static void write_class(FILE *out, const judged *j, size_t index) {
    rep_coco_row row, points;
    rep_coco_eval_row(&row, j->boxes.eval, index);
    fputs("<tr><th scope=\"row\">", out);
    report_text(out, j->truth->categories[row.category].name);
    fprintf(out, "</th><td>%zu</td>", row.truth_count);
    write_cell(out, &row.ap);
    write_cell(out, &row.ap50);
    write_cell(out, &j->voc_rows[row.category]);
    if (judged_keypoint_row(&points, j, row.category)) {
        write_cell(out, &points.ap);
        write_cell(out, &points.ap50);
    } else if (j->keypoints.eval) {
        fputs("<td>-</td><td>-</td>", out);
    }
    fputs("</tr>\n", out);
}

static void write_classes(FILE *out, const judged *j) {
    fprintf(out,
            "<section><h2>Classes</h2><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
            "aria-label=\"classes\"><table><thead><tr><th class=\"left\" scope=\"col\">class</th>"
            "<th scope=\"col\">objects</th><th scope=\"col\">AP %%</th><th scope=\"col\">AP50 "
            "%%</th><th scope=\"col\">VOC AP50 %%</th>%s</tr></thead><tbody>\n",
            j->keypoints.eval
                ? "<th scope=\"col\">points AP %</th><th scope=\"col\">points AP50 %</th>"
                : "");
    for (size_t i = 0; i < rep_coco_eval_row_count(j->boxes.eval); i++) { write_class(out, j, i); }
    fputs("</tbody></table></div></section>\n", out);
}

/* ---- curves -----------------------------------------------------------------------------------
 */

/* Precision over recall at one threshold, or (iou < 0) the mean over all. */
static void fill_curve(double y[REP_COCO_POINTS], const rep_coco_eval *eval, size_t row, int iou,
                       int limit) {
    const int first = iou < 0 ? 0 : iou, end = iou < 0 ? REP_COCO_IOUS : iou + 1;
    for (int p = 0; p < REP_COCO_POINTS; p++) { y[p] = 0; }
    for (int i = first; i < end; i++) {
        const double *curve = rep_coco_eval_curve(eval, row, i, REP_COCO_ALL, limit);
        for (int p = 0; curve && p < REP_COCO_POINTS; p++) { y[p] += curve[p] / (end - first); }
    }
}

static void write_curve(FILE *out, const judged *j, const rep_coco_eval *eval, size_t index,
                        int limit) {
    static const char *const labels[CURVES] = {"0.50", "0.75", "mean of 0.50 .. 0.95"};
    static const int ious[CURVES] = {0, IOU_75, -1};
    double x[REP_COCO_POINTS], y[CURVES][REP_COCO_POINTS];
    report_line lines[CURVES];
    rep_coco_row row;
    rep_coco_eval_row(&row, eval, index);
    const char *name = j->truth->categories[row.category].name;
    if (row.truth_count == 0) {
        fputs("<figure><h3>", out);
        report_text(out, name);
        fputs("</h3><p class=\"soft\">no ground truth</p></figure>\n", out);
        return;
    }
    for (int p = 0; p < REP_COCO_POINTS; p++) { x[p] = (double)p / (REP_COCO_POINTS - 1); }
    for (int i = 0; i < CURVES; i++) {
        fill_curve(y[i], eval, index, ious[i], limit);
        lines[i] = (report_line){
            .label = labels[i], .style = i + 1, .x = x, .y = y[i], .count = REP_COCO_POINTS};
    }
    const report_axes axes = {.title = name, .unit = "", .x_title = "recall", .is_share = true};
    report_chart(out, &axes, lines, CURVES);
}

static void write_curves(FILE *out, const judged *j, const judged_kind *kind, const char *title,
                         const char *measure) {
    if (!kind->eval) { return; }
    /* Keypoints have one limit, boxes three, of which the last admits most. */
    const int limit = kind == &j->keypoints ? 0 : REP_COCO_LIMITS - 1;
    fprintf(out,
            "<section><h2>Precision over recall, %s</h2><p>What is right among the findings (up) "
            "for every share of the objects found (right), at three demands on the %s.</p><div "
            "class=\"pair\">\n",
            title, measure);
    for (size_t i = 0; i < rep_coco_eval_row_count(kind->eval); i++) {
        write_curve(out, j, kind->eval, i, limit);
    }
    fputs("</div></section>\n", out);
}

/* ---- pictures ---------------------------------------------------------------------------------
 */

static rep_status write_row(FILE *out, const judged *j, const char *title,
                            const judged_picture *pictures, size_t count) {
    fprintf(out, "<section><h2>%s</h2><div class=\"pair\">\n", title);
    for (size_t i = 0; i < count; i++) { REP_TRY(judged_picture_write(out, j, &pictures[i])); }
    fputs("</div></section>\n", out);
    return REP_OK;
}

static rep_status write_pictures(FILE *out, const judged *j) {
    judged_picture *ranked = NULL;
    size_t count = 0;
    REP_TRY(judged_pictures_rank(&ranked, &count, j));
    /* No picture is among the best and the worst. */
    const size_t best = count / 2 < SHOWN ? (count + 1) / 2 : SHOWN;
    const size_t worst = count - best < SHOWN ? count - best : SHOWN;
    fprintf(out,
            "<p class=\"soft\">Pictures: what is true on the left, what was found with a score "
            "from %.1f on on the right. A finding is right where it is of the object's class and "
            "their IoU is at least 0.5.</p>\n",
            JUDGED_LEAST_SCORE);
    rep_status status = write_row(out, j, "The best pictures", ranked, best);
    if (status == REP_OK && worst > 0) {
        status = write_row(out, j, "The worst pictures", ranked + count - worst, worst);
    }
    free(ranked);
    return status;
}

rep_status judged_sections_write(FILE *out, const judged *j) {
    write_classes(out, j);
    write_curves(out, j, &j->boxes, "boxes", "IoU");
    write_curves(out, j, &j->keypoints, "keypoints", "similarity");
    return write_pictures(out, j);
}

static rep_status write_page(const void *context, FILE *out) {
    const page *p = context;
    write_head(out, p);
    write_numbers(out, p->j);
    REP_TRY(judged_sections_write(out, p->j));
    fputs("</main></body></html>\n", out);
    return REP_OK;
}

rep_status judged_page_write(const char *path, const judged *j, const char *weights) {
    const page p = {.j = j, .weights = weights};
    return cli_file_write(path, write_page, &p);
}
