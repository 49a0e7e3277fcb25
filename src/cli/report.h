/* report.h - what `repopt quickstart` found, and the page that shows it.
 *
 * The page is one file: style, charts (inline SVG) and pictures (data: PNG) are inside, nothing is
 * fetched. report.c writes the sections, report_chart.c lines and histograms, report_mask.c the
 * multipliers, report_style.c the style sheet; of a classifier report_classify.c the scores and
 * report_guess.c pictures and guesses; of a detector report_detect.c the scores, and judged.h the
 * rest.
 */
#ifndef REP_CLI_REPORT_H
#define REP_CLI_REPORT_H

#include <stdio.h>

#include "repopt/train.h"

enum { REPORT_RUNS = 3, REPORT_MAX_CLASSES = 16, REPORT_MAX_CHECKS = 128 };

/* One training run. */
typedef struct report_run {
    const char *name;  /* "search"; also its folder below the report's */
    const char *title; /* "Hyper-search" */
    const char *how;   /* one line on what was trained with what */
    char folder[512];
    rep_train_result result;
    rep_eval_result test;
} report_run;

/* What the net said about one test picture. */
typedef struct report_guess {
    int32_t label, guess;
    float probability; /* of the guess */
} report_guess;

/* A row of the verification with its own copy of the device's name. */
typedef struct report_check {
    rep_verify_row row;
    char device[64];
} report_check;

typedef struct report_task report_task;

typedef struct report {
    const report_task *task;
    report_run runs[REPORT_RUNS]; /* search, repopt, sgd */
    report_check checks[REPORT_MAX_CHECKS];
    size_t check_count;
    bool has_passed;
    /* A classifier's. */
    report_guess *guesses; /* of runs[1], in the order of the test split */
    size_t guess_count, guess_capacity;
    rep_dataset *test_set;
    /* A detector's. */
    rep_detection_set *scenes; /* the test split */
    rep_detection *found;      /* of runs[1]; their keypoints lie in found_points */
    double *found_points;
    size_t found_count;
    bool has_lost; /* there was no memory to keep them */
    rep_device_info device;
    uint64_t seed;
    int32_t kernel;         /* side of the blocks' kernels */
    bool is_scale_by_stage; /* SCALE_INIT */
    double seconds;
} report;

/* Writes `path` whole or not at all. */
REP_NODISCARD rep_status report_write(const char *path, const report *r);

/* Half width of the 95 % interval of a share measured on `count` pictures (normal approximation of
 * the binomial). */
double report_half_width(double share, size_t count);
/* Largest difference among the rows that must agree, in the device's or in double precision. */
double report_worst(const report *r, bool is_reference);

/* What the page says about one kind of net; texts are HTML. */
struct report_task {
    const char *score_heads; /* header cells of the result table's scores */
    const char *score_means; /* what the scores are */
    const char *words; /* of the command line behind `repopt quickstart`, with a blank first */
    const char *next;  /* a command to go on with */
    void (*write_facts)(FILE *out, const report *r); /* "2000 drawn test pictures, 10 classes" */
    void (*write_scores)(FILE *out, const report_run *run); /* their cells */
    void (*write_verdict)(FILE *out, const report *r);      /* RepOptimizer against SGD */
    rep_status (*write_curves)(FILE *out, const report *r);
    rep_status (*write_answers)(FILE *out, const report *r);
};
extern const report_task report_classify, report_detect;

/* RepOptimizer's top-1 minus ordinary SGD's, and the half width of its 95 % interval. */
typedef struct report_difference {
    double difference, half_width;
} report_difference;
report_difference report_top1_difference(const report *r);

/* ---- parts of the page --------------------------------------------------------------------------
 */
extern const char report_style[];

/* A line of a chart; `style` numbers its colour (1, 2, 3). */
typedef struct report_line {
    const char *label;
    int style;
    double *x, *y;
    size_t count;
} report_line;
/* Reads column `name` of OUTPUT_DIR/metrics.csv against the iteration; empty cells are left out.
 * Averages groups of `window` rows. The caller frees x and y. */
REP_NODISCARD rep_status report_line_read(report_line *out, const char *folder, const char *name,
                                          size_t window);
typedef struct report_axes {
    const char *title, *unit; /* of y */
    const char *x_title;
    bool is_share; /* x and y go from 0 to 1 */
} report_axes;
void report_chart(FILE *out, const report_axes *axes, const report_line *lines, size_t count);
/* A chart of one column of metrics.csv for the three runs, averaged to about so many points (0: as
 * it is). `factor` brings shares to per cent. */
REP_NODISCARD rep_status report_run_chart(FILE *out, const report *r, const char *title,
                                          const char *column, const char *unit, double factor,
                                          size_t points);
void report_histograms(FILE *out, const rep_scales *scales, bool is_by_stage);
void report_masks(FILE *out, const rep_scales *scales, int32_t kernel);
REP_NODISCARD rep_status report_guesses(FILE *out, const report *r);
void report_confusion(FILE *out, const report *r);

/* An <img> of the given size on the page whose PNG is in the page; nothing when it cannot be
 * encoded. */
void report_image(FILE *out, const rep_image *image, int width, int height, const char *alt);
void report_text(FILE *out, const char *text); /* escaped */

#endif
