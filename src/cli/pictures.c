/* pictures.c - the pictures that words of a command name: files, and folders with all below; and
 * how large a picture is drawn. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/cli.h"

enum { MOST_DEPTH = 32 }; /* of folders; links may lead round in a circle */

static rep_status fail_memory(void) {
    return rep_fail(REP_ERR_MEMORY, "pictures: no memory for their names");
}

static rep_status add_file(cli_pictures *p, const char *path, size_t name_first) {
    if (p->count == p->room) {
        const size_t room = p->room ? 2 * p->room : 64;
        char **files = realloc(p->files, room * sizeof *files);
        if (files) { p->files = files; }
        const char **names = realloc((void *)p->names, room * sizeof *names);
        if (names) { p->names = names; }
        if (!files || !names) { return fail_memory(); }
        p->room = room;
    }
    char *copy = strdup(path);
    if (!copy) { return fail_memory(); }
    p->names[p->count] = copy + name_first;
    p->files[p->count++] = copy;
    return REP_OK;
}

static bool is_picture(const char *name) {
    const char *end = strrchr(name, '.');
    return end &&
           (!strcasecmp(end, ".jpg") || !strcasecmp(end, ".jpeg") || !strcasecmp(end, ".png"));
}

/* Hidden entries, "." and ".." among them, are not looked at. */
static int is_shown(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static rep_status add_folder(cli_pictures *p, const char *folder, size_t name_first, int depth);

static rep_status add_entry(cli_pictures *p, const char *path, size_t name_first, int depth) {
    struct stat about;
    if (stat(path, &about) != 0) { return rep_fail(REP_ERR_IO, "%s: %s", path, strerror(errno)); }
    if (S_ISDIR(about.st_mode)) { return add_folder(p, path, name_first, depth + 1); }
    return S_ISREG(about.st_mode) && is_picture(path) ? add_file(p, path, name_first) : REP_OK;
}

static rep_status add_folder(cli_pictures *p, const char *folder, size_t name_first, int depth) {
    struct dirent **entries = NULL;
    char path[CLI_PATH_BYTES];
    if (depth > MOST_DEPTH) {
        return rep_fail(REP_ERR_DATA, "%.200s...: more than %d folders deep", folder, MOST_DEPTH);
    }
    const int count = scandir(folder, &entries, is_shown, by_bytes);
    if (count < 0) { return rep_fail(REP_ERR_IO, "%s: %s", folder, strerror(errno)); }
    rep_status status = REP_OK;
    for (int i = 0; i < count; i++) {
        if (status == REP_OK) { status = cli_path_join(path, folder, entries[i]->d_name); }
        if (status == REP_OK) { status = add_entry(p, path, name_first, depth); }
        free(entries[i]);
    }
    free(entries);
    return status;
}

rep_status cli_pictures_add(cli_pictures *p, const char *word) {
    struct stat about;
    if (stat(word, &about) != 0) {
        return rep_fail(REP_ERR_IO, "%s: %s; name a picture or a folder of pictures", word,
                        strerror(errno));
    }
    if (!S_ISDIR(about.st_mode)) {
        const char *slash = strrchr(word, '/');
        return add_file(p, word, slash ? (size_t)(slash - word) + 1 : 0);
    }
    char folder[CLI_PATH_BYTES];
    size_t length = strlen(word);
    while (length > 1 && word[length - 1] == '/') { length--; }
    if (length >= sizeof folder) {
        return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %d bytes", word,
                        CLI_PATH_BYTES - 1);
    }
    memcpy(folder, word, length);
    folder[length] = '\0';
    const size_t before = p->count;
    REP_TRY(add_folder(p, folder, length + 1, 0));
    if (p->count > before) { return REP_OK; }
    return rep_fail(REP_ERR_DATA, "%s: holds no .jpg, .jpeg or .png picture", word);
}

void cli_pictures_clear(cli_pictures *p) {
    for (size_t i = 0; i < p->count; i++) { free(p->files[i]); }
    free(p->files);
    free((void *)p->names);
    *p = (cli_pictures){0};
}

rep_status cli_picture_enlarge(rep_image *image, int32_t least_px, double *zoom) {
    const int32_t longest = image->width > image->height ? image->width : image->height;
    const int32_t times = (least_px + longest - 1) / longest;
    *zoom = times > 1 ? times : 1;
    if (times <= 1) { return REP_OK; }
    rep_image large = {0};
    REP_TRY(rep_image_resize(&large, image, image->width * times, image->height * times));
    rep_image_clear(image);
    *image = large;
    return REP_OK;
}
