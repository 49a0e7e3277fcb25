/* oracle_files.h - the folder of golden vectors, as oracle_main.c sees it. */
#ifndef REP_TESTS_ORACLE_FILES_H
#define REP_TESTS_ORACLE_FILES_H

#include "oracle.h"

typedef struct oracle_set {
    const char *folder;
    struct cJSON *manifest;
    const struct cJSON *cases; /* the manifest's list */
    size_t count;
} oracle_set;

/* These stop the program with a message when a file is missing or not what the manifest says: a set
 * that cannot be read must not look like a set that passed. */
void oracle_set_open(oracle_set *out);
void oracle_set_close(oracle_set *set);
const char *oracle_set_name(const oracle_set *set, size_t index);
/* Reads a case's tensors and those of the cases it uses. oracle_case_clear frees them. */
void oracle_case_load(oracle_case *out, const oracle_set *set, size_t index);
void oracle_case_clear(oracle_case *c);

#endif
