/* bench_peak.c - the machine's own ceilings: multiply-adds in registers, bytes from memory.
 *
 * peak-fma     ten independent chains of c = c * a + b per thread, which hides the latency of four
 *              cycles on two units; every thread pinned to a core of its own.
 * peak-stream  copy, triad (a = b + 3 c) and sum over arrays larger than any cache.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

enum { CHAINS = 10, MAX_THREADS = 256, STREAM_MIB = 128 };

/* Ten chains of one instruction; `M` is the constraint of the machine's register class. */
#define REP_TEN(STEP)                                                                              \
    STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9)
#define REP_START(i) wide c##i = b;
#define REP_JOIN(i) sum += c##i;
#define REP_SPIN(STEP)                                                                             \
    wide a, b, sum = {0};                                                                          \
    for (size_t i = 0; i < sizeof a / sizeof a[0]; i++) {                                          \
        a[i] = 0.999f;                                                                             \
        b[i] = 0.001f;                                                                             \
    }                                                                                              \
    REP_TEN(REP_START)                                                                             \
    for (long r = 0; r < rounds; r++) { REP_TEN(STEP) }                                            \
    REP_TEN(REP_JOIN)                                                                              \
    return sum[0]

#if defined(__x86_64__)
#define REP_FMA(i) __asm__ volatile("vfmadd213ps %2, %1, %0" : "+v"(c##i) : "v"(a), "v"(b));
__attribute__((target("avx512f"))) static float spin_avx512(long rounds) {
    typedef float wide __attribute__((vector_size(64)));
    REP_SPIN(REP_FMA);
}
__attribute__((target("avx2,fma"))) static float spin_avx2(long rounds) {
    typedef float wide __attribute__((vector_size(32)));
    REP_SPIN(REP_FMA);
}
#endif

/* Without a fused instruction: a multiplication and an addition, as the kernels do it there. */
static float spin_baseline(long rounds) {
    typedef float wide __attribute__((vector_size(16)));
#define REP_MUL_ADD(i) c##i = c##i * a + b;
    REP_SPIN(REP_MUL_ADD);
}

typedef struct spinner {
    float (*spin)(long rounds);
    size_t lanes;
} spinner;

static spinner choose(const char *device) {
#if defined(__x86_64__)
    const char *set = strchr(device, ':') ? strchr(device, ':') + 1 : "";
    const bool is_best = *set == '\0';
    if ((is_best || !strcmp(set, "avx512")) && __builtin_cpu_supports("avx512f")) {
        return (spinner){spin_avx512, 16};
    }
    if ((is_best || !strcmp(set, "avx2")) && __builtin_cpu_supports("fma")) {
        return (spinner){spin_avx2, 8};
    }
#else
    (void)device;
#endif
    return (spinner){spin_baseline, 4};
}

typedef struct share {
    pthread_t thread;
    int core; /* -1: wherever the system likes */
    spinner spinner;
    long rounds;
    float result;
    float *arrays[3];
    size_t begin, end;
    int operation;
} share;

static void pin(const share *s) {
    if (s->core < 0) { return; }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(s->core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/* Gives each share one of the cores this process may use. */
static void assign_cores(share *shares, int count) {
    cpu_set_t allowed;
    const bool is_known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    int core = 0;
    for (int i = 0; i < count; i++) {
        while (is_known && core < CPU_SETSIZE && !CPU_ISSET(core, &allowed)) { core++; }
        shares[i].core = is_known && core < CPU_SETSIZE ? core++ : -1;
    }
}

/* Runs every share on its own thread; returns milliseconds. A thread that cannot be started runs
 * here instead, which only makes the figure lower. */
static double run_shares(share *shares, int count, void *(*work)(void *)) {
    bool is_started[MAX_THREADS] = {false};
    const double begin = bench_clock_ms();
    for (int i = 0; i < count; i++) {
        is_started[i] = pthread_create(&shares[i].thread, NULL, work, &shares[i]) == 0;
    }
    for (int i = 0; i < count; i++) {
        if (is_started[i]) {
            pthread_join(shares[i].thread, NULL);
        } else {
            work(&shares[i]);
        }
    }
    return bench_clock_ms() - begin;
}

int bench_thread_count(int threads) {
    cpu_set_t allowed;
    int cores = 1;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) { cores = CPU_COUNT(&allowed); }
    if (threads <= 0) { threads = cores; }
    return threads > MAX_THREADS ? MAX_THREADS : threads;
}

static void *spin_share(void *context) {
    share *s = context;
    pin(s);
    s->result = s->spinner.spin(s->rounds);
    return NULL;
}

double bench_fma_gflop_s(const char *device, int threads) {
    enum { REPEATS = 3 };
    share shares[MAX_THREADS];
    memset(shares, 0, sizeof shares);
    const int count = bench_thread_count(threads);
    const spinner chosen = choose(device);
    assign_cores(shares, count);
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        const long rounds = 24000000; /* tens of milliseconds */
        for (int i = 0; i < count; i++) {
            shares[i].spinner = chosen;
            shares[i].rounds = rounds;
        }
        const double ms = run_shares(shares, count, spin_share);
        const double operations =
            2.0 * CHAINS * (double)chosen.lanes * (double)rounds * (double)count;
        if (operations / ms / 1e6 > best) { best = operations / ms / 1e6; }
    }
    return best;
}

static rep_status run_fma(const bench_workload *workload, const bench_options *options,
                          cJSON *out) {
    (void)workload;
    const double begin = bench_clock_ms();
    const double gflop_s = bench_fma_gflop_s(options->device, options->threads);
    bench_add(out, "ms", bench_clock_ms() - begin, 4);
    bench_add(out, "gflop_s", gflop_s, 1);
    return REP_OK;
}

enum { STREAM_COPY, STREAM_TRIAD, STREAM_SUM, STREAM_COUNT };

static void *stream_share(void *context) {
    share *s = context;
    pin(s);
    float *restrict a = s->arrays[0];
    const float *restrict b = s->arrays[1];
    const float *restrict c = s->arrays[2];
    float sums[16] = {0};
    switch (s->operation) {
    case STREAM_COPY:
        memcpy(a + s->begin, b + s->begin, (s->end - s->begin) * sizeof *a);
        break;
    case STREAM_TRIAD:
        for (size_t i = s->begin; i < s->end; i++) { a[i] = b[i] + 3.0f * c[i]; }
        break;
    default:
        for (size_t i = s->begin; i < s->end; i += 16) {
            for (size_t j = 0; j < 16; j++) { sums[j] += b[i + j]; }
        }
        break;
    }
    for (int j = 0; j < 16; j++) { s->result += sums[j]; }
    return NULL;
}

static rep_status stream(float *const arrays[3], const bench_options *options, cJSON *out) {
    static const char *const keys[] = {"copy_gb_s", "triad_gb_s", "read_sum_gb_s"};
    static const double touched[] = {2, 3, 1};
    enum { REPEATS = 7 };
    const size_t count = (size_t)STREAM_MIB << 18;
    const int threads = bench_thread_count(options->threads);
    share shares[MAX_THREADS];
    memset(shares, 0, sizeof shares);
    assign_cores(shares, threads);
    for (int i = 0; i < threads; i++) {
        memcpy(shares[i].arrays, arrays, sizeof shares[i].arrays);
        shares[i].begin = count / 16 * (size_t)i / (size_t)threads * 16;
        shares[i].end = count / 16 * (size_t)(i + 1) / (size_t)threads * 16;
    }
    for (int operation = 0; operation < STREAM_COUNT; operation++) {
        double ms[REPEATS];
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            for (int i = 0; i < threads; i++) { shares[i].operation = operation; }
            ms[repeat] = run_shares(shares, threads, stream_share);
        }
        const double median = bench_median(ms, REPEATS);
        const double bytes = touched[operation] * (double)count * sizeof(float);
        if (operation == STREAM_TRIAD) { bench_add(out, "ms", median, 4); }
        bench_add(out, keys[operation], bytes / median / 1e6, 1);
    }
    cJSON_AddNumberToObject(out, "array_mib", STREAM_MIB);
    return REP_OK;
}

static rep_status run_stream(const bench_workload *workload, const bench_options *options,
                             cJSON *out) {
    (void)workload;
    float *arrays[3];
    bool is_complete = true;
    for (int i = 0; i < 3; i++) {
        arrays[i] = malloc((size_t)STREAM_MIB << 20);
        is_complete = is_complete && arrays[i];
    }
    rep_status status = REP_OK;
    if (is_complete) {
        for (int i = 0; i < 3; i++) { memset(arrays[i], 0, (size_t)STREAM_MIB << 20); }
        status = stream(arrays, options, out);
    } else {
        status =
            rep_fail(REP_ERR_MEMORY, "peak-stream: %d MiB cannot be allocated", 3 * STREAM_MIB);
    }
    for (int i = 0; i < 3; i++) { free(arrays[i]); }
    return status;
}

const bench_workload bench_peak_workloads[] = {
    {"peak-fma", "multiply-adds in registers: the arithmetic ceiling", run_fma, NULL,
     BENCH_CPU_ONLY},
    {"peak-stream", "copy, triad and sum from memory: the bandwidth ceiling", run_stream, NULL,
     BENCH_CPU_ONLY},
    {NULL, NULL, NULL, NULL, 0},
};
