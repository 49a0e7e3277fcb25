/* device.c - the list of devices and the choice among them. */
#include "device/device.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 16 };

static void describe_isa(rep_device_info *info, const rep_isa *isa, bool is_default) {
    *info = (rep_device_info){.real_bytes = isa->real_bytes,
                              .is_default = is_default,
                              .is_usable = isa->is_usable()};
    const bool is_reference = isa->real_bytes == sizeof(double);
    snprintf(info->name, sizeof info->name, "cpu:%s", isa->name);
    snprintf(info->description, sizeof info->description, "this machine's processor, %s%s",
             is_reference ? "double precision reference" : isa->name,
             info->is_usable ? "" : " (not on this machine)");
}

size_t rep_device_list(rep_device_info *info, size_t capacity) {
    size_t count = 0;
    const rep_isa *isas = rep_isa_list(&count);
    bool has_default = false;
    for (size_t i = 0; i < count; i++) {
        const bool is_default = !has_default && isas[i].is_usable();
        has_default = has_default || is_default;
        if (i < capacity) { describe_isa(&info[i], &isas[i], is_default); }
    }
    return count;
}

static rep_status unknown_device(const char *name) {
    char list[512] = "";
    rep_device_info info[MAX_DEVICES];
    const size_t count = rep_device_list(info, MAX_DEVICES);
    for (size_t i = 0; i < count; i++) {
        if (!info[i].is_usable) { continue; }
        strncat(list, ", ", sizeof list - strlen(list) - 1);
        strncat(list, info[i].name, sizeof list - strlen(list) - 1);
    }
    return rep_fail(REP_ERR_DEVICE, "device \"%s\" does not exist here; choose one of auto, cpu%s",
                    name, list);
}

rep_status rep_device_open(rep_device **out, const char *name, int threads) {
    rep_device_info info[MAX_DEVICES];
    const size_t count = rep_device_list(info, MAX_DEVICES);
    size_t isa_count = 0, chosen = count;
    const rep_isa *isas = rep_isa_list(&isa_count);
    const bool wants_default = !name || !strcmp(name, "auto") || !strcmp(name, "cpu");
    for (size_t i = 0; i < count; i++) {
        if (wants_default ? info[i].is_default : !strcmp(info[i].name, name)) { chosen = i; }
    }
    if (chosen == count) { return unknown_device(name ? name : "auto"); }
    if (!info[chosen].is_usable) {
        return rep_fail(
            REP_ERR_DEVICE,
            "device \"%s\": this machine's processor lacks those instructions; use auto", name);
    }
    rep_device *device = calloc(1, sizeof *device);
    if (!device) { return rep_fail(REP_ERR_MEMORY, "device: out of memory"); }
    device->info = info[chosen];
    const rep_status status = rep_cpu_open(device, &isas[chosen], threads);
    if (status != REP_OK) {
        rep_device_close(device);
        return status;
    }
    *out = device;
    return REP_OK;
}

void rep_device_close(rep_device *device) {
    if (!device) { return; }
    if (device->backend) { device->backend->close(device); }
    free(device);
}

void rep_device_describe(const rep_device *device, rep_device_info *info) { *info = device->info; }
