/* bench_samples.c - times of `repopt bench`: taken, summed up, and written as a line of JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/bench.h"

double bench_clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Quantile by linear interpolation between the sorted samples. */
static double quantile(const double *values, size_t count, double q) {
    double sorted[BENCH_MAX_SAMPLES];
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    const double place = q * (double)(count - 1);
    const size_t below = (size_t)place;
    const size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

double bench_median(const double *values, size_t count) { return quantile(values, count, 0.5); }

rep_status bench_measure(bench_samples *out, const bench_options *options,
                         rep_status (*step)(void *context, double *ms), void *context) {
    double ms[BENCH_SERIES] = {0};
    for (int i = 0; i < options->warmup; i++) { REP_TRY(step(context, ms)); }
    out->count = 0;
    const double begin = bench_clock_ms();
    while (out->count < BENCH_MAX_SAMPLES &&
           (out->count < (size_t)options->steps || bench_clock_ms() - begin < options->min_ms)) {
        REP_TRY(step(context, ms));
        for (int s = 0; s < BENCH_SERIES; s++) { out->ms[s][out->count] = ms[s]; }
        out->count++;
    }
    return REP_OK;
}

void bench_add(cJSON *out, const char *key, double value, int digits) {
    const double unit = pow(10, digits);
    cJSON_AddNumberToObject(out, key, round(value * unit) / unit);
}

void bench_add_summary(cJSON *out, const char *prefix, const double *values, size_t count) {
    static const struct {
        const char *suffix;
        double q;
    } parts[] = {{"", 0.5}, {"_min", 0}, {"_p10", 0.1}, {"_p90", 0.9}};
    char key[64];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(key, sizeof key, "%s%s", prefix, parts[i].suffix);
        bench_add(out, key, quantile(values, count, parts[i].q), 4);
    }
    cJSON_DeleteItemFromObject(out, "n");
    cJSON_AddNumberToObject(out, "n", (double)count);
}

void bench_add_rates(cJSON *out, double gflop, double ms, double peak_gflop_s) {
    const double gflop_s = gflop / ms * 1e3;
    bench_add(out, "gflop", gflop, 4);
    bench_add(out, "gflop_s", gflop_s, 1);
    if (peak_gflop_s > 0) {
        bench_add(out, "peak_share", gflop_s / peak_gflop_s, 3);
        bench_add(out, "peak_gflop_s", peak_gflop_s, 1);
    }
}

void bench_add_plan(cJSON *out, const rep_program *program) {
    const double mib = 1048576.0;
    rep_program_memory m;
    rep_program_memory_get(program, &m);
    const size_t all = m.state_bytes + m.work_bytes + m.io_bytes + m.scratch_bytes;
    bench_add(out, "planned_mib", (double)all / mib, 1);
    bench_add(out, "work_mib", (double)m.work_bytes / mib, 1);
    bench_add(out, "unplanned_work_mib", (double)m.unplanned_work_bytes / mib, 1);
    bench_add(out, "scratch_mib", (double)m.scratch_bytes / mib, 1);
}

void bench_noise(float *values, size_t count, uint32_t seed) {
    uint32_t x = seed * 2654435761u + 1u;
    for (size_t i = 0; i < count; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        values[i] = (float)(x >> 8) / 8388608.0f - 1.0f;
    }
}

void bench_print_line(cJSON *body, const char *name, const bench_options *options) {
    static const char *const promised[] = {"batch",      "ms",       "fwd_ms", "bwd_ms",
                                           "opt_ms",     "images_s", "gflop",  "gflop_s",
                                           "peak_share", "peak_mib"};
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "name", name);
    cJSON_AddStringToObject(line, "device", options->device);
    if (options->is_vulkan) {
        cJSON_AddNullToObject(line, "threads");
    } else {
        cJSON_AddNumberToObject(line, "threads", options->threads);
    }
    cJSON_AddStringToObject(line, "dtype", "float32");
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++) {
        cJSON *item = cJSON_DetachItemFromObject(body, promised[i]);
        if (item) {
            cJSON_AddItemToObject(line, promised[i], item);
        } else {
            cJSON_AddNullToObject(line, promised[i]);
        }
    }
    cJSON_AddStringToObject(line, "description", options->description);
    while (body->child) {
        cJSON *item = cJSON_DetachItemViaPointer(body, body->child);
        cJSON_AddItemToObject(line, item->string, item);
    }
    char *text = cJSON_PrintUnformatted(line);
    if (text) { puts(text); }
    fflush(stdout);
    cJSON_free(text);
    cJSON_Delete(line);
}
