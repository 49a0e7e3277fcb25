/* folder.c - makes the folder that --out names, and files that are whole or not there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

static rep_status copy_name(char part[CLI_PATH_BYTES], const char *path) {
    const size_t length = strlen(path);
    if (length == 0 || length >= CLI_PATH_BYTES) {
        return rep_fail(REP_ERR_IO, "--out: \"%.60s\" is no folder's name; wanted 1 to %d bytes",
                        path, CLI_PATH_BYTES - 1);
    }
    memcpy(part, path, length + 1);
    return REP_OK;
}

static rep_status fail_folder(const char *path, int reason) {
    return rep_fail(REP_ERR_IO, "--out: %s cannot be made (%s); choose another folder", path,
                    strerror(reason));
}

/* Whether something that is there is a folder that files can be written in. */
static rep_status check_found(const char *path, const struct stat *found) {
    if (!S_ISDIR(found->st_mode)) {
        return rep_fail(REP_ERR_IO, "--out: %s is a file, wanted a folder; choose another name",
                        path);
    }
    if (access(path, W_OK | X_OK) == 0) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "--out: %s cannot be written in (%s); choose another folder", path,
                    strerror(errno));
}

rep_status cli_folder_check(const char *path) {
    char part[CLI_PATH_BYTES];
    struct stat found;
    REP_TRY(copy_name(part, path));
    while (stat(part, &found) != 0) {
        if (errno != ENOENT) { return fail_folder(path, errno); }
        char *slash = strrchr(part, '/');
        if (!slash) {
            memcpy(part, ".", 2);
        } else {
            slash[slash == part] = '\0'; /* "/" stays */
        }
    }
    return check_found(part, &found);
}

rep_status cli_folder_make(const char *path) {
    char part[CLI_PATH_BYTES];
    struct stat found;
    REP_TRY(copy_name(part, path));
    for (char *c = part + 1;; c++) {
        if (*c != '/' && *c != '\0') { continue; }
        const char end = *c;
        *c = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) { return fail_folder(part, errno); }
        if (end == '\0') { break; }
        *c = end;
    }
    return stat(part, &found) == 0 ? check_found(part, &found) : fail_folder(part, errno);
}

rep_status cli_path_join(char path[CLI_PATH_BYTES], const char *folder, const char *name) {
    const int length = snprintf(path, CLI_PATH_BYTES, "%s/%s", folder, name);
    if (length > 0 && length < CLI_PATH_BYTES) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %d bytes", folder,
                    CLI_PATH_BYTES - 1);
}

bool cli_is_same_file(const char *a, const char *b) {
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

rep_status cli_file_is_replaceable(const char *path) {
    struct stat found;
    if (stat(path, &found) != 0 || S_ISREG(found.st_mode)) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%s: is %s where a file is to be written; choose another name",
                    path, S_ISDIR(found.st_mode) ? "a folder" : "no regular file");
}

rep_status cli_file_check(const char *path) {
    char folder[CLI_PATH_BYTES];
    REP_TRY(cli_file_is_replaceable(path));
    const char *slash = strrchr(path, '/');
    const size_t length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder) {
        return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %d bytes", path,
                        CLI_PATH_BYTES - 1);
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    if (access(slash ? folder : ".", W_OK) == 0) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%s: cannot be made (%s)", path, strerror(errno));
}

rep_status cli_file_write(const char *path, rep_status (*write)(const void *context, FILE *stream),
                          const void *context) {
    char temporary[CLI_PATH_BYTES + 8];
    REP_TRY(cli_file_is_replaceable(path)); /* a device would become a file */
    snprintf(temporary, sizeof temporary, "%s.part", path);
    FILE *out = fopen(temporary, "w");
    if (!out) { return rep_fail(REP_ERR_IO, "%s: %s", temporary, strerror(errno)); }
    rep_status status = write(context, out);
    const bool is_complete = !ferror(out) && fflush(out) == 0 && fsync(fileno(out)) == 0;
    if ((fclose(out) != 0 || !is_complete) && status == REP_OK) {
        status = rep_fail(REP_ERR_IO, "%s: cannot be written; is the disk full?", path);
    }
    if (status == REP_OK && rename(temporary, path) != 0) {
        status = rep_fail(REP_ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (status != REP_OK) { remove(temporary); }
    return status;
}
