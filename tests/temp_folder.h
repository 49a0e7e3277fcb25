/* temp_folder.h - a folder for files a test makes, gone at its end. */
#ifndef REP_TESTS_TEMP_FOLDER_H
#define REP_TESTS_TEMP_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "check.h"

static char temp_root[] = "/tmp/repopt-data-XXXXXX";

static int temp_make(void **state) {
    (void)state;
    return mkdtemp(temp_root) ? 0 : -1;
}

static int temp_remove_one(const char *path, const struct stat *facts, int type, struct FTW *walk) {
    (void)facts, (void)type, (void)walk;
    return remove(path);
}

static int temp_remove(void **state) {
    (void)state;
    return nftw(temp_root, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of `name` in the folder; one of four buffers in turn. */
static const char *temp_path(const char *name) {
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ & 3];
    (void)snprintf(path, sizeof paths[0], "%s/%s", temp_root, name);
    return path;
}

/* Writes a file, making its folder. */
static const char *temp_write(const char *name, const void *bytes, size_t count) {
    const char *path = temp_path(name);
    char folder[512];
    (void)snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    CHECK_OK(rep_folder_make(folder));
    CHECK_OK(rep_file_write(path, bytes, count));
    return path;
}

/* The same in a folder that is there, without waiting for the disk, which rep_file_write does. */
static const char *temp_write_fast(const char *name, const void *bytes, size_t count) {
    const char *path = temp_path(name);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, count, stream), count);
    assert_int_equal(fclose(stream), 0);
    return path;
}

#endif
