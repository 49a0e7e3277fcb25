/* fcos_decode.c - from a head's outputs to boxes: scores, the best of each level, suppression.
 *
 * Candidates are walked in the order of falling score, so that those kept so far are the best, and
 * the walk ends when there are enough. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "nn/nn.h"

typedef struct candidate {
    float score;       /* class times centerness, later its square root */
    uint32_t location; /* within its level */
    int32_t level, class_index;
} candidate;

typedef struct candidate_list {
    candidate *items;
    size_t count, room;
} candidate_list;

static float sigmoid(float x) { return 1 / (1 + (float)rep_exact_exp(-(double)x)); }

/* ---- candidates ------------------------------------------------------------------------------
 */

/* Falling score, then the order in which they were collected. */
static int by_score(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    if (a->score != b->score) { return a->score > b->score ? -1 : 1; }
    if (a->level != b->level) { return a->level < b->level ? -1 : 1; }
    if (a->location != b->location) { return a->location < b->location ? -1 : 1; }
    return a->class_index < b->class_index ? -1 : 1;
}

static rep_status push(candidate_list *list, const candidate *item) {
    candidate *grown = rep_array_grow(list->items, list->count, &list->room, sizeof *grown);
    if (!grown) { return rep_fail(REP_ERR_MEMORY, "no memory for %zu candidates", list->count); }
    list->items = grown;
    list->items[list->count++] = *item;
    return REP_OK;
}

/* Leaves the best level_most behind `first`; returns the least score among them, or -1 where there
 * are fewer. */
static float trim(candidate_list *list, size_t first, size_t level_most) {
    if (list->count - first < level_most) { return -1; }
    qsort(list->items + first, list->count - first, sizeof *list->items, by_score);
    list->count = first + level_most;
    return list->items[list->count - 1].score;
}

/* Appends the candidates of one level, no more than level_most. An untrained net has one for every
 * class everywhere, so that the list is trimmed as it grows. */
static rep_status collect(candidate_list *list, const rep_fcos_decoder *decoder, size_t index,
                          const rep_fcos_output *in) {
    const rep_fcos_level *level = &decoder->levels[index];
    const size_t first = list->count, cells = rep_fcos_location_count(level, 1);
    float least = -1; /* what a candidate must exceed to be among the best so far */
    for (size_t p = 0; p < cells; p++) {
        const float centerness = sigmoid(in->centerness[p * in->centerness_pitch]);
        for (int32_t c = 0; c < decoder->class_count; c++) {
            const float own = sigmoid(in->logits[p * in->logit_pitch + (size_t)c]);
            const candidate found = {own * centerness, (uint32_t)p, (int32_t)index, c};
            /* Also false where one of them is not a number, which could not be sorted. */
            if (!(own > decoder->score_threshold && found.score > least)) { continue; }
            REP_TRY(push(list, &found));
            if ((list->count - first) / 2 == decoder->level_most) {
                least = trim(list, first, decoder->level_most);
            }
        }
    }
    (void)trim(list, first, decoder->level_most);
    for (size_t i = first; i < list->count; i++) {
        list->items[i].score = sqrtf(list->items[i].score);
    }
    return REP_OK;
}

/* ---- boxes -----------------------------------------------------------------------------------
 */

/* fmaxf gives the bound for what is not a number. */
static float cut(float value, float most) { return fminf(fmaxf(value, 0), most); }

static rep_fcos_found box_of(const candidate *c, const rep_fcos_decoder *decoder,
                             const rep_fcos_output *outputs, int32_t width, int32_t height) {
    const rep_fcos_output *in = &outputs[c->level];
    const float *d = in->distances + c->location * in->distance_pitch;
    const float right = (float)(width - 1), bottom = (float)(height - 1);
    float place[2];
    rep_fcos_place(place, &decoder->levels[c->level], c->location);
    return (rep_fcos_found){.x1 = cut(place[0] - d[0], right),
                            .y1 = cut(place[1] - d[1], bottom),
                            .x2 = cut(place[0] + d[2], right),
                            .y2 = cut(place[1] + d[3], bottom),
                            .score = c->score,
                            .label = c->class_index + 1};
}

static void write_keypoints(float *out, const candidate *c, const rep_fcos_decoder *decoder,
                            const rep_fcos_output *outputs) {
    const rep_fcos_output *in = &outputs[c->level];
    const rep_fcos_level *level = &decoder->levels[c->level];
    const float *offsets = in->keypoints + c->location * in->keypoint_pitch;
    float place[2];
    rep_fcos_place(place, level, c->location);
    for (int32_t i = 0; i < 2 * decoder->keypoint_count; i++) {
        out[i] = place[i % 2] + offsets[i] * (float)level->stride;
    }
}

static float overlap(const rep_fcos_found *a, const rep_fcos_found *b, float more) {
    const float w = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1) + more;
    const float h = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1) + more;
    if (!(w > 0 && h > 0)) { return 0; }
    const float area_a = (a->x2 - a->x1 + more) * (a->y2 - a->y1 + more);
    const float area_b = (b->x2 - b->x1 + more) * (b->y2 - b->y1 + more);
    return w * h / (area_a + area_b - w * h);
}

static bool is_suppressed(const rep_fcos_found *box, const rep_fcos_found *kept, size_t count,
                          const rep_fcos_decoder *decoder) {
    const float more = decoder->is_iou_plain ? 0 : 1;
    for (size_t i = 0; i < count; i++) {
        if (kept[i].label == box->label && overlap(&kept[i], box, more) > decoder->nms_threshold) {
            return true;
        }
    }
    return false;
}

/* ---- all of it -------------------------------------------------------------------------------
 */

static rep_status check(const rep_fcos_decoder *decoder, int32_t width, int32_t height) {
    if (width < 1 || height < 1 || decoder->class_count < 1 || decoder->keypoint_count < 0) {
        return rep_fail(REP_ERR_ARGUMENT,
                        "decoding %" PRId32 " classes and %" PRId32 " keypoints in %" PRId32
                        " x %" PRId32 " pixels, wanted at least 1, 0 and 1 x 1",
                        decoder->class_count, decoder->keypoint_count, width, height);
    }
    if (decoder->level_most < 1) {
        return rep_fail(REP_ERR_ARGUMENT, "decoding 0 candidates of a level, wanted at least 1");
    }
    return rep_fcos_levels_check(decoder->levels, decoder->level_count);
}

rep_status rep_fcos_decode(rep_fcos_found *out, float *keypoints, size_t *count,
                           const rep_fcos_decoder *decoder, const rep_fcos_output *outputs,
                           int32_t width, int32_t height) {
    REP_TRY(check(decoder, width, height));
    candidate_list list = {0};
    rep_status status = REP_OK;
    for (size_t i = 0; status == REP_OK && i < decoder->level_count; i++) {
        status = collect(&list, decoder, i, &outputs[i]);
    }
    if (status == REP_OK) {
        size_t kept = 0;
        if (list.count) { qsort(list.items, list.count, sizeof *list.items, by_score); }
        for (size_t i = 0; i < list.count && kept < decoder->most; i++) {
            const candidate *c = &list.items[i];
            const rep_fcos_found box = box_of(c, decoder, outputs, width, height);
            if (is_suppressed(&box, out, kept, decoder)) { continue; }
            if (keypoints && outputs[c->level].keypoints) {
                float *points = keypoints + 2 * kept * (size_t)decoder->keypoint_count;
                write_keypoints(points, c, decoder, outputs);
            }
            out[kept++] = box;
        }
        *count = kept;
    }
    free(list.items);
    return status;
}
