/* idx.c - IDX files, plain or gzip: MNIST, Fashion-MNIST, EMNIST and their like.
 *
 * Format (LeCun, Cortes, Burges, "The MNIST database"): two zero bytes, the element type (8: byte),
 * the rank, then one big-endian 32-bit size per dimension, then the elements. Pictures are
 * {n, h, w}, labels {n}. Sizes are checked against the file before memory is taken: a compressed
 * file can only promise what deflate's best ratio of 1,032 could hold. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/data.h"

enum { MAX_RANK = 3, MAX_SIDE_PX = 32768, TYPE_BYTE = 8, DEFLATE_RATIO = 1032, MNIST_CLASSES = 10 };

typedef struct idx_file {
    rep_file_view view;
    uint8_t *owned; /* inflated elements, or NULL */
    const uint8_t *elements;
    size_t dims[MAX_RANK], count; /* count: elements in all */
} idx_file;

typedef struct idx {
    idx_file images, labels;
} idx;

/* ---- bytes, plain or compressed ---------------------------------------------------------------
 */

/* Reads on from a view, inflating when it is gzip. */
typedef struct idx_source {
    const char *path;
    rep_file_view view;
    size_t used; /* of a plain view */
    bool is_gzip, is_at_end;
    z_stream stream;
} idx_source;

static rep_status source_open(idx_source *s, const char *path, rep_file_view view) {
    *s = (idx_source){.path = path, .view = view};
    s->is_gzip = view.count >= 2 && view.bytes[0] == 0x1F && view.bytes[1] == 0x8B;
    if (s->is_gzip && inflateInit2(&s->stream, MAX_WBITS + 16) != Z_OK) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory to inflate it", path);
    }
    return REP_OK;
}

static void source_close(idx_source *s) {
    if (s->is_gzip) { (void)inflateEnd(&s->stream); }
}

static rep_status source_inflate(idx_source *s, uint8_t *out, size_t wanted, size_t *got) {
    /* zlib counts in 32 bits, so long inputs and outputs go in pieces. */
    const size_t piece = (size_t)1 << 30;
    *got = 0;
    while (*got < wanted && !s->is_at_end) {
        const size_t in = s->view.count - s->used < piece ? s->view.count - s->used : piece;
        const size_t room = wanted - *got < piece ? wanted - *got : piece;
        s->stream.next_in = (Bytef *)(uintptr_t)(s->view.bytes + s->used); /* not written to */
        s->stream.avail_in = (uInt)in;
        s->stream.next_out = out + *got;
        s->stream.avail_out = (uInt)room;
        const int code = inflate(&s->stream, Z_NO_FLUSH);
        s->used += in - s->stream.avail_in;
        *got += room - s->stream.avail_out;
        s->is_at_end = code == Z_STREAM_END;
        if (code == Z_BUF_ERROR || (code == Z_OK && in == 0)) { break; } /* input used up */
        if (code != Z_OK && code != Z_STREAM_END) {
            return rep_fail(REP_ERR_DATA, "%s: damaged gzip data at byte %zu (%s); fetch it again",
                            s->path, s->used, s->stream.msg ? s->stream.msg : "inflate failed");
        }
    }
    return REP_OK;
}

/* Fills out[wanted]; *got is less only at the end of the file. */
static rep_status source_read(idx_source *s, uint8_t *out, size_t wanted, size_t *got) {
    if (s->is_gzip) { return source_inflate(s, out, wanted, got); }
    const size_t left = s->view.count - s->used;
    *got = wanted < left ? wanted : left;
    if (*got > 0) { memcpy(out, s->view.bytes + s->used, *got); }
    s->used += *got;
    return REP_OK;
}

/* ---- one file ---------------------------------------------------------------------------------
 */

static rep_status read_header(idx_file *file, idx_source *s, bool is_images) {
    uint8_t bytes[4 + 4 * MAX_RANK];
    size_t got = 0;
    REP_TRY(source_read(s, bytes, 4, &got));
    const int rank = is_images ? 3 : 1;
    if (got < 4 || bytes[0] != 0 || bytes[1] != 0 || bytes[2] != TYPE_BYTE || bytes[3] != rank) {
        return rep_fail(
            REP_ERR_DATA,
            "%s: bytes 0 to 3 are not 00 00 08 0%d, the header of IDX %s; fetch it again", s->path,
            rank, is_images ? "pictures" : "labels");
    }
    REP_TRY(source_read(s, bytes + 4, 4 * (size_t)rank, &got));
    if (got < 4 * (size_t)rank) {
        return rep_fail(REP_ERR_DATA, "%s: ends inside its header; fetch it again", s->path);
    }
    file->count = 1;
    for (int i = 0; i < rank; i++) {
        const uint8_t *b = bytes + 4 + 4 * i;
        const uint32_t dim =
            (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        const uint32_t limit = i == 0 ? UINT32_MAX : MAX_SIDE_PX;
        if (dim == 0 || dim > limit) {
            return rep_fail(REP_ERR_DATA,
                            "%s: dimension %d at byte %d is %" PRIu32 ", wanted 1 to %" PRIu32
                            "; the file is empty or damaged: fetch it again",
                            s->path, i, 4 + 4 * i, dim, limit);
        }
        file->dims[i] = dim;
        if (__builtin_mul_overflow(file->count, dim, &file->count)) {
            return rep_fail(REP_ERR_DATA,
                            "%s: its header promises more bytes than this machine can address; "
                            "the file is damaged: fetch it again",
                            s->path);
        }
    }
    return REP_OK;
}

static rep_status fail_size(const idx_source *s, const idx_file *file, size_t found) {
    return rep_fail(
        REP_ERR_DATA, "%s: its header promises %zu bytes, found %s%zu%s; fetch it again", s->path,
        file->count, found > file->count ? "more than " : "",
        found > file->count ? file->count : found, s->is_gzip ? " after inflating" : "");
}

static rep_status read_elements(idx_file *file, idx_source *s) {
    const size_t left = s->view.count - s->used;
    if (!s->is_gzip) {
        file->elements = s->view.bytes + s->used;
        return left == file->count ? REP_OK : fail_size(s, file, left);
    }
    if (file->count / DEFLATE_RATIO > s->view.count) {
        return rep_fail(REP_ERR_DATA,
                        "%s: its header promises %zu bytes, more than %zu compressed bytes can "
                        "hold; fetch it again",
                        s->path, file->count, s->view.count);
    }
    file->owned = malloc(file->count);
    if (!file->owned) {
        return rep_fail(REP_ERR_MEMORY, "%s: no memory for %zu bytes", s->path, file->count);
    }
    file->elements = file->owned;
    size_t got = 0;
    REP_TRY(source_read(s, file->owned, file->count, &got));
    if (got < file->count) { return fail_size(s, file, got); }
    /* One byte more must not come; asking for it also checks the trailing checksum. */
    uint8_t extra;
    REP_TRY(source_read(s, &extra, 1, &got));
    if (got > 0) { return fail_size(s, file, file->count + 1); }
    if (!s->is_at_end) {
        return rep_fail(REP_ERR_DATA, "%s: ends inside its gzip data; fetch it again", s->path);
    }
    return REP_OK;
}

static rep_status load_file(idx_file *file, const char *path, bool is_images) {
    REP_TRY(rep_file_open(&file->view, path));
    if (file->view.count == 0) {
        return rep_fail(REP_ERR_DATA, "%s: the file is empty; fetch it again", path);
    }
    idx_source source;
    REP_TRY(source_open(&source, path, file->view));
    rep_status status = read_header(file, &source, is_images);
    if (status == REP_OK) { status = read_elements(file, &source); }
    source_close(&source);
    return status;
}

static void clear_file(idx_file *file) {
    rep_file_close(&file->view);
    free(file->owned);
    *file = (idx_file){0};
}

/* ---- the data set -----------------------------------------------------------------------------
 */

static rep_status read_picture(const rep_dataset *set, size_t index, uint8_t *pixels,
                               int32_t *label) {
    const idx *x = set->state;
    const size_t bytes = x->images.count / x->images.dims[0];
    memcpy(pixels, x->images.elements + index * bytes, bytes);
    *label = x->labels.elements[index];
    return REP_OK;
}

static void close_files(rep_dataset *set) {
    idx *x = set->state;
    if (x) {
        clear_file(&x->images);
        clear_file(&x->labels);
    }
    free(x);
}

/* Finds <split>-images-idx3-ubyte and its spellings in the wild: test for t10k, a dot for the
 * second hyphen, .gz. */
static bool find_file(char *path, const char *root, bool is_train, const char *what) {
    const char *const split = is_train ? "train" : "t10k", *const other =
                                                               is_train ? "train" : "test";
    for (int spelling = 0; spelling < 8; spelling++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s-%s-ubyte%s", spelling & 4 ? other : split, what,
                       spelling & 1 ? ".gz" : "");
        if (spelling & 2) { *strstr(name, "-idx") = '.'; }
        if (rep_data_path(path, root, name) == REP_OK && rep_file_exists(path)) { return true; }
    }
    return false;
}

static rep_status load_split_file(rep_dataset *set, idx_file *file,
                                  const rep_dataset_options *options, bool is_train,
                                  bool is_images) {
    char path[REP_DATA_PATH_BYTES];
    const char *what = is_images ? "images-idx3" : "labels-idx1";
    if (!find_file(path, options->root, is_train, what)) {
        return rep_fail(REP_ERR_IO,
                        "%s: found no %s-%s-ubyte, plain or .gz; put the IDX files there or check "
                        "DATASETS.ROOT",
                        options->root, is_train ? "train" : "t10k", what);
    }
    REP_TRY(load_file(file, path, is_images));
    return rep_dataset_add_file(set, path);
}

/* The classes of an unnamed set are those of its training labels, for both splits. */
static rep_status count_classes(int32_t *out, rep_dataset *set,
                                const rep_dataset_options *options) {
    *out = MNIST_CLASSES;
    if (strcmp(set->info.kind, "mnist") == 0) { return REP_OK; }
    const idx_file *labels = &((idx *)set->state)->labels;
    idx_file train = {0};
    rep_status status = REP_OK;
    if (!options->is_train) {
        status = load_split_file(set, &train, options, true, false);
        labels = &train;
    }
    *out = 0;
    for (size_t i = 0; status == REP_OK && i < labels->count; i++) {
        if (labels->elements[i] >= *out) { *out = labels->elements[i] + 1; }
    }
    clear_file(&train);
    return status;
}

static rep_status check_labels(const rep_dataset *set, int32_t class_count) {
    const idx *x = set->state;
    const char *path = set->info.files[1];
    if (x->labels.count != x->images.dims[0]) {
        return rep_fail(REP_ERR_DATA, "%s: %zu labels for %zu pictures; fetch both files again",
                        path, x->labels.count, x->images.dims[0]);
    }
    for (size_t i = 0; i < x->labels.count; i++) {
        if (x->labels.elements[i] >= class_count) {
            return rep_fail(REP_ERR_DATA,
                            "%s: label %zu is %d, wanted 0 to %" PRId32 "; fetch it again%s", path,
                            i, x->labels.elements[i], class_count - 1,
                            strcmp(set->info.kind, "mnist") == 0
                                ? ", or set DATASETS.NAME idx for more than ten classes"
                                : "");
        }
    }
    return REP_OK;
}

static rep_status name_classes(rep_dataset *set, const char *root, int32_t class_count) {
    char path[REP_DATA_PATH_BYTES];
    REP_TRY(rep_data_path(path, root, "classes.txt"));
    if (rep_file_exists(path)) { return rep_dataset_load_names(set, path, class_count); }
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    return rep_dataset_set_names(set, class_count == MNIST_CLASSES ? digits : NULL, class_count);
}

rep_status rep_idx_open(rep_dataset *set, const rep_dataset_options *options) {
    static const rep_dataset_class methods = {read_picture, close_files};
    set->methods = &methods;
    idx *x = set->state = calloc(1, sizeof *x);
    if (!x) { return rep_fail(REP_ERR_MEMORY, "data set %s: no memory", set->info.kind); }
    REP_TRY(load_split_file(set, &x->images, options, options->is_train, true));
    REP_TRY(load_split_file(set, &x->labels, options, options->is_train, false));
    int32_t class_count = 0;
    REP_TRY(count_classes(&class_count, set, options));
    REP_TRY(check_labels(set, class_count));
    const size_t *dims = x->images.dims;
    set->info.count = dims[0];
    set->info.height = (int32_t)dims[1];
    set->info.width = (int32_t)dims[2];
    set->info.channels = 1;
    if (options->count > 0 && options->count < set->info.count) {
        set->info.count = options->count;
    }
    return name_classes(set, options->root, class_count);
}
