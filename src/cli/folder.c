/* folder.c - makes the folder that --out names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

enum { PATH_BYTES = 4096 };

rep_status cli_folder_make(const char *path) {
    char part[PATH_BYTES];
    if (!path[0] || strlen(path) >= sizeof part) {
        return rep_fail(REP_ERR_IO, "--out: \"%.60s\" is no folder's name; wanted 1 to %d bytes",
                        path, PATH_BYTES - 1);
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
