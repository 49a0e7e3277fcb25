/* report_detect.c - what the report of a detector's quick start says about boxes and keypoints. */
#include "cli/judged.h"
#include "cli/report.h"

static void write_facts(FILE *out, const report *r) {
    const rep_annotations *truth = rep_detection_set_annotations(r->scenes);
    fprintf(out, "%zu drawn test pictures with %zu objects of %zu classes", truth->picture_count,
            truth->object_count, truth->category_count);
}

static void write_scores(FILE *out, const report_run *run) {
    const rep_eval_result *t = &run->test;
    fprintf(out, "<td>%.1f</td><td>%.1f</td><td>%.1f</td>", 100 * t->boxes[0].value,
            100 * t->boxes[1].value, 100 * t->keypoints[0].value);
}

static void write_verdict(FILE *out, const report *r) {
    const rep_eval_result *a = &r->runs[1].test, *b = &r->runs[2].test;
    fprintf(out,
            "<p>RepOptimizer minus ordinary SGD: <strong>%+.1f AP of boxes</strong>, "
            "<strong>%+.1f AP of keypoints</strong>. Each net was trained once, on one seed: a "
            "difference of a point or two may be chance. A second quick start with another seed "
            "shows how much the numbers move by themselves.</p>\n",
            100 * (a->boxes[0].value - b->boxes[0].value),
            100 * (a->keypoints[0].value - b->keypoints[0].value));
}

static rep_status write_curves(FILE *out, const report *r) {
    static const struct {
        const char *title, *column;
        bool is_score; /* a share, known after an epoch */
    } charts[] = {
        {"Training loss, all parts", "loss", false},
        {"Loss of classes (focal)", "loss_classes", false},
        {"Loss of boxes (generalised IoU)", "loss_boxes", false},
        {"Loss of centerness", "loss_centerness", false},
        {"Loss of keypoints (smooth L1, in strides)", "loss_keypoints", false},
        {"Test AP of boxes, %", "ap", true},
        {"Test AP of keypoints, %", "keypoint_ap", true},
    };
    fputs("<section><h2>Curves</h2><p>Loss on the batches of training, averaged over short "
          "stretches, in all and by its parts, and the test scores after every epoch. The loss of "
          "centerness is a cross-entropy against targets between 0 and 1 and does not end at "
          "0.</p><div class=\"pair\">\n",
          out);
    for (size_t i = 0; i < sizeof charts / sizeof *charts; i++) {
        const bool is_score = charts[i].is_score;
        REP_TRY(report_run_chart(out, r, charts[i].title, charts[i].column, "", is_score ? 100 : 1,
                                 is_score ? 0 : 60));
    }
    fputs("</div></section>\n", out);
    return REP_OK;
}

static rep_status write_answers(FILE *out, const report *r) {
    judged j;
    fputs("<section><h2>What the RepOptimizer net finds</h2><p>All that follows is of the "
          "RepOptimizer net on the test pictures.</p></section>\n",
          out);
    rep_status status = judged_init(&j, r->scenes, r->found, r->found_count, true);
    if (status == REP_OK) { status = judged_sections_write(out, &j); }
    judged_clear(&j);
    return status;
}

const report_task report_detect = {
    .score_heads = "<th scope=\"col\">AP %</th><th scope=\"col\">AP50 %</th>"
                   "<th scope=\"col\">keypoint AP %</th>",
    .score_means = "COCO's average precision of boxes (mean over IoU 0.50 to 0.95, and at 0.50) "
                   "and of keypoints (over OKS 0.50 to 0.95) on pictures the nets never saw",
    .words = " --task detect",
    .next =
        "repopt train --config-file configs/fcos/drawn_search.yaml OUTPUT_DIR out/scenes/search",
    .write_facts = write_facts,
    .write_scores = write_scores,
    .write_verdict = write_verdict,
    .write_curves = write_curves,
    .write_answers = write_answers,
};
