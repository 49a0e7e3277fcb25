/* fuzz.h - what the fuzz targets share: files for readers that take paths, and reading everything
 * of a file of tensors. A target is one LLVMFuzzerTestOneInput; libFuzzer has main. */
#ifndef REP_TESTS_FUZZ_H
#define REP_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* A target's own folder, in memory where that is possible; gone at the end. */
static char fuzz_root[64];
static char fuzz_names[8][128];
static int fuzz_name_count;

static inline void fuzz_remove(void) {
    for (int i = 0; i < fuzz_name_count; i++) { (void)unlink(fuzz_names[i]); }
    (void)rmdir(fuzz_root);
}

static inline const char *fuzz_folder(void) {
    if (fuzz_root[0]) { return fuzz_root; }
    snprintf(fuzz_root, sizeof fuzz_root, "/dev/shm/repopt-fuzz-XXXXXX");
    if (!mkdtemp(fuzz_root)) {
        snprintf(fuzz_root, sizeof fuzz_root, "/tmp/repopt-fuzz-XXXXXX");
        if (!mkdtemp(fuzz_root)) { abort(); }
    }
    atexit(fuzz_remove);
    return fuzz_root;
}

/* The path of a file `name` in the folder, with these bytes. Borrowed. */
static inline const char *fuzz_file(const char *name, const uint8_t *bytes, size_t count) {
    int i = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    while (i < fuzz_name_count && strcmp(fuzz_names[i], path) != 0) { i++; }
    if (i == 8) { abort(); }
    if (i == fuzz_name_count) { snprintf(fuzz_names[fuzz_name_count++], 128, "%s", path); }
    FILE *stream = fopen(path, "wb");
    if (!stream || fwrite(bytes, 1, count, stream) != count || fclose(stream) != 0) { abort(); }
    return fuzz_names[i];
}

/* Opens bytes as a file of tensors and reads every element, as an importer would; tensors larger
 * than a file of this size can hold stay unread, to keep a run fast. */
static inline void fuzz_tensors(const uint8_t *bytes, size_t count) {
    enum { MOST_ELEMENTS = 1 << 16 };
    rep_tensors *file = NULL;
    if (rep_tensors_parse(&file, "x", bytes, count) != REP_OK) {
        if (strchr(rep_last_error(), '\n')) { abort(); }
        return;
    }
    float *out = malloc(MOST_ELEMENTS * sizeof *out);
    for (size_t i = 0; out && i < rep_tensors_count(file); i++) {
        const rep_tensor_info *info = rep_tensors_get(file, i);
        if (info->count > MOST_ELEMENTS) { continue; }
        if (rep_tensors_find(file, info->name) != info) { abort(); }
        (void)!rep_tensors_read_f32(file, info, out);
    }
    free(out);
    rep_tensors_close(file);
}

#endif
