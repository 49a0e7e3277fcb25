/* categories.c - what a detector tells apart, as JSON in its checkpoint's metadata, and back.
 *
 * A list of {"id", "name", "keypoints", "flip", "sigmas", "skeleton"}, in the order of the net's
 * classes; places of keypoints are counted from 0. Only id and name are always there. What is read
 * comes from a file that anybody may have written: everything is checked before it is used.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/detect.h"

enum {
    MOST_CATEGORIES = 10000,
    MOST_POINTS = 1000,
    MOST_LIMBS = 10000,
    MOST_NAME_BYTES = 1000,
    MOST_TEXT_BYTES = 1 << 24
};
/* Whole numbers up to here are doubles; larger ids are written as text. */
static const int64_t most_exact = INT64_C(1) << 53;

/* ---- writing ----------------------------------------------------------------------------------
 */

/* cJSON hands back NULL where memory ends; `is_whole` remembers it. */
typedef struct writer {
    bool is_whole;
} writer;

static void add(writer *w, cJSON *to, const char *key, cJSON *item) {
    const bool is_added = item != NULL && (key ? cJSON_AddItemToObject(to, key, item)
                                               : cJSON_AddItemToArray(to, item));
    if (!is_added) {
        cJSON_Delete(item);
        w->is_whole = false;
    }
}

static cJSON *id_of(int64_t id) {
    if (id >= -most_exact && id <= most_exact) { return cJSON_CreateNumber((double)id); }
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64, id);
    return cJSON_CreateString(text);
}

static cJSON *limbs_of(writer *w, const rep_category *c) {
    cJSON *list = cJSON_CreateArray();
    for (int32_t i = 0; i < c->limb_count; i++) {
        const int pair[2] = {c->limbs[i][0], c->limbs[i][1]};
        add(w, list, NULL, cJSON_CreateIntArray(pair, 2));
    }
    return list;
}

static cJSON *category_of(writer *w, const rep_category *c) {
    cJSON *item = cJSON_CreateObject();
    add(w, item, "id", id_of(c->id));
    add(w, item, "name", cJSON_CreateString(c->name));
    if (c->keypoint_count == 0) { return item; }
    add(w, item, "keypoints", cJSON_CreateStringArray(c->keypoint_names, c->keypoint_count));
    if (c->flip != NULL) { add(w, item, "flip", cJSON_CreateIntArray(c->flip, c->keypoint_count)); }
    if (c->sigmas != NULL) {
        add(w, item, "sigmas", cJSON_CreateDoubleArray(c->sigmas, c->keypoint_count));
    }
    if (c->limb_count > 0) { add(w, item, "skeleton", limbs_of(w, c)); }
    return item;
}

rep_status rep_categories_write(char **out, const rep_category *categories, size_t count) {
    writer w = {.is_whole = true};
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < count && list != NULL; i++) {
        add(&w, list, NULL, category_of(&w, &categories[i]));
    }
    char *text = list != NULL && w.is_whole ? cJSON_PrintUnformatted(list) : NULL;
    cJSON_Delete(list);
    if (text == NULL) {
        return rep_fail(REP_ERR_MEMORY, "checkpoint: no memory for %zu categories", count);
    }
    *out = text;
    return REP_OK;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

typedef struct reader {
    const char *name; /* of the file */
    rep_arena *arena;
    size_t number; /* of the category, 1 first */
} reader;

static rep_status fail_part(const reader *r, const char *part, const char *wanted) {
    return rep_fail(REP_ERR_DATA,
                    "%s: metadata \"categories\": category %zu: \"%s\" is missing or wrong, wanted "
                    "%s; take a checkpoint that repopt train wrote",
                    r->name, r->number, part, wanted);
}

static rep_status fail_memory(const reader *r) {
    return rep_fail(REP_ERR_MEMORY, "%s: no memory for its categories", r->name);
}

/* A list of at least `least` and at most `most` items. */
static bool is_list(const cJSON *list, int least, int most, int *count) {
    *count = cJSON_GetArraySize(list);
    return cJSON_IsArray(list) && *count >= least && *count <= most;
}

static bool is_name(const cJSON *text) {
    return cJSON_IsString(text) && text->valuestring[0] != '\0' &&
           strlen(text->valuestring) <= MOST_NAME_BYTES;
}

/* A whole number from 0 to below `count`. */
static bool read_place(int32_t *out, const cJSON *number, int32_t count) {
    if (!cJSON_IsNumber(number)) { return false; }
    const double value = number->valuedouble;
    if (!(value >= 0 && value < count) || value != floor(value)) { return false; }
    *out = (int32_t)value;
    return true;
}

static rep_status read_id(int64_t *out, const reader *r, const cJSON *item) {
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(item, "id");
    if (cJSON_IsString(id) && rep_text_whole(out, id->valuestring)) { return REP_OK; }
    const double value = cJSON_IsNumber(id) ? id->valuedouble : (double)NAN;
    if (!(fabs(value) <= (double)most_exact) || value != floor(value)) {
        return fail_part(r, "id", "a whole number");
    }
    *out = (int64_t)value;
    return REP_OK;
}

static rep_status read_points(rep_category *c, const reader *r, const cJSON *names) {
    int count = 0;
    if (!is_list(names, 0, MOST_POINTS, &count)) {
        return fail_part(r, "keypoints", "at most 1000 names");
    }
    const char **copies = rep_arena_alloc(r->arena, ((size_t)count + 1) * sizeof *copies);
    if (copies == NULL) { return fail_memory(r); }
    const cJSON *name = NULL;
    int i = 0;
    cJSON_ArrayForEach(name, names) {
        if (!is_name(name)) { return fail_part(r, "keypoints", "a name of up to 1000 bytes each"); }
        copies[i] = rep_arena_strdup(r->arena, name->valuestring);
        if (copies[i++] == NULL) { return fail_memory(r); }
    }
    c->keypoint_count = count;
    c->keypoint_names = copies;
    return REP_OK;
}

/* Without the list every keypoint keeps its place. */
static rep_status read_flip(rep_category *c, const reader *r, const cJSON *list) {
    const int32_t points = c->keypoint_count;
    int count = 0;
    int32_t *flip = rep_arena_alloc(r->arena, ((size_t)points + 1) * sizeof *flip);
    if (flip == NULL) { return fail_memory(r); }
    for (int32_t i = 0; i < points; i++) { flip[i] = i; }
    c->flip = flip;
    if (list == NULL) { return REP_OK; }
    const cJSON *place = NULL;
    bool is_good = is_list(list, points, points, &count);
    int32_t i = 0;
    cJSON_ArrayForEach(place, list) {
        if (is_good) { is_good = read_place(&flip[i++], place, points); }
    }
    return is_good ? REP_OK : fail_part(r, "flip", "a keypoint's place, from 0 on, per keypoint");
}

static rep_status read_sigmas(rep_category *c, const reader *r, const cJSON *list) {
    if (list == NULL) { return REP_OK; }
    const int32_t points = c->keypoint_count;
    int count = 0;
    double *sigmas = rep_arena_alloc(r->arena, ((size_t)points + 1) * sizeof *sigmas);
    if (sigmas == NULL) { return fail_memory(r); }
    const cJSON *sigma = NULL;
    bool is_good = is_list(list, points, points, &count);
    int32_t i = 0;
    cJSON_ArrayForEach(sigma, list) {
        if (!is_good) { break; }
        is_good = cJSON_IsNumber(sigma) && sigma->valuedouble > 0 && isfinite(sigma->valuedouble);
        sigmas[i++] = sigma->valuedouble;
    }
    c->sigmas = sigmas;
    return is_good ? REP_OK : fail_part(r, "sigmas", "a number above 0 per keypoint");
}

static rep_status read_limbs(rep_category *c, const reader *r, const cJSON *list) {
    if (list == NULL) { return REP_OK; }
    int count = 0, sides = 0;
    bool is_good = is_list(list, 0, MOST_LIMBS, &count);
    int32_t(*limbs)[2] = NULL;
    if (is_good) { limbs = rep_arena_alloc(r->arena, ((size_t)count + 1) * sizeof *limbs); }
    if (is_good && limbs == NULL) { return fail_memory(r); }
    const cJSON *pair = NULL;
    int32_t i = 0;
    cJSON_ArrayForEach(pair, list) {
        if (!is_good) { break; }
        is_good = is_list(pair, 2, 2, &sides) &&
                  read_place(&limbs[i][0], cJSON_GetArrayItem(pair, 0), c->keypoint_count) &&
                  read_place(&limbs[i][1], cJSON_GetArrayItem(pair, 1), c->keypoint_count);
        i++;
    }
    c->limbs = (const int32_t(*)[2])limbs;
    c->limb_count = count;
    return is_good ? REP_OK : fail_part(r, "skeleton", "pairs of keypoints' places, from 0 on");
}

static rep_status read_category(rep_category *out, const reader *r, const cJSON *item) {
    rep_category c = {0};
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "name");
    const cJSON *points = cJSON_GetObjectItemCaseSensitive(item, "keypoints");
    REP_TRY(read_id(&c.id, r, item));
    if (!is_name(name)) { return fail_part(r, "name", "a text of up to 1000 bytes"); }
    c.name = rep_arena_strdup(r->arena, name->valuestring);
    if (c.name == NULL) { return fail_memory(r); }
    if (points != NULL) {
        REP_TRY(read_points(&c, r, points));
        REP_TRY(read_flip(&c, r, cJSON_GetObjectItemCaseSensitive(item, "flip")));
        REP_TRY(read_sigmas(&c, r, cJSON_GetObjectItemCaseSensitive(item, "sigmas")));
        REP_TRY(read_limbs(&c, r, cJSON_GetObjectItemCaseSensitive(item, "skeleton")));
    }
    *out = c;
    return REP_OK;
}

static rep_status read_all(rep_category_list *out, const char *name, const cJSON *list) {
    int count = 0;
    if (!is_list(list, 1, MOST_CATEGORIES, &count)) {
        return rep_fail(REP_ERR_DATA,
                        "%s: metadata \"categories\" is no JSON list of 1 to %d categories; take a "
                        "checkpoint that repopt train wrote",
                        name, MOST_CATEGORIES);
    }
    reader r = {.name = name, .arena = &out->arena};
    rep_category *items = rep_arena_alloc(r.arena, (size_t)count * sizeof *items);
    if (items == NULL) { return fail_memory(&r); }
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list) {
        rep_category *c = &items[r.number++];
        REP_TRY(read_category(c, &r, item));
        /* The net's classes stand in this order, and sets of pictures sort by it. */
        if (r.number > 1 && c->id <= c[-1].id) {
            return fail_part(&r, "id", "more than the category's before");
        }
    }
    out->items = items;
    out->count = (size_t)count;
    return REP_OK;
}

rep_status rep_categories_read(rep_category_list *out, const char *name, const char *text) {
    if (text == NULL) {
        return rep_fail(REP_ERR_DATA,
                        "%s: metadata \"categories\" is missing, so that nobody knows what the net "
                        "finds; take a checkpoint that repopt train wrote",
                        name);
    }
    rep_category_list list = {0};
    cJSON *json = strlen(text) <= MOST_TEXT_BYTES ? cJSON_Parse(text) : NULL;
    const rep_status status = read_all(&list, name, json);
    cJSON_Delete(json);
    if (status != REP_OK) {
        rep_category_list_clear(&list);
        return status;
    }
    *out = list;
    return REP_OK;
}

void rep_category_list_clear(rep_category_list *list) {
    rep_arena_clear(&list->arena);
    *list = (rep_category_list){0};
}
