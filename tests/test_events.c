/* test_events.c - TensorBoard event files, read back by a decoder of the test's own. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"
#include "format/format.h"

static char folder[] = "/tmp/repopt-events-XXXXXX";

/* CRC-32C by table: another way than the writer's. */
static uint32_t crc32c(const uint8_t *bytes, size_t count) {
    static uint32_t table[256];
    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++) {
                value = value & 1 ? value >> 1 ^ 0x82F63B78u : value >> 1;
            }
            table[i] = value;
        }
    }
    uint32_t crc = ~0u;
    for (size_t i = 0; i < count; i++) { crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8; }
    return ~crc;
}

static uint32_t mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xA282EAD8u; }

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static uint64_t take_varint(reader *r) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        assert_true(r->at < r->end);
        const uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) { return value; }
    }
    fail_msg("a varint is too long");
    return 0;
}

static void take(reader *r, void *out, size_t count) {
    assert_true((size_t)(r->end - r->at) >= count);
    memcpy(out, r->at, count);
    r->at += count;
}

static reader take_bytes(reader *r) {
    const uint64_t count = take_varint(r);
    assert_true(count <= (uint64_t)(r->end - r->at));
    reader out = {r->at, r->at + count};
    r->at += count;
    return out;
}

typedef struct event {
    double wall_time;
    int64_t step;
    char version[32];
    int session_status, value_count;
    char tags[4][32];
    float values[4];
} event;

static void decode_value(reader r, event *out) {
    char *tag = out->tags[out->value_count];
    float *value = &out->values[out->value_count++];
    assert_true(out->value_count <= 4);
    while (r.at < r.end) {
        const uint64_t key = take_varint(&r);
        if (key == (1 << 3 | 2)) {
            const reader text = take_bytes(&r);
            snprintf(tag, sizeof out->tags[0], "%.*s", (int)(text.end - text.at),
                     (const char *)text.at);
        } else {
            assert_int_equal(key, 2 << 3 | 5);
            take(&r, value, sizeof *value);
        }
    }
}

static event decode(reader r) {
    event out = {0};
    while (r.at < r.end) {
        const uint64_t key = take_varint(&r);
        switch (key) {
        case 1 << 3 | 1:
            take(&r, &out.wall_time, sizeof out.wall_time);
            break;
        case 2 << 3 | 0:
            out.step = (int64_t)take_varint(&r);
            break;
        case 3 << 3 | 2: {
            const reader text = take_bytes(&r);
            snprintf(out.version, sizeof out.version, "%.*s", (int)(text.end - text.at),
                     (const char *)text.at);
            break;
        }
        case 5 << 3 | 2: {
            reader summary = take_bytes(&r);
            while (summary.at < summary.end) {
                assert_int_equal(take_varint(&summary), 1 << 3 | 2);
                decode_value(take_bytes(&summary), &out);
            }
            break;
        }
        case 7 << 3 | 2: {
            reader log = take_bytes(&r);
            assert_int_equal(take_varint(&log), 1 << 3 | 0);
            out.session_status = (int)take_varint(&log);
            break;
        }
        default:
            fail_msg("key %llu", (unsigned long long)key);
        }
    }
    return out;
}

static int read_events(event *out, int capacity, const char *path) {
    rep_file_view view;
    CHECK_OK(rep_file_open(&view, path));
    reader r = {view.bytes, view.bytes + view.count};
    int count = 0;
    while (r.at < r.end) {
        const uint8_t *start = r.at;
        uint64_t length;
        uint32_t crc;
        take(&r, &length, sizeof length);
        take(&r, &crc, sizeof crc);
        assert_int_equal(crc, mask(crc32c(start, 8)));
        assert_true(length <= (uint64_t)(r.end - r.at));
        const reader data = {r.at, r.at + length};
        r.at += length;
        take(&r, &crc, sizeof crc);
        assert_int_equal(crc, mask(crc32c(data.at, (size_t)length)));
        assert_true(count < capacity);
        out[count++] = decode(data);
    }
    rep_file_close(&view);
    return count;
}

/* The check value that every description of CRC-32C gives. */
static void test_checksum_of_the_test_itself(void **state) {
    (void)state;
    assert_int_equal(crc32c((const uint8_t *)"123456789", 9), 0xE3069283u);
}

static void test_rows_are_read_back(void **state) {
    (void)state;
    rep_events *events = NULL;
    CHECK_OK(rep_events_create(&events, folder, -1));
    char path[512];
    snprintf(path, sizeof path, "%s", rep_events_path(events));
    assert_non_null(strstr(path, "tfevents"));
    const rep_event_value rows[] = {{"train/loss", 2.5f}, {"train/lr", 0.1f}};
    CHECK_OK(rep_events_append(events, 0, 1e9 + 0.25, rows, 2));
    CHECK_OK(rep_events_append(events, 300, 1e9 + 1, rows, 1));
    /* Each row is in the file at once. */
    event got[8];
    assert_int_equal(read_events(got, 8, path), 3);
    CHECK_OK(rep_events_append(events, (int64_t)1 << 40, 1e9 + 2, NULL, 0));
    rep_events_close(events);
    rep_events_close(NULL);

    assert_int_equal(read_events(got, 8, path), 4);
    assert_string_equal(got[0].version, "brain.Event:2");
    assert_true(got[0].wall_time > 1e9);
    assert_true(got[1].wall_time == 1e9 + 0.25 && got[1].step == 0);
    assert_int_equal(got[1].value_count, 2);
    assert_string_equal(got[1].tags[0], "train/loss");
    assert_true(got[1].values[0] == 2.5f);
    assert_string_equal(got[1].tags[1], "train/lr");
    assert_true(got[1].values[1] == 0.1f);
    assert_int_equal(got[2].step, 300);
    assert_int_equal(got[2].value_count, 1);
    assert_true(got[3].step == (int64_t)1 << 40 && got[3].value_count == 0);
    for (int i = 0; i < 4; i++) { assert_int_equal(got[i].session_status, 0); }
    assert_int_equal(unlink(path), 0);
}

static void test_resumed_file_comes_later_and_purges(void **state) {
    (void)state;
    char paths[3][512];
    for (int i = 0; i < 3; i++) {
        rep_events *events = NULL;
        CHECK_OK(rep_events_create(&events, folder, i ? 100 * i : -1));
        snprintf(paths[i], sizeof paths[i], "%s", rep_events_path(events));
        rep_events_close(events);
        if (i) { assert_true(strcmp(paths[i - 1], paths[i]) < 0); }
    }
    event got[4];
    assert_int_equal(read_events(got, 4, paths[2]), 2);
    assert_int_equal(got[1].session_status, 1);
    assert_int_equal(got[1].step, 200);
    for (int i = 0; i < 3; i++) { assert_int_equal(unlink(paths[i]), 0); }
}

static void test_failures(void **state) {
    (void)state;
    rep_events *events = NULL;
    CHECK_FAILS(rep_events_create(&events, "/no/such", -1), REP_ERR_IO, "/no/such/events");
    assert_null(events);
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    signal(SIGXFSZ, SIG_IGN);
    limit.rlim_cur = 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const rep_status at_start = rep_events_create(&events, folder, -1);
    limit.rlim_cur = 60;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const rep_status created = rep_events_create(&events, folder, -1);
    const rep_event_value row = {"train/a_long_enough_name", 1};
    const rep_status appended = events ? rep_events_append(events, 1, 1, &row, 1) : REP_OK;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(at_start, REP_ERR_IO);
    assert_int_equal(created, REP_OK);
    assert_int_equal(appended, REP_ERR_IO);
    assert_non_null(strstr(rep_last_error(), "is the disk full?"));
    assert_int_equal(unlink(rep_events_path(events)), 0);
    rep_events_close(events);
}

int main(void) {
    if (!mkdtemp(folder)) { return 1; }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_of_the_test_itself),
        cmocka_unit_test(test_rows_are_read_back),
        cmocka_unit_test(test_resumed_file_comes_later_and_purges),
        cmocka_unit_test(test_failures),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    /* No test leaves a file behind. */
    return failed + (rmdir(folder) != 0);
}
