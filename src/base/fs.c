/* fs.c - files read as one view, files replaced whole or not at all, folders, clock and memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

enum { PATH_BYTES = 4096 };
/* What is read from a pipe at most; regular files are mapped and have no bound here. */
static const size_t pipe_limit_bytes = (size_t)1 << 28;

static rep_status fail_errno(const char *path, const char *what) {
    return rep_fail(REP_ERR_IO, "%s: %s (%s)", path, what, strerror(errno));
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Reads what cannot be mapped (pipes, some file systems) to its end. */
static rep_status read_all(rep_file_view *out, const char *path, int fd) {
    size_t count = 0, capacity = 1 << 16;
    uint8_t *bytes = malloc(capacity);
    while (bytes) {
        const ssize_t got = read(fd, bytes + count, capacity - count);
        if (got < 0 && errno == EINTR) { continue; }
        if (got < 0) {
            free(bytes);
            return fail_errno(path, "cannot be read");
        }
        if (got == 0) {
            if (count == 0) {
                free(bytes);
                bytes = NULL;
            }
            *out = (rep_file_view){.bytes = bytes, .count = count};
            return REP_OK;
        }
        count += (size_t)got;
        if (count < capacity) { continue; }
        if (capacity >= pipe_limit_bytes) {
            free(bytes);
            return rep_fail(REP_ERR_IO,
                            "%s: more than %zu MiB in a file that cannot be mapped; copy "
                            "it to a regular file",
                            path, pipe_limit_bytes >> 20);
        }
        capacity *= 2;
        uint8_t *grown = realloc(bytes, capacity);
        if (!grown) { free(bytes); }
        bytes = grown;
    }
    return rep_fail(REP_ERR_MEMORY, "%s: no memory for %zu bytes", path, capacity);
}

rep_status rep_file_open(rep_file_view *out, const char *path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) { return fail_errno(path, "cannot be opened"); }
    rep_status status = REP_OK;
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        status = fail_errno(path, "cannot be inspected");
    } else if (S_ISDIR(facts.st_mode)) {
        status = rep_fail(REP_ERR_IO, "%s: is a folder; name a file in it", path);
    } else {
        const size_t count = (size_t)facts.st_size;
        void *bytes = S_ISREG(facts.st_mode) && count > 0
                          ? mmap(NULL, count, PROT_READ, MAP_PRIVATE, fd, 0)
                          : MAP_FAILED;
        if (bytes != MAP_FAILED) {
            *out = (rep_file_view){.bytes = bytes, .count = count, .is_mapped = true};
        } else {
            status = read_all(out, path, fd);
        }
    }
    close(fd);
    return status;
}

void rep_file_close(rep_file_view *view) {
    if (view->is_mapped) {
        munmap((void *)(uintptr_t)view->bytes, view->count);
    } else {
        free((void *)(uintptr_t)view->bytes);
    }
    *view = (rep_file_view){0};
}

/* ---- writing -------------------------------------------------------------------------------- */

/* A rename is durable only when the folder that holds the name is synced too. */
static void sync_folder_of(const char *path) {
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (slash == path ? 1 : (size_t)(slash - path)) : 0;
    if (length >= sizeof folder) { return; }
    memcpy(folder, slash ? path : ".", slash ? length : 1);
    folder[slash ? length : 1] = '\0';
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) { return; }
    /* Some file systems cannot sync a folder; the content itself is safe already. */
    (void)fsync(fd);
    close(fd);
}

static rep_status open_temporary(int *out, char *name, size_t name_bytes, const char *path) {
    static atomic_uint serial;
    struct stat facts;
    if (stat(path, &facts) == 0 && !S_ISREG(facts.st_mode)) {
        return rep_fail(REP_ERR_IO, "%s: exists and is not a regular file; choose another name",
                        path);
    }
    const int length = snprintf(name, name_bytes, "%s.tmp-%ld-%u", path, (long)getpid(),
                                atomic_fetch_add(&serial, 1u));
    if (length < 0 || (size_t)length >= name_bytes) {
        return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %zu bytes", path,
                        name_bytes);
    }
    *out = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return *out < 0 ? fail_errno(path, "cannot be created") : REP_OK;
}

rep_status rep_file_replace(const char *path, rep_status (*write)(void *context, FILE *stream),
                            void *context) {
    char temporary[PATH_BYTES];
    int fd = -1;
    REP_TRY(open_temporary(&fd, temporary, sizeof temporary, path));
    rep_status status = REP_OK;
    FILE *stream = fdopen(fd, "wb");
    if (!stream) {
        status = fail_errno(path, "cannot be written");
        close(fd);
    } else {
        status = write(context, stream);
        if (status == REP_OK && (ferror(stream) || fflush(stream) != 0 || fsync(fd) != 0)) {
            status = fail_errno(path, "cannot be written; is the disk full?");
        }
        if (fclose(stream) != 0 && status == REP_OK) {
            status = fail_errno(path, "cannot be written; is the disk full?");
        }
    }
    if (status == REP_OK && rename(temporary, path) != 0) {
        status = fail_errno(path, "cannot be replaced");
    }
    if (status != REP_OK) {
        (void)unlink(temporary);
        return status;
    }
    sync_folder_of(path);
    return REP_OK;
}

typedef struct byte_span {
    const void *bytes;
    size_t count;
} byte_span;

static rep_status write_span(void *context, FILE *stream) {
    const byte_span *span = context;
    /* A short write leaves the stream's error flag, which the caller reads. */
    if (span->count > 0) { (void)!fwrite(span->bytes, 1, span->count, stream); }
    return REP_OK;
}

rep_status rep_file_write(const char *path, const void *bytes, size_t count) {
    byte_span span = {.bytes = bytes, .count = count};
    return rep_file_replace(path, write_span, &span);
}

/* ---- folders -------------------------------------------------------------------------------- */

rep_status rep_folder_make(const char *path) {
    char folder[PATH_BYTES];
    const size_t length = strlen(path);
    if (length == 0) { return rep_fail(REP_ERR_IO, "a folder's name is empty; name one"); }
    if (length >= sizeof folder) {
        return rep_fail(REP_ERR_IO, "%.60s...: the path is longer than %zu bytes", path,
                        sizeof folder);
    }
    memcpy(folder, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (folder[i] != '/' && folder[i] != '\0') { continue; }
        const char end = folder[i];
        folder[i] = '\0';
        /* A parent that exists may forbid mkdir with another code than EEXIST: look first. */
        struct stat facts;
        if (stat(folder, &facts) == 0) {
            if (!S_ISDIR(facts.st_mode)) {
                return rep_fail(REP_ERR_IO, "%s: exists and is not a folder; choose another name",
                                folder);
            }
        } else if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
            return fail_errno(folder, "the folder cannot be made; choose another place");
        }
        folder[i] = end;
    }
    if (access(path, W_OK | X_OK) != 0) {
        return fail_errno(path, "the folder cannot be written into; choose another place");
    }
    return REP_OK;
}

bool rep_file_exists(const char *path) { return access(path, F_OK) == 0; }

/* ---- clock and memory ----------------------------------------------------------------------- */

double rep_clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double rep_peak_rss_mib(void) {
    /* getrusage would carry the peak of whoever started this process across exec; VmHWM does not.
     */
    FILE *stream = fopen("/proc/self/status", "r");
    if (stream) {
        char line[128];
        while (fgets(line, sizeof line, stream)) {
            if (strncmp(line, "VmHWM:", 6) != 0) { continue; }
            const double kib = strtod(line + 6, NULL);
            fclose(stream);
            return kib / 1024.0;
        }
        fclose(stream);
    }
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024.0 : 0.0;
}
