/* report_guess.c - what the trained net says about test pictures: examples, and a table of them
 * all.
 *
 * The examples are the first pictures of the test split, not chosen ones.
 */
#include <stdlib.h>

#include "cli/report.h"

enum { EXAMPLES = 40, PICTURE_SCALE = 3 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_base64(FILE *out, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i += 3) {
        const size_t left = count - i;
        const uint32_t word = (uint32_t)bytes[i] << 16 |
                              (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)bytes[i + 2] : 0);
        fputc(digits[word >> 18 & 63], out);
        fputc(digits[word >> 12 & 63], out);
        fputc(left > 1 ? digits[word >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[word & 63] : '=', out);
    }
}

void report_image(FILE *out, const rep_image *image, int width, int height, const char *alt) {
    uint8_t *png = NULL;
    size_t count = 0;
    if (rep_image_encode_png(&png, &count, image) != REP_OK) { return; }
    fprintf(out, "<img width=\"%d\" height=\"%d\" alt=\"", width, height);
    report_text(out, alt);
    fputs("\" src=\"data:image/png;base64,", out);
    write_base64(out, png, count);
    fputs("\">", out);
    free(png);
}

static rep_status draw_guess(FILE *out, const report *r, size_t index, rep_image *image) {
    const char *const *names = rep_dataset_info_get(r->test_set)->class_names;
    const report_guess *g = &r->guesses[index];
    int32_t label = 0;
    char alt[160];
    REP_TRY(rep_dataset_read(r->test_set, index, image->pixels, &label));
    snprintf(alt, sizeof alt, "test picture %zu, a %s", index, names[label]);
    fputs("<li>", out);
    report_image(out, image, image->width * PICTURE_SCALE, image->height * PICTURE_SCALE, alt);
    const bool is_right = g->guess == g->label;
    fprintf(out, "<span class=\"%s\">%s ", is_right ? "good" : "bad",
            is_right ? "&#10003;" : "&#10007;");
    report_text(out, names[g->guess]);
    fprintf(out, "</span> %.0f&thinsp;%%", 100 * (double)g->probability);
    if (!is_right) {
        fputs("<br><span class=\"soft\">is ", out);
        report_text(out, names[label]);
        fputs("</span>", out);
    }
    fputs("</li>\n", out);
    return REP_OK;
}

rep_status report_guesses(FILE *out, const report *r) {
    const rep_dataset_info *info = rep_dataset_info_get(r->test_set);
    rep_image image = {.width = info->width, .height = info->height, .channels = info->channels};
    image.pixels = malloc((size_t)info->width * (size_t)info->height * (size_t)info->channels);
    if (!image.pixels) { return rep_fail(REP_ERR_MEMORY, "report: out of memory"); }
    fputs("<ul class=\"guesses\">\n", out);
    rep_status status = REP_OK;
    for (size_t i = 0; i < EXAMPLES && i < r->guess_count && status == REP_OK; i++) {
        status = draw_guess(out, r, i, &image);
    }
    fputs("</ul>\n", out);
    free(image.pixels);
    return status;
}

static void confusion_head(FILE *out, const rep_dataset_info *info) {
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table of guesses\">"
          "<table class=\"confusion\"><thead><tr><th class=\"left\" scope=\"col\">is \\ said</th>",
          out);
    for (int32_t c = 0; c < info->class_count; c++) {
        fputs("<th scope=\"col\">", out);
        report_text(out, info->class_names[c]);
        fputs("</th>", out);
    }
    fputs("<th scope=\"col\">right</th></tr></thead><tbody>\n", out);
}

void report_confusion(FILE *out, const report *r) {
    const rep_dataset_info *info = rep_dataset_info_get(r->test_set);
    const int32_t classes = info->class_count;
    if (classes > REPORT_MAX_CLASSES) { return; }
    size_t table[REPORT_MAX_CLASSES][REPORT_MAX_CLASSES] = {{0}};
    for (size_t i = 0; i < r->guess_count; i++) {
        table[r->guesses[i].label][r->guesses[i].guess]++;
    }
    confusion_head(out, info);
    for (int32_t label = 0; label < classes; label++) {
        size_t total = 0;
        for (int32_t c = 0; c < classes; c++) { total += table[label][c]; }
        const double all = total ? (double)total : 1;
        fputs("<tr><th scope=\"row\">", out);
        report_text(out, info->class_names[label]);
        fputs("</th>", out);
        for (int32_t c = 0; c < classes; c++) {
            fprintf(out, "<td style=\"background:rgba(var(--tint),%.2f)\">%zu</td>",
                    0.75 * (double)table[label][c] / all, table[label][c]);
        }
        fprintf(out, "<td>%.0f&thinsp;%%</td></tr>\n", 100 * (double)table[label][label] / all);
    }
    fputs("</tbody></table></div>\n", out);
}
