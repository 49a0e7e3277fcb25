/* vk_source.c - shaders compiled at run time from a folder of GLSL, so that whoever writes one
 * edits, runs again and rebuilds nothing.
 *
 * The rules are those of cmake/shaders.cmake: which variants a file has, with which definitions.
 * What was compiled stays until the program ends: pipelines and dispatches point to it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "device/vk_dispatch.h"

/* libshaderc where it is installed and loads (Debian 12's lacks symbols), else the program glslc.
 */
static rep_status compile(void **words, size_t *bytes, const rep_vk_glsl *from) {
    bool is_there = false;
    const rep_status status = rep_vk_shaderc_compile(words, bytes, &is_there, from);
    return is_there ? status : rep_vk_glslc_compile(words, bytes, from);
}

typedef struct source {
    struct source *next;
    char folder[512], name[64];
    bool is_known;        /* the file is there */
    rep_vk_shader module; /* words NULL: the file has no such variant */
} source;

static source *sources;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool ends_with(const char *text, size_t length, const char *end) {
    const size_t count = strlen(end);
    return length >= count && !strncmp(text + length - count, end, count);
}

static bool mentions(const rep_file_view *text, const char *word) {
    const size_t length = strlen(word);
    for (size_t i = 0; i + length <= text->count; i++) {
        if (!memcmp(text->bytes + i, word, length)) { return true; }
    }
    return false;
}

/* Whether a shader says act_t, itself or in what it includes; common/args.glsl defines it. */
static bool says_act_t(const char *folder, const rep_file_view *text, int depth) {
    enum { DEEPEST = 8 };
    static const char line[] = "\n#include \"common/";
    const size_t length = sizeof line - 1;
    if (mentions(text, "act_t")) { return true; }
    for (size_t i = 0; i + length < text->count && depth < DEEPEST; i++) {
        char path[700];
        rep_file_view more = {0};
        if (memcmp(text->bytes + i, line, length) != 0) { continue; }
        const char *name = (const char *)text->bytes + i + length;
        const char *end = memchr(name, '"', text->count - i - length);
        if (!end || !strncmp(name, "args.glsl", sizeof "args.glsl" - 1)) { continue; }
        snprintf(path, sizeof path, "%s/common/%.*s", folder, (int)(end - name), name);
        if (!rep_file_exists(path) || rep_file_open(&more, path) != REP_OK) { continue; }
        const bool does = says_act_t(folder, &more, depth + 1);
        rep_file_close(&more);
        if (does) { return true; }
    }
    return false;
}

static rep_status load(source *s) {
    char path[700];
    rep_file_view text = {0};
    size_t length = strlen(s->name);
    const bool wants_sum = ends_with(s->name, length, ".sub");
    if (wants_sum) { length -= strlen(".sub"); }
    const bool wants_half = ends_with(s->name, length, ".f16");
    if (wants_half) { length -= strlen(".f16"); }
    snprintf(path, sizeof path, "%s/%.*s.comp", s->folder, (int)length, s->name);
    s->is_known = rep_file_exists(path);
    if (!s->is_known) { return REP_OK; }
    REP_TRY(rep_file_open(&text, path));
    rep_status status = REP_OK;
    if ((!wants_half || (says_act_t(s->folder, &text, 0) && !strstr(s->name, ".coop"))) &&
        (!wants_sum || mentions(&text, "common/reduce.glsl"))) {
        void *words = NULL;
        s->module.name = s->name;
        const rep_vk_glsl from = {s->name, s->folder, path, &text};
        status = compile(&words, &s->module.bytes, &from);
        s->module.words = words;
    }
    rep_file_close(&text);
    /* A compiler older than the extension leaves matrix variants out, as the build does. */
    if (status == REP_ERR_SHADER && strstr(s->name, ".coop") &&
        strstr(rep_last_error(), "extension not supported")) {
        return REP_OK;
    }
    return status;
}

static rep_status find(source **out, const char *folder, const char *name) {
    for (source *s = sources; s; s = s->next) {
        if (!strcmp(s->name, name) && !strcmp(s->folder, folder)) {
            *out = s;
            return REP_OK;
        }
    }
    source *made = calloc(1, sizeof *made);
    if (!made) { return rep_fail(REP_ERR_MEMORY, "%s: no memory to compile it", name); }
    snprintf(made->folder, sizeof made->folder, "%s", folder);
    snprintf(made->name, sizeof made->name, "%s", name);
    const rep_status status = load(made);
    if (status != REP_OK) {
        free(made);
        return status;
    }
    made->next = sources;
    sources = *out = made;
    return REP_OK;
}

rep_status rep_vk_source_find(const rep_vk_shader **out, bool *is_known, const char *name) {
    const char *folder = rep_vk_options()->shader_folder;
    source *s = NULL;
    if (!folder) { return REP_OK; }
    pthread_mutex_lock(&lock);
    const rep_status status = find(&s, folder, name);
    pthread_mutex_unlock(&lock);
    REP_TRY(status);
    *is_known = s->is_known;
    if (s->is_known) { *out = s->module.words ? &s->module : NULL; }
    return REP_OK;
}
