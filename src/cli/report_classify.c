/* report_classify.c - what the report of a classifier's quick start says about top-1. */
#include <math.h>

#include "cli/report.h"

report_difference report_top1_difference(const report *r) {
    const rep_eval_result *a = &r->runs[1].test, *b = &r->runs[2].test;
    return (report_difference){.difference = a->top1 - b->top1,
                               .half_width = hypot(report_half_width(a->top1, a->count),
                                                   report_half_width(b->top1, b->count))};
}

static void write_facts(FILE *out, const report *r) {
    const rep_dataset_info *info = rep_dataset_info_get(r->test_set);
    fprintf(out, "%zu drawn test pictures, %d classes", info->count, info->class_count);
}

static void write_scores(FILE *out, const report_run *run) {
    fprintf(out, "<td>%.1f&thinsp;&plusmn;&thinsp;%.1f</td>", 100 * run->test.top1,
            100 * report_half_width(run->test.top1, run->test.count));
}

/* What the difference between the two plain nets says, and what it does not. */
static void write_verdict(FILE *out, const report *r) {
    const report_difference d = report_top1_difference(r);
    fprintf(
        out,
        "<p>RepOptimizer minus ordinary SGD: <strong>%+.1f points</strong>. Two nets of equal "
        "worth differ by up to &plusmn;%.1f points on %zu test pictures by chance alone (95 "
        "%%), and each was trained once: %s</p>\n",
        100 * d.difference, 100 * d.half_width, r->runs[1].test.count,
        fabs(d.difference) <= d.half_width
            ? "this run ranks neither above the other."
            : "the difference is larger than that, for this data, this seed and this schedule.");
}

static rep_status write_curves(FILE *out, const report *r) {
    fputs("<section><h2>Curves</h2><p>Loss on the batches of training, averaged over short "
          "stretches, and accuracy on the test pictures after every epoch.</p>"
          "<div class=\"pair\">\n",
          out);
    REP_TRY(report_run_chart(out, r, "Training loss", "loss", "", 1, 60));
    REP_TRY(report_run_chart(out, r, "Test top-1, %", "accuracy", "", 100, 0));
    fputs("</div></section>\n", out);
    return REP_OK;
}

static rep_status write_guesses(FILE *out, const report *r) {
    fputs(
        "<section><h2>What the RepOptimizer net says</h2><p>The first pictures of the test split, "
        "not chosen ones: the net's answer and how sure it is.</p>\n",
        out);
    REP_TRY(report_guesses(out, r));
    fputs("<h3 style=\"margin-top:22px\">All test pictures, by class</h3>\n", out);
    report_confusion(out, r);
    fputs("</section>\n", out);
    return REP_OK;
}

const report_task report_classify = {
    .score_heads = "<th scope=\"col\">top-1 %</th>",
    .score_means = "top-1 on pictures the nets never saw, with the 95 % interval of its binomial "
                   "error",
    .words = "",
    .next = "repopt train --config-file configs/cifar10/search.yaml DATASETS.ROOT FOLDER "
            "OUTPUT_DIR out/search",
    .write_facts = write_facts,
    .write_scores = write_scores,
    .write_verdict = write_verdict,
    .write_curves = write_curves,
    .write_answers = write_guesses,
};
