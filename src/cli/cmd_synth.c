/* cmd_synth.c - `repopt synth`: the built-in detection set as PNG files and COCO JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/paint.h"
#include "repopt/scene.h"

static const char help[] =
    "usage: repopt synth --out DIR [--count N] [--seed S] [--split train,test] [--size PX]\n"
    "                    [--sheet N]\n\n"
    "Writes the built-in detection set: pictures with one to eight arrows, houses and fish, each\n"
    "with a box and five keypoints, over clutter and partly behind one another. The same options\n"
    "give the same bytes on every machine. Of each split there come\n\n"
    "  DIR/SPLIT/000001.png ...     the pictures\n"
    "  DIR/annotations/SPLIT.json   boxes and keypoints as COCO has them, written last\n\n"
    "  --out DIR      made where it is missing\n"
    "  --count N      pictures of each split, 1 to 1000000 (default 1000)\n"
    "  --seed S       what is drawn (default 1)\n"
    "  --split LIST   train, test or train,test (default)\n"
    "  --size PX      width and height, 64 to 1024 (default 160)\n"
    "  --sheet N      also DIR/SPLIT-sheet.png: the first N pictures with their annotations, 1 to "
    "100\n\n"
    "Examples:\n"
    "  repopt synth --out data/scenes\n"
    "  repopt synth --out data/scenes --split test --count 20 --size 320 --sheet 12\n";

enum { PATH_BYTES = 4096, SHEET_CELL_PX = 320, NAME_BYTES = 64 };

typedef struct synth {
    const char *out, *splits;
    int64_t count, seed, size, sheet;
    const volatile int *stop;
    cli_progress progress;
} synth;

static rep_status take_options(synth *s, cli_words *words) {
    *s = (synth){.splits = "train,test", .count = 1000, .seed = 1, .size = REP_SCENE_SIDE_PX};
    REP_TRY(cli_take_value(words, "--out", &s->out));
    REP_TRY(cli_take_value(words, "--split", &s->splits));
    REP_TRY(cli_take_int(words, "--count", 1, 1000000, &s->count));
    REP_TRY(cli_take_int(words, "--seed", 0, INT64_MAX, &s->seed));
    REP_TRY(cli_take_int(words, "--size", REP_SCENE_LEAST_PX, REP_SCENE_MOST_PX, &s->size));
    REP_TRY(cli_take_int(words, "--sheet", 1, 100, &s->sheet));
    REP_TRY(cli_no_more(words));
    if (!s->out || !s->out[0]) {
        return rep_fail(REP_ERR_ARGUMENT, "synth: no folder given; write repopt synth --out DIR");
    }
    const char *known[] = {"train", "test", "train,test", "test,train"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(s->splits, known[i]) == 0) { return REP_OK; }
    }
    return rep_fail(REP_ERR_ARGUMENT, "--split: \"%s\" is neither train nor test nor train,test",
                    s->splits);
}

/* "out/a/b", of which b may be "". */
static rep_status make_path(char path[PATH_BYTES], const char *out, const char *a, const char *b) {
    const int length = snprintf(path, PATH_BYTES, "%s/%s%s%s", out, a, b[0] ? "/" : "", b);
    if (length > 0 && length < PATH_BYTES) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %d bytes", out, PATH_BYTES - 1);
}

/* ---- pictures ---------------------------------------------------------------------------------
 */

static rep_status write_picture(const char *path, const rep_scene_options *options, size_t index) {
    rep_image image = {0};
    REP_TRY(rep_scene_render(&image, options, index));
    const rep_status status = rep_image_save_png(path, &image);
    rep_image_clear(&image);
    return status;
}

static rep_status write_pictures(synth *s, const char *split, const rep_annotations *truth,
                                 const rep_scene_options *options) {
    char path[PATH_BYTES];
    rep_status status = REP_OK;
    const size_t count = truth->picture_count;
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        if (*s->stop) {
            status = rep_fail(REP_ERR_INTERRUPTED,
                              "synth: stopped after %zu of %zu pictures of %s; without their list "
                              "they are no data set: run it again",
                              i, count, split);
            break;
        }
        status = make_path(path, s->out, split, truth->pictures[i].file_name);
        if (status == REP_OK) { status = write_picture(path, options, i); }
        cli_progress_count(&s->progress, i + 1, count, split);
    }
    cli_progress_erase(&s->progress);
    return status;
}

/* ---- sheet ------------------------------------------------------------------------------------
 */

/* A picture, enlarged by a whole number where it is small, with what is true of it. */
static rep_status mark_picture(rep_image *out, const rep_annotations *truth,
                               const rep_scene_options *options, size_t index) {
    rep_paint_options how = {0};
    REP_TRY(rep_scene_render(out, options, index));
    REP_TRY(cli_picture_enlarge(out, SHEET_CELL_PX, &how.zoom));
    const rep_picture *picture = &truth->pictures[index];
    rep_paint_objects(out, truth->categories, truth->objects + picture->first, picture->count,
                      &how);
    return REP_OK;
}

static rep_status write_sheet(const synth *s, const char *split, const rep_annotations *truth,
                              const rep_scene_options *options) {
    const size_t count = (size_t)(s->sheet < s->count ? s->sheet : s->count);
    char path[PATH_BYTES], name[NAME_BYTES];
    (void)snprintf(name, sizeof name, "%s-sheet.png", split);
    REP_TRY(make_path(path, s->out, name, ""));
    rep_image *pictures = calloc(count, sizeof *pictures), sheet = {0};
    const char **captions = calloc(count, sizeof *captions);
    rep_status status =
        pictures && captions ? REP_OK : rep_fail(REP_ERR_MEMORY, "synth: no memory");
    for (size_t i = 0; i < count && status == REP_OK; i++) {
        captions[i] = truth->pictures[i].file_name;
        status = mark_picture(&pictures[i], truth, options, i);
    }
    const rep_sheet_options how = {.cell_px = s->size > SHEET_CELL_PX ? 2 * SHEET_CELL_PX : 0};
    if (status == REP_OK) { status = rep_paint_sheet(&sheet, pictures, captions, count, &how); }
    if (status == REP_OK) { status = rep_image_save_png(path, &sheet); }
    for (size_t i = 0; pictures && i < count; i++) { rep_image_clear(&pictures[i]); }
    rep_image_clear(&sheet);
    free(pictures);
    free(captions);
    return status;
}

/* ---- one split --------------------------------------------------------------------------------
 */

static void print_split(const char *path, const rep_annotations *truth) {
    size_t seen = 0, hidden = 0;
    for (size_t i = 0; i < truth->object_count; i++) {
        const rep_object *o = &truth->objects[i];
        const int32_t count = truth->categories[o->category].keypoint_count;
        for (int32_t k = 0; k < count; k++) {
            seen += o->keypoints[3 * k + 2] >= 2;
            hidden += o->keypoints[3 * k + 2] == 1;
        }
    }
    printf("%s: %zu pictures, %zu objects (%zu crowds), %zu keypoints seen, %zu hidden\n", path,
           truth->picture_count, truth->object_count, truth->crowd.count, seen, hidden);
}

static rep_status write_split(synth *s, const char *split) {
    const rep_scene_options options = {.seed = (uint64_t)s->seed,
                                       .is_train = strcmp(split, "train") == 0,
                                       .count = (size_t)s->count,
                                       .side_px = (int32_t)s->size};
    char folder[PATH_BYTES], list_folder[PATH_BYTES], path[PATH_BYTES], name[NAME_BYTES];
    (void)snprintf(name, sizeof name, "%s.json", split);
    REP_TRY(make_path(folder, s->out, split, ""));
    REP_TRY(make_path(list_folder, s->out, "annotations", ""));
    REP_TRY(make_path(path, s->out, "annotations", name));
    REP_TRY(cli_folder_make(folder));
    REP_TRY(cli_folder_make(list_folder));
    /* What stopped half way must not look whole: the list goes first and comes last. */
    (void)remove(path);
    rep_annotations *truth = NULL;
    REP_TRY(rep_scene_annotations(&truth, &options));
    rep_status status = write_pictures(s, split, truth, &options);
    if (status == REP_OK && s->sheet > 0) { status = write_sheet(s, split, truth, &options); }
    if (status == REP_OK) { status = rep_annotations_save_coco(path, truth); }
    if (status == REP_OK) { print_split(path, truth); }
    rep_annotations_destroy(truth);
    return status;
}

int cmd_synth(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    synth s;
    if (take_options(&s, &words) != REP_OK) { return cli_fail(); }
    s.stop = cli_stop_on_signals();
    cli_progress_init(&s.progress, "synth");
    static const char *const splits[] = {"train", "test"};
    for (int i = 0; i < 2; i++) {
        if (!strstr(s.splits, splits[i])) { continue; }
        if (write_split(&s, splits[i]) != REP_OK) { return cli_fail(); }
    }
    return 0;
}
