/* drawn_canvas.c - distance fields, and paint laid where they say. */
#include <math.h>

#include "data/drawn.h"

/* ---- fields -----------------------------------------------------------------------------------
 */

rep_rect rep_canvas_window(const rep_canvas *canvas, rep_point centre, float reach, float margin) {
    const float away = reach + margin;
    const int32_t left = rep_pixel_bound((double)(centre.x - away), canvas->width);
    const int32_t top = rep_pixel_bound((double)(centre.y - away), canvas->height);
    const int32_t right = rep_pixel_bound((double)(centre.x + away + 1), canvas->width);
    const int32_t bottom = rep_pixel_bound((double)(centre.y + away + 1), canvas->height);
    return (rep_rect){left, top, right - left, bottom - top};
}

/* The middle of a field's pixel. */
static rep_point middle_of(const rep_field *field, int32_t x, int32_t y) {
    return (rep_point){(float)(field->window.left + x) + 0.5f,
                       (float)(field->window.top + y) + 0.5f};
}

/* Distance to the nearest edge. */
static float edge_distance(const rep_outline *o, rep_point p) {
    float nearest2 = 1e9f;
    for (size_t i = 0, j = o->count - 1; i < o->count; j = i++) {
        const float d2 = rep_segment_distance2(p, o->vertices[i], o->vertices[j]);
        if (d2 < nearest2) { nearest2 = d2; }
    }
    return sqrtf(nearest2);
}

void rep_field_outline(rep_field *out, const rep_outline *outline) {
    /* Far from the shape only "outside" matters: the distance to its circle is cheaper. */
    const float reach = outline->reach, margin = 4;
    float *distance = out->distance;
    for (int32_t y = 0; y < out->window.height; y++) {
        rep_crossings crossings;
        rep_outline_cross(&crossings, outline, middle_of(out, 0, y).y);
        for (int32_t x = 0; x < out->window.width; x++) {
            const rep_point p = middle_of(out, x, y);
            const float dx = p.x - outline->centre.x, dy = p.y - outline->centre.y;
            const float away2 = dx * dx + dy * dy;
            if (away2 > (reach + margin) * (reach + margin)) {
                *distance++ = sqrtf(away2) - reach;
                continue;
            }
            const float away = edge_distance(outline, p);
            *distance++ = rep_crossings_hold(&crossings, p.x) ? -away : away;
        }
    }
}

void rep_field_stroke(rep_field *out, rep_point from, rep_point to, float width) {
    float *distance = out->distance;
    for (int32_t y = 0; y < out->window.height; y++) {
        for (int32_t x = 0; x < out->window.width; x++) {
            const float d2 = rep_segment_distance2(middle_of(out, x, y), from, to);
            *distance++ = sqrtf(d2) - width / 2;
        }
    }
}

/* ---- paint ------------------------------------------------------------------------------------
 */

static rep_colour *pixel_of(const rep_canvas *canvas, const rep_rect *window, int32_t x,
                            int32_t y) {
    return &canvas->pixels[(window->top + y) * canvas->width + window->left + x];
}

/* The colour at a place of a window: half way at its middle. */
static rep_colour blend(const rep_rect *window, int32_t column, int32_t row, rep_colour first,
                        rep_colour second, float gx, float gy) {
    const float x = ((float)column + 0.5f) / ((float)window->width / 2) - 1;
    const float y = ((float)row + 0.5f) / ((float)window->height / 2) - 1;
    return rep_colour_mix(first, second, rep_clamp01(0.5f + gx * x + gy * y));
}

void rep_canvas_ground(rep_canvas *canvas, rep_colour first, rep_colour second, float gx,
                       float gy) {
    const rep_rect all = {0, 0, canvas->width, canvas->height};
    for (int32_t y = 0; y < all.height; y++) {
        for (int32_t x = 0; x < all.width; x++) {
            *pixel_of(canvas, &all, x, y) = blend(&all, x, y, first, second, gx, gy);
        }
    }
}

void rep_canvas_pattern(rep_canvas *canvas, rep_rng *rng, float least_px, float most_px,
                        float most_strength) {
    enum { PLAIN, STRIPES, CHECKER, TILES, KINDS };
    const uint32_t kind = rep_rng_below(rng, KINDS);
    const float period = rep_rng_between(rng, least_px, most_px);
    const float phase = rep_rng_between(rng, 0, period);
    const float strength = rep_rng_between(rng, 0.02f, most_strength);
    float cosine, sine;
    rep_turn(&cosine, &sine, rep_rng_uniform(rng));
    /* 64 periods more keep the numbers positive, so that the cast rounds down. */
    for (int32_t i = 0; i < canvas->width * canvas->height && kind != PLAIN; i++) {
        const float x = (float)(i % canvas->width), y = (float)(i / canvas->width);
        const int across = (int)((cosine * x + sine * y + phase) / period + 64) & 1;
        const int down = (int)((cosine * y - sine * x + phase) / period + 64) & 1;
        const int is_lit = kind == STRIPES   ? across
                           : kind == CHECKER ? across ^ down
                                             : across & down;
        const rep_colour tone = is_lit ? (rep_colour){1, 1, 1} : (rep_colour){0, 0, 0};
        canvas->pixels[i] = rep_colour_mix(canvas->pixels[i], tone, strength);
    }
}

void rep_canvas_fill(rep_canvas *canvas, const rep_field *field, rep_colour first,
                     rep_colour second, float gx, float gy, float alpha) {
    const rep_rect *window = &field->window;
    for (int32_t y = 0; y < window->height; y++) {
        for (int32_t x = 0; x < window->width; x++) {
            const float cover = rep_clamp01(0.5f - field->distance[y * window->width + x]) * alpha;
            if (cover <= 0) { continue; }
            rep_colour *pixel = pixel_of(canvas, window, x, y);
            *pixel = rep_colour_mix(*pixel, blend(window, x, y, first, second, gx, gy), cover);
        }
    }
}

void rep_canvas_outline(rep_canvas *canvas, const rep_field *field, rep_colour colour, float width,
                        float alpha) {
    const rep_rect *window = &field->window;
    for (int32_t y = 0; y < window->height; y++) {
        for (int32_t x = 0; x < window->width; x++) {
            const float away = fabsf(field->distance[y * window->width + x]) - width / 2;
            rep_colour *pixel = pixel_of(canvas, window, x, y);
            *pixel = rep_colour_mix(*pixel, colour, rep_clamp01(0.5f - away) * alpha);
        }
    }
}

void rep_canvas_shadow(rep_canvas *canvas, const rep_field *field, int dx, int dy, float blur,
                       float alpha) {
    const rep_colour black = {0, 0, 0};
    const rep_rect *window = &field->window;
    for (int32_t y = 0; y < window->height; y++) {
        for (int32_t x = 0; x < window->width; x++) {
            const int32_t u = x - dx, v = y - dy;
            if (u < 0 || u >= window->width || v < 0 || v >= window->height) { continue; }
            const float away = field->distance[v * window->width + u];
            rep_colour *pixel = pixel_of(canvas, window, x, y);
            *pixel = rep_colour_mix(*pixel, black, rep_clamp01(0.5f - away / blur) * alpha);
        }
    }
}

void rep_canvas_develop(uint8_t *pixels, const rep_canvas *canvas, rep_rng *rng, float contrast,
                        float middle, float noise) {
    const float *values = &canvas->pixels[0].r;
    for (int32_t i = 0; i < 3 * canvas->width * canvas->height; i++) {
        /* The sum of four bytes is nearly normal: mean 510, standard deviation 147.8. */
        const uint32_t word = rep_rng_next(rng);
        const int sum = (int)(word & 255) + (int)(word >> 8 & 255) + (int)(word >> 16 & 255) +
                        (int)(word >> 24);
        const float deviate = (float)(sum - 510) / 147.8f;
        const float value = 255 * (middle + contrast * (values[i] - 0.5f) + noise * deviate) + 0.5f;
        pixels[i] = value < 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
    }
}
