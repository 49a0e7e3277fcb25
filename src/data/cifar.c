/* cifar.c - CIFAR-10 and CIFAR-100, binary version (Krizhevsky, "Learning multiple layers of
 * features from tiny images", 2009).
 *
 * A file is records of label bytes (CIFAR-10: one; CIFAR-100: coarse, then fine) and 3,072 bytes of
 * picture, planes of 32 x 32 in the order red, green, blue. Given out as [32][32][3]. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, PICTURE_BYTES = 3 * PLANE, MAX_FILES = 100 };
enum { CIFAR100_COARSE = 20 };

typedef struct cifar_kind {
    size_t label_bytes;
    int32_t class_count;
    const char *title, *subfolder; /* the folder the published archive unpacks to */
    const char *train, *test, *names;
    const char *const *class_names; /* when the names file is missing */
} cifar_kind;

static const char *const cifar10_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                            "dog",      "frog",       "horse", "ship", "truck"};
/* CIFAR-10's training data come in numbered files: train is NULL. */
static const cifar_kind cifar10 = {1,
                                   10,
                                   "CIFAR-10",
                                   "cifar-10-batches-bin",
                                   NULL,
                                   "test_batch.bin",
                                   "batches.meta.txt",
                                   cifar10_names};
static const cifar_kind cifar100 = {
    2, 100, "CIFAR-100", "cifar-100-binary", "train.bin", "test.bin", "fine_label_names.txt", NULL};

typedef struct cifar {
    const cifar_kind *kind;
    rep_file_view views[MAX_FILES];
    size_t counts[MAX_FILES]; /* records */
    int file_count;
} cifar;

static size_t record_bytes(const cifar_kind *kind) { return kind->label_bytes + PICTURE_BYTES; }

static rep_status read_picture(const rep_dataset *set, size_t index, uint8_t *pixels,
                               int32_t *label) {
    const cifar *c = set->state;
    int file = 0;
    while (index >= c->counts[file]) { index -= c->counts[file++]; }
    const uint8_t *record = c->views[file].bytes + index * record_bytes(c->kind);
    const uint8_t *planes = record + c->kind->label_bytes;
    *label = record[c->kind->label_bytes - 1];
    for (size_t i = 0; i < PLANE; i++) {
        pixels[3 * i] = planes[i];
        pixels[3 * i + 1] = planes[i + PLANE];
        pixels[3 * i + 2] = planes[i + 2 * PLANE];
    }
    return REP_OK;
}

static void close_files(rep_dataset *set) {
    cifar *c = set->state;
    for (int i = 0; c && i < c->file_count; i++) { rep_file_close(&c->views[i]); }
    free(c);
}

static rep_status check_labels(const cifar_kind *kind, const char *path, rep_file_view view,
                               size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *record = view.bytes + i * record_bytes(kind);
        /* The last label byte is the fine one; the first, where there are two, the coarse one. */
        for (size_t b = 0; b < kind->label_bytes; b++) {
            const bool is_coarse = b + 1 < kind->label_bytes;
            const int wanted = is_coarse ? CIFAR100_COARSE : kind->class_count;
            if (record[b] < wanted) { continue; }
            return rep_fail(REP_ERR_DATA,
                            "%s: record %zu has %slabel %d, wanted 0 to %d; this is not %s binary "
                            "or is damaged: fetch it again",
                            path, i, is_coarse ? "coarse " : "", record[b], wanted - 1,
                            kind->title);
        }
    }
    return REP_OK;
}

static rep_status add_file(rep_dataset *set, const char *path) {
    cifar *c = set->state;
    const size_t record = record_bytes(c->kind);
    rep_file_view view;
    REP_TRY(rep_file_open(&view, path));
    const size_t count = view.count / record;
    c->views[c->file_count] = view;
    c->counts[c->file_count++] = count;
    if (view.count == 0) {
        return rep_fail(REP_ERR_DATA, "%s: the file is empty; fetch it again", path);
    }
    if (view.count % record != 0) {
        return rep_fail(REP_ERR_DATA,
                        "%s: %zu bytes, wanted a multiple of %zu (it ends inside record %zu); "
                        "fetch it again",
                        path, view.count, record, count);
    }
    REP_TRY(check_labels(c->kind, path, view, count));
    set->info.count += count;
    return rep_dataset_add_file(set, path);
}

/* As many of CIFAR-10's five training files as there are, in the order of their numbers. */
static rep_status add_numbered_files(rep_dataset *set, const char *folder) {
    for (int number = 0; number < MAX_FILES; number++) {
        char name[32], path[REP_DATA_PATH_BYTES];
        (void)snprintf(name, sizeof name, "data_batch_%d.bin", number);
        REP_TRY(rep_data_path(path, folder, name));
        if (rep_file_exists(path)) { REP_TRY(add_file(set, path)); }
    }
    if (set->info.count == 0) {
        return rep_fail(REP_ERR_IO,
                        "%s: found no data_batch_<n>.bin; unpack the binary version of CIFAR-10 "
                        "there or check DATASETS.ROOT",
                        folder);
    }
    return REP_OK;
}

static rep_status add_split(rep_dataset *set, const char *folder, bool is_train) {
    const cifar_kind *kind = ((const cifar *)set->state)->kind;
    const char *name = is_train ? kind->train : kind->test;
    if (!name) { return add_numbered_files(set, folder); }
    char path[REP_DATA_PATH_BYTES];
    REP_TRY(rep_data_path(path, folder, name));
    if (!rep_file_exists(path)) {
        return rep_fail(REP_ERR_IO,
                        "%s: no such file; unpack the binary version of %s there or check "
                        "DATASETS.ROOT",
                        path, kind->title);
    }
    return add_file(set, path);
}

rep_status rep_cifar_open(rep_dataset *set, const rep_dataset_options *options) {
    static const rep_dataset_class methods = {read_picture, close_files};
    set->methods = &methods;
    cifar *c = set->state = calloc(1, sizeof *c);
    if (!c) { return rep_fail(REP_ERR_MEMORY, "data set %s: no memory", set->info.kind); }
    const cifar_kind *kind = strcmp(set->info.kind, "cifar10") == 0 ? &cifar10 : &cifar100;
    c->kind = kind;
    set->info.channels = 3;
    set->info.height = set->info.width = SIDE;
    /* The root itself, or the folder the archive makes in it. */
    char subfolder[REP_DATA_PATH_BYTES], path[REP_DATA_PATH_BYTES];
    REP_TRY(rep_data_path(subfolder, options->root, kind->subfolder));
    const char *folder = rep_file_exists(subfolder) ? subfolder : options->root;
    REP_TRY(add_split(set, folder, options->is_train));
    if (options->count > 0 && options->count < set->info.count) {
        set->info.count = options->count;
    }
    REP_TRY(rep_data_path(path, folder, kind->names));
    if (!rep_file_exists(path)) {
        return rep_dataset_set_names(set, kind->class_names, kind->class_count);
    }
    return rep_dataset_load_names(set, path, kind->class_count);
}
