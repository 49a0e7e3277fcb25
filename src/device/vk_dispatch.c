/* vk_dispatch.c - one node's dispatch as data: described, held against the device's limits, run by
 * itself. It serves `repopt check`, which must say what ran and run it again from files.
 */
#include <string.h>

#include "device/vk_dispatch.h"

/* ---- which shaders may be taken -------------------------------------------------------------- */

bool rep_vk_may(const rep_vk_caps *caps, const char *part) {
    const size_t length = strlen(part);
    const char *at = caps->allowed;
    if (!at) { return true; }
    while ((at = strstr(at, part)) != NULL) {
        if (at[length] == '\0' || at[length] == '.') { return true; }
        at += length;
    }
    return false;
}

void rep_vulkan_allow(rep_device *device, const char *parts) {
    if (device->backend != &rep_vk_backend) { return; }
    ((rep_vk_device *)device->impl)->caps.allowed = parts;
}

/* ---- describing ------------------------------------------------------------------------------ */

static void add_binding(rep_dispatch *out, const rep_graph *graph, rep_id tensor, size_t bytes) {
    const uint32_t index = out->binding_count++;
    rep_dispatch_binding *b = &out->bindings[index];
    *b = (rep_dispatch_binding){.tensor = tensor, .same_as = index, .bytes = bytes};
    if (!tensor) { return; }
    const rep_tensor *t = &graph->tensors[tensor];
    b->bytes = rep_shape_count(t->shape) * rep_dtype_bytes(t->dtype, 4);
    for (uint32_t i = 0; i < index && b->same_as == index; i++) {
        if (out->bindings[i].tensor == tensor) { b->same_as = i; }
    }
}

/* As vk_program.c binds: a tensor that was left out is bound to the first of its kind. */
static void describe_bindings(rep_dispatch *out, const rep_graph *graph, const rep_node *node,
                              size_t scratch_bytes) {
    const rep_op_info *info = rep_op_info_get(node->op);
    for (uint32_t i = 0; i < info->max_in; i++) {
        const bool is_there = i < node->in_count && node->in[i];
        add_binding(out, graph, is_there ? node->in[i] : node->in[0], 0);
    }
    for (uint32_t o = 0; o < info->out_count; o++) {
        add_binding(out, graph, node->out[o] ? node->out[o] : node->out[0], 0);
    }
    if (scratch_bytes) { add_binding(out, graph, 0, scratch_bytes); }
}

/* The tile a program has measured as the best. */
static const uint32_t *tile_of(const rep_program *program, uint32_t node) {
    if (!program) { return NULL; }
    const rep_vk_program *p = program->impl;
    return p->nodes[node].grid.tile[0] ? p->nodes[node].grid.tile : NULL;
}

rep_status rep_vulkan_describe(rep_dispatch *out, rep_device *device, const rep_graph *graph,
                               const rep_program *program, uint32_t node) {
    rep_vk_node n = {0};
    rep_vk_modules modules;
    REP_TRY(rep_vk_node_plan(&n, &modules, device->impl, graph, node, tile_of(program, node)));
    rep_dispatch d = {.pass_count = n.grid.pass_count,
                      .spec_count = modules.spec_count,
                      .push_bytes = n.push_bytes};
    memcpy(d.spec, modules.spec, sizeof modules.spec);
    memcpy(d.push, &n.push, n.push_bytes);
    for (uint32_t pass = 0; pass < d.pass_count; pass++) {
        const rep_vk_shader *shader = NULL;
        rep_dispatch_pass *p = &d.passes[pass];
        REP_TRY(rep_vk_shader_need(&shader, modules.names[pass]));
        *p = (rep_dispatch_pass){
            .words = shader->words,
            .bytes = shader->bytes,
            .groups = {n.grid.groups[pass].x, n.grid.groups[pass].y, n.grid.groups[pass].z}};
        snprintf(p->shader, sizeof p->shader, "%s", modules.names[pass]);
    }
    describe_bindings(&d, graph, &graph->nodes[node], n.grid.scratch_bytes);
    *out = d;
    return REP_OK;
}

static rep_status read_pass(rep_vk_module *out, const rep_dispatch *d, uint32_t pass) {
    const rep_dispatch_pass *p = &d->passes[pass];
    return rep_vk_module_read(out, p->shader, p->words, p->bytes, d->spec, d->spec_count);
}

rep_status rep_vulkan_find_types(uint32_t *halves, uint32_t *words, const rep_dispatch *dispatch) {
    *halves = *words = 0;
    for (uint32_t pass = 0; pass < dispatch->pass_count; pass++) {
        rep_vk_module module;
        REP_TRY(read_pass(&module, dispatch, pass));
        *halves |= module.halves;
        *words |= module.words;
    }
    return REP_OK;
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* SPIR-V capabilities (section 3.31 of its specification) and what the device was opened with. */
static bool has_capability(const rep_vk_caps *caps, uint32_t capability) {
    enum { MATRIX = 0, SHADER = 1, FLOAT16 = 9, SUBGROUP_FIRST = 61, SUBGROUP_LAST = 68 };
    enum { STORAGE_16BIT = 4433, MEMORY_MODEL = 5345, COOPERATIVE_MATRIX = 6022 };
    if (capability == MATRIX || capability == SHADER) { return true; }
    if (capability >= SUBGROUP_FIRST && capability <= SUBGROUP_LAST) {
        return caps->subgroup_size > 0;
    }
    if (capability == STORAGE_16BIT) { return caps->has_f16; }
    const bool is_of_matrix =
        capability == FLOAT16 || capability == MEMORY_MODEL || capability == COOPERATIVE_MATRIX;
    return is_of_matrix && caps->has_matrix;
}

static rep_status beyond(const char *shader, const char *what, uint64_t wanted, uint64_t most) {
    return rep_fail(REP_ERR_DEVICE, "%s: %s: %llu, the device allows %llu", shader, what,
                    (unsigned long long)wanted, (unsigned long long)most);
}

static rep_status check_pass(const rep_vk_caps *caps, const rep_dispatch *d, uint32_t pass) {
    const rep_dispatch_pass *p = &d->passes[pass];
    rep_vk_module module;
    REP_TRY(read_pass(&module, d, pass));
    for (int axis = 0; axis < 3; axis++) {
        if (p->groups[axis] > caps->max_groups || p->groups[axis] == 0) {
            return beyond(p->shader, "workgroups on one axis", p->groups[axis], caps->max_groups);
        }
    }
    const uint64_t size =
        (uint64_t)module.group[0] * (uint64_t)module.group[1] * (uint64_t)module.group[2];
    if (size > caps->max_invocations) {
        return beyond(p->shader, "invocations of a workgroup", size, caps->max_invocations);
    }
    if (module.shared_bytes > caps->shared_bytes) {
        return beyond(p->shader, "bytes of shared memory", module.shared_bytes, caps->shared_bytes);
    }
    if ((module.halves | module.words) >> d->binding_count) {
        return rep_fail(REP_ERR_DEVICE, "%s: declares a binding above the last, %u", p->shader,
                        d->binding_count - 1);
    }
    for (uint32_t i = 0; i < module.capability_count; i++) {
        if (!has_capability(caps, module.capabilities[i])) {
            return rep_fail(REP_ERR_DEVICE,
                            "%s: uses SPIR-V capability %u, which the device was not opened with",
                            p->shader, module.capabilities[i]);
        }
    }
    return REP_OK;
}

rep_status rep_vulkan_check_limits(const rep_device *device, const rep_dispatch *d) {
    const rep_vk_caps *caps = &((const rep_vk_device *)device->impl)->caps;
    const char *name = d->passes[0].shader;
    if (d->binding_count > caps->max_bindings) {
        return beyond(name, "bindings", d->binding_count, caps->max_bindings);
    }
    for (uint32_t i = 0; i < d->binding_count; i++) {
        if (d->bindings[i].bytes > caps->max_range_bytes) {
            return beyond(name, "bytes of one binding", d->bindings[i].bytes,
                          caps->max_range_bytes);
        }
    }
    for (uint32_t pass = 0; pass < d->pass_count; pass++) { REP_TRY(check_pass(caps, d, pass)); }
    return REP_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

typedef struct run {
    rep_vk_device *device;
    const rep_dispatch *dispatch;
    rep_vk_buffer buffers[REP_DISPATCH_BINDINGS];
    VkPipeline pipelines[REP_DISPATCH_PASSES];
    VkDescriptorPool pool;
    VkDescriptorSet set;
    VkPipelineLayout layout;
} run;

static rep_status make_buffers(run *r) {
    for (uint32_t i = 0; i < r->dispatch->binding_count; i++) {
        const rep_dispatch_binding *b = &r->dispatch->bindings[i];
        if (b->same_as != i) { continue; }
        const size_t bytes = b->block ? b->block_bytes : b->bytes;
        REP_TRY(rep_vk_buffer_create(&r->buffers[i], r->device, bytes, REP_VK_LOCAL, "a binding"));
        if (b->block) {
            REP_TRY(rep_vk_write(r->device, &r->buffers[i], 0, b->block, b->block_bytes));
        } else {
            REP_TRY(rep_vk_clear(r->device, &r->buffers[i]));
        }
    }
    return REP_OK;
}

static rep_status make_pipelines(run *r) {
    const rep_dispatch *d = r->dispatch;
    for (uint32_t pass = 0; pass < d->pass_count; pass++) {
        const rep_dispatch_pass *p = &d->passes[pass];
        rep_vk_pipeline wanted = {.spec_count = d->spec_count, .binding_count = d->binding_count};
        snprintf(wanted.name, sizeof wanted.name, "%s", p->shader);
        memcpy(wanted.spec, d->spec, sizeof wanted.spec);
        const rep_status status = rep_vk_pipeline_compile(r->device, &wanted, p->words, p->bytes);
        r->pipelines[pass] = wanted.pipeline;
        REP_TRY(status);
    }
    return rep_vk_layout_get(&r->layout, r->device, d->binding_count);
}

static rep_status make_set(run *r) {
    const rep_dispatch *d = r->dispatch;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, d->binding_count};
    const VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = 1,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
    REP_VK_TRY(vk.vkCreateDescriptorPool(r->device->device, &info, NULL, &r->pool));
    const VkDescriptorSetAllocateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = r->pool,
        .descriptorSetCount = 1,
        .pSetLayouts = &r->device->set_layouts[d->binding_count]};
    REP_VK_TRY(vk.vkAllocateDescriptorSets(r->device->device, &set, &r->set));
    for (uint32_t i = 0; i < d->binding_count; i++) {
        const rep_dispatch_binding *b = &d->bindings[i];
        const VkDescriptorBufferInfo buffer = {r->buffers[b->same_as].buffer,
                                               d->bindings[b->same_as].offset, b->bytes};
        const VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                            .dstSet = r->set,
                                            .dstBinding = i,
                                            .descriptorCount = 1,
                                            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                            .pBufferInfo = &buffer};
        vk.vkUpdateDescriptorSets(r->device->device, 1, &write, 0, NULL);
    }
    return REP_OK;
}

/* Host writes are made available by the submission; a barrier stands between passes and behind. */
static void record_barrier(VkCommandBuffer commands, bool is_last) {
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = is_last ? VK_ACCESS_HOST_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT
                                 : VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT};
    const VkPipelineStageFlags before =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkPipelineStageFlags after =
        is_last ? VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT
                : VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    vk.vkCmdPipelineBarrier(commands, before, after, 0, 1, &memory, 0, NULL, 0, NULL);
}

static rep_status submit(double *ms, const run *r) {
    const rep_dispatch *d = r->dispatch;
    REP_TRY(rep_vk_begin_transfer(r->device));
    const VkCommandBuffer commands = r->device->transfer;
    vk.vkCmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, r->layout, 0, 1, &r->set,
                               0, NULL);
    vk.vkCmdPushConstants(commands, r->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, d->push_bytes,
                          d->push);
    for (uint32_t pass = 0; pass < d->pass_count; pass++) {
        const uint32_t *groups = d->passes[pass].groups;
        record_barrier(commands, false);
        vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, r->pipelines[pass]);
        vk.vkCmdDispatch(commands, groups[0], groups[1], groups[2]);
    }
    record_barrier(commands, true);
    return rep_vk_submit_transfer(r->device, ms);
}

static rep_status read_buffers(run *r) {
    for (uint32_t i = 0; i < r->dispatch->binding_count; i++) {
        const rep_dispatch_binding *b = &r->dispatch->bindings[i];
        if (b->same_as != i || !b->block) { continue; }
        REP_TRY(rep_vk_read(r->device, &r->buffers[i], 0, b->block, b->block_bytes));
    }
    return REP_OK;
}

rep_status rep_vulkan_dispatch(double *ms, rep_device *device, const rep_dispatch *dispatch) {
    run r = {.device = device->impl, .dispatch = dispatch};
    rep_status status = make_buffers(&r);
    if (status == REP_OK) { status = make_pipelines(&r); }
    if (status == REP_OK) { status = make_set(&r); }
    if (status == REP_OK) { status = submit(ms, &r); }
    if (status == REP_OK) { status = read_buffers(&r); }
    for (uint32_t pass = 0; pass < dispatch->pass_count; pass++) {
        if (r.pipelines[pass]) { vk.vkDestroyPipeline(r.device->device, r.pipelines[pass], NULL); }
    }
    if (r.pool) { vk.vkDestroyDescriptorPool(r.device->device, r.pool, NULL); }
    for (uint32_t i = 0; i < dispatch->binding_count; i++) {
        rep_vk_buffer_destroy(r.device, &r.buffers[i]);
    }
    return status;
}
