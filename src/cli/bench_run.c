/* bench_run.c - processes of `repopt bench`: each workload, and the look at a device before it.
 *
 * The process that prints nothing but lines never opens a device: a device starts threads, or a
 * driver that does not survive a fork. What it must know comes back through a pipe.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/bench.h"
#include "cli/cli.h"

/* ---- one workload in a process of its own -------------------------------------------------------
 */
/* "VmRSS" or "VmHWM" of this process in MiB; 0 where the system has no such file. */
static double resident_mib(const char *field) {
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) { return 0; }
    char line[256];
    long kib = 0;
    const size_t length = strlen(field);
    while (fgets(line, sizeof line, status)) {
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            kib = strtol(line + length + 1, NULL, 10);
        }
    }
    fclose(status);
    return (double)kib / 1024.0;
}

static int run_here(const bench_workload *workload, const bench_options *options) {
    const double start_mib = resident_mib("VmRSS");
    cJSON *body = cJSON_CreateObject();
    const rep_status status = workload->run(workload, options, body);
    if (status == REP_OK) {
        bench_add(body, "peak_mib", resident_mib("VmHWM") - start_mib, 1);
        bench_add(body, "start_mib", start_mib, 1);
        bench_print_line(body, workload->name, options);
    } else {
        rep_fail_prefix("%s: ", workload->name);
    }
    cJSON_Delete(body);
    return status == REP_OK ? 0 : cli_fail();
}

int bench_run_apart(const bench_workload *workload, const bench_options *options) {
    fflush(stdout);
    const pid_t child = fork();
    if (child < 0) { return run_here(workload, options); }
    if (child == 0) { _exit(run_here(workload, options)); }
    int state = 0;
    while (waitpid(child, &state, 0) < 0) {}
    if (WIFEXITED(state)) { return WEXITSTATUS(state); }
    (void)!rep_fail(REP_ERR_DEVICE, "bench %s: its process ended by signal %d", workload->name,
                    WTERMSIG(state));
    return cli_fail();
}

/* ---- the device ---------------------------------------------------------------------------------
 */
typedef struct findings {
    rep_device_info info;
    double peak_gflop_s;
} findings;

/* One line on stderr: the device and, where nobody chose it, why it was taken. */
static void tell_device(const rep_device_info *info, const char *asked) {
    char why[420] = "";
    if (strcmp(asked, "auto") == 0) { rep_device_explain_auto(why, sizeof why); }
    fprintf(stderr, "device %s: %s%s%s%s%s\n", info->name, info->description,
            info->is_vulkan ? ", driver " : "", info->driver, why[0] ? "; " : "", why);
}

/* Opens the device by any of its names and measures its peak. */
static rep_status look(findings *out, const bench_options *options) {
    rep_device *device = NULL;
    REP_TRY(rep_device_open(&device, options->device, 1));
    rep_device_describe(device, &out->info);
    rep_device_close(device);
    tell_device(&out->info, options->device);
    if (out->info.is_vulkan) {
        /* Without a peak its share stays null; the workloads say what is wrong. */
        if (bench_gemm_gflop_s(&out->peak_gflop_s, &out->info) != REP_OK) { out->peak_gflop_s = 0; }
        return REP_OK;
    }
    out->peak_gflop_s = bench_fma_gflop_s(out->info.name, bench_thread_count(options->threads));
    return REP_OK;
}

static int look_and_tell(const bench_options *options, int pipe_end) {
    findings found = {0};
    if (look(&found, options) != REP_OK) { return cli_fail(); }
    return write(pipe_end, &found, sizeof found) == (ssize_t)sizeof found ? 0 : 1;
}

/* All of it, or false. */
static bool read_findings(findings *out, int pipe_end) {
    size_t used = 0;
    while (used < sizeof *out) {
        const ssize_t got = read(pipe_end, (char *)out + used, sizeof *out - used);
        if (got <= 0) { return false; }
        used += (size_t)got;
    }
    return true;
}

int bench_open(bench_options *options, rep_device_info *info) {
    int ends[2], state = 0;
    findings found;
    if (pipe(ends) != 0) {
        (void)!rep_fail(REP_ERR_IO, "bench: no pipe");
        return cli_fail();
    }
    const pid_t child = fork();
    if (child == 0) { _exit(look_and_tell(options, ends[1])); }
    close(ends[1]);
    const bool is_read = child > 0 && read_findings(&found, ends[0]);
    close(ends[0]);
    while (child > 0 && waitpid(child, &state, 0) < 0) {}
    if (!is_read && child > 0 && WIFEXITED(state) && WEXITSTATUS(state) != 0) {
        return WEXITSTATUS(state); /* it has said why */
    }
    if (!is_read) {
        (void)!rep_fail(REP_ERR_DEVICE, "bench: %s cannot be opened", options->device);
        return cli_fail();
    }
    *info = found.info;
    options->device = info->name;
    options->description = info->description;
    options->is_vulkan = info->is_vulkan;
    options->peak_gflop_s = found.peak_gflop_s;
    options->threads = bench_thread_count(options->threads);
    return 0;
}
