/* vk_device.c - lists what Vulkan offers, opens one device, submits to its one queue. */
#include <stdlib.h>
#include <string.h>

#include "device/vk_program.h"

/* ---- what a device can do -------------------------------------------------------------------- */

static void format_uuid(char *out, size_t bytes, const uint8_t uuid[16], bool has_dashes) {
    size_t at = 0;
    for (int i = 0; i < 16 && at + 3 <= bytes; i++) {
        if (has_dashes && (i == 4 || i == 6 || i == 8 || i == 10)) { out[at++] = '-'; }
        at += (size_t)snprintf(out + at, bytes - at, "%02x", uuid[i]);
    }
}

static bool has_extension(VkPhysicalDevice physical, const char *name) {
    uint32_t count = 0;
    if (vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL) < 0) { return false; }
    VkExtensionProperties *list = calloc(count + 1u, sizeof *list);
    bool is_found = false;
    if (list && vk.vkEnumerateDeviceExtensionProperties(physical, NULL, &count, list) >= 0) {
        for (uint32_t i = 0; i < count; i++) {
            is_found = is_found || !strcmp(list[i].extensionName, name);
        }
    }
    free(list);
    return is_found;
}

/* The first family that computes, REP_VK_NO_FAMILY when none does, and the first that only copies:
 * a GPU's copy engine. */
#define REP_VK_NO_FAMILY 0xffffffffu
static void find_queues(VkPhysicalDevice physical, rep_vk_caps *caps, float period_ns) {
    VkQueueFamilyProperties families[32];
    uint32_t count = 32;
    vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families);
    caps->queue_family = caps->upload_family = REP_VK_NO_FAMILY;
    for (uint32_t i = count; i-- > 0;) {
        const VkQueueFlags flags = families[i].queueFlags;
        if (flags & VK_QUEUE_COMPUTE_BIT) {
            caps->queue_family = i;
            caps->ns_per_tick = families[i].timestampValidBits ? period_ns : 0;
        } else if ((flags & VK_QUEUE_TRANSFER_BIT) && !(flags & VK_QUEUE_GRAPHICS_BIT)) {
            caps->upload_family = i;
        }
    }
    if (caps->upload_family == REP_VK_NO_FAMILY) { caps->upload_family = caps->queue_family; }
}

static void read_limits(rep_vk_caps *caps, const VkPhysicalDeviceLimits *limits) {
    caps->max_range_bytes = limits->maxStorageBufferRange;
    caps->offset_align = (uint32_t)limits->minStorageBufferOffsetAlignment;
    caps->max_bindings = limits->maxPerStageDescriptorStorageBuffers;
    caps->max_groups = limits->maxComputeWorkGroupCount[0];
    for (int i = 1; i < 3; i++) {
        if (limits->maxComputeWorkGroupCount[i] < caps->max_groups) {
            caps->max_groups = limits->maxComputeWorkGroupCount[i];
        }
    }
    caps->max_invocations = limits->maxComputeWorkGroupInvocations;
    caps->shared_bytes = limits->maxComputeSharedMemorySize;
}

/* The simulated smallest device: what Vulkan 1.1 guarantees and nothing more. */
static void make_small(rep_vk_caps *caps) {
    if (caps->max_range_bytes > (uint64_t)128 << 20) {
        caps->max_range_bytes = (uint64_t)128 << 20;
    }
    if (caps->max_groups > 65535) { caps->max_groups = 65535; }
    if (caps->max_invocations > 128) { caps->max_invocations = 128; }
    if (caps->shared_bytes > 16384) { caps->shared_bytes = 16384; }
    caps->subgroup_size = 0;
    caps->has_f16 = caps->has_matrix = caps->has_shuffle = false;
}

static void read_memory(rep_vk_caps *caps, VkPhysicalDevice physical) {
    VkPhysicalDeviceMemoryProperties memory;
    vk.vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    for (uint32_t i = 0; i < memory.memoryHeapCount; i++) {
        const VkMemoryHeap *heap = &memory.memoryHeaps[i];
        if ((heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) && heap->size > caps->memory_bytes) {
            caps->memory_bytes = heap->size;
        }
    }
}

static void read_caps(VkPhysicalDevice physical, rep_vk_caps *caps) {
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &subgroup};
    VkPhysicalDeviceIDProperties id = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES,
                                       .pNext = &maintenance};
    VkPhysicalDeviceDriverProperties driver = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, .pNext = &id};
    VkPhysicalDeviceProperties basic;
    vk.vkGetPhysicalDeviceProperties(physical, &basic);
    const bool has_driver = basic.apiVersion >= VK_API_VERSION_1_2 ||
                            has_extension(physical, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME);
    VkPhysicalDeviceProperties2 properties = {.sType =
                                                  VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                              .pNext = has_driver ? (void *)&driver : (void *)&id};
    VkPhysicalDevice16BitStorageFeatures storage = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &storage};
    *caps = (rep_vk_caps){.type = basic.deviceType,
                          .api_version = basic.apiVersion,
                          .vendor = basic.vendorID,
                          .device = basic.deviceID};
    snprintf(caps->name, sizeof caps->name, "%s", basic.deviceName);
    if (basic.apiVersion < VK_API_VERSION_1_1) { return; }
    vk.vkGetPhysicalDeviceProperties2(physical, &properties);
    vk.vkGetPhysicalDeviceFeatures2(physical, &features);
    snprintf(caps->driver, sizeof caps->driver, "%.100s %.180s",
             driver.driverName[0] ? driver.driverName : "driver", driver.driverInfo);
    format_uuid(caps->uuid, sizeof caps->uuid, id.deviceUUID, true);
    format_uuid(caps->driver_uuid, sizeof caps->driver_uuid, id.driverUUID, false);
    caps->max_alloc_bytes = maintenance.maxMemoryAllocationSize;
    const bool has_sums = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                          (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
    caps->subgroup_lanes = subgroup.subgroupSize;
    caps->has_shuffle = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                        (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
    caps->subgroup_size = has_sums ? subgroup.subgroupSize : 0;
    caps->has_f16 = storage.storageBuffer16BitAccess;
    caps->is_portability = has_extension(physical, "VK_KHR_portability_subset");
    read_limits(caps, &basic.limits);
    read_memory(caps, physical);
    find_queues(physical, caps, basic.limits.timestampPeriod);
    rep_vk_matrix_read(caps, physical, has_extension(physical, REP_VK_MATRIX_EXTENSION));
    if (rep_vk_options()->is_small) { make_small(caps); }
}

static uint32_t enumerate(VkInstance instance, VkPhysicalDevice list[REP_VK_MAX_DEVICES]) {
    uint32_t count = REP_VK_MAX_DEVICES;
    return vk.vkEnumeratePhysicalDevices(instance, &count, list) < 0 ? 0 : count;
}

uint32_t rep_vk_list(rep_vk_caps *caps, uint32_t capacity) {
    VkInstance instance;
    VkPhysicalDevice list[REP_VK_MAX_DEVICES];
    if (rep_vk_instance_acquire(&instance) != REP_OK) { return 0; }
    const uint32_t count = enumerate(instance, list);
    for (uint32_t i = 0; i < count && i < capacity; i++) { read_caps(list[i], &caps[i]); }
    rep_vk_instance_release();
    return count;
}

/* ---- opening --------------------------------------------------------------------------------- */

static rep_status check_caps(const rep_vk_caps *caps) {
    if (caps->api_version < VK_API_VERSION_1_1) {
        return rep_fail(REP_ERR_DEVICE, "%s: its driver speaks Vulkan 1.0, wanted 1.1; update it",
                        caps->name);
    }
    if (caps->queue_family == REP_VK_NO_FAMILY) {
        return rep_fail(REP_ERR_DEVICE, "%s: has no queue for compute shaders", caps->name);
    }
    /* The widest row of the op table, merge_grad, binds 11 tensors. */
    const uint32_t wanted = REP_MAX_INPUTS + REP_MAX_OUTPUTS;
    if (caps->max_bindings < wanted) {
        return rep_fail(REP_ERR_DEVICE, "%s: a shader may bind %u buffers there, wanted %u",
                        caps->name, caps->max_bindings, wanted);
    }
    return REP_OK;
}

static rep_status create_device(rep_vk_device *d) {
    const float priority = 1;
    const char *extensions[2];
    rep_vk_matrix_features matrix;
    VkDeviceQueueCreateInfo queues[2];
    for (int i = 0; i < 2; i++) {
        queues[i] = (VkDeviceQueueCreateInfo){.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                              .queueFamilyIndex = i == 0 ? d->caps.queue_family
                                                                         : d->caps.upload_family,
                                              .queueCount = 1,
                                              .pQueuePriorities = &priority};
    }
    VkPhysicalDevice16BitStorageFeatures storage = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .storageBuffer16BitAccess = VK_TRUE};
    VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                               .queueCreateInfoCount =
                                   d->caps.upload_family == d->caps.queue_family ? 1 : 2,
                               .pQueueCreateInfos = queues,
                               .ppEnabledExtensionNames = extensions};
    if (d->caps.has_f16) { info.pNext = &storage; }
    if (d->caps.has_matrix) {
        info.pNext = rep_vk_matrix_chain(&matrix, &storage);
        extensions[info.enabledExtensionCount++] = REP_VK_MATRIX_EXTENSION;
    }
    if (d->caps.is_portability) {
        extensions[info.enabledExtensionCount++] = "VK_KHR_portability_subset";
    }
    REP_VK_TRY(vk.vkCreateDevice(d->physical, &info, NULL, &d->device));
    vk.vkGetDeviceQueue(d->device, d->caps.queue_family, 0, &d->queue);
    vk.vkGetDeviceQueue(d->device, d->caps.upload_family, 0, &d->upload_queue);
    return REP_OK;
}

static rep_status create_pool(VkCommandPool *out, const rep_vk_device *d, uint32_t family) {
    const VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                          .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                          .queueFamilyIndex = family};
    REP_VK_TRY(vk.vkCreateCommandPool(d->device, &info, NULL, out));
    return REP_OK;
}

rep_status rep_vk_fence_create(VkFence *out, rep_vk_device *device) {
    const VkFenceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    REP_VK_TRY(vk.vkCreateFence(device->device, &info, NULL, out));
    return REP_OK;
}

rep_status rep_vk_commands_create(VkCommandBuffer *out, rep_vk_device *device, VkCommandPool pool,
                                  bool is_begun) {
    const VkCommandBufferAllocateInfo info = {.sType =
                                                  VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                              .commandPool = pool,
                                              .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                              .commandBufferCount = 1};
    REP_VK_TRY(vk.vkAllocateCommandBuffers(device->device, &info, out));
    if (!is_begun) { return REP_OK; }
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    REP_VK_TRY(vk.vkBeginCommandBuffer(*out, &begin));
    return REP_OK;
}

static rep_status create_objects(rep_vk_device *d) {
    REP_TRY(create_pool(&d->pool, d, d->caps.queue_family));
    REP_TRY(create_pool(&d->upload_pool, d, d->caps.upload_family));
    REP_TRY(rep_vk_commands_create(&d->transfer, d, d->pool, false));
    for (int i = 0; i < REP_VK_MOST_RUNNING; i++) {
        REP_TRY(rep_vk_fence_create(&d->fences[i], d));
    }
    if (d->caps.ns_per_tick > 0) {
        const VkQueryPoolCreateInfo ticks = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                             .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                             .queryCount = 2};
        REP_VK_TRY(vk.vkCreateQueryPool(d->device, &ticks, NULL, &d->ticks));
    }
    rep_vk_tuned_open(d);
    return rep_vk_cache_open(d);
}

rep_status rep_vk_open(rep_device *device, uint32_t index) {
    rep_vk_device *d = calloc(1, sizeof *d);
    VkInstance instance;
    VkPhysicalDevice list[REP_VK_MAX_DEVICES];
    if (!d) { return rep_fail(REP_ERR_MEMORY, "device: out of memory"); }
    const rep_status status = rep_vk_instance_acquire(&instance);
    if (status != REP_OK) {
        free(d);
        return status;
    }
    device->backend = &rep_vk_backend;
    device->impl = d;
    if (index >= enumerate(instance, list)) {
        return rep_fail(REP_ERR_DEVICE, "vulkan:%u: is gone", index);
    }
    d->physical = list[index];
    read_caps(d->physical, &d->caps);
    vk.vkGetPhysicalDeviceMemoryProperties(d->physical, &d->memory);
    REP_TRY(check_caps(&d->caps));
    REP_TRY(create_device(d));
    REP_TRY(create_objects(d));
    return rep_vk_check_messages();
}

bool rep_vk_is_unified(const rep_vk_device *device) {
    return device->caps.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ||
           (device->caps.type == VK_PHYSICAL_DEVICE_TYPE_CPU && !rep_vk_options()->is_like_gpu);
}

/* ---- submitting ------------------------------------------------------------------------------ */

/* Remembers a lost device: everything after the loss fails alike. */
static rep_status check_lost(rep_vk_device *device, VkResult result, const char *what) {
    if (result == VK_SUCCESS) { return REP_OK; }
    device->is_lost = device->is_lost || result == VK_ERROR_DEVICE_LOST;
    return rep_vk_fail(result, what);
}

rep_status rep_vk_wait_fence(rep_vk_device *device, VkFence fence) {
    VkResult result = VK_TIMEOUT;
    while (result == VK_TIMEOUT) {
        result = vk.vkWaitForFences(device->device, 1, &fence, VK_TRUE, 10000000000u);
    }
    REP_TRY(check_lost(device, result, "vkWaitForFences"));
    REP_VK_TRY(vk.vkResetFences(device->device, 1, &fence));
    return REP_OK;
}

/* Waits for the oldest start that still runs. */
static rep_status wait_oldest(rep_vk_device *device) {
    const uint64_t index = device->finished++ % REP_VK_MOST_RUNNING;
    return rep_vk_wait_fence(device, device->fences[index]);
}

rep_status rep_vk_wait(rep_vk_device *device) {
    if (device->finished == device->started) { return REP_OK; }
    while (device->finished < device->started) { REP_TRY(wait_oldest(device)); }
    return rep_vk_check_messages();
}

/* Counts a submission; fails when the device is lost, or is to seem so. */
static rep_status count_submission(rep_vk_device *device) {
    const uint64_t lose_after = rep_vk_options()->lose_after;
    device->is_lost = device->is_lost || (lose_after > 0 && device->submissions >= lose_after);
    if (device->is_lost) { return rep_vk_fail(VK_ERROR_DEVICE_LOST, "vkQueueSubmit"); }
    device->submissions++;
    return REP_OK;
}

rep_status rep_vk_start(rep_vk_device *device, const VkSubmitInfo *items, uint32_t count) {
    if (device->started - device->finished == REP_VK_MOST_RUNNING) { REP_TRY(wait_oldest(device)); }
    REP_TRY(count_submission(device));
    const VkFence fence = device->fences[device->started % REP_VK_MOST_RUNNING];
    REP_TRY(
        check_lost(device, vk.vkQueueSubmit(device->queue, count, items, fence), "vkQueueSubmit"));
    device->started++;
    return REP_OK;
}

rep_status rep_vk_submit(rep_vk_device *device, VkCommandBuffer commands) {
    const VkSubmitInfo item = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &commands};
    REP_TRY(rep_vk_start(device, &item, 1));
    return rep_vk_wait(device);
}

rep_status rep_vk_send(rep_vk_device *device, VkQueue queue, VkCommandBuffer commands,
                       VkFence done) {
    const VkSubmitInfo item = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                               .commandBufferCount = 1,
                               .pCommandBuffers = &commands};
    REP_TRY(count_submission(device));
    return check_lost(device, vk.vkQueueSubmit(queue, 1, &item, done), "vkQueueSubmit");
}

rep_status rep_vk_begin_transfer(rep_vk_device *device) {
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    REP_TRY(rep_vk_wait(device));
    REP_VK_TRY(vk.vkBeginCommandBuffer(device->transfer, &begin));
    if (device->ticks) {
        vk.vkCmdResetQueryPool(device->transfer, device->ticks, 0, 2);
        vk.vkCmdWriteTimestamp(device->transfer, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, device->ticks,
                               0);
    }
    return REP_OK;
}

rep_status rep_vk_submit_transfer(rep_vk_device *device, double *ms) {
    if (device->ticks) {
        vk.vkCmdWriteTimestamp(device->transfer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                               device->ticks, 1);
    }
    REP_VK_TRY(vk.vkEndCommandBuffer(device->transfer));
    const double begin_s = rep_clock_s();
    REP_TRY(rep_vk_submit(device, device->transfer));
    if (!ms) { return REP_OK; }
    uint64_t ticks[2];
    *ms = (rep_clock_s() - begin_s) * 1e3;
    if (device->ticks) {
        REP_VK_TRY(vk.vkGetQueryPoolResults(device->device, device->ticks, 0, 2, sizeof ticks,
                                            ticks, 8, VK_QUERY_RESULT_64_BIT));
        *ms = (double)(ticks[1] - ticks[0]) * (double)device->caps.ns_per_tick * 1e-6;
    }
    return REP_OK;
}
