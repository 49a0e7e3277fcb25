/* bench_main.c - `repopt bench` for one training workload in WebAssembly: the workloads and the
 * line are the program's own. Usage: WORKLOAD WARMUP STEPS MIN_MS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench.h"

static rep_status run(const char *name, const bench_options *options) {
    for (const bench_workload *w = bench_train_workloads; w->name; w++) {
        if (strcmp(w->name, name) != 0) { continue; }
        cJSON *body = cJSON_CreateObject();
        const rep_status status = w->run(w, options, body);
        if (status == REP_OK) { bench_print_line(body, name, options); }
        cJSON_Delete(body);
        return status;
    }
    return rep_fail(REP_ERR_ARGUMENT, "\"%s\" does not exist; repopt bench --list lists workloads",
                    name);
}

int main(int argc, char **argv) {
    if (argc != 5) { return 2; }
    const bench_options options = {.device = "cpu:baseline",
                                   .description = "WebAssembly, SIMD128",
                                   .threads = 1,
                                   .warmup = atoi(argv[2]),
                                   .steps = atoi(argv[3]),
                                   .min_ms = atof(argv[4])};
    const rep_status status = run(argv[1], &options);
    if (status != REP_OK) { fprintf(stderr, "bench: %s\n", rep_last_error()); }
    return rep_status_exit_code(status);
}
