/* no_vulkan.c - stands in for src/device/vk_* in a build without Vulkan. */
#include "device/device.h"

size_t rep_vulkan_list(rep_device_info *info, size_t capacity) {
    (void)info;
    (void)capacity;
    return 0;
}

rep_status rep_vulkan_open(rep_device *device, uint32_t index) {
    (void)device;
    return rep_fail(REP_ERR_DEVICE, "vulkan:%u: this build has no Vulkan (REP_VULKAN=OFF)", index);
}

void rep_vulkan_explain_none(char *out, size_t bytes) {
    snprintf(out, bytes, "this build has no Vulkan (REP_VULKAN=OFF)");
}

static rep_status no_dispatch(void) {
    return rep_fail(REP_ERR_DEVICE, "this build has no Vulkan (REP_VULKAN=OFF)");
}

void rep_vulkan_allow(rep_device *device, const char *parts) {
    (void)device;
    (void)parts;
}

rep_status rep_vulkan_describe(rep_dispatch *out, rep_device *device, const rep_graph *graph,
                               const rep_program *program, uint32_t node) {
    (void)out;
    (void)device;
    (void)graph;
    (void)program;
    (void)node;
    return no_dispatch();
}

rep_status rep_vulkan_find_types(uint32_t *halves, uint32_t *words, const rep_dispatch *dispatch) {
    (void)halves;
    (void)words;
    (void)dispatch;
    return no_dispatch();
}

rep_status rep_vulkan_check_limits(const rep_device *device, const rep_dispatch *dispatch) {
    (void)device;
    (void)dispatch;
    return no_dispatch();
}

rep_status rep_vulkan_dispatch(double *ms, rep_device *device, const rep_dispatch *dispatch) {
    (void)ms;
    (void)device;
    (void)dispatch;
    return no_dispatch();
}

void rep_vulkan_configure(const rep_vulkan_options *options) { (void)options; }
