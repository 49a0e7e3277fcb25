/* vk_pipeline.c - one compute pipeline per (shader, specialization words), made at first use and
 * kept; compiled code is kept on disk between runs, one file per driver.
 */
#include <stdlib.h>
#include <string.h>

#include "device/vk_dispatch.h"

rep_status rep_vk_shader_find(const rep_vk_shader **out, const char *name) {
    bool is_known = false;
    REP_TRY(rep_vk_source_find(out, &is_known, name));
    for (size_t i = 0; !is_known && i < rep_vk_shader_count; i++) {
        if (!strcmp(rep_vk_shaders[i].name, name)) {
            *out = &rep_vk_shaders[i];
            return REP_OK;
        }
    }
    if (!is_known) { *out = NULL; }
    return REP_OK;
}

/* ---- layouts: binding_count storage buffers and one push block ------------------------------- */

rep_status rep_vk_layout_get(VkPipelineLayout *out, rep_vk_device *device, uint32_t count) {
    if (!device->layouts[count]) {
        VkDescriptorSetLayoutBinding bindings[REP_VK_MAX_BINDINGS];
        for (uint32_t i = 0; i < count; i++) {
            bindings[i] =
                (VkDescriptorSetLayoutBinding){.binding = i,
                                               .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                               .descriptorCount = 1,
                                               .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
        }
        const VkDescriptorSetLayoutCreateInfo set = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
            .bindingCount = count,
            .pBindings = bindings};
        REP_VK_TRY(vk.vkCreateDescriptorSetLayout(device->device, &set, NULL,
                                                  &device->set_layouts[count]));
        const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(rep_vk_push)};
        const VkPipelineLayoutCreateInfo layout = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
            .setLayoutCount = 1,
            .pSetLayouts = &device->set_layouts[count],
            .pushConstantRangeCount = 1,
            .pPushConstantRanges = &range};
        REP_VK_TRY(
            vk.vkCreatePipelineLayout(device->device, &layout, NULL, &device->layouts[count]));
    }
    *out = device->layouts[count];
    return REP_OK;
}

/* ---- pipelines ------------------------------------------------------------------------------- */

rep_status rep_vk_shader_need(const rep_vk_shader **out, const char *name) {
    REP_TRY(rep_vk_shader_find(out, name));
    if (*out) { return REP_OK; }
    return rep_fail(REP_ERR_DEVICE, "shader %s is not in this build; use --device cpu", name);
}

rep_status rep_vk_pipeline_compile(rep_vk_device *device, rep_vk_pipeline *p, const uint32_t *words,
                                   size_t bytes) {
    VkPipelineLayout layout;
    VkSpecializationMapEntry entries[REP_VK_MAX_SPEC];
    REP_TRY(rep_vk_layout_get(&layout, device, p->binding_count));
    for (uint32_t i = 0; i < p->spec_count; i++) {
        entries[i] = (VkSpecializationMapEntry){i, i * 4, 4};
    }
    const VkSpecializationInfo spec = {p->spec_count, entries, p->spec_count * 4, p->spec};
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = bytes, .pCode = words};
    VkShaderModule module;
    REP_VK_TRY(vk.vkCreateShaderModule(device->device, &module_info, NULL, &module));
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = layout};
    VkResult result =
        vk.vkCreateComputePipelines(device->device, device->cache, 1, &info, NULL, &p->pipeline);
    vk.vkDestroyShaderModule(device->device, module, NULL);
    if (rep_vk_options()->fail_shader && !strcmp(rep_vk_options()->fail_shader, p->name)) {
        vk.vkDestroyPipeline(device->device, p->pipeline, NULL);
        result = VK_ERROR_UNKNOWN;
    }
    if (result == VK_SUCCESS) { return rep_vk_check_messages(); }
    return rep_fail(REP_ERR_SHADER,
                    "%s: its driver (%s) cannot compile shader %s (%d); update the driver, or use "
                    "--device cpu",
                    device->caps.name, device->caps.driver, p->name, (int)result);
}

static bool is_same(const rep_vk_pipeline *p, const char *name, const uint32_t *spec,
                    uint32_t spec_count, uint32_t binding_count) {
    return p->spec_count == spec_count && p->binding_count == binding_count &&
           !strcmp(p->name, name) && !memcmp(p->spec, spec, spec_count * sizeof *spec);
}

rep_status rep_vk_pipeline_get(VkPipeline *out, rep_vk_device *device, const char *name,
                               const uint32_t *spec, uint32_t spec_count, uint32_t binding_count) {
    for (uint32_t i = 0; i < device->pipeline_count; i++) {
        if (is_same(&device->pipelines[i], name, spec, spec_count, binding_count)) {
            *out = device->pipelines[i].pipeline;
            return REP_OK;
        }
    }
    if (device->pipeline_count == device->pipeline_capacity) {
        const uint32_t capacity = device->pipeline_capacity ? 2 * device->pipeline_capacity : 64;
        rep_vk_pipeline *grown = realloc(device->pipelines, capacity * sizeof *grown);
        if (!grown) { return rep_fail(REP_ERR_MEMORY, "pipelines: out of memory"); }
        device->pipelines = grown;
        device->pipeline_capacity = capacity;
    }
    rep_vk_pipeline *p = &device->pipelines[device->pipeline_count];
    *p = (rep_vk_pipeline){.spec_count = spec_count, .binding_count = binding_count};
    snprintf(p->name, sizeof p->name, "%s", name);
    memcpy(p->spec, spec, spec_count * sizeof *spec);
    const rep_vk_shader *shader = NULL;
    REP_TRY(rep_vk_shader_need(&shader, name));
    REP_TRY(rep_vk_pipeline_compile(device, p, shader->words, shader->bytes));
    device->pipeline_count++;
    *out = p->pipeline;
    return REP_OK;
}

/* ---- the cache on disk ----------------------------------------------------------------------- */

/* The driver checks the bytes itself and starts afresh when they are not its own. */
static bool cache_path(char *path, size_t bytes, const rep_vk_device *device) {
    const char *folder = rep_vk_options()->cache_folder;
    if (!folder) { return false; }
    const int length = snprintf(path, bytes, "%s/pipelines-%s-%08x-%08x.bin", folder,
                                device->caps.driver_uuid, device->caps.vendor, device->caps.device);
    return length > 0 && (size_t)length < bytes;
}

rep_status rep_vk_cache_open(rep_vk_device *device) {
    char path[1024];
    rep_file_view view = {0};
    if (cache_path(path, sizeof path, device) && rep_file_exists(path) &&
        rep_file_open(&view, path) != REP_OK) {
        view = (rep_file_view){0};
    }
    const VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                            .initialDataSize = view.count,
                                            .pInitialData = view.bytes};
    const VkResult result = vk.vkCreatePipelineCache(device->device, &info, NULL, &device->cache);
    device->cache_bytes = view.count;
    if (view.bytes) { rep_file_close(&view); }
    return result == VK_SUCCESS ? REP_OK : rep_vk_fail(result, "vkCreatePipelineCache");
}

/* Losing a cache costs time only, so failures stay silent. */
static void cache_save(rep_vk_device *device) {
    char path[1024];
    size_t bytes = 0;
    if (!device->cache || device->is_lost || !cache_path(path, sizeof path, device)) { return; }
    if (vk.vkGetPipelineCacheData(device->device, device->cache, &bytes, NULL) != VK_SUCCESS ||
        bytes <= device->cache_bytes) {
        return;
    }
    void *data = malloc(bytes);
    if (data &&
        vk.vkGetPipelineCacheData(device->device, device->cache, &bytes, data) == VK_SUCCESS &&
        rep_folder_make(rep_vk_options()->cache_folder) == REP_OK) {
        (void)!rep_file_write(path, data, bytes);
    }
    free(data);
}

void rep_vk_pipelines_close(rep_vk_device *device) {
    cache_save(device);
    for (uint32_t i = 0; i < device->pipeline_count; i++) {
        vk.vkDestroyPipeline(device->device, device->pipelines[i].pipeline, NULL);
    }
    free(device->pipelines);
    for (uint32_t i = 0; i <= REP_VK_MAX_BINDINGS; i++) {
        if (device->layouts[i]) {
            vk.vkDestroyPipelineLayout(device->device, device->layouts[i], NULL);
        }
        if (device->set_layouts[i]) {
            vk.vkDestroyDescriptorSetLayout(device->device, device->set_layouts[i], NULL);
        }
    }
    if (device->cache) { vk.vkDestroyPipelineCache(device->device, device->cache, NULL); }
}
