/* oracle_cases.h - golden cases of what runs on the host, without a program or a device. */
#ifndef REP_TESTS_ORACLE_CASES_H
#define REP_TESTS_ORACLE_CASES_H

#include "oracle_files.h"

/* Runs every case whose name begins with `group`, and fails unless there are at least `wanted` and
 * each expected tensor was compared. A set from outside (REPOPT_ORACLE_DIR) may lack the group. */
void oracle_run_cases(const char *group, size_t wanted,
                      void (*run)(oracle_case *c, const oracle_set *set));

#endif
