/* vk_list.c - what the rest of the program sees of Vulkan: a list of devices and one to open. */
#include <string.h>

#include "device/vk_device.h"

static const char *kind_of(VkPhysicalDeviceType type) {
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return "software";
    default:
        return "other";
    }
}

static void describe(rep_device_info *info, const rep_vk_caps *caps, uint32_t index) {
    *info = (rep_device_info){.real_bytes = sizeof(float),
                              .is_usable = caps->api_version >= VK_API_VERSION_1_1,
                              .is_vulkan = true,
                              .is_software = caps->type == VK_PHYSICAL_DEVICE_TYPE_CPU,
                              .memory_bytes = caps->memory_bytes,
                              .binding_bytes = caps->max_range_bytes,
                              .subgroup_size = caps->subgroup_size,
                              .invocations = caps->max_invocations,
                              .shared_bytes = caps->shared_bytes,
                              .has_f16 = caps->has_f16,
                              .has_matrix = caps->has_matrix};
    snprintf(info->name, sizeof info->name, "vulkan:%u", index);
    snprintf(info->description, sizeof info->description, "%.200s", caps->name);
    snprintf(info->kind, sizeof info->kind, "%s", kind_of(caps->type));
    snprintf(info->driver, sizeof info->driver, "%s", caps->driver);
    snprintf(info->uuid, sizeof info->uuid, "%s", caps->uuid);
    snprintf(info->api, sizeof info->api, "%u.%u.%u", VK_API_VERSION_MAJOR(caps->api_version),
             VK_API_VERSION_MINOR(caps->api_version), VK_API_VERSION_PATCH(caps->api_version));
}

size_t rep_vulkan_list(rep_device_info *info, size_t capacity) {
    rep_vk_caps caps[REP_VK_MAX_DEVICES];
    const uint32_t count = rep_vk_list(caps, REP_VK_MAX_DEVICES);
    for (uint32_t i = 0; i < count && i < capacity; i++) { describe(&info[i], &caps[i], i); }
    return count;
}

void rep_vulkan_explain_none(char *out, size_t bytes) {
    VkInstance instance;
    if (rep_vk_instance_acquire(&instance) != REP_OK) {
        snprintf(out, bytes, "%s", rep_last_error());
        return;
    }
    rep_vk_instance_release();
    snprintf(out, bytes, "Vulkan: no driver reports a device");
}

rep_status rep_vulkan_open(rep_device *device, uint32_t index) {
    return rep_vk_open(device, index);
}
