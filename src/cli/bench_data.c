/* bench_data.c - the data side in `repopt bench`: reading annotations, making batches, evaluating.
 *
 * data-coco-load: a file as large as COCO's instances_train2017.json, outlines included, written to
 * a temporary folder and read back. data-loader: batches of pictures in training, and nothing else.
 * eval-coco: as many detections as a net gives on COCO's val2017. None needs a device. They take
 * long, so they run when they are named; reading and evaluating without untimed steps and at most
 * three times.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/bench.h"
#include "repopt/detection_data.h"

enum {
    CATEGORIES = 80,
    RUNS = 3,
    FILE_PICTURES = 118000,
    FILE_OBJECTS = 860000,
    OUTLINE_NUMBERS = 46, /* of 8 characters each: 450 MB in all */
    LOADER_PICTURES = 64,
    LOADER_BATCH = 16,
    LOADER_STEPS = 40, /* at least: the few batches made ahead of the first are then no matter */
    EVAL_PICTURES = 5000,
    EVAL_OBJECTS = 36000,
    EVAL_DETECTIONS = 100, /* per picture */
    PATH_BYTES = 512
};

/* Repeatable values in [0, 1). */
typedef struct noise {
    uint32_t state;
} noise;

static double draw(noise *n) {
    n->state = n->state * 1664525u + 1013904223u;
    return (n->state >> 8) / 16777216.0;
}

static bench_options shortened(const bench_options *options) {
    bench_options o = *options;
    o.warmup = 0;
    o.min_ms = 0;
    if (o.steps > RUNS) { o.steps = RUNS; }
    return o;
}

/* ---- a temporary folder -------------------------------------------------------------------------
 */
static rep_status make_folder(char path[PATH_BYTES]) {
    const char *given = getenv("TMPDIR");
    const int count =
        snprintf(path, PATH_BYTES, "%s/repopt-bench-XXXXXX", given && *given ? given : "/tmp");
    if (count > 0 && count < PATH_BYTES - 64 && mkdtemp(path)) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "bench: no folder can be made in %.300s; set TMPDIR to another",
                    given && *given ? given : "/tmp");
}

static void name_picture(char path[PATH_BYTES], const char *folder, int number) {
    (void)snprintf(path, PATH_BYTES, "%.440s/%06d.png", folder, number);
}

static void name_file(char path[PATH_BYTES], const char *folder) {
    (void)snprintf(path, PATH_BYTES, "%.440s/instances.json", folder);
}

static void remove_folder(const char *folder) {
    char path[PATH_BYTES];
    for (int i = 0; i < LOADER_PICTURES; i++) {
        name_picture(path, folder, i);
        (void)remove(path);
    }
    name_file(path, folder);
    (void)remove(path);
    (void)rmdir(folder);
}

/* ---- a file of annotations ----------------------------------------------------------------------
 */
static void put_object(FILE *out, noise *n, int id, int pictures, int outline_numbers) {
    const double x = 500 * draw(n), y = 350 * draw(n), w = 10 + 120 * draw(n);
    fprintf(out, "%s{\"segmentation\": [[", id > 0 ? ", " : "");
    for (int i = 0; i < outline_numbers; i++) {
        fprintf(out, "%s%.2f", i > 0 ? ", " : "", (i % 2 ? y : x) + w * draw(n));
    }
    fprintf(out,
            "]], \"area\": %.4f, \"iscrowd\": 0, \"image_id\": %d, \"bbox\": [%.2f, %.2f, %.2f, "
            "%.2f], \"category_id\": %d, \"id\": %d}",
            0.6 * w * w, (int)(draw(n) * pictures), x, y, w, w, 1 + (int)(draw(n) * CATEGORIES),
            id + 1);
}

/* 640 x 480 pictures 000000.png on. */
static rep_status write_file(const char *path, int pictures, int objects, int outline_numbers) {
    noise n = {1};
    FILE *out = fopen(path, "w");
    if (!out) { return rep_fail(REP_ERR_IO, "bench: %s cannot be written", path); }
    fputs("{\"images\": [", out);
    for (int i = 0; i < pictures; i++) {
        fprintf(out,
                "%s{\"license\": 3, \"file_name\": \"%06d.png\", \"height\": 480, \"width\": 640, "
                "\"date_captured\": \"2013-11-14 11:18:45\", \"id\": %d}",
                i > 0 ? ", " : "", i, i);
    }
    fputs("], \"annotations\": [", out);
    for (int i = 0; i < objects; i++) { put_object(out, &n, i, pictures, outline_numbers); }
    fputs("], \"categories\": [", out);
    for (int i = 0; i < CATEGORIES; i++) {
        fprintf(out, "%s{\"id\": %d, \"name\": \"class %d\"}", i > 0 ? ", " : "", i + 1, i + 1);
    }
    fputs("]}\n", out);
    const bool is_whole = !ferror(out);
    if (fclose(out) == 0 && is_whole) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "bench: %s cannot be written; is the disk full?", path);
}

static rep_status load_once(void *context, double *ms) {
    const char *path = context;
    rep_annotations *set = NULL;
    const double begin = bench_clock_ms();
    REP_TRY(rep_annotations_load_coco(&set, path, NULL));
    ms[0] = bench_clock_ms() - begin;
    const size_t count = set->object_count;
    rep_annotations_destroy(set);
    if (count == FILE_OBJECTS) { return REP_OK; }
    return rep_fail(REP_ERR_DATA, "bench: %zu objects read, %d written", count, FILE_OBJECTS);
}

static rep_status measure_load(char *path, const bench_options *options, bench_samples *samples,
                               cJSON *out) {
    struct stat facts;
    const bench_options o = shortened(options);
    REP_TRY(write_file(path, FILE_PICTURES, FILE_OBJECTS, OUTLINE_NUMBERS));
    if (stat(path, &facts) != 0) { return rep_fail(REP_ERR_IO, "bench: %s is gone", path); }
    REP_TRY(bench_measure(samples, &o, load_once, path));
    const double mb = (double)facts.st_size / 1e6;
    const double s = bench_median(samples->ms[0], samples->count) / 1e3;
    bench_add_summary(out, "ms", samples->ms[0], samples->count);
    bench_add(out, "s", s, 3);
    bench_add(out, "mb", mb, 1);
    bench_add(out, "mb_s", mb / s, 1);
    cJSON_AddNumberToObject(out, "pictures", FILE_PICTURES);
    cJSON_AddNumberToObject(out, "objects", FILE_OBJECTS);
    return REP_OK;
}

/* Reads on one thread whatever --threads says. */
static rep_status run_load(const bench_workload *workload, const bench_options *options,
                           cJSON *out) {
    (void)workload;
    char folder[PATH_BYTES], path[PATH_BYTES];
    REP_TRY(make_folder(folder));
    name_file(path, folder);
    bench_samples *samples = calloc(1, sizeof *samples);
    const rep_status status = samples ? measure_load(path, options, samples, out)
                                      : rep_fail(REP_ERR_MEMORY, "bench: out of memory");
    free(samples);
    remove_folder(folder);
    return status;
}

/* ---- batches ------------------------------------------------------------------------------------
 */
/* Soft waves under grain: compresses about as photographs do. */
static rep_status write_picture(const char *path, int number) {
    rep_image image = {.width = 640, .height = 480, .channels = 3};
    noise n = {(uint32_t)number + 1};
    image.pixels = malloc((size_t)640 * 480 * 3);
    if (!image.pixels) { return rep_fail(REP_ERR_MEMORY, "bench: out of memory"); }
    const double across = 0.01 + 0.03 * draw(&n), down = 0.01 + 0.03 * draw(&n);
    for (int i = 0; i < 640 * 480; i++) {
        const double wave = sin(across * (i % 640)) + cos(down * (i / 640));
        for (int c = 0; c < 3; c++) {
            image.pixels[3 * i + c] = (uint8_t)(110 + 40 * wave + 10 * c + 8 * draw(&n));
        }
    }
    const rep_status status = rep_image_save_png(path, &image);
    rep_image_clear(&image);
    return status;
}

static rep_status write_pictures(const char *folder) {
    char path[PATH_BYTES];
    for (int i = 0; i < LOADER_PICTURES; i++) {
        name_picture(path, folder, i);
        REP_TRY(write_picture(path, i));
    }
    name_file(path, folder);
    return write_file(path, LOADER_PICTURES, 8 * LOADER_PICTURES, 8);
}

/* The blood cells where this machine has them, else pictures made in `folder`. */
static rep_status open_pictures(rep_detection_set **out, const char *folder, cJSON *line) {
    char root[PATH_BYTES];
    const char *data = getenv("REPOPT_DATA_DIR");
    rep_detection_set_options where = {.kind = "coco", .root = folder, .annotations = NULL};
    (void)snprintf(root, sizeof root, "%.480s/bccd", data ? data : ".");
    if (data && access(root, R_OK) == 0) {
        where.root = root;
        where.images = "JPEGImages";
        where.annotations = "annotations/instances_train.json";
        cJSON_AddStringToObject(line, "data", "bccd, JPEG");
    } else {
        REP_TRY(write_pictures(folder));
        where.annotations = "instances.json";
        cJSON_AddStringToObject(line, "data", "generated, PNG");
    }
    return rep_detection_set_open(out, &where);
}

static rep_detection_loader_options loader_options(int threads) {
    static const rep_fcos_level levels[] = {{.stride = 8, .least = -1, .most = 64},
                                            {.stride = 16, .least = 64, .most = 128},
                                            {.stride = 32, .least = 128, .most = 256},
                                            {.stride = 64, .least = 256, .most = 512},
                                            {.stride = 128, .least = 512, .most = 1e8f}};
    return (rep_detection_loader_options){
        .batch = LOADER_BATCH,
        .is_train = true,
        .sizes = {.height = 256, .width = 320},
        .augment = {.colour = {.flip_probability = 0.5f, .std = {1, 1, 1}},
                    .vertical_flip_probability = 0.5f,
                    .zoom = 1.5f,
                    .zoom_probability = 0.5f,
                    .min_visible = 0.3f,
                    .min_side_px = 2},
        .targets = {.levels = levels, .level_count = 5, .radius = 1.5f, .is_normalised = true},
        .seed = 1,
        .threads = threads};
}

static rep_status next_batch(void *context, double *ms) {
    rep_detection_loader *loader = context;
    const rep_detection_batch *batch = NULL;
    const double begin = bench_clock_ms();
    REP_TRY(rep_detection_loader_next(loader, &batch));
    ms[0] = bench_clock_ms() - begin;
    return REP_OK;
}

static rep_status measure_loader(rep_detection_loader *loader, const bench_options *options,
                                 bench_samples *samples, cJSON *out) {
    double all_ms = 0;
    bench_options o = *options;
    if (o.steps < LOADER_STEPS) { o.steps = LOADER_STEPS; }
    REP_TRY(bench_measure(samples, &o, next_batch, loader));
    /* Several workers end together: the mean counts, not the median. */
    for (size_t i = 0; i < samples->count; i++) { all_ms += samples->ms[0][i]; }
    const double images_s = 1e3 * LOADER_BATCH * (double)samples->count / all_ms;
    cJSON_AddNumberToObject(out, "batch", LOADER_BATCH);
    bench_add_summary(out, "ms", samples->ms[0], samples->count);
    bench_add(out, "images_s", images_s, 1);
    bench_add(out, "images_s_thread", images_s / options->threads, 1);
    return REP_OK;
}

static rep_status run_loader(const bench_workload *workload, const bench_options *options,
                             cJSON *out) {
    (void)workload;
    char folder[PATH_BYTES];
    rep_detection_set *set = NULL;
    rep_detection_loader *loader = NULL;
    const rep_detection_loader_options how = loader_options(options->threads);
    REP_TRY(make_folder(folder));
    bench_samples *samples = calloc(1, sizeof *samples);
    rep_status status = samples ? open_pictures(&set, folder, out)
                                : rep_fail(REP_ERR_MEMORY, "bench: out of memory");
    if (status == REP_OK) { status = rep_detection_loader_create(&loader, set, &how); }
    if (status == REP_OK) { status = measure_loader(loader, options, samples, out); }
    rep_detection_loader_destroy(loader);
    rep_detection_set_close(set);
    free(samples);
    remove_folder(folder);
    return status;
}

/* ---- an evaluation ------------------------------------------------------------------------------
 */
typedef struct eval_setup {
    rep_category categories[CATEGORIES];
    rep_picture pictures[EVAL_PICTURES];
    rep_object objects[EVAL_OBJECTS];
    rep_detection detections[EVAL_PICTURES * EVAL_DETECTIONS];
} eval_setup;

static void draw_objects(eval_setup *s, noise *n) {
    for (size_t i = 0; i < EVAL_OBJECTS; i++) {
        const size_t picture = i * EVAL_PICTURES / EVAL_OBJECTS;
        const double w = 8 + 150 * draw(n), h = 8 + 150 * draw(n);
        s->objects[i] = (rep_object){.id = (int64_t)i + 1,
                                     .picture = picture,
                                     .category = (int32_t)(CATEGORIES * draw(n)),
                                     .x = (640 - w) * draw(n),
                                     .y = (480 - h) * draw(n),
                                     .w = w,
                                     .h = h,
                                     .area = 0.6 * w * h};
        if (s->pictures[picture].count++ == 0) { s->pictures[picture].first = i; }
    }
}

/* The first of a picture lie near its objects, with better scores, the rest anywhere. */
static void draw_detections(eval_setup *s, noise *n) {
    for (size_t i = 0; i < (size_t)EVAL_PICTURES * EVAL_DETECTIONS; i++) {
        const rep_picture *picture = &s->pictures[i / EVAL_DETECTIONS];
        const size_t number = i % EVAL_DETECTIONS;
        rep_detection *d = &s->detections[i];
        *d = (rep_detection){.picture = i / EVAL_DETECTIONS,
                             .category = (int32_t)(CATEGORIES * draw(n)),
                             .x = 500 * draw(n),
                             .y = 350 * draw(n),
                             .w = 8 + 130 * draw(n),
                             .h = 8 + 120 * draw(n),
                             .score = 0.6 * draw(n)};
        if (number >= picture->count) { continue; }
        const rep_object *o = &s->objects[picture->first + number];
        d->category = o->category;
        d->score += 0.4;
        d->x = o->x + 0.2 * o->w * (draw(n) - 0.5);
        d->y = o->y + 0.2 * o->h * (draw(n) - 0.5);
        d->w = o->w * (0.9 + 0.2 * draw(n));
        d->h = o->h * (0.9 + 0.2 * draw(n));
    }
}

static void fill(eval_setup *s) {
    noise n = {1};
    for (int i = 0; i < CATEGORIES; i++) {
        s->categories[i] = (rep_category){.id = i + 1, .name = "class"};
    }
    for (int i = 0; i < EVAL_PICTURES; i++) {
        s->pictures[i] =
            (rep_picture){.id = i + 1, .file_name = "picture", .width = 640, .height = 480};
    }
    draw_objects(s, &n);
    draw_detections(s, &n);
}

static rep_status evaluate_once(void *context, double *ms) {
    const eval_setup *s = context;
    const rep_annotations truth = {.source = "drawn boxes",
                                   .categories = s->categories,
                                   .category_count = CATEGORIES,
                                   .pictures = s->pictures,
                                   .picture_count = EVAL_PICTURES,
                                   .objects = s->objects,
                                   .object_count = EVAL_OBJECTS};
    const rep_coco_options how = {.kind = REP_COCO_BOX, .category = -1};
    rep_coco_number numbers[REP_COCO_NUMBERS];
    rep_coco_eval *eval = NULL;
    const double begin = bench_clock_ms();
    REP_TRY(rep_coco_eval_create(&eval, &truth, s->detections,
                                 (size_t)EVAL_PICTURES * EVAL_DETECTIONS, &how));
    (void)rep_coco_eval_numbers(numbers, eval);
    ms[0] = bench_clock_ms() - begin;
    rep_coco_eval_destroy(eval);
    if (numbers[0].value > 0.05 && numbers[0].value < 0.95) { return REP_OK; }
    return rep_fail(REP_ERR_NUMERIC,
                    "bench: AP %g of the drawn detections, wanted between 0.05 and "
                    "0.95",
                    numbers[0].value);
}

static rep_status run_eval(const bench_workload *workload, const bench_options *options,
                           cJSON *out) {
    (void)workload;
    const bench_options o = shortened(options);
    bench_samples *samples = calloc(1, sizeof *samples);
    eval_setup *s = calloc(1, sizeof *s);
    rep_status status = REP_OK;
    if (!samples || !s) {
        status = rep_fail(REP_ERR_MEMORY, "bench: out of memory");
    } else {
        fill(s);
        status = bench_measure(samples, &o, evaluate_once, s);
    }
    if (status == REP_OK) {
        bench_add_summary(out, "ms", samples->ms[0], samples->count);
        bench_add(out, "s", bench_median(samples->ms[0], samples->count) / 1e3, 3);
        cJSON_AddNumberToObject(out, "pictures", EVAL_PICTURES);
        cJSON_AddNumberToObject(out, "detections", EVAL_PICTURES * EVAL_DETECTIONS);
    }
    free(s);
    free(samples);
    return status;
}

const bench_workload bench_data_workloads[] = {
    {"data-coco-load", "reading 450 MB of COCO annotations", run_load, NULL,
     BENCH_CPU_ONLY | BENCH_NAMED_ONLY},
    {"data-loader", "training batches of 640x480 pictures at 320x256", run_loader, NULL,
     BENCH_CPU_ONLY | BENCH_NAMED_ONLY},
    {"eval-coco", "COCO's numbers of 500,000 detections", run_eval, NULL,
     BENCH_CPU_ONLY | BENCH_NAMED_ONLY},
    {NULL, NULL, NULL, NULL, 0},
};
