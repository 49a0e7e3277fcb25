/* cmd_data.c - `repopt data`: what a detector is trained on, counted, checked and shown. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/data_sheet.h"

static const char help[] =
    "usage: repopt data --config-file FILE [options] [KEY VALUE]...\n\n"
    "Looks at a detector's data before anything is trained: objects per class and size, pictures\n"
    "without objects, annotations that are odd (with their ids), the shapes of batches. Every\n"
    "picture is read, so that damaged and missing ones, and those of another size than annotated,\n"
    "are told. Sizes are COCO's: small up to 32 x 32 pixels of the file, large from 96 x 96.\n"
    "Training leaves out crowds and what is difficult, degenerate or outside, and cuts what is\n"
    "beyond.\n\n"
    "  --config-file FILE  the configuration to train with\n"
    "  --sheet FILE.png    the first pictures of training as the net sees them: resized,\n"
    "                      augmented, with the boxes and keypoints that are left\n"
    "  --count N           pictures on the sheet, 1 to 100 (default: one batch)\n\n"
    "Examples:\n"
    "  repopt data --config-file configs/fcos/bccd_sgd.yaml DATASETS.ROOT data/bccd\n"
    "  repopt data --config-file configs/fcos/bccd_sgd.yaml DATASETS.ROOT data/bccd \\\n"
    "      --sheet sheet.png --count 16 INPUT.MOSAIC_PROB 0.5\n";

enum { MOST_SHEET = 100, MOST_BAD = 8 };
static const double small_area = 32 * 32, large_area = 96 * 96;

typedef struct data_run {
    const char *sheet;
    int64_t count; /* 0: a batch */
    const volatile int *stop;
    cli_progress progress;
} data_run;

/* ---- counts -----------------------------------------------------------------------------------
 */

typedef struct class_counts {
    size_t objects, pictures, small, medium, large, crowds;
    size_t last_picture; /* that was counted, 1 first */
} class_counts;

static void count_object(class_counts *c, const rep_object *o) {
    c->objects++;
    if (c->last_picture != o->picture + 1) {
        c->pictures++;
        c->last_picture = o->picture + 1;
    }
    c->crowds += o->is_crowd;
    if (o->area <= small_area) {
        c->small++;
    } else if (o->area < large_area) {
        c->medium++;
    } else {
        c->large++;
    }
}

static rep_status print_classes(const rep_annotations *set) {
    class_counts *counts = calloc(set->category_count, sizeof *counts);
    if (!counts) { return rep_fail(REP_ERR_MEMORY, "data: no memory"); }
    int width = 5;
    for (size_t i = 0; i < set->object_count; i++) {
        count_object(&counts[set->objects[i].category], &set->objects[i]);
    }
    for (size_t i = 0; i < set->category_count; i++) {
        const int length = (int)strlen(set->categories[i].name);
        if (length > width) { width = length; }
    }
    printf("  %-*s %8s %8s %8s %8s %8s %8s %9s\n", width, "class", "objects", "pictures", "small",
           "medium", "large", "crowds", "keypoints");
    for (size_t i = 0; i < set->category_count; i++) {
        const class_counts *c = &counts[i];
        printf("  %-*s %8zu %8zu %8zu %8zu %8zu %8zu %9" PRId32 "\n", width,
               set->categories[i].name, c->objects, c->pictures, c->small, c->medium, c->large,
               c->crowds, set->categories[i].keypoint_count);
    }
    free(counts);
    return REP_OK;
}

/* ---- oddities ---------------------------------------------------------------------------------
 */

static void print_odd(const char *what, const rep_odd *odd) {
    if (odd->count == 0) { return; }
    printf("  odd: %zu %s:", odd->count, what);
    for (size_t i = 0; i < odd->count && i < REP_ODD_FIRST; i++) {
        printf("%s annotation %" PRId64 " of picture %" PRId64, i > 0 ? "," : "", odd->ids[i],
               odd->picture_ids[i]);
    }
    puts(odd->count > REP_ODD_FIRST ? " ..." : "");
}

static void print_empty(const rep_annotations *set) {
    size_t count = 0;
    for (size_t i = 0; i < set->picture_count; i++) {
        const rep_picture *p = &set->pictures[i];
        if (p->count > 0) { continue; }
        if (count < REP_ODD_FIRST) {
            printf("%s %" PRId64 " (%s)", count > 0 ? "," : "  without objects: picture", p->id,
                   p->file_name);
        }
        count++;
    }
    if (count > 0) { printf("%s, %zu in all\n", count > REP_ODD_FIRST ? " ..." : "", count); }
}

/* Reads every picture, the damaged ones are told. */
static rep_status print_bad(data_run *run, const rep_detection_set *set, const char *split) {
    const rep_annotations *face = rep_detection_set_annotations(set);
    size_t bad = 0;
    for (size_t i = 0; i < face->picture_count; i++) {
        if (*run->stop) {
            return rep_fail(REP_ERR_INTERRUPTED, "data: stopped after %zu of %zu pictures", i,
                            face->picture_count);
        }
        cli_progress_count(&run->progress, i + 1, face->picture_count, split);
        rep_image image = {0};
        const rep_status status = rep_detection_set_read(&image, set, i, 1, 1);
        rep_image_clear(&image);
        if (status == REP_OK) { continue; }
        if (status != REP_ERR_DATA && status != REP_ERR_IO) { return status; }
        cli_progress_erase(&run->progress);
        if (bad++ < MOST_BAD) { printf("  bad: %s\n", rep_last_error()); }
    }
    cli_progress_erase(&run->progress);
    if (bad > MOST_BAD) { printf("  bad: ... %zu in all\n", bad); }
    return REP_OK;
}

static rep_status print_split(data_run *run, const rep_detection_set *set, const char *split) {
    const rep_annotations *face = rep_detection_set_annotations(set);
    printf("%s: %s, %zu pictures, %zu objects\n", split, face->source, face->picture_count,
           face->object_count);
    REP_TRY(print_classes(face));
    print_odd("of crowds", &face->crowd);
    print_odd("degenerate, without area", &face->degenerate);
    print_odd("outside their picture", &face->outside);
    print_odd("beyond their picture's edge", &face->beyond);
    print_empty(face);
    return print_bad(run, set, split);
}

/* ---- batches ----------------------------------------------------------------------------------
 */

static void print_shapes(const rep_data_view *view) {
    int32_t height = 0, width = 0;
    const size_t count = rep_detection_loader_bucket(&height, &width, view->loader, 0);
    printf("batches: %" PRId32 " pictures, %zu an epoch, height x width", view->options->batch,
           rep_detection_loader_epoch_batches(view->loader));
    for (size_t i = 0; i < count; i++) {
        (void)rep_detection_loader_bucket(&height, &width, view->loader, i);
        printf("%s %" PRId32 " x %" PRId32, i > 0 ? "," : "", height, width);
    }
    putchar('\n');
}

static rep_status show(void *context, const rep_data_view *view) {
    data_run *run = context;
    REP_TRY(print_split(run, view->train, "train"));
    if (view->test) { REP_TRY(print_split(run, view->test, "test")); }
    print_shapes(view);
    if (!run->sheet) { return REP_OK; }
    const size_t count = (size_t)(run->count > 0 ? run->count : view->options->batch);
    size_t shown = 0;
    REP_TRY(data_sheet_write(run->sheet, &shown, view, count < MOST_SHEET ? count : MOST_SHEET));
    printf("%s: %zu pictures of training\n", run->sheet, shown);
    return REP_OK;
}

int cmd_data(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    data_run run = {0};
    rep_config *config = NULL;
    if (cli_take_value(&words, "--sheet", &run.sheet) != REP_OK ||
        cli_take_int(&words, "--count", 1, MOST_SHEET, &run.count) != REP_OK ||
        cli_take_given_config(&words, &config) != REP_OK) {
        return cli_fail();
    }
    run.stop = cli_stop_on_signals();
    cli_progress_init(&run.progress, "data");
    rep_log_set(cli_log_line, &run.progress);
    rep_status status = run.sheet ? cli_file_check(run.sheet) : REP_OK;
    if (status == REP_OK) { status = rep_data_visit(config, show, &run); }
    rep_log_set(NULL, NULL);
    rep_config_destroy(config);
    return status == REP_OK ? 0 : cli_fail();
}
