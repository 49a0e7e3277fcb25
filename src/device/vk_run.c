/* vk_run.c - records a program's nodes, cuts them into submissions, runs them, moves tensors.
 *
 * The first run of a phase dispatches node by node and times each; then the phase is recorded as
 * command buffers of at most PART_MS each, so that no driver's watchdog fires, and every later run
 * only submits them, without waiting: reads do. A run copies the batch in first and results out
 * last (vk_io.c). Barriers stand where a node touches bytes that an earlier node of the same
 * command buffer wrote, or writes bytes it read.
 */
#include <stdlib.h>
#include <string.h>

#include "device/vk_program.h"

/* ---- barriers -------------------------------------------------------------------------------- */

/* Bytes [begin, end) of one buffer. */
typedef struct span {
    VkBuffer buffer;
    size_t begin, end;
} span;

/* What was touched since the last barrier. When it is full, a barrier comes early. */
enum { MOST_SPANS = 512 };
typedef struct touched {
    span reads[MOST_SPANS], writes[MOST_SPANS];
    uint32_t read_count, write_count;
} touched;

static bool overlaps(const span *list, uint32_t count, span of) {
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].buffer == of.buffer && list[i].begin < of.end && of.begin < list[i].end) {
            return true;
        }
    }
    return false;
}

static span span_of(rep_program *program, rep_id tensor) {
    size_t offset = 0;
    const rep_vk_buffer *buffer = rep_vk_locate(program, tensor, &offset);
    const size_t bytes = rep_vk_tensor_bytes(&program->graph->tensors[tensor]);
    return (span){buffer->buffer, offset, offset + (bytes + 3) / 4 * 4};
}

/* The spans of one node; scratch is written by its first pass. */
static void node_spans(rep_program *program, uint32_t index, span *reads, uint32_t *read_count,
                       span *writes, uint32_t *write_count) {
    const rep_vk_program *p = program->impl;
    const rep_node *node = &program->graph->nodes[index];
    *read_count = *write_count = 0;
    for (uint32_t i = 0; i < node->in_count; i++) {
        if (node->in[i]) { reads[(*read_count)++] = span_of(program, node->in[i]); }
    }
    for (uint32_t o = 0; o < node->out_count; o++) {
        if (!node->out[o]) { continue; }
        writes[(*write_count)++] = span_of(program, node->out[o]);
        if (rep_op_info_get(node->op)->mode == REP_MODE_UPDATE) {
            reads[(*read_count)++] = writes[*write_count - 1]; /* moved, not only written */
        }
    }
    if (p->nodes[index].grid.scratch_bytes) {
        writes[(*write_count)++] = (span){p->scratch.buffer, 0, p->nodes[index].grid.scratch_bytes};
    }
}

static void barrier(VkCommandBuffer commands) {
    const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                    .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                    .dstAccessMask =
                                        VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT};
    vk.vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &memory, 0, NULL, 0, NULL);
}

void rep_vk_open_barrier(VkCommandBuffer commands) {
    const VkAccessFlags all = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                              VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkMemoryBarrier memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                    .srcAccessMask =
                                        VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                    .dstAccessMask = all};
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    vk.vkCmdPipelineBarrier(commands, stages, stages, 0, 1, &memory, 0, NULL, 0, NULL);
}

void rep_vk_close_barrier(VkCommandBuffer commands) {
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT};
    vk.vkCmdPipelineBarrier(commands,
                            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                            VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &memory, 0, NULL, 0, NULL);
}

/* ---- recording ------------------------------------------------------------------------------- */

static void dispatch(const rep_vk_node *n, VkCommandBuffer commands) {
    vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, n->layout, 0, 1, &n->set,
                               0, NULL);
    vk.vkCmdPushConstants(commands, n->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, n->push_bytes,
                          &n->push);
    for (uint32_t pass = 0; pass < n->grid.pass_count; pass++) {
        if (pass > 0) { barrier(commands); }
        vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, n->pipelines[pass]);
        vk.vkCmdDispatch(commands, n->grid.groups[pass].x, n->grid.groups[pass].y,
                         n->grid.groups[pass].z);
    }
}

/* Puts a barrier in front of a node that needs one, and notes what the node touches. */
static bool touch(touched *seen, rep_program *program, uint32_t index, VkCommandBuffer commands) {
    span reads[REP_MAX_INPUTS + REP_MAX_OUTPUTS], writes[REP_MAX_OUTPUTS + 1];
    uint32_t read_count, write_count;
    node_spans(program, index, reads, &read_count, writes, &write_count);
    bool needs =
        seen->read_count + read_count > MOST_SPANS || seen->write_count + write_count > MOST_SPANS;
    for (uint32_t i = 0; i < read_count; i++) {
        needs = needs || overlaps(seen->writes, seen->write_count, reads[i]);
    }
    for (uint32_t i = 0; i < write_count; i++) {
        needs = needs || overlaps(seen->writes, seen->write_count, writes[i]) ||
                overlaps(seen->reads, seen->read_count, writes[i]);
    }
    if (needs) {
        barrier(commands);
        seen->read_count = seen->write_count = 0;
    }
    memcpy(seen->reads + seen->read_count, reads, read_count * sizeof *reads);
    memcpy(seen->writes + seen->write_count, writes, write_count * sizeof *writes);
    seen->read_count += read_count;
    seen->write_count += write_count;
    return needs;
}

static void record_nodes(rep_program *program, VkCommandBuffer commands, uint32_t first,
                         uint32_t end, touched *seen) {
    rep_vk_program *p = program->impl;
    seen->read_count = seen->write_count = 0;
    rep_vk_open_barrier(commands);
    for (uint32_t n = first; n < end; n++) {
        p->nodes[n].has_barrier = touch(seen, program, n, commands);
        if (p->nodes[n].has_barrier) { p->barrier_count++; }
        dispatch(&p->nodes[n], commands);
    }
    rep_vk_close_barrier(commands);
}

/* ---- running --------------------------------------------------------------------------------- */

static const double PART_MS = 100;

rep_status rep_vk_run_node(rep_program *program, uint32_t index) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    REP_TRY(rep_vk_begin_transfer(device));
    rep_vk_open_barrier(device->transfer);
    dispatch(&p->nodes[index], device->transfer);
    rep_vk_close_barrier(device->transfer);
    return rep_vk_submit_transfer(device, &p->nodes[index].ms);
}

/* What was written since the last run, as a start of its own. */
static rep_status copy_in(rep_program *program) {
    rep_vk_program *p = program->impl;
    uint32_t count = 0;
    REP_TRY(rep_vk_io_take(program, p->batch, &count));
    for (uint32_t i = 0; i < count; i++) {
        REP_TRY(rep_vk_submit(program->device->impl, p->batch[i]));
    }
    return REP_OK;
}

static rep_status copy_out(rep_program *program) {
    const rep_vk_program *p = program->impl;
    rep_vk_io_expect(program);
    return rep_vk_submit(program->device->impl, p->io.copy_out);
}

static rep_status run_measured(rep_program *program, rep_phase first, rep_phase last) {
    rep_vk_program *p = program->impl;
    REP_TRY(copy_in(program));
    for (uint32_t phase = first; phase <= (uint32_t)last; phase++) {
        program->ms[phase] = 0;
        for (uint32_t n = p->first_node[phase]; n < p->first_node[phase + 1]; n++) {
            REP_TRY(rep_vk_run_node(program, n));
            program->ms[phase] += p->nodes[n].ms;
        }
    }
    return copy_out(program);
}

static bool is_recorded(const rep_vk_program *p, uint32_t phase) {
    for (uint32_t i = 0; i < p->part_count; i++) {
        if (p->parts[i].phase == phase) { return true; }
    }
    return p->first_node[phase] == p->first_node[phase + 1];
}

static rep_status record_part(rep_program *program, uint32_t phase, uint32_t first, uint32_t end,
                              touched *seen) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    rep_vk_part *part = &p->parts[p->part_count];
    *part = (rep_vk_part){.phase = phase, .first = first, .end = end};
    REP_TRY(rep_vk_commands_create(&part->commands, device, device->pool, true));
    p->part_count++;
    if (p->ticks && first == p->first_node[phase]) {
        vk.vkCmdResetQueryPool(part->commands, p->ticks, 2 * phase, 2);
        vk.vkCmdWriteTimestamp(part->commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, p->ticks,
                               2 * phase);
    }
    record_nodes(program, part->commands, first, end, seen);
    if (p->ticks && end == p->first_node[phase + 1]) {
        vk.vkCmdWriteTimestamp(part->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, p->ticks,
                               2 * phase + 1);
    }
    REP_VK_TRY(vk.vkEndCommandBuffer(part->commands));
    return REP_OK;
}

/* Cuts a timed phase into parts and records them. */
static rep_status record_phase(rep_program *program, uint32_t phase) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    if (!p->ticks && device->caps.ns_per_tick > 0) {
        const VkQueryPoolCreateInfo ticks = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                             .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                             .queryCount = 2 * REP_PHASE_COUNT};
        REP_VK_TRY(vk.vkCreateQueryPool(device->device, &ticks, NULL, &p->ticks));
    }
    touched *seen = malloc(sizeof *seen);
    if (!seen) { return rep_fail(REP_ERR_MEMORY, "program: out of memory"); }
    rep_status status = REP_OK;
    const uint32_t end = p->first_node[phase + 1];
    uint32_t first = p->first_node[phase];
    while (first < end && status == REP_OK) {
        uint32_t next = first;
        double ms = 0;
        while (next < end && (next == first || ms + p->nodes[next].ms <= PART_MS)) {
            ms += p->nodes[next++].ms;
        }
        status = record_part(program, phase, first, next, seen);
        first = next;
    }
    free(seen);
    return status;
}

/* The times of phases that have ended. A device without timestamps tells of all of them at once. */
static rep_status read_times(rep_program *program) {
    const rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    const double whole_ms = (rep_clock_s() - p->started_s) * 1e3;
    bool is_told = false;
    for (uint32_t phase = 0; phase < REP_PHASE_COUNT; phase++) {
        uint64_t ticks[2];
        if (!p->is_running[phase]) { continue; }
        p->is_running[phase] = false;
        if (!p->ticks) {
            program->ms[phase] = is_told ? 0 : whole_ms;
            is_told = true;
            continue;
        }
        REP_VK_TRY(vk.vkGetQueryPoolResults(device->device, p->ticks, 2 * phase, 2, sizeof ticks,
                                            ticks, 8, VK_QUERY_RESULT_64_BIT));
        program->ms[phase] =
            (double)(ticks[1] - ticks[0]) * (double)device->caps.ns_per_tick * 1e-6;
    }
    return REP_OK;
}

static rep_status finish(rep_program *program) {
    REP_TRY(rep_vk_wait(program->device->impl));
    return read_times(program);
}

/* One submission per part; copies join the first and the last. */
static rep_status start(rep_program *program, rep_phase first, rep_phase last) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    uint32_t buffers = 0, items = 0, begin = 0;
    REP_TRY(rep_vk_io_take(program, p->batch, &buffers));
    for (uint32_t phase = first; phase <= (uint32_t)last; phase++) {
        for (uint32_t i = 0; i < p->part_count; i++) {
            if (p->parts[i].phase != phase) { continue; }
            p->batch[buffers++] = p->parts[i].commands;
            p->items[items++] = (VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                               .commandBufferCount = buffers - begin,
                                               .pCommandBuffers = p->batch + begin};
            begin = buffers;
        }
    }
    if (first != REP_UPDATE) { /* an update alone leaves nothing for the host */
        p->batch[buffers++] = p->io.copy_out;
        rep_vk_io_expect(program);
    }
    if (items == 0) { p->items[items++] = (VkSubmitInfo){.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO}; }
    VkSubmitInfo *ends = &p->items[items - 1];
    ends->commandBufferCount += buffers - begin;
    if (!ends->pCommandBuffers) { ends->pCommandBuffers = p->batch; }
    REP_TRY(rep_vk_start(device, p->items, items));
    for (uint32_t phase = first; phase <= (uint32_t)last; phase++) {
        p->is_running[phase] = p->first_node[phase] < p->first_node[phase + 1];
    }
    return REP_OK;
}

static rep_status run(rep_program *program, rep_phase first, rep_phase last) {
    rep_vk_program *p = program->impl;
    const rep_vk_device *device = program->device->impl;
    /* What is recorded runs once at a time, and ticks are read in between. */
    bool is_ready = true,
         is_running = first != REP_UPDATE && p->io.results_start > device->finished;
    for (uint32_t phase = first; phase <= (uint32_t)last; phase++) {
        is_ready = is_ready && is_recorded(p, phase);
        is_running = is_running || p->is_running[phase];
    }
    if (is_running || device->started - device->finished >= REP_VK_MOST_RUNNING) {
        REP_TRY(finish(program));
    }
    if (!is_ready) {
        REP_TRY(run_measured(program, first, last));
        for (uint32_t phase = first; phase <= (uint32_t)last; phase++) {
            if (!is_recorded(p, phase)) { REP_TRY(record_phase(program, phase)); }
        }
        return REP_OK;
    }
    p->started_s = rep_clock_s();
    REP_TRY(start(program, first, last));
    program->host_ms += (rep_clock_s() - p->started_s) * 1e3;
    return REP_OK;
}

static rep_status run_one(rep_program *program, uint32_t node) {
    REP_TRY(copy_in(program));
    REP_TRY(rep_vk_run_node(program, node));
    return copy_out(program);
}

/* ---- tensors in and out ---------------------------------------------------------------------- */

/* What a lost device left in mapped memory is nothing to go on with. */
static rep_status check_present(const rep_program *program) {
    const rep_vk_device *device = program->device->impl;
    return device->is_lost ? rep_vk_fail(VK_ERROR_DEVICE_LOST, "a copy") : REP_OK;
}

static rep_status write_tensor(rep_program *program, rep_id tensor, const void *data,
                               size_t bytes) {
    rep_vk_program *p = program->impl;
    size_t offset = 0;
    REP_TRY(check_present(program));
    rep_vk_buffer *buffer = rep_vk_locate(program, tensor, &offset);
    if (buffer == &p->regions[REP_IO]) { return rep_vk_io_write(program, tensor, data, bytes); }
    REP_TRY(finish(program));
    return rep_vk_write(program->device->impl, buffer, offset, data, bytes);
}

static rep_status read_tensor(rep_program *program, rep_id tensor, void *data, size_t bytes) {
    rep_vk_program *p = program->impl;
    size_t offset = 0;
    REP_TRY(check_present(program));
    REP_TRY(finish(program));
    rep_vk_buffer *buffer = rep_vk_locate(program, tensor, &offset);
    if (buffer == &p->regions[REP_IO]) {
        rep_vk_io_read(program, tensor, data, bytes);
        return REP_OK;
    }
    return rep_vk_read(program->device->impl, buffer, offset, data, bytes);
}

static double node_ms(const rep_program *program, uint32_t node) {
    const rep_vk_program *p = program->impl;
    return p->nodes[node].ms;
}

static void vk_close(rep_device *device) {
    rep_vk_device *d = device->impl;
    if (!d) { return; }
    if (d->device) {
        (void)vk.vkDeviceWaitIdle(d->device);
        rep_vk_tuned_close(d);
        rep_vk_pipelines_close(d);
        rep_vk_ring_destroy(d);
        if (d->ticks) { vk.vkDestroyQueryPool(d->device, d->ticks, NULL); }
        for (int i = 0; i < REP_VK_MOST_RUNNING; i++) {
            if (d->fences[i]) { vk.vkDestroyFence(d->device, d->fences[i], NULL); }
        }
        if (d->pool) { vk.vkDestroyCommandPool(d->device, d->pool, NULL); }
        if (d->upload_pool) { vk.vkDestroyCommandPool(d->device, d->upload_pool, NULL); }
        vk.vkDestroyDevice(d->device, NULL);
    }
    rep_vk_instance_release();
    free(d);
}

const rep_backend rep_vk_backend = {.program_prepare = rep_vk_prepare,
                                    .program_release = rep_vk_release,
                                    .run = run,
                                    .wait = finish,
                                    .run_node = run_one,
                                    .write = write_tensor,
                                    .read = read_tensor,
                                    .node_ms = node_ms,
                                    .describe_node = rep_vk_describe_node,
                                    .close = vk_close};
