/* vk_shaderc.c - compiles GLSL with libshaderc, opened at run time as the Vulkan loader is; only
 * its header is needed to build, and without one vk_source.c runs glslc instead.
 */
#include "device/vk_dispatch.h"

#ifdef REP_HAS_SHADERC
#include <dlfcn.h>
#include <shaderc/shaderc.h>
#include <stdlib.h>
#include <string.h>

/* ---- the library ----------------------------------------------------------------------------- */

#define SHADERC_FUNCTIONS(X)                                                                       \
    X(compiler_initialize)                                                                         \
    X(compile_options_initialize)                                                                  \
    X(compile_options_release)                                                                     \
    X(compile_options_add_macro_definition)                                                        \
    X(compile_options_set_optimization_level)                                                      \
    X(compile_options_set_include_callbacks)                                                       \
    X(compile_options_set_target_env)                                                              \
    X(compile_into_spv)                                                                            \
    X(result_get_compilation_status)                                                               \
    X(result_get_error_message)                                                                    \
    X(result_get_length)                                                                           \
    X(result_get_bytes)                                                                            \
    X(result_release)

static struct {
#define X(name) __typeof__(&shaderc_##name) name;
    SHADERC_FUNCTIONS(X)
#undef X
} lib;
static shaderc_compiler_t compiler;

/* False where the library is not there, or lacks symbols. */
static bool open_library(void) {
    static const char *const names[] = {"libshaderc.so.1", "libshaderc_shared.so.1",
                                        "libshaderc_shared.dylib"};
    static bool was_tried;
    void *library = NULL;
    bool is_complete = true;
    if (was_tried) { return compiler != NULL; }
    was_tried = true;
    for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (!library) { return false; }
    /* ISO C has no conversion from an object pointer to a function pointer; POSIX has. */
#define X(name)                                                                                    \
    do {                                                                                           \
        void *symbol = dlsym(library, "shaderc_" #name);                                           \
        memcpy(&lib.name, &symbol, sizeof lib.name);                                               \
        is_complete = is_complete && symbol;                                                       \
    } while (0);
    SHADERC_FUNCTIONS(X)
#undef X
    if (is_complete) { compiler = lib.compiler_initialize(); }
    return compiler != NULL;
}

/* ---- includes -------------------------------------------------------------------------------- */

typedef struct included {
    shaderc_include_result result;
    rep_file_view view;
    char path[1024];
} included;

/* Beside the file that asks, then in the folder itself. */
static bool open_include(included *in, const char *folder, const char *wanted, const char *asking) {
    const char *slash = strrchr(asking, '/');
    const int length = slash ? (int)(slash - asking) : 0;
    snprintf(in->path, sizeof in->path, "%.*s/%s", length, asking, wanted);
    if (!slash || !rep_file_exists(in->path)) {
        snprintf(in->path, sizeof in->path, "%s/%s", folder, wanted);
    }
    return rep_file_exists(in->path) && rep_file_open(&in->view, in->path) == REP_OK;
}

/* The parameter blocks are this build's: the host fills the push block by them. */
static shaderc_include_result *resolve(void *folder, const char *wanted, int type,
                                       const char *asking, size_t depth) {
    static const char ops_name[] = "repopt/ops.def";
    included *in = calloc(1, sizeof *in);
    (void)type;
    if (!in) { return NULL; }
    in->result.user_data = in;
    in->result.source_name = in->path;
    if (!strcmp(wanted, ops_name)) {
        snprintf(in->path, sizeof in->path, "%s", ops_name);
        in->result.content = rep_vk_ops_text;
        in->result.content_length = rep_vk_ops_bytes;
    } else if (depth < 64 && open_include(in, folder, wanted, asking)) {
        in->result.content = in->view.bytes ? (const char *)in->view.bytes : "";
        in->result.content_length = in->view.count;
    } else {
        in->path[0] = '\0';
        in->result.content = "no such file in the shader folder";
        in->result.content_length = strlen(in->result.content);
    }
    in->result.source_name_length = strlen(in->path);
    return &in->result;
}

static void release(void *folder, shaderc_include_result *result) {
    (void)folder;
    included *in = result->user_data;
    if (in->view.bytes) { rep_file_close(&in->view); }
    free(in);
}

/* ---- compiling ------------------------------------------------------------------------------- */

static shaderc_compile_options_t make_options(const rep_vk_glsl *from) {
    shaderc_compile_options_t options = lib.compile_options_initialize();
    const bool is_matrix = strstr(from->name, ".coop") != NULL;
    if (!options) { return NULL; }
    if (strstr(from->name, ".f16")) {
        lib.compile_options_add_macro_definition(options, "REP_F16", 7, "1", 1);
    }
    if (strstr(from->name, ".sub")) {
        lib.compile_options_add_macro_definition(options, "REP_SUBGROUP", 12, "1", 1);
    }
    lib.compile_options_set_optimization_level(options, shaderc_optimization_level_performance);
    lib.compile_options_set_target_env(options, shaderc_target_env_vulkan,
                                       is_matrix ? shaderc_env_version_vulkan_1_2
                                                 : shaderc_env_version_vulkan_1_1);
    lib.compile_options_set_include_callbacks(options, resolve, release,
                                              (void *)(uintptr_t)from->folder);
    return options;
}

rep_status rep_vk_shaderc_compile(void **words, size_t *bytes, bool *is_there,
                                  const rep_vk_glsl *from) {
    *is_there = open_library();
    if (!*is_there) { return REP_OK; }
    shaderc_compile_options_t options = make_options(from);
    if (!options) { return rep_fail(REP_ERR_MEMORY, "%s: no memory to compile it", from->path); }
    shaderc_compilation_result_t result =
        lib.compile_into_spv(compiler, (const char *)from->text->bytes, from->text->count,
                             shaderc_glsl_compute_shader, from->path, "main", options);
    lib.compile_options_release(options);
    rep_status status = REP_OK;
    if (lib.result_get_compilation_status(result) != shaderc_compilation_status_success) {
        status = rep_vk_glsl_complain(from, lib.result_get_error_message(result));
    } else {
        *bytes = lib.result_get_length(result);
        *words = malloc(*bytes);
        if (*words) { memcpy(*words, lib.result_get_bytes(result), *bytes); }
        if (!*words) { status = rep_fail(REP_ERR_MEMORY, "%s: out of memory", from->path); }
    }
    lib.result_release(result);
    return status;
}

#else
rep_status rep_vk_shaderc_compile(void **words, size_t *bytes, bool *is_there,
                                  const rep_vk_glsl *from) {
    (void)words;
    (void)bytes;
    (void)from;
    *is_there = false;
    return REP_OK;
}
#endif
