/* coco_write.c - annotation sets and detections as COCO JSON, a row to a line, so that files can be
 * compared. */
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "data/annotations.h"

/* ---- values -----------------------------------------------------------------------------------
 */

static void put_text(FILE *out, const char *text) {
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(out, "\\%c", *c);
        } else if ((unsigned char)*c < 0x20) {
            fprintf(out, "\\u%04x", (unsigned)(unsigned char)*c);
        } else {
            fputc(*c, out);
        }
    }
    fputc('"', out);
}

/* The shorter text that gives the same number back, with a point whatever the locale writes. */
static void put_number(FILE *out, double value) {
    char text[40];
    (void)snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) { (void)snprintf(text, sizeof text, "%.17g", value); }
    char *point = strchr(text, localeconv()->decimal_point[0]);
    if (point) { *point = '.'; }
    fputs(text, out);
}

static void put_numbers(FILE *out, const char *key, const double *values, size_t count) {
    fprintf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) { fputc(',', out); }
        put_number(out, values[i]);
    }
    fputc(']', out);
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static void put_picture(FILE *out, const rep_picture *p) {
    fprintf(out, "{\"id\":%" PRId64 ",\"file_name\":", p->id);
    put_text(out, p->file_name);
    fprintf(out, ",\"width\":%" PRId32 ",\"height\":%" PRId32 "}", p->width, p->height);
}

static void put_object(FILE *out, const rep_annotations *set, const rep_object *o) {
    const rep_category *category = &set->categories[o->category];
    fprintf(out,
            "{\"id\":%" PRId64 ",\"image_id\":%" PRId64 ",\"category_id\":%" PRId64
            ",\"iscrowd\":%d",
            o->id, set->pictures[o->picture].id, category->id, o->is_crowd ? 1 : 0);
    put_numbers(out, "bbox", (const double[]){o->x, o->y, o->w, o->h}, 4);
    fputs(",\"area\":", out);
    put_number(out, o->area);
    if (category->keypoint_count > 0) {
        fprintf(out, ",\"num_keypoints\":%" PRId32, o->keypoints_given);
    }
    if (o->keypoints) {
        put_numbers(out, "keypoints", o->keypoints, 3 * (size_t)category->keypoint_count);
    }
    fputc('}', out);
}

static void put_category(FILE *out, const rep_category *c) {
    fprintf(out, "{\"id\":%" PRId64 ",\"name\":", c->id);
    put_text(out, c->name);
    if (c->keypoint_count > 0) {
        fputs(",\"keypoints\":[", out);
        for (int32_t i = 0; i < c->keypoint_count; i++) {
            if (i > 0) { fputc(',', out); }
            put_text(out, c->keypoint_names[i]);
        }
        /* The file counts keypoints from 1. */
        fputs("],\"skeleton\":[", out);
        for (int32_t i = 0; i < c->limb_count; i++) {
            fprintf(out, "%s[%" PRId32 ",%" PRId32 "]", i > 0 ? "," : "", c->limbs[i][0] + 1,
                    c->limbs[i][1] + 1);
        }
        fputc(']', out);
        if (c->sigmas) { put_numbers(out, "sigmas", c->sigmas, (size_t)c->keypoint_count); }
    }
    fputc('}', out);
}

typedef struct results {
    const rep_annotations *truth;
    const rep_detection *detections;
    size_t count;
    rep_coco_kind kind;
} results;

static int32_t point_count_of(const results *r, const rep_detection *d) {
    return d->keypoints ? r->truth->categories[d->category].keypoint_count : 0;
}

static void put_detection(FILE *out, const results *r, const rep_detection *d) {
    fprintf(out, "{\"image_id\":%" PRId64 ",\"category_id\":%" PRId64,
            r->truth->pictures[d->picture].id, r->truth->categories[d->category].id);
    if (r->kind == REP_COCO_BOX) {
        put_numbers(out, "bbox", (const double[]){d->x, d->y, d->w, d->h}, 4);
    } else {
        const int32_t points = point_count_of(r, d);
        fputs(",\"keypoints\":[", out);
        for (int32_t k = 0; k < 2 * points; k++) {
            put_number(out, d->keypoints[k]);
            fputs(k + 1 == 2 * points ? ",1" : k % 2 ? ",1," : ",", out);
        }
        fputc(']', out);
    }
    fputs(",\"score\":", out);
    put_number(out, d->score);
    fputc('}', out);
}

/* ---- the files --------------------------------------------------------------------------------
 */

static rep_status write_set(void *context, FILE *out) {
    const rep_annotations *set = context;
    fputs("{\"info\":{\"description\":", out);
    put_text(out, set->source);
    fputs("},\n\"images\":[", out);
    for (size_t i = 0; i < set->picture_count; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        put_picture(out, &set->pictures[i]);
    }
    fputs("],\n\"annotations\":[", out);
    for (size_t i = 0; i < set->object_count; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        put_object(out, set, &set->objects[i]);
    }
    fputs("],\n\"categories\":[", out);
    for (size_t i = 0; i < set->category_count; i++) {
        fputs(i > 0 ? ",\n" : "\n", out);
        put_category(out, &set->categories[i]);
    }
    fputs("]}\n", out);
    return REP_OK;
}

rep_status rep_annotations_save_coco(const char *path, const rep_annotations *annotations) {
    /* Read only: the context of a writer is not const. */
    return rep_file_replace(path, write_set, (void *)(uintptr_t)annotations);
}

static rep_status write_results(void *context, FILE *out) {
    const results *r = context;
    const char *between = "\n";
    fputc('[', out);
    for (size_t i = 0; i < r->count; i++) {
        const rep_detection *d = &r->detections[i];
        if (r->kind == REP_COCO_KEYPOINT && point_count_of(r, d) == 0) { continue; }
        fputs(between, out);
        put_detection(out, r, d);
        between = ",\n";
    }
    fputs("]\n", out);
    return REP_OK;
}

rep_status rep_detections_save_coco(const char *path, const rep_annotations *truth,
                                    const rep_detection *detections, size_t count,
                                    rep_coco_kind kind) {
    results r = {.truth = truth, .detections = detections, .count = count, .kind = kind};
    return rep_file_replace(path, write_results, &r);
}
