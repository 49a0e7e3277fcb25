/* vk_describe.c - what a recorded program does for a node: modules, workgroups, barriers. */
#include "device/vk_program.h"

static const char *module_of(const rep_vk_device *device, VkPipeline pipeline) {
    for (uint32_t i = 0; i < device->pipeline_count; i++) {
        if (device->pipelines[i].pipeline == pipeline) { return device->pipelines[i].name; }
    }
    return "?";
}

void rep_vk_describe_node(const rep_program *program, uint32_t node, rep_node_info *out) {
    const rep_vk_device *device = program->device->impl;
    const rep_vk_program *p = program->impl;
    const rep_vk_node *n = &p->nodes[node];
    out->dispatch_count = n->grid.pass_count;
    for (uint32_t pass = 0; pass < n->grid.pass_count; pass++) {
        out->dispatches[pass].shader = module_of(device, n->pipelines[pass]);
        out->dispatches[pass].x = n->grid.groups[pass].x;
        out->dispatches[pass].y = n->grid.groups[pass].y;
        out->dispatches[pass].z = n->grid.groups[pass].z;
    }
    out->barriers = n->grid.pass_count - 1 + n->has_barrier;
    for (uint32_t i = 0; i < p->part_count; i++) {
        const rep_vk_part *part = &p->parts[i];
        if (node < part->first || node >= part->end) { continue; }
        out->submission = i;
        out->barriers += node == part->first; /* every submission opens with one */
    }
}
