/* check_report.h - what `repopt check` found, and its table, page and JSON.
 *
 * check_table.c writes the table for a terminal, check_page.c one self-contained page, check_json.c
 * one object for programs.
 */
#ifndef REP_CLI_CHECK_REPORT_H
#define REP_CLI_CHECK_REPORT_H

#include <stdio.h>

#include "repopt/check.h"

typedef struct check_report {
    rep_device_info device;
    rep_check_row *rows;
    size_t count, capacity, failed;
    double seconds;
} check_report;

/* The rows of one op together. */
typedef struct check_op {
    const char *op;
    size_t rows, failed, variants;
    double share;   /* the largest error / bound */
    double max_ulp; /* the largest */
    double ms;      /* of all rows */
} check_op;

/* Sums up the rows from `first` on that are of one op; returns the first row of the next. */
size_t check_op_sum(check_op *out, const check_report *report, size_t first);
void check_table(FILE *out, const check_report *report);
/* What a row found, in a few words: "error 3e-15 of 1e-13, 1.5 ulp". */
void check_row_text(char *out, size_t bytes, const rep_check_row *row);
/* "as wanted", "differs" or "-". */
const char *check_verdict_text(rep_verdict verdict);

/* Both write `path` whole or not at all. */
REP_NODISCARD rep_status check_page_write(const char *path, const check_report *report);
REP_NODISCARD rep_status check_json_write(const char *path, const check_report *report);

#endif
