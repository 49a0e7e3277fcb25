/* cmd_predict.c - `repopt predict`: what a trained detector finds, drawn and as JSON. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "repopt/paint.h"

static const char help[] =
    "usage: repopt predict --weights CHECKPOINT [options] PICTURE|FOLDER... [KEY=VALUE]...\n\n"
    "Finds objects in pictures with a detector that repopt train trained. Its checkpoint holds "
    "the\n"
    "settings and the categories: nothing else is needed. Folders are walked for .jpg, .jpeg and\n"
    ".png files, in the order of their names.\n\n"
    "  --weights FILE      the checkpoint; its moving average counts where it has one\n"
    "  --config-file FILE  settings in place of those in the checkpoint\n"
    "  --out FOLDER        made where it is missing: every picture as PNG, with boxes, labels,\n"
    "                      scores and keypoints, small ones enlarged; below a folder names\n"
    "                      stay as they are there\n"
    "  --json FILE         the findings go there, not to the standard output\n"
    "  --min-score S       what is less sure is left out, 0 to 1 (default 0.3);\n"
    "                      MODEL.FCOS.INFERENCE_TH comes before it\n"
    "  --skip-bad          go on without pictures that cannot be read, and count "
    "them\n" CLI_DEVICE_HELP
    "\nThe findings are a JSON list with one object per picture, in the order of the words:\n\n"
    "  {\"file\": \"a.jpg\", \"width\": 640, \"height\": 480, \"detections\": [{\"label\": "
    "\"fish\",\n"
    "   \"score\": 0.93, \"box\": [x, y, width, height], \"keypoints\": [{\"name\": \"nose\",\n"
    "   \"x\": 12.5, \"y\": 80}]}]}\n\n"
    "in pixels of the file; keypoints only where the category has any.\n\n"
    "Examples:\n"
    "  repopt predict --weights out/model_final.safetensors photo.jpg >found.json\n"
    "  repopt predict --weights out/model_final.safetensors --out drawn --min-score 0.5 photos/\n"
    "  repopt predict --weights out/model_final.safetensors photos/ "
    "TEST.IMS_PER_BATCH=1\n" CLI_VULKAN_HELP;

enum { DRAWN_PX = 480 }; /* smaller pictures are drawn enlarged */

typedef struct predict {
    const char *weights, *config_file, *out, *json;
    double min_score;
    cli_pictures pictures;
    char **targets; /* where each is drawn; NULL without --out */
    char **found;   /* each one's JSON, as it comes */
    size_t done, bad, detections;
    cli_progress progress;
} predict;

/* ---- words ------------------------------------------------------------------------------------
 */

static rep_status take_options(predict *p, cli_words *words) {
    *p = (predict){.min_score = 0.3};
    REP_TRY(cli_take_value(words, "--weights", &p->weights));
    REP_TRY(cli_take_value(words, "--config-file", &p->config_file));
    REP_TRY(cli_take_value(words, "--out", &p->out));
    REP_TRY(cli_take_value(words, "--json", &p->json));
    REP_TRY(cli_take_number(words, "--min-score", 0, 1, &p->min_score));
    if (p->weights && p->weights[0]) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT, "predict: no weights given; write repopt predict --weights "
                                      "out/model_final.safetensors PICTURE");
}

/* Settings among the words go to the configuration, everything else are pictures. */
static rep_status take_words(predict *p, cli_words *words, rep_config *config) {
    for (int i = 0; i < words->count; i++) {
        const char *word = words->items[i];
        if (word[0] == '-') {
            return rep_fail(REP_ERR_ARGUMENT,
                            "option \"%s\" is not understood here; --help lists what is (a file's "
                            "name may begin with ./)",
                            word);
        }
        REP_TRY(cli_is_setting(word) ? rep_config_merge_pairs(config, 1, &word)
                                     : cli_pictures_add(&p->pictures, word));
    }
    if (p->pictures.count > 0) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT,
                    "predict: no pictures given; name files or a folder: repopt predict --weights "
                    "%s photos/",
                    p->weights);
}

/* ---- names of drawn pictures ------------------------------------------------------------------
 */

/* "out/a/b.png" for the picture a/b.jpg. */
static rep_status make_target(char **out, const predict *p, const char *name) {
    char path[CLI_PATH_BYTES];
    const char *slash = strrchr(name, '/'), *end = strrchr(name, '.');
    const int stem = (int)(end && (!slash || end > slash) ? (size_t)(end - name) : strlen(name));
    const int length = snprintf(path, sizeof path, "%s/%.*s.png", p->out, stem, name);
    if (length < 0 || length >= CLI_PATH_BYTES) {
        return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %d bytes", path,
                        CLI_PATH_BYTES - 1);
    }
    *out = strdup(path);
    return *out ? REP_OK : rep_fail(REP_ERR_MEMORY, "predict: no memory");
}

static rep_status check_input(const char *file, const char *target) {
    if (!cli_is_same_file(file, target)) { return REP_OK; }
    return rep_fail(REP_ERR_ARGUMENT,
                    "--out: %s would be overwritten by its own drawing; choose another folder",
                    file);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two pictures on one name would be one picture. */
static rep_status check_twins(char *const *targets, size_t count) {
    char **sorted = malloc(count * sizeof *sorted);
    if (!sorted) { return rep_fail(REP_ERR_MEMORY, "predict: no memory"); }
    memcpy(sorted, targets, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_text);
    rep_status status = REP_OK;
    for (size_t i = 1; i < count && status == REP_OK; i++) {
        if (strcmp(sorted[i], sorted[i - 1]) != 0) { continue; }
        status = rep_fail(REP_ERR_ARGUMENT,
                          "--out: two pictures would both be drawn as %s; give them in two calls, "
                          "or the folder above them",
                          sorted[i]);
    }
    free(sorted);
    return status;
}

static rep_status make_targets(predict *p) {
    const size_t count = p->pictures.count;
    p->found = calloc(count, sizeof *p->found);
    if (!p->found) { return rep_fail(REP_ERR_MEMORY, "predict: no memory"); }
    if (!p->out) { return REP_OK; }
    REP_TRY(cli_folder_check(p->out));
    p->targets = calloc(count, sizeof *p->targets);
    if (!p->targets) { return rep_fail(REP_ERR_MEMORY, "predict: no memory"); }
    for (size_t i = 0; i < count; i++) {
        REP_TRY(make_target(&p->targets[i], p, p->pictures.names[i]));
        REP_TRY(check_input(p->pictures.files[i], p->targets[i]));
    }
    return check_twins(p->targets, count);
}

/* ---- findings ---------------------------------------------------------------------------------
 */

/* Hundredths of a pixel and millionths of a score say all there is, and are short. */
static cJSON *short_number(double value, double digits) {
    return cJSON_CreateNumber(round(value * digits) / digits);
}

static cJSON *points_of(const rep_category *category, const double *keypoints) {
    cJSON *list = cJSON_CreateArray();
    for (int32_t k = 0; k < category->keypoint_count; k++) {
        cJSON *point = cJSON_CreateObject();
        cJSON_AddStringToObject(point, "name", category->keypoint_names[k]);
        cJSON_AddItemToObject(point, "x", short_number(keypoints[2 * k], 100));
        cJSON_AddItemToObject(point, "y", short_number(keypoints[2 * k + 1], 100));
        cJSON_AddItemToArray(list, point);
    }
    return list;
}

static cJSON *detection_of(const rep_category *category, const rep_detection *d) {
    const double sides[4] = {d->x, d->y, d->w, d->h};
    cJSON *item = cJSON_CreateObject(), *box = cJSON_CreateArray();
    cJSON_AddStringToObject(item, "label", category->name);
    cJSON_AddItemToObject(item, "score", short_number(d->score, 1e6));
    for (int i = 0; i < 4; i++) { cJSON_AddItemToArray(box, short_number(sides[i], 100)); }
    cJSON_AddItemToObject(item, "box", box);
    if (d->keypoints && category->keypoint_count > 0) {
        cJSON_AddItemToObject(item, "keypoints", points_of(category, d->keypoints));
    }
    return item;
}

static rep_status keep_found(predict *p, const rep_annotations *set, const rep_picture *picture,
                             const rep_detection *detections, size_t count) {
    cJSON *item = cJSON_CreateObject(), *list = cJSON_CreateArray();
    cJSON_AddStringToObject(item, "file", picture->file_name);
    cJSON_AddNumberToObject(item, "width", picture->width);
    cJSON_AddNumberToObject(item, "height", picture->height);
    cJSON_AddItemToObject(item, "detections", list);
    for (size_t i = 0; i < count; i++) {
        if (detections[i].score < p->min_score) { continue; }
        p->detections++;
        cJSON_AddItemToArray(
            list, detection_of(&set->categories[detections[i].category], &detections[i]));
    }
    char *text = cJSON_PrintUnformatted(item);
    cJSON_Delete(item);
    if (!text) { return rep_fail(REP_ERR_MEMORY, "predict: no memory for the findings"); }
    p->found[picture->id - 1] = text;
    return REP_OK;
}

static rep_status draw(const predict *p, const rep_detection_set *set, size_t index,
                       const rep_detection *detections, size_t count) {
    const rep_annotations *face = rep_detection_set_annotations(set);
    const char *path = p->targets[face->pictures[index].id - 1];
    char folder[CLI_PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    rep_image image = {0};
    rep_paint_options how = {.min_score = p->min_score};
    REP_TRY(cli_folder_make(folder));
    REP_TRY(rep_detection_set_read(&image, set, index, 0, 0));
    rep_status status = cli_picture_enlarge(&image, DRAWN_PX, &how.zoom);
    if (status == REP_OK) {
        rep_paint_detections(&image, face->categories, detections, count, &how);
        status = rep_image_save_png(path, &image);
    }
    rep_image_clear(&image);
    return status;
}

static rep_status take_picture(void *context, const rep_detection_set *set, size_t index,
                               const rep_detection *detections, size_t count) {
    predict *p = context;
    const rep_annotations *face = rep_detection_set_annotations(set);
    const rep_picture *picture = &face->pictures[index];
    REP_TRY(keep_found(p, face, picture, detections, count));
    if (p->targets) { REP_TRY(draw(p, set, index, detections, count)); }
    p->done++;
    cli_progress_count(&p->progress, p->done + p->bad, p->pictures.count, picture->file_name);
    return REP_OK;
}

static void take_bad(void *context, const char *file, const char *reason) {
    predict *p = context;
    (void)file;
    p->bad++;
    cli_log_line(&p->progress, REP_LOG_WARNING, reason);
}

static rep_status write_found(const void *context, FILE *out) {
    const predict *p = context;
    const char *between = "\n";
    fputc('[', out);
    for (size_t i = 0; i < p->pictures.count; i++) {
        if (!p->found[i]) { continue; }
        fprintf(out, "%s%s", between, p->found[i]);
        between = ",\n";
    }
    fputs("\n]\n", out);
    return REP_OK;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static rep_status run(predict *p, rep_predict_options *options) {
    const double begin_s = cli_clock_s();
    cli_progress_init(&p->progress, "predict");
    rep_log_set(cli_log_line, &p->progress);
    const rep_status status = rep_predict(options);
    cli_progress_erase(&p->progress);
    rep_log_set(NULL, NULL);
    REP_TRY(status);
    const double seconds = cli_clock_s() - begin_s;
    REP_TRY(p->json ? cli_file_write(p->json, write_found, p) : write_found(p, stdout));
    fprintf(stderr, "%zu pictures, %zu detections, %zu skipped; %.1f s, %.1f pictures/s%s%s\n",
            p->done, p->detections, p->bad, seconds, (double)p->done / seconds,
            p->out ? "; drawn in " : "", p->out ? p->out : "");
    return REP_OK;
}

static rep_status predict_all(predict *p, cli_words *words) {
    rep_predict_options options = {.on_picture = take_picture, .on_bad = take_bad, .context = p};
    rep_config *config = NULL;
    options.is_bad_skipped = cli_take_flag(words, "--skip-bad");
    REP_TRY(cli_take_device(words, &options.device, &options.threads));
    REP_TRY(take_options(p, words));
    REP_TRY(cli_config_of_weights(&config, p->config_file, p->weights));
    rep_status status = take_words(p, words, config);
    if (status == REP_OK) { status = make_targets(p); }
    if (status == REP_OK && p->json) { status = cli_file_check(p->json); }
    /* The device that a net was trained on need not be here. */
    if (!options.device && !p->config_file) { options.device = "auto"; }
    options.config = config;
    options.files = (const char *const *)p->pictures.files;
    options.file_count = p->pictures.count;
    options.stop = cli_stop_on_signals();
    if (status == REP_OK) { status = run(p, &options); }
    rep_config_destroy(config);
    return status;
}

int cmd_predict(int argc, char **argv) {
    cli_words words = cli_words_of(argc, argv);
    if (cli_take_help(&words, help)) { return 0; }
    predict p = {0};
    const rep_status status = predict_all(&p, &words);
    for (size_t i = 0; i < p.pictures.count; i++) {
        if (p.targets) { free(p.targets[i]); }
        if (p.found) { cJSON_free(p.found[i]); }
    }
    free(p.targets);
    free(p.found);
    cli_pictures_clear(&p.pictures);
    return status == REP_OK ? 0 : cli_fail();
}
