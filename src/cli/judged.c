/* judged.c - COCO's and VOC's numbers of a detector's test, as a table and as JSON. */
#include "cli/judged.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* ---- evaluation -------------------------------------------------------------------------------
 */

static rep_status judge(judged_kind *out, const judged *j, rep_coco_kind kind) {
    const rep_coco_options options = {.kind = kind, .category = -1};
    REP_TRY(rep_coco_eval_create(&out->eval, j->truth, j->detections, j->count, &options));
    out->count = rep_coco_eval_numbers(out->numbers, out->eval);
    return REP_OK;
}

rep_status judged_init(judged *out, const rep_detection_set *set, const rep_detection *detections,
                       size_t count, bool has_keypoints) {
    *out = (judged){.set = set, .detections = detections, .count = count};
    out->truth = rep_detection_set_annotations(set);
    out->voc_rows = calloc(out->truth->category_count, sizeof *out->voc_rows);
    if (!out->voc_rows) { return rep_fail(REP_ERR_MEMORY, "test: no memory"); }
    REP_TRY(judge(&out->boxes, out, REP_COCO_BOX));
    if (has_keypoints) { REP_TRY(judge(&out->keypoints, out, REP_COCO_KEYPOINT)); }
    return rep_voc_eval(&out->voc, out->voc_rows, out->truth, detections, count, 0.5);
}

void judged_clear(judged *j) {
    rep_coco_eval_destroy(j->boxes.eval);
    rep_coco_eval_destroy(j->keypoints.eval);
    free(j->voc_rows);
    *j = (judged){0};
}

size_t judged_object_count(const judged *j) {
    size_t count = 0;
    for (size_t i = 0; i < rep_coco_eval_row_count(j->boxes.eval); i++) {
        rep_coco_row row;
        rep_coco_eval_row(&row, j->boxes.eval, i);
        count += row.truth_count;
    }
    return count;
}

bool judged_keypoint_row(rep_coco_row *out, const judged *j, int32_t category) {
    const size_t count = j->keypoints.eval ? rep_coco_eval_row_count(j->keypoints.eval) : 0;
    for (size_t i = 0; i < count; i++) {
        rep_coco_eval_row(out, j->keypoints.eval, i);
        if (out->category == category) { return true; }
    }
    return false;
}

/* ---- the table --------------------------------------------------------------------------------
 */

static void print_numbers(FILE *out, const char *title, const judged_kind *kind) {
    fprintf(out, "%s\n", title);
    for (size_t i = 0; i < kind->count; i++) {
        const rep_coco_number *n = &kind->numbers[i];
        if (n->is_known) {
            fprintf(out, "  %-6s %6.2f %%\n", n->name, 100 * n->value);
        } else {
            fprintf(out, "  %-6s no ground truth\n", n->name);
        }
    }
}

static void print_cell(FILE *out, const rep_coco_number *n) {
    if (n->is_known) {
        fprintf(out, " %10.2f", 100 * n->value);
    } else {
        fprintf(out, " %10s", "-");
    }
}

static void print_row(FILE *out, const judged *j, size_t index, int width) {
    rep_coco_row row, points;
    rep_coco_eval_row(&row, j->boxes.eval, index);
    fprintf(out, "%-*s %8zu", width, j->truth->categories[row.category].name, row.truth_count);
    print_cell(out, &row.ap);
    print_cell(out, &row.ap50);
    print_cell(out, &j->voc_rows[row.category]);
    if (judged_keypoint_row(&points, j, row.category)) {
        print_cell(out, &points.ap);
        print_cell(out, &points.ap50);
    }
    fputs(row.truth_count > 0 ? "\n" : "  no ground truth\n", out);
}

void judged_print(FILE *out, const judged *j) {
    int width = 5;
    for (size_t i = 0; i < j->truth->category_count; i++) {
        const int length = (int)strlen(j->truth->categories[i].name);
        if (length > width) { width = length; }
    }
    fprintf(out, "%zu pictures, %zu objects, %zu detections\n\n", j->truth->picture_count,
            judged_object_count(j), j->count);
    print_numbers(out, "boxes", &j->boxes);
    if (j->voc.is_known) { fprintf(out, "  VOC AP50 %.2f %%\n", 100 * j->voc.value); }
    if (j->keypoints.eval) { print_numbers(out, "\nkeypoints", &j->keypoints); }
    fprintf(out, "\n%-*s %8s %10s %10s %10s%s\n", width, "class", "objects", "AP %", "AP50 %",
            "VOC AP50 %", j->keypoints.eval ? "   points AP       AP50" : "");
    for (size_t i = 0; i < rep_coco_eval_row_count(j->boxes.eval); i++) {
        print_row(out, j, i, width);
    }
}

/* ---- JSON -------------------------------------------------------------------------------------
 */

static void add_number(cJSON *to, const char *key, const rep_coco_number *n) {
    if (n->is_known) {
        cJSON_AddNumberToObject(to, key, n->value);
    } else {
        cJSON_AddNullToObject(to, key);
    }
}

static void add_numbers(cJSON *to, const char *key, const judged_kind *kind) {
    cJSON *part = cJSON_AddObjectToObject(to, key);
    for (size_t i = 0; i < kind->count; i++) {
        add_number(part, kind->numbers[i].name, &kind->numbers[i]);
    }
}

static void add_row(cJSON *to, const rep_coco_row *row) {
    cJSON_AddNumberToObject(to, "objects", (double)row->truth_count);
    add_number(to, "AP", &row->ap);
    add_number(to, "AP50", &row->ap50);
    add_number(to, "AR", &row->ar);
}

static cJSON *class_of(const judged *j, size_t index) {
    cJSON *item = cJSON_CreateObject();
    rep_coco_row row;
    rep_coco_eval_row(&row, j->boxes.eval, index);
    const rep_category *category = &j->truth->categories[row.category];
    cJSON_AddStringToObject(item, "name", category->name);
    cJSON_AddNumberToObject(item, "id", (double)category->id);
    add_row(item, &row);
    add_number(item, "VOC_AP50", &j->voc_rows[row.category]);
    if (judged_keypoint_row(&row, j, row.category)) {
        add_row(cJSON_AddObjectToObject(item, "keypoints"), &row);
    }
    return item;
}

rep_status judged_print_json(FILE *out, const judged *j) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "count", (double)j->truth->picture_count);
    cJSON_AddNumberToObject(json, "objects", (double)judged_object_count(j));
    cJSON_AddNumberToObject(json, "detections", (double)j->count);
    add_numbers(json, "boxes", &j->boxes);
    if (j->keypoints.eval) { add_numbers(json, "keypoints", &j->keypoints); }
    add_number(json, "VOC_AP50", &j->voc);
    cJSON *classes = cJSON_AddArrayToObject(json, "classes");
    for (size_t i = 0; i < rep_coco_eval_row_count(j->boxes.eval); i++) {
        cJSON_AddItemToArray(classes, class_of(j, i));
    }
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    if (!text) { return rep_fail(REP_ERR_MEMORY, "test: no memory for the result"); }
    fprintf(out, "%s\n", text);
    cJSON_free(text);
    return REP_OK;
}

/* ---- files ------------------------------------------------------------------------------------
 */

rep_status judged_write(const char *folder, const judged *j, const char *weights) {
    char path[CLI_PATH_BYTES];
    REP_TRY(cli_path_join(path, folder, "bbox.json"));
    REP_TRY(rep_detections_save_coco(path, j->truth, j->detections, j->count, REP_COCO_BOX));
    if (j->keypoints.eval) {
        REP_TRY(cli_path_join(path, folder, "keypoints.json"));
        REP_TRY(
            rep_detections_save_coco(path, j->truth, j->detections, j->count, REP_COCO_KEYPOINT));
    }
    REP_TRY(cli_path_join(path, folder, "report.html"));
    return judged_page_write(path, j, weights);
}
