/* events.c - TensorBoard event files: TFRecord frames (length, checksum, bytes, checksum) around
 * protocol buffers of tensorflow.Event, of which five fields are written:
 *
 *     Event    1 wall_time (double)  2 step (varint)  3 file_version (string)  5 summary
 *              7 session_log { 1 status = START } - "drop this step and later of earlier files"
 *     Summary  1 value { 1 tag (string)  2 simple_value (float) }, repeated
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format/format.h"

#define FILE_PREFIX "events.out.tfevents."

/* Bytes under construction; `has_failed` when memory ran out. */
typedef struct bytes_out {
    uint8_t *bytes;
    size_t count, capacity;
    bool has_failed;
} bytes_out;

struct rep_events {
    FILE *stream;
    char *path;
    /* Kept from row to row, so that a training run allocates for its first row alone. */
    bytes_out event, summary, value;
};

/* ---- protocol buffers ----------------------------------------------------------------------- */

enum { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2, WIRE_FLOAT = 5 };

static void put(bytes_out *out, const void *bytes, size_t count) {
    if (out->has_failed) { return; }
    if (out->capacity - out->count < count) {
        const size_t capacity = 2 * out->capacity + count + 64;
        uint8_t *grown = realloc(out->bytes, capacity);
        if (!grown) {
            out->has_failed = true;
            return;
        }
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (count > 0) { memcpy(out->bytes + out->count, bytes, count); }
    out->count += count;
}

static void put_varint(bytes_out *out, uint64_t value) {
    uint8_t bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (uint8_t)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while (value);
    put(out, bytes, count);
}

static void put_key(bytes_out *out, unsigned field, unsigned wire) {
    put_varint(out, field << 3 | wire);
}

static void put_bytes(bytes_out *out, unsigned field, const void *bytes, size_t count) {
    put_key(out, field, WIRE_BYTES);
    put_varint(out, count);
    put(out, bytes, count);
}

static void put_head(bytes_out *out, double wall_time_s, int64_t step) {
    put_key(out, 1, WIRE_DOUBLE);
    put(out, &wall_time_s, sizeof wall_time_s);
    put_key(out, 2, WIRE_VARINT);
    put_varint(out, (uint64_t)step);
}

static void put_summary(rep_events *events, const rep_event_value *values, size_t count) {
    bytes_out *summary = &events->summary, *value = &events->value;
    summary->count = 0;
    for (size_t i = 0; i < count; i++) {
        value->count = 0;
        put_bytes(value, 1, values[i].tag, strlen(values[i].tag));
        put_key(value, 2, WIRE_FLOAT);
        put(value, &values[i].value, sizeof values[i].value);
        put_bytes(summary, 1, value->bytes, value->count);
    }
    put_bytes(&events->event, 5, summary->bytes, summary->count);
    events->event.has_failed |= summary->has_failed || value->has_failed;
}

/* ---- frames --------------------------------------------------------------------------------- */

/* CRC-32C (Castagnoli), reflected, with the rotation and offset that TFRecord adds. */
static uint32_t masked_crc(const uint8_t *bytes, size_t count) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) { crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1))); }
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* Writes the event under construction and begins the next one. */
static rep_status write_record(rep_events *events) {
    bytes_out *event = &events->event;
    if (event->has_failed) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for a row", events->path);
    }
    uint8_t length[8];
    const uint64_t count = event->count;
    memcpy(length, &count, sizeof length);
    const uint32_t length_crc = masked_crc(length, sizeof length);
    const uint32_t event_crc = masked_crc(event->bytes, event->count);
    fwrite(length, sizeof length, 1, events->stream);
    fwrite(&length_crc, sizeof length_crc, 1, events->stream);
    fwrite(event->bytes, 1, event->count, events->stream);
    fwrite(&event_crc, sizeof event_crc, 1, events->stream);
    event->count = 0;
    if (fflush(events->stream) != 0 || ferror(events->stream)) {
        return rep_fail(REP_ERR_IO, "%s: cannot be written (%s); is the disk full?", events->path,
                        strerror(errno));
    }
    return REP_OK;
}

/* ---- files ---------------------------------------------------------------------------------- */

/* Seconds for the name: now, or one more than the latest file that is there, since a reader takes
 * files in the order of their names. */
static int64_t choose_seconds(const char *folder) {
    int64_t seconds = (int64_t)time(NULL);
    DIR *dir = opendir(folder);
    if (!dir) { return seconds; }
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strncmp(entry->d_name, FILE_PREFIX, strlen(FILE_PREFIX)) != 0) { continue; }
        const int64_t other = strtoll(entry->d_name + strlen(FILE_PREFIX), NULL, 10);
        if (other >= seconds && other < INT64_MAX) { seconds = other + 1; }
    }
    closedir(dir);
    return seconds;
}

static rep_status open_file(rep_events *events, const char *folder) {
    const int64_t seconds = choose_seconds(folder);
    const size_t bytes = strlen(folder) + 64;
    events->path = malloc(bytes);
    if (!events->path) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", folder); }
    snprintf(events->path, bytes, "%s/" FILE_PREFIX "%010" PRId64 ".repopt", folder, seconds);
    const int fd = open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || !(events->stream = fdopen(fd, "wb"))) {
        const rep_status status =
            rep_fail(REP_ERR_IO, "%s: cannot be created (%s)", events->path, strerror(errno));
        if (fd >= 0) { close(fd); }
        return status;
    }
    return REP_OK;
}

static rep_status write_head(rep_events *events, int64_t purge_step) {
    static const char version[] = "brain.Event:2";
    static const uint8_t start[] = {1 << 3 | WIRE_VARINT, 1};
    const double now = (double)time(NULL);
    put_head(&events->event, now, 0);
    put_bytes(&events->event, 3, version, strlen(version));
    REP_TRY(write_record(events));
    if (purge_step < 0) { return REP_OK; }
    put_head(&events->event, now, purge_step);
    put_bytes(&events->event, 7, start, sizeof start);
    return write_record(events);
}

rep_status rep_events_create(rep_events **out, const char *folder, int64_t purge_step) {
    rep_events *events = calloc(1, sizeof *events);
    if (!events) { return rep_fail(REP_ERR_MEMORY, "%s: no memory", folder); }
    rep_status status = open_file(events, folder);
    if (status == REP_OK) { status = write_head(events, purge_step); }
    if (status != REP_OK) {
        if (events->stream) { (void)unlink(events->path); }
        rep_events_close(events);
        return status;
    }
    *out = events;
    return REP_OK;
}

rep_status rep_events_append(rep_events *events, int64_t step, double wall_time_s,
                             const rep_event_value *values, size_t count) {
    put_head(&events->event, wall_time_s, step);
    put_summary(events, values, count);
    return write_record(events);
}

void rep_events_close(rep_events *events) {
    if (!events) { return; }
    if (events->stream) { fclose(events->stream); }
    free(events->event.bytes);
    free(events->summary.bytes);
    free(events->value.bytes);
    free(events->path);
    free(events);
}

const char *rep_events_path(const rep_events *events) { return events->path; }
