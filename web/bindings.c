/* bindings.c - the engine's exports that belong to no lesson: errors, handles, files, scales. */
#include <stdlib.h>

#include "web.h"

/* ---- errors and facts ---------------------------------------------------------------------------
 */

WEB_EXPORT const char *web_error(void) { return rep_last_error(); }
WEB_EXPORT const char *web_error_code(void) { return rep_status_name(rep_last_status()); }
WEB_EXPORT const char *web_version(void) { return REP_VERSION; }

static int threads = 1;
int web_threads(void) { return threads; }
WEB_EXPORT void web_set_threads(int count) { threads = count > 1 ? count : 1; }

rep_status web_device(rep_device **out) {
    static rep_device *device;
    if (device == NULL) { REP_TRY(rep_device_open(&device, "cpu:baseline", 1)); }
    *out = device;
    return REP_OK;
}

/* ---- handles ------------------------------------------------------------------------------------
 */

typedef struct slot {
    void *object; /* NULL: free */
    void (*destroy)(void *object);
    web_kind kind;
} slot;

static slot *slots;
static int slot_count;
static const char *const kind_names[] = {"block", "pair of nets", "trainer"};

/* A free slot, or a new one; -1 without memory. */
static int find_slot(void) {
    for (int i = 0; i < slot_count; i++) {
        if (slots[i].object == NULL) { return i; }
    }
    slot *grown = realloc(slots, ((size_t)slot_count + 1) * sizeof *grown);
    if (grown == NULL) { return -1; }
    slots = grown;
    return slot_count++;
}

int web_handle_add(web_kind kind, void *object, void (*destroy)(void *object)) {
    const int i = find_slot();
    if (i < 0) {
        destroy(object);
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for its handle", kind_names[kind]);
    }
    slots[i] = (slot){object, destroy, kind};
    return i + 1;
}

void *web_handle_get(web_kind kind, int handle) {
    const bool is_there = handle >= 1 && handle <= slot_count && slots[handle - 1].object != NULL &&
                          slots[handle - 1].kind == kind;
    if (is_there) { return slots[handle - 1].object; }
    (void)!rep_fail(REP_ERR_ARGUMENT, "there is no %s %d; it was ended, or never made",
                    kind_names[kind], handle);
    return NULL;
}

/* Ends what a handle stands for; one that stands for nothing is fine. */
WEB_EXPORT void web_destroy(int handle) {
    if (handle < 1 || handle > slot_count || slots[handle - 1].object == NULL) { return; }
    slots[handle - 1].destroy(slots[handle - 1].object);
    slots[handle - 1].object = NULL;
}

/* ---- text ---------------------------------------------------------------------------------------
 */

char *web_text(cJSON *json) {
    char *text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    if (text == NULL) { (void)!rep_fail(REP_ERR_MEMORY, "no memory for a result"); }
    return text;
}

static void add_floats(cJSON *object, const char *key, const float *values, int32_t count) {
    cJSON_AddItemToObject(
        object, key, values != NULL ? cJSON_CreateFloatArray(values, count) : cJSON_CreateNull());
}

cJSON *web_scale_row(const rep_scale_row *row) {
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "name", row->name);
    add_floats(out, "s", row->s, row->channels);
    add_floats(out, "t", row->t, row->channels);
    add_floats(out, "u", row->is_triple ? row->u : NULL, row->channels);
    return out;
}

/* The scales of a checkpoint, as a list of rows. */
WEB_EXPORT char *web_scales_inspect(const char *path) {
    rep_scales *scales = NULL;
    if (rep_scales_load(&scales, path) != REP_OK) { return NULL; }
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        cJSON_AddItemToArray(list, web_scale_row(rep_scales_row(scales, i)));
    }
    rep_scales_destroy(scales);
    return web_text(list);
}
