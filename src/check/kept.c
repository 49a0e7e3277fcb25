/* kept.c - reads a folder that keep.c, or anybody, wrote.
 *
 * Nothing in it is trusted: counts are bounded before anything is allocated, files lie in the
 * folder itself and have exactly the size that dispatch.json says.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "check/run.h"

enum { MOST_JSON_BYTES = 1 << 20, MOST_CODE_BYTES = 16 << 20 };

/* Where in dispatch.json the reader is, for messages. */
typedef struct reader {
    const char *folder;
    char place[40];
    rep_kept *out;
    double bytes; /* of all blocks so far */
} reader;

static rep_status complain(const reader *r, const char *what) {
    return rep_fail(REP_ERR_DATA, "%s/dispatch.json: %s%s%s", r->folder, r->place,
                    r->place[0] ? ": " : "", what);
}

/* ---- fields ---------------------------------------------------------------------------------- */

static rep_status get_number(const reader *r, const cJSON *in, const char *key, double most,
                             double *out) {
    const cJSON *item = key ? cJSON_GetObjectItemCaseSensitive(in, key) : in;
    char what[120];
    if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= most &&
        item->valuedouble == (double)(uint64_t)item->valuedouble) {
        *out = item->valuedouble;
        return REP_OK;
    }
    snprintf(what, sizeof what, "\"%s\" wants a whole number from 0 to %.0f", key ? key : "words",
             most);
    return complain(r, what);
}

/* Printable ASCII: texts end up in messages of one line. */
static bool is_plain(const char *text) {
    while (*text >= ' ' && *text <= '~') { text++; }
    return !*text;
}

static rep_status get_text(const reader *r, const cJSON *in, const char *key, size_t most,
                           const char **out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(in, key);
    char what[120];
    if (cJSON_IsString(item) && strlen(item->valuestring) < most && is_plain(item->valuestring)) {
        *out = item->valuestring;
        return REP_OK;
    }
    snprintf(what, sizeof what, "\"%s\" wants a plain text of less than %zu bytes", key, most);
    return complain(r, what);
}

static rep_status get_array(const reader *r, const cJSON *in, const char *key, int least, int most,
                            const cJSON **out) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(in, key);
    char what[120];
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) >= least &&
        cJSON_GetArraySize(item) <= most) {
        *out = item;
        return REP_OK;
    }
    snprintf(what, sizeof what, "\"%s\" wants a list of %d to %d", key, least, most);
    return complain(r, what);
}

/* The bytes of a file that `key` names; exactly `bytes` of them unless that is 0. */
static rep_status read_file(const reader *r, const cJSON *in, const char *key, void *to,
                            size_t bytes) {
    const char *name = NULL;
    char path[1024];
    rep_file_view view;
    REP_TRY(get_text(r, in, key, 100, &name));
    if (!name[0] || strchr(name, '/') || name[0] == '.') {
        return complain(r, "files lie in the folder itself");
    }
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    REP_TRY(rep_file_open(&view, path));
    rep_status status = REP_OK;
    if (view.count != bytes) {
        status = rep_fail(REP_ERR_DATA, "%s: %zu bytes, dispatch.json wants %zu", path, view.count,
                          bytes);
    } else if (bytes) {
        memcpy(to, view.bytes, bytes);
    }
    if (view.bytes) { rep_file_close(&view); }
    return status;
}

/* ---- passes, words --------------------------------------------------------------------------- */

static rep_status read_code(const reader *r, const cJSON *pass, uint32_t index) {
    const char *name = NULL;
    char path[1024];
    rep_file_view view;
    REP_TRY(get_text(r, pass, "spirv", 100, &name));
    if (!name[0] || strchr(name, '/') || name[0] == '.') {
        return complain(r, "files lie in the folder itself");
    }
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    REP_TRY(rep_file_open(&view, path));
    rep_dispatch_pass *p = &r->out->dispatch.passes[index];
    rep_status status = REP_OK;
    if (view.count == 0 || view.count % 4 || view.count > MOST_CODE_BYTES) {
        status = rep_fail(REP_ERR_DATA, "%s: %zu bytes are no SPIR-V module", path, view.count);
    } else {
        r->out->code[index] = malloc(view.count);
        if (!r->out->code[index]) { status = rep_fail(REP_ERR_MEMORY, "%s: no memory", path); }
    }
    if (status == REP_OK) {
        memcpy(r->out->code[index], view.bytes, view.count);
        p->words = r->out->code[index];
        p->bytes = view.count;
    }
    if (view.bytes) { rep_file_close(&view); }
    return status;
}

static rep_status read_passes(reader *r, const cJSON *json) {
    const cJSON *list = NULL, *pass = NULL, *groups = NULL;
    REP_TRY(get_array(r, json, "passes", 1, REP_DISPATCH_PASSES, &list));
    cJSON_ArrayForEach(pass, list) {
        const uint32_t index = r->out->dispatch.pass_count++;
        rep_dispatch_pass *p = &r->out->dispatch.passes[index];
        const char *name = NULL;
        snprintf(r->place, sizeof r->place, "pass %u", index + 1);
        REP_TRY(get_text(r, pass, "shader", sizeof p->shader, &name));
        snprintf(p->shader, sizeof p->shader, "%s", name);
        REP_TRY(get_array(r, pass, "groups", 3, 3, &groups));
        for (int axis = 0; axis < 3; axis++) {
            double value = 0;
            REP_TRY(get_number(r, cJSON_GetArrayItem(groups, axis), NULL, 4294967295.0, &value));
            p->groups[axis] = (uint32_t)value;
        }
        REP_TRY(read_code(r, pass, index));
    }
    r->place[0] = '\0';
    return REP_OK;
}

static rep_status read_push(const reader *r, const cJSON *json) {
    static const char digits[] = "0123456789abcdef";
    const char *hex = NULL;
    rep_dispatch *d = &r->out->dispatch;
    REP_TRY(get_text(r, json, "push", 2 * REP_DISPATCH_PUSH + 1, &hex));
    const size_t length = strlen(hex);
    if (length == 0 || length % 8 || strspn(hex, digits) != length) {
        return complain(r, "\"push\" wants whole words in lower-case hexadecimal");
    }
    for (size_t i = 0; i < length; i++) {
        const uint8_t digit = (uint8_t)(strchr(digits, hex[i]) - digits);
        d->push[i / 2] = (uint8_t)(d->push[i / 2] << 4 | digit);
    }
    d->push_bytes = (uint32_t)(length / 2);
    return REP_OK;
}

static rep_status read_spec(const reader *r, const cJSON *json) {
    const cJSON *list = NULL, *item = NULL;
    rep_dispatch *d = &r->out->dispatch;
    REP_TRY(get_array(r, json, "spec", 0, REP_DISPATCH_SPEC, &list));
    cJSON_ArrayForEach(item, list) {
        double value = 0;
        REP_TRY(get_number(r, item, NULL, 4294967295.0, &value));
        d->spec[d->spec_count++] = (uint32_t)value;
    }
    return REP_OK;
}

/* ---- bindings -------------------------------------------------------------------------------- */

static rep_status read_type(const reader *r, const cJSON *binding, rep_kept_binding *out) {
    const char *type = NULL;
    double count = 0, index = 0;
    REP_TRY(get_text(r, binding, "type", 8, &type));
    if (strcmp(type, "f32") && strcmp(type, "f16") && strcmp(type, "i32")) {
        return complain(r, "\"type\" is f32, f16 or i32");
    }
    REP_TRY(get_number(r, binding, "count", REP_KEPT_MOST_BYTES / 4, &count));
    REP_TRY(get_number(r, binding, "index", REP_DISPATCH_BINDINGS - 1, &index));
    if (count == 0) { return complain(r, "\"count\" is 0"); }
    out->dtype = !strcmp(type, "f32") ? REP_F32 : !strcmp(type, "f16") ? REP_F16 : REP_I32;
    out->count = (size_t)count;
    out->index = (uint32_t)index;
    return REP_OK;
}

/* A block with a guard on each side, all ones: NaN in every real type. */
static rep_status make_block(reader *r, rep_dispatch_binding *b, size_t bytes) {
    b->bytes = bytes;
    b->offset = REP_KEPT_GUARD;
    b->block_bytes = (bytes + 3) / 4 * 4 + 2 * REP_KEPT_GUARD;
    r->bytes += (double)b->block_bytes;
    if (r->bytes > REP_KEPT_MOST_BYTES) { return complain(r, "more than 1 GiB of bindings"); }
    b->block = malloc(b->block_bytes);
    if (!b->block) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for it", r->folder); }
    memset(b->block, 0xff, b->block_bytes);
    return REP_OK;
}

static rep_status read_expected(reader *r, const cJSON *binding, rep_kept_binding *out) {
    r->bytes += (double)(out->count * sizeof(double));
    if (r->bytes > REP_KEPT_MOST_BYTES) { return complain(r, "more than 1 GiB of bindings"); }
    out->is_output = true;
    out->expected = malloc(out->count * sizeof *out->expected);
    if (!out->expected) { return rep_fail(REP_ERR_MEMORY, "%s: no memory for it", r->folder); }
    return read_file(r, binding, "expected", out->expected, out->count * sizeof *out->expected);
}

/* A binding that shares an earlier one's memory. */
static rep_status share(const reader *r, const cJSON *binding, uint32_t index, size_t bytes) {
    double other = 0;
    rep_dispatch *d = &r->out->dispatch;
    REP_TRY(get_number(r, binding, "same_as", index ? index - 1 : 0, &other));
    const rep_dispatch_binding *first = &d->bindings[(uint32_t)other];
    if (index == 0 || first->same_as != (uint32_t)other || first->bytes < bytes) {
        return complain(r, "\"same_as\" wants an earlier binding with a file, as large as this");
    }
    d->bindings[index].same_as = (uint32_t)other;
    d->bindings[index].bytes = first->bytes;
    return REP_OK;
}

static rep_status read_binding(reader *r, const cJSON *binding, uint32_t index) {
    rep_kept_binding *k = &r->out->bindings[index];
    rep_dispatch_binding *b = &r->out->dispatch.bindings[index];
    const char *role = NULL;
    double bytes = 0;
    b->same_as = index;
    REP_TRY(get_text(r, binding, "role", 16, &role));
    if (!strcmp(role, "scratch")) {
        REP_TRY(get_number(r, binding, "bytes", REP_KEPT_MOST_BYTES, &bytes));
        if (bytes < 4) { return complain(r, "\"bytes\" is less than 4"); }
        REP_TRY(make_block(r, b, (size_t)bytes));
        memset((char *)b->block + b->offset, 0, b->bytes);
        return REP_OK;
    }
    if (!strcmp(role, "absent")) { return share(r, binding, index, 0); }
    if (strcmp(role, "input") && strcmp(role, "output")) {
        return complain(r, "\"role\" is input, output, absent or scratch");
    }
    REP_TRY(read_type(r, binding, k));
    if (!strcmp(role, "output")) { REP_TRY(read_expected(r, binding, k)); }
    const size_t size = k->count * rep_dtype_bytes(k->dtype, sizeof(float));
    if (cJSON_HasObjectItem(binding, "same_as")) { return share(r, binding, index, size); }
    REP_TRY(make_block(r, b, size));
    return read_file(r, binding, "file", (char *)b->block + b->offset, size);
}

static rep_status read_bindings(reader *r, const cJSON *json) {
    const cJSON *list = NULL, *binding = NULL;
    bool has_output = false;
    REP_TRY(get_array(r, json, "bindings", 1, REP_DISPATCH_BINDINGS, &list));
    cJSON_ArrayForEach(binding, list) {
        const uint32_t index = r->out->dispatch.binding_count++;
        snprintf(r->place, sizeof r->place, "binding %u", index);
        REP_TRY(read_binding(r, binding, index));
        has_output = has_output || r->out->bindings[index].is_output;
    }
    r->place[0] = '\0';
    return has_output ? REP_OK : complain(r, "none of its bindings is an output");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static rep_status read_all(reader *r, const cJSON *json) {
    const char *format = NULL, *op = NULL, *variant = NULL;
    double number = 0;
    if (!cJSON_IsObject(json)) { return complain(r, "no JSON object"); }
    REP_TRY(get_text(r, json, "format", 40, &format));
    if (strcmp(format, "repopt-dispatch-1")) {
        return complain(r, "\"format\" is not repopt-dispatch-1");
    }
    REP_TRY(get_text(r, json, "op", sizeof r->out->op, &op));
    REP_TRY(get_text(r, json, "variant", sizeof r->out->variant, &variant));
    REP_TRY(get_number(r, json, "case", 1e6, &number));
    snprintf(r->out->op, sizeof r->out->op, "%s", op);
    snprintf(r->out->variant, sizeof r->out->variant, "%s", variant);
    r->out->number = (int)number;
    const cJSON *bound = cJSON_GetObjectItemCaseSensitive(json, "bound");
    if (!cJSON_IsNumber(bound) || !(bound->valuedouble >= 0)) {
        return complain(r, "\"bound\" wants a number");
    }
    r->out->bound = bound->valuedouble;
    REP_TRY(read_passes(r, json));
    REP_TRY(read_spec(r, json));
    REP_TRY(read_push(r, json));
    return read_bindings(r, json);
}

rep_status rep_kept_open(rep_kept *out, const char *folder) {
    char path[1024];
    rep_file_view view;
    reader r = {.folder = folder, .out = out};
    *out = (rep_kept){.number = 0};
    snprintf(path, sizeof path, "%s/dispatch.json", folder);
    REP_TRY(rep_file_open(&view, path));
    rep_status status = REP_OK;
    if (view.count == 0 || view.count > MOST_JSON_BYTES) {
        status = rep_fail(REP_ERR_DATA, "%s: %zu bytes, wanted 1 to %d", path, view.count,
                          MOST_JSON_BYTES);
    } else {
        cJSON *json = cJSON_ParseWithLength((const char *)view.bytes, view.count);
        status = json ? read_all(&r, json) : complain(&r, "no well-formed JSON");
        cJSON_Delete(json);
    }
    if (view.bytes) { rep_file_close(&view); }
    if (status != REP_OK) { rep_kept_close(out); }
    return status;
}

void rep_kept_close(rep_kept *kept) {
    for (uint32_t i = 0; i < REP_DISPATCH_BINDINGS; i++) {
        free(kept->bindings[i].expected);
        free(kept->dispatch.bindings[i].block);
    }
    for (uint32_t i = 0; i < REP_DISPATCH_PASSES; i++) { free(kept->code[i]); }
    *kept = (rep_kept){.number = 0};
}
