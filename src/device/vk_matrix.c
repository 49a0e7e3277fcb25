/* vk_matrix.c - matrix units (VK_KHR_cooperative_matrix): whether a device has those that the .coop
 * shaders need, and what to ask for when it is opened.
 *
 * Headers older than the extension build this without it; devices then have none.
 */
#include <string.h>

#include "device/vk_program.h"

#ifdef VK_KHR_cooperative_matrix

/* What shaders/common/coop.glsl takes: halves multiplied, floats summed, by one subgroup; sizes
 * that divide its tiles. */
static bool is_suitable(const VkCooperativeMatrixPropertiesKHR *p) {
    return p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR &&
           p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->scope == VK_SCOPE_SUBGROUP_KHR &&
           (p->MSize == 8 || p->MSize == 16) && (p->NSize == 8 || p->NSize == 16) &&
           (p->KSize == 8 || p->KSize == 16 || p->KSize == 32);
}

/* The largest suitable product; the first of several. */
static void choose_size(VkPhysicalDevice physical, rep_vk_caps *caps) {
    enum { MOST = 64 };
    VkCooperativeMatrixPropertiesKHR list[MOST];
    uint32_t count = MOST, most = 0;
    for (uint32_t i = 0; i < MOST; i++) {
        list[i] = (VkCooperativeMatrixPropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR};
    }
    if (vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR(physical, &count, list) < 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const VkCooperativeMatrixPropertiesKHR *p = &list[i];
        const uint32_t size = p->MSize * p->NSize * p->KSize;
        if (!is_suitable(p) || size <= most) { continue; }
        most = size;
        caps->matrix_m = p->MSize;
        caps->matrix_n = p->NSize;
        caps->matrix_k = p->KSize;
    }
    caps->has_matrix = most > 0;
}

void rep_vk_matrix_read(rep_vk_caps *caps, VkPhysicalDevice physical, bool has_extension) {
    rep_vk_matrix_features have = {0};
    if (!has_extension || !vk.vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR ||
        caps->api_version < VK_API_VERSION_1_2 || !caps->has_f16) {
        return;
    }
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = rep_vk_matrix_chain(&have, NULL)};
    have.half.shaderFloat16 = have.model.vulkanMemoryModel = VK_FALSE;
    have.matrix.cooperativeMatrix = VK_FALSE;
    vk.vkGetPhysicalDeviceFeatures2(physical, &features);
    /* Subgroups of 8 and more: common/coop.glsl divides its tiles among 32 invocations at least. */
    const uint32_t group = REP_VK_MATRIX_SUBGROUPS * caps->subgroup_lanes;
    if (have.half.shaderFloat16 && have.model.vulkanMemoryModel && have.matrix.cooperativeMatrix &&
        caps->subgroup_lanes >= 8 && group <= caps->max_invocations) {
        choose_size(physical, caps);
    }
}

#else

void rep_vk_matrix_read(rep_vk_caps *caps, VkPhysicalDevice physical, bool has_extension) {
    (void)caps;
    (void)physical;
    (void)has_extension;
}

#endif

void *rep_vk_matrix_chain(rep_vk_matrix_features *out, void *next) {
    out->half = (VkPhysicalDeviceShaderFloat16Int8Features){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
        .pNext = next,
        .shaderFloat16 = VK_TRUE};
    out->model = (VkPhysicalDeviceVulkanMemoryModelFeatures){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
        .pNext = &out->half,
        .vulkanMemoryModel = VK_TRUE};
#ifdef VK_KHR_cooperative_matrix
    out->matrix = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = &out->model,
        .cooperativeMatrix = VK_TRUE};
    return &out->matrix;
#else
    return &out->model;
#endif
}

/* ---- tiles ----------------------------------------------------------------------------------- */

/* Shared memory of common/coop.glsl with this tile, whichever way the factors lie. */
static uint32_t shared_bytes(const rep_vk_caps *caps, const uint32_t tile[3]) {
    uint32_t bytes = REP_VK_MATRIX_SUBGROUPS * caps->matrix_m * caps->matrix_n * 4;
    for (int side = 0; side < 2; side++) {
        const uint32_t by_lines = tile[side] * (tile[2] + 8), by_steps = tile[2] * (tile[side] + 8);
        bytes += 2 * (by_lines > by_steps ? by_lines : by_steps);
    }
    return bytes;
}

/* An invocation's registers hold 128 sums well. */
static bool does_fit(const rep_vk_caps *caps, const uint32_t tile[3]) {
    const uint32_t group = REP_VK_MATRIX_SUBGROUPS * caps->subgroup_lanes;
    return shared_bytes(caps, tile) <= caps->shared_bytes && tile[0] * tile[1] <= 128 * group;
}

/* Small subgroups are those of software drivers, which compile every load of an invocation. */
void rep_vk_matrix_tile(uint32_t tile[3], const rep_vk_caps *caps, uint32_t columns) {
    const bool is_small = caps->subgroup_lanes < 32;
    tile[0] = is_small ? 32 : 64;
    tile[1] = is_small ? 32 : columns <= 16 ? 16 : columns <= 32 ? 32 : 64;
    tile[2] = is_small && caps->matrix_k <= 16 ? 16 : 32;
}

uint32_t rep_vk_matrix_tiles(uint32_t list[][3], uint32_t capacity, const rep_vk_caps *caps) {
    static const uint32_t tiles[][3] = {{64, 64, 32},   {64, 32, 32},  {64, 16, 32}, {128, 64, 32},
                                        {128, 128, 32}, {64, 128, 32}, {32, 32, 16}, {32, 32, 32}};
    uint32_t rule[3] = {0}, count = 0;
    if (caps) { rep_vk_matrix_tile(rule, caps, 64); }
    for (uint32_t i = 0; i < sizeof tiles / sizeof tiles[0] && count < capacity; i++) {
        const bool is_for_small = tiles[i][0] == 32;
        if (caps && (is_for_small != (rule[0] == 32) || tiles[i][2] != rule[2] ||
                     !does_fit(caps, tiles[i]))) {
            continue;
        }
        memcpy(list[count++], tiles[i], sizeof tiles[i]);
    }
    return count;
}
