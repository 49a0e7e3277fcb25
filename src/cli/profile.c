/* profile.c - one timed step as a trace for Perfetto or chrome://tracing, and as a table by op.
 *
 * Nodes were timed one by one, by the device's own clock where it has one; the trace lays them end
 * to end, a row per phase. Times of a step that runs as a whole are shorter where nodes overlap.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/device.h"

typedef struct cli_profile_node {
    char name[96];
    const char *op; /* of the op table: outlives the run */
    char shader[64];
    uint32_t phase, groups[3];
    rep_shape shape;
    uint64_t bytes;
    double ms;
} cli_profile_node;

static const char *const phases[] = {"forward", "backward", "update"};

rep_status cli_profile_open(cli_profile *profile, const char *path) {
    *profile = (cli_profile){.path = path};
    if (path == NULL) { return REP_OK; }
    profile->file = fopen(path, "w");
    if (profile->file != NULL) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "--profile: %s cannot be written (%s)", path, strerror(errno));
}

void cli_profile_take(void *context, const rep_device_info *device, const rep_profile_row *row) {
    cli_profile *p = context;
    if (row->node == 0) {
        free(p->nodes);
        p->nodes = calloc(row->node_count, sizeof *p->nodes);
        p->node_count = row->node_count;
        p->iteration = row->iteration;
        p->count = 0;
        snprintf(p->device, sizeof p->device, "%s: %s", device->name, device->description);
    }
    if (p->nodes == NULL || p->count == p->node_count) { return; }
    cli_profile_node *n = &p->nodes[p->count++];
    snprintf(n->name, sizeof n->name, "%s", row->info.name);
    snprintf(n->shader, sizeof n->shader, "%s", row->info.dispatches[0].shader);
    n->op = row->info.op;
    n->phase = row->info.phase;
    n->groups[0] = row->info.dispatches[0].x;
    n->groups[1] = row->info.dispatches[0].y;
    n->groups[2] = row->info.dispatches[0].z;
    n->shape = row->shape;
    n->bytes = row->info.read_bytes + row->info.written_bytes;
    n->ms = row->ms;
}

/* ---- the trace ---------------------------------------------------------------------------------
 */

/* {"name": kind, "ph": "M", "args": {"name": text}}: what a process or thread is called. */
static void add_label(cJSON *events, const char *kind, uint32_t thread, const char *text) {
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "name", kind);
    cJSON_AddStringToObject(event, "ph", "M");
    cJSON_AddNumberToObject(event, "pid", 1);
    cJSON_AddNumberToObject(event, "tid", thread);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(event, "args"), "name", text);
    cJSON_AddItemToArray(events, event);
}

static void add_event(cJSON *events, const cli_profile_node *n, double begin_us) {
    char text[96];
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "name", n->name);
    cJSON_AddStringToObject(event, "cat", n->op);
    cJSON_AddStringToObject(event, "ph", "X");
    cJSON_AddNumberToObject(event, "pid", 1);
    cJSON_AddNumberToObject(event, "tid", n->phase + 1);
    cJSON_AddNumberToObject(event, "ts", begin_us);
    cJSON_AddNumberToObject(event, "dur", n->ms * 1e3);
    cJSON *args = cJSON_AddObjectToObject(event, "args");
    cJSON_AddStringToObject(args, "op", n->op);
    snprintf(text, sizeof text, "%dx%dx%dx%d", n->shape.n, n->shape.c, n->shape.h, n->shape.w);
    cJSON_AddStringToObject(args, "output", text);
    snprintf(text, sizeof text, "%ux%ux%u", n->groups[0], n->groups[1], n->groups[2]);
    cJSON_AddStringToObject(args, "groups", text);
    cJSON_AddStringToObject(args, "shader", n->shader);
    cJSON_AddNumberToObject(args, "bytes", (double)n->bytes);
    cJSON_AddItemToArray(events, event);
}

static rep_status write_trace(const cli_profile *p) {
    cJSON *trace = cJSON_CreateObject();
    cJSON *events = cJSON_AddArrayToObject(trace, "traceEvents");
    cJSON_AddStringToObject(trace, "displayTimeUnit", "ms");
    add_label(events, "process_name", 1, p->device);
    for (uint32_t i = 0; i < 3; i++) { add_label(events, "thread_name", i + 1, phases[i]); }
    double begin_us = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        add_event(events, &p->nodes[i], begin_us);
        begin_us += p->nodes[i].ms * 1e3;
    }
    char *text = cJSON_PrintUnformatted(trace);
    cJSON_Delete(trace);
    if (text == NULL) { return rep_fail(REP_ERR_MEMORY, "--profile: no memory"); }
    const bool is_written = fputs(text, p->file) >= 0 && fputc('\n', p->file) != EOF;
    cJSON_free(text);
    if (is_written) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%s: cannot be written (%s)", p->path, strerror(errno));
}

/* ---- the table ---------------------------------------------------------------------------------
 */
enum { MOST_OPS = 128 };
typedef struct op_sum {
    const char *op;
    uint32_t count;
    double ms, mib;
} op_sum;

static int by_ms(const void *a, const void *b) {
    const op_sum *x = a, *y = b;
    return (x->ms < y->ms) - (x->ms > y->ms);
}

static size_t sum_ops(op_sum *sums, const cli_profile *p) {
    size_t used = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        size_t at = 0;
        while (at < used && strcmp(sums[at].op, p->nodes[i].op) != 0) { at++; }
        if (at == MOST_OPS) { continue; }
        if (at == used) { sums[used++] = (op_sum){.op = p->nodes[i].op}; }
        sums[at].count++;
        sums[at].ms += p->nodes[i].ms;
        sums[at].mib += (double)p->nodes[i].bytes / 1048576;
    }
    qsort(sums, used, sizeof *sums, by_ms);
    return used;
}

static void print_table(FILE *out, const cli_profile *p) {
    static op_sum sums[MOST_OPS];
    const size_t count = sum_ops(sums, p);
    double ms = 0;
    for (size_t i = 0; i < count; i++) { ms += sums[i].ms; }
    fprintf(out, "\n%s: one step behind iteration %" PRIu64 ", node by node\n", p->device,
            p->iteration);
    fprintf(out, "%-20s %6s %10s %8s %9s\n", "op", "count", "ms", "share", "GB/s");
    for (size_t i = 0; i < count; i++) {
        const op_sum *s = &sums[i];
        fprintf(out, "%-20s %6u %10.3f %7.1f%% %9.1f\n", s->op, s->count, s->ms,
                ms > 0 ? 100 * s->ms / ms : 0, s->ms > 0 ? s->mib * 1.048576 / s->ms : 0);
    }
    fprintf(out, "%-20s %6u %10.3f\n%s\n", "all", p->count, ms, p->path);
}

rep_status cli_profile_close(cli_profile *p, FILE *table) {
    rep_status status = REP_OK;
    if (p->file == NULL) { return REP_OK; }
    if (p->count > 0) { status = write_trace(p); }
    if (fclose(p->file) != 0 && status == REP_OK) {
        status = rep_fail(REP_ERR_IO, "%s: cannot be written (%s)", p->path, strerror(errno));
    }
    if (p->count > 0 && status == REP_OK) {
        print_table(table, p);
    } else {
        remove(p->path);
    }
    free(p->nodes);
    *p = (cli_profile){0};
    return status;
}
