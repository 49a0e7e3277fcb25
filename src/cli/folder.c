/* folder.c - makes the folder that --out names, and files that are whole or not there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

rep_status cli_folder_make(const char *path) {
    char part[CLI_PATH_BYTES];
    if (!path[0] || strlen(path) >= sizeof part) {
        return rep_fail(REP_ERR_IO, "--out: \"%.60s\" is no folder's name; wanted 1 to %d bytes",
                        path, CLI_PATH_BYTES - 1);
    }
    snprintf(part, sizeof part, "%s", path);
    for (char *c = part + 1;; c++) {
        if (*c != '/' && *c != '\0') { continue; }
        const char end = *c;
        *c = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return rep_fail(REP_ERR_IO, "--out: %s cannot be made (%s); choose another folder",
                            part, strerror(errno));
        }
        if (end == '\0') { return REP_OK; }
        *c = end;
    }
}

rep_status cli_path_join(char path[CLI_PATH_BYTES], const char *folder, const char *name) {
    const int length = snprintf(path, CLI_PATH_BYTES, "%s/%s", folder, name);
    if (length > 0 && length < CLI_PATH_BYTES) { return REP_OK; }
    return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %d bytes", folder,
                    CLI_PATH_BYTES - 1);
}

rep_status cli_file_check(const char *path) {
    char folder[CLI_PATH_BYTES];
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
    snprintf(temporary, sizeof temporary, "%s.part", path);
    FILE *out = fopen(temporary, "w");
    if (!out) { return rep_fail(REP_ERR_IO, "%s: %s", temporary, strerror(errno)); }
    rep_status status = write(context, out);
    const bool is_complete = !ferror(out);
    if ((fclose(out) != 0 || !is_complete) && status == REP_OK) {
        status = rep_fail(REP_ERR_IO, "%s: cannot be written; is the disk full?", path);
    }
    if (status == REP_OK && rename(temporary, path) != 0) {
        status = rep_fail(REP_ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (status != REP_OK) { remove(temporary); }
    return status;
}
