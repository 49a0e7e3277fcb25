/* vk_memory.c - buffers: few and large, planned before the first step, and copies to and from them.
 */
#include <string.h>

#include "device/vk_device.h"

enum { STAGING_BYTES = 4 << 20 };

/* The first memory type among `allowed` with all `wanted` properties; -1 when there is none. */
static int find_type(const rep_vk_device *device, uint32_t allowed, VkMemoryPropertyFlags wanted) {
    for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags have = device->memory.memoryTypes[i].propertyFlags;
        if ((allowed >> i & 1u) && (have & wanted) == wanted) { return (int)i; }
    }
    return -1;
}

/* The device's own memory, and the host's view of it where both are one; for host buffers memory
 * the host reads fast. */
static int choose_type(const rep_vk_device *device, uint32_t allowed, bool is_host) {
    const VkMemoryPropertyFlags visible =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    int type = -1;
    if (is_host) {
        type = find_type(device, allowed, visible | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
        return type < 0 ? find_type(device, allowed, visible) : type;
    }
    if (rep_vk_is_unified(device)) { type = find_type(device, allowed, visible | local); }
    if (type < 0) { type = find_type(device, allowed, local); }
    return type < 0 ? find_type(device, allowed, 0) : type;
}

static rep_status check_size(const rep_vk_device *device, size_t bytes, const char *what) {
    const double mib = 1024.0 * 1024.0;
    const uint64_t room = device->caps.memory_bytes;
    if (bytes > device->caps.max_alloc_bytes || bytes > room) {
        const uint64_t most =
            room < device->caps.max_alloc_bytes ? room : device->caps.max_alloc_bytes;
        return rep_fail(REP_ERR_MEMORY,
                        "%s: %.0f MiB wanted for %s, %.0f MiB are the most at once; use a smaller "
                        "batch or picture",
                        device->caps.name, (double)bytes / mib, what, (double)most / mib);
    }
    return REP_OK;
}

rep_status rep_vk_buffer_create(rep_vk_buffer *out, rep_vk_device *device, size_t bytes,
                                bool is_host, const char *what) {
    if (bytes == 0) { bytes = 256; }
    REP_TRY(check_size(device, bytes, what));
    const VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                     .size = bytes,
                                     .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                              VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                              VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                     .sharingMode = VK_SHARING_MODE_EXCLUSIVE};
    REP_VK_TRY(vk.vkCreateBuffer(device->device, &info, NULL, &out->buffer));
    VkMemoryRequirements need;
    vk.vkGetBufferMemoryRequirements(device->device, out->buffer, &need);
    const int type = choose_type(device, need.memoryTypeBits, is_host);
    if (type < 0) {
        return rep_fail(REP_ERR_DEVICE, "%s: has no memory for %s", device->caps.name, what);
    }
    const VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                           .allocationSize = need.size,
                                           .memoryTypeIndex = (uint32_t)type};
    REP_VK_TRY(vk.vkAllocateMemory(device->device, &allocate, NULL, &out->memory));
    REP_VK_TRY(vk.vkBindBufferMemory(device->device, out->buffer, out->memory, 0));
    out->bytes = bytes;
    const VkMemoryPropertyFlags have = device->memory.memoryTypes[type].propertyFlags;
    const bool is_mapped = (have & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) &&
                           (have & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT) &&
                           (is_host || rep_vk_is_unified(device));
    if (is_mapped) {
        REP_VK_TRY(vk.vkMapMemory(device->device, out->memory, 0, VK_WHOLE_SIZE, 0, &out->mapped));
    }
    return REP_OK;
}

void rep_vk_buffer_destroy(rep_vk_device *device, rep_vk_buffer *buffer) {
    if (buffer->buffer) { vk.vkDestroyBuffer(device->device, buffer->buffer, NULL); }
    if (buffer->memory) { vk.vkFreeMemory(device->device, buffer->memory, NULL); }
    *buffer = (rep_vk_buffer){0};
}

/* ---- copies ---------------------------------------------------------------------------------- */

static rep_status need_staging(rep_vk_device *device) {
    if (device->staging.buffer) { return REP_OK; }
    return rep_vk_buffer_create(&device->staging, device, STAGING_BYTES, true, "copies");
}

static rep_status copy(rep_vk_device *device, VkBuffer from, size_t from_offset, VkBuffer to,
                       size_t to_offset, size_t bytes) {
    const VkBufferCopy region = {from_offset, to_offset, bytes};
    REP_TRY(rep_vk_begin_transfer(device));
    vk.vkCmdCopyBuffer(device->transfer, from, to, 1, &region);
    const VkMemoryBarrier seen = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                  .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                  .dstAccessMask = VK_ACCESS_HOST_READ_BIT |
                                                   VK_ACCESS_SHADER_READ_BIT |
                                                   VK_ACCESS_SHADER_WRITE_BIT};
    vk.vkCmdPipelineBarrier(device->transfer, VK_PIPELINE_STAGE_TRANSFER_BIT,
                            VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                            &seen, 0, NULL, 0, NULL);
    return rep_vk_submit_transfer(device, NULL);
}

rep_status rep_vk_write(rep_vk_device *device, rep_vk_buffer *to, size_t offset, const void *data,
                        size_t bytes) {
    if (device->is_lost) { return rep_vk_fail(VK_ERROR_DEVICE_LOST, "a copy"); }
    if (to->mapped) {
        REP_TRY(rep_vk_wait(device));
        memcpy((char *)to->mapped + offset, data, bytes);
        return REP_OK;
    }
    REP_TRY(need_staging(device));
    for (size_t at = 0; at < bytes; at += STAGING_BYTES) {
        const size_t part = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        memcpy(device->staging.mapped, (const char *)data + at, part);
        REP_TRY(copy(device, device->staging.buffer, 0, to->buffer, offset + at, part));
    }
    return REP_OK;
}

rep_status rep_vk_read(rep_vk_device *device, rep_vk_buffer *from, size_t offset, void *data,
                       size_t bytes) {
    if (device->is_lost) { return rep_vk_fail(VK_ERROR_DEVICE_LOST, "a copy"); }
    if (from->mapped) {
        REP_TRY(rep_vk_wait(device));
        memcpy(data, (const char *)from->mapped + offset, bytes);
        return REP_OK;
    }
    REP_TRY(need_staging(device));
    for (size_t at = 0; at < bytes; at += STAGING_BYTES) {
        const size_t part = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        REP_TRY(copy(device, from->buffer, offset + at, device->staging.buffer, 0, part));
        memcpy((char *)data + at, device->staging.mapped, part);
    }
    return REP_OK;
}

rep_status rep_vk_clear(rep_vk_device *device, rep_vk_buffer *buffer) {
    if (buffer->mapped) {
        memset(buffer->mapped, 0, buffer->bytes);
        return REP_OK;
    }
    REP_TRY(rep_vk_begin_transfer(device));
    vk.vkCmdFillBuffer(device->transfer, buffer->buffer, 0, VK_WHOLE_SIZE, 0);
    return rep_vk_submit_transfer(device, NULL);
}
