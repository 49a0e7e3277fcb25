/* drawn_colour.c - the colours that the drawn data sets are painted with, and how they are drawn by
 * lot. */
#include <math.h>

#include "data/drawn.h"

/* One channel of a colour: a trapezoid over the hue, which peaks at `peak` sixths. */
static float hue_channel(float hue, float peak) {
    float away = 6 * hue - peak;
    away -= 6 * floorf(away / 6);
    if (away > 3) { away = 6 - away; }
    return rep_clamp01(2 - away);
}

rep_colour rep_colour_hsv(float hue, float saturation, float value) {
    const float least = value * (1 - saturation), range = value * saturation;
    return (rep_colour){least + range * hue_channel(hue, 0), least + range * hue_channel(hue, 2),
                        least + range * hue_channel(hue, 4)};
}

rep_colour rep_colour_mix(rep_colour a, rep_colour b, float share_of_b) {
    return (rep_colour){a.r + (b.r - a.r) * share_of_b, a.g + (b.g - a.g) * share_of_b,
                        a.b + (b.b - a.b) * share_of_b};
}

float rep_colour_lightness(rep_colour c) { return 0.3f * c.r + 0.59f * c.g + 0.11f * c.b; }

float rep_rng_between(rep_rng *rng, float least, float most) {
    return least + (most - least) * rep_rng_uniform(rng);
}

rep_colour rep_colour_any(rep_rng *rng) {
    const float hue = rep_rng_uniform(rng);
    const float saturation = rep_rng_between(rng, 0.25f, 0.9f);
    const float value = rep_rng_between(rng, 0.2f, 1);
    return rep_colour_hsv(hue, saturation, value);
}

rep_colour rep_colour_vary(rep_rng *rng, rep_colour colour, float least, float most) {
    const rep_colour other = rep_colour_any(rng);
    const float share = rep_rng_between(rng, least, most);
    return rep_colour_mix(colour, other, share);
}

rep_colour rep_colour_against(rep_rng *rng, rep_colour ground, float wanted) {
    rep_colour best = ground;
    float best_miss = 9;
    for (int i = 0; i < 6; i++) {
        const rep_colour c = rep_colour_any(rng);
        const float difference = rep_colour_lightness(c) - rep_colour_lightness(ground);
        const float found = difference < 0 ? -difference : difference;
        const float miss = found < wanted ? 3 * (wanted - found) : found - wanted;
        if (miss < best_miss) {
            best_miss = miss;
            best = c;
        }
    }
    return best;
}
