/* keep.c - writes one dispatch into a folder: dispatch.json, the SPIR-V of each pass and the raw
 * little-endian bytes of each binding (docs/shaders.md, Failures and replay). kept.c reads it.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "check/run.h"
#include "repopt/version.h"

typedef struct keeper {
    const char *folder;
    const rep_rig *rig;
    const double *got, *expected;
    rep_dispatch dispatch;
    rep_status status; /* the first failure; nothing is written behind it */
} keeper;

/* ---- files ----------------------------------------------------------------------------------- */

static void write_file(keeper *k, const char *name, const void *bytes, size_t count) {
    char path[1024];
    if (k->status != REP_OK) { return; }
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    k->status = rep_file_write(path, bytes, count);
}

/* Values as the device stores them. */
static void write_values(keeper *k, const char *name, const rep_rig_tensor *t,
                         const double *values) {
    const size_t size = rep_dtype_bytes(t->dtype, sizeof(float));
    uint8_t *bytes = malloc(t->count * size);
    if (!bytes) {
        k->status = rep_fail(REP_ERR_MEMORY, "%s: no memory to write it", name);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        const float real = (float)values[i];
        const uint16_t half = rep_half_from_float(real);
        const int32_t integer = t->dtype == REP_I32 ? (int32_t)values[i] : 0;
        const void *from = t->dtype == REP_I32   ? (const void *)&integer
                           : t->dtype == REP_F16 ? (const void *)&half
                                                 : (const void *)&real;
        memcpy(bytes + i * size, from, size);
    }
    write_file(k, name, bytes, t->count * size);
    free(bytes);
}

/* What a tensor held before the dispatch. */
static void write_before(keeper *k, const char *name, const rep_rig_tensor *t) {
    double *values = malloc(t->count * sizeof *values);
    if (!values) {
        k->status = rep_fail(REP_ERR_MEMORY, "%s: no memory to write it", name);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        values[i] = t->dtype == REP_I32 ? (double)((const int32_t *)t->written)[t->guard + i]
                                        : (double)((const float *)t->written)[t->guard + i];
    }
    write_values(k, name, t, values);
    free(values);
}

/* ---- dispatch.json --------------------------------------------------------------------------- */

static void add_passes(keeper *k, cJSON *json) {
    cJSON *passes = cJSON_AddArrayToObject(json, "passes");
    for (uint32_t i = 0; i < k->dispatch.pass_count; i++) {
        const rep_dispatch_pass *p = &k->dispatch.passes[i];
        char name[80];
        cJSON *pass = cJSON_CreateObject();
        snprintf(name, sizeof name, "%s.spv", p->shader);
        cJSON_AddStringToObject(pass, "shader", p->shader);
        cJSON_AddStringToObject(pass, "spirv", name);
        cJSON *groups = cJSON_AddArrayToObject(pass, "groups");
        for (int axis = 0; axis < 3; axis++) {
            cJSON_AddItemToArray(groups, cJSON_CreateNumber(p->groups[axis]));
        }
        cJSON_AddItemToArray(passes, pass);
        write_file(k, name, p->words, p->bytes);
    }
}

static void add_words(keeper *k, cJSON *json) {
    char hex[2 * REP_DISPATCH_PUSH + 1] = "";
    cJSON *spec = cJSON_AddArrayToObject(json, "spec");
    for (uint32_t i = 0; i < k->dispatch.spec_count; i++) {
        cJSON_AddItemToArray(spec, cJSON_CreateNumber(k->dispatch.spec[i]));
    }
    for (uint32_t i = 0; i < k->dispatch.push_bytes; i++) {
        snprintf(hex + 2 * i, 3, "%02x", k->dispatch.push[i]);
    }
    cJSON_AddStringToObject(json, "push", hex);
}

static void add_tensor(cJSON *binding, const char *role, uint32_t index, const rep_rig_tensor *t) {
    static const char *const types[] = {"f32", "f16", "i32"};
    cJSON_AddStringToObject(binding, "role", role);
    cJSON_AddNumberToObject(binding, "index", index);
    cJSON_AddStringToObject(binding, "type", types[t->dtype]);
    cJSON_AddNumberToObject(binding, "count", (double)t->count);
}

static void add_output(keeper *k, cJSON *binding, uint32_t o) {
    const rep_rig_tensor *t = &k->rig->out[o];
    char name[40];
    size_t at = 0;
    for (uint32_t i = 0; i < o; i++) { at += k->rig->out[i].count; }
    add_tensor(binding, "output", o, t);
    snprintf(name, sizeof name, "output-%u.expected.f64.bin", o);
    cJSON_AddStringToObject(binding, "expected", name);
    write_file(k, name, k->expected + at, t->count * sizeof(double));
    if (!k->got) { return; }
    snprintf(name, sizeof name, "output-%u.got.bin", o);
    cJSON_AddStringToObject(binding, "got", name);
    write_values(k, name, t, k->got + at);
}

static void add_binding(keeper *k, cJSON *bindings, uint32_t index) {
    const rep_op_info *info = rep_op_info_get(k->rig->row->op);
    const rep_dispatch_binding *b = &k->dispatch.bindings[index];
    const bool is_output = index >= info->max_in && index < info->max_in + info->out_count;
    const rep_rig_tensor *t = index < info->max_in ? &k->rig->in[index] : NULL;
    char name[40];
    cJSON *binding = cJSON_CreateObject();
    if (is_output) {
        t = &k->rig->out[index - info->max_in];
        add_output(k, binding, index - info->max_in);
    } else if (t && t->id) {
        add_tensor(binding, "input", index, t);
    } else {
        cJSON_AddStringToObject(binding, "role", t ? "absent" : "scratch");
    }
    if (b->same_as != index) {
        cJSON_AddNumberToObject(binding, "same_as", b->same_as);
    } else if (t) {
        snprintf(name, sizeof name, "binding-%u.bin", index);
        cJSON_AddStringToObject(binding, "file", name);
        write_before(k, name, t);
    } else {
        cJSON_AddNumberToObject(binding, "bytes", (double)b->bytes);
    }
    cJSON_AddItemToArray(bindings, binding);
}

static void add_device(const keeper *k, cJSON *json) {
    rep_device_info info;
    rep_device_describe(k->rig->device, &info);
    cJSON *device = cJSON_AddObjectToObject(json, "device");
    cJSON_AddStringToObject(device, "name", info.description);
    cJSON_AddStringToObject(device, "driver", info.driver);
    cJSON_AddStringToObject(device, "api", info.api);
    cJSON_AddStringToObject(device, "uuid", info.uuid);
}

static void write_json(keeper *k, const rep_check_row *row) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "format", "repopt-dispatch-1");
    cJSON_AddStringToObject(json, "repopt", REP_VERSION);
    add_device(k, json);
    cJSON_AddStringToObject(json, "op", row->op);
    cJSON_AddNumberToObject(json, "case", row->number);
    cJSON_AddStringToObject(json, "variant", row->variant);
    cJSON_AddStringToObject(json, "fault", row->fault);
    cJSON_AddNumberToObject(json, "bound", row->bound);
    add_passes(k, json);
    add_words(k, json);
    cJSON *bindings = cJSON_AddArrayToObject(json, "bindings");
    for (uint32_t i = 0; i < k->dispatch.binding_count; i++) { add_binding(k, bindings, i); }
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text && k->status == REP_OK) {
        k->status = rep_fail(REP_ERR_MEMORY, "%s: no memory to describe it", k->folder);
    }
    if (text) { write_file(k, "dispatch.json", text, strlen(text)); }
    cJSON_free(text);
}

rep_status rep_keep(const char *folder, const rep_rig *rig, const rep_check_row *row,
                    const double *got, const double *expected) {
    keeper k = {.folder = folder, .rig = rig, .got = got, .expected = expected, .status = REP_OK};
    REP_TRY(rep_vulkan_describe(&k.dispatch, rig->device, rig->graph, rig->program, 0));
    REP_TRY(rep_folder_make(folder));
    write_json(&k, row);
    return k.status;
}
