/* cmd_scales.c - `repopt scales`: what a search found, a row per block, and how little it moved. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/scale_counts.h"

static const char help[] =
    "usage: repopt scales FILE [--scale-init stage|one] [--json]\n\n"
    "Reads the branch scales of a searched checkpoint, or those a target's checkpoint carries;\n"
    "FILE is a safetensors or PyTorch file (.pth, .pt).\n"
    "s belongs to the k x k kernel, t to the 1x1 kernel, u to the identity (triples only).\n"
    "`near` counts the scales that are still within 0.05 of where the search started: many of "
    "them\n"
    "mean that the search found little.\n\n"
    "  --scale-init  what s and t started at: stage (default) is sqrt(2/i) for block i of a stage\n"
    "                and 1 for its first, as SCALE_INIT has it; one is 1\n"
    "  --json        one JSON object per block\n\n"
    "Examples:\n"
    "  repopt scales out/search/model_final.safetensors\n"
    "  repopt scales RepOpt-VGG-B1-scales.pth\n";

enum { VECTORS = 3 };
static const char *const vector_names[VECTORS] = {"s", "t", "u"};

static void print_head(void) {
    printf("%-14s %-6s %4s %6s", "block", "kind", "ch", "start");
    for (int v = 0; v < VECTORS; v++) {
        printf(" | %s %5s %6s %6s %6s", vector_names[v], "mean", "std", "min", "max");
    }
    printf(" | %3s %9s\n", "neg", "near");
}

static void print_row(const rep_scale_row *row, bool is_by_stage) {
    scale_counts c = {0};
    scale_counts_add(&c, row, is_by_stage);
    const float *const vectors[VECTORS] = {row->s, row->t, row->u};
    printf("%-14s %-6s %4d %6.3f", row->name, row->is_triple ? "triple" : "pair", row->channels,
           scale_start(row->name, is_by_stage));
    for (int v = 0; v < VECTORS; v++) {
        if (!vectors[v]) {
            printf(" | %28s", "-");
            continue;
        }
        rep_scale_stats stats;
        rep_scale_stats_get(&stats, vectors[v], row->channels);
        printf(" | %7.3f %6.3f %6.3f %6.3f", stats.mean, stats.std, stats.min, stats.max);
    }
    printf(" | %3zu %4zu/%zu\n", c.negative, c.near, c.values);
}

static void print_json(const rep_scale_row *row, bool is_by_stage) {
    scale_counts c = {0};
    scale_counts_add(&c, row, is_by_stage);
    const float *const vectors[VECTORS] = {row->s, row->t, row->u};
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "block", row->name);
    cJSON_AddStringToObject(line, "kind", row->is_triple ? "triple" : "pair");
    cJSON_AddNumberToObject(line, "channels", row->channels);
    cJSON_AddNumberToObject(line, "start", scale_start(row->name, is_by_stage));
    for (int v = 0; v < VECTORS; v++) {
        if (!vectors[v]) { continue; }
        rep_scale_stats stats;
        rep_scale_stats_get(&stats, vectors[v], row->channels);
        cJSON *part = cJSON_AddObjectToObject(line, vector_names[v]);
        cJSON_AddNumberToObject(part, "mean", stats.mean);
        cJSON_AddNumberToObject(part, "std", stats.std);
        cJSON_AddNumberToObject(part, "min", stats.min);
        cJSON_AddNumberToObject(part, "max", stats.max);
        cJSON_AddNumberToObject(part, "negative", stats.negative_count);
    }
    cJSON_AddNumberToObject(line, "values", (double)c.values);
    cJSON_AddNumberToObject(line, "negative", (double)c.negative);
    cJSON_AddNumberToObject(line, "near", (double)c.near);
    char *text = cJSON_PrintUnformatted(line);
    if (text) { puts(text); }
    cJSON_free(text);
    cJSON_Delete(line);
}

static void print_summary(const rep_scales *scales, bool is_by_stage) {
    const scale_counts all = scale_counts_of(scales, is_by_stage);
    printf(
        "\n%zu scales in %zu blocks from %.3f to %.3f, %zu negative; %zu (%.1f %%) stayed within "
        "%.2f of their start, the farthest moved %.3f\n",
        all.values, rep_scales_count(scales), all.min, all.max, all.negative, all.near,
        100.0 * (double)all.near / (double)(all.values ? all.values : 1), SCALE_NEAR, all.farthest);
    if (all.farthest <= SCALE_NEAR) {
        puts(
            "All scales stayed near their start: this search carries little; search longer, with a "
            "higher SOLVER.BASE_LR, or on harder data.");
    }
}

static rep_status take_scale_init(cli_words *words, bool *is_by_stage) {
    const char *text = "stage";
    REP_TRY(cli_take_value(words, "--scale-init", &text));
    *is_by_stage = strcmp(text, "stage") == 0;
    if (*is_by_stage || strcmp(text, "one") == 0) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "--scale-init: \"%s\" is neither stage nor one", text);
}

int cmd_scales(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    const bool is_json = cli_take_flag(&words, "--json");
    bool is_by_stage = true;
    if (take_scale_init(&words, &is_by_stage) != REP_OK) { return cli_fail(); }
    if (words.count == 0) {
        (void)!rep_fail(REP_ERR_ARGUMENT, "scales: no file given; write repopt scales FILE");
        return cli_fail();
    }
    const char *path = words.items[0];
    words.items++;
    words.count--;
    rep_scales *scales = NULL;
    rep_log_set(cli_log_line, NULL);
    if (cli_no_more(&words) != REP_OK || rep_scales_load(&scales, path) != REP_OK) {
        return cli_fail();
    }
    if (!is_json) { print_head(); }
    for (size_t i = 0; i < rep_scales_count(scales); i++) {
        const rep_scale_row *row = rep_scales_row(scales, i);
        if (is_json) {
            print_json(row, is_by_stage);
        } else {
            print_row(row, is_by_stage);
        }
    }
    if (!is_json) { print_summary(scales, is_by_stage); }
    rep_scales_destroy(scales);
    return 0;
}
