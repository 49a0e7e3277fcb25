/* device.c - the list of devices and the choice among them. */
#include "device/device.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 32 };

/* ---- the list: instruction sets of the CPU, then what Vulkan offers -------------------------- */

static void describe_isa(rep_device_info *info, const rep_isa *isa) {
    *info = (rep_device_info){.real_bytes = isa->real_bytes, .is_usable = isa->is_usable()};
    const bool is_reference = isa->real_bytes == sizeof(double);
    snprintf(info->name, sizeof info->name, "cpu:%s", isa->name);
    snprintf(info->kind, sizeof info->kind, "cpu");
    snprintf(info->description, sizeof info->description, "this machine's processor, %s%s",
             is_reference ? "double precision reference" : isa->name,
             info->is_usable ? "" : " (not on this machine)");
}

static size_t list_cpu(rep_device_info *info, size_t capacity) {
    size_t count = 0;
    const rep_isa *isas = rep_isa_list(&count);
    for (size_t i = 0; i < count && i < capacity; i++) { describe_isa(&info[i], &isas[i]); }
    return count;
}

/* How willingly `auto` takes a device: a discrete GPU, then an integrated one, then the CPU's best
 * instruction set; never a software Vulkan device, which the CPU's own kernels outrun. */
static int rank_of(const rep_device_info *info) {
    if (!info->is_usable || info->is_software) { return 0; }
    if (!info->is_vulkan) { return 1; }
    return !strcmp(info->kind, "discrete") ? 4 : !strcmp(info->kind, "integrated") ? 3 : 2;
}

static size_t choose(const rep_device_info *info, size_t count) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (rank_of(&info[i]) > rank_of(&info[best])) { best = i; }
    }
    return best;
}

/* wants_vulkan: false leaves the loader alone. */
static size_t list_devices(rep_device_info *info, size_t capacity, bool wants_vulkan) {
    size_t count = list_cpu(info, capacity);
    if (wants_vulkan) {
        const size_t room = capacity > count ? capacity - count : 0;
        count += rep_vulkan_list(room ? info + count : NULL, room);
    }
    const size_t filled = count < capacity ? count : capacity;
    if (filled) { info[choose(info, filled)].is_default = true; }
    return count;
}

size_t rep_device_list(rep_device_info *info, size_t capacity) {
    return list_devices(info, capacity, true);
}

void rep_device_explain_auto(char *out, size_t bytes) {
    rep_device_info info[MAX_DEVICES];
    const size_t listed = rep_device_list(info, MAX_DEVICES);
    const size_t count = listed < MAX_DEVICES ? listed : MAX_DEVICES;
    const rep_device_info *chosen = &info[choose(info, count)];
    size_t software = 0;
    for (size_t i = 0; i < count; i++) { software += info[i].is_software; }
    if (chosen->is_vulkan) {
        snprintf(out, bytes, "auto takes %s: the first %s GPU", chosen->name, chosen->kind);
    } else if (software) {
        snprintf(out, bytes,
                 "auto takes %s: the only Vulkan device here is a software driver, slower than the "
                 "CPU's own kernels",
                 chosen->name);
    } else {
        char why[300];
        rep_vulkan_explain_none(why, sizeof why);
        snprintf(out, bytes, "auto takes %s: no Vulkan GPU here (%s)", chosen->name, why);
    }
}

/* ---- the choice ------------------------------------------------------------------------------ */

static rep_status unknown_device(const char *name, const rep_device_info *info, size_t count) {
    char list[600] = "", why[300] = "";
    bool has_vulkan = false;
    for (size_t i = 0; i < count; i++) {
        if (!info[i].is_usable) { continue; }
        char item[120];
        has_vulkan = has_vulkan || info[i].is_vulkan;
        snprintf(item, sizeof item, info[i].is_vulkan ? ", %s (%.80s)" : ", %s", info[i].name,
                 info[i].description);
        strncat(list, item, sizeof list - strlen(list) - 1);
    }
    if (!has_vulkan && strncmp(name, "vulkan", 6) == 0) {
        strcpy(why, "; ");
        rep_vulkan_explain_none(why + 2, sizeof why - 2);
    }
    return rep_fail(REP_ERR_DEVICE,
                    "device \"%.100s\" does not exist here; choose one of auto, cpu%s%s", name,
                    list, why);
}

/* Whether `part` stands in `whole`, upper and lower case alike. */
static bool contains(const char *whole, const char *part) {
    const size_t length = strlen(part);
    for (; *whole; whole++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)whole[i]) == tolower((unsigned char)part[i])) {
            i++;
        }
        if (i == length) { return true; }
    }
    return false;
}

/* The device a name means; `count` when none. An exact name wins over a part of one. */
static size_t find_device(const char *name, const rep_device_info *info, size_t count) {
    if (!strcmp(name, "auto")) { return choose(info, count); }
    /* Mesa's driver for processors is lavapipe; its devices and it itself say llvmpipe. */
    if (!strcmp(name, "lavapipe")) { name = "llvmpipe"; }
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(info[i].name, name)) { return i; }
    }
    for (size_t i = 0; i < count; i++) {
        if (!info[i].is_vulkan) {
            if (!strcmp(name, "cpu") && info[i].is_usable) { return i; }
            continue;
        }
        if (!strcmp(name, "vulkan") || contains(info[i].uuid, name) ||
            contains(info[i].description, name) || contains(info[i].driver, name)) {
            return i;
        }
    }
    return count;
}

static rep_status open_chosen(rep_device *device, size_t chosen, int threads) {
    size_t isa_count = 0;
    const rep_isa *isas = rep_isa_list(&isa_count);
    if (chosen < isa_count) { return rep_cpu_open(device, &isas[chosen], threads); }
    return rep_vulkan_open(device, (uint32_t)(chosen - isa_count));
}

rep_status rep_device_open(rep_device **out, const char *name, int threads) {
    rep_device_info info[MAX_DEVICES];
    if (!name) { name = "auto"; }
    const size_t listed = list_devices(info, MAX_DEVICES, strncmp(name, "cpu", 3) != 0);
    const size_t count = listed < MAX_DEVICES ? listed : MAX_DEVICES;
    const size_t chosen = find_device(name, info, count);
    if (chosen == count) { return unknown_device(name, info, count); }
    if (!info[chosen].is_usable) {
        return rep_fail(
            REP_ERR_DEVICE,
            "device \"%s\": this machine's processor lacks those instructions; use auto", name);
    }
    rep_device *device = calloc(1, sizeof *device);
    if (!device) { return rep_fail(REP_ERR_MEMORY, "device: out of memory"); }
    device->info = info[chosen];
    const rep_status status = open_chosen(device, chosen, threads);
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
