/* vk_dispatch.h - shaders looked at: where a module comes from, what it declares, one node's plan.
 */
#ifndef REP_DEVICE_VK_DISPATCH_H
#define REP_DEVICE_VK_DISPATCH_H

#include "device/vk_program.h"

/* ---- vk_source.c: GLSL compiled at run time -------------------------------------------------- */
/* *is_known: the shader folder has that file, so that *out, perhaps NULL, is the answer. */
rep_status rep_vk_source_find(const rep_vk_shader **out, bool *is_known, const char *name);
/* One module to compile. */
typedef struct rep_vk_glsl {
    const char *name, *folder, *path;
    const rep_file_view *text;
} rep_vk_glsl;
/* vk_shaderc.c, vk_glslc.c. *words is malloc'd. *is_there: whether libshaderc can be used at all.
 */
rep_status rep_vk_shaderc_compile(void **words, size_t *bytes, bool *is_there,
                                  const rep_vk_glsl *from);
rep_status rep_vk_glslc_compile(void **words, size_t *bytes, const rep_vk_glsl *from);
/* REP_ERR_SHADER with the first line of a compiler's complaint. */
rep_status rep_vk_glsl_complain(const rep_vk_glsl *from, const char *text);
/* include/repopt/ops.def as this build has it. Generated. */
extern const char rep_vk_ops_text[];
extern const size_t rep_vk_ops_bytes;

/* ---- vk_spirv.c: what a module says about itself --------------------------------------------- */
enum { REP_VK_MAX_CAPABILITIES = 32 };
typedef struct rep_vk_module {
    uint32_t halves, words; /* by binding: declared with elements of 16 bits; with others */
    uint32_t group[3];      /* invocations of one workgroup */
    uint64_t shared_bytes;  /* without padding */
    uint32_t capabilities[REP_VK_MAX_CAPABILITIES], capability_count;
} rep_vk_module;
/* `name` is for messages. REP_ERR_DATA for what is no SPIR-V. */
rep_status rep_vk_module_read(rep_vk_module *out, const char *name, const uint32_t *words,
                              size_t bytes, const uint32_t *spec, uint32_t spec_count);

/* ---- vk_pipeline.c --------------------------------------------------------------------------- */
/* As rep_vk_shader_find; REP_ERR_DEVICE when there is none. */
rep_status rep_vk_shader_need(const rep_vk_shader **out, const char *name);
/* Fills p->pipeline; the rest of it says how. */
rep_status rep_vk_pipeline_compile(rep_vk_device *device, rep_vk_pipeline *p, const uint32_t *words,
                                   size_t bytes);

/* ---- vk_program.c ---------------------------------------------------------------------------- */
/* Names and specialization words of a node's passes. */
typedef struct rep_vk_modules {
    char names[REP_VK_MAX_PASSES][64];
    uint32_t spec[REP_VK_MAX_SPEC], spec_count;
} rep_vk_modules;
/* Grid, push block and modules of a node; compiles nothing on the device. `tile` NULL takes the
 * rule's. */
rep_status rep_vk_node_plan(rep_vk_node *n, rep_vk_modules *modules, const rep_vk_device *device,
                            const rep_graph *graph, uint32_t index, const uint32_t *tile);

/* ---- vk_dispatch.c --------------------------------------------------------------------------- */
/* Whether shaders with this part in their name may be taken (rep_vulkan_allow). */
bool rep_vk_may(const rep_vk_caps *caps, const char *part);

#endif
