/* real_data.h - data sets that do not come with the sources, where this machine has them. */
#ifndef REP_TESTS_REAL_DATA_H
#define REP_TESTS_REAL_DATA_H

#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "check.h"

/* The path of `name` in the folder of data sets; false, with a message, where it is not. */
static bool find_real(char *path, size_t bytes, const char *name) {
    const char *given = getenv("REPOPT_DATA_DIR");
    (void)snprintf(path, bytes, "%s/%s", given ? given : REP_TEST_DATA "/../../../shared/data",
                   name);
    if (rep_file_exists(path)) { return true; }
    print_message("no %s: set REPOPT_DATA_DIR to the folder that holds %s\n", path, name);
    return false;
}

#endif
