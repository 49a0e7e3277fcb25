/* fcos_targets.c - which location of which level learns which object, and what it is to say. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/data.h"

static rep_status check(const rep_fcos_spec *spec, const rep_fcos_truth *truth) {
    REP_TRY(rep_fcos_levels_check(spec->levels, spec->level_count));
    for (size_t i = 0; i < truth->count; i++) {
        const float *b = truth->boxes + 4 * i;
        if (truth->labels[i] < 1) {
            return rep_fail(REP_ERR_ARGUMENT, "box %zu: label %" PRId32 ", wanted 1 or more", i,
                            truth->labels[i]);
        }
        if (!isfinite(b[0]) || !isfinite(b[1]) || !isfinite(b[2]) || !isfinite(b[3])) {
            return rep_fail(REP_ERR_NUMERIC, "box %zu: %g %g %g %g, wanted finite numbers", i,
                            (double)b[0], (double)b[1], (double)b[2], (double)b[3]);
        }
    }
    return REP_OK;
}

static void distances_to(float out[4], const float box[4], const float place[2]) {
    out[0] = place[0] - box[0];
    out[1] = place[1] - box[1];
    out[2] = box[2] - place[0];
    out[3] = box[3] - place[1];
}

static float least_of(const float d[4]) { return fminf(fminf(d[0], d[1]), fminf(d[2], d[3])); }
static float most_of(const float d[4]) { return fmaxf(fmaxf(d[0], d[1]), fmaxf(d[2], d[3])); }

/* The part of a box round its centre that centre sampling leaves. */
static void centre_of(float out[4], const float box[4], float reach) {
    const float x = (box[0] + box[2]) / 2, y = (box[1] + box[3]) / 2;
    out[0] = fmaxf(x - reach, box[0]);
    out[1] = fmaxf(y - reach, box[1]);
    out[2] = fminf(x + reach, box[2]);
    out[3] = fminf(y + reach, box[3]);
}

/* Index of the object that a location learns, or -1. */
static int32_t choose(const rep_fcos_spec *spec, const rep_fcos_level *level,
                      const rep_fcos_truth *truth, const float place[2]) {
    int32_t best = -1;
    float best_area = 0;
    for (size_t i = 0; i < truth->count; i++) {
        const float *box = truth->boxes + 4 * i;
        float whole[4], part[4], inner[4];
        distances_to(whole, box, place);
        const float most = most_of(whole);
        if (!(most >= level->least && most <= level->most)) { continue; }
        if (spec->radius > 0) {
            centre_of(part, box, (float)level->stride * spec->radius);
            distances_to(inner, part, place);
        } else {
            memcpy(inner, whole, sizeof inner);
        }
        if (!(least_of(inner) > 0)) { continue; }
        const float area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1);
        if (best < 0 || area < best_area) {
            best = (int32_t)i;
            best_area = area;
        }
    }
    return best;
}

/* In double and rounded once: the nearest float whatever the order of the operations. */
static float centerness_of(const float d[4]) {
    const double across = (double)fminf(d[0], d[2]) / (double)fmaxf(d[0], d[2]);
    const double down = (double)fminf(d[1], d[3]) / (double)fmaxf(d[1], d[3]);
    return (float)sqrt(across * down);
}

/* The targets of location `at`, which belongs to object `index`. */
static void write_object(const rep_fcos_targets *out, size_t at, const rep_fcos_spec *spec,
                         const rep_fcos_truth *truth, size_t index, float stride,
                         const float place[2]) {
    const size_t k = (size_t)spec->keypoint_count;
    float d[4];
    distances_to(d, truth->boxes + 4 * index, place);
    for (size_t i = 0; i < 4 && spec->is_normalised; i++) { d[i] /= stride; }
    if (out->distances) { memcpy(out->distances + 4 * at, d, sizeof d); }
    if (out->centerness) { out->centerness[at] = centerness_of(d); }
    for (size_t i = 0; i < k && truth->keypoints; i++) {
        const float *point = truth->keypoints + 3 * (index * k + i);
        if (!(point[2] > 0)) { continue; }
        if (out->keypoints) {
            out->keypoints[2 * (at * k + i)] = (point[0] - place[0]) / stride;
            out->keypoints[2 * (at * k + i) + 1] = (point[1] - place[1]) / stride;
        }
        if (out->keypoint_mask) { out->keypoint_mask[at * k + i] = 1; }
    }
}

static void clear(const rep_fcos_targets *out, size_t count, size_t keypoint_count) {
    if (out->distances) { memset(out->distances, 0, 4 * count * sizeof *out->distances); }
    if (out->centerness) { memset(out->centerness, 0, count * sizeof *out->centerness); }
    if (out->keypoints) {
        memset(out->keypoints, 0, 2 * count * keypoint_count * sizeof *out->keypoints);
    }
    if (out->keypoint_mask) { memset(out->keypoint_mask, 0, count * keypoint_count); }
}

rep_status rep_fcos_assign(const rep_fcos_targets *out, const rep_fcos_spec *spec,
                           const rep_fcos_truth *truth) {
    REP_TRY(check(spec, truth));
    clear(out, rep_fcos_location_count(spec->levels, spec->level_count),
          (size_t)spec->keypoint_count);
    size_t at = 0;
    for (size_t l = 0; l < spec->level_count; l++) {
        const rep_fcos_level *level = &spec->levels[l];
        const size_t cells = rep_fcos_location_count(level, 1);
        for (size_t p = 0; p < cells; p++, at++) {
            float place[2];
            rep_fcos_place(place, level, p);
            const int32_t index = choose(spec, level, truth, place);
            out->labels[at] = index < 0 ? 0 : truth->labels[index];
            if (out->objects) { out->objects[at] = index; }
            if (index < 0) { continue; }
            write_object(out, at, spec, truth, (size_t)index, (float)level->stride, place);
        }
    }
    return REP_OK;
}
