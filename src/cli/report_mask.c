/* report_mask.c - pictures of the multipliers M = s^2 [+ t^2 at the centre] [+ 1 on its diagonal].
 *
 * Two pictures per block: the mean of M over the input channels, a row per tap and a column per
 * output channel; and for blocks with an identity the centre tap alone, output by input channel,
 * where the diagonal stands out.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

enum { CELL_WIDTH = 216, TAP_HEIGHT = 8 }; /* on the page */

/* Dark blue over green to light yellow: monotonous in lightness, so it survives a grey print. */
static void paint(uint8_t *rgb, double share) {
    static const double stops[5][3] = {
        {26, 20, 84}, {32, 84, 146}, {34, 145, 140}, {122, 202, 92}, {253, 240, 148}};
    const double at = fmin(fmax(share, 0), 1) * 4;
    const int below = at >= 4 ? 3 : (int)at;
    const double part = at - below;
    for (int c = 0; c < 3; c++) {
        rgb[c] = (uint8_t)(stops[below][c] + part * (stops[below + 1][c] - stops[below][c]) + 0.5);
    }
}

/* width x height values as a picture whose darkest is `low` and lightest `high`. */
static void draw_values(FILE *out, const float *values, int32_t width, int32_t height, double low,
                        double high, int screen_height, const char *alt) {
    rep_image image = {.width = width, .height = height, .channels = 3};
    const size_t count = (size_t)width * (size_t)height;
    image.pixels = malloc(count * 3);
    if (!image.pixels) { return; }
    for (size_t i = 0; i < count; i++) {
        paint(image.pixels + 3 * i, ((double)values[i] - low) / (high > low ? high - low : 1));
    }
    report_image(out, &image, CELL_WIDTH, screen_height, alt);
    free(image.pixels);
}

/* A block's multiplier, stored c_out, kh, kw, c_in. c_in matters only where there is a diagonal. */
typedef struct mask {
    float *values, *means; /* means: tap by output channel */
    int32_t c_out, c_in, taps;
    double low, high, low_mean, high_mean;
} mask;

static bool make_mask(mask *m, const rep_scale_row *row, int32_t kernel) {
    *m = (mask){.c_out = row->channels,
                .c_in = row->is_triple ? row->channels : 1,
                .taps = kernel * kernel};
    const rep_shape shape = {m->c_out, m->c_in, kernel, kernel};
    m->values = malloc(rep_shape_count(shape) * sizeof *m->values);
    m->means = malloc((size_t)m->c_out * (size_t)m->taps * sizeof *m->means);
    if (!m->values || !m->means) { return false; }
    rep_scales_mask(m->values, row, shape, REP_MASK_SQUARE, false);
    m->low = m->low_mean = INFINITY;
    m->high = m->high_mean = -INFINITY;
    for (int32_t o = 0; o < m->c_out; o++) {
        for (int32_t tap = 0; tap < m->taps; tap++) {
            const float *from =
                m->values + ((size_t)o * (size_t)m->taps + (size_t)tap) * (size_t)m->c_in;
            double sum = 0;
            for (int32_t i = 0; i < m->c_in; i++) {
                sum += (double)from[i];
                m->low = fmin(m->low, (double)from[i]);
                m->high = fmax(m->high, (double)from[i]);
            }
            const double mean = sum / m->c_in;
            m->means[tap * m->c_out + o] = (float)mean;
            m->low_mean = fmin(m->low_mean, mean);
            m->high_mean = fmax(m->high_mean, mean);
        }
    }
    return true;
}

static void draw_centre(FILE *out, const mask *m) {
    float *centre = malloc((size_t)m->c_out * (size_t)m->c_in * sizeof *centre);
    if (!centre) { return; }
    for (int32_t o = 0; o < m->c_out; o++) {
        memcpy(centre + (size_t)o * (size_t)m->c_in,
               m->values + ((size_t)o * (size_t)m->taps + (size_t)(m->taps / 2)) * (size_t)m->c_in,
               (size_t)m->c_in * sizeof *centre);
    }
    draw_values(out, centre, m->c_in, m->c_out, m->low, m->high, CELL_WIDTH,
                "centre tap, output channel by input channel; the diagonal is lighter by one");
    fprintf(out, "<figcaption>centre tap, %d&times;%d, M from %.2f (dark) to %.2f</figcaption>",
            m->c_out, m->c_in, m->low, m->high);
    free(centre);
}

static void draw_block(FILE *out, const rep_scale_row *row, int32_t kernel) {
    mask m;
    if (make_mask(&m, row, kernel)) {
        fputs("<figure><h3>", out);
        report_text(out, row->name);
        fprintf(out, " <small>%s</small></h3>", row->is_triple ? "triple" : "pair");
        draw_values(out, m.means, m.c_out, m.taps, m.low_mean, m.high_mean, TAP_HEIGHT * m.taps,
                    "mean multiplier, one row per tap of the kernel, one column per output "
                    "channel; the centre row is the lightest");
        fprintf(out, "<figcaption>%d taps by %d channels, mean %.2f to %.2f</figcaption>", m.taps,
                m.c_out, m.low_mean, m.high_mean);
        if (row->is_triple) { draw_centre(out, &m); }
        fputs("</figure>\n", out);
    }
    free(m.values);
    free(m.means);
}

void report_masks(FILE *out, const rep_scales *scales, int32_t kernel) {
    fputs("<div class=\"cells\">\n", out);
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        draw_block(out, rep_scales_row(scales, i), kernel);
    }
    fputs("</div>\n", out);
}
