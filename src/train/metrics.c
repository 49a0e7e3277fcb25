/* metrics.c - metrics.csv, one row per iteration, and the TensorBoard file drawn from it.
 *
 *   iteration,epoch,loss,lr,grad_norm,step_ms,images_s, and the task's own columns
 *
 * A task's column is empty where it was not measured, as those of an evaluation mostly are. A
 * resumed run drops what both files say about iterations behind the resumed one (the CSV is cut,
 * the new event file tells readers to purge), so that they tell the same story as an uninterrupted
 * run.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format/format.h"
#include "train/train.h"

enum { HEADER_BYTES = 256 };

struct rep_metrics {
    char path[REP_PATH_BYTES], header[HEADER_BYTES];
    const rep_metric_column *columns; /* the task's own */
    size_t column_count;
    FILE *csv;
    rep_events *events;
    long good_bytes; /* everything up to here is known to be on its way to the disk */
};

static void make_header(rep_metrics *m) {
    size_t used = (size_t)snprintf(m->header, HEADER_BYTES,
                                   "iteration,epoch,loss,lr,grad_norm,step_ms,images_s");
    for (size_t i = 0; i < m->column_count && used < HEADER_BYTES; i++) {
        used += (size_t)snprintf(m->header + used, HEADER_BYTES - used, ",%s", m->columns[i].name);
    }
    if (used < HEADER_BYTES) { snprintf(m->header + used, HEADER_BYTES - used, "\n"); }
}

/* Bytes of the complete rows of iterations 1 .. `iteration` at the start of a metrics file. */
static size_t kept_bytes(const char *header, const char *text, size_t count, uint64_t iteration) {
    const size_t head = strlen(header);
    if (count < head || memcmp(text, header, head) != 0) { return 0; }
    size_t kept = head;
    while (kept < count) {
        const char *row = text + kept;
        const char *end = memchr(row, '\n', count - kept);
        if (end == NULL) { break; }
        /* The file is mapped, not terminated; digits stop at the comma before `end`. */
        uint64_t number = 0;
        while (*row >= '0' && *row <= '9') { number = number * 10 + (uint64_t)(*row++ - '0'); }
        if (*row != ',' || number > iteration) { break; }
        kept = (size_t)(end - text) + 1;
    }
    return kept;
}

static rep_status write_kept(void *context, FILE *stream) {
    const rep_file_view *kept = context;
    /* A short write leaves the stream's error flag, which the caller reads. */
    (void)!fwrite(kept->bytes, 1, kept->count, stream);
    return REP_OK;
}

/* Leaves the file with its header and the kept rows. */
static rep_status cut_back(const rep_metrics *m, uint64_t iteration) {
    rep_file_view old = {0};
    if (rep_file_exists(m->path)) { REP_TRY(rep_file_open(&old, m->path)); }
    rep_file_view kept = old;
    kept.count = kept_bytes(m->header, (const char *)old.bytes, old.count, iteration);
    if (kept.count == 0) {
        kept.bytes = (const uint8_t *)m->header;
        kept.count = strlen(m->header);
    }
    const rep_status status = rep_file_replace(m->path, write_kept, &kept);
    rep_file_close(&old);
    return status;
}

rep_status rep_metrics_open(rep_metrics **out, const char *folder, uint64_t iteration,
                            const rep_metric_column *columns, size_t column_count) {
    rep_metrics *m = calloc(1, sizeof *m);
    if (m == NULL) { return rep_fail(REP_ERR_MEMORY, "metrics.csv: no memory"); }
    m->columns = columns;
    m->column_count = column_count;
    make_header(m);
    rep_status status = rep_path_join(m->path, folder, "metrics.csv");
    if (status == REP_OK) { status = cut_back(m, iteration); }
    if (status == REP_OK) {
        m->csv = fopen(m->path, "ae");
        if (m->csv == NULL) {
            status = rep_fail(REP_ERR_IO, "%s: cannot be opened for writing: %s", m->path,
                              strerror(errno));
        }
    }
    if (status == REP_OK) { status = rep_metrics_flush(m); }
    if (status == REP_OK) {
        const int64_t purge = iteration > 0 ? (int64_t)iteration + 1 : -1;
        status = rep_events_create(&m->events, folder, purge);
    }
    if (status != REP_OK) {
        rep_metrics_close(m);
        return status;
    }
    *out = m;
    return REP_OK;
}

/* ",value", or "," when there is none. */
static void put(FILE *csv, double value) {
    if (isnan(value)) {
        fputc(',', csv);
    } else {
        fprintf(csv, ",%.9g", value);
    }
}

enum { COMMON = 5 };
static void common_values(double out[COMMON], const rep_metrics_row *row) {
    const double values[COMMON] = {row->loss, row->lr, row->grad_norm, row->step_ms, row->images_s};
    memcpy(out, values, sizeof values);
}

static rep_status write_events(rep_metrics *m, const rep_metrics_row *row) {
    static const char *const tags[COMMON] = {"train/loss", "train/lr", "train/grad_norm",
                                             "speed/step_ms", "speed/images_s"};
    rep_event_value values[COMMON + REP_METRIC_COLUMNS];
    double common[COMMON];
    size_t count = 0;
    common_values(common, row);
    for (size_t i = 0; i < COMMON; i++) {
        values[count++] = (rep_event_value){tags[i], (float)common[i]};
    }
    for (size_t i = 0; i < m->column_count; i++) {
        if (isnan(row->own[i])) { continue; }
        values[count++] = (rep_event_value){m->columns[i].tag, (float)row->own[i]};
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return rep_events_append(m->events, (int64_t)row->iteration,
                             (double)now.tv_sec + 1e-9 * (double)now.tv_nsec, values, count);
}

rep_status rep_metrics_write(rep_metrics *m, const rep_metrics_row *row) {
    double common[COMMON];
    common_values(common, row);
    fprintf(m->csv, "%" PRIu64 ",%" PRIu64, row->iteration, row->epoch);
    for (size_t i = 0; i < COMMON; i++) { put(m->csv, common[i]); }
    for (size_t i = 0; i < m->column_count; i++) { put(m->csv, row->own[i]); }
    fputc('\n', m->csv);
    if (ferror(m->csv)) { return rep_metrics_flush(m); }
    return write_events(m, row);
}

rep_status rep_metrics_flush(rep_metrics *m) {
    if (fflush(m->csv) == 0 && !ferror(m->csv)) {
        m->good_bytes = ftell(m->csv);
        return REP_OK;
    }
    const int reason = errno;
    /* A full disk must not leave half a row behind. */
    if (ftruncate(fileno(m->csv), m->good_bytes) != 0) { clearerr(m->csv); }
    return rep_fail(REP_ERR_IO,
                    "%s: cannot be written: %s; free some space and run again to resume", m->path,
                    strerror(reason));
}

void rep_metrics_close(rep_metrics *m) {
    if (m == NULL) { return; }
    rep_events_close(m->events);
    if (m->csv != NULL) { fclose(m->csv); }
    free(m);
}
