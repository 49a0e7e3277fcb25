/* check_table.c - the rows of `repopt check` as a table by op, and as sentences. */
#include "cli/check_report.h"

#include <math.h>
#include <string.h>

size_t check_op_sum(check_op *out, const check_report *report, size_t first) {
    *out = (check_op){.op = report->rows[first].op};
    size_t i = first;
    for (; i < report->count && strcmp(report->rows[i].op, out->op) == 0; i++) {
        const rep_check_row *row = &report->rows[i];
        bool is_new = true;
        for (size_t k = first; k < i; k++) {
            is_new = is_new && strcmp(report->rows[k].variant, row->variant) != 0;
        }
        out->rows++;
        out->variants += is_new;
        out->failed += !row->has_passed;
        if (row->count > 0 && row->bound > 0) {
            const double share = row->error / row->bound;
            out->share = isnan(share) || isnan(out->share) ? NAN : fmax(out->share, share);
        }
        out->max_ulp = fmax(out->max_ulp, row->max_ulp);
        out->ms += fmax(row->ms, 0);
    }
    return i;
}

void check_table(FILE *out, const check_report *report) {
    fprintf(out, "%-18s %5s %8s %6s  %12s  %9s  %8s\n", "op", "rows", "variants", "failed",
            "error/bound", "worst ulp", "ms");
    for (size_t i = 0; i < report->count;) {
        check_op op;
        i = check_op_sum(&op, report, i);
        fprintf(out, "%-18s %5zu %8zu %6zu  %12.2e  %9.3g  %8.2f%s\n", op.op, op.rows, op.variants,
                op.failed, op.share, op.max_ulp, op.ms, op.failed ? "  FAIL" : "");
    }
}

void check_row_text(char *out, size_t bytes, const rep_check_row *row) {
    if (!row->has_passed) {
        snprintf(out, bytes, "%s", row->fault);
        return;
    }
    snprintf(out, bytes, "error %.2e of %.2e, rms %.2e, %.3g ulp", row->error, row->bound, row->rms,
             row->max_ulp);
}

const char *check_verdict_text(rep_verdict verdict) {
    return verdict == REP_PASSED ? "yes" : verdict == REP_FAILED ? "no" : "-";
}
