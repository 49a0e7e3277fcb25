/* oracle_cases.c - runs the golden cases of a group on the host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants those above. */
#include <cmocka.h>

#include "oracle_cases.h"

void oracle_run_cases(const char *group, size_t wanted,
                      void (*run)(oracle_case *c, const oracle_set *set)) {
    oracle_set set;
    oracle_set_open(&set);
    size_t count = 0;
    int failures = 0;
    for (size_t i = 0; i < set.count; i++) {
        if (strncmp(oracle_set_name(&set, i), group, strlen(group)) != 0) { continue; }
        oracle_case c;
        oracle_case_load(&c, &set, i);
        c.place = "host";
        run(&c, &set);
        oracle_check_compared(&c);
        failures += c.failures;
        oracle_case_clear(&c);
        count++;
    }
    if (count < wanted && !getenv("REPOPT_ORACLE_DIR")) {
        fail_msg("%zu cases %s in %s, wanted %zu", count, group, set.folder, wanted);
    }
    oracle_set_close(&set);
    if (failures) { fail_msg("%d mismatches", failures); }
}
