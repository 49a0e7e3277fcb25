/* check_json.c - the rows of `repopt check` for programs: one object, its rows in a list. */
#include "cli/check_report.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/version.h"

/* JSON has no infinity and no NaN: null stands for them. */
static void add_number(cJSON *to, const char *key, double value) {
    if (isfinite(value)) {
        cJSON_AddNumberToObject(to, key, value);
    } else {
        cJSON_AddNullToObject(to, key);
    }
}

static void add_verdict(cJSON *to, const char *key, rep_verdict verdict) {
    if (verdict == REP_NOT_CHECKED) {
        cJSON_AddNullToObject(to, key);
    } else {
        cJSON_AddBoolToObject(to, key, verdict == REP_PASSED);
    }
}

static void add_device(cJSON *to, const rep_device_info *info) {
    cJSON *device = cJSON_AddObjectToObject(to, "device");
    cJSON_AddStringToObject(device, "name", info->name);
    cJSON_AddStringToObject(device, "description", info->description);
    cJSON_AddStringToObject(device, "kind", info->kind);
    cJSON_AddStringToObject(device, "driver", info->driver);
    cJSON_AddStringToObject(device, "api", info->api);
    cJSON_AddStringToObject(device, "uuid", info->uuid);
    cJSON_AddNumberToObject(device, "subgroup_size", info->subgroup_size);
    cJSON_AddNumberToObject(device, "invocations", info->invocations);
    cJSON_AddNumberToObject(device, "shared_bytes", info->shared_bytes);
    cJSON_AddNumberToObject(device, "binding_bytes", (double)info->binding_bytes);
    cJSON_AddBoolToObject(device, "has_f16", info->has_f16);
    cJSON_AddBoolToObject(device, "has_matrix", info->has_matrix);
}

static cJSON *row_of(const rep_check_row *row) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "op", row->op);
    cJSON_AddNumberToObject(json, "case", row->number);
    cJSON_AddStringToObject(json, "variant", row->variant);
    cJSON_AddStringToObject(json, "shaders", row->shaders);
    cJSON_AddStringToObject(json, "inputs", row->inputs);
    cJSON_AddBoolToObject(json, "passed", row->has_passed);
    cJSON_AddStringToObject(json, "fault", row->fault);
    cJSON_AddStringToObject(json, "folder", row->folder);
    add_number(json, "error", row->error);
    add_number(json, "bound", row->bound);
    add_number(json, "rms", row->rms);
    add_number(json, "max_ulp", row->max_ulp);
    cJSON_AddNumberToObject(json, "elements", (double)row->count);
    cJSON_AddNumberToObject(json, "worst_output", row->worst_output);
    cJSON_AddNumberToObject(json, "worst_index", (double)row->worst);
    add_number(json, "got", row->got);
    add_number(json, "expected", row->expected);
    add_number(json, "ms", row->ms >= 0 ? row->ms : NAN);
    add_verdict(json, "guards", row->guards);
    add_verdict(json, "repeat", row->repeat);
    add_verdict(json, "in_place", row->in_place);
    add_verdict(json, "limits", row->limits);
    return json;
}

static rep_status write_text(const void *text, FILE *out) {
    (void)fputs(text, out); /* cli_file_write looks at the stream */
    (void)fputc('\n', out);
    return REP_OK;
}

rep_status check_json_write(const char *path, const check_report *report) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "repopt", REP_VERSION);
    add_device(json, &report->device);
    cJSON_AddBoolToObject(json, "passed", report->failed == 0);
    cJSON_AddNumberToObject(json, "count", (double)report->count);
    cJSON_AddNumberToObject(json, "failed", (double)report->failed);
    add_number(json, "seconds", round(report->seconds * 100) / 100);
    cJSON *rows = cJSON_AddArrayToObject(json, "rows");
    for (size_t i = 0; i < report->count; i++) {
        cJSON_AddItemToArray(rows, row_of(&report->rows[i]));
    }
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (!text) { return rep_fail(REP_ERR_MEMORY, "%s: no memory to write it", path); }
    const rep_status status = cli_file_write(path, write_text, text);
    cJSON_free(text);
    return status;
}
