/* vk_glslc.c - compiles GLSL by running glslc, the compiler the build itself uses.
 *
 * A folder of its own under the system's temporary one holds what passes between the two: ops.def,
 * the module, the complaint. It is gone when the call returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device/vk_dispatch.h"

/* The first line has file, line and text. */
rep_status rep_vk_glsl_complain(const rep_vk_glsl *from, const char *text) {
    const size_t length = strcspn(text, "\n");
    return rep_fail(REP_ERR_SHADER, "%.*s (module %s)", (int)length, text, from->name);
}

/* ---- the folder between ---------------------------------------------------------------------- */

typedef struct between {
    char folder[64], include[80], ops[96], module[80], words[80];
} between;

static rep_status make_between(between *b) {
    snprintf(b->folder, sizeof b->folder, "%s/repopt-XXXXXX", P_tmpdir);
    if (!mkdtemp(b->folder)) {
        return rep_fail(REP_ERR_IO, "%s: %s; it is needed to compile shaders", P_tmpdir,
                        strerror(errno));
    }
    snprintf(b->include, sizeof b->include, "%s/repopt", b->folder);
    snprintf(b->ops, sizeof b->ops, "%s/ops.def", b->include);
    snprintf(b->module, sizeof b->module, "%s/module.spv", b->folder);
    snprintf(b->words, sizeof b->words, "%s/complaint", b->folder);
    if (mkdir(b->include, 0700) != 0) {
        return rep_fail(REP_ERR_IO, "%s: %s", b->include, strerror(errno));
    }
    return rep_file_write(b->ops, rep_vk_ops_text, rep_vk_ops_bytes);
}

static void remove_between(const between *b) {
    (void)unlink(b->ops);
    (void)unlink(b->module);
    (void)unlink(b->words);
    (void)rmdir(b->include);
    (void)rmdir(b->folder);
}

/* ---- running --------------------------------------------------------------------------------- */

/* *code: the exit code. */
static rep_status spawn(int *code, const between *b, const char *const *argv) {
    posix_spawn_file_actions_t actions;
    char *environment[] = {NULL};
    pid_t child = 0;
    int state = 0;
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, b->words,
                                         O_WRONLY | O_CREAT | O_TRUNC, 0600) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO) != 0) {
        return rep_fail(REP_ERR_MEMORY, "glslc: no memory to start it");
    }
    const int fault =
        posix_spawnp(&child, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    while (fault == 0 && waitpid(child, &state, 0) < 0 && errno == EINTR) {}
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128;
    if (fault == 0 && *code != 127) { return REP_OK; }
    return rep_fail(REP_ERR_SHADER, "shader folder: neither libshaderc nor glslc runs on this "
                                    "machine; install glslc, or leave the folder out");
}

static rep_status read_complaint(const rep_vk_glsl *from, const between *b) {
    char text[900] = "";
    FILE *file = fopen(b->words, "r");
    if (file) {
        const size_t count = fread(text, 1, sizeof text - 1, file);
        text[count] = '\0';
        fclose(file);
    }
    return rep_vk_glsl_complain(from, text[0] ? text : "glslc failed without a word");
}

static rep_status read_module(void **words, size_t *bytes, const between *b) {
    rep_file_view view;
    REP_TRY(rep_file_open(&view, b->module));
    void *copy = malloc(view.count + 1);
    if (copy && view.count) { memcpy(copy, view.bytes, view.count); }
    *bytes = view.count;
    if (view.bytes) { rep_file_close(&view); }
    if (!copy) { return rep_fail(REP_ERR_MEMORY, "%s: out of memory", b->module); }
    *words = copy;
    return REP_OK;
}

static rep_status run(void **words, size_t *bytes, const rep_vk_glsl *from, const between *b) {
    const bool is_matrix = strstr(from->name, ".coop") != NULL;
    const char *argv[16] = {"glslc", "-O",
                            is_matrix ? "--target-env=vulkan1.2" : "--target-env=vulkan1.1"};
    int count = 3, code = 0;
    if (strstr(from->name, ".f16")) { argv[count++] = "-DREP_F16"; }
    if (strstr(from->name, ".sub")) { argv[count++] = "-DREP_SUBGROUP"; }
    argv[count++] = "-I";
    argv[count++] = from->folder;
    argv[count++] = "-I";
    argv[count++] = b->folder;
    argv[count++] = "-o";
    argv[count++] = b->module;
    argv[count] = from->path;
    REP_TRY(spawn(&code, b, argv));
    return code == 0 ? read_module(words, bytes, b) : read_complaint(from, b);
}

rep_status rep_vk_glslc_compile(void **words, size_t *bytes, const rep_vk_glsl *from) {
    between b = {.folder = ""};
    rep_status status = make_between(&b);
    if (status == REP_OK) { status = run(words, bytes, from, &b); }
    remove_between(&b);
    return status;
}
