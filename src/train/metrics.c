/* metrics.c - metrics.csv, one row per iteration, and the TensorBoard file drawn from it.
 *
 *   iteration,epoch,loss,lr,grad_norm,step_ms,images_s,accuracy,top5,test_loss
 *
 * The last three are empty where nothing was evaluated. A resumed run drops what both say about
 * iterations behind the resumed one (the CSV is cut, the new event file tells readers to purge), so
 * that they tell the same story as an uninterrupted run.
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

static const char header[] =
    "iteration,epoch,loss,lr,grad_norm,step_ms,images_s,accuracy,top5,test_loss\n";

struct rep_metrics {
    char path[REP_PATH_BYTES];
    FILE *csv;
    rep_events *events;
    long good_bytes; /* everything up to here is known to be on its way to the disk */
};

/* Bytes of the complete rows of iterations 1 .. `iteration` at the start of a metrics file. */
static size_t kept_bytes(const char *text, size_t count, uint64_t iteration) {
    const size_t head = sizeof header - 1;
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
    if (kept->count == 0) {
        (void)!fwrite(header, 1, sizeof header - 1, stream);
    } else {
        (void)!fwrite(kept->bytes, 1, kept->count, stream);
    }
    return REP_OK;
}

/* Leaves the file with its header and the kept rows. */
static rep_status cut_back(const char *path, uint64_t iteration) {
    rep_file_view old = {0};
    if (rep_file_exists(path)) { REP_TRY(rep_file_open(&old, path)); }
    rep_file_view kept = old;
    kept.count = old.count > 0 ? kept_bytes((const char *)old.bytes, old.count, iteration) : 0;
    const rep_status status = rep_file_replace(path, write_kept, &kept);
    rep_file_close(&old);
    return status;
}

rep_status rep_metrics_open(rep_metrics **out, const char *folder, uint64_t iteration) {
    rep_metrics *m = calloc(1, sizeof *m);
    if (m == NULL) { return rep_fail(REP_ERR_MEMORY, "metrics.csv: no memory"); }
    rep_status status = rep_path_join(m->path, folder, "metrics.csv");
    if (status == REP_OK) { status = cut_back(m->path, iteration); }
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

static rep_status write_events(rep_metrics *m, const rep_metrics_row *row) {
    const rep_event_value values[] = {
        {"train/loss", (float)row->loss},
        {"train/lr", (float)row->lr},
        {"train/grad_norm", (float)row->grad_norm},
        {"speed/step_ms", (float)row->step_ms},
        {"speed/images_s", (float)row->images_s},
        {"test/accuracy", (float)row->accuracy},
        {"test/top5", (float)row->top5},
        {"test/loss", (float)row->test_loss},
    };
    const size_t all = sizeof values / sizeof *values, test = 3;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return rep_events_append(m->events, (int64_t)row->iteration,
                             (double)now.tv_sec + 1e-9 * (double)now.tv_nsec, values,
                             isnan(row->accuracy) ? all - test : all);
}

rep_status rep_metrics_write(rep_metrics *m, const rep_metrics_row *row) {
    const double values[] = {row->loss,     row->lr,       row->grad_norm, row->step_ms,
                             row->images_s, row->accuracy, row->top5,      row->test_loss};
    fprintf(m->csv, "%" PRIu64 ",%" PRIu64, row->iteration, row->epoch);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) { put(m->csv, values[i]); }
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
