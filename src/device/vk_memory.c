/* vk_memory.c - buffers: few and large, planned before the first step, and copies to and from them.
 */
#include <string.h>

#include "device/vk_device.h"

enum { PIECE_BYTES = 4 << 20 };

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
static int choose_type(const rep_vk_device *device, uint32_t allowed, rep_vk_use use) {
    const VkMemoryPropertyFlags visible =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags local = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    int type = -1;
    if (use == REP_VK_HOST) {
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
                                rep_vk_use use, const char *what) {
    if (bytes == 0) { bytes = 256; }
    REP_TRY(check_size(device, bytes, what));
    const uint32_t families[2] = {device->caps.queue_family, device->caps.upload_family};
    const bool is_shared = use != REP_VK_LOCAL && families[0] != families[1];
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT,
        .sharingMode = is_shared ? VK_SHARING_MODE_CONCURRENT : VK_SHARING_MODE_EXCLUSIVE,
        .queueFamilyIndexCount = is_shared ? 2 : 0,
        .pQueueFamilyIndices = families};
    REP_VK_TRY(vk.vkCreateBuffer(device->device, &info, NULL, &out->buffer));
    VkMemoryRequirements need;
    vk.vkGetBufferMemoryRequirements(device->device, out->buffer, &need);
    const int type = choose_type(device, need.memoryTypeBits, use);
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
                           (use == REP_VK_HOST || rep_vk_is_unified(device));
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

static rep_status need_ring(rep_vk_device *device) {
    for (int i = 0; i < REP_VK_RING; i++) {
        if (device->ring[i].done) { continue; }
        REP_TRY(rep_vk_buffer_create(&device->ring[i].buffer, device, PIECE_BYTES, REP_VK_HOST,
                                     "copies"));
        REP_TRY(rep_vk_commands_create(&device->ring[i].commands, device, device->pool, false));
        REP_TRY(rep_vk_fence_create(&device->ring[i].done, device));
    }
    return REP_OK;
}

void rep_vk_ring_destroy(rep_vk_device *device) {
    for (int i = 0; i < REP_VK_RING; i++) {
        rep_vk_buffer_destroy(device, &device->ring[i].buffer);
        if (device->ring[i].done) { vk.vkDestroyFence(device->device, device->ring[i].done, NULL); }
    }
}

static rep_status finish_piece(rep_vk_device *device, int slot) {
    if (!device->ring[slot].is_busy) { return REP_OK; }
    device->ring[slot].is_busy = false;
    return rep_vk_wait_fence(device, device->ring[slot].done);
}

/* Copies on the computing queue, so that earlier work comes before it. */
static rep_status start_piece(rep_vk_device *device, int slot, VkBuffer from, size_t from_offset,
                              VkBuffer to, size_t to_offset, size_t bytes) {
    const VkCommandBuffer commands = device->ring[slot].commands;
    const VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                            .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    const VkBufferCopy region = {from_offset, to_offset, bytes};
    const VkMemoryBarrier seen = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                  .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
                                  .dstAccessMask = VK_ACCESS_HOST_READ_BIT |
                                                   VK_ACCESS_SHADER_READ_BIT |
                                                   VK_ACCESS_SHADER_WRITE_BIT};
    REP_VK_TRY(vk.vkBeginCommandBuffer(commands, &begin));
    vk.vkCmdCopyBuffer(commands, from, to, 1, &region);
    vk.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                            VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                            &seen, 0, NULL, 0, NULL);
    REP_VK_TRY(vk.vkEndCommandBuffer(commands));
    REP_TRY(rep_vk_send(device, device->queue, commands, device->ring[slot].done));
    device->ring[slot].is_busy = true;
    return REP_OK;
}

static size_t piece_bytes(size_t bytes, size_t at) {
    return bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
}

rep_status rep_vk_write(rep_vk_device *device, rep_vk_buffer *to, size_t offset, const void *data,
                        size_t bytes) {
    if (device->is_lost) { return rep_vk_fail(VK_ERROR_DEVICE_LOST, "a copy"); }
    REP_TRY(rep_vk_wait(device));
    if (to->mapped) {
        memcpy((char *)to->mapped + offset, data, bytes);
        return REP_OK;
    }
    REP_TRY(need_ring(device));
    int slot = 0;
    for (size_t at = 0; at < bytes; at += PIECE_BYTES, slot = (slot + 1) % REP_VK_RING) {
        const size_t part = piece_bytes(bytes, at);
        REP_TRY(finish_piece(device, slot));
        memcpy(device->ring[slot].buffer.mapped, (const char *)data + at, part);
        REP_TRY(start_piece(device, slot, device->ring[slot].buffer.buffer, 0, to->buffer,
                            offset + at, part));
    }
    for (int i = 0; i < REP_VK_RING; i++) { REP_TRY(finish_piece(device, i)); }
    return rep_vk_check_messages();
}

rep_status rep_vk_read(rep_vk_device *device, rep_vk_buffer *from, size_t offset, void *data,
                       size_t bytes) {
    if (device->is_lost) { return rep_vk_fail(VK_ERROR_DEVICE_LOST, "a copy"); }
    REP_TRY(rep_vk_wait(device));
    if (from->mapped) {
        memcpy(data, (const char *)from->mapped + offset, bytes);
        return REP_OK;
    }
    REP_TRY(need_ring(device));
    /* Piece i is on its way while piece i - 1 is taken out. */
    int slot = 0, last = 0;
    for (size_t at = 0; at < bytes + PIECE_BYTES; at += PIECE_BYTES) {
        if (at < bytes) {
            REP_TRY(start_piece(device, slot, from->buffer, offset + at,
                                device->ring[slot].buffer.buffer, 0, piece_bytes(bytes, at)));
        }
        if (at > 0) {
            const size_t before = at - PIECE_BYTES;
            REP_TRY(finish_piece(device, last));
            memcpy((char *)data + before, device->ring[last].buffer.mapped,
                   piece_bytes(bytes, before));
        }
        last = slot;
        slot = (slot + 1) % REP_VK_RING;
    }
    return rep_vk_check_messages();
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
