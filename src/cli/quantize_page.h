/* quantize_page.h - what `repopt quantize` found, and the page that shows it. */
#ifndef REP_CLI_QUANTIZE_PAGE_H
#define REP_CLI_QUANTIZE_PAGE_H

#include <stdio.h>

#include "repopt/quantize.h"

enum { QUANTIZE_NETS = 8 };

/* One net of the command line. */
typedef struct quantize_net {
    const char *weights;
    rep_quantize_result result;
} quantize_net;

typedef struct quantize_page {
    quantize_net nets[QUANTIZE_NETS];
    size_t count;
    const char *method; /* "percentile 99.99" */
} quantize_page;

/* The score of a result in per cent. */
static inline double quantize_score(const rep_eval_result *r) { return 100 * r->score; }

/* Writes `path` whole or not at all: nets side by side, errors and histograms by layer. */
REP_NODISCARD rep_status quantize_page_write(const char *path, const quantize_page *page);

#endif
