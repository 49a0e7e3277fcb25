/* cmd_bench.c - `repopt bench`: times named workloads, one JSON object per line. */
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/cli.h"

static const char help[] =
    "usage: repopt bench [--workload NAME]... [options]\n\n"
    "Times training steps, inference, single convolutions, the update alone, the machine's own "
    "ceilings\nand, when named, the data side.\n"
    "Prints one JSON object per line; milliseconds are medians. Keys that a workload does not\n"
    "have are null. On a Vulkan device the CPU's line for the same workload follows each line.\n\n"
    "  --workload NAME     what to time, may be repeated (default: all but the data side)\n"
    "  --list              list the workloads\n" CLI_DEVICE_HELP
    "  --dtype T           float32 (the default, and all there is; cpu:float64 is a device)\n"
    "  --warmup N          untimed steps first (default 3)\n"
    "  --steps N           at least this many timed steps (default 10)\n"
    "  --min-ms N          and at least this much timed work (default 1000)\n\n"
    "gflop      operations of direct convolutions: 2 per multiply-add, 3 passes per training step\n"
    "gflop_s    gflop per second; above the machine's peak where an algorithm saves "
    "multiplications\n"
    "peak_share gflop_s / peak_gflop_s, which is measured first: multiply-adds in registers with\n"
    "           the same threads on the CPU, one large matrix product (peak-gemm) on a GPU\n"
    "peak_mib   largest resident size of the workload's own process above its start\n\n"
    "Examples:\n"
    "  repopt bench --workload cls-small-target --workload cls-small-hs --threads 2\n"
    "  repopt bench --workload optim-repsgd | python3 -m json.tool\n"
    "  repopt bench --workload cls-small-target --device vulkan:0\n" CLI_VULKAN_HELP;

static const bench_workload *const tables[] = {bench_train_workloads, bench_detector_workloads,
                                               bench_part_workloads,  bench_gemm_workloads,
                                               bench_peak_workloads,  bench_data_workloads};
enum { TABLE_COUNT = sizeof tables / sizeof *tables, MAX_WORKLOADS = 64 };

/* ---- the command --------------------------------------------------------------------------------
 */
static rep_status find_workload(const bench_workload **out, const char *name) {
    const char *names[MAX_WORKLOADS];
    size_t count = 0;
    for (int t = 0; t < TABLE_COUNT; t++) {
        for (const bench_workload *w = tables[t]; w->name; w++) {
            if (strcmp(w->name, name) == 0) {
                *out = w;
                return REP_OK;
            }
            if (count < MAX_WORKLOADS) { names[count++] = w->name; }
        }
    }
    const char *nearest = cli_nearest(name, names, count);
    return rep_fail(REP_ERR_ARGUMENT, "--workload: \"%s\" does not exist%s%s%s; --list lists them",
                    name, nearest ? ", did you mean \"" : "", nearest ? nearest : "",
                    nearest ? "\"" : "");
}

static void print_list(void) {
    for (int t = 0; t < TABLE_COUNT; t++) {
        for (const bench_workload *w = tables[t]; w->name; w++) {
            printf("%-20s %s%s\n", w->name, w->summary,
                   w->flags & BENCH_NAMED_ONLY ? " (only when named)" : "");
        }
    }
}

static rep_status take_options(cli_words *words, bench_options *options) {
    int64_t warmup = 3, steps = 10, min_ms = 1000;
    const char *dtype = "float32";
    REP_TRY(cli_take_device(words, &options->device, &options->threads));
    REP_TRY(cli_take_int(words, "--warmup", 0, 1000, &warmup));
    REP_TRY(cli_take_int(words, "--steps", 1, BENCH_MAX_SAMPLES, &steps));
    REP_TRY(cli_take_int(words, "--min-ms", 0, 600000, &min_ms));
    REP_TRY(cli_take_value(words, "--dtype", &dtype));
    if (strcmp(dtype, "float32") != 0) {
        return rep_fail(REP_ERR_ARGUMENT, "--dtype: \"%s\" cannot be computed; float32 can", dtype);
    }
    options->warmup = (int)warmup;
    options->steps = (int)steps;
    options->min_ms = (double)min_ms;
    return REP_OK;
}

static rep_status take_workloads(cli_words *words, const bench_workload **chosen, size_t *count) {
    for (;;) {
        const char *name = NULL;
        REP_TRY(cli_take_value(words, "--workload", &name));
        if (!name) { break; }
        if (*count == MAX_WORKLOADS) {
            return rep_fail(REP_ERR_ARGUMENT, "--workload: given more than %d times",
                            MAX_WORKLOADS);
        }
        REP_TRY(find_workload(&chosen[(*count)++], name));
    }
    REP_TRY(cli_no_more(words));
    if (chosen[0] == NULL) {
        for (int t = 0; t < TABLE_COUNT; t++) {
            for (const bench_workload *w = tables[t]; w->name; w++) {
                if (!(w->flags & BENCH_NAMED_ONLY)) { chosen[(*count)++] = w; }
            }
        }
    }
    return REP_OK;
}

int cmd_bench(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const bool is_list = cli_take_flag(&words, "--list");
    bench_options options = {.device = "auto"};
    const bench_workload *chosen[MAX_WORKLOADS] = {NULL};
    size_t count = 0;
    rep_device_info info;
    if (take_options(&words, &options) != REP_OK ||
        take_workloads(&words, chosen, &count) != REP_OK) {
        return cli_fail();
    }
    if (is_list) {
        print_list();
        return 0;
    }
    int code = bench_open(&options, &info);
    if (code != 0) { return code; }
    bench_options cpu = options;
    rep_device_info cpu_info;
    cpu.device = "cpu";
    if (options.is_vulkan) { code = bench_open(&cpu, &cpu_info); }
    for (size_t i = 0; i < count && code == 0; i++) {
        if (!options.is_vulkan || !(chosen[i]->flags & BENCH_CPU_ONLY)) {
            code = bench_run_apart(chosen[i], &options);
        }
        if (options.is_vulkan && code == 0) { code = bench_run_apart(chosen[i], &cpu); }
    }
    return code;
}
