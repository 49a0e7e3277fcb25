/* vk_program.c - a graph as a Vulkan program: memory, descriptor sets, pipelines, all made once.
 *
 * State, work and io are one buffer each, and so is the scratch of ops of several passes. Every
 * node's bindings, push block and dispatches follow from its row of the op table and its grid rule.
 */
#include <stdlib.h>
#include <string.h>

#include "device/vk_dispatch.h"

rep_vk_buffer *rep_vk_locate(rep_program *program, rep_id tensor, size_t *offset) {
    rep_vk_program *p = program->impl;
    if (program->plan->is_shared[tensor]) { p = program->state_of->impl; }
    *offset = program->plan->offset[tensor];
    return &p->regions[program->graph->tensors[tensor].region];
}

size_t rep_vk_tensor_bytes(const rep_tensor *tensor) {
    return rep_shape_count(tensor->shape) * rep_dtype_bytes(tensor->dtype, 4);
}

/* ---- what a node is -------------------------------------------------------------------------- */

static void set_shape(int32_t out[4], rep_shape shape) {
    out[0] = shape.n;
    out[1] = shape.c;
    out[2] = shape.h;
    out[3] = shape.w;
}

static rep_shape shape_at(const rep_graph *graph, rep_id tensor) {
    return graph->tensors[tensor].shape;
}

static void fill_push(const rep_graph *graph, const rep_node *node, rep_vk_node *n) {
    const rep_op_info *info = rep_op_info_get(node->op);
    n->push = (rep_vk_push){0};
    set_shape(n->push.x, shape_at(graph, node->in[0]));
    set_shape(n->push.w, shape_at(graph, node->in_count > 1 ? node->in[1] : 0));
    set_shape(n->push.y, shape_at(graph, node->out[0]));
    for (uint32_t i = 0; i < node->in_count; i++) { n->push.present |= (node->in[i] != 0u) << i; }
    for (uint32_t o = 0; o < node->out_count; o++) {
        n->push.present |= (node->out[o] != 0u) << (16 + o);
    }
    n->push.chunk = n->grid.chunk;
    n->push.chunks = n->grid.chunks;
    memcpy(n->push.params, node->params, info->param_bytes);
    n->push_bytes = (uint32_t)(offsetof(rep_vk_push, params) + info->param_bytes);
}

static bool is_half(const rep_graph *graph, const rep_node *node) {
    for (uint32_t i = 0; i < node->in_count; i++) {
        if (graph->tensors[node->in[i]].dtype == REP_F16) { return true; }
    }
    return node->out_count > 0 && graph->tensors[node->out[0]].dtype == REP_F16;
}

/* The name of the best module there is for a pass: with subgroup sums where device and build have
 * them. */
static rep_status name_shader(char name[64], const rep_vk_caps *caps, const char *op,
                              const rep_vk_grid *grid, uint32_t pass, bool is_f16) {
    const rep_vk_shader *found = NULL;
    char base[48], half[56], number[16] = "";
    if (pass > 0) { snprintf(number, sizeof number, ".%u", pass + 1); }
    snprintf(base, sizeof base, "%s%s%s%s", op, grid->variant, number,
             grid->part[pass] ? grid->part[pass] : "");
    snprintf(half, sizeof half, "%s%s", base, is_f16 ? ".f16" : "");
    REP_TRY(rep_vk_shader_find(&found, half));
    if (!found) { snprintf(half, sizeof half, "%s", base); }
    snprintf(name, 64, "%s.sub", half);
    found = NULL;
    if (caps->subgroup_size && rep_vk_may(caps, ".sub")) {
        REP_TRY(rep_vk_shader_find(&found, name));
    }
    if (!found) { snprintf(name, 64, "%s", half); }
    return REP_OK;
}

static rep_status name_passes(rep_vk_modules *out, const rep_vk_device *device,
                              const rep_graph *graph, const rep_node *node, const rep_vk_node *n) {
    const rep_op_info *info = rep_op_info_get(node->op);
    *out = (rep_vk_modules){.spec = {n->grid.group_size}, .spec_count = 1 + info->spec_words};
    memcpy(out->spec + 1, node->params, info->spec_words * sizeof *out->spec);
    if (n->grid.tile[0]) {
        memcpy(out->spec + 16, n->grid.tile, sizeof n->grid.tile);
        memcpy(out->spec + 19, n->grid.matrix, sizeof n->grid.matrix);
        out->spec[22] = n->grid.run;
        out->spec_count = 23;
    }
    for (uint32_t pass = 0; pass < n->grid.pass_count; pass++) {
        REP_TRY(name_shader(out->names[pass], &device->caps, info->name, &n->grid, pass,
                            is_half(graph, node)));
    }
    return REP_OK;
}

/* Whether matrix units could do a node's work: in half precision, where device and build have them.
 */
static rep_status find_matrix(bool *out, const rep_vk_caps *caps, const char *op, bool is_f16) {
    char name[64];
    const rep_vk_shader *found = NULL;
    if (!caps->has_matrix || !is_f16 || !rep_vk_may(caps, ".coop")) { return REP_OK; }
    snprintf(name, sizeof name, "%s.coop", op);
    REP_TRY(rep_vk_shader_find(&found, name));
    *out = found != NULL;
    return REP_OK;
}

rep_status rep_vk_node_plan(rep_vk_node *n, rep_vk_modules *modules, const rep_vk_device *device,
                            const rep_graph *graph, uint32_t index, const uint32_t *tile) {
    const rep_node *node = &graph->nodes[index];
    const rep_op_info *info = rep_op_info_get(node->op);
    rep_vk_work work = {.caps = &device->caps,
                        .params = node->params,
                        .x = shape_at(graph, node->in[0]),
                        .w = shape_at(graph, node->in_count > 1 ? node->in[1] : 0),
                        .y = shape_at(graph, node->out[0]),
                        .is_half = is_half(graph, node),
                        .tile = tile};
    REP_TRY(find_matrix(&work.has_matrix, work.caps, info->name, work.is_half));
    REP_TRY(rep_vk_grid_get(&n->grid, node->op, &work));
    n->binding_count = info->max_in + info->out_count + (n->grid.scratch_bytes > 0);
    fill_push(graph, node, n);
    return name_passes(modules, device, graph, node, n);
}

/* Grid, push block and pipelines of a node; `tile` NULL takes the rule's. */
static rep_status shape_node(rep_program *program, uint32_t index, const uint32_t *tile) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    rep_vk_node *n = &p->nodes[index];
    rep_vk_modules modules;
    REP_TRY(rep_vk_node_plan(n, &modules, device, program->graph, index, tile));
    for (uint32_t pass = 0; pass < n->grid.pass_count; pass++) {
        REP_TRY(rep_vk_pipeline_get(&n->pipelines[pass], device, modules.names[pass], modules.spec,
                                    modules.spec_count, n->binding_count));
    }
    return rep_vk_layout_get(&n->layout, device, n->binding_count);
}

rep_status rep_vk_set_tile(rep_program *program, uint32_t node, const uint32_t tile[3]) {
    return shape_node(program, node, tile);
}

static rep_status prepare_node(rep_program *program, uint32_t index) {
    rep_vk_program *p = program->impl;
    rep_vk_node *n = &p->nodes[index];
    n->ms = -1;
    if (shape_node(program, index, NULL) != REP_OK) {
        return rep_fail_prefix("%s: ", program->graph->nodes[index].name);
    }
    if (n->grid.scratch_bytes > program->scratch_bytes) {
        program->scratch_bytes = n->grid.scratch_bytes;
    }
    return REP_OK;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Each binding is one tensor: within the device's range, at an offset it takes. */
static rep_status check_tensors(const rep_program *program, const rep_vk_device *device) {
    const rep_graph *graph = program->graph;
    for (rep_id id = 1; id < graph->tensor_count; id++) {
        const rep_tensor *tensor = &graph->tensors[id];
        const size_t bytes = rep_vk_tensor_bytes(tensor);
        if (tensor->dtype == REP_F16 && !device->caps.has_f16) {
            return rep_fail(REP_ERR_DEVICE, "%s: has no 16-bit storage; use DTYPE float32",
                            device->caps.name);
        }
        if (bytes > device->caps.max_range_bytes) {
            return rep_fail(REP_ERR_MEMORY,
                            "%s: %.0f MiB, %s binds %.0f MiB at most; use a smaller batch or "
                            "picture",
                            tensor->name, (double)bytes / 1048576, device->caps.name,
                            (double)device->caps.max_range_bytes / 1048576);
        }
        if (program->plan->offset[id] % device->caps.offset_align) {
            return rep_fail(REP_ERR_ARGUMENT, "%s: lies at byte %zu, %s wants multiples of %u",
                            tensor->name, program->plan->offset[id], device->caps.name,
                            device->caps.offset_align);
        }
    }
    return REP_OK;
}

static rep_status allocate(rep_program *program) {
    static const char *const names[3] = {"activations", "parameters and state",
                                         "batch and results"};
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    for (int r = 0; r < 3; r++) {
        REP_TRY(rep_vk_buffer_create(&p->regions[r], device, program->plan->region_bytes[r],
                                     REP_VK_LOCAL, names[r]));
        REP_TRY(rep_vk_clear(device, &p->regions[r]));
    }
    return rep_vk_buffer_create(&p->scratch, device, program->scratch_bytes, REP_VK_LOCAL,
                                "scratch");
}

static uint32_t count_bindings(const rep_vk_program *p, uint32_t node_count) {
    uint32_t total = 0;
    for (uint32_t n = 0; n < node_count; n++) { total += p->nodes[n].binding_count; }
    return total;
}

static VkDescriptorBufferInfo binding_of(rep_program *program, rep_id tensor) {
    size_t offset = 0;
    const rep_vk_buffer *buffer = rep_vk_locate(program, tensor, &offset);
    const size_t bytes = rep_vk_tensor_bytes(&program->graph->tensors[tensor]);
    /* The exact size: shaders take shapes of further inputs from it. */
    return (VkDescriptorBufferInfo){buffer->buffer, offset, bytes};
}

/* One set per node: inputs, outputs, scratch. A tensor that was left out is bound to input 0. */
static void bind_node(rep_program *program, uint32_t index) {
    const rep_node *node = &program->graph->nodes[index];
    const rep_op_info *info = rep_op_info_get(node->op);
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    rep_vk_node *n = &p->nodes[index];
    VkDescriptorBufferInfo buffers[REP_VK_MAX_BINDINGS];
    VkWriteDescriptorSet writes[REP_VK_MAX_BINDINGS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < info->max_in; i++) {
        const rep_id id = i < node->in_count && node->in[i] ? node->in[i] : node->in[0];
        buffers[count++] = binding_of(program, id);
    }
    for (uint32_t o = 0; o < info->out_count; o++) {
        buffers[count++] = binding_of(program, node->out[o] ? node->out[o] : node->out[0]);
    }
    if (n->grid.scratch_bytes) {
        buffers[count++] = (VkDescriptorBufferInfo){p->scratch.buffer, 0, n->grid.scratch_bytes};
    }
    for (uint32_t i = 0; i < count; i++) {
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = n->set,
                                           .dstBinding = i,
                                           .descriptorCount = 1,
                                           .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                           .pBufferInfo = &buffers[i]};
    }
    vk.vkUpdateDescriptorSets(device->device, count, writes, 0, NULL);
}

static rep_status make_sets(rep_program *program) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    const uint32_t nodes = program->graph->node_count;
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                       count_bindings(p, nodes) + 1};
    const VkDescriptorPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                             .maxSets = nodes + 1,
                                             .poolSizeCount = 1,
                                             .pPoolSizes = &size};
    REP_VK_TRY(vk.vkCreateDescriptorPool(device->device, &info, NULL, &p->pool));
    for (uint32_t n = 0; n < nodes; n++) {
        const VkDescriptorSetAllocateInfo set = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = p->pool,
            .descriptorSetCount = 1,
            .pSetLayouts = &device->set_layouts[p->nodes[n].binding_count]};
        REP_VK_TRY(vk.vkAllocateDescriptorSets(device->device, &set, &p->nodes[n].set));
        bind_node(program, n);
    }
    return REP_OK;
}

/* ---- the backend's functions ----------------------------------------------------------------- */

rep_status rep_vk_prepare(rep_program *program) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = calloc(1, sizeof *p);
    const uint32_t nodes = program->graph->node_count;
    program->impl = p;
    if (!p) { return rep_fail(REP_ERR_MEMORY, "program: out of memory"); }
    p->nodes = calloc(nodes + 1u, sizeof *p->nodes);
    p->parts = calloc(nodes + 1u, sizeof *p->parts);
    p->batch = calloc(nodes + rep_vk_io_room(program), sizeof *p->batch);
    p->items = calloc(nodes + 1u, sizeof *p->items);
    if (!p->nodes || !p->parts || !p->batch || !p->items) {
        return rep_fail(REP_ERR_MEMORY, "program: out of memory");
    }
    REP_TRY(rep_program_find_phases(program, p->first_node));
    REP_TRY(check_tensors(program, device));
    for (uint32_t n = 0; n < nodes; n++) { REP_TRY(prepare_node(program, n)); }
    REP_TRY(allocate(program));
    REP_TRY(make_sets(program));
    REP_TRY(rep_vk_tune(program));
    REP_TRY(rep_vk_io_create(program));
    return rep_vk_check_messages();
}

void rep_vk_release(rep_program *program) {
    rep_vk_device *device = program->device->impl;
    rep_vk_program *p = program->impl;
    if (!p) { return; }
    if (device->device) { (void)vk.vkDeviceWaitIdle(device->device); }
    for (uint32_t i = 0; i < p->part_count; i++) {
        vk.vkFreeCommandBuffers(device->device, device->pool, 1, &p->parts[i].commands);
    }
    rep_vk_io_destroy(program);
    if (p->ticks) { vk.vkDestroyQueryPool(device->device, p->ticks, NULL); }
    if (p->pool) { vk.vkDestroyDescriptorPool(device->device, p->pool, NULL); }
    for (int r = 0; r < 3; r++) { rep_vk_buffer_destroy(device, &p->regions[r]); }
    rep_vk_buffer_destroy(device, &p->scratch);
    free(p->nodes);
    free(p->parts);
    free(p->batch);
    free(p->items);
    free(p);
}
