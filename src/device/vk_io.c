/* vk_io.c - the io region's way to the device and back.
 *
 * The batch of the next step is brought while a step runs. The host writes into one of two slots, a
 * mirror of the region each; a run takes the slot, its first commands copying what was written into
 * the region, and the host goes on with the other one. Where device and host have memories of their
 * own, large tensors leave for an inbox on the device as soon as they are written, by the queue of
 * the copy engine if there is one; the run then copies within the device. Results have a mirror of
 * their own, filled by a run's last commands.
 */
#include <stdlib.h>
#include <string.h>

#include "device/vk_program.h"

enum { AHEAD_BYTES = 64 << 10 }; /* smaller tensors are not worth a submission */

/* ---- what there is to copy ------------------------------------------------------------------- */

static bool is_root(const rep_graph *graph, rep_id id) {
    return graph->tensors[id].region == REP_IO && !graph->tensors[id].block;
}

static uint32_t count_roots(const rep_graph *graph) {
    uint32_t count = 0;
    for (rep_id id = 1; id < graph->tensor_count; id++) { count += is_root(graph, id); }
    return count;
}

uint32_t rep_vk_io_room(const rep_program *program) { return count_roots(program->graph) + 1; }

/* Whether a node writes the tensor or a part of it. */
static bool is_result(const rep_graph *graph, rep_id id) {
    for (uint32_t n = 0; n < graph->node_count; n++) {
        for (uint32_t o = 0; o < graph->nodes[n].out_count; o++) {
            if (rep_graph_root(graph, graph->nodes[n].out[o]) == id) { return true; }
        }
    }
    return false;
}

/* ---- recording ------------------------------------------------------------------------------- */

/* Between the region and what mirrors it; whole words, which the plan leaves room for. */
static VkBufferCopy region_of(const rep_vk_io_tensor *t) {
    return (VkBufferCopy){t->offset, t->offset, (t->bytes + 3) / 4 * 4};
}

static rep_status record_copy(VkCommandBuffer *out, rep_vk_device *device, VkCommandPool pool,
                              VkBuffer from, VkBuffer to, const rep_vk_io_tensor *t) {
    const VkBufferCopy region = region_of(t);
    REP_TRY(rep_vk_commands_create(out, device, pool, true));
    if (pool == device->pool) { rep_vk_open_barrier(*out); }
    vk.vkCmdCopyBuffer(*out, from, to, 1, &region);
    REP_VK_TRY(vk.vkEndCommandBuffer(*out));
    return REP_OK;
}

static rep_status record_tensor(rep_program *program, rep_vk_io_tensor *t) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    for (int slot = 0; slot < 2; slot++) {
        const VkBuffer mirror = p->io.mirrors[slot].buffer;
        const VkBuffer from = t->is_ahead ? p->io.inbox[slot].buffer : mirror;
        REP_TRY(record_copy(&t->slots[slot].copy, device, device->pool, from,
                            p->regions[REP_IO].buffer, t));
        if (!t->is_ahead) { continue; }
        REP_TRY(record_copy(&t->slots[slot].upload, device, device->upload_pool, mirror, from, t));
        REP_TRY(rep_vk_fence_create(&t->slots[slot].arrived, device));
    }
    return REP_OK;
}

static rep_status record_results(rep_program *program) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    REP_TRY(rep_vk_commands_create(&p->io.copy_out, device, device->pool, true));
    rep_vk_open_barrier(p->io.copy_out);
    for (uint32_t i = 0; i < p->io.count; i++) {
        const rep_vk_io_tensor *t = &p->io.tensors[i];
        if (!t->is_result) { continue; }
        const VkBufferCopy region = region_of(t);
        vk.vkCmdCopyBuffer(p->io.copy_out, p->regions[REP_IO].buffer, p->io.results.buffer, 1,
                           &region);
    }
    rep_vk_close_barrier(p->io.copy_out);
    REP_VK_TRY(vk.vkEndCommandBuffer(p->io.copy_out));
    return REP_OK;
}

/* ---- making and unmaking --------------------------------------------------------------------- */

static rep_status make_buffer(rep_vk_buffer *out, const rep_program *program, rep_vk_use use,
                              const char *what) {
    rep_vk_device *device = program->device->impl;
    REP_TRY(rep_vk_buffer_create(out, device, program->plan->region_bytes[REP_IO], use, what));
    return rep_vk_clear(device, out);
}

rep_status rep_vk_io_create(rep_program *program) {
    const rep_graph *graph = program->graph;
    rep_vk_program *p = program->impl;
    const bool is_unified = rep_vk_is_unified(program->device->impl);
    p->io.tensors = calloc(count_roots(graph) + 1u, sizeof *p->io.tensors);
    if (!p->io.tensors) { return rep_fail(REP_ERR_MEMORY, "program: out of memory"); }
    REP_TRY(make_buffer(&p->io.results, program, REP_VK_HOST, "results"));
    for (int slot = 0; slot < 2; slot++) {
        REP_TRY(make_buffer(&p->io.mirrors[slot], program, REP_VK_HOST, "the batch"));
        if (is_unified) { continue; }
        REP_TRY(make_buffer(&p->io.inbox[slot], program, REP_VK_INBOX, "the next batch"));
    }
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        if (!is_root(graph, id)) { continue; }
        rep_vk_io_tensor *t = &p->io.tensors[p->io.count++];
        *t = (rep_vk_io_tensor){.tensor = id,
                                .offset = program->plan->offset[id],
                                .bytes = rep_vk_tensor_bytes(&graph->tensors[id]),
                                .is_result = is_result(graph, id)};
        t->is_ahead = !is_unified && !t->is_result && t->bytes >= AHEAD_BYTES;
        t->last = REP_VK_RESULT;
        REP_TRY(record_tensor(program, t));
    }
    return record_results(program);
}

void rep_vk_io_destroy(rep_program *program) {
    rep_vk_device *device = program->device->impl;
    rep_vk_io *io = &((rep_vk_program *)program->impl)->io;
    for (uint32_t i = 0; i < io->count; i++) {
        for (int slot = 0; slot < 2; slot++) {
            const VkFence arrived = io->tensors[i].slots[slot].arrived;
            VkCommandBuffer *copy = &io->tensors[i].slots[slot].copy;
            VkCommandBuffer *upload = &io->tensors[i].slots[slot].upload;
            if (arrived) { vk.vkDestroyFence(device->device, arrived, NULL); }
            if (*copy) { vk.vkFreeCommandBuffers(device->device, device->pool, 1, copy); }
            if (!*upload) { continue; }
            vk.vkFreeCommandBuffers(device->device, device->upload_pool, 1, upload);
        }
    }
    if (io->copy_out) { vk.vkFreeCommandBuffers(device->device, device->pool, 1, &io->copy_out); }
    for (int slot = 0; slot < 2; slot++) {
        rep_vk_buffer_destroy(device, &io->mirrors[slot]);
        rep_vk_buffer_destroy(device, &io->inbox[slot]);
    }
    rep_vk_buffer_destroy(device, &io->results);
    free(io->tensors);
}

/* ---- use ------------------------------------------------------------------------------------- */

static rep_vk_io_tensor *find(const rep_program *program, rep_id tensor) {
    const rep_vk_program *p = program->impl;
    const rep_id root = rep_graph_root(program->graph, tensor);
    rep_vk_io_tensor *t = p->io.tensors;
    while (t->tensor != root) { t++; }
    return t;
}

static rep_status wait_arrival(rep_vk_device *device, rep_vk_io_tensor *t, uint32_t slot) {
    if (!t->slots[slot].is_on_way) { return REP_OK; }
    t->slots[slot].is_on_way = false;
    return rep_vk_wait_fence(device, t->slots[slot].arrived);
}

/* Where the tensor's newest value lies. */
static const char *newest(const rep_vk_io *io, const rep_vk_io_tensor *t) {
    return t->last == REP_VK_RESULT ? io->results.mapped : io->mirrors[t->last].mapped;
}

/* A part of a block is written beside the block's other values. */
static void bring_forward(const rep_program *program, const rep_vk_io_tensor *t, uint32_t slot) {
    const rep_vk_io *io = &((const rep_vk_program *)program->impl)->io;
    if ((uint32_t)t->last == slot) { return; }
    memcpy((char *)io->mirrors[slot].mapped + t->offset, newest(io, t) + t->offset, t->bytes);
}

rep_status rep_vk_io_write(rep_program *program, rep_id tensor, const void *data, size_t bytes) {
    rep_vk_device *device = program->device->impl;
    rep_vk_io *io = &((rep_vk_program *)program->impl)->io;
    rep_vk_io_tensor *t = find(program, tensor);
    const uint32_t slot = io->slot;
    /* The run before the last, which read this slot, is over unless nobody looked at results. */
    if (io->starts[slot] > device->finished) { REP_TRY(rep_vk_wait(device)); }
    REP_TRY(wait_arrival(device, t, slot));
    if (bytes < t->bytes) { bring_forward(program, t, slot); }
    memcpy((char *)io->mirrors[slot].mapped + program->plan->offset[tensor], data, bytes);
    t->last = slot == 0 ? REP_VK_SLOT_0 : REP_VK_SLOT_1;
    t->slots[slot].is_written = true;
    if (!t->is_ahead) { return REP_OK; }
    REP_TRY(
        rep_vk_send(device, device->upload_queue, t->slots[slot].upload, t->slots[slot].arrived));
    t->slots[slot].is_on_way = true;
    return REP_OK;
}

void rep_vk_io_read(const rep_program *program, rep_id tensor, void *data, size_t bytes) {
    const rep_vk_io *io = &((const rep_vk_program *)program->impl)->io;
    memcpy(data, newest(io, find(program, tensor)) + program->plan->offset[tensor], bytes);
}

rep_status rep_vk_io_take(rep_program *program, VkCommandBuffer *out, uint32_t *count) {
    rep_vk_device *device = program->device->impl;
    rep_vk_io *io = &((rep_vk_program *)program->impl)->io;
    const uint32_t slot = io->slot, before = *count;
    for (uint32_t i = 0; i < io->count; i++) {
        rep_vk_io_tensor *t = &io->tensors[i];
        if (!t->slots[slot].is_written) { continue; }
        REP_TRY(wait_arrival(device, t, slot));
        t->slots[slot].is_written = false;
        out[(*count)++] = t->slots[slot].copy;
    }
    if (*count == before) { return REP_OK; }
    io->starts[slot] = device->started + 1;
    io->slot = 1 - slot;
    return REP_OK;
}

void rep_vk_io_expect(rep_program *program) {
    const rep_vk_device *device = program->device->impl;
    rep_vk_io *io = &((rep_vk_program *)program->impl)->io;
    io->results_start = device->started + 1;
    for (uint32_t i = 0; i < io->count; i++) {
        if (io->tensors[i].is_result) { io->tensors[i].last = REP_VK_RESULT; }
    }
}
